"""Which records a day resolves: those that show something new, and all they touch.

Two records are of one raw component where a chain of shared values or of links leads
from one to the other, whether the links are accepted or not. What becomes of a record
depends on its raw component alone: limits, strength and age are weighed within it, and
its id and history follow. So the raw components of yesterday that hold a record with
other evidence than yesterday, or that such a record now reaches, are resolved anew, and
all others are as they were. Nothing has to be followed further: a new link begins at a
record whose evidence is new.

Most of what is new is that somebody was seen once more. The moment of it decides
nothing, save where a silence of a value may end, or where the links of a component are
weighed; elsewhere it is written to the edges, and nobody is resolved.

``identity.components`` remembers for each record its raw component, whether the links
of that were weighed, and a hash of what the record showed. The working tables are
temporary:

``identity_near``
    grain record and identifier value: the evidence of the records that may have
    changed, and of all that show one of their values
``identity_before``
    grain record that may have changed: what ``identity.components`` has of it
``identity_labels``
    grain record in scope: its raw component, and whether values are weighed there
``identity_shown``
    grain record: hash of what it shows by the end of the day
``identity_changed``
    grain record that shows something else than before, comes or is gone
``identity_scope``
    grain record to resolve
``identity_scoped``
    grain record in scope and identifier value: its evidence
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import duckdb
import numpy as np
import pyarrow as pa

from strata.config.identity import IdentityConfig
from strata.identity.known import RECORD
from strata.identity.partition import UNLIMITED, Bools, Graph, Ints, components
from strata.identity.tables import BUILD, JOINING
from strata.run import Run

WORKING_TABLES = (
    "near",
    "before",
    "labels",
    "shown",
    "changed",
    "scope",
    "scoped",
)

_NEAR = f"""
    create or replace temp table identity_near as
    select *
    from identity_counted
    semi join (
        select counted.value_hash
        from identity_counted as counted
        semi join identity_may_differ using ({RECORD})
        where {JOINING}
    ) using (value_hash)
    union all
    select *
    from identity_counted
    semi join identity_may_differ using ({RECORD})
    where not {JOINING}
