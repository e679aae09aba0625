"""Old snapshots go by a rule that forgets the same whenever it is applied."""

from datetime import date, timedelta

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st
from strata.features.thinning import SNAPSHOTS, thin

FIRST = date(2025, 1, 1)


def kept(days: set[date], *thinned_on: date, daily_days: int) -> set[date]:
    with duckdb.connect() as con:
        con.execute("create schema features")
        con.execute(f"create table {SNAPSHOTS} (ds date, unified_user_id varchar)")
        for day in sorted(days):
            con.execute(
                f"insert into {SNAPSHOTS} values (?, 'u_1'), (?, 'u_2')", [day] * 2
            )
        for day in thinned_on:
            thin(con, day, daily_days)
        rows = con.execute(
            f"select ds, count(*) from {SNAPSHOTS} group by ds"
        ).fetchall()
    assert all(count == 2 for _, count in rows)
    return {day for day, _ in rows}


def test_every_day_for_a_while_then_the_last_of_a_month() -> None:
    days = {FIRST + timedelta(n) for n in range(90)}

    left = kept(days, date(2025, 3, 31), daily_days=31)

    recent = {day for day in days if day > date(2025, 2, 28)}
    assert left == recent | {date(2025, 1, 31), date(2025, 2, 28)}


@settings(max_examples=30)
@given(
    st.sets(st.integers(0, 150), min_size=1, max_size=40),
    st.integers(31, 60),
    st.integers(0, 40),
)
def test_thinned_each_day_or_once_the_same_is_left(
    numbers: set[int], daily_days: int, more: int
) -> None:
    days = {FIRST + timedelta(n) for n in numbers}
    newest = max(days) + timedelta(more)
    each = [*sorted(days), newest]

    once = kept(days, newest, daily_days=daily_days)

    assert kept(days, *each, newest, daily_days=daily_days) == once
    assert {(d.year, d.month) for d in once} == {(d.year, d.month) for d in days}
    assert {d for d in days if d > newest - timedelta(daily_days)} <= once
