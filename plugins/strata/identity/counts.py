"""What a run found and changed, counted from what it built."""

from dataclasses import asdict, dataclass, fields
from datetime import date

import duckdb

from strata.identity.tables import BUILD

# Of the records in scope, which have all that an id had before and has now.
_CHANGES = f"""
    with

    moves as (
        select old_id, unified_user_id as new_id, cause, count(*) as records,
        from identity_changes
        where was_open and is_here
        group by all
    ),

    profiles_before as (
        select unified_user_id, count(*) as records,
        from identity_map_before
        where is_open
        group by unified_user_id
    ),

    profiles as (
        select ids.unified_user_id, count(*) as records,
        from identity_people as people
        inner join identity_ids as ids using (component)
        group by ids.unified_user_id
    ),

    renamed as (
        select 1
        from moves
        inner join profiles_before on moves.old_id = profiles_before.unified_user_id
        inner join profiles on moves.new_id = profiles.unified_user_id
        where
            moves.records = profiles_before.records
            and moves.records = profiles.records
    )

    select
        (select count(*) from identity_minted),
        (
            select count(*) from {BUILD}.id_ledger
            where status = 'redirected' and redirected_on = $ds
        ),
        (select count(distinct old_id) from moves where cause = 'split'),
        (
            select coalesce(sum(records), 0)::bigint from moves
            where cause = 'late_anchor'
        ),
        (select count(*) from renamed),
"""

_FOUND = f"""
    with

    profiles as (
        select unified_user_id, count(*) as records
        from {BUILD}.id_map
        where recorded_to is null and effective_to is null
        group by unified_user_id
    )

    select
        coalesce(sum(records), 0)::bigint,
        coalesce(sum(records) filter (where unified_user_id is null), 0)::bigint,
        count(unified_user_id),
        coalesce(max(records) filter (where unified_user_id is not null), 0),
        (select count(*) from {BUILD}.edges),
    from profiles
"""


@dataclass(frozen=True)
class Changes:
    """Ids and records that a day changed; days add up."""

    minted: int = 0
    merged: int = 0
    split: int = 0
    late_anchored_records: int = 0
    changed_without_members: int = 0

    def __add__(self, other: "Changes") -> "Changes":
        return Changes(
            *(getattr(self, f.name) + getattr(other, f.name) for f in fields(Changes))
        )


@dataclass(frozen=True)
class IdentityCounts:
    """What a run found and changed. Records are source records, users their groups.

    ``rejected`` counts links by the rule that rejected them; ``minted``, ``merged``
    and ``split`` count ids: new ones, ones that began to redirect, ones that records
    left while it stayed in use. ``changed_without_members`` counts ids that changed
    though their records did not, and must be 0.
    """

    records: int
    anonymous_records: int
    users: int
    largest_profile: int
    edges: int
    rejected: dict[str, int]
    minted: int
    merged: int
    split: int
    late_anchored_records: int
    changed_without_members: int


def changes_of_day(con: duckdb.DuckDBPyConnection, ds: date) -> Changes:
    """What the day changed; needs the working tables of ledger and history."""
    row = con.execute(_CHANGES, {"ds": ds}).fetchone()
    assert row is not None
    return Changes(*row)


def count_found(con: duckdb.DuckDBPyConnection, changes: Changes) -> IdentityCounts:
    """Counted from what was built, so that they say what will be published."""
    rejected = con.execute(
        f"select rejected_by, count(*) from {BUILD}.edges"
        " where status = 'rejected' group by rejected_by order by rejected_by"
    ).fetchall()
    row = con.execute(_FOUND).fetchone()
    assert row is not None
    records, anonymous, users, largest, edges = row
    return IdentityCounts(
        records=records,
        anonymous_records=anonymous,
        users=users,
        largest_profile=largest,
        edges=edges,
        rejected=dict(rejected),
        **asdict(changes),
    )
