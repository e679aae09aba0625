"""RFM, value rank, tiers, flags, lifecycle and reasons: examples and laws."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strata.config.loader import read_yaml
from strata.config.playbooks import PlaybooksConfig, Situation
from strata.config.tiers import TIERS, TiersConfig
from strata.scoring.clv import FittedClv
from strata.scoring.published import NUMBERS
from strata.scoring.ranks import cut, standing
from strata.scoring.reasons import STEPS, TEXTS, reasons
from strata.scoring.scores import SCORES
from strata.scoring.snapshot import Snapshot
from strata.scoring.tiers import assign_tiers, is_at_risk, is_dormant, lifecycles
from strata.scoring.value import BASELINE, BUYER_PARTS, OTHER_PARTS

CONFIG = Path(__file__).parents[2] / "config"
RULES = read_yaml(CONFIG / "tiers.yml", TiersConfig)
PLAYS = read_yaml(CONFIG / "playbooks.yml", PlaybooksConfig)
DAY = date(2026, 10, 31)
NO_MODEL = FittedClv(None, "clv_mbgnbd-none", "too_few_customers")
QUIET = {
    "order_count_365d": 0.0,
    "net_amount_365d": 0.0,
    "order_count_total": 0.0,
    "active_days_90d": 0.0,
    "active_days_prior_90d": 0.0,
    "event_count_90d": 0.0,
    "tenure_days": 400.0,
}


def people(*rows: dict[str, object]) -> Snapshot:
    """Users of a day: what a row does not name is null, or nothing done."""
    blank: dict[str, object] = {
        **dict.fromkeys(NUMBERS, np.nan),
        **QUIET,
        "consent_marketing": True,
        "previous_tier": None,
        "previous_valid_from": pd.NaT,
        "was_asleep": False,
    }
    named = {"unified_user_id": [f"u_{i:03}" for i in range(len(rows))]}
    table = pd.DataFrame(
        {c: [row.get(c, default) for row in rows] for c, default in blank.items()}
    )
    table["previous_valid_from"] = pd.to_datetime(table["previous_valid_from"])
    return Snapshot(DAY, table.assign(**named), RULES, NO_MODEL)


def buyer(
    spend: float, orders: int, days_ago: int, **other: object
) -> dict[str, object]:
    """Somebody who ordered within the year, and did nothing else."""
    return {
        "net_amount_365d": spend,
        "order_count_365d": float(orders),
        "order_count_total": float(orders),
        "recency_days": float(days_ago),
        "avg_order_value_365d": spend / orders,
        **other,
    }


def visitor(
    days: int, events: int, days_ago: int, **other: object
) -> dict[str, object]:
    """Somebody who came by within the last 90 days, and never ordered."""
    return {
        "active_days_90d": float(days),
        "event_count_90d": float(events),
        "days_since_active": float(days_ago),
        **other,
    }


class TestStanding:
    def test_equals_share_their_percentile_and_quintile(self) -> None:
        values = np.array([10.0, 30.0, 20.0, 20.0, np.nan])
        place = standing(values, np.array([True] * 5))

        assert place.below.tolist() == [1, 4, 2, 2, 0]
        assert place.above.tolist() == [3, 0, 1, 1, 4]
        assert place.percentile.tolist() == pytest.approx([0.3, 0.9, 0.6, 0.6, 0.1])
        assert place.quintile.tolist() == [2, 5, 3, 3, 1]

    def test_only_those_who_take_part_are_counted(self) -> None:
        values = np.array([10.0, 99.0, 20.0])
        place = standing(values, np.array([True, False, True]))

        assert place.quintile.tolist() == [1, 0, 3]
        assert np.isnan(place.percentile[1])
        assert place.in_top(0.5).tolist() == [False, False, True]

    def test_a_group_that_does_not_fit_above_a_cut_falls_below_it(self) -> None:
        values = np.array([5.0, 4.0, 4.0, 4.0, 1.0])
        place = standing(values, np.array([True] * 5))

        assert place.in_first(3).tolist() == [True, False, False, False, False]
        assert place.in_first(4).tolist() == [True, True, True, True, False]

    def test_a_share_is_rounded_up_but_not_by_rounding_errors(self) -> None:
        assert [cut(0.03, n) for n in (0, 1, 33, 34, 100, 101)] == [0, 1, 1, 2, 3, 4]
        assert cut(0.07, 100) == 7, "0.07 * 100 is 7.000000000000001"


class TestRfm:
    def test_worked_example(self) -> None:
        """Five buyers of the year; quintiles by recency, frequency and spend."""
        found = people(
            buyer(spend=500, orders=9, days_ago=3),
            buyer(spend=400, orders=2, days_ago=200),
            buyer(spend=90, orders=2, days_ago=20),
            buyer(spend=90, orders=1, days_ago=40),
            buyer(spend=10, orders=1, days_ago=300),
            visitor(days=3, events=9, days_ago=1),
        ).rfm

        quintiles = {name: values.tolist() for name, values in found.quintiles.items()}
        assert quintiles == {
            "recency": [5, 2, 4, 3, 1, 0],
            "frequency": [5, 3, 3, 1, 1, 0],
            "monetary": [5, 4, 2, 2, 1, 0],
        }
        assert found.segment.tolist() == [
            "champions",
            "slipping_away",
            "promising",
            "need_attention",
            "lost",
            "no_purchase",
        ]

    def test_an_order_of_long_ago_is_lost_and_moves_no_quintile(self) -> None:
        recent = [buyer(spend=10.0 * i, orders=i, days_ago=i) for i in range(1, 6)]
        long_ago = {"order_count_total": 4.0, "recency_days": 800.0}
        alone = people(*recent).rfm
        among = people(*recent, *[long_ago] * 20).rfm

        assert among.segment[5:].tolist() == ["lost"] * 20
        assert among.segment[:5].tolist() == alone.segment.tolist()


class TestValueRank:
    def test_worked_example(self) -> None:
        """Two buyers and two others, so b = 0.5; percentiles are 0.75 and 0.25."""
        snapshot = people(
            buyer(spend=200, orders=1, days_ago=5),
            buyer(spend=100, orders=3, days_ago=9),
            visitor(days=8, events=10, days_ago=2),
            visitor(days=2, events=50, days_ago=4),
        )

        # 0.5 + 0.25 + 0.5 * (0.5 * 0.25 - 0.3 * 0.25 + 0.2 * 0.25), and so on
        assert snapshot.value.rank == pytest.approx([0.8, 0.7, 0.3, 0.2])
        assert snapshot.value.contributions[0] == pytest.approx(
            [0.25, 0.0625, -0.0375, 0.025]
        )
        assert snapshot.value.contributions[3] == pytest.approx(
            [-0.25, -0.0625, 0.0375, -0.025]
        )
        assert snapshot.value.rfm_rank[:2] == pytest.approx([0.6, 0.4])
        assert snapshot.value.activity_rank[2:] == pytest.approx([0.6, 0.4])

    def test_the_busiest_visitor_stays_below_the_least_buyer(self) -> None:
        snapshot = people(
            buyer(spend=1, orders=1, days_ago=364),
            {"order_count_total": 1.0, "recency_days": 900.0},
            visitor(days=90, events=9000, days_ago=0),
        )
        assert snapshot.value.rank.argsort().tolist() == [2, 1, 0]


class TestTiers:
    def test_worked_example_of_a_hundred(self) -> None:
        """3 select, 17 high, then potential, then 30 mid by value, the rest low."""
        rows = [
            buyer(spend=1000.0 - i, orders=60, days_ago=1, tenure_days=400.0)
            for i in range(100)
        ]
        rows[1] |= {"active_days_90d": 40.0}  # grows, but is select already
        rows[95] |= {"active_days_90d": 40.0}  # grows most
        rows[96] |= {"active_days_90d": 9.0, "active_days_prior_90d": 9.0}
        rows[99] |= {"order_count_total": 2.0, "avg_order_value_365d": 9e3}
        rows[98] |= {"order_count_total": 3.0, "avg_order_value_365d": 9e3}
        tier = assign_tiers(people(*rows), PLAYS)["tier"]

        expected = ["select"] * 3 + ["high"] * 17 + ["mid"] * 30 + ["low"] * 50
        expected[95] = expected[99] = "potential"
        assert tier.tolist() == expected

    def test_equals_across_a_cut_fall_below_it_together(self) -> None:
        rows = [buyer(spend=100, orders=2, days_ago=3)] * 5
        rows += [buyer(spend=1, orders=1, days_ago=3 + i) for i in range(95)]
        tier = assign_tiers(people(*rows), PLAYS)["tier"].tolist()

        assert tier[:5] == ["high"] * 5, "five do not fit into three places"
        assert tier.count("high") == 20

    def test_who_does_less_than_before_has_no_potential_for_that(self) -> None:
        rows = [visitor(1, 1, 50 - i, active_days_prior_90d=2.0 + i) for i in range(50)]
        assert "potential" not in set(assign_tiers(people(*rows), PLAYS)["tier"])

    def test_one_user_alone_is_select(self) -> None:
        only = assign_tiers(people(visitor(days=1, events=1, days_ago=0)), PLAYS)
        assert only["tier"].tolist() == ["select"]

    def test_no_user_no_tier(self) -> None:
        snapshot = Snapshot(DAY, people(QUIET).users[:0], RULES, NO_MODEL)
        assert len(assign_tiers(snapshot, PLAYS)) == 0
        assert [reason.text.size for reason in reasons(snapshot.value)] == [0, 0, 0]

    def test_a_kept_tier_keeps_its_first_day(self) -> None:
        before = {"previous_valid_from": pd.Timestamp("2026-08-01")}
        found = assign_tiers(
            people(
                visitor(9, 9, 0, previous_tier="select", **before),
                visitor(8, 8, 1, previous_tier="mid", **before),
                visitor(7, 7, 2),
            ),
            PLAYS,
        )
        assert found["tier"].tolist() == ["select", "mid", "low"]
        assert found["valid_from"].dt.date.tolist() == [
            date(2026, 8, 1),
            date(2026, 8, 1),
            DAY,
        ]
        moved = assign_tiers(
            people(visitor(9, 9, 0, previous_tier="low", **before)), PLAYS
        )
        assert moved["valid_from"].dt.date.tolist() == [DAY]
        assert moved["previous_tier"].tolist() == ["low"]


@pytest.mark.parametrize(
    ("row", "dormant", "at_risk"),
    [
        ({"days_since_active": 59.0}, False, False),
        ({"days_since_active": 60.0}, True, False),
        ({"days_since_active": 90.0, "recency_days": 10.0}, False, False),
        ({"tenure_days": 3.0}, False, False),
        ({"tenure_days": 60.0}, True, False),
        ({"days_since_active": 20.0, "median_gap_days": 10.0}, False, False),
        ({"days_since_active": 21.0, "median_gap_days": 10.0}, False, True),
        ({"days_since_active": 61.0, "median_gap_days": 10.0}, True, True),
    ],
)
def test_flags(row: dict[str, object], dormant: bool, at_risk: bool) -> None:
    snapshot = people(row)
    found = (bool(is_dormant(snapshot)[0]), bool(is_at_risk(snapshot)[0]))
    assert found == (dormant, at_risk)


@pytest.mark.parametrize(
    ("row", "lifecycle"),
    [
        (visitor(1, 1, 0, tenure_days=0.0), "new"),
        (visitor(1, 1, 0, tenure_days=6.0, was_asleep=True), "new"),
        (visitor(1, 1, 0, tenure_days=7.0), "growing"),
        (visitor(9, 9, 0, active_days_prior_90d=8.0), "mature"),
        (visitor(9, 9, 0, active_days_prior_90d=6.0), "growing"),
        ({"days_since_active": 60.0}, "dormant"),
        ({"days_since_active": 179.0}, "dormant"),
        ({"days_since_active": 180.0}, "lost"),
        ({"days_since_active": 61.0, "was_asleep": True}, "dormant"),
        ({"days_since_active": 30.0, "was_asleep": True}, "won_back"),
        ({"days_since_active": 31.0, "was_asleep": True}, "mature"),
    ],
)
def test_lifecycle(row: dict[str, object], lifecycle: str) -> None:
    assert lifecycles(people(row)).tolist() == [lifecycle]


class TestReasons:
    def test_worked_example(self) -> None:
        """One of four has not ordered, so b = 0.25."""
        snapshot = people(
            buyer(spend=900, orders=1, days_ago=9),
            buyer(spend=100, orders=5, days_ago=5),
            buyer(spend=200, orders=1, days_ago=1),
            visitor(days=8, events=10, days_ago=2),
        )
        found = reasons(snapshot.value)

        told = [(r.rank, r.text_key[0], r.text[0]) for r in found]
        assert told == [
            (
                1,
                "net_amount_365d.more",
                "Spent more in the last year than 60 % of customers",
            ),
            (
                2,
                "recency_days.less",
                "Last ordered longer ago than 60 % of customers",
            ),
            (
                3,
                "order_count_365d.less",
                "Ordered less often in the last year than 30 % of customers",
            ),
        ]
        assert [r.contribution[0] for r in found] == pytest.approx(
            [0.125, -0.05, -0.0375]
        )
        assert found[0].text[3] == "Has not bought yet, unlike 70 % of users"
        assert found[1].text[3].startswith("Active on about as many of the last 90")

    def test_every_part_has_its_words(self) -> None:
        assert set(TEXTS) == {*BUYER_PARTS, *OTHER_PARTS}


amounts = st.integers(0, 40)
somebody = st.fixed_dictionaries(
    {
        "spend": st.integers(1, 10**6),
        "orders": st.integers(0, 4),
        "recent": st.booleans(),
        "silent": st.none() | st.integers(0, 400),
        "gap": st.none() | st.integers(1, 90),
        "tenure": st.integers(0, 900),
        "now": amounts,
        "before": amounts,
        "asleep": st.booleans(),
        "marketing": st.booleans(),
    }
)
crowd = st.lists(somebody, min_size=1, max_size=60)


def snapshot_of(drawn: list[dict[str, int]], money: int = 1) -> Snapshot:
    rows = []
    for one in drawn:
        row: dict[str, object] = {
            "days_since_active": np.nan if one["silent"] is None else one["silent"],
            "median_gap_days": np.nan if one["gap"] is None else one["gap"],
            "tenure_days": float(one["tenure"]),
            "active_days_90d": float(one["now"]),
            "active_days_prior_90d": float(one["before"]),
            "event_count_90d": float(one["now"] * 3 + one["before"]),
            "was_asleep": one["asleep"],
            "consent_marketing": one["marketing"],
        }
        if one["orders"] and one["recent"]:
            row |= buyer(float(one["spend"] * money), one["orders"], one["before"])
        elif one["orders"]:
            row |= {"order_count_total": 1.0, "recency_days": 366.0 + one["before"]}
        rows.append(row)
    return people(*rows)


@given(crowd)
@settings(max_examples=60, deadline=None)
def test_everyone_has_one_tier_segment_lifecycle_and_action(drawn) -> None:
    snapshot = snapshot_of(drawn)
    found = assign_tiers(snapshot, PLAYS)

    assert (
        found["unified_user_id"].tolist() == snapshot.users["unified_user_id"].tolist()
    )
    assert found.drop(columns="previous_tier").notna().all(axis=None)
    assert found["tier"].isin(TIERS).all()
    for row, marketing in zip(
        found.itertuples(), snapshot.users["consent_marketing"], strict=True
    ):
        situation = Situation(
            row.tier, row.lifecycle, row.is_dormant, row.is_at_risk, marketing
        )
        play = PLAYS.resolve(situation)
        assert (row.next_action, row.next_action_mode) == (play.action, play.mode)


@given(crowd)
@settings(max_examples=60, deadline=None)
def test_tiers_from_above_hold_their_share_and_keep_equals_together(drawn) -> None:
    found = assign_tiers(snapshot_of(drawn), PLAYS)
    size, rank, tier = len(found), found["value_rank"], found["tier"]

    top, upper = (tier == "select").sum(), tier.isin(["select", "high"]).sum()
    assert top <= cut(0.03, size) and upper <= cut(0.20, size)
    assert (tier == "mid").sum() <= cut(0.30, size)
    if rank.is_unique:
        assert top == cut(0.03, size) and upper == cut(0.20, size)
    ladder = tier.map({"select": 4, "high": 3, "potential": 0, "mid": 2, "low": 1})
    climbing = found.assign(step=ladder)[ladder > 0].sort_values("value_rank")
    assert climbing["step"].is_monotonic_increasing
    assert (climbing.groupby("value_rank")["step"].nunique() == 1).all()


@given(crowd, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_rows_does_not_matter(drawn, chance) -> None:
    order = list(range(len(drawn)))
    chance.shuffle(order)
    first = snapshot_of(drawn)
    second = snapshot_of([drawn[i] for i in order])

    given_order = assign_tiers(first, PLAYS).drop(columns="unified_user_id")
    shuffled = assign_tiers(second, PLAYS).drop(columns="unified_user_id")
    pd.testing.assert_frame_equal(
        given_order.iloc[order].reset_index(drop=True), shuffled
    )
    for here, there in zip(reasons(first.value), reasons(second.value), strict=True):
        assert here.text[order].tolist() == there.text.tolist()
    for score in SCORES:
        one, other = score.function(first), score.function(second)
        assert one.has[order].tolist() == other.has.tolist()
        np.testing.assert_array_equal(one.values[order], other.values)


@given(crowd, st.integers(2, 5000))
@settings(max_examples=40, deadline=None)
def test_another_currency_changes_no_tier(drawn, money: int) -> None:
    here, there = (assign_tiers(snapshot_of(drawn, m), PLAYS) for m in (1, money))
    pd.testing.assert_frame_equal(here, there)


@given(crowd)
@settings(max_examples=60, deadline=None)
def test_contributions_add_up_and_the_strongest_are_told_first(drawn) -> None:
    snapshot = snapshot_of(drawn)
    value = snapshot.value
    told = reasons(value)

    summed = BASELINE + value.contributions.sum(axis=1)
    np.testing.assert_allclose(value.rank, summed, rtol=0, atol=1e-15)
    assert value.rank.mean() == pytest.approx(BASELINE)
    strengths = np.abs(np.column_stack([r.contribution for r in told]))
    assert (np.diff(strengths, axis=1) <= 0).all()
    tellable = np.abs(value.contributions)
    tellable[value.is_buyer, 0] = 0.0  # that a buyer has bought is not told
    left = tellable.sum(axis=1) - strengths.sum(axis=1)
    assert (left <= strengths[:, -1] + 1e-15).all(), "what is not told weighs less"
    features = np.column_stack([r.feature for r in told])
    for row, is_buyer in zip(features, value.is_buyer, strict=True):
        assert len(set(row)) == 3
        assert set(row) <= set(BUYER_PARTS if is_buyer else OTHER_PARTS)


@given(crowd)
@settings(max_examples=40, deadline=None)
def test_buyers_stand_above_the_others(drawn) -> None:
    value = snapshot_of(drawn).value
    others = float(np.mean(~value.is_buyer))

    assert (value.rank[value.is_buyer] > others).all()
    assert (value.rank[~value.is_buyer] < others).all()


@given(crowd)
@settings(max_examples=40, deadline=None)
def test_percents_in_reasons_are_counted_not_estimated(drawn) -> None:
    snapshot = snapshot_of(drawn)
    spend = np.nan_to_num(snapshot.column("net_amount_365d"))[snapshot.value.is_buyer]
    for reason in reasons(snapshot.value):
        for who in np.flatnonzero(reason.text_key == "net_amount_365d.more"):
            lower = np.sum(spend < snapshot.column("net_amount_365d")[who])
            percent = max(n for n in STEPS if n <= 100 * int(lower) / spend.size)
            assert f"than {percent} % of customers" in reason.text[who]
