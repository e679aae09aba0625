"""Rows that came later than the look-back: counted, told, and left to a person.

A snapshot knows what its own morning after knew, so a row that comes late is in no
published snapshot from the day it belongs to up to the day before it was known. Within
the look-back of a tenant that is what days are like. Beyond it somebody should know,
and may have those days restated.
"""

from collections.abc import Mapping

import duckdb

from strata import carrying
from strata.quality import GateResult, law_result
from strata.run import Run
from strata.tenant import Tenant

FACTS: Mapping[str, tuple[str, str]] = {
    "events": ("event_at", "known_at"),
    "orders": ("ordered_at", "head_known_at"),
    "order_lines": ("ordered_at", "known_at"),
    "touches": ("event_at", "known_at"),
    "tickets": ("opened_at", "known_at"),
    "feedback": ("answered_at", "known_at"),
    "loyalty": ("booked_at", "known_at"),
}
"""Relations of staging, each with the moments at which a row of it happened and was
first known. What is told later of a record that is known, such as a status, a version
of a customer or a bill that is corrected, is not late."""


def check(
    con: duckdb.DuckDBPyConnection, tenant: Tenant, run: Run, stage: str
) -> list[GateResult]:
    """Count what came too late, and warn of it; the published staging is the former."""
    if stage != "staging":
        return []
    look_back = tenant.world.look_back_days
    con.execute("delete from audit.late_rows where run_id = ?", [run.run_id])
    decision = carrying.decided(run, stage)
    if decision is None or decision.carried_from is None:
        _count(con, run, look_back)
    _hand_on(con, run)
    rows = con.execute(
        "select relation, sum(rows)::bigint, min(happened_on), max(happened_on)"
        " from audit.late_rows where run_id = ? group by relation order by relation",
        [run.run_id],
    ).fetchall()
    late = sum(row[1] for row in rows)
    told = "none"
    if late:
        each = ", ".join(f"{count} {relation}" for relation, count, _, _ in rows)
        first, last = min(row[2] for row in rows), max(row[3] for row in rows)
        told = f"{late} rows of {first} to {last} came later: {each}"
    return [
        law_result(
            run,
            stage,
            stage,
            holds=not late,
            observed=told,
            why=f"rows come within {look_back} days of the day they belong to",
            unexpected=late,
            checked=late,
            severity="warn",
        )
    ]


def _count(con: duckdb.DuckDBPyConnection, run: Run, look_back: int) -> None:
    """Compare what was built with what is published, by day and moment of knowing.

    What should have been known to a day that is published is known to the first day of
    this run: its file came later than its name says, or it was let out of quarantine.
    """
    published = [
        row[0]
        for row in con.execute(
            "select distinct ds from audit.publications where stage = 'features'"
            " and ds < ?",
            [run.days[0]],
        ).fetchall()
    ]
    counted = _counted(con, is_begun=bool(published))
    if not counted or (not published and len(run.days) == 1):
        return
    con.execute(
        f"""
        insert into audit.late_rows
        with changed as (
            select relation, quarter, known_at, sum(n) as n
            from ({" union all ".join(counted)})
            group by all
            having sum(n) > 0
        ),
        dated as (
            select
                relation,
                n,
                (make_timestamp(quarter * 900000000)
                    at time zone 'UTC' at time zone $timezone)::date as happened_on,
                (known_at at time zone 'UTC' at time zone $timezone)::date - 1
                    as arrived_on
            from changed
        ),
        placed as (
            select
                relation,
                n,
                happened_on,
                if(arrived_on <= $newest, $first, arrived_on) as known_on
            from dated
        )
        select $run_id, $ds, relation, happened_on, known_on, sum(n)
        from placed
        where
            known_on - happened_on > $look_back
            and exists (
                select 1 from unnest($days::date[]) as built(day)
                where built.day >= happened_on and built.day < known_on
            )
        group by relation, happened_on, known_on
        """,
        {
            "timezone": run.timezone,
            "newest": max(published, default=None),
            "first": run.days[0],
            "run_id": run.run_id,
            "ds": run.ds,
            "look_back": look_back,
            "days": [*published, *run.days],
        },
    )


def _counted(con: duckdb.DuckDBPyConnection, *, is_begun: bool) -> list[str]:
    """Selects that count each fact of the build, and take off what is published.

    A relation that is published in another shape, by older code, is left out.
    """
    there = set(
        con.execute(
            "select table_name, column_name from duckdb_columns()"
            " where database_name = current_database() and schema_name = 'staging'"
        ).fetchall()
    )
    selects = []
    for relation, (happened, known) in FACTS.items():
        is_there = {(relation, happened), (relation, known)} <= there
        if is_begun and not is_there:
            continue
        for schema, sign in (("build_staging", 1), ("staging", -1)):
            if schema == "staging" and not is_there:
                continue
            selects.append(
                f"select '{relation}' as relation,"
                f" epoch({happened})::bigint // 900 as quarter, {known} as known_at,"
                f" {sign} * count(*) as n from {schema}.{relation}"
                f" where {happened} is not null group by all"
            )
    return selects


def _hand_on(con: duckdb.DuckDBPyConnection, run: Run) -> None:
    """What the run before took in, where it came to publish no day of it."""
    con.execute(
        "insert into audit.late_rows"
        " with before as (select run_id from audit.publications"
        " where stage = 'staging' and is_newest and run_id <> $run_id"
        " order by _published_at desc, ds desc limit 1)"
        " select $run_id, $ds, relation, happened_on, known_on, rows"
        " from audit.late_rows semi join before using (run_id)"
        " where run_id not in"
        " (select run_id from audit.publications where stage = 'features')",
        {"run_id": run.run_id, "ds": run.ds},
    )
