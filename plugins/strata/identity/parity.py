"""Whether both engines find the same people: a check for each day's run."""

from dataclasses import dataclass

import duckdb

from strata.identity.engines import TEMPORARY, DuckSession, Engine
from strata.identity.fingerprints import table_fingerprint
from strata.identity.hook_contract import HookContract
from strata.identity.union_find import UnionFind

ACCEPTED = """(
    select
        concat_ws(':', left_type, left_hash, left_period) as left_node,
        concat_ws(':', right_type, right_hash, right_period) as right_node
    from identity.edges
    where status = 'accepted'
)"""
"""The accepted links between identifier values, each period of a value by itself."""

AT_MOST = 200_000

_SAMPLE = "parity_links"
_SOLVED = ("parity_union_find", "parity_hook_contract")

_WHOLE_COMPONENTS = """
    create or replace temp table parity_sampled as
    with

    placed as (
        select links.left_node, links.right_node, solved.component
        from parity_links as links
        inner join parity_union_find as solved on links.left_node = solved.node
    ),

    sizes as (
        select component, count(*) as links
        from placed
        group by component
        having count(*) <= $at_most
    ),

    sampled as (
        select component
        from sizes
        qualify sum(links) over (order by component) <= $at_most
    )

    select left_node, right_node
    from placed
    semi join sampled using (component)
"""


@dataclass(frozen=True)
class Parity:
    """Two engines on the same links. Fingerprints are portable; see ``fingerprints``.

    ``sampled`` of the ``links`` were solved by both.
    """

    links: int
    sampled: int
    union_find: str
    hook_contract: str

    @property
    def holds(self) -> bool:
        """Whether both found the same partition."""
        return self.union_find == self.hook_contract


def check_parity(
    con: duckdb.DuckDBPyConnection, links: str = ACCEPTED, at_most: int = AT_MOST
) -> Parity:
    """Solve ``links`` with both engines and compare the partitions.

    Where there are more than ``at_most`` links, whole components are taken in the order
    of their labels, which are hashes, as long as they fit: the same ones each time.
    Components larger than that by themselves are left out. Raises ``EngineError`` where
    an engine does not vouch for its own result.
    """
    con.execute(f"create or replace temp table parity_links as from {links}")
    try:
        [everything] = con.execute(f"select count(*) from {_SAMPLE}").fetchone() or (0,)
        sampled = everything
        if everything > at_most:
            sampled = _take_sample(con, at_most)
        fingerprints: list[str] = []
        session = DuckSession(con, TEMPORARY)
        engines: tuple[Engine, ...] = (UnionFind(session), HookContract(session))
        for engine, into in zip(engines, _SOLVED, strict=True):
            engine.solve(_SAMPLE, into)
            fingerprints.append(table_fingerprint(session, into))
        return Parity(everything, sampled, *fingerprints)
    finally:
        for table in (_SAMPLE, *_SOLVED):
            con.execute(f"drop table if exists {table}")


def _take_sample(con: duckdb.DuckDBPyConnection, at_most: int) -> int:
    """Keep whole components of the links; how many links that are."""
    UnionFind(DuckSession(con, TEMPORARY)).solve(_SAMPLE, _SOLVED[0])
    con.execute(_WHOLE_COMPONENTS, {"at_most": at_most})
    con.execute(f"drop table {_SAMPLE}")
    con.execute("alter table parity_sampled rename to parity_links")
    [kept] = con.execute(f"select count(*) from {_SAMPLE}").fetchone() or (0,)
    return int(kept)
