"""Which id each record had, when, and since when that is known.

``id_map`` keeps two times. A change is effective from the day of the run that found
it; what was recorded before is closed, never rewritten, and the answer for every
earlier day stays what it was. A record that was not known before counts from the day
on which it was first seen.
"""

from collections import deque
from datetime import datetime

import duckdb
import pyarrow as pa

from strata.identity.tables import BUILD
from strata.run import Run

WORKING_TABLES = ("map_before", "changes", "causes")

EDGE_ID = """md5(concat_ws(
            chr(31), links.rule, uses.system, uses.entity, uses.record_key,
            uses.identifier_type, uses.value_hash, uses.key_version,
            links.matched_with
        ))"""

_BEFORE = f"""
    create or replace temp table identity_map_before as
    select
        *,
        recorded_to is null and effective_to is null as is_open,
    from {BUILD}.id_map
    semi join identity_scope using (system, entity, record_key)
"""

_CHANGES = """
    create or replace temp table identity_changes as
    with

    known as (
        select system, entity, record_key, bool_or(is_open) as was_open,
        from identity_map_before
        group by system, entity, record_key
    ),

    before as (
        select * from identity_map_before where is_open
    ),

    now as (
        select people.*, ids.unified_user_id,
        from identity_people as people
        left join identity_ids as ids using (component)
    ),

    -- Where an id of before is today, if its anchor is anywhere.
    whereabouts as (
        select located.unified_user_id, ids.unified_user_id as today,
        from identity_located as located
        inner join identity_ids as ids using (component)
    ),

    compared as (
        select
            system,
            entity,
            record_key,
            now.node_no,
            now.component,
            now.record_first_seen_at,
            now.unified_user_id,
            now.system is not null as is_here,
            before.unified_user_id as old_id,
            before.system is not null as was_open,
        from before
        full join now using (system, entity, record_key)
    )

    select
        compared.*,
        known.was_open is not null as was_known,
        case
            when not compared.was_open then 'first_seen'
            when compared.old_id is null then 'late_anchor'
            when compared.unified_user_id = whereabouts.today then 'merged'
            else 'split'
        end as cause,
    from compared
    left join known using (system, entity, record_key)
    left join whereabouts on compared.old_id = whereabouts.unified_user_id
    where
        not compared.was_open
        or not compared.is_here
        or compared.old_id is distinct from compared.unified_user_id
"""

_CLOSE = f"""
    update {BUILD}.id_map as id_map
    set recorded_to = $ds
    from identity_changes as changes
    where
        changes.was_open
        and id_map.recorded_to is null
        and id_map.effective_to is null
        and id_map.system = changes.system
        and id_map.entity = changes.entity
        and id_map.record_key = changes.record_key
"""

_END = f"""
    insert into {BUILD}.id_map by name
    select
        before.* exclude (is_open) replace (
            $ds as effective_to, $ds as recorded_from, $run_id as _run_id
        ),
    from identity_map_before as before
    semi join (from identity_changes where was_open) as changed
        using (system, entity, record_key)
    where before.is_open
"""

_OPEN = f"""
    insert into {BUILD}.id_map by name
    with

    first_links as (
        select
            system,
            entity,
            record_key,
            arg_min(
                edge_id, (-strength, first_seen_at, right_type, right_hash)
            ) as edge_id,
        from identity_edges
        semi join identity_changes using (system, entity, record_key)
        where status = 'accepted' and rule = 'same_record'
        group by system, entity, record_key
    )

    select
        changes.system,
        changes.entity,
        changes.record_key,
        changes.unified_user_id,
        if(
            changes.was_known,
            $ds,
            cast(
                changes.record_first_seen_at
                at time zone 'UTC' at time zone $timezone as date
            )
        ) as effective_from,
        cast(null as date) as effective_to,
        $ds as recorded_from,
        cast(null as date) as recorded_to,
        changes.cause,
        if(
            changes.cause = 'first_seen', first_links.edge_id, causes.edge_id
        ) as edge_id,
        $run_id as _run_id,
    from identity_changes as changes
    left join identity_causes as causes using (system, entity, record_key)
    left join first_links using (system, entity, record_key)
    where changes.is_here
"""

