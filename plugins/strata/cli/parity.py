"""``strata parity``: whether Spark makes the same tables of the last run as DuckDB."""

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table as Grid

from strata.cli.terminal import (
    World,
    console,
    progress_bar,
    quietly,
    tenant_that_ran,
    told_plainly,
)

if TYPE_CHECKING:
    from strata.parity.checking import Compared, Parity
    from strata.parity.comparing import Example


def parity(
    world: World = None,
    stage: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this stage (staging, identity, features, publish, metrics); may be repeated. What "
            "it reads of another comes from DuckDB.",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Only this model and what it stands on; may be repeated."),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Of the metrics only this one; may be repeated."),
    ] = None,
    keys: Annotated[
        bool,
        typer.Option("--keys", help="Keys of rows as they are; some are personal."),
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave <home>/parity, PII among it.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="As one JSON object.")
    ] = False,
) -> None:
    """Build the last run again on Spark and compare every table with DuckDB's.

    Ends with 1 where a table differs or could not be built there.
    """
    from strata.parity.checking import check
    from strata.parity.inputs import STAGES

    with told_plainly():
        if unknown := set(stage or ()) - set(STAGES):
            raise typer.BadParameter(
                f"{unknown.pop()!r} is none of {', '.join(STAGES)}"
            )
        tenant = tenant_that_ran(world)
        with progress_bar() as bar, quietly(tenant):
            task = bar.add_task("", total=None)

            def listen(step: str, done: int, total: int) -> None:
                bar.update(task, description=step, completed=done, total=total or None)

            found = check(
                tenant,
                listen,
                stages=stage or STAGES,
                models=model or (),
                metrics=metric or (),
                keep=keep,
            )
        if as_json:
            typer.echo(json.dumps(_told(found, keys), indent=2))
        else:
            _print(found, keys)
    raise typer.Exit(0 if found.holds else 1)


def _told(found: "Parity", keys: bool) -> dict[str, Any]:
    return {
        "run_id": found.run_id,
        "ds": found.ds.isoformat(),
        "holds": found.holds,
        "seconds": found.seconds,
        "tables": [
            {
                "stage": table.stage,
                "table": table.name,
                "holds": table.holds,
                **({"not_built": table.reason} if table.found is None else {}),
                **(_counted(table, keys) if table.found is not None else {}),
            }
            for table in found.tables
        ],
    }


def _counted(table: "Compared", keys: bool) -> dict[str, Any]:
    assert table.found is not None
    told = asdict(table.found)
    told["examples"] = [
        {"key": _key(table, example, keys), "what": _what(example)}
        for example in _shown(table)
    ]
    return told


def _shown(table: "Compared") -> tuple["Example", ...]:
    """Of the PII zone only counts are told."""
    assert table.found is not None
    return () if table.name.startswith("pii.") else table.found.examples


def _key(table: "Compared", example: "Example", keys: bool) -> str:
    """The key of a row; what a source made may be a person's, so it is masked."""
    from strata.quality.outcome import OPEN

    return ", ".join(
        f"{name} {value if keys or name in OPEN else _masked(value)}"
        for name, value in zip(example.columns, example.key, strict=True)
    )


def _masked(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:12] + "…"


def _what(example: "Example") -> str:
    if not example.column:
        return f"{example.ours} on DuckDB, {example.theirs} on Spark"
    if not (example.ours or example.theirs):
        return example.column
    return f"{example.column}: {example.ours} on DuckDB, {example.theirs} on Spark"


def _differences(table: "Compared", keys: bool) -> list[str]:
    """What is wrong with a table, the greatest first, then rows as examples."""
    assert table.found is not None
    told = list(table.found.shape)
    told += [f"{name}: {rows} rows" for name, rows in table.found.columns.items()]
    told += [
        f"{_key(table, example, keys)}: {_what(example)}" for example in _shown(table)
    ]
    return told


def _print(found: "Parity", keys: bool) -> None:
    grid = Grid("stage", "table", "DuckDB", "Spark", "differ")
    for table in found.tables:
        counts = table.found
        differ = (
            counts.differing + counts.only_ours + counts.only_theirs if counts else 0
        )
        grid.add_row(
            table.stage,
            table.name,
            f"{counts.ours}" if counts else "",
            f"{counts.theirs}" if counts else "not built",
            f"{differ}" if differ else "",
        )
    console.print(grid)
    wrong = [table for table in found.tables if not table.holds]
    for table in wrong:
        _say(f"{table.name}: {table.reason}" if table.reason else table.name)
        for line in _differences(table, keys) if table.found else ():
            _say(f"  {line}")
    rows = sum(table.found.ours for table in found.tables if table.found)
    took = ", ".join(f"{step} {seconds} s" for step, seconds in found.seconds.items())
    _say(
        f"{len(found.tables) - len(wrong)} of {len(found.tables)} tables are the same on "
        f"both engines ({rows} rows of run {found.run_id}; {took})"
    )


def _say(line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
