"""From identifier rows to a graph: which values the records show together.

The working tables are temporary and live in the caller's connection:

``identity_nodes``
    grain identifier value and period of use
``identity_uses``
    grain record and identifier value; ``stands_no`` is the use that stands for the
    record: its own id, else its identifier of the first priority
``identity_links``
    grain link: the node that stands for a record (``left_no``), another one that the
    record uses (``right_no``), and that use. ``is_use`` is false where the two are
    linked otherwise; ``matched_with`` then names the record of the left node, where
    the link is between two records

Everything here, and every judgement on it, is local: it depends on the uses of the
same value and on the records linked to it, never on the rest of the source. So a raw
component (all that hangs together by any link, accepted or not) can be gathered and
judged alone, with the same outcome as among all others.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import duckdb
import numpy as np
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from strata.config.identity import NAME, IdentityConfig
from strata.identity.partition import CONTINUITY, Graph, Ints

# A value's uses fall into periods wherever nobody used it for longer than its window.
_SEEN = """
    create or replace temp table identity_seen as
    with

    -- What is shown under a name of its own, like an order's contact, is a value of the
    -- type that it is lent from: a phone.
    shown as (
        select
            identifiers.system,
            identifiers.entity,
            identifiers.record_key,
            rules.value_type as identifier_type,
            identifiers.value_hash,
            identifiers.key_version,
            identifiers.first_seen_at,
            greatest(
                identifiers.first_seen_at, least(identifiers.last_seen_at, $until)
            ) as last_seen_at,
            identifiers.is_own,
            rules.kind,
            rules.priority,
            rules.strength,
            rules.window_days,
            rules.is_lent,
            rules.is_role,
            coalesce(
                list_contains(
                    rules.merged_by,
                    concat_ws('/', identifiers.system, identifiers.entity)
                ),
                false
            ) as is_merger,
        from {source} as identifiers
        inner join identity_rules as rules using (identifier_type)
        where identifiers.first_seen_at < $until
    ),

    seen as (
        select * exclude (is_lent) from shown where not is_lent
        union all by name
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
            any_value(kind) as kind,
            min(priority) as priority,
            max(strength) as strength,
            any_value(window_days) as window_days,
            any_value(is_merger) as is_merger,
            bool_and(is_role) as is_role,
        from shown
        where is_lent
        group by system, entity, record_key, identifier_type, value_hash, key_version
    ),

    silences as (
        select
            *,
            first_seen_at > to_days(window_days) + max(last_seen_at) over (
                partition by identifier_type, value_hash, key_version
                order by first_seen_at
                rows between unbounded preceding and 1 preceding
            ) as ends_silence,
        from seen
        where window_days is not null
    ),

    final as (
        select
            * exclude (ends_silence),
            cast(count(*) filter (where ends_silence) over (
                partition by identifier_type, value_hash, key_version
                order by first_seen_at
                range between unbounded preceding and current row
            ) as integer) as period,
        from silences
        union all by name
        select *, 0 as period from seen where window_days is null
    )

    select * from final
"""

_NODES = """
    create or replace temp table identity_nodes as
    with

    nodes as (
        select
            identifier_type,
            value_hash,
            key_version,
            period,
            any_value(kind) as kind,
            min(first_seen_at) as first_seen_at,
            max(last_seen_at) as last_seen_at,
            row_number() over () - 1 as node_no,
        from identity_seen
        group by identifier_type, value_hash, key_version, period
    )

    select
        *,
        case
            when max(period) over () = 0 then node_no
            else min(node_no) over (
                partition by identifier_type, value_hash, key_version
            )
        end as value_no,
    from nodes
"""

_USES = """
    create or replace temp table identity_uses as
    with

    numbered as (
        select
            seen.*,
            nodes.node_no,
            row_number() over () as use_no,
        from identity_seen as seen
        inner join identity_nodes as nodes
            using (identifier_type, value_hash, key_version, period)
    )

    select
        *,
        first_value(use_no) over (
            partition by system, entity, record_key
            order by is_own desc, priority, first_seen_at, value_hash, key_version
        ) as stands_no,
        min(first_seen_at) over (
            partition by system, entity, record_key
        ) as record_first_seen_at,
    from numbered
