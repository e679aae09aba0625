"""What stops a run before its identities are published, and what is to blame.

``build_identity.guards`` has one row a guard and day: what was found, what is allowed,
and the words for a person. The suite ``expectations/identity/guards.yml`` judges it, so
a guard can be waived by name as any rule can.
"""

from datetime import date
from typing import NamedTuple

import duckdb

from strata.config.guards import GuardRules
from strata.identity.blame import BEFORE, culprits
from strata.identity.parity import AT_MOST, check_parity
from strata.identity.tables import BUILD, STATE
from strata.run import Run

RULES = {
    "few users merge in a day": "merged_users",
    "no user has too many accounts": "accounts_a_user",
    "no user stands for too many ids": "ids_a_user",
}
"""The rules of the suite by name, and the guard that each judges."""

TABLE = """
    ds date not null,
    guard varchar not null,
    observed double not null,
    allowed double not null,
    told varchar not null,
    _run_id varchar not null
"""


class Guard(NamedTuple):
    """One guard on one day: ``observed`` may not be more than ``allowed``."""

    ds: date
    guard: str
    observed: float
    allowed: float
    told: str


class Law(NamedTuple):
    """What holds for every tenant: ``unexpected`` of ``checked`` break it."""

    table: str
    why: str
    observed: str
    unexpected: int
    checked: int


def write_guards(con: duckdb.DuckDBPyConnection, run: Run, rules: GuardRules) -> None:
    """Build ``build_identity.guards`` from what was resolved for the days of ``run``."""
    found = [
        guard(con, run.of_day(ds), rules)
        for ds in run.days
        for guard in (_most_accounts, _most_ids, _merged)
    ]
    con.execute(f"create or replace table {BUILD}.guards ({TABLE})")
    con.executemany(
        f"insert into {BUILD}.guards values (?, ?, ?, ?, ?, ?)",
        [(*guard, run.run_id) for guard in found],
    )


