"""What stops a run before its identities are published, and what is to blame.

``build_identity.guards`` has one row a guard and day: what was found, what is allowed,
and the words for a person. The suite ``expectations/identity/guards.yml`` judges it, so
a guard can be waived by name as any rule can.
"""

from datetime import date
from typing import NamedTuple

import duckdb
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from strata.config.guards import GuardRules
from strata.identity.decisions import masked
from strata.identity.parity import AT_MOST, check_parity
from strata.identity.tables import BUILD, STATE
from strata.run import Run

_BLAMED = 3
_SUSPECTS = 50
"""Values that are tried, those that most users share first."""

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


class Culprit(NamedTuple):
    """An identifier value without which fewer users would merge.

    ``key`` is the beginning of its keyed hash; ``merged`` how many users fewer it
    would be; ``records`` some of the records that show it.
    """

    identifier_type: str
    key: str
    merged: int
    records: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.identifier_type} {self.key} (without it {self.merged} fewer; "
            f"shown by {', '.join(self.records)})"
        )


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

        accounts as (
            select distinct system, entity, record_key
            from staging.identifiers
            where is_own
        ),

        members as ({_MEMBERS})

        select unified_user_id, count(*) as accounts
        from members
        semi join accounts using (system, entity, record_key)
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


# Who was whose the day before, by what was recorded then.
_BEFORE = f"""
    create or replace temp table guard_before as
    select system, entity, record_key, unified_user_id
    from {BUILD}.id_map
    where
        unified_user_id is not null
        and recorded_from < $ds
        and (recorded_to is null or recorded_to >= $ds)
        and effective_to is null
"""

_MOVED = f"""
    create or replace temp table guard_moved as
    select distinct before.unified_user_id as old_id, now.unified_user_id as new_id
    from guard_before as before
    inner join {BUILD}.id_map as now using (system, entity, record_key)
    where now.recorded_from = $ds and now.effective_from = $ds and now.cause = 'merged'
"""


def _merged(con: duckdb.DuckDBPyConnection, run: Run, rules: GuardRules) -> Guard:
    """The circuit breaker: how many users a day made one with others."""
    con.execute(_BEFORE, {"ds": run.ds})
    con.execute(_MOVED, {"ds": run.ds})
    row = con.execute(
        "select (select count(distinct old_id) from guard_moved),"
        " (select count(distinct unified_user_id) from guard_before)"
    ).fetchone()
    assert row is not None
    merged, users = row
    allowed = max(rules.merged_users, int(rules.merged_share * users))
    words = f"{merged} of {users} users would be merged with others"
    if merged > allowed:
        blamed = "; ".join(str(culprit) for culprit in culprits(con, run))
        words += f". To blame: {blamed}" if blamed else ""
    con.execute("drop table temp.guard_before")
    con.execute("drop table temp.guard_moved")
    return Guard(run.ds, "merged_users", merged, allowed, words)


# What the users that merged show today; a record that is new stands for itself.
_SHOWN = f"""
    create or replace temp table guard_shown as
    with

    members as (
        select id_map.system, id_map.entity, id_map.record_key,
        from {BUILD}.id_map as id_map
        semi join guard_moved as moved on id_map.unified_user_id = moved.new_id
        where id_map.recorded_to is null and id_map.effective_to is null
    ),

    rejected as (
        select
            system,
            entity,
            record_key,
            right_hash as value_hash,
        from {BUILD}.edges
        where status = 'rejected' and rule = 'same_record'
    )

    select
        identifiers.identifier_type,
        identifiers.value_hash,
        concat_ws('/', system, entity, record_key) as record,
        before.unified_user_id is not null as was_user,
        dense_rank() over (order by value_hash) - 1 as value_no,
        dense_rank() over (
            order by coalesce(
                before.unified_user_id, concat_ws('/', system, entity, record_key)
            )
        ) - 1 as member_no,
    from staging.identifiers as identifiers
    semi join members using (system, entity, record_key)
    anti join rejected
        using (system, entity, record_key, value_hash)
    left join guard_before as before using (system, entity, record_key)
    where identifiers.first_seen_at < $until
"""


def culprits(con: duckdb.DuckDBPyConnection, run: Run) -> list[Culprit]:
    """The values without which the fewest users would have merged, the worst first.

    Each is taken away alone, and the users that then stand apart are counted.
    """
    con.execute(_SHOWN, {"until": run.bounds[1]})
    links = con.execute(
        "select distinct member_no, value_no, was_user from guard_shown"
    )
    columns = links.fetchnumpy()
    members = np.asarray(columns["member_no"], dtype=np.int64)
    values = np.asarray(columns["value_no"], dtype=np.int64)
    users = np.unique(members[np.asarray(columns["was_user"], dtype=np.bool_)])
    together = _groups(members, values, users)
    shared = np.bincount(values, minlength=1)
    ranked = np.argsort(-shared, kind="stable")[:_SUSPECTS].tolist()
    weights = [
        (_groups(members[values != v], values[values != v], users) - together, v)
        for v in ranked
        if shared[v] > 1
    ]
    worst = sorted((w for w in weights if w[0]), key=lambda w: (-w[0], w[1]))[:_BLAMED]
    found = [_named(con, value, weight) for weight, value in worst]
    con.execute("drop table temp.guard_shown")
    return found


Ints = np.ndarray[tuple[int], np.dtype[np.int64]]


def _groups(members: Ints, values: Ints, users: Ints) -> int:
    """How many groups the users form through the values that they share."""
    many = int(max(members.max(initial=-1), users.max(initial=-1))) + 1
    size = many + int(values.max(initial=-1)) + 1
    links = (np.ones(len(members), np.int8), (members, values + many))
    labels = connected_components(coo_array(links, (size, size)), directed=False)[1]
    return len(np.unique(labels[users]))


def _named(con: duckdb.DuckDBPyConnection, value_no: int, merged: int) -> Culprit:
    rows = con.execute(
        "select distinct identifier_type, value_hash, record from guard_shown"
        f" where value_no = ? order by all limit {_BLAMED}",
        [value_no],
    ).fetchall()
    kind, value_hash, _ = rows[0]
    records = tuple(record for _, _, record in rows)
    return Culprit(kind, masked(value_hash), merged, records)
