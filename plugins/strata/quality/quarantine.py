"""Rows set aside where they entered, and their way back.

``quarantine.rows`` is in the PII zone: it keeps each row as it came.
"""

import duckdb

from strata import clock
from strata.quality.outcome import Aside
from strata.quality.rules import literal
from strata.run import Run


def set_aside(con: duckdb.DuckDBPyConnection, run: Run, part: Aside) -> None:
    """Copy the bad rows of one entity: one row a source row, with all rules it broke.

    The id says where the row lies, so a row that a later attempt meets again is the
    same row; one that a person has released stays released.
    """
    broken = ", ".join(
        f"case when {condition} then {literal(label)} end"
        for label, condition in part.conditions.items()
    )
    any_of = " or ".join(f"({c})" for c in part.conditions.values())
    con.execute(
        "create or replace temp table rows_aside as select"
        " md5(concat_ws('/', $system, $entity, t._load_id, t._file, t._row))"
        " as quarantine_id, $system as system, $entity as entity,"
        " t._load_id as load_id, t._file as file, t._row as row_number,"
        " $run_id as run_id, $ds::date as ds,"
        f" concat_ws('; ', {broken}) as expectation, to_json(t)::varchar as source_row,"
        " 'held' as status, null::varchar as released_by,"
        " $at::timestamp as _quarantined_at"
        f" from {part.relation} as t where {any_of}",
        {
            "system": part.system,
            "entity": part.entity,
            "run_id": run.run_id,
            "ds": run.ds,
            "at": clock.now_naive(),
        },
    )
    con.execute(
        "delete from quarantine.rows where status = 'held'"
        " and quarantine_id in (select quarantine_id from rows_aside)"
    )
    con.execute(
        "insert into quarantine.rows by name select * from rows_aside"
        " where quarantine_id not in (select quarantine_id from quarantine.rows)"
    )
    con.execute("drop table rows_aside")


def release(
    con: duckdb.DuckDBPyConnection,
    system: str,
    entity: str,
    *,
    by: str,
    expectation: str | None = None,
) -> int:
    """Let held rows of an entity back in, by the decision of ``by``; how many.

    With ``expectation`` only the rows that this rule alone holds: a row that broke
    another rule too stays. The record of the row stays, with who released it.
    """
    if not by.strip():
        raise ValueError("a release needs the name of the person who decides it")
    rows = con.execute(
        "update quarantine.rows set status = 'released', released_by = $by"
        " where system = $system and entity = $entity and status = 'held'"
        " and ($rule::varchar is null or expectation = $rule)",
        {"by": by, "system": system, "entity": entity, "rule": expectation},
    ).fetchone()
    return int(rows[0]) if rows else 0
