"""Lifetime value: published estimates, and the laws that a likelihood obeys."""

import json
import os
from dataclasses import astuple, replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strata.config.loader import read_yaml
from strata.config.tiers import TiersConfig
from strata.scoring import clv, purchases, spend
from strata.scoring.purchases import PurchaseModel

ROOT = Path(__file__).parents[2]
RULES = read_yaml(ROOT / "config/tiers.yml", TiersConfig).clv
SHARED = Path(os.environ.get("STRATA_SHARED_DATA", ROOT.parent / "shared/data"))
CDNOW = SHARED / "cdnow/CDNOW_sample.txt"
PAPER = PurchaseModel("bgnbd", r=0.243, alpha=4.414, a=0.793, b=2.426)
MODIFIED = PurchaseModel("mbgnbd", r=0.525, alpha=6.183, a=0.891, b=1.614)


class Cdnow:
    """The 2,357 customers of the sample, split after week 39."""

    def __init__(self) -> None:
        names = ["master_id", "customer", "day", "cds", "dollars"]
        rows = pd.read_csv(CDNOW, sep=r"\s+", header=None, names=names)
        rows["day"] = pd.to_datetime(rows["day"].astype(str))
        days = rows.groupby(["customer", "day"], as_index=False)["dollars"].sum()
        end = pd.Timestamp("1997-09-30")
        seen, later = days[days["day"] <= end], days[days["day"] > end]
        spans = seen.groupby("customer")["day"].agg(["min", "max", "count"])
        self.x = (spans["count"] - 1).to_numpy(dtype=float)
        self.t_x = ((spans["max"] - spans["min"]).dt.days / 7).to_numpy()
        self.T = ((end - spans["min"]).dt.days / 7).to_numpy()
        bought = later.groupby("customer").size()
        self.bought_later = bought.reindex(spans.index, fill_value=0).to_numpy()
        repeats = seen[seen["day"] > seen["customer"].map(spans["min"])]
        means = repeats.groupby("customer")["dollars"].agg(["count", "mean"])
        self.repeats = means[means["mean"] > 0]


@pytest.fixture(scope="module")
def cdnow() -> Cdnow:
    return Cdnow()


@pytest.mark.real_data
@pytest.mark.skipif(not CDNOW.exists(), reason=f"no CDNOW sample in {SHARED}")
class TestPublishedFigures:
    def test_bgnbd_as_in_the_paper_of_2005(self, cdnow: Cdnow) -> None:
        fit = purchases.fit_bgnbd(cdnow.x, cdnow.t_x, cdnow.T)

        rounded = [round(value, 3) for value in astuple(fit.model)[1:]]
        assert rounded == [0.243, 4.414, 0.793, 2.426]
        assert round(fit.log_likelihood, 1) == -9582.4
        assert fit.converged and fit.at_border == 0

    def test_gamma_gamma_on_the_946_repeat_buyers(self, cdnow: Cdnow) -> None:
        repeats = cdnow.repeats
        fit = spend.fit_gamma_gamma(repeats["count"], repeats["mean"])

        assert len(repeats) == 946
        assert [round(v, 2) for v in astuple(fit.model)] == [6.25, 3.74, 15.44]
        assert fit.converged

    @pytest.mark.parametrize(
        ("kind", "error", "correlation"),
        [("bgnbd", 0.7855, 0.6256), ("mbgnbd", 0.7648, 0.6273)],
    )
    def test_hold_out_of_weeks_40_to_78(
        self, cdnow: Cdnow, kind: purchases.Kind, error: float, correlation: float
    ) -> None:
        history = (cdnow.x, cdnow.t_x, cdnow.T)
        fit = purchases.fit_purchases(kind, purchases.collapse(*history))
        forecast = purchases.expected_purchases(fit.model, *history, [39.0])[:, 0]

        missed = np.abs(forecast - cdnow.bought_later).mean()
        assert missed == pytest.approx(error, abs=5e-5)
        found = np.corrcoef(forecast, cdnow.bought_later)[0, 1]
        assert found == pytest.approx(correlation, abs=5e-5)


