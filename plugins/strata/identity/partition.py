"""Who belongs together: connected components over the links that break no limit.

Most components keep every limit even with all their links, and a limit that holds for
the whole holds for each part. They are accepted in bulk; only the links of the others
are weighed one by one, strong ones first.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from strata.config.identity import IdentifierRule
from strata.identity import union_find

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

CONTINUITY = 0
"""Strength of a link between two periods of one value: weaker than any other."""

UNLIMITED = 2**62
_AFTER_ALL = 1_000


@dataclass(frozen=True)
class Graph:
    """Identifier values (nodes) and the links that records show between them.

    ``kinds`` are the identifier types by number. A node has a ``kind`` and a
    ``value``: the periods of one value are nodes of their own that share it. A link
    goes from the identifier that stands for the record (``left``) to another one that
    the record carries (``right``). Only such a link, ``is_use``, makes the left a user
    of the right one; others join two nodes for another reason.
    """

    kinds: Sequence[tuple[str, IdentifierRule]]
    kind: Ints
    value: Ints
    left: Ints
    right: Ints
    strength: Ints
    is_use: Bools

    def limit(self, name: str) -> Ints:
        """A limit of every kind as an array, ``UNLIMITED`` where a kind has none."""
        limits = [getattr(rule, name) for _, rule in self.kinds]
        return np.array([UNLIMITED if n is None else n for n in limits], np.int64)

    @property
    def turn(self) -> Ints:
        """When each link is weighed, the highest first: by strength, and what may not
        merge users comes after all that may."""
        merging = self.merges[self.kind]
        last = ~(merging[self.left] & merging[self.right])
        return self.strength - np.where(last, _AFTER_ALL, 0)

    @property
    def anchors(self) -> Bools:
        """Whether each kind may carry a user by itself."""
        return np.array([rule.anchor for _, rule in self.kinds], dtype=np.bool_)

    @property
    def merges(self) -> Bools:
        """Whether each kind may join two users."""
        return np.array([rule.merges for _, rule in self.kinds], dtype=np.bool_)


@dataclass(frozen=True)
class Verdicts:
    """What became of the links that were weighed, and which values are public."""

    rejected: dict[int, str]
    public: set[int]


def components(graph: Graph, kept: Bools) -> Ints:
    """A component number for each node, over the links that are ``kept``.

    The numbers say which nodes are together and nothing else.
    """
    return union_find.components(graph.left[kept], graph.right[kept], len(graph.kind))


def suspects(graph: Graph) -> Bools:
    """The links of components in which some limit might be broken."""
    together = components(graph, np.ones(len(graph.left), np.bool_))
    doubtful = np.zeros(len(graph.kind) + 1, np.bool_)
    doubtful[_with_too_many_values(graph, together)] = True
    doubtful[together[_joining_many(graph)]] = True
    doubtful[_with_two_users(graph, together)] = True
    return doubtful[together[graph.left]]


def _with_too_many_values(graph: Graph, together: Ints) -> Ints:
    """Components that hold more values of a kind than one user may have."""
    limit = graph.limit("max_values")
    limited = limit[graph.kind] < UNLIMITED
    holders = together[limited] * len(graph.kinds) + graph.kind[limited]
    per, values = _distinct(holders, graph.value[limited])
    return (per // len(graph.kinds))[values > limit[per % len(graph.kinds)]]


def _joining_many(graph: Graph) -> Ints:
    """Nodes that are linked to more others than their kind may have users."""
    nodes, users = _distinct(graph.right[graph.is_use], graph.left[graph.is_use])
    return nodes[users > graph.limit("max_users")[graph.kind[nodes]]]


def _with_two_users(graph: Graph, together: Ints) -> Ints:
    """Components whose users meet only through a kind that may not merge them."""
    merging = graph.merges[graph.kind]
    users = components(graph, merging[graph.left] & merging[graph.right])
    anchored = graph.anchors[graph.kind]
    per, counts = _distinct(together[anchored], users[anchored])
    return per[counts > 1]


def _distinct(per: Ints, of: Ints) -> tuple[Ints, Ints]:
    """Each value of ``per``, and how many different ``of`` it has."""
    width = int(of.max(initial=0)) + 1
    groups, counts = np.unique(np.unique(per * width + of) // width, return_counts=True)
    return np.asarray(groups), np.asarray(counts, dtype=np.int64)


def weigh(graph: Graph, links: Ints) -> Verdicts:
    """Accept or reject ``links``, given in order, strongest first.

    A value that joins more users than its kind may, when its turn comes, is public:
    all its links are rejected. Else a link is rejected where the user it would make
    has too many values of a kind, or where its kind may not merge users and both ends
    belong to one. Kinds that may not merge come last, when all users are made.
    """
    scale = _Scale(graph, links)
    rejected: dict[int, str] = {}
    turns = graph.turn[links]
    for turn in np.unique(turns)[::-1].tolist():
        scale.find_public(turn)
        for link in links[turns == turn].tolist():
            reason = scale.join(int(graph.left[link]), int(graph.right[link]))
            if reason is not None:
                rejected[link] = reason
    return Verdicts(rejected, scale.public)


class _Scale:
    """Union-find that knows what each user holds."""

    def __init__(self, graph: Graph, links: Ints) -> None:
        self._kinds = graph.kinds
        left, right = graph.left[links], graph.right[links]
        nodes = np.union1d(left, right).tolist()
        self._kind = dict(zip(nodes, graph.kind[nodes].tolist(), strict=True))
        self._parent = {node: node for node in nodes}
        self._anchored = {n: self._kinds[k][1].anchor for n, k in self._kind.items()}
        self._held: dict[int, dict[int, set[int]]] = {
            node: {self._kind[node]: {value}}
            if self._kinds[self._kind[node]][1].max_values
            else {}
            for node, value in zip(nodes, graph.value[nodes].tolist(), strict=True)
        }
        self._linked: dict[int, set[int]] = defaultdict(set)
        shared = graph.is_use[links]
        for one, other in zip(left[shared], right[shared], strict=True):
            self._linked[int(other)].add(int(one))
        self._judged: set[int] = set()
        self.public: set[int] = set()

    def find_public(self, turn: int) -> None:
        """Judge the values of the kinds whose turn has come."""
        judged = {
            kind
            for kind, (_, rule) in enumerate(self._kinds)
            if rule.strength - (0 if rule.merges else _AFTER_ALL) >= turn
        } - self._judged
        self._judged |= judged
        for node, linked in self._linked.items():
            most = self._kinds[self._kind[node]][1].max_users
            if self._kind[node] not in judged or most is None or len(linked) <= most:
                continue
            if len({self._root(other) for other in linked}) > most:
                self.public.add(node)

    def join(self, left: int, right: int) -> str | None:
        """Make one user of two, or say which rule forbids it."""
        for node in (left, right):
            if node in self.public:
                return f"max_users:{self._name(node)}"
        one, other = self._root(left), self._root(right)
        if one == other:
            return None
        reason = self._attaches_only(left, right, one, other) or self._too_many(
            one, other
        )
        if reason is None:
            self._unite(one, other)
        return reason

    def _attaches_only(self, left: int, right: int, one: int, other: int) -> str | None:
        if self._anchored[one] and self._anchored[other]:
            for node in (left, right):
                if not self._kinds[self._kind[node]][1].merges:
                    return f"merges:{self._name(node)}"
        return None

    def _too_many(self, one: int, other: int) -> str | None:
        for kind in sorted(self._held[one].keys() & self._held[other].keys()):
            name, rule = self._kinds[kind]
            values = len(self._held[one][kind] | self._held[other][kind])
            if rule.max_values is not None and values > rule.max_values:
                return f"max_values:{name}"
        return None

    def _unite(self, one: int, other: int) -> None:
        self._parent[other] = one
        self._anchored[one] = self._anchored[one] or self._anchored[other]
        for kind, values in self._held.pop(other).items():
            self._held[one].setdefault(kind, set()).update(values)

    def _root(self, node: int) -> int:
        parent = self._parent
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def _name(self, node: int) -> str:
        return self._kinds[self._kind[node]][0]
