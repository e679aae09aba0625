"""Which rows came later than the look-back: counted once, however the days were run."""

import contextlib
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strata import lateness
from strata.dates import day_bounds, known_on
from strata.run import Run
from strata.warehouse import DuckDBWarehouse

ZONE = "America/New_York"
FIRST = date(2026, 3, 2)
"""The clocks go forward within the week after it."""
DAYS = 12
LOOK_BACK = 3
TENANT: Any = SimpleNamespace(world=SimpleNamespace(look_back_days=LOOK_BACK))
Late = Counter[tuple[str, date, date]]


class Row(NamedTuple):
    """A fact, by days since FIRST: of which it is, named by its file, and there."""

    relation: str
    happened: int
    named: int
    there: int
    minute: int


@st.composite
def facts(draw: st.DrawFn) -> Row:
    """Mostly a file comes on the day of its name; some come later."""
    happened = draw(st.integers(-10, DAYS - 1))
    named = happened + draw(st.integers(0, 8))
    return Row(
        draw(st.sampled_from(list(lateness.FACTS))),
        happened,
        named,
        named + draw(st.just(0) | st.integers(0, 5)),
        draw(st.sampled_from((0, 1, 719, 1379))),
    )


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    warehouse = DuckDBWarehouse(tmp_path_factory.mktemp("shop"))
    warehouse.migrate()
    with warehouse.connection("test") as con:
        yield con


@contextlib.contextmanager
def begun(con: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """A tenant before its first run; nothing of it is left afterwards."""
    con.begin()
    con.execute("create schema staging; create schema build_staging")
    try:
        yield con
    finally:
        con.rollback()


def write(
    con: duckdb.DuckDBPyConnection, schema: str, rows: list[Row], ds: date
) -> None:
    """Staging as it is once all is read that is there on ``ds``."""
    for relation, (happened, known) in lateness.FACTS.items():
        con.execute(
            f"create or replace table {schema}.{relation}"
            f" ({happened} timestamp, {known} timestamp)"
        )
        moments = [
            (
                day_bounds(day(row.happened), ZONE)[0] + timedelta(minutes=row.minute),
                known_on(max(day(row.named), FIRST - timedelta(days=1)), ZONE),
            )
            for row in rows
            if row.relation == relation and day(row.there) <= ds
        ]
        if moments:
            con.executemany(f"insert into {schema}.{relation} values (?, ?)", moments)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def publish(con: duckdb.DuckDBPyConnection, stage: str, run: Run) -> None:
    con.executemany(
        "insert into audit.publications (stage, ds, run_id, fingerprint, rows,"
        " is_newest, _published_at) values (?, ?, ?, 'f', 1, true, ?)",
        [
            [stage, ds, run.run_id, f"{run.ds} 0{run.run_id[-1]}:00:00"]
            for ds in run.days
        ],
    )


def counted(con: duckdb.DuckDBPyConnection, run_id: str) -> Late:
    rows = con.execute(
        "select relation, happened_on, known_on, rows from audit.late_rows"
        " where run_id = ?",
        [run_id],
    ).fetchall()
    return Counter({tuple(row[:3]): row[3] for row in rows})


def run_days(
    con: duckdb.DuckDBPyConnection,
    home: Path,
    rows: list[Row],
    ranges: list[tuple[int, int]],
    failing: set[int],
) -> Late:
    """All ranges in their order; ``failing`` ones publish staging and stop, once."""
    found: Late = Counter()
    for number, (since, until) in enumerate(ranges):
        for attempt in (1, 2) if number in failing else (2,):
            run_id, ds = f"{day(until)}.{attempt}", day(until)
            run = Run(run_id, ds, "shop", home, ZONE, since=day(since))
            write(con, "build_staging", rows, ds)
            (told,) = lateness.check(con, TENANT, run, "staging")
            write(con, "staging", rows, ds)
            publish(con, "staging", run)
            late = counted(con, run_id)
            assert told.verdict == ("warned" if late else "passed")
            assert told.unexpected_count == late.total()
        publish(con, "features", run)
        found += late
    return found


def expected(rows: list[Row], ranges: list[tuple[int, int]]) -> Late:
    """Row by row, without SQL.

    A file that comes later than its name says is known to the first day of the run that
    finds it, where a day that should have known it is published.
    """
    found: Late = Counter()
    for row in rows:
        since = next((s for s, until in ranges if row.there <= until), None)
        if since is None:
            continue
        known = max(row.named, -1)
        if known < since and since > 0:
            known = since
        missing = [d for d in range(DAYS) if row.happened <= d < known]
        if known - row.happened > LOOK_BACK and missing:
            found[row.relation, day(row.happened), day(known)] += 1
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(
    st.lists(facts(), max_size=25),
    st.sets(st.integers(1, DAYS - 1)),
    st.sets(st.integers(0, DAYS)),
)
def test_late_rows_are_those_that_days_were_published_without(
    shop: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    rows: list[Row],
    cuts: set[int],
    failing: set[int],
) -> None:
    """Day by day or together, and whatever run had to be done again."""
    edges = sorted({0, DAYS, *cuts})
    ranges = [(a, b - 1) for a, b in pairwise(edges)]

    with begun(shop) as con:
        found = run_days(con, tmp_path, rows, ranges, failing)

    assert found == expected(rows, ranges)


def test_days_that_nobody_ran_are_nobodys_fault(
    shop: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """After a pause of days, what came in time is not late."""
    rows = [Row("events", 0, 2, 2, 0), Row("events", 5, 5, 5, 0)]

    with begun(shop) as con:
        assert not run_days(con, tmp_path, rows, [(0, 0), (11, 11)], set())