def made_up(customers: int, seed: int) -> pd.DataFrame:
    """Histories drawn from the model of the paper, in whole days."""
    chance = np.random.default_rng(seed)
    rows = []
    for _ in range(customers):
        known = float(chance.integers(30, 365))
        wait = 7 / max(chance.gamma(PAPER.r, 1 / PAPER.alpha), 1e-9)
        lost = chance.beta(PAPER.a, PAPER.b)
        at, days = chance.exponential(wait), {0}
        while at <= known:
            days.add(int(at))
            if chance.random() < lost:
                break
            at += chance.exponential(wait)
        rows.append((len(days) - 1, max(days) / 7, known / 7))
    table = pd.DataFrame(rows, columns=["clv_x", "clv_t_x", "clv_T"]).astype(float)
    level = chance.gamma(4.0, 10.0, customers)
    count = table["clv_x"].to_numpy()
    drawn = chance.gamma(6 * np.maximum(count, 1)) / (6 * np.maximum(count, 1)) * level
    table["clv_mean_spend"] = np.where(count > 0, drawn, np.nan)
    table["margin_rate_365d"] = np.where(chance.random(customers) < 0.5, 0.4, np.nan)
    table["net_amount_365d"] = level * (count + 1)
    return table


HISTORIES = made_up(400, seed=11)
TIMES = (HISTORIES["clv_x"], HISTORIES["clv_t_x"], HISTORIES["clv_T"])
REPEATS = HISTORIES[HISTORIES["clv_x"] > 0]
positive = st.floats(0.05, 20.0)


@given(st.tuples(positive, positive, positive, positive), st.sampled_from(["b", "mb"]))
@settings(max_examples=40, deadline=None)
def test_purchase_gradient_is_the_slope(at: tuple[float, ...], prefix: str) -> None:
    kind: purchases.Kind = "bgnbd" if prefix == "b" else "mbgnbd"
    data = purchases.collapse(*TIMES)

    def value(point: np.ndarray) -> float:
        return purchases.mean_log_likelihood(point, data, kind)[0]

    _, gradient = purchases.mean_log_likelihood(np.array(at), data, kind)
    assert gradient == pytest.approx(slopes(value, np.array(at)), rel=1e-4, abs=1e-6)


@given(st.tuples(positive, positive, positive))
@settings(max_examples=40, deadline=None)
def test_spend_gradient_is_the_slope(at: tuple[float, ...]) -> None:
    data = spend.spending(REPEATS["clv_x"], REPEATS["clv_mean_spend"])

    def value(point: np.ndarray) -> float:
        return spend.mean_log_likelihood(point, data)[0]

    _, gradient = spend.mean_log_likelihood(np.array(at), data)
    assert gradient == pytest.approx(slopes(value, np.array(at)), rel=1e-4, abs=1e-6)


def slopes(value, point: np.ndarray) -> np.ndarray:
    found = []
    for i, step in enumerate(point * 1e-5):
        shift = np.zeros(point.size)
        shift[i] = step
        found.append((value(point + shift) - value(point - shift)) / (2 * step))
    return np.array(found)


@pytest.mark.parametrize("fit", [purchases.fit_bgnbd, purchases.fit_mbgnbd])
def test_a_fit_forgets_order_and_takes_weights_as_repetition(fit) -> None:
    shuffled = HISTORIES.sample(frac=1, random_state=5)
    columns = ["clv_x", "clv_t_x", "clv_T"]
    weighted = HISTORIES.groupby(columns).size().reset_index(name="count")

    once = fit(*TIMES)
    assert once.converged
    assert fit(*(shuffled[c] for c in columns)) == once
    assert fit(*(weighted[c] for c in columns), weighted["count"]) == once
    thrice = fit(*TIMES, weights=np.full(len(HISTORIES), 3.0))
    assert astuple(thrice.model)[1:] == pytest.approx(astuple(once.model)[1:], rel=1e-4)
    assert thrice.log_likelihood == pytest.approx(3 * once.log_likelihood)


def test_the_unit_of_time_and_of_money_does_not_matter() -> None:
    x, t_x, known = TIMES
    weeks = purchases.fit_mbgnbd(x, t_x, known).model
    days = purchases.fit_mbgnbd(x, t_x * 7, known * 7).model
    assert astuple(replace(days, alpha=days.alpha / 7))[1:] == pytest.approx(
        astuple(weeks)[1:], rel=1e-5
    )
    yuan = spend.fit_gamma_gamma(REPEATS["clv_x"], REPEATS["clv_mean_spend"]).model
    fen = spend.fit_gamma_gamma(REPEATS["clv_x"], REPEATS["clv_mean_spend"] * 100).model
    assert astuple(replace(fen, gamma=fen.gamma / 100)) == pytest.approx(
        astuple(yuan), rel=1e-5
    )


