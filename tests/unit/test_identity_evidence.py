"""What links records: the values that they show, and what is told from outside."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from strata.identity import resolve
from strata.identity.evidence import NO_MATCHES
from strata.run import Run

from tests.unit.test_identity import CONFIG, DAY_0, WORLD, Home, seen

C1, C2 = "crm/customers/C1", "crm/customers/C2"
B1, R1 = "store/buyers/B1", "pos/receipts/R1"


@pytest.fixture(autouse=True, scope="module")
def key() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STRATA_PSEUDONYM_KEY", "a key for tests and for nothing else")
        yield


@pytest.fixture
def home() -> Home:
    return Home()


def matched(home: Home, *pairs: tuple[str, str, int, int]) -> str:
    """A relation of matches: two records, the strength, and the day."""
    home.con.execute(f"create or replace temp table pairs as {NO_MATCHES}")
    for left, right, strength, day in pairs:
        at = datetime(2026, 1, 1, 4) + timedelta(days=day)
        row = (*left.split("/"), *right.split("/"), "by_name", strength, at)
        home.con.execute("insert into pairs values (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    return "temp.pairs"


def resolve_day(home: Home, day: int, matches: str) -> dict[str, int]:
    ds = DAY_0 + timedelta(days=day)
    run = Run(f"{ds}.1", ds, WORLD, Path(), "Asia/Shanghai")
    counts = resolve(home.con, run, CONFIG, matches=matches)
    home.publish()
    return counts.rejected


def test_a_match_joins_two_records_from_its_day_on(home: Home) -> None:
    home.run(0, [seen(C1, 0), seen(B1, 0)])
    pairs = matched(home, (C1, B1, 40, 2))

    resolve_day(home, 1, pairs)
    assert home.users() == {C1: {C1}, B1: {B1}}

    resolve_day(home, 2, pairs)
    assert home.users() == {C1: {C1, B1}}
    assert home.rows(
        "select rule, strength, system, record_key, left_type, right_type, status,"
        " effective_from from identity.edges"
    ) == [
        ("by_name", 40, "store", "B1", "crm_id", "store_account", "accepted",
         date(2026, 1, 3))
    ]  # fmt: skip
    ((edge, cause),) = home.rows(
        "select edge_id, cause from identity.id_map where system = 'store'"
        " and recorded_to is null and effective_to is null"
    )
    assert cause == "merged"
    assert home.rows("select edge_id from identity.edges") == [(edge,)]


def test_a_match_yields_to_what_is_stronger_and_breaks_no_limit(home: Home) -> None:
    home.run(
        0,
        [seen(C1, 0), seen(C2, 0, email="a@x.cn"), seen(B1, 0, email="a@x.cn")],
    )
    rejected = resolve_day(home, 0, matched(home, (C1, B1, 40, 0), (C2, B1, 30, 0)))
    assert home.users() == {C1: {C1}, C2: {C2, B1}}
    assert rejected == {"max_values:crm_id": 1}


def test_many_matches_of_one_record_are_edges_of_their_own(home: Home) -> None:
    records = [seen(C1, 0), *(seen(f"store/buyers/B{n}", 0) for n in range(4))]
    home.run(0, records)
    pairs = [(f"store/buyers/B{n}", C1, 40, 0) for n in range(4)]
    rejected = resolve_day(home, 0, matched(home, *pairs))
    assert rejected == {}
    assert len(home.users()) == 1
    ((edges, ids),) = home.rows(
        "select count(*), count(distinct edge_id) from identity.edges"
    )
    assert edges == ids == 4


def test_matches_count_as_no_users_of_a_value(home: Home) -> None:
    """A receipt that stands on its phone is matched to more than may share a phone."""
    records = [
        seen(R1, 0, phone="13900000001"),
        *(seen(f"store/buyers/B{n}", 0) for n in range(4)),
    ]
    home.run(0, records)
    pairs = [(f"store/buyers/B{n}", R1, 40, 0) for n in range(4)]
    assert resolve_day(home, 0, matched(home, *pairs)) == {}
    assert len(home.users()) == 1


def test_a_match_of_a_record_that_shows_nothing_is_none(home: Home) -> None:
    home.run(0, [seen(C1, 0)])
    resolve_day(home, 0, matched(home, (C1, "pos/receipts/R9", 40, 0)))
    assert home.users() == {C1: {C1}}
    assert home.rows("select * from identity.edges") == []
