"""What identity knows on a day, and which records may show something new by then.

The working tables are temporary and live in the caller's connection, from the first
day of a run to the last:

``identity_day``
    one row: ``ds``, the day that is resolved
``identity_known``
    grain record and identifier value: what was known on the day. It moves on from day
    to day by what arrived in between
``identity_amended``
    the same grain, key alone: what decisions and consent take off or put in
``identity_matches``
    grain link between two records, with the columns of ``evidence.NO_MATCHES``

``identity_counted`` is a view: what is known, as decisions and consent leave it.
Nothing in this room reads sightings past it. Whatever is taken off or put in, and
whatever is matched, may differ from one day to the next: records for which it does are
resolved again, as if a source had shown something new of them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import duckdb

from strata.config.identity import IdentityConfig
from strata.identity.withheld import APART, WITHHELD, Moment, moment_of, withheld
from strata.run import Run

RECORD = "system, entity, record_key"
USE = f"{RECORD}, identifier_type, value_hash, key_version"

_TABLES = (
    "day",
    "known",
    "arrived",
    "amended",
    "amended_before",
    "matches",
    "matches_before",
    "may_differ",
)

_COLUMNS = f"""
    {USE},
    min(first_seen_at) as first_seen_at,
    max(last_seen_at) as last_seen_at,
    bool_or(is_own) as is_own,
"""

_KNOWN = f"""
    create or replace temp table identity_known as
    select {_COLUMNS}
    from staging.sightings
    where known_at <= $known_until
    group by {USE}
"""

# Where nothing was known later, the sum of all sightings is that of the day.
_ALL_KNOWN = f"""
    create or replace temp {{kind}} identity_known as
    select {USE}, first_seen_at, last_seen_at, is_own,
    from staging.identifiers
"""

_ARRIVED = f"""
    create or replace temp table identity_arrived as
    select {_COLUMNS}
    from staging.sightings
    where known_at > $known_before and known_at <= $known_until
    group by {USE}
"""

_MERGE_ARRIVED = f"""
    merge into identity_known as known
    using identity_arrived as arrived using ({USE})
    when matched then update set
        first_seen_at = least(known.first_seen_at, arrived.first_seen_at),
        last_seen_at = greatest(known.last_seen_at, arrived.last_seen_at),
        is_own = known.is_own or arrived.is_own
    when not matched then insert by name
"""

_AMENDED = f"""
    create or replace temp table identity_amended as
    select {USE} from {{hidden}}
    union all
    select {USE}
    from identity_counted
    where identifier_type = '{WITHHELD}' or starts_with(identifier_type, '{APART}')
"""

# What arrived, what the end of the day before cut off, and what is amended otherwise.
_MAY_DIFFER = f"""
    create or replace temp table identity_may_differ as
    with

    amended as (
        (from identity_amended except from identity_amended_before)
        union all
        (from identity_amended_before except from identity_amended)
    ),

    matched as (
        (from identity_matches except from identity_matches_before)
        union all
        (from identity_matches_before except from identity_matches)
    ),

    final as (
        select {RECORD} from identity_arrived
        union
        select {RECORD} from identity_known
        where first_seen_at >= $until_before or last_seen_at > $until_before
        union
        select {RECORD} from amended
        union
        select left_system, left_entity, left_record_key from matched
        union
        select right_system, right_entity, right_record_key from matched
        union
        select left_system, left_entity, left_record_key from identity_matches
        where first_seen_at >= $until_before
        union
        select right_system, right_entity, right_record_key from identity_matches
        where first_seen_at >= $until_before
    )

    select * from final
"""


@contextmanager
def days_known(
    con: duckdb.DuckDBPyConnection, run: Run, config: IdentityConfig, matches: str
) -> Iterator[Iterator[tuple[Run, IdentityConfig]]]:
    """The days of ``run``, oldest first; while one is at hand, what is known is its.

    With each come the rules for what is then known: those of ``config``, and of what
    decisions put in. From the second day on ``identity_may_differ`` has the records
    for which the evidence is not that of the day before, among others for which it is.
    """
    try:
        yield _days(con, run, config, matches)
    finally:
        views = con.execute(
            "select view_name from duckdb_views() where temporary and not internal"
        ).fetchall()
        for name in ("counted", *_TABLES):
            kind = "view" if (f"identity_{name}",) in views else "table"
            con.execute(f"drop {kind} if exists temp.identity_{name}")


@contextmanager
def evidence_given(
    con: duckdb.DuckDBPyConnection, source: str, matches: str
) -> Iterator[None]:
    """Take the relations as they are for the evidence of a day."""
    try:
        con.execute(f"create or replace temp table identity_matches as from {matches}")
        con.execute(f"create or replace temp view identity_counted as from {source}")
        yield
    finally:
        con.execute("drop view if exists temp.identity_counted")
        con.execute("drop table if exists temp.identity_matches")


def _days(
    con: duckdb.DuckDBPyConnection, run: Run, config: IdentityConfig, matches: str
) -> Iterator[tuple[Run, IdentityConfig]]:
    before: Moment | None = None
    for day in map(run.of_day, run.days):
        now = moment_of(con, day)
        con.execute(
            "create or replace temp table identity_day as select $ds::date as ds",
            {"ds": day.ds},
        )
        if before is None:
            _begin(con, now.known_until, is_last=day.ds == run.ds)
            rules = _amend(con, config, now, matches)
        else:
            _move_on(con, before.known_until, now.known_until)
            for table in ("amended", "matches"):
                con.execute(f"drop table if exists temp.identity_{table}_before")
                con.execute(
                    f"alter table identity_{table} rename to identity_{table}_before"
                )
            rules = _amend(con, config, now, matches)
            con.execute(_MAY_DIFFER, {"until_before": before.until})
        yield day, rules
        before = now


def _begin(
    con: duckdb.DuckDBPyConnection, known_until: datetime, *, is_last: bool
) -> None:
    is_more_known = con.execute(
        "select coalesce(max(known_at) > $known_until, false) from staging.sightings",
        {"known_until": known_until},
    ).fetchone()
    if is_more_known == (True,):
        con.execute(_KNOWN, {"known_until": known_until})
    else:
        # Only what has to move on from day to day need be copied.
        con.execute(_ALL_KNOWN.format(kind="view" if is_last else "table"))


def _move_on(
    con: duckdb.DuckDBPyConnection, known_before: datetime, known_until: datetime
) -> None:
    con.execute(_ARRIVED, {"known_before": known_before, "known_until": known_until})
    con.execute(_MERGE_ARRIVED)


def _amend(
    con: duckdb.DuckDBPyConnection, config: IdentityConfig, now: Moment, matches: str
) -> IdentityConfig:
    """Apply decisions and matches of the day; the rules for what is then known."""
    known = "temp.identity_known"
    evidence = withheld(con, config, known, now)
    con.execute(
        f"create or replace temp view identity_counted as from {evidence.source}"
    )
    is_amended = evidence.source != known
    hidden = "identity_hidden" if is_amended else "identity_known where false"
    con.execute(_AMENDED.format(hidden=hidden))
    con.execute(f"create or replace temp table identity_matches as {matches}")
    return evidence.config
