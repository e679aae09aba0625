"""What stops a day, and whom it blames: who joins people, not who is seen often."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from strata.config.guards import GuardRules
from strata.identity.guards import laws, told, write_guards
from strata.run import Run

from tests.unit.test_identity import DAY_0, P1, P2, WORLD, Seen, seen
from tests.unit.test_identity_decisions import Decided

USERS = 8
STRICT = GuardRules(accounts_a_user=3, ids_a_user=3, merged_share=0.01, merged_users=2)
BUYERS = tuple(seen(f"store/buyers/B{n}", 0) for n in range(USERS))


@pytest.fixture(autouse=True, scope="module")
def key() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STRATA_PSEUDONYM_KEY", "a key for tests and for nothing else")
        yield


def guarded(home: Decided, day: int, rules: GuardRules = STRICT) -> dict[str, float]:
    """What each guard observes of the day that was resolved last."""
    run = run_of(day)
    write_guards(home.con, run, rules)
    return dict(home.rows("select guard, observed from build_identity.guards"))


def run_of(day: int) -> Run:
    ds = DAY_0 + timedelta(days=day)
    return Run(f"{ds}.1", ds, WORLD, Path(), "Asia/Shanghai")


# Of day 1: each buyer's receipt bears the hub; one of them has ten more of a phone.
HUB = (
    *BUYERS,
    *(
        seen(f"pos/receipts/R{n}", 1, store_account=f"B{n}", app_user_id="HUB")
        for n in range(USERS)
    ),
    *(seen(f"pos/receipts/S{n}", 1, store_account="B0", phone=P1) for n in range(10)),
)


def test_a_hub_among_new_records_is_blamed_and_a_busy_phone_is_not() -> None:
    home = Decided()
    home.run(0, BUYERS)
    home.run(1, HUB)

    observed = guarded(home, 1)
    words = told(home.con)["merged_users"]

    assert observed == {
        "merged_users": USERS - 1,
        "accounts_a_user": USERS,
        "ids_a_user": USERS,
    }
    worst = words.split("To blame: ")[1].split("; ")[0]
    assert worst.startswith("app_user_id ")
    assert f"without it {USERS - 1} fewer" in worst
    assert f"; shown by {USERS} pos/receipts)" in words
    assert "phone" not in words and "HUB" not in words


def test_a_day_within_its_limits_blames_nobody() -> None:
    home = Decided()
    home.run(0, BUYERS)
    home.run(1, HUB[: USERS + 2])

    observed = guarded(home, 1)

    assert observed["merged_users"] == 1
    assert told(home.con) == {}


def test_days_guarded_together_are_guarded_as_one_by_one() -> None:
    pair: tuple[Seen, ...] = (*BUYERS, seen("store/buyers/B0", 1, phone=P2))
    later = (*pair, seen("store/buyers/B1", 2, phone=P2))
    home = Decided()
    alone = []
    for day, world in enumerate((BUYERS, pair, later)):
        home.run(day, world)
        guarded(home, day)
        alone += home.rows("from build_identity.guards order by all")

    write_guards(home.con, replace(run_of(2), since=DAY_0), STRICT)

    assert [r[:5] for r in home.rows("from build_identity.guards order by all")] == [
        r[:5] for r in sorted(alone)
    ]


def test_a_split_that_does_not_hold_breaks_a_law() -> None:
    home = Decided()
    home.run(0, BUYERS)
    home.run(1, HUB)
    held = [law.unexpected for law in laws(home.con, run_of(1))]

    home.con.execute(
        "insert into identity.decisions values ('d1', 'split', 'store', 'buyers', 'B0',"
        " 'store', 'buyers', 'B1', null, ?, 'x', 'y', now())",
        [DAY_0],
    )
    broken = laws(home.con, run_of(1))

    assert held == [0, 0]
    assert [law.unexpected for law in broken] == [0, 1]
    assert broken[1].observed == "one user in spite of d1"