"""

_LINKS = """
    create or replace temp table identity_links as
    with

    shown as (
        select
            'same_record' as rule,
            uses.use_no,
            stands.node_no as left_no,
            uses.node_no as right_no,
            least(uses.strength, stands.strength) as strength,
            not (
                uses.is_merger and uses.identifier_type = stands.identifier_type
            ) as is_use,
            not is_use as is_merged,
            uses.is_role,
            uses.first_seen_at,
            uses.last_seen_at,
        from identity_uses as uses
        inner join identity_uses as stands on uses.stands_no = stands.use_no
        where uses.use_no <> uses.stands_no
    ),

    began as (
        select
            node_no,
            arg_min(use_no, (first_seen_at, system, entity, record_key)) as use_no,
        from identity_uses
        where period > 0
        group by node_no
    ),

    continued as (
        select
            'same_value_later' as rule,
            began.use_no,
            earlier.node_no as left_no,
            later.node_no as right_no,
            $continuity as strength,
            false as is_use,
            false as is_merged,
            false as is_role,
            uses.first_seen_at,
            uses.last_seen_at,
        from began
        inner join identity_uses as uses using (use_no)
        inner join identity_nodes as later on began.node_no = later.node_no
        inner join identity_nodes as earlier
            on later.value_no = earlier.value_no and later.period = earlier.period + 1
    ),

    -- Records that something outside tells to be one person's. One side at a time: by
    -- itself DuckDB pairs all that stand for records before it looks at the matches.
    left_matched as materialized (
        select
            matches.*,
            uses.node_no as left_no,
        from {matches} as matches
        inner join identity_uses as uses
            on
                matches.left_system = uses.system
                and matches.left_entity = uses.entity
                and matches.left_record_key = uses.record_key
        where uses.use_no = uses.stands_no and matches.first_seen_at < $until
    ),

    matched as (
        select
            matches.rule,
            uses.use_no,
            matches.left_no,
            uses.node_no as right_no,
            matches.strength,
            false as is_use,
            false as is_merged,
            false as is_role,
            matches.first_seen_at,
            matches.first_seen_at as last_seen_at,
            concat_ws('/', left_system, left_entity, left_record_key) as matched_with,
        from left_matched as matches
        inner join identity_uses as uses
            on
                matches.right_system = uses.system
                and matches.right_entity = uses.entity
                and matches.right_record_key = uses.record_key
        where uses.use_no = uses.stands_no and matches.left_no <> uses.node_no
    ),

    links as (
        select *, cast(null as varchar) as matched_with from shown
        union all by name
        select * from continued
        union all by name
        select * from matched
    )

    select
        *,
        row_number() over () - 1 as link_no,
    from links
"""

_NAMED = f"""
    select distinct
        stands.node_no,
        dense_rank() over (
            order by named.value_hash, named.key_version
        ) - 1 as name,
    from {{source}} as named
    inner join identity_uses as stands using (system, entity, record_key)
    where
        named.identifier_type = '{NAME}'
        and named.first_seen_at < $until
        and stands.use_no = stands.stands_no
"""

# Hashes come last, so that the next key changes the order as little as it can.
_STRONGEST_FIRST = """
    select links.link_no
    from identity_links as links
    inner join identity_asked using (link_no)
    inner join identity_uses as uses using (use_no)
    order by
        links.strength desc, links.first_seen_at, uses.system, uses.entity,
        uses.record_key, uses.identifier_type, links.rule, links.last_seen_at,
        links.matched_with, uses.value_hash, uses.key_version
"""


NO_MATCHES = """
    select
        cast(null as varchar) as left_system,
        cast(null as varchar) as left_entity,
        cast(null as varchar) as left_record_key,
        cast(null as varchar) as right_system,
        cast(null as varchar) as right_entity,
        cast(null as varchar) as right_record_key,
        cast(null as varchar) as rule,
        cast(null as integer) as strength,
        cast(null as timestamp) as first_seen_at
    where false
