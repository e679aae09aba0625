"""Raw as tables: one view an entity over the files that the manifest names."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from strata.config.sources import Entity, SourcesConfig
from strata.ingest.manifest import Load, manifest_hash
from strata.run import Run

_OPERATIONAL = {
    "_load_id": "varchar",
    "_file": "varchar",
    "_row": "bigint",
    "_occurrence": "bigint",
    "_known_at": "timestamp",
    "_extra": "varchar",
}


def create_views(
    con: duckdb.DuckDBPyConnection,
    schema: str,
    sources: SourcesConfig,
    raw: Path,
    loads: Sequence[Load],
    *,
    without_quarantined: bool,
) -> None:
    """One view ``<schema>.<system>__<entity>`` for every declared entity.

    An entity that no load brought is an empty view of the same columns.
    """
    con.execute(f'create schema if not exists "{schema}"')
    held = _entities_with_held_rows(con) if without_quarantined else set()
    for system, config in sources.systems.items():
        for name, entity in config.entities.items():
            parts = [
                str(raw / part)
                for load in loads
                if load.system == system and name in load.entities
                for part in load.entities[name].parts
            ]
            body = _select(entity, parts)
            if parts and (system, name) in held:
                body += _not_held(system, name)
            con.execute(
                f'create or replace view "{schema}"."{system}__{name}" as {body}'
            )


def _select(entity: Entity, parts: Sequence[str]) -> str:
    columns = {**dict.fromkeys(entity.columns, "varchar"), **_OPERATIONAL}
    if not parts:
        empty = ", ".join(f'null::{kind} as "{c}"' for c, kind in columns.items())
        return f"select {empty} where false"
    files = ", ".join("'" + part.replace("'", "''") + "'" for part in parts)
    listed = ", ".join(f'{_read(c, kind)} as "{c}"' for c, kind in columns.items())
    return (
        f"select {listed} from read_parquet([{files}], union_by_name = true,"
        " hive_partitioning = false) as r"
    )


def _read(column: str, kind: str) -> str:
    """A column of the files. Their times are instants: in UTC, not the machine's zone."""
    value = f'r."{column}"'
    return (
        f"make_timestamp(epoch_us({value}))"
        if kind == "timestamp"
        else f"{value}::{kind}"
    )


def _entities_with_held_rows(con: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
    """Only these need the look-up, which every scan of the view would pay for."""
    rows = con.execute(
        "select distinct system, entity from quarantine.rows where status = 'held'"
    ).fetchall()
    return {(str(system), str(entity)) for system, entity in rows}


def _not_held(system: str, entity: str) -> str:
    return (
        " where not exists (select 1 from quarantine.rows as q"
        f" where q.system = '{system}' and q.entity = '{entity}'"
        " and q.status = 'held' and q.load_id = r._load_id and q.file = r._file"
        " and q.row_number = r._row)"
    )


def accepted_ids(con: duckdb.DuckDBPyConnection) -> set[str]:
    """The loads that have passed the gate."""
    rows = con.execute("select distinct load_id from ops.load_manifest").fetchall()
    return {str(row[0]) for row in rows}


def accept(con: duckdb.DuckDBPyConnection, run: Run, loads: Sequence[Load]) -> None:
    """Mirror loads that passed the gate into ``ops.load_manifest``."""
    for load in loads:
        con.execute("delete from ops.load_manifest where load_id = ?", [load.load_id])
        con.executemany(
            "insert into ops.load_manifest values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                [
                    load.load_id,
                    load.system,
                    name,
                    len(entity.sources),
                    entity.rows,
                    entity.known_at,
                    "accepted",
                    entity.content_hash,
                    run.run_id,
                ]
                for name, entity in load.entities.items()
            ],
        )


__all__ = ["accept", "accepted_ids", "create_views", "manifest_hash"]
