"""``strata metrics``: the figures of the company, by whatever they can be grouped by."""

import json
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.table import Table

from strata.cli.terminal import World, console, open_tenant, read_day, told_plainly
from strata.semantic import (
    Filter,
    Metric,
    MetricQuery,
    SemanticLayer,
    Statement,
    read_layer,
    render,
    views,
)
from strata.semantic.groups import find, shared
from strata.semantic.views import definition
from strata.tenant import Tenant, project_root

metrics_app = typer.Typer(help="Metrics, by any dimension.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


@metrics_app.command("list")
def metrics_list(as_json: AsJson = False) -> None:
    """Every metric: what it says, and what it can be grouped by (beside metric_time)."""
    with told_plainly():
        layer = read_layer(project_root() / "dbt_project")
    if as_json:
        told = [
            m.model_dump(include={"name", "label", "description", "type"})
            | {"dimensions": ["metric_time", *shared(layer, [m])]}
            for m in layer.metrics
        ]
        typer.echo(json.dumps(told, indent=2))
        return
    table = Table()
    for heading in ("metric", "type", "what it says"):
        table.add_column(heading, no_wrap=heading == "metric")
    for m in layer.metrics:
        table.add_row(m.name, m.type, m.description)
    console.print(table)


@metrics_app.command("views")
def metrics_views() -> None:
    """Print the SQL of the views, for another engine that has the published tables.

    The statements are such as Spark reads too; the schema `metrics` has to be there. The
    published copy has its views already.
    """
    with told_plainly():
        for view in views(read_layer(project_root() / "dbt_project")):
            typer.echo(f"{definition(view)};\n")


@metrics_app.command("query")
def metrics_query(
    metrics: Annotated[str, typer.Argument(help="Metrics, by comma: revenue,aov.")],
    by: Annotated[
        str, typer.Option(help="Groups, by comma: region,month. None: one figure.")
    ] = "",
    where: Annotated[
        list[str] | None,
        typer.Option(help="Only rows of a group: tier=high; `tier=` for none."),
    ] = None,
    since: Annotated[str | None, typer.Option("--from", help="First day.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Last day.")] = None,
    as_json: AsJson = False,
    show_sql: Annotated[
        bool, typer.Option("--sql", help="Print the statement, ask nothing.")
    ] = False,
    world: World = None,
) -> None:
    """Figures of the published copy: METRICS by groups.

    A group is a time (day, week, month, quarter, year) or a dimension, named shortly
    (region) or with the model that it is found in (user__region), such as a time with
    its grain: user__first_order_on__month.
    """
    with told_plainly():
        layer = read_layer(project_root() / "dbt_project")
        chosen = [layer.metric(name) for name in _listed(metrics)]
        groups = tuple(find(layer, chosen, text) for text in _listed(by))
        query = MetricQuery(
            tuple(chosen),
            groups,
            tuple(_filter(layer, chosen, text) for text in where or []),
            read_day(since, "--from") if since else None,
            read_day(until, "--to") if until else None,
        )
        statement = render(layer, query)
        if show_sql:
            typer.echo(statement.sql)
            return
        columns = [g.column for g in groups] + [m.name for m in chosen]
        rows = _answer(open_tenant(world), statement)
    _print(columns, rows, as_json=as_json)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _filter(layer: SemanticLayer, metrics: list[Metric], text: str) -> Filter:
    name, sign, value = text.partition("=")
    if not sign:
        raise typer.BadParameter(f"{text!r} is no filter: write NAME=VALUE")
    return Filter(find(layer, metrics, name.strip()), value.strip() or None)


def _answer(tenant: Tenant, statement: Statement) -> list[tuple[Any, ...]]:
    """Raises ``LookupError`` before the first run."""
    import duckdb

    copy = tenant.home / "serving" / "strata.duckdb"
    if not copy.exists():
        raise LookupError(
            f"world {tenant.world_name!r} has no published copy yet: start with "
            "`make run`"
        )
    with duckdb.connect(str(copy), read_only=True) as con:
        return con.execute(statement.sql, statement.values).fetchall()


def _print(columns: list[str], rows: list[tuple[Any, ...]], *, as_json: bool) -> None:
    if as_json:
        told = [dict(zip(columns, map(_plain, row), strict=True)) for row in rows]
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(*("" if v is None else str(_plain(v)) for v in row))
    console.print(table)


def _plain(value: Any) -> Any:
    """As JSON knows it: a date as text, an amount as a number."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return value
