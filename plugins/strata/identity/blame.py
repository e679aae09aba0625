"""Which identifier values are to blame for the merges of a day.

A value is to blame for as many users as would stay apart without it. How many records
show it says little: a family's phone on a thousand receipts joins nobody new.
"""

from typing import NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from strata.identity.decisions import masked
from strata.identity.tables import BUILD, JOINING
from strata.run import Run

Ints = npt.NDArray[np.int64]

_BLAMED = 3
_SUSPECTS = 50
"""Values that are tried, those that most users share first."""


class Culprit(NamedTuple):
    """An identifier value without which fewer users would merge.

    ``key`` is the beginning of its keyed hash; ``merged`` how many users fewer it
    would be; ``shown_by`` how many records of which entities show it. Which these are
    is not told: the key of a record may be an identifier of a person.
    """

    identifier_type: str
    key: str
    merged: int
    shown_by: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.identifier_type} {self.key} (without it {self.merged} fewer; "
            f"shown by {', '.join(self.shown_by)})"
        )


# Who was whose the day before, by what was recorded then.
BEFORE = f"""
    select system, entity, record_key, unified_user_id
    from {BUILD}.id_map
    where
        unified_user_id is not null
        and recorded_from < $ds
        and (recorded_to is null or recorded_to >= $ds)
        and effective_to is null
"""

# What the users that merged show today; a record that is new stands for itself.
_SHOWN = f"""
    create or replace temp table guard_shown as
    with

    before as ({BEFORE}),

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
        system,
        entity,
        record_key,
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
    left join before using (system, entity, record_key)
    where identifiers.first_seen_at < $until and {JOINING}
"""


def culprits(con: duckdb.DuckDBPyConnection, run: Run) -> list[Culprit]:
    """The values without which the fewest users would have merged, the worst first.

    Each is taken away alone, and the users that then stand apart are counted.
    """
    con.execute(_SHOWN, {"ds": run.ds, "until": run.bounds[1]})
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


def _groups(members: Ints, values: Ints, users: Ints) -> int:
    """How many groups the users form through the values that they share."""
    many = int(max(members.max(initial=-1), users.max(initial=-1))) + 1
    size = many + int(values.max(initial=-1)) + 1
    links = (np.ones(len(members), np.int8), (members, values + many))
    labels = connected_components(coo_array(links, (size, size)), directed=False)[1]
    return len(np.unique(labels[users]))


def _named(con: duckdb.DuckDBPyConnection, value_no: int, merged: int) -> Culprit:
    rows = con.execute(
        "select identifier_type, value_hash, concat_ws('/', system, entity) as shown_in,"
        " count(distinct record_key) as records"
        " from guard_shown where value_no = ? group by all"
        " order by records desc, shown_in, identifier_type",
        [value_no],
    ).fetchall()
    kind, value_hash, _, _ = rows[0]
    shown_by = tuple(f"{records} {name}" for _, _, name, records in rows[:_BLAMED])
    return Culprit(kind, masked(value_hash), merged, shown_by)