# The links of the users that gained known records today, and where each user stands.
_GAINED = """
    with gained as (
        select distinct component
        from identity_changes
        where is_here and cause in ('merged', 'late_anchor')
    )
"""

_LINKS_GAINED = f"""
    {_GAINED}
    select links.left_no, links.right_no, links.first_seen_at, {EDGE_ID} as edge_id,
    from identity_links as links
    inner join identity_uses as uses using (use_no)
    inner join identity_placed as placed on links.left_no = placed.node_no
    semi join gained using (component)
    anti join identity_rejected as rejected on links.link_no = rejected.link_no
    order by links.strength desc, links.first_seen_at, edge_id
"""

_ANCHORS_GAINED = f"""
    {_GAINED}
    select people.node_no
    from identity_ids as ids
    semi join gained using (component)
    inner join identity_anchors as anchors using (unified_user_id)
    inner join identity_people as people using (system, entity, record_key)
    order by people.node_no
"""


def take_back(con: duckdb.DuckDBPyConnection, run: Run) -> None:
    """Forget what an earlier attempt at this very day recorded."""
    con.execute(f"delete from {BUILD}.id_map where recorded_from >= ?", [run.ds])
    con.execute(
        f"update {BUILD}.id_map set recorded_to = null where recorded_to >= ?", [run.ds]
    )


def compare(con: duckdb.DuckDBPyConnection) -> None:
    """``identity_changes``: the records in scope that are elsewhere than before.

    Grain: record. Needs ``identity_people`` and ``identity_ids``.
    """
    con.execute(_BEFORE)
    con.execute(_CHANGES)


def remember(con: duckdb.DuckDBPyConnection, run: Run) -> None:
    """Lead ``build_identity.id_map`` on by what changed today.

    Needs ``identity_changes``, and the links in scope in ``identity_edges``.
    """
    _explain(con)
    con.execute(_CLOSE, {"ds": run.ds})
    con.execute(_END, {"ds": run.ds, "run_id": run.run_id})
    con.execute(_OPEN, {"ds": run.ds, "timezone": run.timezone, "run_id": run.run_id})


def _explain(con: duckdb.DuckDBPyConnection) -> None:
    """``identity_causes``: the link that brought a known record to another user.

    It is the youngest link of the shortest chain from the record to the anchor: the
    one that completed the chain.
    """
    last = _youngest_links(
        con.execute(_ANCHORS_GAINED).fetchall(), con.execute(_LINKS_GAINED).fetchall()
    )
    con.register(
        "identity_completed",
        pa.table(
            {
                "node_no": pa.array(last.keys(), pa.int64()),
                "edge_id": pa.array(last.values(), pa.string()),
            }
        ),
    )
    con.execute(
        """
        create or replace temp table identity_causes as
        select changes.system, changes.entity, changes.record_key, completed.edge_id,
        from identity_changes as changes
        inner join identity_completed as completed using (node_no)
        where changes.is_here and changes.cause in ('merged', 'late_anchor')
        """
    )
    con.unregister("identity_completed")


def _youngest_links(
    anchors: list[tuple[int]], links: list[tuple[int, int, datetime, str]]
) -> dict[int, str]:
    """For each node the youngest link on the shortest way from its anchor."""
    around: dict[int, list[tuple[int, datetime, str]]] = {}
    for left, right, seen_at, edge_id in links:
        around.setdefault(left, []).append((right, seen_at, edge_id))
        around.setdefault(right, []).append((left, seen_at, edge_id))
    youngest: dict[int, tuple[datetime, str]] = {}
    reached = {node for (node,) in anchors}
    ahead = deque(sorted(reached))
    while ahead:
        node = ahead.popleft()
        for other, seen_at, edge_id in around.get(node, ()):
            if other not in reached:
                reached.add(other)
                ahead.append(other)
                link = (seen_at, edge_id)
                youngest[other] = max(youngest.get(node, link), link)
    return {node: edge_id for node, (_, edge_id) in youngest.items()}
