"""Hook and contract: connected components by the same SQL on DuckDB and on Spark.

Links lie between codes, and a code is a hash, so that which of two is smaller says
nothing about how the graph was laid out. In a round each node that has a smaller
neighbour hooks onto the smallest, and then onto what that one hooked onto; links are
redrawn between what their ends hooked onto, and those within one node fall away. The
smallest link of each component always falls, so links become fewer in each round, and
a chain loses more than half its nodes. In the end each hook is followed up to its
root, the smallest code of the component. After Bögeholz, Brand, Todor: In-database
connected component analysis (2018), which draws the order anew in each round.
"""

from collections.abc import Callable
from functools import partial

from strata.identity.engines import (
    ATTEMPTS,
    LEFT,
    RIGHT,
    CodeCollisionError,
    EngineError,
    FingerprintError,
    NotConvergedError,
    Session,
    Solution,
    count_links,
    create,
)
from strata.identity.fingerprints import coded_fingerprint, sizes

MOST_INTEGERS = 2**31
_PREFIX = "hook_contract"
_NODES, _PLACES = f"{_PREFIX}_nodes", f"{_PREFIX}_places"
Code = Callable[[str], str]

_NAMED = """
    with

    nodes as (
        select left_node as node from {links}
        union
        select right_node as node from {links}
    )

    select node, {code} as code
    from nodes
"""

_LINKS = """
    with

    coded as (
        select {left_code} as a, {right_code} as b
        from {links}
        where left_node <> right_node
    )

    select greatest(a, b) as high, least(a, b) as low
    from coded
"""

_HOOKS = """
    with

    hooks as (
        select high as code, min(low) as hook
        from {links}
        group by high
    )

    select hooks.code, coalesce(next.hook, hooks.hook) as hook
    from hooks
    left join hooks as next on hooks.hook = next.code
"""

_REDRAWN = """
    with

    redrawn as (
        select
            coalesce(highs.hook, links.high) as a,
            coalesce(lows.hook, links.low) as b
        from {links} as links
        left join {hooks} as highs on links.high = highs.code
        left join {hooks} as lows on links.low = lows.code
    )

    select distinct greatest(a, b) as high, least(a, b) as low
    from redrawn
    where a <> b
"""

_FOLLOWED = """
    select hooks.code, coalesce(roots.component, hooks.hook) as component
    from {hooks} as hooks
    left join {followed} as roots on hooks.hook = roots.code
    union all
    select roots.code, roots.component
    from {followed} as roots
    left join {hooks} as hooks on roots.code = hooks.code
    where hooks.code is null
"""

_ALL_PLACES = """
    with

    linked as (
        select code, component
        from {followed}
        union all
        select distinct component as code, component
        from {followed}
    ),

    loops as (
        select distinct {left_code} as code
        from {links}
        where left_node = right_node
    )

    select code, component
    from linked
    union all
    select loops.code, loops.code as component
    from loops
    left join linked on loops.code = linked.code
    where linked.code is null
"""

_APART = """
    select count(*)
    from {links} as links
    left join {places} as highs on links.high = highs.code
    left join {places} as lows on links.low = lows.code
    where
        highs.component is null
        or lows.component is null
        or highs.component <> lows.component
"""


