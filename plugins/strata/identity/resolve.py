"""One day of identity: from identifiers to edges, ids and their history."""

from dataclasses import dataclass, fields, replace
from datetime import date

import duckdb
import numpy as np
import pyarrow as pa

from strata.config.identity import IdentityConfig
from strata.identity import history, ledger
from strata.identity.evidence import gathered, strongest_first
from strata.identity.partition import (
    Bools,
    Graph,
    Verdicts,
    components,
    suspects,
    weigh,
)
from strata.identity.tables import BUILD, STATE, TABLES
from strata.identity.withheld import moment_of, withheld
from strata.run import Run

_EDGES = """
    create or replace table {build}.edges as
    select
        {edge_id} as edge_id,
        uses.system,
        uses.entity,
        uses.record_key,
        lefts.identifier_type as left_type,
        lefts.value_hash as left_hash,
        lefts.period as left_period,
        uses.identifier_type as right_type,
        uses.value_hash as right_hash,
        uses.period as right_period,
        uses.key_version,
        links.rule,
        links.strength,
        links.first_seen_at,
        links.last_seen_at,
        if(rejected.rejected_by is null, 'accepted', 'rejected') as status,
        rejected.rejected_by,
        cast(
            links.first_seen_at at time zone 'UTC' at time zone $timezone as date
        ) as effective_from,
        $run_id as _run_id,
    from identity_links as links
    inner join identity_uses as uses using (use_no)
    inner join identity_nodes as lefts on links.left_no = lefts.node_no
    left join identity_rejected as rejected using (link_no)
    {of}
"""

_OF_CHANGES = "semi join identity_changes using (system, entity, record_key)"

_PEOPLE = """
    create or replace temp table identity_people as
    select
        uses.system,
        uses.entity,
        uses.record_key,
        uses.node_no,
        uses.record_first_seen_at,
        placed.component,
        placed.is_user,
    from identity_uses as uses
    inner join identity_placed as placed using (node_no)
    where uses.use_no = uses.stands_no
"""

_COUNTS = f"""
    with

    profiles as (
        select unified_user_id, count(*) as records
        from {BUILD}.id_map
        where recorded_to is null and effective_to is null
        group by unified_user_id
    ),

    moves as (
        select
            old.unified_user_id as old_id,
            new.unified_user_id as new_id,
            new.cause,
            count(*) as records,
        from {BUILD}.id_map as old
        inner join {BUILD}.id_map as new using (system, entity, record_key)
        where
            old.recorded_to is null
            and old.recorded_from = $ds
            and old.effective_to = $ds
            and new.recorded_to is null
            and new.recorded_from = $ds
            and new.effective_from = $ds
        group by all
    ),

    profiles_before as (
        select unified_user_id, count(*) as records
        from {BUILD}.id_map
        where
            recorded_to is null
            and effective_from < $ds
            and (effective_to is null or effective_to = $ds)
            and not (recorded_from = $ds and cause = 'first_seen' and effective_to is null)
        group by unified_user_id
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
        coalesce(sum(records), 0)::bigint,
        coalesce(sum(records) filter (where unified_user_id is null), 0)::bigint,
        count(unified_user_id),
        coalesce(max(records) filter (where unified_user_id is not null), 0),
        (select count(*) from {BUILD}.edges),
        (select count(*) from {BUILD}.id_ledger where minted_on = $ds),
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
    from profiles
"""


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


_KNOWN = """
    create or replace temp table identity_known as
    select
        system,
        entity,
        record_key,
        identifier_type,
        value_hash,
        key_version,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at,
        bool_or(is_own) as is_own,
    from staging.sightings
    where known_at <= (select known_until from ops.run_dates where ds = $ds)
    group by all
"""

_ADDED_UP = (
    "minted",
    "merged",
    "split",
    "late_anchored_records",
    "changed_without_members",
)


def resolve_days(
    con: duckdb.DuckDBPyConnection, run: Run, config: IdentityConfig
) -> IdentityCounts:
    """Build ``build_identity.*`` for every day of ``run``, oldest first.

    Each day reads the ``staging.sightings`` that it knew and the state that the day
    before left, as if it had run alone. What changed is added up over the days.
    """
    if not run.is_newest:
        return resolve(con, run, config)
    found: list[IdentityCounts] = []
    try:
        for ds in run.days:
            con.execute(_KNOWN, {"ds": ds})
            state = BUILD if found else STATE
            evidence = withheld(
                con, config, "temp.identity_known", moment_of(con, run.of_day(ds))
            )
            found.append(
                resolve(
                    con,
                    run.of_day(ds),
                    evidence.config,
                    evidence.source,
                    state,
                    is_last=ds == run.ds,
                )
            )
    finally:
        con.execute("drop table if exists temp.identity_known")
    changes = {name: sum(getattr(c, name) for c in found) for name in _ADDED_UP}
    return replace(found[-1], **changes)


