"""The value rank: how much a user is worth against the others, and by what.

Let b be the share of users without any order. A buyer stands in the upper 1 - b of
the ranks by weighted percentiles p of monetary, frequency and recency among buyers;
another user in the lower b by weighted percentiles of activity among the others:

    buyer   0.5 + b/2       + (1-b) Σ w (p - 0.5)
    other   0.5 - (1-b)/2   +    b  Σ v (p - 0.5)

Percentiles average 0.5, so the mean over all users is 0.5, the baseline, and every
term beside it is a contribution of its own. Since percentiles lie within (0, 1),
each buyer stands above b and each other user below it.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strata.config.tiers import TiersConfig
from strata.scoring.optimum import Floats
from strata.scoring.ranks import Flags, Standing, standing
from strata.scoring.rfm import Rfm

BASELINE = 0.5
BUYER_PARTS = (
    "order_count_total",
    "net_amount_365d",
    "order_count_365d",
    "recency_days",
)
OTHER_PARTS = (
    "order_count_total",
    "active_days_90d",
    "event_count_90d",
    "days_since_active",
)
"""Features that make up the value rank, in the order of the contributions."""


@dataclass(frozen=True)
class Value:
    """Value rank of every user, and its parts.

    ``contributions`` has one row a user and one column a part (``BUYER_PARTS`` or
    ``OTHER_PARTS``); ``rank`` is ``BASELINE`` plus their sum, added in that order.
    ``share_below`` and ``share_above`` say of each part which share of the users it
    is measured among has less, and more. ``rfm_rank`` and ``activity_rank`` are the
    weighted percentiles, null for those they do not apply to.
    """

    is_buyer: Flags
    rank: Floats
    contributions: Floats
    share_below: Floats
    share_above: Floats
    rfm_rank: Floats
    activity_rank: Floats


def value(users: pd.DataFrame, rfm: Rfm, rules: TiersConfig) -> Value:
    """The value rank of users, from RFM and for the others from activity."""
    buyer, size = rfm.is_buyer, len(users)
    other_share = float(np.sum(~buyer)) / max(size, 1)
    w, v = rules.value_weights, rules.activity_weights
    bought = ((rfm.monetary, w.monetary), (rfm.frequency, w.frequency))
    parts = _parts((*bought, (rfm.recency, w.recency)), 1 - other_share)
    active = tuple(
        (standing(sign * users[name].to_numpy(dtype=float), ~buyer), weight)
        for name, sign, weight in (
            ("active_days_90d", 1, v.active_days),
            ("event_count_90d", 1, v.events),
            ("days_since_active", -1, v.recency),
        )
    )
    other = _parts(active, other_share)
    ordered = standing(buyer.astype(float), np.ones(size, dtype=bool))
    has_ordered = np.where(buyer, other_share / 2, (other_share - 1) / 2)

    def choose(first: Floats, of_buyers: Floats, of_others: Floats) -> Floats:
        rest = np.where(buyer[:, None], of_buyers, of_others)
        return np.column_stack([first, rest])

    contributions = choose(has_ordered, parts.contributions, other.contributions)
    rank = np.full(size, BASELINE)
    for part in contributions.T:
        rank = rank + part
    return Value(
        is_buyer=buyer,
        rank=rank,
        contributions=contributions,
        share_below=choose(ordered.below / max(size, 1), parts.below, other.below),
        share_above=choose(ordered.above / max(size, 1), parts.above, other.above),
        rfm_rank=parts.weighted,
        activity_rank=other.weighted,
    )


def part_names(is_buyer: Flags) -> NDArray[np.object_]:
    """The feature behind each contribution, one row a user."""
    names = np.array([OTHER_PARTS, BUYER_PARTS], dtype=object)
    return np.asarray(names[is_buyer.astype(int)])


@dataclass(frozen=True)
class _Parts:
    contributions: Floats
    below: Floats
    above: Floats
    weighted: Floats


def _parts(weighted: tuple[tuple[Standing, float], ...], scale: float) -> _Parts:
    standings = [item for item, _ in weighted]
    weights = np.array([weight for _, weight in weighted])
    percentiles = np.column_stack([item.percentile for item in standings])
    size = max(standings[0].size, 1)
    return _Parts(
        contributions=scale * weights * (percentiles - BASELINE),
        below=np.column_stack([item.below for item in standings]) / size,
        above=np.column_stack([item.above for item in standings]) / size,
        weighted=np.asarray((percentiles * weights).sum(axis=1)),
    )
