"""Links that might break a limit, weighed one by one, strong ones first.

The verdict on a link depends on its raw component alone: on the links that hang
together with it, accepted or not. So a component can be weighed apart from all others,
and again whenever something new touches it.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import combinations

import numpy as np

from strata.identity.claims import Claims
from strata.identity.partition import UNLIMITED, Bools, Graph, Ints, Verdicts

Span = tuple[int, int]
Values = dict[int, set[int]]


def weigh(graph: Graph, links: Ints) -> Verdicts:
    """Accept or reject ``links``, given in order, strongest first.

    Strengths come in turns, and kinds that may not merge users last, when all users are
    made. All who use a value are looked at together:

    - where more users had it at one time than its kind may (``max_users``), when the
      turn of its kind comes, it is public: all its links are rejected;
    - where its kind yields when it is shared (``when_shared: nobody``) and two of its
      users are told apart, nobody can say whose it is: its links of this turn are
      rejected (``shared``), and if it joined nobody yet, it is public. Users are those
      of the turn, and of later turns who show no other value as their own. Two are told
      apart by a value of a kind that tells, by their names, and where one of them has
      what the other would have claimed (``Claims``).

    Else a link is rejected where the user it would make has too many values of a kind
    (``max_values``), where its kind may not merge users and both ends belong to one
    (``merges``), where a value was shown in a role that need not be the person's own
    and the user has one that is (``values_of``), or where a value is met again after
    its window with somebody who is known, and nobody is known before it or somebody
    who is told apart (``window``).
    """
    scale = _Scale(graph, links)
    rejected: dict[int, str] = {}
    turns = graph.turn[links]
    for turn in np.unique(turns)[::-1].tolist():
        scale.judge(turn)
        its = links[turns == turn]
        for link, left, right, is_use, is_role, continues in zip(
            its.tolist(),
            graph.left[its].tolist(),
            graph.right[its].tolist(),
            graph.is_use[its].tolist(),
            graph.is_role[its].tolist(),
            graph.continues[its].tolist(),
            strict=True,
        ):
            if continues:
                reason = scale.go_on(left, right)
            elif is_role and scale.has_own(left, right):
                reason = f"values_of:{scale.name(right)}"
            else:
                reason = scale.join(left, right, is_use=is_use)
            if reason is not None:
                rejected[link] = reason
    return Verdicts(rejected, set(scale.public))


class _Uses:
    """Who uses the values that may be shared too widely, by value and turn."""

    def __init__(self, graph: Graph, links: Ints) -> None:
        limited = graph.yielding | (graph.limit("max_users") < UNLIMITED)
        links = links[graph.is_use[links] & limited[graph.kind[graph.right[links]]]]
        links = links[np.argsort(graph.right[links], kind="stable")]
        values, counts = np.unique(graph.right[links], return_counts=True)
        ends = np.cumsum(counts)
        kinds = graph.kind[values]
        self._of_kind: dict[int, list[int]] = {
            kind: values[kinds == kind].tolist() for kind in np.unique(kinds).tolist()
        }
        self._slice = {
            value: slice(start, end)
            for value, start, end in zip(
                values.tolist(), (ends - counts).tolist(), ends.tolist(), strict=True
            )
        }
        self._turn, self._right = graph.turn[links], graph.right[links]
        self._left = graph.left[links].tolist()
        self._days = list(
            zip(graph.first[links].tolist(), graph.last[links].tolist(), strict=True)
        )

    def of_kind(self, kind: int) -> list[int]:
        """The values of a kind."""
        return self._of_kind.get(kind, [])

    def values(self, turn: int) -> list[int]:
        """The values that have users of this turn."""
        found: list[int] = np.unique(self._right[self._turn == turn]).tolist()
        return found

    def users(self, value: int, turn: int) -> set[int]:
        """The nodes that use a value with the strength of this turn."""
        its = self._slice[value]
        return {
            left
            for left, at in zip(self._left[its], self._turn[its].tolist(), strict=True)
            if at == turn
        }

    def later_users(self, value: int, turn: int) -> set[int]:
        """The nodes that use a value with less strength than that of this turn."""
        its = self._slice[value]
        return {
            left
            for left, at in zip(self._left[its], self._turn[its].tolist(), strict=True)
            if at < turn
        }

    def times(self, value: int) -> list[tuple[int, Span]]:
        """Every use of a value, of any turn: the node, first and last day."""
        its = self._slice[value]
        return list(zip(self._left[its], self._days[its], strict=True))


class _Scale:
    """Union-find that knows what each user holds."""

    def __init__(self, graph: Graph, links: Ints) -> None:
        self._kinds = graph.kinds
        nodes = np.union1d(graph.left[links], graph.right[links])
        kinds, values = graph.kind[nodes].tolist(), graph.value[nodes].tolist()
        names = nodes.tolist()
        self._kind = dict(zip(names, kinds, strict=True))
        self._parent = {node: node for node in names}
        self._size = dict.fromkeys(names, 1)
        self._anchored = {n: self._kinds[k][1].anchor for n, k in self._kind.items()}
        is_held = [r.max_values is not None or r.is_telling for _, r in self._kinds]
        self._held: dict[int, Values] = {
            node: {kind: {value}} if is_held[kind] else {}
            for node, kind, value in zip(names, kinds, values, strict=True)
        }
        telling = graph.telling[graph.kind]
        self._tells = [*graph.telling.tolist(), True]
        self._shown = _shown(graph, links[graph.is_use[links]], nodes, telling)
        borne = np.isin(graph.named, nodes)
        for node, name in zip(
            graph.named[borne].tolist(), graph.name[borne].tolist(), strict=True
        ):
            _add(self._shown, node, {len(self._kinds): {name}})
        self._claims = Claims(graph, nodes)
        roles = np.isin(
            graph.kind, graph.kind[graph.right[links[graph.is_role[links]]]]
        )
        own = links[graph.is_use[links] & ~graph.is_role[links]]
        self._own = _shown(graph, own, nodes, roles)
        self._value = dict(zip(names, values, strict=True))
        self._span = _spans(graph, nodes)
        self._uses = _Uses(graph, links)
        self._turn = dict(enumerate(graph.turn_of_kinds.tolist()))
        self._shared: set[int] = set()
        self.public: dict[int, str] = {}

    def judge(self, turn: int) -> None:
        """Find the values that are public, or shared by the users of this turn."""
        due = [kind for kind, at in self._turn.items() if at >= turn]
        for kind in due:
            del self._turn[kind]
            for value in self._uses.of_kind(kind):
                if self._has_too_many_users(value):
                    self.public[value] = "max_users"
        self._shared = set()
        for value in self._uses.values(turn):
            if value not in self.public and self._is_shared(value, turn):
                self._shared.add(value)
                if self._size[self._root(value)] == 1:
                    self.public[value] = "shared"

    def join(self, left: int, right: int, *, is_use: bool) -> str | None:
        """Make one user of two, or say which rule forbids it."""
        for node in (left, right):
            if node in self.public:
                return f"{self.public[node]}:{self.name(node)}"
        if is_use and right in self._shared:
            return f"shared:{self.name(right)}"
        one, other = self._root(left), self._root(right)
        if one == other:
            return None
        reason = self._attaches_only(left, right, one, other) or self._too_many(
            one, other
        )
        if reason is None:
            self._unite(one, other)
        return reason

    def has_own(self, left: int, right: int) -> bool:
        """Whether the left one's user shows another value of this kind as its own."""
        own = self._own.get(self._root(left), {}).get(self._kind[right], set())
        return bool(own) and self._value[right] not in own

    def go_on(self, earlier: int, later: int) -> str | None:
        """Join two periods of a value, or say why its first users were others.

        Who is known before a silence is taken to go on after it. Who is known only
        after it, or differs in what tells people apart, may have got the value from
        those before.
        """
        before, after = self._root(earlier), self._root(later)
        is_new = self._shown.get(after) and not self._shown.get(before)
        if is_new or self._are_told_apart({before, after}):
            return f"window:{self.name(later)}"
        return self.join(earlier, later, is_use=False)

    def _has_too_many_users(self, value: int) -> bool:
        rule = self._kinds[self._kind[value]][1]
        if rule.max_users is None:
            return False
        times = self._uses.times(value)
        if len(times) <= rule.max_users:
            return False
        # What stands on nothing of its own, like a receipt, is nobody yet.
        users = [(self._root(node), span) for node, span in times]
        users = [(user, span) for user, span in users if self._anchored[user]]
        if len({user for user, _ in users}) <= rule.max_users:
            return False
        return _most_at_once(users, rule.window_days) > rule.max_users

    def _is_shared(self, value: int, turn: int) -> bool:
        rule = self._kinds[self._kind[value]][1]
        if rule.when_shared == "eldest":
            return False
        users = {self._root(node) for node in self._uses.users(value, turn)}
        users.add(self._root(value))
        if rule.merges:
            later = self._uses.later_users(value, turn)
            users |= {self._root(n) for n in later if not self.has_own(n, value)}
        if len(users) < 2:
            return False
        if not rule.merges:
            return sum(self._anchored[user] for user in users) > 1
        return self._are_told_apart(users)

    def _are_told_apart(self, users: Collection[int]) -> bool:
        """Whether two of the users differ in a name or in a kind that tells, or one
        has what another would have claimed."""
        # What a user came to hold counts, and until then what its records show.
        shown = [{**self._shown.get(u, {}), **self._held[u]} for u in users]
        for kind in {kind for its in shown for kind in its if self._tells[kind]}:
            values = [its[kind] for its in shown if kind in its]
            if any(one.isdisjoint(other) for one, other in combinations(values, 2)):
                return True
        return self._claims.speak_for_two(users)

    def _attaches_only(self, left: int, right: int, one: int, other: int) -> str | None:
        if self._anchored[one] and self._anchored[other]:
            for node in (left, right):
                if not self._kinds[self._kind[node]][1].merges:
                    return f"merges:{self.name(node)}"
        return None

    def _too_many(self, one: int, other: int) -> str | None:
        for kind in sorted(self._held[one].keys() & self._held[other].keys()):
            name, rule = self._kinds[kind]
            if rule.max_values is None:
                continue
            values = self._held[one][kind] | self._held[other][kind]
            if len(values) <= rule.max_values:
                continue
            if rule.values_window_days is not None:
                spans = [(value, self._span[value]) for value in values]
                if _most_at_once(spans, rule.values_window_days) <= rule.max_values:
                    continue
            return f"max_values:{name}"
        return None

    def _unite(self, one: int, other: int) -> None:
        if self._size[one] < self._size[other]:
            one, other = other, one
        self._parent[other] = one
        self._size[one] += self._size[other]
        self._anchored[one] = self._anchored[one] or self._anchored[other]
        _add(self._held, one, self._held.pop(other))
        self._claims.unite(one, other)
        for values in (self._shown, self._own):
            if other in values:
                _add(values, one, values.pop(other))

    def _root(self, node: int) -> int:
        parent = self._parent
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def name(self, node: int) -> str:
        """The type of a node."""
        return self._kinds[self._kind[node]][0]


