"""The read-only copy for BI: a DuckDB file and Parquet, swapped in one step.

A copy is a folder of its own, ``serving/versions/<number>/``, that never changes once
it is whole. ``serving/current`` points to the newest; replacing that one link by a
rename is the swap, for the DuckDB file and the Parquet folder alike. The paths that
people use, ``serving/strata.duckdb`` and ``serving/parquet``, lead through it.

A table is copied as a whole, but for those of many days (``tables.DAILY``), of which
the days that stand are taken over from the copy before.
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from strata.run import Run
from strata.semantic.layer import VIEWS
from strata.semantic.views import View, write
from strata.serving import days
from strata.serving.tables import PII_ZONE, PiiError, PublicTable

DATABASE = "strata.duckdb"
PARQUET = "parquet"
_CURRENT = "current"
_VERSIONS = "versions"
_UNFINISHED = ".unfinished"
_COPY = "strata_copy"
_READ_ONLY = 0o444


class ServingError(RuntimeError):
    """The copy was not published; the one before it is untouched."""


@dataclass(frozen=True)
class ServingPaths:
    """A published copy.

    ``database`` and ``parquet`` are the paths people use, ``version`` the folder they
    lead to now. ``rows`` are by ``schema.table``. Equal tables have equal Parquet
    files, whatever the order of their rows.
    """

    database: Path
    parquet: Path
    version: Path
    rows: Mapping[str, int]


def publish_copy(
    con: duckdb.DuckDBPyConnection,
    run: Run,
    tables: Sequence[PublicTable],
    metrics: Sequence[View] = (),
) -> ServingPaths:
    """Copy ``tables`` out of the warehouse and put the copy in the place of the last.

    ``metrics`` become views over them, in the DuckDB file alone.

    Readers of the last copy keep it for as long as they hold it open; a process killed
    at any point leaves either copy whole. The copy before the new one is kept, older
    ones are removed.

    Raises ``PiiError`` for a table of the PII zone or with a column flagged as PII,
    ``ServingError`` for a missing table and for a run that is not the newest.
    """
    if not run.is_newest:
        raise ServingError(
            f"run {run.run_id} is for {run.ds}, which is not the newest published day: "
            "readers would go back in time. Publish the newest day instead"
        )
    columns = _columns(con, tables)
    for table in tables:
        _check(table, columns[table.full_name])
    root = run.home / "serving"
    versions = root / _VERSIONS
    versions.mkdir(parents=True, exist_ok=True)
    unfinished = versions / _UNFINISHED
    if unfinished.exists():
        shutil.rmtree(unfinished)
    before = _version_in_use(root)
    rows = _build(con, unfinished, tables, columns, before)
    _add_views(unfinished / DATABASE, metrics)
    for file in (unfinished / DATABASE, *unfinished.rglob("*.parquet")):
        _seal(file)
    version = _finish(unfinished)
    _swap(root, version)
    _prune(versions, keep={version, before})
    return ServingPaths(root / DATABASE, root / PARQUET, version, rows)


def _check(table: PublicTable, columns: Mapping[str, str]) -> None:
    if table.schema.removeprefix("build_") in PII_ZONE:
        raise PiiError(
            f"{table.full_name} lies in the PII zone, from which nothing is published"
        )
    if not columns:
        raise ServingError(f"{table.full_name} is to be published and does not exist")
    flagged = sorted(table.pii_columns & set(columns))
    if flagged:
        raise PiiError(
            f"{table.full_name} has columns flagged as PII: {', '.join(flagged)}. Leave "
            "them out of the table, or publish keyed hashes in their place"
        )


def _columns(
    con: duckdb.DuckDBPyConnection, tables: Sequence[PublicTable]
) -> dict[str, dict[str, str]]:
    """The columns that are copied of each table, with their types; none where it is not.

    One look into the catalogue: it costs as much for one table as for all.
    """
    rows = con.execute(
        "select table_schema || '.' || table_name,"
        " list({'name': column_name, 'type': data_type} order by ordinal_position)"
        " from information_schema.columns"
        " where table_catalog = current_database() group by all"
    ).fetchall()
    there = dict(rows)
    return {
        table.full_name: {
            column["name"]: column["type"]
            for column in there.get(f"{table.schema}.{table.part_of or table.name}", ())
            if column["name"] not in table.left_out
        }
        for table in tables
    }


def _build(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    tables: Sequence[PublicTable],
    columns: Mapping[str, Mapping[str, str]],
    before: Path | None,
) -> dict[str, int]:
    """Write the DuckDB file and the Parquet files; the rows of each table.

    Rows are sorted, so that the Parquet files depend on the content alone.
    """
    rows = {}
    folder.mkdir()
    place = folder / DATABASE
    days.take_over(con, _COPY, before and before / DATABASE, place)
    kept = _kept(con, tables, columns)
    if kept is None:
        days.start_anew(con, _COPY, place)
    # One transaction: each of a thousand comments would else be written by itself.
    con.execute("begin")
    try:
        days.drop_the_rest(con, _COPY, kept or {})
        for table in tables:
            taken = columns[table.full_name]
            copied = f"{_COPY}.{_name(table.schema)}.{_name(table.name)}"
            con.execute(f"create schema if not exists {_COPY}.{_name(table.schema)}")
            if table.day_key and "_run_id" in taken:
                with days.in_one_thread(con):
                    counted = _copy_days(con, folder, table, taken, before)
            else:
                counted = _copy(con, folder, table, taken)
            rows[table.full_name] = counted
            con.execute(";\n".join(_comments(copied, table, taken)) or "select 1")
        con.execute("commit")
        con.execute(f"checkpoint {_COPY}")
    except BaseException:
        con.execute("rollback")
        raise
    finally:
        con.execute(f"detach {_COPY}")
    return rows


def _kept(
    con: duckdb.DuckDBPyConnection,
    tables: Sequence[PublicTable],
    columns: Mapping[str, Mapping[str, str]],
) -> dict[str, PublicTable] | None:
    """The tables of the attached copy that go on; None where nothing of it may.

    What is dropped stays in the free pages of the file for a while. So a copy from
    which a table or a column is withdrawn is made from nothing.
    """
    there = days.columns_there(con, _COPY)
    for table, held in there.items():
        if not held.keys() <= columns.get(table, {}).keys():
            return None
    return {
        table.full_name: table
        for table in tables
        if table.day_key
        and list(there.get(table.full_name, {}).items())
        == list(columns[table.full_name].items())
    }


def _copy(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    table: PublicTable,
    columns: Mapping[str, str],
) -> int:
    """Copy a table as a whole; its rows."""
    copied = f"{_COPY}.{_name(table.schema)}.{_name(table.name)}"
    con.execute(
        f"create table {copied} as select {_listed(columns)} from {_source(table)}"
        f" where {table.where} order by all"
    )
    return _write_parquet(
        con, copied, folder / PARQUET / table.schema / f"{table.name}.parquet"
    )


def _copy_days(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    table: PublicTable,
    columns: Mapping[str, str],
    before: Path | None,
) -> int:
    """Bring a table of many days up to date; its rows.

    While some days are copied, the Parquet files of those before them are written.
    """
    copied = f"{_COPY}.{_name(table.schema)}.{_name(table.name)}"
    listed = _listed(columns)
    con.execute(
        f"create table if not exists {copied} as"
        f" select {listed} from {_source(table)} limit 0"
    )
    con.execute("commit")
    con.execute("begin")
    place = Path(PARQUET, table.schema, table.name)
    (folder / place).mkdir(parents=True)
    rows, changed = days.changes(con, _source(table), copied)
    for ds in rows.keys() - changed.keys():
        name = place / f"{ds}.parquet"
        if before is None or not days.link(before / name, folder / name):
            _write_days(con, copied, folder / place, [ds])
    with ThreadPoolExecutor(1) as writer, con.cursor() as beside:
        written = [
            writer.submit(_write_days, beside, copied, folder / place, done)
            for done in days.copied_days(
                con, _source(table), copied, changed, listed, _listed(table.day_key)
            )
        ]
        for part in written:
            part.result()
    if not rows:
        _write_parquet(con, copied, folder / place / "no_days.parquet")
    return sum(rows.values())


def _write_days(
    con: duckdb.DuckDBPyConnection, copied: str, folder: Path, days: Iterable[date]
) -> None:
    for ds in days:
        of_day = f"(select * from {copied} where ds = date '{ds}')"
        _write_parquet(con, of_day, folder / f"{ds}.parquet")


def _source(table: PublicTable) -> str:
    return f"{_name(table.schema)}.{_name(table.part_of or table.name)}"


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(_name(column) for column in columns)


def _write_parquet(con: duckdb.DuckDBPyConnection, rows: str, file: Path) -> int:
    """Write a table or a query; its rows."""
    file.parent.mkdir(parents=True, exist_ok=True)
    counted = con.execute(
        f"copy {rows} to {days.text(file)} (format parquet, compression zstd)"
    ).fetchone()
    assert counted is not None
    return int(counted[0])


def _add_views(database: Path, metrics: Sequence[View]) -> None:
    """In the file itself: views made from outside would name another catalogue."""
    if not metrics:
        return
    with duckdb.connect(str(database), config={"threads": 1}) as copy:
        copy.begin()
        copy.execute(f"create schema if not exists {VIEWS}")
        write(copy, metrics)
        copy.commit()


def _comments(copied: str, table: PublicTable, columns: Iterable[str]) -> Iterator[str]:
    if table.description:
        yield f"comment on table {copied} is {days.text(table.description)}"
    for column in columns:
        if description := table.columns.get(column):
            yield f"comment on column {copied}.{_name(column)} is {days.text(description)}"


def _seal(file: Path) -> None:
    """Make a file read-only and safe on disk."""
    file.chmod(_READ_ONLY)
    with file.open("rb") as stream:
        os.fsync(stream.fileno())


def _version_in_use(root: Path) -> Path | None:
    link = root / _CURRENT
    return link.resolve() if link.is_symlink() else None


def _finish(unfinished: Path) -> Path:
    """Give a whole copy its number, the one after the highest there is."""
    versions = unfinished.parent
    for folder, _, _ in os.walk(unfinished):
        _sync_folder(Path(folder))
    numbers = [int(entry.name) for entry in versions.iterdir() if entry.name.isdigit()]
    version = versions / f"{max(numbers, default=0) + 1:06d}"
    unfinished.rename(version)
    _sync_folder(versions)
    return version.resolve()


def _swap(root: Path, version: Path) -> None:
    _link(root / _CURRENT, f"{_VERSIONS}/{version.name}")
    for name in (DATABASE, PARQUET):
        link, goal = root / name, f"{_CURRENT}/{name}"
        if not (link.is_symlink() and link.readlink() == Path(goal)):
            _link(link, goal)
    _sync_folder(root)


def _link(link: Path, goal: str) -> None:
    """Point ``link`` to ``goal`` in one step, whatever it pointed to before."""
    beside = link.with_name(f".{link.name}.new")
    beside.unlink(missing_ok=True)
    beside.symlink_to(goal)
    beside.replace(link)


def _prune(versions: Path, keep: set[Path | None]) -> None:
    kept = {path.name for path in keep if path is not None}
    for entry in versions.iterdir():
        if entry.name not in kept:
            shutil.rmtree(entry)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _name(identifier: str) -> str:
    quoted = identifier.replace('"', '""')
    return f'"{quoted}"'
