"""Who is one person: groups of records that agree on the whole, not by one bridge.

Groups are joined as long as the mean weight between their records reaches a threshold
(average linkage). A pair that was never compared counts as undecided, 0. So one wrong
pair does not join two people of ten records each, as connected components would.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MOST = 15.0
"""A pair counts up to this weight, so that it cannot outvote all others."""


_ANY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class Apart:
    """What may not meet in one group: pairs, and records of one and the same kind.

    ``kinds`` has a number for each record: 0, or that of a source without duplicates.
    """

    kinds: Ints | None = None
    pairs: frozenset[tuple[int, int]] = field(default_factory=frozenset)


def group(
    records: int, left: Ints, right: Ints, weight: Floats, least: float, apart: Apart
) -> Ints:
    """A group number for each of ``records``, from pairs and their weights.

    The number is that of the first record of the group. ``least`` is above 0.
    """
    links = _Links(records, left, right, np.clip(weight, None, MOST), least, apart)
    links.join_all()
    return links.labels()


def chain(records: int, left: Ints, right: Ints, weight: Floats, apart: Apart) -> Ints:
    """Groups by single pairs, all of them good enough: the heaviest are joined first.

    A pair gives way where it would join what is to stay ``apart``.
    """
    links = _Links(records, left, right, weight, _ANY, apart)
    links.join_all()
    return links.labels()


class _Links:
    """Groups, the sum of the weights between them, and which of them may not meet."""

    def __init__(
        self,
        records: int,
        left: Ints,
        right: Ints,
        weight: Floats,
        least: float,
        apart: Apart,
    ) -> None:
        self._least = least
        self._sums: list[dict[int, float]] = [{} for _ in range(records)]
        self._members: list[list[int]] = [[n] for n in range(records)]
        kinds = np.zeros(records) if apart.kinds is None else apart.kinds
        self._kinds = [{int(kind)} - {0} for kind in kinds]
        self._refused: list[set[int]] = [set() for _ in range(records)]
        for one, other in sorted(apart.pairs):
            self._refused[one].add(other)
            self._refused[other].add(one)
        self._waiting: list[tuple[float, int, int]] = []
        order = np.lexsort((right, left))
        rows = (left[order].tolist(), right[order].tolist(), weight[order].tolist())
        for one, other, worth in zip(*rows, strict=True):
            self._sums[one][other] = self._sums[other][one] = worth
            self._wait(one, other, worth)

    def join_all(self) -> None:
        """Join the two groups with the highest mean, until none reaches the least."""
        while self._waiting:
            mean, one, other = heapq.heappop(self._waiting)
            total = self._sums[one].get(other)
            if total is None or self._mean(one, other, total) != -mean:
                continue
            if self._may_meet(one, other):
                self._join(one, other)

    def labels(self) -> Ints:
        """The first record of the group of each record."""
        label = np.empty(len(self._members), np.int64)
        for members in self._members:
            label[members] = min(members, default=0)
        return label

    def _mean(self, one: int, other: int, total: float) -> float:
        return total / (len(self._members[one]) * len(self._members[other]))

    def _wait(self, one: int, other: int, total: float) -> None:
        mean = self._mean(one, other, total)
        if mean >= self._least:
            heapq.heappush(self._waiting, (-mean, min(one, other), max(one, other)))

    def _may_meet(self, one: int, other: int) -> bool:
        if self._kinds[one] & self._kinds[other]:
            return False
        return self._refused[one].isdisjoint(self._members[other])

    def _join(self, one: int, other: int) -> None:
        if len(self._sums[one]) < len(self._sums[other]):
            one, other = other, one
        self._members[one] += self._members[other]
        self._kinds[one] |= self._kinds[other]
        self._refused[one] |= self._refused[other]
        moved, self._sums[other], self._members[other] = self._sums[other], {}, []
        del self._sums[one][other], moved[one]
        for third, worth in moved.items():
            del self._sums[third][other]
            total = self._sums[one].get(third, 0.0) + worth
            self._sums[one][third] = self._sums[third][one] = total
        for third, total in self._sums[one].items():
            self._wait(one, third, total)


def within(label: Ints, left: Ints, right: Ints) -> npt.NDArray[np.bool_]:
    """Which pairs lie within a group."""
    return np.asarray(label[left] == label[right], dtype=np.bool_)


def pairs_of(rows: Iterable[tuple[int, int]]) -> frozenset[tuple[int, int]]:
    """Pairs with the smaller number first."""
    return frozenset((min(pair), max(pair)) for pair in rows)
