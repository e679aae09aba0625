"""Where a value stands among others: percentiles, quintiles and cuts.

Equal values always stand equal, and the order of rows never matters.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strata.scoring.optimum import Floats

Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Standing:
    """How many of ``size`` users lie below each user, and how many are equal to it.

    A user counts among its own equals. The numbers of users who do not take part
    (``among`` false) mean nothing.
    """

    below: Counts
    equal: Counts
    among: Flags
    size: int

    @property
    def above(self) -> Counts:
        """How many lie above each user."""
        return self.size - self.below - self.equal

    @property
    def percentile(self) -> Floats:
        """Share below plus half of the share of equals: in (0, 1), 0.5 on average.

        NaN for those who do not take part.
        """
        middle = (self.below + self.equal / 2) / max(self.size, 1)
        return np.where(self.among, middle, np.nan)

    @property
    def quintile(self) -> Counts:
        """1 (lowest) to 5, by the share that lies below; 0 for those not in."""
        return np.where(self.among, self.below * 5 // max(self.size, 1) + 1, 0)

    def in_first(self, count: int) -> Flags:
        """Who is among the first ``count`` from the top, and never more than that.

        A group of equals is in as a whole or, where it does not fit, not at all.
        """
        return self.among & (self.size - self.below <= count)

    def in_top(self, share: float) -> Flags:
        """Who is in the top ``share`` of those who take part, as ``in_first``."""
        return self.in_first(cut(share, self.size))


def standing(values: Floats, among: Flags) -> Standing:
    """The standing of ``values`` among the users marked; null is below every value."""
    below = np.zeros(values.size, dtype=np.int64)
    equal = np.zeros(values.size, dtype=np.int64)
    taking_part = np.where(np.isnan(values), -np.inf, values)[among]
    _, code, count = np.unique(taking_part, return_inverse=True, return_counts=True)
    before = np.cumsum(count) - count
    below[among], equal[among] = before[code], count[code]
    return Standing(below, equal, among, int(among.sum()))


def cut(share: float, size: int) -> int:
    """How many users a share is, rounded up; 0.03 of 100 is 3, not 4."""
    return math.ceil(round(share * size, 9))
