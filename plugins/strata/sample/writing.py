"""How values of a day are written down by the source systems."""

from collections.abc import Iterable

import numpy as np

from strata.sample.chance import Ints
from strata.sample.seasons import UTC_OFFSET_HOURS

LAST_SECOND = 24 * 3600 - 1


def local_times(epoch_day: int, days: Ints | int, seconds: Ints) -> list[str]:
    """``YYYY-MM-DD HH:MM:SS``, local: seconds of a day, on days after day 0."""
    moments = _moments(epoch_day, days, seconds)
    return [text.replace("T", " ") for text in np.datetime_as_string(moments).tolist()]


def utc_times(epoch_day: int, days: Ints | int, seconds: Ints) -> list[str]:
    """The same moments as ISO-8601 in UTC, ``2026-10-31T08:00:00Z``."""
    moments = _moments(epoch_day, days, seconds) - np.timedelta64(
        UTC_OFFSET_HOURS * 3600, "s"
    )
    return [f"{text}Z" for text in np.datetime_as_string(moments).tolist()]


def amounts(cents: Ints) -> list[str]:
    """Cents as a decimal text with two places; negative ones too."""
    return [amount(value) for value in cents.tolist()]


def amount(cents: int) -> str:
    """One amount in cents as a decimal text with two places."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def texts(numbers: Iterable[int]) -> list[str]:
    """Whole numbers as texts."""
    return [str(number) for number in numbers]


def _moments(
    epoch_day: int, days: Ints | int, seconds: Ints
) -> np.ndarray[tuple[int], np.dtype[np.datetime64]]:
    total = (epoch_day + np.asarray(days, dtype=np.int64)) * 86_400 + seconds
    return total.astype("datetime64[s]")
