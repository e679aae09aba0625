"""Seeded chance: one generator for each purpose and day, so that days stand alone.

What day 200 draws does not depend on whether day 199 was drawn in the same call.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]

NEVER = 1_000_000  # the number of a day that does not come


class Stream(IntEnum):
    """What a generator is for. Numbers are never reused: they decide the bytes."""

    KEYS = 1
    BEHAVIOUR = 2
    PROFILE = 3
    MEMBERSHIP = 4
    CONTACT = 5
    CONSENT = 6
    PURCHASES = 7
    APP_EVENTS = 8
    MINI_EVENTS = 9
    FAULTS = 10
    REGISTERS = 11
    REACH = 12
    TEMPER = 13
    WEB_EVENTS = 14
    DRIVES = 15
    MESSAGES = 16
    CLICKS = 17
    COSTS = 18
    SOCIAL = 19
    WECOM = 20
    TICKETS = 21
    OPINIONS = 22
    POINTS = 23
    COUPONS = 24
    MEETINGS = 25
    REFERRALS = 26
    JOINED = 27
    MOODS = 28
    REVIEWS = 29
    GROUPS = 30
    DEVICES = 31
    TASTES = 32


def generator(seed: int, stream: Stream, day: int) -> np.random.Generator:
    """The generator of one purpose on one day (its number)."""
    return np.random.default_rng([seed, int(stream), day])


def pick(
    rng: np.random.Generator, weights: Sequence[float] | Floats, size: int
) -> Ints:
    """``size`` indices drawn with the given weights, which need not add up to 1."""
    bounds = np.cumsum(np.asarray(weights, dtype=np.float64))
    drawn = np.searchsorted(bounds, rng.random(size) * bounds[-1], side="right")
    indices: Ints = np.minimum(drawn, len(bounds) - 1).astype(np.int64)
    return indices


def happening(rng: np.random.Generator, rates: Floats) -> Ints:
    """Who does something today, once for each time, in no order: Poisson by rate.

    Rates are small and persons many: the number of all that happens is drawn first,
    then whose each is. That is the same law as a Poisson draw for every person.
    """
    bounds = np.cumsum(rates)
    total = float(bounds[-1]) if len(bounds) else 0.0
    drawn = np.searchsorted(bounds, rng.random(int(rng.poisson(total))) * total)
    who: Ints = np.minimum(drawn, len(rates) - 1).astype(np.int64)
    return who


def seconds_of_day(rng: np.random.Generator, hours: Sequence[float], size: int) -> Ints:
    """Seconds of a local day; ``hours`` are 24 weights."""
    seconds: Ints = pick(rng, hours, size) * 3600 + rng.integers(0, 3600, size)
    return seconds


def days_until(rng: np.random.Generator, yearly_rate: float, size: int) -> Ints:
    """Whole days (at least 1) until something that happens at a yearly rate."""
    days = rng.exponential(365.0 / yearly_rate, size)
    return np.minimum(days, NEVER).astype(np.int64) + 1
