"""A load that the gate refused blocks nothing and loses nothing.

What its source still has is read again, mended or not; what only the refused load has
is held until a person takes it in or drops it. No row is there twice.
"""

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strata.ingest import refused, views
from strata.ingest.manifest import Manifest, manifest_hash
from strata.ingest.pending import Landing
from strata.run import Run
from strata.warehouse import DuckDBWarehouse

from tests.unit.test_ingest import CRM_WORLD, DAY, WORLD, Place, people, sources

HEADER = "id,name,amount\n"


class Daily(Place):
    """Runs of one day, each with its gate."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.warehouse = DuckDBWarehouse(self.home)
        self.warehouse.migrate()
        self.manifest = Manifest(self.home / "raw")

    def run(self, *failed: str, world: object = WORLD) -> Landing:
        """Land what is new, and judge it: the tables ``failed`` stop the run."""
        with self.warehouse.connection("refuse") as con:
            refused.refuse(con, self.manifest)
        landing = self.land(world=world)  # type: ignore[arg-type]
        self.judge(*failed)
        return landing

    def judge(self, *failed: str) -> None:
        run_id = f"{DAY}.{self.attempt}"
        started = datetime(2026, 11, 1) + timedelta(minutes=self.attempt)
        with self.warehouse.connection("judge") as con:
            con.execute(
                "insert or ignore into audit.runs (run_id, ds, world, attempt, status,"
                " is_newest, _started_at) values (?, ?, 'test', ?, 'running', true, ?)",
                [run_id, DAY, self.attempt, started],
            )
            for table in ("raw.shop__orders", "raw.shop__visits", "raw.crm__people"):
                con.execute(
                    "insert into audit.gate_results (run_id, ds, stage, table_name,"
                    " verdict) values (?, ?, 'ingest', ?, ?)",
                    [run_id, DAY, table, "failed" if table in failed else "passed"],
                )
            if not failed:
                run = Run(run_id, DAY, "test", self.home, "UTC")
                known = views.accepted_ids(con)
                loads = [x for x in self.manifest.loads() if x.load_id not in known]
                views.accept(con, run, loads)

    def held(self) -> list[tuple[str, str, int]]:
        found = refused.held(self.manifest, sources())
        return [(item.load.load_id, item.entity, item.rows) for item in found]

    def ids(self, table: str = "shop__orders") -> list[str]:
        return sorted(row[0] for row in self.raw(table))


@pytest.fixture
def place(tmp_path: Path) -> Daily:
    return Daily(tmp_path)


def test_a_mended_file_takes_the_place_of_the_refused_one(
    place: Daily, tmp_path: Path
) -> None:
    """Raw is then as if the bad file had never come; its rows lie there as evidence."""
    place.orders("2026-10-30", f"{HEADER}1,a,1\n")
    place.orders("2026-10-31", f"{HEADER}2,b,x\n3,c,x\n")
    (place.data / "visits" / "2026-10-31.jsonl").write_text('{"id": "9"}\n')
    place.run("raw.shop__orders")
    place.orders("2026-10-31", f"{HEADER}2,b,2\n")

    landing = place.run()

    assert landing.rows == {"shop__orders": 2}, "visits were not at fault"
    assert landing.set_aside == []
    assert place.raw("shop__orders") == [("1", "a", "1"), ("2", "b", "2")]
    assert place.ids("shop__visits") == ["9"]
    kept = place.home / "raw" / "shop" / "orders" / f"load={DAY}.1-shop"
    assert len(list(kept.glob("*.parquet"))) == 1
    never = Daily(tmp_path / "never")
    never.data, never.attempt = place.data, 1
    never.run()
    assert manifest_hash(place.manifest.loads()) == manifest_hash(
        never.manifest.loads()
    )


def test_what_is_still_bad_is_refused_again_and_counted_once(place: Daily) -> None:
    bad = place.orders("2026-10-31", f"{HEADER}2,b,x\n3,c,x\n")
    for _ in range(3):
        assert place.run("raw.shop__orders").rows == {"shop__orders": 2}
    bad.unlink()

    told = place.run().set_aside

    assert place.ids() == []
    assert place.held() == [(f"{DAY}.3-shop", "orders", 2)]
    assert [(one.entity, one.fault) for one in told] == [("shop.orders", "held")]
    assert "2 rows of orders/2026-10-31.csv were refused" in told[0].reason


def test_a_vanished_file_is_held_until_somebody_takes_or_drops_it(
    place: Daily,
) -> None:
    gone = place.orders("2026-10-30", f"{HEADER}1,a,1\n")
    place.orders("2026-10-31", f"{HEADER}2,b,x\n")
    place.run("raw.shop__orders")
    gone.unlink()
    place.orders("2026-10-31", f"{HEADER}2,b,2\n")
    place.run()
    assert place.ids() == ["2"]

    def decide(load: str) -> refused.Held:
        return refused.find(place.manifest, sources(), load, "orders")

    with pytest.raises(ValueError, match="who decides it, and why"):
        refused.take(place.manifest, decide(f"{DAY}.1-shop"), by="A", because=" ")
    made = refused.take(
        place.manifest, decide(f"{DAY}.1-shop"), by="A. Person", because="all is well"
    )

    assert (made.decided_by, made.decided_because) == ("A. Person", "all is well")
    assert place.held() == []
    assert place.raw("shop__orders", "id, _load_id, _row, _known_at::text") == [
        ("1", f"{DAY}.1-shop-orders", 1, "2026-10-31 01:30:00"),
        ("2", f"{DAY}.2-shop", 1, "2026-11-01 01:30:00"),
    ]
    place.run("raw.shop__orders")
    assert place.run().set_aside[0].entity == "shop.orders", "refused, it is held again"
    refused.drop(
        place.manifest,
        decide(f"{DAY}.1-shop-orders"),
        by="A. Person",
        because="a trial's rows",
    )
    assert place.run().set_aside == []
    assert place.ids() == ["2"]
    assert len(list((place.home / "raw").glob("shop/orders/*/*.parquet"))) == 3
    with pytest.raises(refused.UnknownHeldError, match="strata gate held"):
        decide(f"{DAY}.1-shop-orders")


def test_rows_of_a_database_are_read_again_from_where_raw_stands(place: Daily) -> None:
    people(place, [("1", "a", "2026-10-30 10:00:00")])
    place.run(world=CRM_WORLD)
    people(
        place,
        [("2", "bad", "2026-10-31 09:00:00"), ("3", "gone", "2026-10-31 09:30:00")],
    )
    place.run("raw.crm__people", world=CRM_WORLD)
    people(place, [("2", "mended", "2026-10-31 10:00:00")])
    import sqlite3

    with sqlite3.connect(place.home / "crm.db") as con:
        con.execute("delete from people where id = 3")

    place.run(world=CRM_WORLD)

    assert place.raw("crm__people", "id, name") == [("1", "a"), ("2", "mended")]
    assert place.held() == [(f"{DAY}.2-crm", "people", 1)], "the one that was deleted"
    item = refused.find(place.manifest, sources(), f"{DAY}.2-crm", "people")
    refused.take(place.manifest, item, by="A. Person", because="deleted by mistake")
    assert place.ids("crm__people") == ["1", "2", "3"]


def test_what_came_after_the_gate_or_passed_one_is_not_refused(place: Daily) -> None:
    place.orders("2026-10-30", f"{HEADER}1,a,1\n")
    place.run()
    place.orders("2026-10-31", f"{HEADER}2,b,2\n")
    place.run("raw.shop__orders")
    with place.warehouse.connection("refuse") as con:
        assert refused.refuse(con, place.manifest) == [f"{DAY}.2-shop/orders"]
    place.land()  # and killed before its gate

    with place.warehouse.connection("refuse") as con:
        assert refused.refuse(con, place.manifest) == []
    assert place.ids() == ["1", "2"]


def test_an_attempt_that_lands_again_numbers_its_load(place: Daily) -> None:
    """As when the scheduler's task is cleared: the run is the same."""
    place.orders("2026-10-31", f"{HEADER}1,a,x\n")
    place.run("raw.shop__orders")
    place.attempt -= 1

    place.run()

    assert [x.load_id for x in place.manifest.loads()] == [f"{DAY}.1-shop.2"]
    assert place.ids() == ["1"]


