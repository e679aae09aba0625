"""The ops clock: the only place of the package that reads the time of day.

Business columns never come from here; they come from ``ds`` and from the records.
"""

from datetime import UTC, datetime


def now() -> datetime:
    """The present moment, aware, in UTC, to the microsecond."""
    return datetime.now(UTC)


def now_naive() -> datetime:
    """The present moment in UTC without a zone, as operational columns store it."""
    return now().replace(tzinfo=None)
