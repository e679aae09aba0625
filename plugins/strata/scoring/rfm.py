"""RFM: recency, frequency and monetary value over 365 days."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strata.config.tiers import RfmRules
from strata.scoring.ranks import Counts, Flags, Standing, standing


@dataclass(frozen=True)
class Rfm:
    """RFM of every user; ``is_buyer`` are those with any counted order ever.

    The standings are among buyers. The quintiles (1 to 5, 0 for others) are drawn
    among the buyers of the last 365 days alone; a buyer whose last order is older is
    in the lowest quintile of each. So they do not bunch up as the years go by.
    """

    is_buyer: Flags
    recency: Standing
    frequency: Standing
    monetary: Standing
    quintiles: dict[str, Counts]
    segment: NDArray[np.object_]


def rfm(users: pd.DataFrame, rules: RfmRules) -> Rfm:
    """RFM of users with columns order_count_total, order_count_365d,
    net_amount_365d (null counts as 0) and recency_days.
    """
    count = np.nan_to_num(users["order_count_365d"].to_numpy(dtype=float))
    is_buyer = np.nan_to_num(users["order_count_total"].to_numpy(dtype=float)) > 0
    is_recent = is_buyer & (count > 0)
    values = {
        "recency": -users["recency_days"].to_numpy(dtype=float),
        "frequency": count,
        "monetary": np.nan_to_num(users["net_amount_365d"].to_numpy(dtype=float)),
    }
    standings = {name: standing(v, is_buyer) for name, v in values.items()}
    quintiles = {
        name: np.where(is_buyer, np.maximum(standing(v, is_recent).quintile, 1), 0)
        for name, v in values.items()
    }
    return Rfm(
        is_buyer,
        **standings,
        quintiles=quintiles,
        segment=_segments(quintiles, rules),
    )


def _segments(quintiles: dict[str, Counts], rules: RfmRules) -> NDArray[np.object_]:
    """The named segment of each user, through a table of all combinations."""
    names = np.full((6, 6, 6), rules.no_purchase, dtype=object)
    for cell, name in rules.names().items():
        names[cell] = name
    return np.asarray(
        names[quintiles["recency"], quintiles["frequency"], quintiles["monetary"]]
    )
