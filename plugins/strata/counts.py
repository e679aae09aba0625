"""Conservation: what went into each table of a stage, and where every row went."""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from strata.ingest.manifest import Load
from strata.run import Run
from strata.tenant import Tenant
from strata.warehouse.tables import BUILD_PREFIX, STAGE_SCHEMAS


@dataclass(frozen=True)
class TableCount:
    """Rows of one table in a run. They balance, or a row was lost in silence."""

    stage: str
    table: str
    rows_in: int
    rows_out: int
    deduplicated: int = 0
    quarantined: int = 0

    @property
    def missing(self) -> int:
        """Rows that went in and are nowhere: 0 where the law holds."""
        return self.rows_in - self.rows_out - self.deduplicated - self.quarantined


def count_ingest(
    con: duckdb.DuckDBPyConnection, loads: Sequence[Load], schema: str = "build_raw"
) -> list[TableCount]:
    """New raw rows by entity: read from the sources, landed, set aside."""
    counts: dict[tuple[str, str], int] = {}
    for load in loads:
        for name, entity in load.entities.items():
            key = (load.system, name)
            from_sources = sum(s.rows for s in entity.sources)
            rows = from_sources if entity.sources else entity.rows
            counts[key] = counts.get(key, 0) + rows
    ids = [load.load_id for load in loads]
    return [
        TableCount(
            "ingest",
            f"raw.{system}__{name}",
            rows_in=rows_in,
            rows_out=_one(con, f'select count(*) from {schema}."{system}__{name}"')
            - (held := _held(con, system, name, ids)),
            quarantined=held,
        )
        for (system, name), rows_in in sorted(counts.items())
    ]


def count_staging(
    con: duckdb.DuckDBPyConnection,
    tenant: Tenant,
    loads: Sequence[Load],
    prefix: str = BUILD_PREFIX,
) -> list[TableCount]:
    """Every staged entity against the manifest, over all of its loads."""
    found = []
    for system, config in tenant.sources.systems.items():
        for name in config.entities:
            table = f"stg_{system}__{name}"
            schema = _schema_of(con, table, prefix)
            mine = [
                load
                for load in loads
                if load.system == system and name in load.entities
            ]
            rows_in = sum(load.entities[name].rows for load in mine)
            rows_out, versions = _pair(
                con,
                "select count(*), coalesce(sum(_versions), 0)"
                f' from "{schema}"."{table}"',
            )
            held = _held(con, system, name, [load.load_id for load in mine])
            found.append(
                TableCount(
                    "staging",
                    f"{schema.removeprefix(prefix)}.{table}",
                    rows_in=rows_in,
                    rows_out=rows_out,
                    deduplicated=versions - rows_out,
                    quarantined=held,
                )
            )
    return found


def count_identity(con: duckdb.DuckDBPyConnection, run: Run) -> list[TableCount]:
    """Records with an identifier by the end of the day against records mapped."""
    return [
        TableCount(
            "identity",
            "identity.id_map",
            rows_in=_one(
                con,
                "select count(*) from (select distinct system, entity, record_key"
                " from staging.identifiers where first_seen_at < ?)",
                [run.bounds[1]],
            ),
            rows_out=_one(
                con,
                "select count(*) from build_identity.id_map"
                " where effective_to is null and recorded_to is null",
            ),
        )
    ]


def count_features(con: duckdb.DuckDBPyConnection, run: Run) -> list[TableCount]:
    """Facts up to the end of the day against what staging holds of them."""
    times = {
        "fct_orders": ("orders", "ordered_at"),
        "fct_order_lines": ("order_lines", "ordered_at"),
        "fct_events": ("events", "event_at"),
        "fct_touches": ("touches", "event_at"),
        "fct_tickets": ("tickets", "opened_at"),
        "fct_feedback": ("feedback", "answered_at"),
        "fct_loyalty": ("loyalty", "booked_at"),
    }
    return [
        TableCount(
            "features",
            f"marts.{fact}",
            rows_in=_one(
                con,
                f"select count(*) from staging.{shape} where {moment} < ?",
                [run.bounds[1]],
            ),
            rows_out=_one(con, f"select count(*) from build_marts.{fact}"),
        )
        for fact, (shape, moment) in times.items()
    ] + [
        TableCount(
            "features",
            "features.feat_users",
            rows_in=_one(
                con,
                "select count(*) from build_marts.dim_users where valid_to > ?",
                [run.ds],
            ),
            rows_out=_one(
                con,
                "select count(*) from build_features.feat_users where ds = ?",
                [run.ds],
            ),
        )
    ]


def count_segments(con: duckdb.DuckDBPyConnection, run: Run) -> list[TableCount]:
    """Users who agreed to be profiled against users with a tier."""
    return [
        TableCount(
            "segments",
            "segments.user_tiers",
            rows_in=_one(
                con,
                "select count(*) from features.feat_users"
                " where ds = ? and consent_profiling",
                [run.ds],
            ),
            rows_out=_one(
                con,
                "select count(*) from build_segments.user_tiers where ds = ?",
                [run.ds],
            ),
        )
    ]


def record(
    con: duckdb.DuckDBPyConnection, run: Run, stage: str, counts: Sequence[TableCount]
) -> None:
    """Write the counts of a stage to the audit, once an attempt."""
    con.execute(
        "delete from audit.stage_counts where run_id = ? and stage = ?",
        [run.run_id, stage],
    )
    for c in counts:
        con.execute(
            "insert into audit.stage_counts values (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                run.run_id,
                run.ds,
                stage,
                c.table,
                c.rows_in,
                c.rows_out,
                c.deduplicated,
                c.quarantined,
            ],
        )


def _held(
    con: duckdb.DuckDBPyConnection, system: str, entity: str, load_ids: Sequence[str]
) -> int:
    return _one(
        con,
        "select count(*) from (select distinct load_id, file, row_number"
        " from quarantine.rows where system = ? and entity = ? and status = 'held'"
        " and list_contains(?, load_id))",
        [system, entity, list(load_ids)],
    )


def _schema_of(con: duckdb.DuckDBPyConnection, table: str, prefix: str) -> str:
    row = con.execute(
        "select table_schema from information_schema.tables where table_name = ?"
        " and list_contains(?, table_schema)",
        [table, [f"{prefix}{schema}" for schema in STAGE_SCHEMAS["staging"]]],
    ).fetchone()
    if row is None:
        raise LookupError(
            f"the staging model {table} was not built: every entity of "
            "config/sources.yml needs one under dbt_project/models/staging"
        )
    return str(row[0])


def _one(
    con: duckdb.DuckDBPyConnection, sql: str, values: list[object] | None = None
) -> int:
    row = con.execute(sql, values or []).fetchone()
    assert row is not None
    return int(row[0])


def _pair(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[int, int]:
    row = con.execute(sql).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])