def resolve(
    con: duckdb.DuckDBPyConnection,
    run: Run,
    config: IdentityConfig,
    source: str = "staging.identifiers",
    state: str = STATE,
    *,
    matches: str | None = None,
    is_last: bool = True,
) -> IdentityCounts:
    """Build ``build_identity.*`` for the day of ``run``.

    Reads the identifiers in ``source`` first seen by the end of the day, the links
    between records in ``matches`` (``evidence.gathered``), and the ``state`` of the
    days before; what an earlier attempt at the same day recorded is taken
    back first. The outcome depends on these and on ``config`` alone, not on the order
    of rows. A day that is not the last of its run builds the edges of changed records
    alone, which its history names. A run that is not the newest builds a copy of the state as it stands.
    Raises ``ValueError`` where the state is of a later day than ``run``.
    """
    con.execute(f"create schema if not exists {BUILD}")
    if not run.is_newest:
        for table in TABLES:
            _carry_over(con, table)
        return _counts(con, run)
    _refuse_newer_state(con, run.ds, state)
    with gathered(con, config, run.bounds[1], source, matches) as graph:
        doubtful = strongest_first(con, np.flatnonzero(suspects(graph)))
        verdicts = weigh(graph, doubtful)
        try:
            _place(con, graph, verdicts)
            con.execute(_PEOPLE)
            ledger.assign(con, run, state)
            history.compare(con, run, state)
            edges = _EDGES.format(
                build=BUILD,
                edge_id=history.EDGE_ID,
                of="" if is_last else _OF_CHANGES,
            )
            con.execute(edges, {"timezone": run.timezone, "run_id": run.run_id})
            history.remember(con, run)
            ledger.enter(con, run)
        finally:
            _clear(con)
    if state != BUILD:
        _carry_over(con, "match_review")
    return _counts(con, run)


def _place(con: duckdb.DuckDBPyConnection, graph: Graph, verdicts: Verdicts) -> None:
    """Say for each node where it belongs, and for each rejected link why."""
    kept = np.ones(len(graph.left), np.bool_)
    kept[list(verdicts.rejected)] = False
    component = components(graph, kept)
    carries = _carriers(graph, verdicts)
    is_user = np.zeros(len(graph.kind), np.bool_)
    is_user[component[carries]] = True
    con.register(
        "identity_placed",
        pa.table(
            {
                "node_no": np.arange(len(graph.kind)),
                "component": component,
                "carries_user": carries,
                "is_user": is_user[component],
            }
        ),
    )
    con.register(
        "identity_rejected",
        pa.table(
            {
                "link_no": pa.array(verdicts.rejected.keys(), pa.int64()),
                "rejected_by": pa.array(verdicts.rejected.values(), pa.string()),
            }
        ),
    )


def _carriers(graph: Graph, verdicts: Verdicts) -> Bools:
    """The nodes on which a user may stand: of an anchoring type, and not public."""
    carries = graph.anchors[graph.kind]
    carries[list(verdicts.public)] = False
    return carries


def _clear(con: duckdb.DuckDBPyConnection) -> None:
    for table in ("people", *ledger.WORKING_TABLES, *history.WORKING_TABLES):
        con.execute(f"drop table if exists temp.identity_{table}")
    con.unregister("identity_placed")
    con.unregister("identity_rejected")


def _carry_over(con: duckdb.DuckDBPyConnection, table: str) -> None:
    con.execute(
        f"create or replace table {BUILD}.{table} as select * from {STATE}.{table}"
    )


def _refuse_newer_state(con: duckdb.DuckDBPyConnection, ds: date, state: str) -> None:
    row = con.execute(f"select max(recorded_from) from {state}.id_map").fetchone()
    if row and row[0] is not None and row[0] > ds:
        raise ValueError(
            f"identity is known up to {row[0]}, a run for {ds} cannot change it: "
            "backfills go forward in time"
        )


def _counts(con: duckdb.DuckDBPyConnection, run: Run) -> IdentityCounts:
    """Counted from what was built, so that they say what will be published."""
    rejected = con.execute(
        f"select rejected_by, count(*) from {BUILD}.edges"
        " where status = 'rejected' group by rejected_by order by rejected_by"
    ).fetchall()
    row = con.execute(_COUNTS, {"ds": run.ds}).fetchone()
    assert row is not None
    names = [field.name for field in fields(IdentityCounts)]
    return IdentityCounts(
        rejected=dict(rejected),
        **dict(zip((n for n in names if n != "rejected"), row, strict=True)),
    )
