"""Type 2 history: the versions are those of all days, in whatever order they were run."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strata.run import Run
from strata.warehouse import DuckDBWarehouse, TableSpec
from strata.warehouse.history import Days, concerned, corrected

FIRST = date(2026, 10, 1)
SPEC = TableSpec("marts", "dim_users", "history", ("unified_user_id",))

Told = dict[str, str | None]
"""What is known of each user on a day; who is not in it is no user."""
Version = tuple[str, str | None, date, date | None]

USERS = st.dictionaries(
    st.sampled_from(["u_a", "u_b"]), st.sampled_from(["north", "south", None])
)
RUNS = st.lists(
    st.tuples(st.integers(0, 5), st.lists(USERS, min_size=1, max_size=4)),
    min_size=1,
    max_size=5,
)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def versions(days: dict[date, Told]) -> set[Version]:
    """By hand, from every day that is there: what the table should hold."""
    order = sorted(days)
    after = dict(zip(order, [*order[1:], None], strict=True))
    found: set[Version] = set()
    for user in {name for told in days.values() for name in told}:
        held: list[date] = []
        for ds in order:
            if held and days[held[-1]].get(user, ...) != days[ds].get(user, ...):
                found.add((user, days[held[0]][user], held[0], ds))
                held = []
            if user in days[ds]:
                held.append(ds)
        if held:
            found.add((user, days[held[0]][user], held[0], after[held[-1]]))
    return found


def built(days: dict[date, Told]) -> list[tuple[Any, ...]]:
    """As dbt builds them: a version that holds at the end ends a day later."""
    end = max(days) + timedelta(days=1)
    return [
        (user, region, since, until or end, until is None, "run")
        for user, region, since, until in sorted(versions(days), key=str)
    ]


def parts(days: dict[date, Told], size: int) -> Iterator[dict[date, Told]]:
    """Days are built some at a time, each part without a look at the others."""
    order = sorted(days)
    for n in range(0, len(order), size):
        yield {ds: days[ds] for ds in order[n : n + size]}


def lay_out(con: duckdb.DuckDBPyConnection, table: str) -> None:
    con.execute(
        f"create or replace table {table} (unified_user_id varchar, region varchar,"
        " valid_from date, valid_to date, is_current boolean, _run_id varchar)"
    )


def publish(
    con: duckdb.DuckDBPyConnection, known: dict[date, Told], given: dict[date, Told]
) -> None:
    lay_out(con, "build")
    for part in parts(given, 2):
        if rows := built(part):
            con.executemany("insert into build values (?, ?, ?, ?, ?, ?)", rows)
    later = [ds for ds in known if ds > max(given)]
    days = Days(min(given), max(given), min(later, default=None))
    columns = [c[0] for c in con.execute("describe published").fetchall()]
    con.execute(
        "create or replace table made as "
        + corrected("published", "build", columns, days)
    )
    con.execute(f"delete from published where {concerned(days)}")
    con.execute("insert into published by name from made")


def held(con: duckdb.DuckDBPyConnection) -> set[Version]:
    rows = con.execute(
        "select unified_user_id, region, valid_from, valid_to from published"
    ).fetchall()
    assert len(rows) == len(set(rows))
    assert con.execute(
        "select count(*) from published where is_current <> (valid_to is null)"
    ).fetchall() == [(0,)]
    return set(rows)


@given(runs=RUNS)
def test_the_history_is_that_of_all_days_whatever_the_order_of_the_runs(
    runs: list[tuple[int, list[Told]]],
) -> None:
    """A run gives days one after the other; days may be missing, and be run again."""
    with duckdb.connect() as con:
        lay_out(con, "published")
        known: dict[date, Told] = {}
        for start, told in runs:
            given = {day(start + n): users for n, users in enumerate(told)}
            publish(con, known, given)
            known |= given
            assert held(con) == versions(known)
        publish(con, known, given)
        assert held(con) == versions(known), "the same run twice changes nothing"


def test_a_version_keeps_the_run_that_began_it() -> None:
    with duckdb.connect() as con:
        lay_out(con, "published")
        known: dict[date, Told] = {}
        for number, run in enumerate(["one", "two"]):
            given: dict[date, Told] = {day(number): {"u_a": "north"}}
            publish(con, known, given)
            con.execute(f"update published set _run_id = '{run}' where _run_id = 'run'")
            known |= given

        assert con.execute("select valid_from, _run_id from published").fetchall() == [
            (FIRST, "one")
        ]


def test_an_older_day_corrects_its_own_days(tmp_path: Path) -> None:
    warehouse = DuckDBWarehouse(tmp_path)
    warehouse.migrate()

    def run(number: int, told: Told, *, newest: bool = True) -> None:
        warehouse.start_build("features")
        with warehouse.connection("test") as con:
            lay_out(con, "build_marts.dim_users")
            con.executemany(
                "insert into build_marts.dim_users values (?, ?, ?, ?, ?, ?)",
                built({day(number): told}),
            )
        found = Run(f"{day(number)}.1", day(number), "test", tmp_path, "UTC", newest)
        warehouse.promote("features", found, [SPEC])

    run(0, {"u_a": "north", "u_b": "south"})
    run(1, {"u_a": "north"})
    run(3, {"u_a": "south"})
    run(1, {"u_a": "west", "u_b": "south"}, newest=False)

    with warehouse.connection("test") as con:
        assert con.execute(
            "select unified_user_id, region, valid_from, valid_to, is_current"
            " from marts.dim_users order by all"
        ).fetchall() == [
            ("u_a", "north", day(0), day(1), False),
            ("u_a", "south", day(3), None, True),
            ("u_a", "west", day(1), day(3), False),
            ("u_b", "south", day(0), day(3), False),
        ]


def test_a_history_needs_a_key() -> None:
    with pytest.raises(ValueError, match="needs a key"):
        TableSpec("marts", "dim_users", "history")
