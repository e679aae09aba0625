"""Who belongs together: connected components over the links that break no limit.

Most components keep every limit even with all their links, and a limit that holds for
the whole holds for each part. They are accepted in bulk; only the links of the others
are weighed one by one, strong ones first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

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
    ``value``: the periods of one value are nodes of their own that share it, and so do
    values that their source has merged. A link goes from the identifier that stands for
    the record (``left``) to another one that the record carries (``right``). Only such
    a link, ``is_use``, makes the left a user of the right one; others join two nodes
    for another reason. It is ``is_role`` where the value was shown in a role that
    need not be the person's own. Links and nodes have the days, counted from any one day, of the
    ``first`` and ``last`` time that they were seen. Records that stand on the nodes
    ``named`` bear a ``name``, a number each.
    """

    kinds: Sequence[tuple[str, IdentifierRule]]
    kind: Ints
    value: Ints
    left: Ints
    right: Ints
    strength: Ints
    is_use: Bools
    is_role: Bools
    first: Ints
    last: Ints
    node_first: Ints
    node_last: Ints
    named: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    name: Ints = field(default_factory=lambda: np.empty(0, np.int64))

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
    def turn_of_kinds(self) -> Ints:
        """The turn of a link that is as strong as its kind."""
        strength = np.array([rule.strength for _, rule in self.kinds], np.int64)
        return strength - np.where(self.merges, 0, _AFTER_ALL)

    @cached_property
    def continues(self) -> Bools:
        """Whether each link leads from one period of a value to the next."""
        found: Bools = ~self.is_use & (self.strength == CONTINUITY)
        return found

    @cached_property
    def anchors(self) -> Bools:
        """Whether each kind may carry a user by itself."""
        return np.array([rule.anchor for _, rule in self.kinds], dtype=np.bool_)

    @cached_property
    def merges(self) -> Bools:
        """Whether each kind may join two users."""
        return np.array([rule.merges for _, rule in self.kinds], dtype=np.bool_)

    @cached_property
    def telling(self) -> Bools:
        """Whether two values of each kind speak for two people."""
        return np.array([rule.is_telling for _, rule in self.kinds], dtype=np.bool_)

    @cached_property
    def claims(self) -> dict[int, int]:
        """The kinds whose values are shown with another kind, and that kind."""
        number = {name: kind for kind, (name, _) in enumerate(self.kinds)}
        return {
            kind: number[rule.claimed_by]
            for kind, (_, rule) in enumerate(self.kinds)
            if rule.claimed_by is not None
        }

    def unclaimed(self, kind: int) -> Ints:
        """The nodes of a kind that no record shows with the kind that claims it."""
        claimant, ends = (
            self.claims[kind],
            (self.kind[self.left], self.kind[self.right]),
        )
        alone = self.kind == kind
        alone[self.right[ends[0] == claimant]] = False
        alone[self.left[ends[1] == claimant]] = False
        return np.flatnonzero(alone)

    @cached_property
    def yielding(self) -> Bools:
        """Whether each kind joins nobody where two people share a value of it."""
        shared = [rule.when_shared == "nobody" for _, rule in self.kinds]
        return np.array(shared, dtype=np.bool_)


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
    doubtful[_with_two_told_apart(graph, together)] = True
    doubtful[_with_two_names(graph, together)] = True
    doubtful[_with_values_unclaimed(graph, together)] = True
    doubtful[together[_joining_many(graph)]] = True
    doubtful[_with_two_users(graph, together)] = True
    doubtful[_with_values_of_others(graph, together)] = True
    doubtful[together[graph.left[graph.continues]]] = True
    return doubtful[together[graph.left]]


def _with_too_many_values(graph: Graph, together: Ints) -> Ints:
    """Components that hold more values of a kind than one user may have."""
    limit = graph.limit("max_values")
    return _holding_more(graph, together, limit)


def _with_two_told_apart(graph: Graph, together: Ints) -> Ints:
    """Components of two people by their values, who may meet in one that they share."""
    limit = np.where(graph.telling, 1, UNLIMITED)
    return _with_shared(graph, together, _holding_more(graph, together, limit))


def _with_two_names(graph: Graph, together: Ints) -> Ints:
    """The same for those who bear two names."""
    per, names = _distinct(together[graph.named], graph.name)
    return _with_shared(graph, together, per[names > 1])


def _with_values_unclaimed(graph: Graph, together: Ints) -> Ints:
    """The same for values that none of those who might claim them does claim."""
    found = [np.empty(0, np.int64)]
    for kind, claimant in graph.claims.items():
        per, values = np.unique(together[graph.unclaimed(kind)], return_counts=True)
        enough = per[values >= graph.kinds[kind][1].unclaimed]
        found.append(enough[np.isin(enough, together[graph.kind == claimant])])
    return _with_shared(graph, together, np.concatenate(found))


def _with_shared(graph: Graph, together: Ints, found: Ints) -> Ints:
    """Those components of ``found`` that have a value which joins nobody if shared."""
    return found[np.isin(found, together[graph.yielding[graph.kind]])]


def _with_values_of_others(graph: Graph, together: Ints) -> Ints:
    """Components with several values of a kind, of which some may be somebody else's."""
    roles = np.unique(graph.kind[graph.right[graph.is_role]])
    limit = np.full(len(graph.kinds), UNLIMITED)
    limit[roles] = 1
    found = _holding_more(graph, together, limit)
    return found[np.isin(found, together[graph.left[graph.is_role]])]


def _holding_more(graph: Graph, together: Ints, limit: Ints) -> Ints:
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