FILES = ("2026-10-29", "2026-10-30", "2026-10-31")
CHANGES = st.dictionaries(st.sampled_from(FILES), st.sampled_from("swx"), max_size=3)


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(days=st.lists(st.tuples(CHANGES, st.booleans()), min_size=2, max_size=4))
def test_every_version_of_a_file_is_in_raw_once_or_held_once_or_came_again(
    tmp_path_factory: pytest.TempPathFactory, days: list[tuple[dict[str, str], bool]]
) -> None:
    """Files are sent (s), sent anew (w) and taken away (x); runs pass or are stopped."""
    place = Daily(tmp_path_factory.mktemp("law"))
    there: dict[str, str] = {}
    accepted: list[str] = []
    newest: dict[str, str] = {}
    refused_last: dict[str, str] = {}
    for number, (changes, stopped) in enumerate(days):
        for name, change in changes.items():
            if change == "x":
                there.pop(name, None)
                (place.data / "orders" / f"{name}.csv").unlink(missing_ok=True)
            else:
                there[name] = f"{name}/{number}"
                place.orders(name, f"{HEADER}{there[name]},{'n' * number},1\n")
        place.run(*(["raw.shop__orders"] if stopped else []))
        landed = {n: v for n, v in there.items() if newest.get(n) != v}
        if stopped:
            refused_last |= landed
        else:
            accepted += landed.values()
            newest |= landed
            refused_last = {n: v for n, v in refused_last.items() if n not in landed}
    place.run()
    landed = {n: v for n, v in there.items() if newest.get(n) != v}
    accepted += landed.values()
    waiting = {n: v for n, v in refused_last.items() if n not in landed}

    assert Counter(place.ids()) == Counter(accepted)
    found = refused.held(place.manifest, sources())
    assert Counter(f for item in found for f in item.files) == Counter(
        f"orders/{name}.csv" for name in waiting
    )
