"""Lets dbt models on DuckDB call the functions of the pseudonyms.

Named in ``profiles.yml``: ``plugins: [{module: strata.warehouse.functions}]``.
"""

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin

from strata import pseudonyms


class Plugin(BasePlugin):  # type: ignore[misc]
    """Registers ``strata_pseudonym`` and its companions when dbt opens the file."""

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Called by dbt-duckdb once a database, before any model runs."""
        pseudonyms.register(conn)
