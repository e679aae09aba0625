"""Reading a warehouse of which, after a failed run, only a part may exist."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

Row = dict[str, Any]


class Reader:
    """Plain reads over an open connection; it writes nothing."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """What ``sql`` returns, one dict a row."""
        cursor = self._con.execute(sql, list(parameters))
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def row(self, sql: str, parameters: Sequence[object] = ()) -> Row | None:
        """The first row of ``sql``, if there is one."""
        found = self.rows(sql, parameters)
        return found[0] if found else None

    def columns(self, table: str) -> list[str]:
        """Columns of ``schema.table`` in order; empty where it does not exist."""
        schema, name = table.split(".")
        return [
            row["column_name"]
            for row in self.rows(
                "select column_name from information_schema.columns"
                " where table_catalog = current_database()"
                " and table_schema = ? and table_name = ?"
                " order by ordinal_position",
                [schema, name],
            )
        ]

    def has(self, *tables: str) -> bool:
        """Whether every one of these ``schema.table`` exists."""
        return all(self.columns(table) for table in tables)

    def home(self) -> Path | None:
        """The world's folder, told from where the warehouse file lies.

        None for a warehouse in memory.
        """
        found = self.row(
            "select path from duckdb_databases()"
            " where database_name = current_database()"
        )
        path = found["path"] if found else None
        return Path(path).parent.parent if path else None