"""
"""An empty relation of links between records, as ``gathered`` reads them."""


@contextmanager
def gathered(
    con: duckdb.DuckDBPyConnection,
    config: IdentityConfig,
    until: datetime,
    source: str = "staging.identifiers",
    matches: str | None = None,
) -> Iterator[Graph]:
    """The working tables over the identifiers first seen before ``until``, as a graph.

    ``matches`` is a relation of further links, each between two records and given
    once, with the columns of ``NO_MATCHES``: ``rule`` names what found the pair,
    ``strength`` (1 to 100) is weighed against that of the identifier types. A pair
    counts once both records are seen. The tables are dropped when the block ends.
    Raises ``ValueError`` for identifier types that the rules do not declare.
    """
    con.register("identity_rules", _rules(config))
    try:
        _refuse_unknown_types(con, source)
        con.execute(_SEEN.format(source=source), {"until": until})
        con.execute(_NODES)
        con.execute(_USES)
        con.execute("drop table identity_seen")
        con.execute(
            _LINKS.format(matches=matches or f"({NO_MATCHES})"),
            {"continuity": CONTINUITY, "until": until},
        )
        yield _graph(con, config, _names(con, config, source, until))
    finally:
        for table in ("seen", "nodes", "uses", "links"):
            con.execute(f"drop table if exists temp.identity_{table}")
        con.unregister("identity_rules")


def strongest_first(con: duckdb.DuckDBPyConnection, links: Ints) -> Ints:
    """The link numbers by strength, then age, then source record."""
    con.register("identity_asked", pa.table({"link_no": links}))
    ordered = con.execute(_STRONGEST_FIRST).fetchnumpy()["link_no"]
    con.unregister("identity_asked")
    return np.asarray(ordered, dtype=np.int64)


def _rules(config: IdentityConfig) -> pa.Table:
    columns = pa.schema(
        [
            ("identifier_type", pa.string()),
            ("value_type", pa.string()),
            ("is_lent", pa.bool_()),
            ("is_role", pa.bool_()),
            ("merged_by", pa.list_(pa.string())),
            *((n, pa.int32()) for n in ("kind", "priority", "strength", "window_days")),
        ]
    )
    kinds = {name: kind for kind, name in enumerate(config.identifiers)}
    lent = {rule.values_of for rule in config.identifiers.values()}
    rows = []
    for name, rule in config.identifiers.items():
        value_type = config.type_of_values(name)
        values = config.identifiers[value_type]
        rows.append(
            {
                "identifier_type": name,
                "value_type": value_type,
                "is_lent": value_type in lent,
                "is_role": value_type != name,
                "merged_by": values.merged_by,
                "kind": kinds[value_type],
                "priority": rule.priority,
                "strength": rule.strength,
                "window_days": values.window_days,
            }
        )
    return pa.Table.from_pylist(rows, columns)


def _refuse_unknown_types(con: duckdb.DuckDBPyConnection, source: str) -> None:
    unknown = con.execute(
        f"select distinct identifier_type from {source} as identifiers"
        " anti join identity_rules using (identifier_type)"
        f" where identifier_type <> '{NAME}' order by identifier_type"
    ).fetchall()
    if unknown:
        names = ", ".join(str(name) for (name,) in unknown)
        raise ValueError(
            f"{source} has identifier types that config/identity.yml does not "
            f"declare: {names}"
        )


def _names(
    con: duckdb.DuckDBPyConnection,
    config: IdentityConfig,
    source: str,
    until: datetime,
) -> tuple[Ints, Ints]:
    """Nodes on which records stand that bear a name, and a number for it."""
    if not config.names_tell_apart:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    found = con.execute(_NAMED.format(source=source), {"until": until}).fetchnumpy()
    node, name = (np.asarray(found[c], dtype=np.int64) for c in ("node_no", "name"))
    return node, name


def _graph(
    con: duckdb.DuckDBPyConnection,
    config: IdentityConfig,
    names: tuple[Ints, Ints],
) -> Graph:
    nodes = con.execute(
        "select kind, value_no, epoch(first_seen_at)::bigint // 86400 as first_day,"
        " epoch(last_seen_at)::bigint // 86400 as last_day"
        " from identity_nodes order by node_no"
    ).fetchnumpy()
    links = con.execute(
        "select left_no, right_no, strength, is_use, is_merged, is_role,"
        " epoch(first_seen_at)::bigint // 86400 as first_day,"
        " epoch(last_seen_at)::bigint // 86400 as last_day"
        " from identity_links order by link_no"
    ).fetchnumpy()

    def numbers(values: object) -> Ints:
        return np.asarray(values, dtype=np.int64)

    left, right = numbers(links["left_no"]), numbers(links["right_no"])
    merged = np.asarray(links["is_merged"], dtype=np.bool_)
    return Graph(
        kinds=tuple(config.identifiers.items()),
        kind=numbers(nodes["kind"]),
        value=_merged(numbers(nodes["value_no"]), left[merged], right[merged]),
        left=left,
        right=right,
        strength=numbers(links["strength"]),
        is_use=np.asarray(links["is_use"], dtype=np.bool_),
        is_role=np.asarray(links["is_role"], dtype=np.bool_),
        first=numbers(links["first_day"]),
        last=numbers(links["last_day"]),
        node_first=numbers(nodes["first_day"]),
        node_last=numbers(nodes["last_day"]),
        named=names[0],
        name=names[1],
    )


def _merged(value: Ints, left: Ints, right: Ints) -> Ints:
    """The value of each node, one for those that their source has merged."""
    if not len(left):
        return value
    ends = (np.ones(len(left), np.int8), (value[left], value[right]))
    whole = coo_array(ends, (len(value), len(value)))
    return np.asarray(connected_components(whole, directed=False)[1], np.int64)[value]
