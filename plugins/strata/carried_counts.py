"""What a stage reads of its own tables, as earlier runs left them.

Features count each batch of facts once and keep the counts. They stand only as long as
rules and code are those that made them, and only for batches that are what they were,
which the project's own models see by their content. The models read them in the schema
``standing``, which shows what is published or, where that does not stand, nothing.
"""

from collections.abc import Collection, Mapping

import duckdb

from strata import transform
from strata.run import Run
from strata.tenant import Tenant
from strata.warehouse.tables import TableSpec

BATCHES = "int_batches_counted"
"""The published table that tells which run counted last."""


def prepare(
    con: duckdb.DuckDBPyConnection, tenant: Tenant, run: Run, stage: str
) -> None:
    """Show the stage what stands of its own tables; what is published stays as it is.

    What was counted by other rules or other code does not stand: the run then counts
    everything, as on its first day.
    """
    own = transform.own_tables(tenant, stage)
    stand = bool(own) and _stand(con, run, own)
    con.execute(f"drop schema if exists {transform.STANDING} cascade")
    con.execute(f"create schema {transform.STANDING}")
    for spec, columns in own.items():
        shown = f"from {spec.published}" if stand else _nothing(columns)
        con.execute(
            f'create or replace view {transform.STANDING}."{spec.name}" as {shown}'
        )


def _stand(
    con: duckdb.DuckDBPyConnection, run: Run, own: Collection[TableSpec]
) -> bool:
    """Whether all were counted under the rules and by the code of this run."""
    there = set(
        con.execute("select schema_name, table_name from duckdb_tables()").fetchall()
    )
    if not all((spec.schema, spec.name) in there for spec in own):
        return False
    batches = next(spec for spec in own if spec.name == BATCHES)
    row = con.execute(
        "select count(*) from audit.runs as r, audit.runs as now"
        " where now.run_id = ? and r.config_hash = now.config_hash"
        " and r.code_version = now.code_version"
        f" and r.run_id = (select any_value(_run_id) from {batches.published})",
        [run.run_id],
    ).fetchone()
    return row is not None and row[0] > 0


def _nothing(columns: Mapping[str, str]) -> str:
    listed = (f'cast(null as {kind}) as "{name}"' for name, kind in columns.items())
    return f"select {', '.join(listed)} where false"
