"""The ops clock: the only place of the package that reads the time of day.

Business columns never come from here; they come from ``ds`` and from the records.
"""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """The present moment, aware, in UTC, to the microsecond."""
    return datetime.now(UTC)


def now_naive() -> datetime:
    """The present moment in UTC without a zone, as operational columns store it."""
    return now().replace(tzinfo=None)


def process_seconds() -> float:
    """Wall seconds since this process was started by the operating system."""
    import psutil

    return max(time.time() - float(psutil.Process().create_time()), 0.0)


class Stopwatch:
    """Seconds of wall time since it was made, on a clock that never jumps."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started