@pytest.mark.parametrize("model", [PAPER, MODIFIED, replace(PAPER, a=3.2, b=0.4)])
@pytest.mark.parametrize("x", [0, 1, 7, 40])
def test_forecast_equals_the_closed_form(model: PurchaseModel, x: int) -> None:
    from scipy.special import hyp2f1

    t_x, known, t = (30.0 if x else 0.0), 39.0, 52.0
    b = model.b + x + (model.kind == "mbgnbd")
    n, now = model.r + x, model.alpha + known
    then = now + t
    series = hyp2f1(n, b, model.a + b - 1, t / then)
    alive = (model.a + b - 1) / (model.a - 1) * (1 - (now / then) ** n * series)
    closed = alive * purchases.probability_alive(model, [x], [t_x], [known])[0]

    found = purchases.expected_purchases(model, [x], [t_x], [known], [t])[0, 0]
    assert found == pytest.approx(closed, rel=1e-7)


@pytest.mark.parametrize("x", [0, 300, 5000])
@pytest.mark.parametrize("a", [1.0, 1e-6, 1e5])
def test_forecast_is_finite_where_the_closed_form_is_not(x: int, a: float) -> None:
    """a = 1 divides by zero there, and frequent buyers overflow its series."""
    model = replace(MODIFIED, a=a)
    times = [100.0 if x else 0.0], [104.0]
    near, far = purchases.expected_purchases(model, [x], *times, [1.0, 52.0])[0]
    rate = (model.r + x) / (model.alpha + 104)
    assert 0 <= near <= far <= 52 * rate * (1 + 1e-9)


def test_a_one_time_buyer_is_never_lost_in_bgnbd_but_can_be_in_mbgnbd() -> None:
    assert purchases.probability_alive(PAPER, [0], [0], [200])[0] == 1
    assert purchases.probability_alive(MODIFIED, [0], [0], [200])[0] < 0.7


def test_expected_spend_lies_between_own_mean_and_that_of_all() -> None:
    model = spend.SpendModel(p=6.25, q=3.74, gamma=15.44)
    found = spend.expected_spend(model, [0, 1, 100, 3], [np.nan, 80.0, 80.0, np.nan])

    everyone = 6.25 * 15.44 / 2.74
    assert found[0] == found[3] == pytest.approx(everyone)
    assert everyone < found[1] < found[2] < 80.0


@pytest.mark.parametrize(
    ("x", "t_x", "known"),
    [([1], [5.0], [4.0]), ([1], [0.0], [4.0]), ([0], [2.0], [4.0]), ([0], [0], [-1])],
    ids=["bought after the end", "no time to repeat", "no repeat", "before the start"],
)
def test_an_impossible_history_is_refused(x, t_x, known) -> None:
    with pytest.raises(ValueError, match=r"t_x|negative"):
        purchases.fit_bgnbd(x, t_x, known)


def test_a_fit_that_does_not_converge_says_so() -> None:
    cut_short = purchases.fit_mbgnbd(*TIMES, max_iterations=1)
    assert (cut_short.converged, bool(cut_short.reason)) == (False, True)

    once = purchases.fit_bgnbd([0, 0, 0], [0, 0, 0], [10, 20, 30])
    assert (once.converged, once.reason) == (False, "no repeat purchase")

    alike = spend.fit_gamma_gamma([1, 2, 3], [10.0, 10.0, 10.0])
    assert (alike.converged, alike.reason) == (False, "no two spends differ")

    endless = 1 / np.random.default_rng(3).uniform(0.0, 1.0, 500) ** 2
    heavy = spend.fit_gamma_gamma(np.full(500, 5), endless)
    assert (heavy.converged, "no mean" in heavy.reason) == (False, True)


@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.floats(0.1, 1.0), st.integers(1, 500)),
        min_size=1,
        max_size=15,
    )
)
@settings(max_examples=12, deadline=None)
def test_any_history_is_fitted_or_refused_in_words(
    people: list[tuple[int, float, int]],
) -> None:
    x, share, days = (
        np.array(column, dtype=float) for column in zip(*people, strict=True)
    )
    weeks = days / 7
    fit = purchases.fit_mbgnbd(x, np.where(x > 0, weeks * share, 0), weeks)

    assert fit.converged == (not fit.reason)
    if fit.converged:
        assert all(0 < value < np.inf for value in astuple(fit.model)[1:])


