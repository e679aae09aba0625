"""Which links hold: the short way in bulk says what weighing every link says."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from strata.config.identity import IdentifierRule
from strata.identity.partition import (
    CONTINUITY,
    Graph,
    Ints,
    components,
    suspects,
)
from strata.identity.weighing import weigh

KINDS = (
    ("crm_id", IdentifierRule(form="token", strength=100, priority=1, max_values=1)),
    ("account", IdentifierRule(form="token", strength=100, priority=2)),
    ("phone", IdentifierRule(form="phone", strength=80, priority=3, max_users=2)),
    ("email", IdentifierRule(form="email", strength=60, priority=4, max_values=2)),
    (
        "device",
        IdentifierRule(
            form="token",
            strength=20,
            priority=5,
            anchor=False,
            merges=False,
            max_users=3,
        ),
    ),
)


def graph(kind: list[int], links: list[tuple[int, int]]) -> Graph:
    """A graph of nodes by kind; a link between two of one value is a silence."""
    strengths = [
        CONTINUITY
        if kind[a] == kind[b]
        else min(KINDS[kind[a]][1].strength, KINDS[kind[b]][1].strength)
        for a, b in links
    ]
    ends = np.array(links, dtype=np.int64).reshape(-1, 2)
    return Graph(
        kinds=KINDS,
        kind=np.array(kind, dtype=np.int64),
        value=np.arange(len(kind)),
        left=ends[:, 0],
        right=ends[:, 1],
        strength=np.array(strengths, dtype=np.int64),
        is_use=np.array([n > CONTINUITY for n in strengths], dtype=np.bool_),
        is_role=np.zeros(len(links), dtype=np.bool_),
        first=np.zeros(len(links), dtype=np.int64),
        last=np.zeros(len(links), dtype=np.int64),
        node_first=np.zeros(len(kind), dtype=np.int64),
        node_last=np.zeros(len(kind), dtype=np.int64),
    )


def strongest_first(graph: Graph, links: Ints) -> Ints:
    return links[np.argsort(-graph.strength[links], kind="stable")]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    kind = draw(st.lists(st.integers(0, len(KINDS) - 1), min_size=1, max_size=30))
    node = st.integers(0, len(kind) - 1)
    links = draw(st.lists(st.tuples(node, node), max_size=40, unique=True))
    return graph(kind, [(a, b) for a, b in links if a != b])


def users(graph: Graph, rejected: dict[int, str]) -> Ints:
    kept = np.ones(len(graph.left), np.bool_)
    kept[list(rejected)] = False
    return components(graph, kept)


@settings(max_examples=200)
@given(graphs())
def test_links_outside_doubt_would_all_be_accepted(graph: Graph) -> None:
    everything = np.arange(len(graph.left))
    doubtful = np.flatnonzero(suspects(graph))

    assert weigh(graph, strongest_first(graph, doubtful)) == weigh(
        graph, strongest_first(graph, everything)
    )


@settings(max_examples=200)
@given(graphs())
def test_what_is_accepted_keeps_every_limit(graph: Graph) -> None:
    everything = strongest_first(graph, np.arange(len(graph.left)))
    verdicts = weigh(graph, everything)
    user = users(graph, verdicts.rejected)

    for number, (_, rule) in enumerate(KINDS):
        held = user[graph.kind == number]
        most = np.bincount(held).max(initial=0)
        assert rule.max_values is None or most <= rule.max_values
    public = list(verdicts.public)
    assert len(set(user[public])) == len(public)
    assert all((user == user[node]).sum() == 1 for node in public)
    merging = graph.merges[graph.kind]
    kept = np.ones(len(graph.left), np.bool_)
    kept[list(verdicts.rejected)] = False
    strong = components(graph, kept & merging[graph.left] & merging[graph.right])
    anchored = graph.anchors[graph.kind]
    anchored[public] = False
    for one in set(user[anchored].tolist()):
        assert len(set(strong[(user == one) & anchored].tolist())) == 1, (
            "a device joined two users"
        )


def test_a_long_chain_in_any_order_is_one_user() -> None:
    account, phone = 1, 2
    links = [(n, n + 1) if n % 2 == 0 else (n + 1, n) for n in range(2_000)]
    chain = graph([account, phone] * 1_000 + [account], links[::-1])
    assert not suspects(chain).any()
    assert len(set(users(chain, {}).tolist())) == 1
    assert not weigh(chain, np.arange(len(links))).rejected


def test_no_node_and_no_link_are_no_fault() -> None:
    empty = graph([], [])
    assert suspects(empty).size == 0
    assert weigh(empty, np.flatnonzero(suspects(empty))).rejected == {}
    assert users(empty, {}).size == 0
