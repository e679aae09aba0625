"""A finished run on DuckDB, built again on Spark, and the two compared."""

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from strata import clock
from strata.config.identity import IdentityConfig
from strata.config.loader import read_yaml
from strata.parity import figures, partitions
from strata.parity.building import (
    Listener,
    SparkProject,
    publish,
    show_inputs,
    show_state,
)
from strata.parity.comparing import Comparison, compare
from strata.parity.inputs import STAGES, Inputs, take
from strata.semantic.layer import VIEWS
from strata.semantic.views import View
from strata.tenant import Tenant
from strata.warehouse.publications import Publications
from strata.warehouse.spark import SparkWarehouse
from strata.warehouse.spark_session import check_installed, session

SMALL_BYTES = 8_000_000
"""Parquet of published tables up to which Spark's settings for few rows are taken."""


@dataclass(frozen=True)
class Compared:
    """A table on both engines; without ``found`` Spark did not build it, and why."""

    stage: str
    name: str
    key: tuple[str, ...]
    found: Comparison | None
    reason: str = ""

    @property
    def holds(self) -> bool:
        """Whether both engines have the same rows."""
        return self.found is not None and self.found.holds


@dataclass(frozen=True)
class Parity:
    """What the comparison of a run found. ``seconds`` of each of its steps."""

    run_id: str
    ds: date
    tables: Sequence[Compared]
    seconds: dict[str, float]

    @property
    def holds(self) -> bool:
        """Whether every table is the same."""
        return all(table.holds for table in self.tables)


@dataclass(frozen=True)
class Built:
    """What Spark published and why not the rest, and its partition of identity."""

    published: Publications
    missing: Mapping[str, str]
    partition: str


class Timed:
    """Seconds of the steps of a check."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._watch = clock.Stopwatch()

    def note(self, step: str) -> None:
        """The time since the last note was this step's."""
        self.seconds[step] = round(self._watch.seconds, 1)
        self._watch = clock.Stopwatch()


def check(
    tenant: Tenant,
    listen: Listener,
    *,
    stages: Collection[str] = STAGES,
    models: Collection[str] = (),
    metrics: Collection[str] = (),
    keep: bool = False,
) -> Parity:
    """Build the last run again on Spark and compare every table that it published.

    ``stages``: only these; what they read of another comes from DuckDB then.
    ``models``: only these and what they stand on. ``metrics``: of the views of metrics
    only these. The folder ``<home>/parity`` is made
    anew and removed at the end, unless ``keep``; it holds copies of the PII zone.

    Raises ``SparkMissingError``, and ``NothingToCompareError`` without a finished run.
    """
    check_installed()
    tenant.ensure_pseudonym_key()
    folder = tenant.home / "parity"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder.chmod(0o700)
    timed = Timed()
    try:
        listen("take the run from DuckDB", 0, 0)
        inputs = take(tenant, folder, stages)
        project = tenant.root / "dbt_project"
        made = figures.chosen(project, metrics) if "metrics" in stages else []
        timed.note("take")
        built = _build(tenant, folder, inputs, models, made, listen, timed)
        listen("compare", 0, 0)
        tables = _compared(inputs, built, folder / "warehouse", bool(models))
        tables += _figures(inputs, built, made, folder / "metrics")
        timed.note("compare")
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    return Parity(inputs.run.run_id, inputs.run.ds, tables, timed.seconds)


def _build(
    tenant: Tenant,
    folder: Path,
    inputs: Inputs,
    models: Collection[str],
    made: Sequence[View],
    listen: Listener,
    timed: Timed,
) -> Built:
    rules = read_yaml(tenant.config_dir / "identity.yml", IdentityConfig)
    place = folder / "warehouse"
    project = SparkProject(tenant, folder)
    missing: dict[str, str] = {}
    people = ""
    listen("start Spark", 0, 0)
    size = sum(table.rows.stat().st_size for table in inputs.tables)
    with session(place, rules, small=size < SMALL_BYTES) as spark:
        warehouse = SparkWarehouse(place, spark)
        show_inputs(spark, tenant, inputs, folder)
        timed.note("start")
        if inputs.links is not None:
            listen("identity", 0, 0)
            people = partitions.solve(spark, inputs.links)
            timed.note("identity")
        for stage in dict.fromkeys(table.stage for table in inputs.tables):
            tables = [table for table in inputs.tables if table.stage == stage]
            warehouse.start_build(stage)
            show_state(spark, inputs, tables)
            missing |= project.build(stage, models, listen)
            publish(warehouse, stage, inputs, tables)
            timed.note(stage)
        if made:
            missing |= figures.write(spark, made, folder / "metrics", listen)
            timed.note("metrics")
    return Built(Publications.read(warehouse.file), missing, people)


def _compared(
    inputs: Inputs, built: Built, folder: Path, is_partial: bool
) -> list[Compared]:
    """Every table side by side; with ``is_partial`` only those that Spark has."""
    told = []
    if inputs.links is not None:
        found = partitions.compared(inputs.partition, built.partition)
        told.append(Compared("identity", partitions.NAME, ("node",), found))
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        for table in inputs.tables:
            parts = built.published.tables.get(table.name)
            if parts is not None:
                theirs = [folder / f"{p.place}.db" / p.name for p in parts]
                found = compare(con, table.rows, theirs, table.key)
                told.append(Compared(table.stage, table.name, table.key, found))
            elif table.name in built.missing or not is_partial:
                reason = built.missing.get(table.name, "it was not built")
                told.append(Compared(table.stage, table.name, table.key, None, reason))
    return sorted(told, key=lambda t: STAGES.index(t.stage))


def _figures(
    inputs: Inputs, built: Built, made: Sequence[View], folder: Path
) -> list[Compared]:
    """Every view of a metric side by side."""
    files = {**inputs.sources, **{t.name: t.rows for t in inputs.tables}}
    found = figures.compared(files, made, folder)
    return [
        Compared("metrics", name, (), found.get(name), built.missing.get(name, ""))
        for name in (f"{VIEWS}.{view.name}" for view in made)
    ]
