"""Chains of evidence between records: the shortest way, and what barred it."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from strata.identity.decisions import Record, masked

SAME_RECORD = "same_record"
SAME_VALUE_LATER = "same_value_later"


class Value(NamedTuple):
    """An identifier value in one period of its use."""

    identifier_type: str
    value_hash: str
    period: int

    @property
    def masked(self) -> str:
        """The first characters of the hash."""
        return masked(self.value_hash)


class Link(NamedTuple):
    """What joins two places: an edge, or a record's own identifier without one.

    ``rejected_by`` is the rule that rejected it, None where it counts.
    """

    rule: str = SAME_RECORD
    edge_id: str | None = None
    strength: int | None = None
    rejected_by: str | None = None


@dataclass(frozen=True)
class Step:
    """What ties two records: an identifier value that both show, or a match.

    The value is masked: the first characters of its hash; type and value are None for
    a match, which ``rule`` names. It is ``same_value_later`` where the records used the
    value in different periods. ``strength`` is that of the weakest link; ``edge_ids``
    are the links behind the step: for each of the two records whose own identifier
    this is not, and for what lies between. ``rejected_by`` are the rules that
    rejected any of them: a step that has one joins nobody.
    """

    left_record: str
    right_record: str
    identifier_type: str | None
    masked_value: str | None
    rule: str
    edge_ids: tuple[str, ...]
    strength: int | None = None
    rejected_by: tuple[str, ...] = ()


Place = Record | Value


@dataclass
class Bonds:
    """Which records hold which values, and what else ties two values."""

    around: dict[Place, dict[Place, Link]] = field(default_factory=dict)

    def add(self, one: Place, other: Place, link: Link) -> None:
        """Tie two places; of several links between them one that counts stays."""
        standing = self.around.get(one, {}).get(other)
        if standing is not None and standing.rejected_by is None:
            return
        self.around.setdefault(one, {})[other] = link
        self.around.setdefault(other, {})[one] = link


def shortest(bonds: Bonds, start: Record, goal: Record) -> list[Step] | None:
    """The chain of the fewest rejected links, and among those the shortest.

    It depends on the content alone: of ways as good the first in order of names.
    """
    came_from: dict[Place, Place | None] = {}
    ahead: list[tuple[int, int, tuple[str, ...], Place, Place | None]] = [
        (0, 0, (), start, None)
    ]
    while ahead and goal not in came_from:
        barred, length, _, here, before = heapq.heappop(ahead)
        if here in came_from:
            continue
        came_from[here] = before
        for there, link in bonds.around.get(here, {}).items():
            if there not in came_from:
                cost = barred + (link.rejected_by is not None)
                order = _name(there) + _name(here)
                heapq.heappush(ahead, (cost, length + 1, order, there, here))
    if goal not in came_from:
        return None
    path: list[Place] = []
    end: Place | None = goal
    while end is not None:
        path.append(end)
        end = came_from[end]
    return list(_steps(bonds, path[::-1]))


def _name(place: Place) -> tuple[str, ...]:
    return (type(place).__name__, *(str(part) for part in place))


def _steps(bonds: Bonds, path: Sequence[Place]) -> Iterator[Step]:
    """The path with every stretch of values between two records made one step."""
    stretch: list[Place] = []
    for place in path:
        stretch.append(place)
        if isinstance(place, Record) and len(stretch) > 1:
            yield _step(bonds, stretch)
            stretch = [place]


def _step(bonds: Bonds, stretch: Sequence[Place]) -> Step:
    links = [bonds.around[a][b] for a, b in pairwise(stretch)]
    between = [link.rule for link in links if link.rule != SAME_RECORD]
    matched = next((rule for rule in between if rule != SAME_VALUE_LATER), None)
    value = stretch[1]
    assert isinstance(value, Value)
    strengths = [link.strength for link in links if link.strength is not None]
    return Step(
        left_record=str(stretch[0]),
        right_record=str(stretch[-1]),
        identifier_type=None if matched else value.identifier_type,
        masked_value=None if matched else value.masked,
        rule=matched or (SAME_VALUE_LATER if between else SAME_RECORD),
        edge_ids=tuple(link.edge_id for link in links if link.edge_id is not None),
        strength=min(strengths, default=None),
        rejected_by=tuple(
            dict.fromkeys(link.rejected_by for link in links if link.rejected_by)
        ),
    )
