"""Why a user stands where they stand: the strongest contributions, in words."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from strata.scoring.optimum import Codes, Floats
from strata.scoring.value import BUYER_PARTS, OTHER_PARTS, Value, part_names

T = TypeVar("T", bound=np.generic)

REASONS_PER_USER = 3
_DIRECTIONS = ("less", "same", "more")

# Of each part: below the middle, like most, above the middle. {n} is the share in
# percent, rounded down to one of STEPS, of those compared with who really have more, or
# less. Coarse on purpose: a reason that changed its number every day would be written
# to the CRM every day, for everybody.
STEPS = (0, 1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99)
TEXTS: dict[str, tuple[str, str, str]] = {
    "order_count_total": (
        "Has not bought yet, unlike {n} % of users",
        "Nearly all users are alike in whether they have bought",
        "Has bought before, unlike {n} % of users",
    ),
    "net_amount_365d": (
        "Spent less in the last year than {n} % of customers",
        "Spent about as much in the last year as most customers",
        "Spent more in the last year than {n} % of customers",
    ),
    "order_count_365d": (
        "Ordered less often in the last year than {n} % of customers",
        "Ordered about as often in the last year as most customers",
        "Ordered more often in the last year than {n} % of customers",
    ),
    "recency_days": (
        "Last ordered longer ago than {n} % of customers",
        "Last ordered about when most customers did",
        "Ordered more recently than {n} % of customers",
    ),
    "active_days_90d": (
        "Active on fewer of the last 90 days than {n} % of users without orders",
        "Active on about as many of the last 90 days as most users without orders",
        "Active on more of the last 90 days than {n} % of users without orders",
    ),
    "event_count_90d": (
        "Did less in the last 90 days than {n} % of users without orders",
        "Did about as much in the last 90 days as most users without orders",
        "Did more in the last 90 days than {n} % of users without orders",
    ),
    "days_since_active": (
        "Last active longer ago than {n} % of users without orders",
        "Last active about when most users without orders were",
        "Active more recently than {n} % of users without orders",
    ),
}


@dataclass(frozen=True)
class Reason:
    """The reasons of one rank (1 is the strongest), one element a user."""

    rank: int
    feature: NDArray[np.object_]
    contribution: Floats
    text_key: NDArray[np.object_]
    text: NDArray[np.object_]


def reasons(value: Value) -> list[Reason]:
    """The three parts of each user's value rank that weigh most, either way.

    Where two weigh the same, the earlier in ``BUYER_PARTS`` or ``OTHER_PARTS`` leads.
    That a buyer has bought is no reason among buyers, though it weighs most: it would
    come first for every one of them and tell nobody anything.
    """
    weights = np.abs(value.contributions)
    weights[:, 0] = np.where(value.is_buyer, -1.0, weights[:, 0])
    order = np.argsort(-weights, axis=1, kind="stable")
    keys, texts = _wordings()
    features = part_names(value.is_buyer)
    group = np.where(value.is_buyer, len(OTHER_PARTS), 0)
    found = []
    for rank in range(REASONS_PER_USER):
        part = order[:, rank]
        contribution = _pick(value.contributions, part)
        direction, percent = _direction(value, part, contribution)
        found.append(
            Reason(
                rank=rank + 1,
                feature=_pick(features, part),
                contribution=contribution,
                text_key=keys[group + part, direction],
                text=texts[group + part, direction, percent],
            )
        )
    return found


def _direction(value: Value, part: Codes, contribution: Floats) -> tuple[Codes, Codes]:
    """Which of ``_DIRECTIONS`` to say, and the percent that goes with it."""
    share = np.where(
        contribution > 0,
        _pick(value.share_below, part),
        np.where(contribution < 0, _pick(value.share_above, part), 0.0),
    )
    steps = np.array(STEPS)
    found = np.searchsorted(steps, share * 100 + 1e-9, side="right") - 1
    percent = steps[found].astype(np.intp)
    direction = np.where(percent == 0, 0, np.sign(contribution)).astype(np.intp) + 1
    return direction, percent


def _wordings() -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    """Keys by part and direction, and texts by part, direction and percent."""
    parts = (*OTHER_PARTS, *BUYER_PARTS)
    keys = [[f"{part}.{direction}" for direction in _DIRECTIONS] for part in parts]
    texts = [
        [[text.format(n=n) for n in range(100)] for text in TEXTS[part]]
        for part in parts
    ]
    return np.array(keys, dtype=object), np.array(texts, dtype=object)


def _pick(table: NDArray[T], part: Codes) -> NDArray[T]:
    return table[np.arange(part.size), part]