class HookContract:
    """The engine of any database that runs SQL."""

    name = "hook_contract"

    def __init__(self, session: Session) -> None:
        self._session = session
        self._dialect = session.dialect
        self._work: set[str] = set()

    def solve(self, links: str, into: str) -> Solution:
        """See ``strata.identity.engines.Engine``. All nodes are coded and named by
        joins; two of one code are always found."""
        count = count_links(self._session, links)
        query = f"""
            select nodes.node, places.component
            from {_NODES} as nodes
            inner join {_PLACES} as places on nodes.code = places.code
        """
        try:
            attempt = self._name_nodes(links)
            code = partial(self._dialect.code, attempt=attempt)
            return self._solve(links, count, code, query, into)
        finally:
            self._drop(*self._work)

    def solve_integers(self, links: str, into: str) -> Solution:
        """``solve`` for nodes that are integers from 0 to 2³¹ - 1.

        ``node`` and ``component`` are integers too. The code of an integer is its hash
        followed by itself, so no two have one code, and nothing is coded by a join.
        Raises ``EngineError`` for an integer out of range.
        """
        count = count_links(self._session, links)
        [(least, greatest)] = self._session.rows(
            f"select min(least({LEFT}, {RIGHT})), max(greatest({LEFT}, {RIGHT}))"
            f" from {links}"
        )
        if count and not 0 <= least <= greatest < MOST_INTEGERS:
            raise EngineError(f"a node is not within 0 and {MOST_INTEGERS - 1}")
        query = f"select code % {MOST_INTEGERS} as node, component from {_PLACES}"
        try:
            return self._solve(links, count, self._integer_code, query, into)
        finally:
            self._drop(*self._work)

    def _solve(
        self, links: str, count: int, code: Code, named: str, into: str
    ) -> Solution:
        """Contract the links, place all nodes, and write them as ``named``."""
        left, right = code(LEFT), code(RIGHT)
        drawn = _LINKS.format(left_code=left, right_code=right, links=links)
        self._create(_links(1), drawn)
        rounds = self._contract()
        followed = self._follow(rounds)
        placed = _ALL_PLACES.format(followed=followed, left_code=left, links=links)
        self._create(_PLACES, placed)
        self._drop(followed)
        self._assert_joined()
        fingerprint = coded_fingerprint(self._session, _PLACES, "code")
        create(self._session, into, named, work=False)
        written = coded_fingerprint(self._session, into, code("node"))
        if written != fingerprint:
            raise FingerprintError(f"{into} holds {written}, {fingerprint} was found")
        return Solution(self.name, count, *sizes(written), rounds, written)

    def _integer_code(self, integer: str) -> str:
        hashed = self._dialect.scattered.format(f"cast({integer} as bigint)")
        return f"({hashed} * {MOST_INTEGERS} + {integer})"

    def _name_nodes(self, links: str) -> int:
        """Code all nodes; which attempt told them apart."""
        for attempt in range(ATTEMPTS):
            code = self._dialect.code("node", attempt)
            self._create(_NODES, _NAMED.format(links=links, code=code))
            [(nodes, codes)] = self._session.rows(
                f"select count(*), count(distinct code) from {_NODES}"
            )
            if nodes == codes:
                return attempt
        raise CodeCollisionError(f"two nodes had one code with {ATTEMPTS} salts")

    def _contract(self) -> int:
        """Hook and redraw until no link is left; how many rounds that took."""
        remaining = self._count(_links(1))
        done = 0
        while remaining:
            done += 1
            self._create(_hooks(done), _HOOKS.format(links=_links(done)))
            redrawn = _REDRAWN.format(links=_links(done), hooks=_hooks(done))
            self._create(_links(done + 1), redrawn)
            before, remaining = remaining, self._count(_links(done + 1))
            if remaining >= before:
                raise NotConvergedError(
                    f"{remaining} links of {before} remain after round {done}"
                )
            if done > 1:
                self._drop(_links(done))
        return done

    def _follow(self, rounds: int) -> str:
        """Follow all hooks to their roots, the last round first; the table of it."""
        followed = _followed(rounds + 1)
        nothing = f"select low as code, low as component from {_links(1)} where 1 = 0"
        self._create(followed, nothing)
        for done in range(rounds, 0, -1):
            query = _FOLLOWED.format(hooks=_hooks(done), followed=followed)
            self._create(_followed(done), query)
            self._drop(_hooks(done), followed)
            followed = _followed(done)
        return followed

    def _assert_joined(self) -> None:
        query = _APART.format(links=_links(1), places=_PLACES)
        [(apart,)] = self._session.rows(query)
        if apart:
            raise NotConvergedError(f"{apart} links join nodes of different components")

    def _count(self, table: str) -> int:
        [(rows,)] = self._session.rows(f"select count(*) from {table}")
        return int(rows)

    def _create(self, table: str, query: str) -> None:
        self._work.add(table)
        create(self._session, table, query)

    def _drop(self, *tables: str) -> None:
        for table in sorted(tables):
            self._session.run(f"drop table if exists {table}")
            self._work.discard(table)


def _links(done: int) -> str:
    return f"{_PREFIX}_links_{done}"


def _hooks(done: int) -> str:
    return f"{_PREFIX}_hooks_{done}"


def _followed(done: int) -> str:
    return f"{_PREFIX}_followed_{done}"