class TestLifetimeValue:
    USERS = pd.DataFrame(
        {
            "clv_x": [4.0, 0.0, 4.0, np.nan, 2.0, 2.0],
            "clv_t_x": [20.0, 0.0, 20.0, np.nan, 9.0, 0.0],
            "clv_T": [26.0, 5.0, 26.0, np.nan, 8.0, 8.0],
            "clv_mean_spend": [50.0, np.nan, 50.0, np.nan, 40.0, 40.0],
            "margin_rate_365d": [0.2, np.nan, np.nan, np.nan, 0.2, 0.2],
        }
    )
    MODEL = clv.ClvModel(MODIFIED, spend.SpendModel(6.25, 3.74, 15.44), 0.5)

    def test_worked_example_without_discount(self) -> None:
        found = clv.lifetime_values(self.MODEL, self.USERS, (90, 365), 0.0)

        bought = purchases.expected_purchases(
            MODIFIED, [4, 0], [20, 0], [26, 5], [90 / 7, 365 / 7]
        )
        worth = spend.expected_spend(self.MODEL.spend, [4, 0], [50.0, np.nan])
        assert found[0] == pytest.approx(bought[0] * worth[0] * 0.2)
        assert found[1] == pytest.approx(bought[1] * worth[1] * 0.5)
        assert found[2] == pytest.approx(found[0] * 2.5), "margin of all, where unknown"
        assert np.isnan(found[3]).all(), "no order, no lifetime value"
        assert np.isnan(found[4:]).all(), "a history that cannot be has none either"

    def test_discount_is_that_of_each_day_but_for_a_thousandth(self) -> None:
        found = clv.lifetime_values(self.MODEL, self.USERS, (90, 365), 0.1)[0]

        days = np.arange(1, 366)
        bought = purchases.expected_purchases(MODIFIED, [4], [20], [26], days / 7)[0]
        present = np.cumsum(np.diff(bought, prepend=0) * 1.1 ** -((days - 0.5) / 365))
        worth = spend.expected_spend(self.MODEL.spend, [4], [50.0])[0] * 0.2
        assert found == pytest.approx(present[[89, 364]] * worth, rel=1e-3)

    def test_margin_of_all_is_weighted_by_spend(self) -> None:
        users = pd.DataFrame(
            {
                "net_amount_365d": [100.0, 300.0, 900.0, -50.0],
                "margin_rate_365d": [0.6, 0.2, np.nan, 0.9],
            }
        )
        assert clv.margin_of_all(users, 1.0) == pytest.approx((60 + 60) / 400)
        assert clv.margin_of_all(users[2:3], 0.7) == 0.7

    def test_a_stored_model_gives_the_same_numbers_to_the_last_bit(self) -> None:
        stored = clv.fit_clv(HISTORIES, RULES, date(2026, 10, 31))
        again = clv.ClvModel.from_artefact(json.loads(stored.artefact_text))

        before = clv.use(stored).model
        assert before == again
        values = [
            clv.lifetime_values(m, HISTORIES, (90, 365), 0.1) for m in (before, again)
        ]
        assert np.array_equal(*values)

    def test_the_card_says_what_was_fitted_to_what(self) -> None:
        card = clv.fit_clv(HISTORIES, RULES, date(2026, 10, 31)).card

        assert card["version"].startswith("clv_mbgnbd-2026-10-31-")
        assert card["training"]["customers"] == len(HISTORIES)
        assert card["training"]["repeat_customers"] == len(REPEATS)
        assert card["training"]["through"] == "2026-10-31"
        assert card["metrics"]["purchases"]["converged"] is True
        assert card["features"] == list(clv.FEATURES)

    def test_other_data_is_another_version(self) -> None:
        day = date(2026, 10, 31)
        more = pd.concat([HISTORIES, HISTORIES[:1]])
        versions = {clv.fit_clv(h, RULES, day).version for h in (HISTORIES, more)}
        assert len(versions) == 2

    def test_too_few_customers_are_not_fitted(self) -> None:
        few = clv.fit_clv(HISTORIES[:20], RULES, date(2026, 10, 31))

        assert few.status == "too_few_customers"
        assert clv.use(few).model is None
        assert "needed" in few.card["reason"]
