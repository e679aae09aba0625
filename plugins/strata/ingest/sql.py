"""Databases as sources: what each holds that raw does not, as of a day."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from strata import secrets
from strata.config.sources import Entity, SourcesConfig, System
from strata.config.world import WorldConfig
from strata.ingest import database
from strata.ingest.files import BadFileError
from strata.ingest.manifest import EntityLoad, Load, SetAside
from strata.ingest.pending import (
    Landing,
    Pending,
    known_text,
    load_id_of,
    seen_of,
    systems_of,
)
from strata.run import Run


class Databases:
    """The SQL systems of a world, to be read as of one day after the other.

    What does not change meanwhile is looked up once: connections, columns, and what
    earlier loads brought.
    """

    def __init__(
        self, world: WorldConfig, sources: SourcesConfig, history: Sequence[Load]
    ) -> None:
        self._systems = [s for s in systems_of(world, sources) if s[1].kind == "sql"]
        self._seen = {
            (system, name): seen_of(history, system, name)
            for system, _, entities in self._systems
            for name in entities
        }
        self._engines: dict[str, Any] = {}
        self._columns: dict[tuple[str, str], list[str] | None] = {}

    def read(self, run: Run, pending: list[Pending], landing: Landing) -> None:
        """Add to ``pending`` what the databases have that neither it nor raw has."""
        for system, config, entities in self._systems:
            engine = self._engine(run, system, config)
            for name in entities:
                columns = self._columns_of(engine, system, name, config, landing)
                if columns is None:
                    continue
                before = [p for p in pending if p.table == f"{system}__{name}"]
                known: list[EntityLoad | Pending] = [*self._seen[system, name], *before]
                found = _new_rows(run, engine, system, name, config, columns, known)
                if found is not None and before:
                    before[0].follow(found)
                elif found is not None:
                    pending.append(found)

    def close(self) -> None:
        """Give the connections back."""
        for engine in self._engines.values():
            engine.dispose()

    def _engine(self, run: Run, system: str, config: System) -> Any:
        import sqlalchemy as sa

        if system not in self._engines:
            place = secrets.database_url(config.url, config.connection, run.home)
            self._engines[system] = sa.create_engine(
                place, poolclass=sa.NullPool, hide_parameters=True
            )
        return self._engines[system]

    def _columns_of(
        self, engine: Any, system: str, name: str, config: System, landing: Landing
    ) -> list[str] | None:
        """The columns of an entity's table; None where it breaks its contract."""
        entity = config.entities[name]
        if (system, name) not in self._columns:
            found: list[str] | None = None
            try:
                found = database.columns_of(engine, entity)
            except BadFileError as fault:
                table = entity.table or ""
                landing.set_aside.append(
                    SetAside(f"{system}.{name}", table, fault.fault, fault.reason)
                )
            self._columns[system, name] = found
        return self._columns[system, name]


def _new_rows(
    run: Run,
    engine: Any,
    system: str,
    name: str,
    config: System,
    columns: Sequence[str],
    known: Sequence[EntityLoad | Pending],
) -> Pending | None:
    entity = config.entities[name]
    since = max((s.cursor for s in known if s.cursor), default=None)
    have = {h for s in known if s.cursor == since for h in s.cursor_rows}
    until = _local_end(run, config.timezone)
    names = list(entity.columns)
    known_at = known_text(run.days[0], run.timezone)
    parts = [
        _without(part, names, since, have, str(entity.cursor))
        for part in database.read(engine, entity, columns, since, until)
    ]
    parts = [p for p in parts if p.num_rows]
    if not parts:
        return None
    rows = pa.concat_tables(parts)
    cursor = max(rows.column(str(entity.cursor)).to_pylist())
    at_cursor = rows.filter(pa.compute.equal(rows.column(str(entity.cursor)), cursor))
    hashes = database.row_hashes(at_cursor, names)
    if cursor == since:
        hashes = sorted({*have, *hashes})
    first = 1 + sum(item.counted for item in known if isinstance(item, Pending))
    stamped = _stamp(rows, names, entity, load_id_of(run, system), known_at, first)
    pending = Pending(system, name, entity, lambda: iter([stamped]))
    pending.rows_by_file = {str(entity.table): rows.num_rows}
    pending.cursor, pending.cursor_rows = cursor, hashes
    pending.known_at = known_at
    return pending


def _local_end(run: Run, timezone: str) -> str:
    """The end of ``ds`` as the source writes its local time."""
    end = run.bounds[1].replace(tzinfo=UTC).astimezone(ZoneInfo(timezone))
    return end.strftime("%Y-%m-%d %H:%M:%S")


def _without(
    part: pa.Table, names: list[str], since: str | None, have: set[str], cursor: str
) -> pa.Table:
    if since is None or not have:
        return part
    moved = part.column(cursor).to_pylist()
    hashes = database.row_hashes(part, names)
    keep = [
        value != since or known not in have
        for value, known in zip(moved, hashes, strict=True)
    ]
    return part.filter(pa.array(keep, pa.bool_()))


def _stamp(
    rows: pa.Table,
    names: list[str],
    entity: Entity,
    load_id: str,
    known_at: str,
    first: int,
) -> pa.Table:
    """The rows as raw keeps them, numbered from ``first``."""
    import json

    count = rows.num_rows
    extras = [n for n in rows.column_names if n.startswith("_extra_")]
    values = rows.select(extras).to_pylist() if extras else []
    extra = [
        json.dumps({k.removeprefix("_extra_"): v for k, v in row.items()})
        for row in values
    ]
    moment = datetime.fromisoformat(known_at)
    return pa.table(
        {
            **{n: rows.column(n) for n in names},
            "_load_id": pa.array([load_id] * count, pa.string()),
            "_file": pa.array([entity.table] * count, pa.string()),
            "_row": pa.array(range(first, first + count), pa.int64()),
            "_occurrence": pa.array([1] * count, pa.int64()),
            "_known_at": pa.array([moment] * count, pa.timestamp("us")),
            "_extra": pa.array(extra or [None] * count, pa.string()),
        }
    )
