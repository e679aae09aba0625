"""Which records a day resolves: those that show something new, and all they touch.

Two records are of one raw component where a chain of shared values or of links leads
from one to the other, whether the links are accepted or not. What becomes of a record
depends on its raw component alone: limits, strength and age are weighed within it, and
its id and history follow. So the raw components of yesterday that hold a record with
other evidence than yesterday, or that such a record now reaches, are resolved anew, and
all others are as they were. Nothing has to be followed further: a new link begins at a
record whose evidence is new.

``identity.components`` remembers for each record its raw component and a hash of what
it showed. The working tables are temporary:

``identity_shown``
    grain record that may have changed: hash of what it shows by the end of the day
``identity_changed``
    grain record that shows something else than before, comes or is gone
``identity_scope``
    grain record to resolve: hash of what it shows, null where it is gone
``identity_scoped``
    grain record in scope and identifier value: its evidence
"""

from datetime import datetime

import duckdb
import numpy as np
import pyarrow as pa

from strata.identity.known import RECORD
from strata.identity.partition import Graph, components
from strata.identity.tables import BUILD

WORKING_TABLES = ("shown", "changed", "scope", "scoped")

# Every column that the graph is made of, as it stands at the end of the day.
_SHOWN = f"""
    create or replace temp table identity_shown as
    with

    uses as (
        select
            {RECORD},
            bit_xor(hash(
                identifier_type,
                value_hash,
                key_version,
                first_seen_at,
                greatest(first_seen_at, least(last_seen_at, $until)),
                is_own
            )) as uses_hash,
        from identity_counted
        {{of_touched}}
        where first_seen_at < $until
        group by {RECORD}
    ),

    matches as (
        select *, hash(matches) as match_hash
        from identity_matches as matches
        where first_seen_at < $until
    ),

    ends as (
        select
            left_system as system,
            left_entity as entity,
            left_record_key as record_key,
            match_hash,
        from matches
        union all
        select right_system, right_entity, right_record_key, match_hash from matches
    ),

    matched as (
        select {RECORD}, bit_xor(hash(match_hash)) as matches_hash
        from ends
        group by {RECORD}
    )

    select
        uses.* exclude (uses_hash),
        xor(uses.uses_hash, coalesce(matched.matches_hash, 0)) as evidence_hash,
    from uses
    left join matched using ({RECORD})
"""

_CHANGED = f"""
    create or replace temp table identity_changed as
    with

    before as (
        select * from {BUILD}.components
        {{of_touched}}
    )

    select {RECORD}, shown.evidence_hash, before.component,
    from identity_shown as shown
    full join before using ({RECORD})
    where shown.evidence_hash is distinct from before.evidence_hash
"""

_OF_TOUCHED = f"semi join identity_may_differ using ({RECORD})"

_SCOPE = f"""
    create or replace temp table identity_scope as
    with

    -- Records that show a value which a changed record shows, or are matched with one.
    reached as (
        select {RECORD}
        from identity_counted
        semi join (
            select evidence.value_hash
            from identity_counted as evidence
            semi join identity_changed using ({RECORD})
        ) using (value_hash)
        union
        select left_system, left_entity, left_record_key
        from identity_matches as matches
        semi join identity_changed as changed
            on
                matches.right_system = changed.system
                and matches.right_entity = changed.entity
                and matches.right_record_key = changed.record_key
        union
        select right_system, right_entity, right_record_key
        from identity_matches as matches
        semi join identity_changed as changed
            on
                matches.left_system = changed.system
                and matches.left_entity = changed.entity
                and matches.left_record_key = changed.record_key
    ),

    touched as (
        select component from identity_changed where component is not null
        union
        select component from {BUILD}.components
        semi join reached using ({RECORD})
    ),

    final as (
        select {RECORD}, evidence_hash from identity_changed
        union all by name
        select {RECORD}, evidence_hash
        from {BUILD}.components
        semi join touched using (component)
        anti join identity_changed using ({RECORD})
    )

    select * from final
"""

_WHOLE_SCOPE = f"""
    create or replace temp table identity_scope as
    with

    earlier as (
        select {RECORD} from {BUILD}.id_map
        union
        select anchor_system, anchor_entity, anchor_record_key from {BUILD}.id_ledger
    )

    select {RECORD}, shown.evidence_hash,
    from identity_shown as shown
    full join earlier using ({RECORD})
"""

_SCOPED = f"""
    create or replace temp table identity_scoped as
    select *
    from identity_counted
    semi join identity_scope using ({RECORD})
"""

# A component is named by the smallest hash of its records, so that it has one name.
_RELABEL = f"""
    insert into {BUILD}.components by name
    with

    placed as (
        select
            uses.system,
            uses.entity,
            uses.record_key,
            together.component,
        from identity_uses as uses
        inner join identity_together as together using (node_no)
        where uses.use_no = uses.stands_no
    ),

    final as (
        select
            {RECORD},
            min(hash({RECORD})) over (partition by placed.component) as component,
            scope.evidence_hash,
            $run_id as _run_id,
        from placed
        inner join identity_scope as scope using ({RECORD})
    )

    select * from final
"""


def narrow(con: duckdb.DuckDBPyConnection, until: datetime, is_first: bool) -> int:
    """Put into scope what a day changed; the number of records.

    ``is_first`` where the day before was resolved by another run, so that any record
    may have changed; else those of ``identity_may_differ``.
    """
    of_touched = "" if is_first else _OF_TOUCHED
    con.execute(_SHOWN.format(of_touched=of_touched), {"until": until})
    con.execute(_CHANGED.format(of_touched=of_touched))
    con.execute(_SCOPE)
    return _take(con)


def widen(con: duckdb.DuckDBPyConnection, until: datetime) -> int:
    """Put everything into scope; the number of records."""
    con.execute(_SHOWN.format(of_touched=""), {"until": until})
    con.execute(_WHOLE_SCOPE)
    return _take(con)


def _take(con: duckdb.DuckDBPyConnection) -> int:
    con.execute(_SCOPED)
    row = con.execute("select count(*) from identity_scope").fetchone()
    assert row is not None
    return int(row[0])


def relabel(con: duckdb.DuckDBPyConnection, graph: Graph, run_id: str) -> None:
    """Remember what the records in scope showed, and their raw components."""
    together = components(graph, np.ones(len(graph.left), np.bool_))
    con.execute(
        f"delete from {BUILD}.components as components using identity_scope as scope"
        f" where {same_record('components', 'scope')}"
    )
    con.register(
        "identity_together",
        pa.table({"node_no": np.arange(len(graph.kind)), "component": together}),
    )
    con.execute(_RELABEL, {"run_id": run_id})
    con.unregister("identity_together")


def same_record(one: str, other: str) -> str:
    """The condition that rows of two relations are of the same record."""
    return " and ".join(
        f"{one}.{column} = {other}.{column}" for column in RECORD.split(", ")
    )
