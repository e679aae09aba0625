"""Tables of many days: a new copy takes over the days that stand in the copy before.

A published day is never altered, only published anew under the name of another run. So
the rows of a day are those of the copy before where their number and their ``_run_id``
are, and publishing costs what has changed, however long a history is kept.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

import duckdb

_ROWS_AT_ONCE = 122_880
"""Rows sorted together, a row group of DuckDB; a day at least."""


def take_over(
    con: duckdb.DuckDBPyConnection, copy: str, before: Path | None, file: Path
) -> None:
    """Attach a new DuckDB ``file`` as ``copy``: that of the copy before, or nothing."""
    if before is not None and before.exists():
        shutil.copyfile(before, file)
        try:
            con.execute(f"attach {text(file)} as {copy}")
            return
        except duckdb.Error:  # it was broken, or a newer engine wrote it
            file.unlink()
    con.execute(f"attach {text(file)} as {copy}")


def start_anew(con: duckdb.DuckDBPyConnection, copy: str, file: Path) -> None:
    """Attach an empty file in the place of the one attached as ``copy``."""
    con.execute(f"detach {copy}")
    file.unlink()
    take_over(con, copy, None, file)


def columns_there(
    con: duckdb.DuckDBPyConnection, copy: str
) -> dict[str, dict[str, str]]:
    """``schema.table`` to the columns of each table of the file attached as ``copy``."""
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in con.execute(
        "select columns.schema_name || '.' || columns.table_name, column_name, data_type"
        " from duckdb_columns() as columns inner join duckdb_tables() as tables"
        " using (database_name, schema_name, table_name)"
        " where database_name = ? order by column_index",
        [copy],
    ).fetchall():
        found.setdefault(table, {})[column] = kind
    return found


def drop_the_rest(
    con: duckdb.DuckDBPyConnection, copy: str, kept: Mapping[str, object]
) -> None:
    """Drop what the file attached as ``copy`` holds beside the tables ``kept``."""
    for kind in ("view", "table"):
        found = con.execute(
            f"select schema_name, {kind}_name from duckdb_{kind}s()"
            " where database_name = ? and not internal",
            [copy],
        ).fetchall()
        for schema, name in found:
            if kind == "view" or f"{schema}.{name}" not in kept:
                con.execute(f'drop {kind} {copy}."{schema}"."{name}"')


def changes(
    con: duckdb.DuckDBPyConnection, source: str, copied: str
) -> tuple[dict[date, int], dict[date, int]]:
    """Rows of each day of ``source``, and of the days that are others in ``copied``.

    The days that are others, or gone, are removed from ``copied``.
    """
    wanted, there = _days(con, source), _days(con, copied)
    gone = [ds for ds, day in there.items() if wanted.get(ds) != day]
    if gone:
        con.execute(f"delete from {copied} where list_contains(?, ds)", [gone])
    rows = {ds: day[0] for ds, day in wanted.items()}
    return rows, {ds: rows[ds] for ds, day in wanted.items() if there.get(ds) != day}


def copied_days(
    con: duckdb.DuckDBPyConnection,
    source: str,
    copied: str,
    changed: Mapping[date, int],
    columns: str,
    key: str,
) -> Iterator[list[date]]:
    """Copy the days of ``changed``, sorted by ``key``; those that are done, in turn.

    A row group is sorted and committed at a time, however many days there are. Of a
    copy that is broken off nobody reads anything.
    """
    for days in _together(changed):
        among = ", ".join(f"date '{ds}'" for ds in days)
        con.execute(
            f"insert into {copied} select {columns} from {source}"
            f" where ds between date '{days[0]}' and date '{days[-1]}'"
            f" and ds in ({among}) order by ds, {key}"
        )
        con.execute("commit")
        con.execute("begin")
        yield days


@contextlib.contextmanager
def in_one_thread(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Two threads take twice the processor time of one to write a wide table."""
    row = con.execute("select current_setting('threads')").fetchone()
    con.execute("set threads to 1")
    try:
        yield
    finally:
        con.execute(f"set threads to {row[0] if row else 1}")


def link(before: Path, file: Path) -> bool:
    """Give a file that is never altered another name; False where there is none."""
    try:
        os.link(before, file)
    except FileNotFoundError:
        return False
    except OSError:  # a file system without links
        shutil.copyfile(before, file)
    return True


def _days(
    con: duckdb.DuckDBPyConnection, table: str
) -> dict[date, tuple[int, str, str]]:
    """Rows of each day, and the first and last run that they come from."""
    rows = con.execute(
        f"select ds, count(*), min(_run_id), max(_run_id) from {table}"
        " group by ds order by ds"
    ).fetchall()
    return {ds: (count, first, last) for ds, count, first, last in rows}


def _together(days: Mapping[date, int]) -> Iterator[list[date]]:
    """Days in their order, in groups of so many rows."""
    group: list[date] = []
    total = 0
    for ds, rows in days.items():
        if group and total + rows > _ROWS_AT_ONCE:
            yield group
            group, total = [], 0
        group.append(ds)
        total += rows
    if group:
        yield group


def text(value: str | Path) -> str:
    """A text of SQL."""
    quoted = str(value).replace("'", "''")
    return f"'{quoted}'"
