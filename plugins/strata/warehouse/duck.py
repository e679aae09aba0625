"""The embedded warehouse: one DuckDB file."""

import bisect
import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from datetime import date
from importlib import resources
from pathlib import Path

import duckdb

from strata import clock
from strata.run import Run
from strata.warehouse import history
from strata.warehouse.base import Promotion
from strata.warehouse.fingerprints import (
    columns_of,
    fingerprint,
    fingerprints,
    together,
)
from strata.warehouse.lease import Lease
from strata.warehouse.tables import (
    BESIDE,
    BUILD_PREFIX,
    SNAPSHOT_MODES,
    STAGE_SCHEMAS,
    TableSpec,
)


class DuckDBWarehouse:
    """The warehouse of one tenant in ``<home>/warehouse/strata.duckdb``."""

    def __init__(self, home: Path) -> None:
        self.path = home / "warehouse" / "strata.duckdb"
        self.lease = Lease(home / "warehouse" / "lease")

    @contextlib.contextmanager
    def hold(self, purpose: str, wait_seconds: float = 600.0) -> Iterator[None]:
        """The lease without a connection: for dbt and the gates, which open their own."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.lease.hold(purpose, wait_seconds):
            yield

    @contextlib.contextmanager
    def connection(self, purpose: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection under the lease; both are given back when the block ends."""
        with self.hold(purpose):
            con = duckdb.connect(str(self.path))
            try:
                yield con
            finally:
                con.close()

    @contextlib.contextmanager
    def writing(self, purpose: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """The same, to write wide tables: in one thread, in the memory that dbt may use.

        Two threads take twice the processor time of one for them, and as long.
        """
        with self.connection(purpose) as con:
            con.execute("set threads to 1")
            memory = os.environ.get("STRATA_DUCKDB_MEMORY", "3GB")
            con.execute(f"set memory_limit to '{memory}'")
            yield con

    def migrate(self) -> list[str]:
        """Apply the numbered migrations that this file has not seen, in order.

        Each is one transaction. State is never dropped here: a migration only adds
        to it or reshapes it.
        """
        applied: list[str] = []
        folder = resources.files("strata.warehouse") / "migrations"
        files = sorted(
            (f for f in folder.iterdir() if f.name.endswith(".sql")),
            key=lambda f: f.name,
        )
        with self.connection("migrate") as con:
            con.execute("create schema if not exists ops")
            con.execute(
                "create table if not exists ops.migrations"
                " (name varchar primary key, sha256 varchar, _applied_at timestamp)"
            )
            known = dict(
                con.execute("select name, sha256 from ops.migrations").fetchall()
            )
            for file in files:
                text = file.read_text(encoding="utf-8")
                digest = hashlib.sha256(text.encode()).hexdigest()
                if file.name in known:
                    if known[file.name] != digest:
                        raise RuntimeError(
                            f"migration {file.name} was changed after it had been "
                            f"applied to {self.path}: add a new one instead"
                        )
                    continue
                con.begin()
                con.execute(text)
                con.execute(
                    "insert into ops.migrations values (?, ?, ?)",
                    [file.name, digest, clock.now_naive()],
                )
                con.commit()
                applied.append(file.name)
        return applied

    def start_build(self, stage: str) -> None:
        """Empty the stage's build schemas: leftovers of a killed run do not count."""
        with self.connection(f"start the build of {stage}") as con:
            _drop_build(con, stage)
            for schema in STAGE_SCHEMAS[stage]:
                con.execute(f'create schema if not exists "{schema}"')
                con.execute(f'create schema "{BUILD_PREFIX}{schema}"')

    def built(self, stage: str) -> tuple[int, int]:
        """Tables (views among them) and rows that stand in the stage's build."""
        schemas = [f"{BUILD_PREFIX}{schema}" for schema in STAGE_SCHEMAS[stage]]
        with self.connection(f"count the build of {stage}") as con:
            row = con.execute(
                "select count(*), coalesce(sum(t.estimated_size), 0)::bigint"
                " from information_schema.tables i left join duckdb_tables() t"
                " on (t.schema_name = i.table_schema and t.table_name = i.table_name)"
                f" or ('{BUILD_PREFIX}' || t.schema_name = i.table_schema"
                f" and t.table_name = i.table_name || '{BESIDE}')"
                " where list_contains(?, i.table_schema)",
                [schemas],
            ).fetchone()
        assert row is not None
        return int(row[0]), int(row[1])

    def promote(
        self, stage: str, run: Run, tables: Sequence[TableSpec]
    ) -> list[Promotion]:
        """Publish the stage's build in one transaction, and say so in the audit.

        A run that is not the newest publishes snapshots (``by_ds``) only. Doing it
        again for the same attempt changes nothing.
        """
        wanted = [t for t in tables if run.is_newest or t.mode in SNAPSHOT_MODES]
        with self.writing(f"publish {stage} of {run.ds}") as con:
            con.begin()
            try:
                found = [_publish(con, stage, spec, run) for spec in wanted]
                done = [promotion for promotion, _ in found]
                _forget(con, stage, run)
                for day in run.days:
                    snapshots = [of_days[day] for _, of_days in found if of_days]
                    every = done if day == run.ds else snapshots
                    _record(con, stage, run.of_day(day), every, snapshots)
                con.commit()
            except BaseException:
                con.rollback()
                raise
            _drop_build(con, stage)
        return done

    def is_published(self, stage: str, run: Run) -> bool:
        """Whether this attempt has published ``stage``: then its work is done."""
        with self.connection("look up publications") as con:
            row = con.execute(
                "select 1 from audit.publications where stage = ? and run_id = ?",
                [stage, run.run_id],
            ).fetchone()
        return row is not None

    def newest_published(self) -> date | None:
        """The newest day whose features are published, None before the first."""
        with self.connection("look up publications") as con:
            row = con.execute(
                "select max(ds) from audit.publications where stage = 'features'"
            ).fetchone()
        return row[0] if row else None

    def users(self) -> int:
        """Users that identity knows of, 0 before the first day."""
        return self.users_on([date.max])[0]

    def users_on(self, days: Sequence[date]) -> list[int]:
        """Users that identity knows of by each of ``days``, merged ones among them."""
        with self.connection("count the users") as con:
            begun = con.execute(
                "select min(effective_from) from identity.id_map"
                " where unified_user_id is not null group by unified_user_id order by 1"
            ).fetchall()
        return [bisect.bisect_right(begun, (day,)) for day in days]


def _publish(
    con: duckdb.DuckDBPyConnection, stage: str, spec: TableSpec, run: Run
) -> tuple[Promotion, dict[date, Promotion]]:
    """Publish a table; of a snapshot by day also each day, as if it stood alone."""
    con.execute(f'create schema if not exists "{spec.schema}"')
    built, name = f"{BUILD_PREFIX}{spec.schema}", f"{spec.schema}.{spec.name}"
    of_days: dict[date, tuple[int, str]] = {}
    if spec.mode != "by_ds":
        whole = fingerprint(con, built, spec.name)
    else:
        whole, of_days = fingerprints(con, built, spec.name, run.days)
    if spec.mode == "replace" or not _keeps_something(con, spec):
        _replace(con, spec)
    elif spec.mode == "history":
        _adapt_columns(con, spec)
        _correct_history(con, stage, spec, run)
    else:
        _adapt_columns(con, spec)
        if spec.mode == "by_ds":
            con.execute(
                f"delete from {spec.published} where ds between ? and ?"
                f" or ds in (select distinct ds from {spec.build})",
                [run.days[0], run.ds],
            )
        elif spec.mode == "by_key":
            con.execute(
                f"delete from {spec.published} as p where exists"
                f" (select 1 from {spec.build} as b where {_same(spec)})"
            )
        elif spec.mode == "by_batch":
            con.execute(
                f"delete from {spec.published} as p where not exists"
                f" (select 1 from {_kept(spec)} as b where {_same(spec)})"
            )
        con.execute(f"insert into {spec.published} by name select * from {spec.build}")
    return Promotion(name, *whole), {d: Promotion(name, *f) for d, f in of_days.items()}


def _replace(con: duckdb.DuckDBPyConnection, spec: TableSpec) -> None:
    """Put the build in the place of what is published; by its name where it can be."""
    beside = con.execute(
        "select 1 from duckdb_tables() where schema_name = ? and table_name = ?",
        [spec.schema, spec.name + BESIDE],
    ).fetchone()
    if beside is None:
        con.execute(
            f"create or replace table {spec.published} as select * from {spec.build}"
        )
        return
    con.execute(f"drop table if exists {spec.published}")
    con.execute(
        f'alter table "{spec.schema}"."{spec.name}{BESIDE}" rename to "{spec.name}"'
    )


def _drop_build(con: duckdb.DuckDBPyConnection, stage: str) -> None:
    """Drop the build schemas of a stage, and what was built beside the published."""
    for schema in STAGE_SCHEMAS[stage]:
        con.execute(f'drop schema if exists "{BUILD_PREFIX}{schema}" cascade')
    beside = con.execute(
        "select schema_name, table_name from duckdb_tables()"
        " where list_contains(?, schema_name) and ends_with(table_name, ?)",
        [list(STAGE_SCHEMAS[stage]), BESIDE],
    ).fetchall()
    for schema, name in beside:
        con.execute(f'drop table "{schema}"."{name}"')


def _correct_history(
    con: duckdb.DuckDBPyConnection, stage: str, spec: TableSpec, run: Run
) -> None:
    """Put the versions of the run's days in the place of those published for them."""
    row = con.execute(
        "select min(ds) from audit.publications where stage = ? and ds > ?",
        [stage, run.ds],
    ).fetchone()
    built = columns_of(con, f"{BUILD_PREFIX}{spec.schema}", spec.name)
    columns = [name for name, _ in built]
    days = history.Days(run.days[0], run.ds, row[0] if row else None)
    made = history.corrected(spec.published, spec.build, columns, days)
    con.execute(f"create temp table history_corrected as {made}")
    con.execute(f"delete from {spec.published} where {history.concerned(days)}")
    con.execute(f"insert into {spec.published} by name from history_corrected")
    con.execute("drop table history_corrected")


def _same(spec: TableSpec) -> str:
    return " and ".join(f'b."{k}" = p."{k}"' for k in spec.key)


def _kept(spec: TableSpec) -> str:
    """The keys that stay as they are, as a subquery."""
    assert spec.kept is not None
    table, relation = spec.kept
    return (
        f'(select * from "{BUILD_PREFIX}{spec.schema}"."{table}"'
        f" where relation_name = '{relation}')"
    )


def _keeps_something(con: duckdb.DuckDBPyConnection, spec: TableSpec) -> bool:
    if spec.mode != "by_batch":
        return True
    row = con.execute(f"select count(*) from {_kept(spec)}").fetchone()
    return row is not None and row[0] > 0


def _adapt_columns(con: duckdb.DuckDBPyConnection, spec: TableSpec) -> None:
    """Make the published table, or add to it the columns that are new in the build."""
    con.execute(
        f"create table if not exists {spec.published} as"
        f" select * from {spec.build} limit 0"
    )
    there = dict(columns_of(con, spec.schema, spec.name))
    for column, kind in columns_of(con, f"{BUILD_PREFIX}{spec.schema}", spec.name):
        if column not in there:
            con.execute(f'alter table {spec.published} add column "{column}" {kind}')


def _forget(con: duckdb.DuckDBPyConnection, stage: str, run: Run) -> None:
    con.execute(
        "delete from audit.publications where stage = ? and run_id = ?",
        [stage, run.run_id],
    )


def _record(
    con: duckdb.DuckDBPyConnection,
    stage: str,
    run: Run,
    done: Sequence[Promotion],
    snapshots: Sequence[Promotion],
) -> None:
    con.execute(
        "insert into audit.publications"
        " (stage, ds, run_id, fingerprint, rows, is_newest, _published_at, snapshots)"
        " values (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            stage,
            run.ds,
            run.run_id,
            together(done),
            sum(p.rows for p in done),
            run.is_newest,
            clock.now_naive(),
            together(snapshots) if snapshots else None,
        ],
    )