def _add(to: dict[int, Values], user: int, values: Values) -> None:
    its = to.setdefault(user, {})
    for kind, more in values.items():
        its.setdefault(kind, set()).update(more)


def _shown(graph: Graph, links: Ints, nodes: Ints, counts: Bools) -> dict[int, Values]:
    """The values that a node is or is directly linked to, however weakly.

    An e-mail speaks for its bearer before its own turn to join has come. ``counts``
    says which nodes have a value that is asked for.
    """
    its = links[counts[graph.right[links]]]
    own = nodes[counts[nodes]]
    shown: dict[int, Values] = {}
    for node, value in zip(
        np.concatenate([own, graph.left[its]]).tolist(),
        np.concatenate([own, graph.right[its]]).tolist(),
        strict=True,
    ):
        kind = int(graph.kind[value])
        shown.setdefault(node, {}).setdefault(kind, set()).add(int(graph.value[value]))
    return shown


def _spans(graph: Graph, nodes: Ints) -> dict[int, Span]:
    """First and last day of the values of kinds that are limited within a window."""
    windowed = np.array([r.values_window_days is not None for _, r in graph.kinds])
    nodes = nodes[windowed[graph.kind[nodes]]]
    spans: dict[int, Span] = {}
    for value, first, last in zip(
        graph.value[nodes].tolist(),
        graph.node_first[nodes].tolist(),
        graph.node_last[nodes].tolist(),
        strict=True,
    ):
        before = spans.get(value, (first, last))
        spans[value] = (min(before[0], first), max(before[1], last))
    return spans


def _most_at_once(spans: Sequence[tuple[int, Span]], window: int | None) -> int:
    """How many different ones were seen within one window, at the most.

    Each counts from its first day until ``window`` days after its last; without a
    window, for ever.
    """
    if window is None:
        return len({one for one, _ in spans})
    steps = [(first, True, one) for one, (first, _) in spans]
    steps += [(last + window, False, one) for one, (_, last) in spans]
    # On one day those who come count before those who go.
    steps.sort(key=lambda step: (step[0], not step[1]))
    here: Counter[int] = Counter()
    most = 0
    for _, comes, one in steps:
        here[one] += 1 if comes else -1
        if not here[one]:
            del here[one]
        most = max(most, len(here))
    return most