def told(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """What each guard that is broken says of the first day that broke it."""
    rows = con.execute(
        f"select guard, arg_min(told, ds) from {BUILD}.guards"
        " where observed > allowed group by guard"
    ).fetchall()
    return dict(rows)


def laws(con: duckdb.DuckDBPyConnection, run: Run) -> list[Law]:
    """The laws of what was resolved, which nobody can waive."""
    return [_one_partition(con), _kept_apart(con, run)]


# Whole raw components, always the same ones, so that no link of a sample leads out of it.
_LINKS = f"""(
    select
        concat_ws(':', left_type, left_hash, left_period) as left_node,
        concat_ws(':', right_type, right_hash, right_period) as right_node,
    from {BUILD}.edges
    semi join (
        select system, entity, record_key from {BUILD}.components
        where component % {{parts}} = 0
    ) using (system, entity, record_key)
    where status = 'accepted'
)"""


def _one_partition(con: duckdb.DuckDBPyConnection) -> Law:
    row = con.execute(f"select count(*) from {BUILD}.edges").fetchone()
    assert row is not None
    parts = row[0] // AT_MOST + 1
    found = check_parity(con, _LINKS.format(parts=parts))
    prints = f"{found.union_find} and {found.hook_contract}"
    return Law(
        f"{BUILD.removeprefix('build_')}.edges",
        "both engines find the same people",
        f"fingerprints {prints} of {found.sampled} accepted links",
        int(not found.holds),
        1,
    )


def _kept_apart(con: duckdb.DuckDBPyConnection, run: Run) -> Law:
    broken = con.execute(
        f"""
        with members as ({_MEMBERS})

        select decisions.decision_id
        from {STATE}.decisions as decisions
        inner join members as one
            using (system, entity, record_key)
        inner join members as other
            on
                decisions.apart_system = other.system
                and decisions.apart_entity = other.entity
                and decisions.apart_record_key = other.record_key
        where
            decisions.kind = 'split'
            and decisions.applies_from <= $ds
            and one.unified_user_id = other.unified_user_id
            and not exists (
                select 1 from {STATE}.decisions as ended
                where
                    ended.restores = decisions.decision_id
                    and ended.applies_from <= $ds
            )
        order by all
        """,
        {"ds": run.ds},
    ).fetchall()
    names = ", ".join(name for (name,) in broken)
    return Law(
        f"{STATE}.id_map",
        "two records that a person split are two users",
        f"one user in spite of {names}" if names else "all splits hold",
        len(broken),
        1,
    )


# Who is whose on a day, by what is recorded on it.
_MEMBERS = f"""
    select system, entity, record_key, unified_user_id
    from {BUILD}.id_map
    where
        unified_user_id is not null
        and recorded_from <= $ds
        and (recorded_to is null or recorded_to > $ds)
        and effective_to is null
"""


def _most_accounts(
    con: duckdb.DuckDBPyConnection, run: Run, rules: GuardRules
) -> Guard:
    row = con.execute(
        f"""
        with

        -- An entity whose records have an identifier of their own is one of accounts.
        accounts as (
            select distinct system, entity
            from staging.identifiers
            where is_own
        ),

        members as ({_MEMBERS})

        select unified_user_id, count(*) as accounts
        from members
        semi join accounts using (system, entity)
        group by unified_user_id
        order by accounts desc, unified_user_id
        limit 1
        """,
        {"ds": run.ds},
    ).fetchone()
    user, accounts = row or ("nobody", 0)
    words = f"{user} has {accounts} accounts"
    return Guard(run.ds, "accounts_a_user", accounts, rules.accounts_a_user, words)


def _most_ids(con: duckdb.DuckDBPyConnection, run: Run, rules: GuardRules) -> Guard:
    """An id leads to whom its anchor belongs to; without one, to where it led last."""
    row = con.execute(
        f"""
        with

        members as ({_MEMBERS})

        select
            coalesce(members.unified_user_id, ledger.redirects_to,
                ledger.unified_user_id) as leads_to,
            count(*) as ids,
        from {BUILD}.id_ledger as ledger
        left join members
            on
                ledger.anchor_system = members.system
                and ledger.anchor_entity = members.entity
                and ledger.anchor_record_key = members.record_key
        where ledger.minted_on <= $ds
        group by leads_to
        order by ids desc, leads_to
        limit 1
        """,
        {"ds": run.ds},
    ).fetchone()
    user, ids = row or ("nobody", 0)
    words = f"{ids} ids lead to {user}"
    return Guard(run.ds, "ids_a_user", ids, rules.ids_a_user, words)


# A row that a merge superseded was recorded until that day.
_MOVED = f"""
    create or replace temp table guard_moved as
    select distinct before.unified_user_id as old_id, now.unified_user_id as new_id
    from {BUILD}.id_map as before
    inner join {BUILD}.id_map as now using (system, entity, record_key)
    where
        before.unified_user_id is not null
        and before.recorded_from < $ds
        and before.recorded_to = $ds
        and before.effective_to is null
        and now.recorded_from = $ds
        and now.effective_from = $ds
        and now.cause = 'merged'
"""


def _merged(con: duckdb.DuckDBPyConnection, run: Run, rules: GuardRules) -> Guard:
    """The circuit breaker: how many users a day made one with others."""
    con.execute(_MOVED, {"ds": run.ds})
    row = con.execute(
        "select (select count(distinct old_id) from guard_moved),"
        f" (select count(distinct unified_user_id) from ({BEFORE}))",
        {"ds": run.ds},
    ).fetchone()
    assert row is not None
    merged, users = row
    allowed = max(rules.merged_users, int(rules.merged_share * users))
    words = f"{merged} of {users} users would be merged with others"
    if merged > allowed:
        blamed = "; ".join(str(culprit) for culprit in culprits(con, run))
        words += f". To blame: {blamed}" if blamed else ""
    con.execute("drop table temp.guard_moved")
    return Guard(run.ds, "merged_users", merged, allowed, words)
