"""The day of a run: a tenant's local day, and its bounds in UTC."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_KNOWN_AFTER = timedelta(hours=1, minutes=30)


def day_bounds(ds: date, timezone: str) -> tuple[datetime, datetime]:
    """First moment of the local day ``ds`` and of the day after it.

    Both are naive UTC; the end is exclusive. A day that changes to or from daylight
    saving is 23 or 25 hours long.
    """
    zone = ZoneInfo(timezone)

    def start(day: date) -> datetime:
        return datetime.combine(day, time(), zone).astimezone(UTC).replace(tzinfo=None)

    return start(ds), start(ds + timedelta(days=1))


def known_on(ds: date, timezone: str) -> datetime:
    """When what arrived on the local day ``ds`` is known: 01:30 of the day after.

    Naive UTC. It is nominal: a file says which day it came, not when it was read, so
    that the same files tell the same whenever a run takes them in.
    """
    midnight = datetime.combine(ds + timedelta(days=1), time(), ZoneInfo(timezone))
    return (midnight + _KNOWN_AFTER).astimezone(UTC).replace(tzinfo=None)


def local_date(moment: datetime, timezone: str) -> date:
    """The tenant's date at an aware ``moment``."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone: an aware moment is needed")
    return moment.astimezone(ZoneInfo(timezone)).date()


def run_date(
    requested: str | None, data_interval_start: datetime | None, timezone: str
) -> date:
    """The day a run is for: the one asked for, else the scheduled interval's.

    ``requested`` is ``YYYY-MM-DD`` (the DAG parameter ``ds``). Without it the local
    date of ``data_interval_start`` counts. Raises ``ValueError`` where neither is
    there: a manual run has no interval, and guessing from the clock would make it
    depend on when it is started.
    """
    if requested:
        try:
            return date.fromisoformat(requested)
        except ValueError:
            raise ValueError(
                f"ds {requested!r} is not a date: write it as YYYY-MM-DD"
            ) from None
    if data_interval_start is None:
        raise ValueError(
            "this run has no day: give the parameter ds (YYYY-MM-DD), "
            "or let the scheduler start it"
        )
    return local_date(data_interval_start, timezone)
