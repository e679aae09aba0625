"""The dbt project on Spark, stage by stage, from what a run on DuckDB was made of.

Staging is built from raw's own files. What Python writes (identities, scores, the days
to build) comes from the run; so does what a stage reads of another that is left out.
"""

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from strata import dbt_log
from strata.parity.inputs import Inputs, Table
from strata.tenant import Tenant
from strata.transform import SELECTED
from strata.warehouse.spark import SparkWarehouse

Listener = Callable[[str, int, int], None]
"""Told the stage, the models that are built, and how many there are."""

_RAW = {
    "_load_id": "string",
    "_file": "string",
    "_row": "bigint",
    "_occurrence": "bigint",
    "_known_at": "timestamp",
    "_extra": "string",
}
_ERROR = re.compile(r"\[([A-Z][A-Z0-9_.]+)\]")


def show_inputs(spark: Any, tenant: Tenant, inputs: Inputs, folder: Path) -> None:
    """Make the sources of the dbt project tables of the session."""
    for name, file in {**inputs.sources, "quarantine.rows": inputs.held}.items():
        _external(spark, name, file)
    rows = spark.sql("select distinct entity from quarantine.rows").collect()
    held = {str(row[0]) for row in rows}
    for schema in ("raw_files", "raw"):
        spark.sql(f"create schema if not exists {schema}")
    for system, config in tenant.sources.systems.items():
        for entity, settings in config.entities.items():
            name = f"{system}__{entity}"
            if name in inputs.raw:
                _show_raw(
                    spark,
                    name,
                    {**dict.fromkeys(settings.columns, "string"), **_RAW},
                    inputs.raw[name],
                    folder / "raw" / name,
                    has_held=name in held,
                )


def _external(spark: Any, name: str, file: Path) -> None:
    spark.sql(f"create schema if not exists {name.partition('.')[0]}")
    spark.sql(f"create table {name} using parquet location '{file}'")


def _show_raw(
    spark: Any,
    name: str,
    columns: Mapping[str, str],
    files: Sequence[Path],
    folder: Path,
    *,
    has_held: bool,
) -> None:
    """An entity of raw: its own files, less the rows that quarantine holds.

    Spark reads a folder; the files lie in many, with others that no load names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(files):
        (folder / f"{number:06}.parquet").symlink_to(file)
    listed = ", ".join(f"`{column}` {kind}" for column, kind in columns.items())
    table = f"raw_files.{name}" if has_held else f"raw.{name}"
    spark.sql(f"create table {table} ({listed}) using parquet location '{folder}'")
    if has_held:
        spark.sql(
            f"create view raw.{name} as select files.* from {table} as files"
            " left anti join quarantine.rows as held"
            f" on held.entity = '{name}' and held.load_id = files._load_id"
            " and held.file = files._file and held.row_number = files._row"
        )


def show_state(spark: Any, inputs: Inputs, tables: Sequence[Table]) -> None:
    """Make empty what a stage reads of its own tables: Spark builds from nothing."""
    for table in tables:
        if table.name in inputs.read and not spark.catalog.tableExists(table.name):
            spark.sql(f"create schema if not exists {table.spec.schema}")
            spark.sql(
                f"create table {table.name} using parquet as"
                f" select * from parquet.`{table.rows}` where false"
            )


class SparkProject:
    """The dbt project, parsed once for Spark, and its runs."""

    def __init__(self, tenant: Tenant, folder: Path) -> None:
        self._project = (tenant.root / "dbt_project").resolve()
        self._folder = folder
        self._manifest: Any = None
        self.log = folder / "logs" / "dbt.log"

    def build(
        self, stage: str, models: Collection[str], listen: Listener
    ) -> dict[str, str]:
        """Build the models of a stage, of ``models`` only these and what they stand on.

        Gives for each table that was not built (``schema.name``) the reason: the class
        of Spark's error, or that it waited for another. The log says more.
        """
        if self._manifest is None:
            self._manifest = self._invoke(["parse"], None).result
        wanted = SELECTED[stage].split()
        if models:
            wanted = [f"+{model},{place}" for model in models for place in wanted]

        def hear(event: Any) -> None:
            if event.info.name in ("LogModelResult", "LogSeedResult"):
                listen(stage, event.data.index, event.data.total)

        done = self._invoke(["run", "--select", *wanted], hear)
        results = getattr(done.result, "results", None)
        if results is None:
            raise RuntimeError(
                f"dbt could not begin on {stage} ({type(done.exception).__name__}): "
                f"see {self.log}"
            )
        return {
            f"{r.node.schema.removeprefix('build_')}.{r.node.alias}": _reason(r)
            for r in results
            if str(r.status) != "success"
        }

    def _invoke(self, command: list[str], hear: Callable[[Any], None] | None) -> Any:
        from dbt.cli.main import dbtRunner

        os.environ["STRATA_SPARK_WAREHOUSE"] = str(self._folder / "warehouse")
        os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
        manifest = self._manifest and self._manifest.deepcopy()
        heard = [dbt_log.written_to(self.log), *([hear] if hear else [])]
        runner = dbtRunner(manifest=manifest, callbacks=heard)
        options = {
            "--project-dir": self._project,
            "--profiles-dir": self._project,
            "--target": "spark",
            "--target-path": self._folder / "target",
            "--log-path": self.log.parent,
        }
        said = [str(part) for pair in options.items() for part in pair]
        first, *rest = command
        return runner.invoke(
            [
                *(*dbt_log.QUIET, "--no-write-json"),
                *(first, "--no-version-check", *rest, *said),
            ]
        )


def _reason(result: Any) -> str:
    if str(result.status) == "skipped":
        return "a model that it stands on was not built"
    told = result.message or ""
    if "enforced contract" in told:
        return "its columns there are not those of its contract"
    found = _ERROR.search(told)
    return found.group(1) if found else "an error"


def publish(
    warehouse: SparkWarehouse, stage: str, inputs: Inputs, tables: Sequence[Table]
) -> None:
    """Promote the tables of a stage that were built."""
    spark = warehouse.spark
    built = [t for t in tables if spark.catalog.tableExists(_build_name(t))]
    for table in tables:
        if table.name in inputs.read:
            spark.sql(f"drop table if exists {table.name}")
    warehouse.promote(stage, inputs.run, [table.spec for table in built])


def _build_name(table: Table) -> str:
    return f"build_{table.spec.schema}.{table.spec.name}"
