"""What an ingest has found and not yet committed, and how its loads are called."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import chain, count

import pyarrow as pa

from strata.config.sources import Entity, SourcesConfig, System
from strata.config.world import WorldConfig
from strata.dates import known_on
from strata.ingest.files import NewFile
from strata.ingest.manifest import EntityLoad, Load, Manifest, SetAside
from strata.run import Run


@dataclass
class Landing:
    """What an ingest brought: loads committed, files set aside, rows by table."""

    loads: list[Load] = field(default_factory=list)
    set_aside: list[SetAside] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)


@dataclass
class Pending:
    """One entity's new rows: how to read them, and what reading them found out."""

    system: str
    name: str
    entity: Entity
    batches: Callable[[], Iterator[pa.Table]]
    sources: list[NewFile] = field(default_factory=list)
    rows_by_file: dict[str, int] = field(default_factory=dict)
    cursor: str | None = None
    cursor_rows: list[str] = field(default_factory=list)
    known_at: str = ""
    rows: int = 0

    @property
    def table(self) -> str:
        return f"{self.system}__{self.name}"

    @property
    def counted(self) -> int:
        """Rows that the sources hold."""
        return sum(self.rows_by_file.values())

    def follow(self, later: "Pending") -> None:
        """Add what a database had the next day."""
        together = pa.concat_tables([*self.batches(), *later.batches()])
        self.batches = lambda: iter([together])
        for name, rows in later.rows_by_file.items():
            self.rows_by_file[name] += rows
        self.cursor, self.cursor_rows = later.cursor, later.cursor_rows
        self.known_at = later.known_at


def systems_of(
    world: WorldConfig, sources: SourcesConfig
) -> Iterator[tuple[str, System, list[str]]]:
    """The systems of a world, each with its entities.

    Raises ``ValueError`` where the world names what no source declares.
    """
    for name, wanted in world.systems.items():
        if name not in sources.systems:
            raise ValueError(
                f"config/worlds/{world.name}.yml has system {name!r}, which "
                "config/sources.yml does not declare"
            )
        system = sources.systems[name]
        entities = list(system.entities) if wanted == "all" else list(wanted)
        unknown = [e for e in entities if e not in system.entities]
        if unknown:
            raise ValueError(
                f"config/worlds/{world.name}.yml: system {name} has no entity {unknown}"
            )
        yield name, system, entities


def seen_of(history: Sequence[Load], system: str, entity: str) -> list[EntityLoad]:
    """What earlier loads brought of an entity, oldest first."""
    return [
        load.entities[entity]
        for load in history
        if load.system == system and entity in load.entities
    ]


def known_text(ds: date, timezone: str) -> str:
    """When what came on a day is known, UTC, as raw keeps it."""
    return known_on(ds, timezone).strftime("%Y-%m-%d %H:%M:%S")


def load_id_of(run: Run, system: str) -> str:
    """The id of a system's next load by a run: numbered from the second on."""
    manifest = Manifest(run.home / "raw")
    first = f"{run.run_id}-{system}"
    names = chain([first], (f"{first}.{number}" for number in count(2)))
    return next(name for name in names if not manifest.has(name))
