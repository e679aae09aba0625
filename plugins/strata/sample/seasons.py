"""The calendar of the sample world: what a day of the year does to people.

A factor multiplies a daily rate; 1.0 is an ordinary day. All of them are functions of
the date alone.
"""

from datetime import date, timedelta
from functools import cache
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Shanghai")
UTC_OFFSET_HOURS = 8  # China has kept it since 1992, without daylight saving

_WEEKDAY_ORDERS = (0.88, 0.90, 0.93, 0.97, 1.10, 1.25, 1.17)
_WEEKDAY_SESSIONS = (0.95, 0.95, 0.97, 0.98, 1.02, 1.08, 1.05)
_FESTIVALS = {  # (month, day): (orders, sessions, sign-ups)
    (11, 9): (1.2, 1.3, 1.2),
    (11, 10): (1.6, 1.7, 1.5),
    (11, 11): (4.0, 2.5, 3.0),
    (11, 12): (1.3, 1.2, 1.2),
    (12, 12): (1.8, 1.4, 1.4),
    (6, 17): (1.4, 1.3, 1.2),
    (6, 18): (2.6, 1.8, 2.0),
}
_CAMPAIGNS = (  # (first, last as month and day, name)
    ((1, 20), (2, 17), "spring-festival"),
    ((6, 10), (6, 20), "618"),
    ((8, 10), (8, 20), "qixi"),
    ((11, 1), (11, 12), "double-11"),
    ((12, 8), (12, 12), "double-12"),
)


# The first day of the Chinese year, from 2024 to 2033.
_NEW_YEARS = (
    *(date(2024, 2, 10), date(2025, 1, 29), date(2026, 2, 17), date(2027, 2, 6)),
    *(date(2028, 1, 26), date(2029, 2, 13), date(2030, 2, 3), date(2031, 1, 23)),
    *(date(2032, 2, 11), date(2033, 1, 31)),
)


def orders_factor(day: date) -> float:
    """Weekday, month-end and Spring Festival effect on the number of purchases."""
    month_end = 1.25 if (day + timedelta(days=3)).month != day.month else 1.0
    return _WEEKDAY_ORDERS[day.weekday()] * month_end * _spring(day)[0]


def promotion_factor(day: date) -> float:
    """What a shopping festival does to the purchases of a person like any other.

    Who likes discounts feels it more: see ``strata.sample.purchases``.
    """
    return _festival(day)[0]


def sessions_factor(day: date) -> float:
    """The same on the number of sessions in the app and the mini programs."""
    return _WEEKDAY_SESSIONS[day.weekday()] * _festival(day)[1] * _spring(day)[1]


def sign_ups_factor(day: date) -> float:
    """The same on the number of people who sign up."""
    return _WEEKDAY_ORDERS[day.weekday()] * _festival(day)[2]


@cache
def campaign(day: date) -> str:
    """The campaign that runs on a day; there is always one.

    A festival's where there is one, else the month's first or last week, else the
    weekly newsletter.
    """
    for first, last, name in _CAMPAIGNS:
        if first <= (day.month, day.day) <= last:
            return f"{name}-{day.year}"
    if day.day <= 5:
        return f"new-month-{day:%Y-%m}"
    if day.day >= 25:
        return f"payday-{day:%Y-%m}"
    year, week, _ = day.isocalendar()
    return f"newsletter-{year}-w{week:02d}"


def begins(day: date) -> bool:
    """Whether the day's campaign was not there the day before."""
    return campaign(day) != campaign(day - timedelta(days=1))


def is_festive(day: date) -> bool:
    """Whether the day's campaign is that of a festival."""
    return any(first <= (day.month, day.day) <= last for first, last, _ in _CAMPAIGNS)


def _spring(day: date) -> tuple[float, float]:
    """Orders and sessions around the new year: gifts before, a quiet week from it."""
    for first in _NEW_YEARS:
        after = (day - first).days
        if -21 <= after < -2:
            return 1.35, 1.1
        if -2 <= after < 8:
            return 0.45, 1.25
    return 1.0, 1.0


def _festival(day: date) -> tuple[float, float, float]:
    return _FESTIVALS.get((day.month, day.day), (1.0, 1.0, 1.0))
