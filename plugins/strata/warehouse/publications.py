"""What is published where nothing is transactional: one file, renamed into place.

Tables lie in folders that are written once and never changed. A table is made of parts:
each is such a folder, as a whole or for some of its days only. Publishing a stage makes
new parts and says so by writing this file anew beside the old one and renaming it. Who
was killed before the rename has published nothing, after it everything.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path

Columns = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Part:
    """Some rows of a table: the table ``name`` that lies in the folder ``place``.

    ``columns`` are its names and types. With ``days`` only the rows of these count.
    """

    place: str
    name: str
    columns: Columns
    days: tuple[date, ...] | None = None


@dataclass(frozen=True)
class Publication:
    """One stage of one run, as ``audit.publications`` has it on DuckDB."""

    stage: str
    ds: date
    run_id: str
    is_newest: bool
    rows: Mapping[str, int]
    fingerprints: Mapping[str, str]


@dataclass(frozen=True)
class Publications:
    """All that is published: the parts of each table, and by which runs."""

    tables: Mapping[str, tuple[Part, ...]] = field(default_factory=dict)
    runs: tuple[Publication, ...] = ()

    @classmethod
    def read(cls, path: Path) -> "Publications":
        """What the file says; nothing where there is none yet."""
        if not path.exists():
            return cls()
        told = json.loads(path.read_text("utf-8"))
        return cls(
            {
                table: tuple(_part(part) for part in parts)
                for table, parts in told["tables"].items()
            },
            tuple(
                Publication(**{**run, "ds": date.fromisoformat(run["ds"])})
                for run in told["runs"]
            ),
        )

    def write(self, path: Path) -> None:
        """Make this what is published, by one rename."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".next")
        with beside.open("w", encoding="utf-8") as file:
            json.dump(asdict(self), file, default=str, indent=1)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)

    def places(self) -> set[str]:
        """The folders that something published lies in."""
        return {part.place for parts in self.tables.values() for part in parts}

    def with_parts(self, table: str, parts: Sequence[Part]) -> "Publications":
        """The same, with ``table`` made of these parts."""
        return replace(self, tables={**self.tables, table: tuple(parts)})

    def with_run(self, done: Publication) -> "Publications":
        """The same, published by this run too; its own earlier word counts no more."""
        others = [
            run
            for run in self.runs
            if (run.stage, run.run_id) != (done.stage, done.run_id)
        ]
        return replace(self, runs=(*others, done))

    def has(self, stage: str, run_id: str) -> bool:
        """Whether that attempt has published the stage."""
        return any((r.stage, r.run_id) == (stage, run_id) for r in self.runs)


def without_days(parts: Sequence[Part], days: Sequence[date]) -> list[Part]:
    """The parts of a table by day, less the rows of these days."""
    kept = [
        replace(part, days=tuple(d for d in part.days if d not in days))
        for part in parts
        if part.days is not None
    ]
    return [part for part in kept if part.days]


def all_columns(parts: Sequence[Part]) -> dict[str, str]:
    """The columns of a table: those of its newest part, then what older ones had."""
    found: dict[str, str] = {}
    for part in reversed(parts):
        for name, kind in part.columns:
            found.setdefault(name, kind)
    return found


def _part(told: dict[str, object]) -> Part:
    days = told["days"]
    columns = told["columns"]
    assert isinstance(columns, list)
    return Part(
        str(told["place"]),
        str(told["name"]),
        tuple((str(name), str(kind)) for name, kind in columns),
        tuple(map(date.fromisoformat, days)) if isinstance(days, list) else None,
    )
