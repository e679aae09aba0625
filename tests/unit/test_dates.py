"""The day of a run is the tenant's local day, however the run was started."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strata.dates import day_bounds, local_date, run_date

ZONES = ["Asia/Shanghai", "America/New_York", "Europe/London"]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("clock", [(0, 30), (23, 30)])
@pytest.mark.parametrize(
    "day",
    [
        date(2026, 3, 8),  # New York springs forward
        date(2026, 3, 29),  # London springs forward
        date(2026, 10, 25),  # London falls back
        date(2026, 11, 1),  # New York falls back
        date(2026, 12, 31),
    ],
)
def test_a_moment_of_the_local_day_gives_that_day(
    zone: str, clock: tuple[int, int], day: date
) -> None:
    moment = datetime(day.year, day.month, day.day, *clock, tzinfo=ZoneInfo(zone))

    assert local_date(moment.astimezone(UTC), zone) == day
    start, end = day_bounds(day, zone)
    assert start <= moment.astimezone(UTC).replace(tzinfo=None) < end


def test_a_day_that_changes_the_clock_is_23_or_25_hours_long() -> None:
    def hours(day: date) -> float:
        start, end = day_bounds(day, "America/New_York")
        return (end - start) / timedelta(hours=1)

    assert hours(date(2026, 3, 8)) == 23
    assert hours(date(2026, 11, 1)) == 25
    assert hours(date(2026, 7, 1)) == 24


@given(
    st.dates(min_value=date(2000, 1, 1), max_value=date(2050, 1, 1)),
    st.sampled_from(ZONES),
)
def test_days_tile_time_without_gap_or_overlap(day: date, zone: str) -> None:
    assert day_bounds(day, zone)[1] == day_bounds(day + timedelta(days=1), zone)[0]


def test_the_day_asked_for_wins_over_the_interval() -> None:
    start = datetime(2026, 1, 5, 20, tzinfo=UTC)

    assert run_date("2026-10-03", start, "Asia/Shanghai") == date(2026, 10, 3)
    assert run_date(None, start, "Asia/Shanghai") == date(2026, 1, 6)
    assert run_date(None, start, "America/New_York") == date(2026, 1, 5)


def test_a_run_without_a_day_is_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match="give the parameter ds"):
        run_date(None, None, "Asia/Shanghai")
    with pytest.raises(ValueError, match="write it as YYYY-MM-DD"):
        run_date("3 October", None, "Asia/Shanghai")
    with pytest.raises(ValueError, match="no time zone"):
        run_date(None, datetime(2026, 1, 5), "Asia/Shanghai")
