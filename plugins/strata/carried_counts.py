"""What a stage reads of its own tables, as earlier runs left them.

Features count each batch of facts once and keep the counts. They stand only as long as
rules and code are those that made them, and only for batches that are what they were,
which the project's own models see by their content. A stage that reads its own tables
has to find them on its first run as well: empty.
"""

from collections.abc import Mapping

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
    """Make the stage's own tables ready to be read by it.

    What is missing is made empty. What was counted by other rules or other code is
    emptied with its batches, in one transaction: the run then counts everything, and a
    run that is killed meanwhile loses nothing that another would not count again.
    """
    own = transform.own_tables(tenant, stage)
    counted = {spec for spec in own if spec.mode == "by_batch" or spec.name == BATCHES}
    is_stale = bool(counted) and not _stand(con, run, counted, own)
    con.begin()
    for spec, columns in own.items():
        create = "create table if not exists"
        if spec in counted and is_stale:
            create = "create or replace table"
        con.execute(f'create schema if not exists "{spec.schema}"')
        con.execute(f"{create} {spec.published} ({_declared(columns)})")
    con.commit()


def _stand(
    con: duckdb.DuckDBPyConnection,
    run: Run,
    counted: set[TableSpec],
    own: Mapping[TableSpec, Mapping[str, str]],
) -> bool:
    """Whether all were counted under the rules and by the code of this run."""
    there = {
        (schema, name)
        for schema, name in con.execute(
            "select schema_name, table_name from duckdb_tables()"
        ).fetchall()
    }
    if not all((spec.schema, spec.name) in there for spec in counted):
        return False
    batches = next(spec for spec in counted if spec.name == BATCHES)
    row = con.execute(
        "select count(*) from audit.runs as r, audit.runs as now"
        " where now.run_id = ? and r.config_hash = now.config_hash"
        " and r.code_version = now.code_version"
        f" and r.run_id = (select any_value(_run_id) from {batches.published})",
        [run.run_id],
    ).fetchone()
    return row is not None and row[0] > 0


def _declared(columns: Mapping[str, str]) -> str:
    return ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
