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


def days_until(rng: np.random.Generator, yearly_rate: float, size: int) -> Ints:
    """Whole days (at least 1) until something that happens at a yearly rate."""
    days = rng.exponential(365.0 / yearly_rate, size)
    return np.minimum(days, NEVER).astype(np.int64) + 1
