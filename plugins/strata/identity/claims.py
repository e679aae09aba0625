"""What a person would have claimed, and so is somebody else's.

A ledger of points books every purchase of a member. Purchases of which it knows nothing
were somebody else's, though they show the member's phone: one or two may have been too
small to earn a point, a good part of all is another person (``claimed_by``,
``unclaimed`` and ``unclaimed_share`` in ``config/identity.yml``).
"""

from collections.abc import Collection

import numpy as np

from strata.identity.partition import Graph, Ints


class Claims:
    """What each user of a graph might claim, claims, and has without a claim to it."""

    def __init__(self, graph: Graph, nodes: Ints) -> None:
        self._claims = [_Claim(graph, kind, nodes) for kind in graph.claims]

    def speak_for_two(self, users: Collection[int]) -> bool:
        """Whether some of the users have what others of them would have claimed."""
        return any(claim.speaks_for_two(users) for claim in self._claims)

    def unite(self, one: int, other: int) -> None:
        """Give to one user what the other has."""
        for claim in self._claims:
            claim.unite(one, other)


class _Claim:
    """One kind of values, and the kind that claims them."""

    def __init__(self, graph: Graph, kind: int, nodes: Ints) -> None:
        rule = graph.kinds[kind][1]
        self._enough, self._share = rule.unclaimed, rule.unclaimed_share
        claimants = nodes[graph.kind[nodes] == graph.claims[kind]].tolist()
        values = nodes[graph.kind[nodes] == kind]
        alone = values[np.isin(values, graph.unclaimed(kind))]
        days = graph.node_first
        self._since = {node: int(days[node]) for node in claimants}
        self._unclaimed = {node: [int(days[node])] for node in alone.tolist()}
        self._claimed = dict.fromkeys(np.setdiff1d(values, alone).tolist(), 1)

    def speaks_for_two(self, users: Collection[int]) -> bool:
        since = min((self._since[u] for u in users if u in self._since), default=None)
        if since is None:
            return False
        # Nobody could claim anything before they were known.
        others = sum(
            day >= since
            for user in users
            if user not in self._since
            for day in self._unclaimed.get(user, ())
        )
        claimed = sum(self._claimed.get(user, 0) for user in users)
        return others >= self._enough and others >= self._share * (others + claimed)

    def unite(self, one: int, other: int) -> None:
        if other in self._since:
            since = self._since.pop(other)
            self._since[one] = min(self._since.get(one, since), since)
        if other in self._unclaimed:
            self._unclaimed.setdefault(one, []).extend(self._unclaimed.pop(other))
        if other in self._claimed:
            more = self._claimed.pop(other)
            self._claimed[one] = self._claimed.get(one, 0) + more
