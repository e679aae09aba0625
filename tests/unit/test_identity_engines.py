"""The engines of connected components: one partition, vouched for, whatever the order."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strata.identity import hook_contract, union_find
from strata.identity.engines import (
    DUCKDB,
    CodeCollisionError,
    DuckSession,
    Engine,
    EngineError,
    FingerprintError,
    NotConvergedError,
    UnnamedNodeError,
)
from strata.identity.extension import apply_extension, extend
from strata.identity.fingerprints import partition_fingerprint, table_fingerprint
from strata.identity.hook_contract import HookContract
from strata.identity.parity import check_parity
from strata.identity.union_find import UnionFind, components

Links = Sequence[tuple[str, str]]
Parts = set[frozenset[str]]
ENGINES = (UnionFind, HookContract)

SHAPES: dict[str, tuple[Links, Parts]] = {
    "simple": ([("a", "b")], {frozenset("ab")}),
    "alone": ([("a", "a"), ("b", "c")], {frozenset("a"), frozenset("bc")}),
    "chain": ([("a", "b"), ("b", "c"), ("c", "d")], {frozenset("abcd")}),
    "star": ([("a", x) for x in "bcdef"], {frozenset("abcdef")}),
    "fan-in": (
        [("a", "x"), ("b", "x"), ("c", "y"), ("d", "y")],
        {frozenset("abx"), frozenset("cdy")},
    ),
    "diamond": (
        [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")],
        {frozenset("abcd")},
    ),
    "bridge": (
        [("a", "b"), ("c", "d"), ("e", "f"), ("b", "c"), ("d", "e")],
        {frozenset("abcdef")},
    ),
    "twice": ([("a", "b"), ("b", "a"), ("a", "b")], {frozenset("ab")}),
    "nothing": ([], set()),
}
links_of_few = st.lists(st.tuples(*[st.integers(0, 25).map("n{:03}".format)] * 2))
modest = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def session() -> DuckSession:
    con = duckdb.connect()
    con.execute("set threads = 2")
    return DuckSession(con)


def given_links(session: DuckSession, links: Links, name: str = "links") -> str:
    ends = [[link[side] for link in links] for side in (0, 1)]
    text = [pa.array(end, pa.string()) for end in ends]
    session.con.register("given", pa.table(text, ["left_node", "right_node"]))
    session.con.execute(f"create or replace table {name} as from given")
    session.con.unregister("given")
    return name


def parts(session: DuckSession, table: str) -> Parts:
    found = session.rows(f"select list(node) from {table} group by component")
    assert sum(len(nodes) for (nodes,) in found) == len(
        {node for (nodes,) in found for node in nodes}
    )
    return {frozenset(nodes) for (nodes,) in found}


def by_search(links: Links) -> Parts:
    """The components by a plain search, to compare with."""
    neighbours: dict[str, set[str]] = {}
    for left, right in links:
        neighbours.setdefault(left, set()).add(right)
        neighbours.setdefault(right, set()).add(left)
    found: Parts = set()
    while neighbours:
        part, ahead = set(), [next(iter(neighbours))]
        while ahead:
            node = ahead.pop()
            part.add(node)
            ahead.extend(neighbours.pop(node, ()))
        found.add(frozenset(part))
    return found


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_falls_into_its_components(
    session: DuckSession, engine: type[Engine], shape: str
) -> None:
    links, expected = SHAPES[shape]

    solution = engine(session).solve(given_links(session, links), "solved")

    assert parts(session, "solved") == expected
    nodes = sum(map(len, expected))
    told = (solution.links, solution.nodes, solution.components)
    assert told == (len(links), nodes, len(expected))


@given(links=links_of_few, chance=st.randoms(use_true_random=False))
@modest
def test_both_engines_find_what_a_search_finds_in_any_order(
    session: DuckSession, links: list[tuple[str, str]], chance: object
) -> None:
    expected = by_search(links)
    first = UnionFind(session).solve(given_links(session, links), "first")
    turned = [link[::-1] for link in links]
    chance.shuffle(turned)  # type: ignore[attr-defined]
    second = HookContract(session).solve(given_links(session, turned), "second")

    assert parts(session, "first") == parts(session, "second") == expected
    assert first.fingerprint == second.fingerprint
    assert session.rows("from first except from second") == []
    assert table_fingerprint(session, "first") == partition_fingerprint(
        [node for part in expected for node in part],
        [number for number, part in enumerate(expected) for _ in part],
    )


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 4)), st.data())
@modest
def test_a_fingerprint_tells_partitions_apart_and_nothing_else(
    labels: dict[str, int], data: st.DataObject
) -> None:
    nodes = data.draw(st.permutations(list(labels)))
    names = data.draw(st.permutations(range(5)))
    others = {node: data.draw(st.integers(0, 4)) for node in nodes}

    def told(of: dict[str, int]) -> str:
        return partition_fingerprint(list(of), list(of.values()))

    assert told({node: names[labels[node]] for node in nodes}) == told(labels)
    assert (told(others) == told(labels)) == (grouped(others) == grouped(labels))


def grouped(labels: dict[str, int]) -> Parts:
    return {
        frozenset(node for node in labels if labels[node] == label)
        for label in labels.values()
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_a_long_chain_of_ordered_names_takes_few_rounds(
    session: DuckSession, engine: type[Engine]
) -> None:
    session.con.execute(
        "create or replace table chain as select"
        " format('n{:06}', range) as left_node,"
        " format('n{:06}', range + 1) as right_node from range(2999)"
    )

    solution = engine(session).solve("chain", "solved")

    assert (solution.nodes, solution.components) == (3_000, 1)
    assert solution.rounds <= 15


def test_integers_are_solved_without_being_coded_by_a_join(
    session: DuckSession,
) -> None:
    session.con.execute(
        "create or replace table whole as select * from (values (0, 1), (1, 2),"
        " (7, 7), (2147483647, 5)) as links(left_node, right_node)"
    )
    solution = HookContract(session).solve_integers("whole", "solved")

    expected = {frozenset({0, 1, 2}), frozenset({7}), frozenset({5, 2147483647})}
    assert parts(session, "solved") == expected
    assert (solution.links, solution.nodes, solution.components) == (4, 6, 3)
    large = "(select 3 as left_node, 2147483648 as right_node)"
    with pytest.raises(EngineError, match="not within 0 and 2147483647"):
        HookContract(session).solve_integers(large, "solved")


@pytest.mark.parametrize("engine", ENGINES)
def test_nodes_of_one_code_are_told_apart_or_refused(
    session: DuckSession, engine: type[Engine]
) -> None:
    """A hash that sees two letters confuses a1 and a1x, until a salt comes before them;
    one that sees nothing confuses all."""
    names = given_links(session, [("a1", "a1x"), ("a1y", "b1"), ("b1", "b1x")])
    weak = "cast(hash(if({0} similar to '[ab].*', {0}[:2], {0})) >> 1 as bigint)"

    engine(_with_hash(session, weak)).solve(names, "solved")

    assert parts(session, "solved") == {
        frozenset({"a1", "a1x"}),
        frozenset({"a1y", "b1", "b1x"}),
    }
    blind = _with_hash(session, "cast(if({0}[1] = '#', hash({0}) >> 1, 1) as bigint)")
    with pytest.raises(CodeCollisionError, match="one code with 3 salts"):
        engine(blind).solve(names, "solved")


def _with_hash(session: DuckSession, hashed: str) -> DuckSession:
    return DuckSession(session.con, replace(DUCKDB, hashed=hashed))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_link_without_a_node_stops_the_engine(
    session: DuckSession, engine: type[Engine]
) -> None:
    given_links(session, [("a", "b")])
    session.con.execute("insert into links values ('c', null)")
    with pytest.raises(UnnamedNodeError, match="1 ends of 2 links"):
        engine(session).solve("links", "solved")


def test_rounds_that_lead_nowhere_stop_the_engine(
    session: DuckSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    links = given_links(session, [("a", "b"), ("b", "c")])
    monkeypatch.setattr(hook_contract, "_REDRAWN", "select high, low from {links}")
    with pytest.raises(NotConvergedError, match="2 links of 2 remain after round 1"):
        HookContract(session).solve(links, "solved")
    assert session.rows("select 1 from duckdb_tables() where temporary") == []


def test_links_that_are_lost_on_the_way_are_noticed(
    session: DuckSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contracting too much or writing other rows is found by what is asserted."""
    links = given_links(session, [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e")])
    redrawn = hook_contract._REDRAWN + " and a = 0"
    monkeypatch.setattr(hook_contract, "_REDRAWN", redrawn)
    with pytest.raises(NotConvergedError, match="different components"):
        HookContract(session).solve(links, "solved")

    def alone(graph: object, **_: object) -> tuple[int, np.ndarray]:
        return 5, np.arange(5)

    monkeypatch.setattr(union_find, "connected_components", alone)
    with pytest.raises(NotConvergedError, match="4 links join nodes"):
        UnionFind(session).solve(links, "solved")


def test_what_is_written_is_what_was_found(
    session: DuckSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    links = given_links(session, [("a", "b"), ("c", "d")])
    monkeypatch.setattr(union_find, "_smallest", lambda codes, found: codes * 0)
    with pytest.raises(FingerprintError, match=r"solved holds 4-1-.*, 4-2-.* was"):
        UnionFind(session).solve(links, "solved")


def test_links_may_be_a_file_or_a_view(session: DuckSession, tmp_path: Path) -> None:
    given_links(session, SHAPES["bridge"][0])
    file = tmp_path / "links.parquet"
    session.con.execute(f"copy links to '{file}'")
    session.con.execute("create or replace temp view seen as from links")
    for links in (f"read_parquet('{file}')", "seen", "(from links)"):
        for engine in ENGINES:
            engine(session).solve(links, "solved")
            assert parts(session, "solved") == SHAPES["bridge"][1]


def test_a_view_may_give_its_rows_in_another_order_each_time(
    session: DuckSession,
) -> None:
    links = [(f"n{n}", f"n{n + n % 10}") for n in range(300)]
    given_links(session, links)
    session.con.execute("select setseed(0.5)")
    session.con.execute(
        "create or replace temp view shuffled as from links order by random()"
    )
    UnionFind(session).solve("shuffled", "solved")

    assert parts(session, "solved") == by_search(links)


def test_components_are_numbered_by_their_smallest_node() -> None:
    assert components([5, 1], [2, 3], 6).tolist() == [0, 1, 2, 1, 3, 2]
    assert components([], [], 0).tolist() == []
    with pytest.raises(ValueError):
        components([0], [2], 2)


@given(before=links_of_few, new=links_of_few, newer=links_of_few)
@modest
def test_links_day_by_day_give_what_all_at_once_give(
    session: DuckSession,
    before: list[tuple[str, str]],
    new: list[tuple[str, str]],
    newer: list[tuple[str, str]],
) -> None:
    given_links(session, before)
    UnionFind(session).solve("links", "known")
    for day in (new, newer):
        as_it_was = dict(session.rows("select node, component from known"))
        given_links(session, day, "day")
        told = extend(session.con, "known", "day", "changed")
        changed = session.rows("from changed")
        apply_extension(session.con, "known", "changed")
        as_it_is = dict(session.rows("select node, component from known"))

        assert all(as_it_was.get(node) == was for node, _, was in changed)
        assert {node: now for node, now, _ in changed} == {
            node: now for node, now in as_it_is.items() if as_it_was.get(node) != now
        }
        moved = [was for _, _, was in changed if was is not None]
        assert (told.new_nodes, told.moved_nodes, told.merged_components) == (
            len(as_it_is) - len(as_it_was),
            len(moved),
            len(set(moved)),
        )

    given_links(session, [*before, *new, *newer])
    UnionFind(session).solve("links", "at_once")
    assert session.rows("from known except from at_once") == []
    assert parts(session, "known") == parts(session, "at_once")


def test_a_new_node_never_takes_the_label_of_others(session: DuckSession) -> None:
    """Its code is another's label: it is coded anew, and joins nobody by chance."""
    new = DUCKDB.code("'new'")
    [(code,)] = session.rows(f"select {new}")
    session.con.execute(
        f"create or replace table known as select 'old' as node, {code} as component"
    )
    given_links(session, [("new", "newer")], "day")

    extend(session.con, "known", "day", "changed")

    assert parts(session, "changed") == {frozenset({"new", "newer"})}
    assert session.rows(f"from changed where component = {code}") == []


def test_both_engines_agree_on_the_accepted_links_of_a_day() -> None:
    con = duckdb.connect()
    con.execute("create schema identity")
    con.execute(
        "create table identity.edges as select"
        " 'crm_id' as left_type, range // 3 as left_hash, 0 as left_period,"
        " 'phone' as right_type, range as right_hash, range % 2 as right_period,"
        " if(range = 5, 'rejected', 'accepted') as status from range(30)"
    )
    whole = check_parity(con)
    sample = check_parity(con, at_most=10)

    assert whole.holds and (whole.links, whole.sampled) == (29, 29)
    assert whole.union_find.startswith("39-10-")
    assert sample.holds and sample == check_parity(con, at_most=10)
    assert sample.links == 29 and sample.sampled in (8, 9)
    assert sample.union_find.startswith(f"{sample.sampled + 3}-3-")
    assert con.execute("select 1 from duckdb_tables() where temporary").fetchall() == []


def test_engines_that_disagree_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each result holds for itself, but one engine did not see one of the links."""
    session = DuckSession(duckdb.connect())
    links = given_links(session, [("a", "b"), ("b", "c"), ("d", "d")])
    solve = HookContract.solve
    monkeypatch.setattr(
        HookContract,
        "solve",
        lambda self, links, into: solve(
            self, f"(from {links} where left_node <> 'b' or right_node <> 'c')", into
        ),
    )
    parity = check_parity(session.con, links)

    assert not parity.holds
    assert parity.union_find != parity.hook_contract
