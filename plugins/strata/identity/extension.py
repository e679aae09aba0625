"""A day's links onto known components: only what they reach is touched.

Known nodes stand with their components, as a solution wrote them. The ends of new links
are looked up, and a component that a link reaches is one node of a small graph; so the
cost is that of the new links, of the nodes that change, and of reading the known ones.
The result is that of solving all links together.
"""

from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt

from strata.identity.engines import (
    ATTEMPTS,
    DUCKDB,
    CodeCollisionError,
    DuckSession,
    NotConvergedError,
    count_links,
)
from strata.identity.union_find import components

Ints = npt.NDArray[np.int64]
_ENDS, _PLACES, _MOVES = "extension_ends", "extension_places", "extension_moves"

_FIND_ENDS = f"""
    create or replace temp table {_ENDS} as
    with

    ends as (
        select left_node as node from {{links}}
        union
        select right_node as node from {{links}}
    )

    select ends.node, known.component
    from ends
    left join {{known}} as known on ends.node = known.node
"""

_PLACE = f"""
    create or replace temp table {_PLACES} as
    select node, component is null as is_new, coalesce(component, {{code}}) as component
    from {_ENDS}
"""

_TAKEN = f"""
    with new_codes as (
        select component from {_PLACES} where is_new
    )

    select
        (select count(*) - count(distinct component) from new_codes)
        + (select count(*) from {{known}} as known semi join new_codes using (component))
"""

# Components are compared by what reads this: as a condition of the join, DuckDB would
# pair all places with all others first.
_BETWEEN = f"""
    select lefts.component as one, rights.component as other
    from {{links}} as links
    inner join {_PLACES} as lefts on links.left_node = lefts.node
    inner join {_PLACES} as rights on links.right_node = rights.node
"""

_CHANGED = f"""
    create or replace table {{into}} as
    select
        known.node,
        moves.becomes as component,
        known.component as component_before,
    from {{known}} as known
    inner join {_MOVES} as moves using (component)
    union all
    select
        places.node,
        coalesce(moves.becomes, places.component) as component,
        null as component_before,
    from {_PLACES} as places
    left join {_MOVES} as moves using (component)
    where places.is_new
"""

_APART = f"""
    with placed as (
        select
            places.node,
            coalesce(changed.component, places.component) as component,
        from {_PLACES} as places
        left join {{into}} as changed using (node)
    )

    select count_if(lefts.component <> rights.component)
    from {{links}} as links
    inner join placed as lefts on links.left_node = lefts.node
    inner join placed as rights on links.right_node = rights.node
"""


@dataclass(frozen=True)
class Extension:
    """What new links changed: nodes that were unknown, known nodes whose component
    did, and components that became part of another one."""

    links: int
    new_nodes: int
    moved_nodes: int
    merged_components: int


def extend(
    con: duckdb.DuckDBPyConnection, known: str, links: str, into: str
) -> Extension:
    """Write the rows that new ``links`` change in ``known`` to the table ``into``.

    ``known`` has ``node`` and ``component``, one row a node, as an engine wrote it, and
    is left as it is; ``into`` adds ``component_before``, null for a new node. A merged
    component takes the smaller label. Raises ``EngineError`` as the engines do.
    """
    count = count_links(DuckSession(con), links)
    con.execute(_FIND_ENDS.format(links=links, known=known))
    _place(con, known)
    pairs = con.execute(_BETWEEN.format(links=links)).to_arrow_table()
    moves = _moves(pairs["one"].to_numpy(), pairs["other"].to_numpy())
    # A table, whose few rows the planner knows of; it would hash all known ones.
    con.register("extension_moved", moves)
    con.execute(f"create or replace temp table {_MOVES} as from extension_moved")
    con.unregister("extension_moved")
    con.execute(_CHANGED.format(known=known, into=into))
    [apart] = con.execute(_APART.format(links=links, into=into)).fetchone() or (0,)
    if apart:
        raise NotConvergedError(f"{apart} links join nodes of different components")
    for table in (_ENDS, _PLACES, _MOVES):
        con.execute(f"drop table {table}")
    row = con.execute(
        "select count(*) - count(component_before), count(component_before),"
        f" count(distinct component_before) from {into}"
    ).fetchone()
    assert row is not None
    return Extension(count, *row)


def apply_extension(con: duckdb.DuckDBPyConnection, known: str, changed: str) -> None:
    """Bring the table ``known`` up to date, in the transaction of the caller."""
    con.execute(
        f"""
        update {known} as known set component = moves.component
        from (
            select distinct component_before, component
            from {changed}
            where component_before is not null
        ) as moves
        where known.component = moves.component_before
        """
    )
    con.execute(
        f"""
        insert into {known} (node, component)
        select node, component from {changed} where component_before is null
        """
    )


def _place(con: duckdb.DuckDBPyConnection, known: str) -> None:
    """Give each end its component, a new node one of its own."""
    for attempt in range(ATTEMPTS):
        con.execute(_PLACE.format(code=DUCKDB.code("node", attempt)))
        row = con.execute(_TAKEN.format(known=known)).fetchone()
        if row == (0,):
            return
    raise CodeCollisionError(f"a new node had the code of another, {ATTEMPTS} times")


def _moves(one: Ints, other: Ints) -> dict[str, Ints]:
    """Which components become part of which, by the links between them."""
    reached, ends = np.unique(np.concatenate((one, other)), return_inverse=True)
    found = components(ends[: len(one)], ends[len(one) :], len(reached))
    smallest = np.empty(int(found.max(initial=-1)) + 1, np.int64)
    smallest[found[::-1]] = reached[::-1]
    becomes = smallest[found]
    moved = becomes != reached
    return {"component": reached[moved], "becomes": becomes[moved]}
