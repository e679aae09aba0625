"""DuckDB for SQLAlchemy, as a gate needs it.

Three things differ from duckdb-sqlalchemy's own dialect. Connections open with
DuckDB's default configuration (its own adds a user agent, and DuckDB refuses a second
connection to a file with another configuration). Results are read at once, because
Great Expectations reads them after it has closed the connection, and would find
nothing (fivetran/great_expectations#10738, #11579). Primary keys are not looked up:
build tables have none, and the look-up costs more than most checks.
"""

from typing import Any

import duckdb
from duckdb_sqlalchemy import ConnectionWrapper, Dialect, DuckDBExecutionContext
from sqlalchemy import URL
from sqlalchemy.engine.cursor import FullyBufferedCursorFetchStrategy
from sqlalchemy.pool import NullPool, Pool

NAME = "strata_duckdb"


class _ReadAtOnce(DuckDBExecutionContext):  # type: ignore[misc]
    def post_exec(self) -> None:
        super().post_exec()
        if self.cursor.description is not None:
            self.cursor_fetch_strategy = FullyBufferedCursorFetchStrategy(self.cursor)


class GateDialect(Dialect):  # type: ignore[misc]
    """``strata_duckdb:///<file>``; no pool, so that no lock stays behind."""

    supports_statement_cache = True
    execution_ctx_cls = _ReadAtOnce

    @classmethod
    def get_pool_class(cls, url: URL) -> type[Pool]:
        return NullPool

    def connect(self, *_: Any, **settings: Any) -> Any:
        return ConnectionWrapper(duckdb.connect(settings["database"]))

    def get_pk_constraint(self, *_: Any, **__: Any) -> dict[str, Any]:
        return {"constrained_columns": [], "name": None}
