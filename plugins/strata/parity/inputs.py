"""What Spark is given, and what it is held against: both from a finished run.

All of it is taken at once, under the lease, so that the warehouse is free again while
Spark works. Rows of the PII zone are among it: the folder is its owner's alone, and
goes when the comparison is done.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from strata import building, runs, transform
from strata.config.suites import read_suites
from strata.parity import partitions
from strata.run import Run
from strata.tenant import Tenant
from strata.warehouse.tables import TableSpec

BUILT = ("staging", "features", "publish")
PUBLISHED = ("staging", "identity", "features", "publish")
STAGES = (*PUBLISHED, "metrics")
"""What Spark knows: the stages that dbt builds, of identity the partition, and the views
of the metrics, which no run publishes in the warehouse."""

DAYS_AT_ONCE = 10
_LAST_PUBLISHED = """
    select runs.run_id, runs.status, runs.is_newest, (
        select count(distinct published.stage) from audit.publications as published
        where published.run_id = runs.run_id and published.stage in ?
    ) as stages
    from audit.runs as runs
    order by runs._started_at desc, runs.attempt desc
    limit 1
"""


class NothingToCompareError(LookupError):
    """There is no finished run of the newest day."""


@dataclass(frozen=True)
class Table:
    """A published table of a stage; ``rows`` is the file of those of the run."""

    stage: str
    spec: TableSpec
    rows: Path
    key: tuple[str, ...]

    @property
    def name(self) -> str:
        """As it is published."""
        return f"{self.spec.schema}.{self.spec.name}"


@dataclass(frozen=True)
class Inputs:
    """A finished run, in files.

    ``sources``: the tables that models read and dbt does not build on Spark, by
    ``schema.table``. ``raw``: the files of each entity, by ``<system>__<entity>``.
    ``held``: which rows of raw quarantine holds. ``read``: all tables that models read
    as they are published, so as sources. ``links``: the accepted links of identity,
    and ``partition`` the fingerprint of the people that DuckDB makes of them.
    """

    run: Run
    tables: Sequence[Table]
    sources: Mapping[str, Path]
    raw: Mapping[str, Sequence[Path]]
    held: Path
    read: frozenset[str]
    links: Path | None
    partition: str


def take(tenant: Tenant, folder: Path, stages: Collection[str] = STAGES) -> Inputs:
    """Write what the comparison of ``stages`` needs below ``folder``.

    Raises ``NothingToCompareError`` where the last run did not publish every stage, or
    is of a day older than the newest.
    """
    with tenant.warehouse.connection("take a run for Spark") as con:
        con.execute("set timezone = 'UTC'")
        run = runs.get_run(tenant, _last_run(con))
        tables = _take_tables(con, tenant, run, folder / "duckdb", stages)
        read = frozenset(transform.source_names(tenant))
        wanted = read | (_of_features(tenant) if "metrics" in stages else set())
        sources = {
            name: _copy(con, f"from {name}", folder / "sources" / f"{name}.parquet")
            for name in sorted(wanted - {table.name for table in tables})
            if name != "ops.run_dates" and not name.startswith("raw.")
        }
        sources["ops.run_dates"] = _copy(
            con,
            f"from ops.run_dates order by ds desc limit {DAYS_AT_ONCE}",
            folder / "sources" / "ops.run_dates.parquet",
        )
        held = _copy(
            con,
            "select distinct system || '__' || entity as entity, load_id, file,"
            " row_number from quarantine.rows where status = 'held'",
            folder / "sources" / "quarantine.rows.parquet",
        )
        raw = _raw_files(con, tenant) if "staging" in stages else {}
        links = folder / "sources" / "links.parquet" if "identity" in stages else None
        partition = partitions.take(con, links) if links else ""
    return Inputs(run, tables, sources, raw, held, read, links, partition)


def _of_features(tenant: Tenant) -> set[str]:
    """What metrics are views of, beside what models read."""
    specs = building.table_specs(tenant, "features")
    return {f"{spec.schema}.{spec.name}" for spec in specs}


def _last_run(con: duckdb.DuckDBPyConnection) -> str:
    row = con.execute(_LAST_PUBLISHED, [list(PUBLISHED)]).fetchone()
    if row is None:
        raise NothingToCompareError("there is no run yet: start with `make run`")
    run_id, status, is_newest, stages = row
    if stages < len(PUBLISHED):
        raise NothingToCompareError(
            f"the last run, {run_id}, {status} before it had published everything: "
            "run the day again, then compare"
        )
    if not is_newest:
        raise NothingToCompareError(
            f"the last run, {run_id}, was for a day older than the newest, of which "
            "only snapshots are published: run the newest day again, then compare"
        )
    return str(run_id)


def _take_tables(
    con: duckdb.DuckDBPyConnection,
    tenant: Tenant,
    run: Run,
    folder: Path,
    stages: Collection[str],
) -> list[Table]:
    taken = []
    days = run.days[-DAYS_AT_ONCE:]
    for stage in BUILT:
        if stage not in stages:
            continue
        suites = read_suites(tenant.root / "expectations", stage)
        keys = {suite.table: suite.key for suite in suites}
        for spec in transform.table_specs(tenant, stage):
            name = f"{spec.schema}.{spec.name}"
            rows = f"from {name}"
            if spec.mode == "by_ds":
                rows += f" where ds between date '{days[0]}' and date '{days[-1]}'"
            elif spec.mode == "history":
                rows = (
                    f"select * replace (greatest(valid_from, date '{days[0]}') as"
                    f" valid_from) from {name} where coalesce(valid_to, date"
                    f" '9999-12-31') > date '{days[0]}'"
                )
            file = _copy(con, rows, folder / f"{name}.parquet")
            taken.append(Table(stage, spec, file, keys.get(name, ())))
    return taken


def _copy(con: duckdb.DuckDBPyConnection, query: str, file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        con.execute(f"copy ({query}) to '{file}' (format parquet)")
    except duckdb.CatalogException:
        raise NothingToCompareError(
            f"the last run knows no table {file.stem}: the project has changed since. "
            "Run the day again, then compare"
        ) from None
    return file


def _raw_files(
    con: duckdb.DuckDBPyConnection, tenant: Tenant
) -> dict[str, Sequence[Path]]:
    loads = building.accepted_loads(con, tenant)
    return {
        f"{system}__{entity}": [
            tenant.home / "raw" / part
            for load in loads
            if load.system == system and entity in load.entities
            for part in load.entities[entity].parts
        ]
        for system, config in tenant.sources.systems.items()
        for entity in config.entities
    }
