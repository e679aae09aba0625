"""The next category: EASE in closed form, learned from what a day knew."""

import json
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn
from strata.config.features import NextCategoryRules
from strata.interest import learn_categories
from strata.interest.ease import hits, weights
from strata.run import Run

DS = date(2026, 10, 31)
RULES = NextCategoryRules(least_users=50, penalties=(1, 10))


@settings(max_examples=30)
@given(
    stn.arrays(bool, st.tuples(st.integers(5, 30), st.integers(2, 5))),
    st.floats(0.5, 50),
)
def test_the_closed_form_is_the_constrained_least_squares(
    bought: np.ndarray, penalty: float
) -> None:
    """Column by column: ridge regression of an item on all the others."""
    found = weights(bought, penalty)

    matrix = bought.astype(float)
    for item in range(bought.shape[1]):
        others = np.delete(matrix, item, axis=1)
        gram = others.T @ others + penalty * np.eye(others.shape[1])
        solved = np.linalg.solve(gram, others.T @ matrix[:, item])
        assert np.insert(solved, item, 0.0) == pytest.approx(found[:, item], abs=1e-8)


def test_only_what_is_new_to_a_buyer_is_a_hit() -> None:
    bought = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0]], dtype=bool)
    came = np.array([[1, 1, 0], [1, 1, 1], [1, 0, 0]], dtype=bool)
    scores = np.array([[9.0, 2.0, 3.0]] * 3)

    found = hits(bought, came, scores, (1, 2))

    assert found == {"recall_1": 0.5, "recall_2": 1.0, "users": 2.0}


class Shop:
    """Who buys bread buys butter, who buys ink buys paper, and milk everybody."""

    def __init__(self, users: int = 200) -> None:
        self.con = duckdb.connect()
        self.con.execute(
            """
            create schema ops; create schema identity; create schema staging;
            create schema models; create schema build_features;
            create table ops.run_dates (ds date, ends_at timestamp,
                known_until timestamp, recorded_until date, timezone varchar);
            create table identity.id_map (system varchar, entity varchar,
                record_key varchar, unified_user_id varchar, effective_from date,
                effective_to date, recorded_from date, recorded_to date);
            create table staging.orders (order_id varchar, system varchar,
                person_entity varchar, person_key varchar, ordered_at timestamp,
                head_known_at timestamp, status varchar, cancelled_at timestamp,
                cancelled_known_at timestamp);
            create table staging.order_lines (order_id varchar, category varchar,
                net_amount decimal(18, 4), known_at timestamp);
            """
        )
        self.con.execute(
            "insert into identity.id_map select 'shop', 'buyers', 'b' || n, 'u' || n,"
            " '2026-01-01', null, '2026-01-01', null from range(?) as users (n)",
            [users],
        )
        rng = np.random.default_rng(3)
        for user in range(users):
            pair = ("bread", "butter") if user % 2 else ("ink", "paper")
            for step, category in enumerate((pair[0], "milk", pair[1])):
                if step == 1 and rng.random() < 0.4:
                    continue
                days = int(rng.integers(0, 50)) + 60 * (2 - step) + 70 * (user % 4 > 1)
                self.buys(user, category, DS - timedelta(days=days))

    def buys(
        self, user: int, category: str, day: date, late: timedelta = timedelta()
    ) -> None:
        at = datetime.combine(day, datetime.min.time())
        order = f"{user}:{category}:{day}"
        self.con.execute(
            "insert into staging.orders values"
            " (?, 'shop', 'buyers', ?, ?, ?, 'completed', null, null)",
            [order, f"b{user}", at, at + late],
        )
        self.con.execute(
            "insert into staging.order_lines values (?, ?, 10, ?)",
            [order, category, at + late],
        )

    def learn(self, *days: date) -> list[tuple[object, ...]]:
        self.con.execute("delete from ops.run_dates")
        for ds in days:
            end = datetime.combine(ds + timedelta(days=1), datetime.min.time())
            self.con.execute(
                "insert into ops.run_dates values (?, ?, ?, ?, 'UTC')",
                [ds, end, end + timedelta(hours=1), ds],
            )
        run = Run("run", days[-1], "shop", Path(), "UTC", since=days[0])
        learn_categories(self.con, run, RULES)
        return self.con.execute("from learned.category_weights order by all").fetchall()


def test_what_goes_together_is_found() -> None:
    shop = Shop()

    weight = {(row[1], row[2]): row[3] for row in shop.learn(DS)}

    for one, other in (("bread", "butter"), ("ink", "paper")):
        best = max((w, to) for (of, to), w in weight.items() if of == one)
        assert best[1] == other
    row = shop.con.execute("select card, status from build_models.registry").fetchone()
    assert row is not None
    measured = json.loads(row[0])["out_of_time"]
    assert measured["ease"]["recall_1"] > measured["popularity"]["recall_1"]


def test_what_is_bought_later_teaches_an_earlier_day_nothing() -> None:
    shop, other = Shop(), Shop()
    for user in range(100):
        other.buys(user, "paper", DS + timedelta(days=1))
        other.buys(user, "milk", DS - timedelta(days=1), late=timedelta(days=3))

    assert other.learn(DS) == shop.learn(DS)


def test_a_model_holds_until_it_is_old() -> None:
    shop = Shop()
    days = [DS, DS + timedelta(days=30), DS + timedelta(days=31)]

    shop.learn(*days)

    versions = shop.con.execute(
        "select version from learned.models_in_force order by ds"
    ).fetchall()
    assert versions[0] == versions[1] != versions[2]


def test_with_too_few_buyers_there_is_no_next_category() -> None:
    shop = Shop(users=20)

    assert shop.learn(DS) == []
    assert shop.con.execute("from learned.models_in_force").fetchall() == []
