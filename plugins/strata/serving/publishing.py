"""The read-only copy for BI: a DuckDB file and Parquet, swapped in one step.

A copy is a folder of its own, ``serving/versions/<number>/``, that never changes once
it is whole. ``serving/current`` points to the newest; replacing that one link by a
rename is the swap, for the DuckDB file and the Parquet folder alike. The paths that
people use, ``serving/strata.duckdb`` and ``serving/parquet``, lead through it.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from strata.run import Run
from strata.semantic.layer import VIEWS
from strata.semantic.views import View, write
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
    lead to now. ``rows`` and ``sha256`` (of the Parquet file) are by ``schema.table``;
    equal tables have equal hashes, whatever the order of their rows.
    """

    database: Path
    parquet: Path
    version: Path
    rows: Mapping[str, int]
    sha256: Mapping[str, str]


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
    rows = _build(con, unfinished, tables, columns)
    _add_views(unfinished / DATABASE, metrics)
    sha256 = {
        table.full_name: _seal(_parquet_file(unfinished, table)) for table in tables
    }
    _seal(unfinished / DATABASE)
    before = _version_in_use(root)
    version = _finish(unfinished)
    _swap(root, version)
    _prune(versions, keep={version, before})
    return ServingPaths(root / DATABASE, root / PARQUET, version, rows, sha256)


def _check(table: PublicTable, columns: Sequence[str]) -> None:
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
) -> dict[str, list[str]]:
    """The columns that are copied of each table, none of one that is not there.

    One look into the catalogue: it costs as much for one table as for all.
    """
    rows = con.execute(
        "select table_schema || '.' || table_name,"
        " list(column_name order by ordinal_position) from information_schema.columns"
        " where table_catalog = current_database() group by all"
    ).fetchall()
    there = dict(rows)
    return {
        table.full_name: [
            column
            for column in there.get(f"{table.schema}.{table.part_of or table.name}", ())
            if column not in table.left_out
        ]
        for table in tables
    }


def _build(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    tables: Sequence[PublicTable],
    columns: Mapping[str, Sequence[str]],
) -> dict[str, int]:
    """Write the DuckDB file and the Parquet files; the rows of each table.

    Rows are sorted, so that the files depend on the content alone.
    """
    rows = {}
    folder.mkdir()
    con.execute(f"attach {_text(folder / DATABASE)} as {_COPY}")
    # One transaction: each of a thousand comments would else be written by itself.
    con.execute("begin")
    try:
        for table in tables:
            schema = _name(table.schema)
            source = f"{schema}.{_name(table.part_of or table.name)}"
            copied = f"{_COPY}.{schema}.{_name(table.name)}"
            file = _parquet_file(folder, table)
            file.parent.mkdir(parents=True, exist_ok=True)
            con.execute(f"create schema if not exists {_COPY}.{schema}")
            taken = columns[table.full_name]
            listed = ", ".join(_name(column) for column in taken)
            con.execute(
                f"create table {copied} as select {listed} from {source}"
                f" where {table.where} order by all"
            )
            con.execute(";\n".join(_comments(copied, table, taken)) or "select 1")
            counted = con.execute(
                f"copy {copied} to {_text(file)} (format parquet, compression zstd)"
            ).fetchone()
            assert counted is not None
            rows[table.full_name] = int(counted[0])
        con.execute("commit")
        con.execute(f"checkpoint {_COPY}")
    except BaseException:
        con.execute("rollback")
        raise
    finally:
        con.execute(f"detach {_COPY}")
    return rows


def _add_views(database: Path, metrics: Sequence[View]) -> None:
    """In the file itself: views made from outside would name another catalogue."""
    if not metrics:
        return
    with duckdb.connect(str(database), config={"threads": 1}) as copy:
        copy.begin()
        copy.execute(f"create schema {VIEWS}")
        write(copy, metrics)
        copy.commit()


def _comments(copied: str, table: PublicTable, columns: Sequence[str]) -> Iterator[str]:
    if table.description:
        yield f"comment on table {copied} is {_text(table.description)}"
    for column in columns:
        if description := table.columns.get(column):
            yield f"comment on column {copied}.{_name(column)} is {_text(description)}"


def _parquet_file(folder: Path, table: PublicTable) -> Path:
    return folder / PARQUET / table.schema / f"{table.name}.parquet"


def _seal(file: Path) -> str:
    """Make a file read-only and safe on disk; its SHA-256."""
    file.chmod(_READ_ONLY)
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
        return hashlib.file_digest(stream, "sha256").hexdigest()


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


def _text(value: str | Path) -> str:
    quoted = str(value).replace("'", "''")
    return f"'{quoted}'"
