"""Hashes of what tables hold, by which runs and days are compared."""

import hashlib
from collections.abc import Sequence
from datetime import date

import duckdb

from strata.warehouse.base import Promotion
from strata.warehouse.tables import TableSpec


def together(done: Sequence[Promotion]) -> str:
    """One hash of the tables that are published together."""
    content = "\n".join(f"{p.table} {p.rows} {p.fingerprint}" for p in done)
    return hashlib.sha256(content.encode()).hexdigest()


def published_content(
    con: duckdb.DuckDBPyConnection, tables: Sequence[TableSpec]
) -> tuple[int, str]:
    """Rows that stand published of ``tables`` and the hash of their content.

    For tables that are replaced as a whole it is the hash in ``audit.publications``.
    Raises ``ValueError`` where one is missing.
    """
    found = [
        Promotion(
            f"{spec.schema}.{spec.name}", *fingerprint(con, spec.schema, spec.name)
        )
        for spec in tables
    ]
    return sum(p.rows for p in found), together(found)


def columns_of(
    con: duckdb.DuckDBPyConnection, schema: str, table: str
) -> list[tuple[str, str]]:
    """The columns of a table or view and their types, by name."""
    return con.execute(
        "select column_name, data_type from information_schema.columns"
        " where table_schema = ? and table_name = ? order by column_name",
        [schema, table],
    ).fetchall()


def fingerprint(
    con: duckdb.DuckDBPyConnection, schema: str, table: str
) -> tuple[int, str]:
    """Rows of a table and a hash of their content.

    The order of rows and of columns does not matter, and operational columns (``_…``)
    are left out. The hash is DuckDB's own, so it holds within one engine version.
    """
    columns, hashed = _hashed(con, schema, table)
    row = con.execute(f'select {hashed} from "{schema}"."{table}"').fetchone()
    assert row is not None
    return int(row[0]), _digest(columns, *row)


def fingerprints(
    con: duckdb.DuckDBPyConnection, schema: str, table: str, days: Sequence[date]
) -> tuple[tuple[int, str], dict[date, tuple[int, str]]]:
    """The :func:`fingerprint` of a table, and of the rows of each ``ds``, in one pass."""
    columns, hashed = _hashed(con, schema, table)
    rows = con.execute(
        f'select ds, {hashed} from "{schema}"."{table}" group by ds'
    ).fetchall()
    found = {day: (int(count), total) for day, count, total in rows}
    of_days = {day: found.get(day, (0, 0)) for day in days}
    whole = sum(n for n, _ in found.values()), sum(total for _, total in found.values())
    return (
        (whole[0], _digest(columns, *whole)),
        {day: (n, _digest(columns, n, total)) for day, (n, total) in of_days.items()},
    )


def _hashed(
    con: duckdb.DuckDBPyConnection, schema: str, table: str
) -> tuple[list[str], str]:
    """The columns that count, and the aggregates over a group of rows."""
    columns = [c for c, _ in columns_of(con, schema, table) if not c.startswith("_")]
    if not columns:
        raise ValueError(f"{schema}.{table} has no business column to fingerprint")
    listed = ", ".join(f'"{c}"' for c in columns)
    return columns, f"count(*), coalesce(sum(hash({listed})::hugeint), 0)"


def _digest(columns: Sequence[str], rows: int, total: int) -> str:
    content = f"{','.join(columns)}|{rows}|{total}"
    return hashlib.sha256(content.encode()).hexdigest()[:32]