"""

_LAST_SEEN = "greatest(source.first_seen_at, least(source.last_seen_at, $until))"

# Every column that the graph is made of, as it stands at the end of the day; when a
# value was last seen, where something may depend on it. For that the relation has to
# hold all that show a value with one of the records. Hashed twice, since what two rows
# have in common would cancel out of the sum of their hashes of several columns.
_SHOWN = f"""
    create or replace temp table identity_shown as
    with

    seen as (
        select
            source.* replace ({_LAST_SEEN} as last_seen_at),
            types.value_type,
            types.window_days,
        from {{source}} as source
        left join identity_types as types using (identifier_type)
        where source.first_seen_at < $until
    ),

    -- Values of which a use begins so late that one before it may have been silent.
    silences as (
        select value_hash, key_version
        from seen
        group by value_hash, key_version
        having max(first_seen_at) - to_days(min(window_days)) > min(first_seen_at)
    ),

    -- Records of which two links are equals until it is asked which was seen last.
    ties as (
        select distinct {RECORD}
        from (
            select {RECORD}
            from seen
            group by {RECORD}, value_type, first_seen_at
            having min(value_hash) <> max(value_hash)
        )
    ),

    uses as (
        select
            {RECORD},
            bit_xor(hash(hash(
                seen.identifier_type,
                seen.value_hash,
                seen.key_version,
                seen.first_seen_at,
                seen.is_own,
                case
                    when
                        labels.is_weighed
                        or silences.value_hash is not null
                        or ties.record_key is not null
                        then seen.last_seen_at
                end
            ))) as uses_hash,
        from seen
        left join silences using (value_hash, key_version)
        left join ties using ({RECORD})
        left join {{labels}} as labels using ({RECORD})
        {{of_records}}
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

_BEFORE = f"""
    create or replace temp table identity_before as
    select {RECORD}, component, is_weighed, evidence_hash,
    from {BUILD}.components
    {{of_records}}
"""

_CHANGED = f"""
    create or replace temp table identity_changed as
    select {RECORD}, before.component,
    from identity_shown as shown
    full join identity_before as before using ({RECORD})
    where shown.evidence_hash is distinct from before.evidence_hash
"""

_OF_TOUCHED = f"semi join identity_may_differ using ({RECORD})"

# Links between records have moments of their own.
_SEEN_AGAIN = f"""
    update {BUILD}.edges as edges
    set last_seen_at = seen.last_seen_at
    from (
        select
            {RECORD},
            coalesce(types.value_type, source.identifier_type) as identifier_type,
            source.value_hash,
            source.key_version,
            max({_LAST_SEEN}) as last_seen_at,
        from {{source}} as source
        left join identity_types as types using (identifier_type)
        {{of_records}}
        where source.first_seen_at < $until
        group by all
    ) as seen
    where
        edges.rule in ('same_record', 'same_value_later')
        and {{same_record}}
        and edges.right_type = seen.identifier_type
        and edges.right_hash = seen.value_hash
        and edges.key_version = seen.key_version
        and edges.last_seen_at <> seen.last_seen_at
"""

_SCOPE = f"""
    create or replace temp table identity_scope as
    with

    -- Records that show a value which a changed record shows, or are matched with one.
    reached as (
        select {RECORD}
        from {{source}}
        semi join (
            select evidence.value_hash
            from {{source}} as evidence
            semi join identity_changed using ({RECORD})
            where {JOINING}
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
        select {RECORD} from identity_changed
        union
        select {RECORD}
        from {BUILD}.components
        semi join touched using (component)
    )

    select * from final
"""

_WHOLE_SCOPE = f"""
    create or replace temp table identity_scope as
    select {RECORD} from identity_counted
    union
    select {RECORD} from {BUILD}.id_map
    union
    select anchor_system, anchor_entity, anchor_record_key from {BUILD}.id_ledger
"""

_SCOPED = f"""
    create or replace temp table identity_scoped as
    select *
    from identity_counted
    semi join identity_scope using ({RECORD})
"""

# A component is named by the smallest hash of its records, so that it has one name.
_LABELS = f"""
    create or replace temp table identity_labels as
    with placed as (
        select
            uses.system,
            uses.entity,
            uses.record_key,
            together.component as component_no,
            together.is_weighed,
        from identity_uses as uses
        inner join identity_together as together using (node_no)
        where uses.use_no = uses.stands_no
    )

    select
        {RECORD},
        min(hash({RECORD})) over (partition by component_no) as component,
        is_weighed,
    from placed
"""

_RELABEL = f"""
    insert into {BUILD}.components by name
    select labels.*, shown.evidence_hash, $run_id as _run_id,
    from identity_labels as labels
    inner join identity_shown as shown using ({RECORD})
"""


def narrow(
    con: duckdb.DuckDBPyConnection,
    config: IdentityConfig,
    until: datetime,
    is_first: bool,
) -> int:
    """Put into scope what a day changed; the number of records.

    ``is_first`` where the day before was resolved by another run, so that any record
    may have changed; else those of ``identity_may_differ``.
    """
    source, of_records = "identity_counted", ""
    if not is_first:
        con.execute(_NEAR)
        source, of_records = "identity_near", _OF_TOUCHED
    con.execute(_BEFORE.format(of_records=of_records))
    with _types(con, config):
        con.execute(
            _SHOWN.format(
                source=source, of_records=of_records, labels="identity_before"
            ),
            {"until": until},
        )
        con.execute(_CHANGED)
        con.execute(
            _SEEN_AGAIN.format(
                source=source,
                of_records=of_records,
                same_record=same_record("edges", "seen"),
            ),
            {"until": until},
        )
    con.execute(_SCOPE.format(source=source))
    con.execute(_SCOPED)
    row = con.execute("select count(*) from identity_scope").fetchone()
    assert row is not None
    return int(row[0])


def widen(con: duckdb.DuckDBPyConnection) -> None:
    """Put everything into scope."""
    con.execute(_WHOLE_SCOPE)
    con.execute(_SCOPED)


def relabel(
    con: duckdb.DuckDBPyConnection,
    config: IdentityConfig,
    graph: Graph,
    weighed: Ints,
    run: Run,
) -> None:
    """Remember what the records in scope showed, and their raw components.

    ``weighed`` are the links that were weighed one by one.
    """
    together = components(graph, np.ones(len(graph.left), np.bool_))
    is_weighed = _with_spans_weighed(graph, together, weighed)
    con.register(
        "identity_together",
        pa.table(
            {
                "node_no": np.arange(len(graph.kind)),
                "component": together,
                "is_weighed": is_weighed[together],
            }
        ),
    )
    con.execute(_LABELS)
    con.unregister("identity_together")
    with _types(con, config):
        con.execute(
            _SHOWN.format(
                source="identity_scoped", of_records="", labels="identity_labels"
            ),
            {"until": run.bounds[1]},
        )
    con.execute(
        f"delete from {BUILD}.components as components using identity_scope as scope"
        f" where {same_record('components', 'scope')}"
    )
    con.execute(_RELABEL, {"run_id": run.run_id})


def _with_spans_weighed(graph: Graph, together: Ints, weighed: Ints) -> Bools:
    """By raw component: whether it may decide how long its values were seen.

    So it is where links are weighed and one value of a kind came later than
    ``values_window_days`` after another: else all of them count at one time anyway.
    """
    found = np.zeros(len(graph.kind), np.bool_)
    doubtful = np.zeros(len(graph.kind), np.bool_)
    doubtful[together[graph.left[weighed]]] = True
    for kind, (_, rule) in enumerate(graph.kinds):
        if rule.values_window_days is None:
            continue
        nodes = np.flatnonzero((graph.kind == kind) & doubtful[together])
        earliest = np.full(len(graph.kind), UNLIMITED)
        np.minimum.at(earliest, together[nodes], graph.node_first[nodes])
        late = graph.node_first[nodes] - earliest[together[nodes]]
        found[together[nodes[late > rule.values_window_days]]] = True
    return found


@contextmanager
def _types(con: duckdb.DuckDBPyConnection, config: IdentityConfig) -> Iterator[None]:
    """``identity_types``: whose values each type shows, and after what silence they
    may pass on."""
    values = [config.type_of_values(name) for name in config.identifiers]
    windows = [config.identifiers[name].window_days for name in values]
    con.register(
        "identity_types",
        pa.table(
            {
                "identifier_type": pa.array(config.identifiers, pa.string()),
                "value_type": pa.array(values, pa.string()),
                "window_days": pa.array(windows, pa.int32()),
            }
        ),
    )
    yield
    con.unregister("identity_types")


def same_record(one: str, other: str) -> str:
    """The condition that rows of two relations are of the same record."""
    return " and ".join(
        f"{one}.{column} = {other}.{column}" for column in RECORD.split(", ")
    )
