"""The distributed warehouse: Parquet on Spark, published through one file.

Plain Parquet has neither MERGE nor a transaction. What a run publishes is written into
a schema of its own, ``<stage>__<run_id>``, and becomes what readers see when the file
of publications is renamed into place: the views are made from that file. A promote that
was killed is recoverable, since the old file and its folders stand untouched. It is not
isolated: a reader who looks while the views are made anew may see tables of two runs.
"""

import contextlib
import hashlib
import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from strata.run import Run
from strata.warehouse import history
from strata.warehouse.base import Promotion
from strata.warehouse.lease import Lease
from strata.warehouse.publications import (
    Part,
    Publication,
    Publications,
    all_columns,
    without_days,
)
from strata.warehouse.tables import (
    BUILD_PREFIX,
    SNAPSHOT_MODES,
    STAGE_SCHEMAS,
    TableSpec,
)


class SparkWarehouse:
    """The warehouse below ``folder``, in a session that another keeps open.

    ``folder`` is the session's ``spark.sql.warehouse.dir``, on a file system where a
    rename replaces: a local disk, or one that all executors have mounted. The session
    may forget its catalogue: :meth:`open` makes it again from the publications.
    """

    def __init__(self, folder: Path, spark: Any) -> None:
        self.folder = folder
        self.spark = spark
        self.lease = Lease(folder / "lease")
        self.file = folder / "publications.json"

    @contextlib.contextmanager
    def connection(self, purpose: str) -> Iterator[Any]:
        """The session under the lease."""
        with self.lease.hold(purpose):
            yield self.spark

    def migrate(self) -> list[str]:
        """Nothing: the tables of state are kept by the embedded warehouse alone."""
        return []

    def open(self) -> None:
        """Make the views of all that is published."""
        with self.connection("show what is published"):
            self._show(Publications.read(self.file))

    def start_build(self, stage: str) -> None:
        """Empty the stage's build schemas, and drop what no publication names."""
        with self.connection(f"start the build of {stage}") as spark:
            for schema in STAGE_SCHEMAS[stage]:
                spark.sql(f"drop schema if exists {BUILD_PREFIX}{schema} cascade")
                shutil.rmtree(self._place(f"{BUILD_PREFIX}{schema}"), True)
                spark.sql(f"create schema {BUILD_PREFIX}{schema}")
            known = Publications.read(self.file).places()
            for place in sorted(self.folder.glob(f"{stage}__*.db")):
                if place.stem not in known:
                    spark.sql(f"drop schema if exists {place.stem} cascade")
                    shutil.rmtree(place, ignore_errors=True)

    def promote(
        self, stage: str, run: Run, tables: Sequence[TableSpec]
    ) -> list[Promotion]:
        """Publish the stage's build by one rename, and record it there.

        A run that is not the newest publishes snapshots only. Doing it again for the
        same attempt changes nothing.
        """
        if self.is_published(stage, run):
            return []
        wanted = [t for t in tables if run.is_newest or t.mode in SNAPSHOT_MODES]
        with self.connection(f"publish {stage} of {run.ds}") as spark:
            done = self._promotions(wanted)
            place = re.sub(r"\W", "_", f"{stage}__{run.run_id}")
            shutil.rmtree(self._place(place), ignore_errors=True)
            spark.sql(f"drop schema if exists {place} cascade")
            spark.sql(f"create schema {place}")
            said = Publications.read(self.file)
            for spec in wanted:
                said = self._published(said, spec, run, place)
            said = said.with_run(
                Publication(
                    stage,
                    run.ds,
                    run.run_id,
                    run.is_newest,
                    {p.table: p.rows for p in done},
                    {p.table: p.fingerprint for p in done},
                )
            )
            said.write(self.file)
            self._show(said, {_name(spec) for spec in wanted})
            for schema in STAGE_SCHEMAS[stage]:
                spark.sql(f"drop schema if exists {BUILD_PREFIX}{schema} cascade")
        return done

    def is_published(self, stage: str, run: Run) -> bool:
        """Whether this attempt has published ``stage``: then its work is done."""
        return Publications.read(self.file).has(stage, run.run_id)

    def newest_published(self) -> date | None:
        """The newest day whose features are published, None before the first."""
        runs = Publications.read(self.file).runs
        return max((r.ds for r in runs if r.stage == "features"), default=None)

    def _place(self, schema: str) -> Path:
        return self.folder / f"{schema}.db"

    def _published(
        self, said: Publications, spec: TableSpec, run: Run, place: str
    ) -> Publications:
        """The publications with the build of one table, which lies in ``place`` now."""
        before = said.tables.get(_name(spec), ())
        kept: list[Part] = []
        days: tuple[date, ...] | None = None
        if spec.mode == "by_ds":
            built = self.spark.sql(f"select distinct ds from {_build(spec)}").collect()
            days = tuple(sorted({*run.days, *(row[0] for row in built)}))
            kept = without_days(before, days)
        elif spec.mode == "append":
            kept = list(before)
        name = f"{spec.schema}__{spec.name}"
        if spec.mode in ("by_key", "by_batch") and before:
            self._write_with_kept(spec, f"{place}.{name}")
        elif spec.mode == "history":
            later = [r.ds for r in said.runs if r.stage == "features" and r.ds > run.ds]
            told = history.Days(run.days[0], run.ds, min(later, default=None))
            self._write_history(spec, f"{place}.{name}", told, is_first=not before)
        else:
            self._move(spec, place, name)
        columns = tuple(self.spark.table(f"{place}.{name}").dtypes)
        return said.with_parts(_name(spec), [*kept, Part(place, name, columns, days)])

    def _move(self, spec: TableSpec, place: str, name: str) -> None:
        """Give the folder that was built its last name."""
        built = self._place(f"{BUILD_PREFIX}{spec.schema}") / spec.name
        if not built.is_dir():
            raise ValueError(f"{_name(spec)} is published, so it has to be a table")
        columns = tuple(self.spark.table(_build(spec)).dtypes)
        built.rename(self._place(place) / name)
        self._register(Part(place, name, columns))

    def _write_with_kept(self, spec: TableSpec, target: str) -> None:
        """What was built, and of what was published the rows that stay beside it."""
        built, before = self.spark.table(_build(spec)), self.spark.table(_name(spec))
        key = list(spec.key)
        if spec.kept is None:
            kept = before.join(built, key, "left_anti")
        else:
            table, relation = spec.kept
            stay = self.spark.table(f"{BUILD_PREFIX}{spec.schema}.{table}")
            stay = stay.where(f"relation_name = '{relation}'")
            kept = before.join(stay, key, "left_semi")
        kept.unionByName(built, allowMissingColumns=True).write.saveAsTable(target)

    def _write_history(
        self, spec: TableSpec, target: str, days: history.Days, *, is_first: bool
    ) -> None:
        """The versions, corrected for the days of the run, with those long ended."""
        built = self.spark.table(_build(spec))
        before = f"(select * from {_build(spec)} limit 0)"
        if not is_first:
            there = self.spark.table(_name(spec)).columns
            listed = ", ".join(
                c if c in there else f"cast(null as {kind}) as {c}"
                for c, kind in built.dtypes
            )
            before = f"(select {listed} from {_name(spec)})"
        made = history.corrected(before, _build(spec), built.columns, days)
        ended = f"select * from {before} where not ({history.concerned(days)})"
        rows = self.spark.sql(made).unionByName(self.spark.sql(ended))
        rows.write.saveAsTable(target)

    def _register(self, part: Part) -> None:
        columns = ", ".join(f"`{name}` {kind}" for name, kind in part.columns)
        self.spark.sql(f"create schema if not exists {part.place}")
        self.spark.sql(
            f"create table if not exists {part.place}.{part.name} ({columns})"
            f" using parquet location '{self._place(part.place) / part.name}'"
        )

    def _show(self, said: Publications, tables: Collection[str] | None = None) -> None:
        """Make the views of the publications, of these tables or of all."""
        for table, parts in said.tables.items():
            if tables is not None and table not in tables:
                continue
            for part in parts:
                self._register(part)
            schema = table.partition(".")[0]
            self.spark.sql(f"create schema if not exists {schema}")
            self.spark.sql(f"create or replace view {table} as {_view(parts)}")

    def _promotions(self, tables: Sequence[TableSpec]) -> list[Promotion]:
        """Rows and content of what was built, in one pass over each table."""
        if not tables:
            return []
        queries = []
        for number, spec in enumerate(tables):
            names = [c for c in self.spark.table(_build(spec)).columns if c[0] != "_"]
            listed = ", ".join(f"`{name}`" for name in sorted(names))
            queries.append(
                f"select {number}, count(*), coalesce(sum(cast(xxhash64({listed})"
                f" as decimal(38, 0))), 0) from {_build(spec)}"
            )
        found = self.spark.sql(" union all ".join(queries)).collect()
        return [
            Promotion(
                _name(tables[number]),
                rows,
                hashlib.sha256(f"{rows}|{content}".encode()).hexdigest()[:32],
            )
            for number, rows, content in sorted(found)
        ]


def _name(spec: TableSpec) -> str:
    return f"{spec.schema}.{spec.name}"


def _build(spec: TableSpec) -> str:
    return f"{BUILD_PREFIX}{spec.schema}.{spec.name}"


def _view(parts: Sequence[Part]) -> str:
    """The rows of all parts, each with the columns that any of them has."""
    columns = all_columns(parts)
    selects = []
    for part in parts:
        there = dict(part.columns)
        listed = ", ".join(
            f"cast({f'`{name}`' if name in there else 'null'} as {kind}) as `{name}`"
            for name, kind in columns.items()
        )
        query = f"select {listed} from {part.place}.{part.name}"
        if part.days is not None:
            days = ", ".join(f"date '{day}'" for day in part.days)
            query += f" where ds in ({days})"
        selects.append(query)
    return " union all ".join(selects)
