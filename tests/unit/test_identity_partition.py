"""Which links hold: the short way in bulk says what weighing every link says."""

from collections.abc import Sequence

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
    (
        "phone",
        IdentifierRule(
            form="phone", strength=80, priority=3, max_users=2, when_shared="nobody"
        ),
    ),
    (
        "email",
        IdentifierRule(
            form="email", strength=60, priority=4, max_values=2, tells_apart=True
        ),
    ),
    (
        "device",
        IdentifierRule(
            form="token",
            strength=20,
            priority=5,
            anchor=False,
            merges=False,
            max_users=3,
            when_shared="nobody",
        ),
    ),
    (
        "purchase",
        IdentifierRule(
            form="token",
            strength=85,
            priority=6,
            anchor=False,
            claimed_by="crm_id",
            unclaimed=1,
            unclaimed_share=0.5,
        ),
    ),
)
PHONE, ROLE_STRENGTH = 2, 50


def graph(
    kind: list[int],
    links: list[tuple[int, int]],
    in_role: Sequence[bool] | None = None,
    names: Sequence[tuple[int, int]] = (),
) -> Graph:
    """A graph of nodes by kind; a link between two of one kind is a silence.

    ``in_role`` says which links show a phone that need not be the person's own,
    ``names`` which nodes bear which name.
    """
    borne = np.array(names, dtype=np.int64).reshape(-1, 2)
    roles = np.array(in_role or [False] * len(links), dtype=np.bool_)
    roles &= np.array([kind[b] == PHONE != kind[a] for a, b in links], dtype=np.bool_)
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
        strength=np.minimum(strengths, np.where(roles, ROLE_STRENGTH, 100)),
        is_use=np.array([n > CONTINUITY for n in strengths], dtype=np.bool_),
        is_role=roles,
        first=np.zeros(len(links), dtype=np.int64),
        last=np.zeros(len(links), dtype=np.int64),
        node_first=np.zeros(len(kind), dtype=np.int64),
        node_last=np.zeros(len(kind), dtype=np.int64),
        named=borne[:, 0],
        name=borne[:, 1],
    )


def strongest_first(graph: Graph, links: Ints) -> Ints:
    return links[np.argsort(-graph.strength[links], kind="stable")]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    most = draw(st.sampled_from([5, 30]))
    kind = draw(st.lists(st.integers(0, len(KINDS) - 1), min_size=1, max_size=most))
    node = st.integers(0, len(kind) - 1)
    links = draw(st.lists(st.tuples(node, node), max_size=40, unique=True))
    has_silences = draw(st.booleans())
    links = [
        (a, b) for a, b in links if a != b and (has_silences or kind[a] != kind[b])
    ]
    roles = st.lists(st.booleans(), min_size=len(links), max_size=len(links))
    names = st.lists(st.tuples(node, st.integers(0, 2)), max_size=6, unique=True)
    return graph(kind, links, draw(roles), draw(names))


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


@settings(max_examples=100)
@given(graphs())
def test_a_component_is_judged_alone_as_among_all_others(graph: Graph) -> None:
    """What lets a day resolve only what something new touches."""
    everything = strongest_first(graph, np.arange(len(graph.left)))
    verdicts = weigh(graph, everything)
    together = components(graph, np.ones(len(graph.left), np.bool_))[graph.left]

    alone = [weigh(graph, everything[together[everything] == c]) for c in set(together)]

    assert verdicts.rejected == {k: v for its in alone for k, v in its.rejected.items()}
    assert verdicts.public == {node for its in alone for node in its.public}


@settings(max_examples=100)
@given(graphs())
def test_a_shared_value_joins_nobody(graph: Graph) -> None:
    """No phone brings two users together of whom both have a CRM record."""
    everything = strongest_first(graph, np.arange(len(graph.left)))
    rejected = weigh(graph, everything).rejected
    for phone in np.flatnonzero(graph.kind == PHONE).tolist():
        uses = (graph.right == phone) & graph.is_use & ~graph.is_role
        customers = graph.left[uses & (graph.kind[graph.left] == 0)]
        if len(set(customers.tolist())) > 1:
            assert set(np.flatnonzero(uses).tolist()) <= rejected.keys()


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
