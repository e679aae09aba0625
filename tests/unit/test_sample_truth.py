"""What is planted in the sample world can be found again, within its error.

The bounds are four standard errors: with a seed given, a test either holds or does not.
"""

import math
from collections import Counter, defaultdict
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import fmean, variance

import numpy as np
import pytest
from strata.interest.ease import hits, weights
from strata.sample import SampleConfig, last_day
from strata.sample.entities import LANDING
from strata.sample.keys import keys
from strata.sample.population import population, sizes
from strata.sample.purchases import purchases
from strata.sample.today import Memory, Today
from strata.sample.vocabulary import ANDROIDS, CATEGORIES, IPHONES
from strata.scoring.purchases import expected_purchases, fit_bgnbd

from tests.unit.sample_place import SMALL, Place, Table, content_hash

# Eager buyers through three festivals, strongly moved by what is sent to them.
PLANTED = SampleConfig.model_validate(
    {
        "seed": 3,
        "users": 700,
        "first_users": 0.75,
        "days": 110,
        "first_day": "2025-10-20",
        "behaviour": {"orders_a_year": 60, "phone_changes_a_year": 1.5},
        "contacts": {"ad_clicks_a_year": 30, "invited": 0.5, "surveyed_purchases": 0.2},
        "uplift": {"persuadable": 1.5, "contrary": -0.7},
        "consent": {"withdrawals_a_year": 0.5},
        "dirt": {"recycled_phones": 0.3, "recycled_after_days": 15},
    }
)
TOUCHPOINTS = {
    "crm_record", "web_store", "tmall", "jd", "pinduoduo", "douyin_shop", "pos_store",
    "pop_up", "kiosk", "app_ios", "app_android", "push", "web_pc", "web_h5",
    "wechat_mini", "alipay_mini", "douyin_mini", "wecom_chat", "wecom_group",
    "official_account", "qq_group", "weibo", "douyin_live", "kuaishou_live",
    "xiaohongshu", "bilibili", "search_ad", "feed_ad", "display_ad", "kol", "hotline",
    "live_chat", "ticket", "survey", "review", "offline_event", "points", "coupon",
    "referral", "email", "sms",
}  # fmt: skip


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("planted"))
    place.advance(PLANTED, last_day(PLANTED))
    return place


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("small"))
    place.advance(SMALL, last_day(SMALL))
    return place


def test_every_touchpoint_occurs(planted: Place) -> None:
    seen = {
        row["touchpoint"]
        for entity in LANDING
        if "touchpoint" in entity.columns
        for row in planted.rows(entity.title)
    }
    assert planted.table("customers")
    assert len(TOUCHPOINTS) == 41
    assert seen | {"crm_record"} == TOUCHPOINTS


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_few_persons_bring_much_of_the_revenue(seed: int) -> None:
    config = SampleConfig(seed=seed, users=5000, first_users=1.0, days=2)
    traits = population(config, 1).behaviour
    days = np.clip(traits.dropout_day, 0, 365)
    value = np.sort(traits.order_rate * traits.mean_spend * days)[::-1]
    share = value[: math.ceil(0.03 * len(value))].sum() / value.sum()
    assert 0.30 <= share <= 0.45


def test_a_bg_nbd_model_foresees_what_will_be_bought() -> None:
    """Fitted on the first 200 days: purchases of the next 100, and who goes on."""
    calm = {"growing": 0, "declining": 0, "pausing": 0}
    config = SampleConfig.model_validate(
        {
            "seed": 8, "users": 900, "first_users": 0.9, "days": 310,
            "first_day": "2025-11-20", "behaviour": calm,
        }
    )  # fmt: skip
    counts, persons = sizes(config, 309), population(config, 309)
    all_keys, memory = keys(config, persons), Memory()
    days = defaultdict[int, set[int]](set)
    for number in range(300):
        then = persons.first(counts[number])
        today = Today(config, then, all_keys, number, counts, memory)
        for buyer in purchases(today).sales.buyers.tolist():
            days[buyer].add(number)
    known = {p: sorted(d for d in its if d < 200) for p, its in days.items()}
    known = {p: its for p, its in known.items() if its}
    x = np.array([len(its) - 1 for its in known.values()])
    t_x = np.array([its[-1] - its[0] for its in known.values()])
    age = np.array([200 - its[0] for its in known.values()])
    later = np.array([sum(d >= 200 for d in days[p]) for p in known])
    fit = fit_bgnbd(x, t_x, age)
    assert fit.converged
    foreseen = expected_purchases(fit.model, x, t_x, age, [100])[:, 0]
    assert foreseen.sum() == pytest.approx(later.sum(), rel=0.15)
    thirds = [
        (foreseen[part].sum(), later[part].sum())
        for part in np.array_split(np.argsort(foreseen), 3)
    ]
    assert thirds[0][1] < thirds[1][1] < thirds[2][1]
    assert thirds[2][0] == pytest.approx(thirds[2][1], rel=0.2)


def test_what_a_person_takes_to_next_follows_from_what_they_bought() -> None:
    """EASE tells a first purchase of the last 60 days better than popularity does."""
    config = SampleConfig.model_validate(
        {"seed": 8, "users": 9000, "days": 310, "first_day": "2025-11-20"}
    )
    counts, persons = sizes(config, 309), population(config, 309)
    all_keys, memory = keys(config, persons), Memory()
    after = np.zeros((len(persons), len(CATEGORIES)), dtype=bool)
    before = after.copy()
    for number in range(300):
        then = persons.first(counts[number])
        sales = purchases(Today(config, then, all_keys, number, counts, memory)).sales
        after[sales.buyers, sales.category] = True
        if number < 240:
            before = after.copy()
    popular = np.broadcast_to(before.sum(axis=0).astype(float), before.shape)

    ease = hits(before, after, before @ weights(before, 10), [1])
    plain = hits(before, after, popular, [1])

    chance = math.sqrt(2 * 0.25 / ease["users"])
    assert ease["recall_1"] > plain["recall_1"] + 3 * chance


def test_who_spends_more_has_a_dearer_phone(planted: Place) -> None:
    spend = {
        row["app_user_id"]: float(row["mean_spend"])
        for row in planted.rows("truth/persons")
    }
    places, means = [], []
    for row in planted.rows("app/devices"):
        for models in (IPHONES, ANDROIDS):
            if row["app_user_id"] and row["device_model"] in models:
                places.append(models.index(row["device_model"]) / len(models))
                means.append(spend[row["app_user_id"]])
    half = np.median(means)
    dear, cheap = (
        [p for p, m in zip(places, means, strict=True) if (m > half) == is_dear]
        for is_dear in (True, False)
    )
    error = math.sqrt(variance(dear) / len(dear) + variance(cheap) / len(cheap))
    assert fmean(dear) - fmean(cheap) > 4 * error


def _orders_after(
    place: Place, assignments: Table, days: int
) -> dict[tuple[str, str], list[int]]:
    """Purchases within ``days`` of the sending, by kind and treatment."""
    bought: Counter[tuple[str, str]] = Counter(
        (row["person_id"], row["bought_on"]) for row in place.rows("truth/purchases")
    )
    found = defaultdict[tuple[str, str], list[int]](list)
    for row in assignments:
        start = date.fromisoformat(row["sent_on"])
        window = (str(start + timedelta(days=n)) for n in range(days))
        count = sum(bought[row["person_id"], day] for day in window)
        found[row["kind"], row["is_treated"]].append(count)
    return found


def test_the_uplift_of_each_kind_is_the_difference_of_means(planted: Place) -> None:
    truth = {
        (row["campaign"], row["kind"]): float(row["uplift"])
        for row in planted.rows("truth/campaigns")
    }
    last = last_day(PLANTED) - timedelta(days=6)
    rows = [
        row
        for row in planted.rows("truth/assignments")
        if date.fromisoformat(row["sent_on"]) <= last
    ]
    found = _orders_after(planted, rows, 7)
    seen = {}
    for kind in ("persuadable", "loyal", "indifferent", "contrary"):
        treated, control = found[kind, "1"], found[kind, "0"]
        difference = fmean(treated) - fmean(control)
        error = math.sqrt(
            variance(treated) / len(treated) + variance(control) / len(control)
        )
        planned = fmean(truth[r["campaign"], kind] for r in rows if r["kind"] == kind)
        assert abs(difference - planned * fmean(control)) < 4 * error
        seen[kind] = difference / error
    assert seen["persuadable"] > 3
    assert abs(seen["indifferent"]) < 3


def test_messages_go_to_the_treated_and_to_nobody_held_out(planted: Place) -> None:
    rows = planted.rows("truth/assignments")
    persons = {row["person_id"]: row for row in planted.rows("truth/persons")}
    sent = {
        (row["campaign"], row["member_no"] or "")
        for row in planted.rows("loyalty/messages")
    } | {
        (row["campaign"], row["app_user_id"] or "")
        for row in planted.rows("app/pushes")
    }
    shares = Counter(row["is_treated"] for row in rows)
    assert abs(shares["1"] / len(rows) - 0.5) < 2 / math.sqrt(len(rows))
    missing = 0
    for row in rows:
        person = persons[row["person_id"]]
        own = person["app_user_id" if row["touchpoint"] == "push" else "member_no"]
        is_sent = (row["campaign"], own) in sent
        assert not is_sent or row["is_treated"] == "1"
        missing += row["is_treated"] == "1" and not is_sent
    # Some of the last drive's messages are still on their way.
    assert missing <= 0.02 * shares["1"]


def test_nobody_is_written_to_against_their_will(planted: Place) -> None:
    answers = defaultdict[str, list[tuple[str, str]]](list)
    for row in planted.table("consents"):
        if row["purpose"] == "marketing":
            answers[row["customer_id"]].append((row["changed_at"], row["granted"]))
    persons = {row["person_id"]: row for row in planted.rows("truth/persons")}
    withdrew = 0
    for row in planted.rows("truth/assignments"):
        its = sorted(answers[persons[row["person_id"]]["crm_customer_id"]])
        before = [granted for at, granted in its if at[:10] < row["sent_on"]]
        today = [granted for at, granted in its if at[:10] == row["sent_on"]]
        assert "1" in before[-1:] + today
        withdrew += any(granted == "0" for _, granted in its)
    assert withdrew > 0


def test_each_cause_brings_about_as_many_orders_as_it_should(planted: Place) -> None:
    expected: Counter[str] = Counter()
    for row in planted.rows("truth/calendar"):
        for name, value in row.items():
            if name.startswith("expected_"):
                expected[name.removeprefix("expected_")] += float(value)
    causes = {"habit", "search_ad", "feed_ad", "display_ad", "kol", "coupon"}
    came = Counter(
        row["cause"] if row["cause"] in causes else "campaign"
        for row in planted.rows("truth/purchases")
    )
    assert set(expected) == causes | {"campaign"}
    for cause, count in expected.items():
        assert abs(came[cause] - count) <= 4 * math.sqrt(count) + 1, cause
    # Clicks by known persons, each with the effect of its channel.
    effect = {
        row["touchpoint"]: float(row["orders_a_touch"])
        for row in planted.rows("truth/channels")
    }
    clicks = Counter(row["touchpoint"] for row in planted.rows("ads/clicks"))
    for channel in ("search_ad", "feed_ad", "display_ad", "kol"):
        assert 0 < expected[channel] < effect[channel] * clicks[channel]


def test_words_agree_with_the_mood_more_often_than_stars(planted: Place) -> None:
    rows = planted.rows("truth/moods")
    stars = ["negative", "negative", "neutral", "positive", "positive"]
    by_text = fmean(row["text_kind"] == row["mood_kind"] for row in rows)
    by_stars = fmean(stars[int(row["rating"]) - 1] == row["mood_kind"] for row in rows)
    assert abs(by_text - 0.96) < 4 * math.sqrt(0.96 * 0.04 / len(rows))
    assert by_text - by_stars > 0.1
    told = {row["review_id"]: row for row in rows}
    reviews = planted.rows("feedback/reviews")
    assert {row["language"] for row in reviews} >= {"zh", "en"}
    kinds = defaultdict[str, set[str]](set)
    for row in reviews:
        kinds[row["review_text"]].add(told[row["review_id"]]["text_kind"])
    assert len(kinds) > 50 and all(len(kind) == 1 for kind in kinds.values())


def test_growth_and_decline_lead_from_the_old_rate_to_the_new(planted: Place) -> None:
    persons = population(PLANTED, PLANTED.days - 1)
    behaviour, temper = persons.behaviour, persons.temper
    plans = {row["person_id"]: row for row in planted.rows("truth/plans")}
    assert {row["plan"] for row in plans.values()} == {"growth", "decline"}
    for key, row in plans.items():
        number = int(key[1:])
        start, end = (
            PLANTED.number(date.fromisoformat(row[day]))
            for day in ("from_day", "until_day")
        )
        assert (start, end) == (temper.plan_from[number], temper.plan_until[number])
        if behaviour.dropout_day[number] > end + 40:
            before, after = persons.liveliness(start), persons.liveliness(end)
            asleep = (behaviour.pause_from < end) & (start < behaviour.pause_until)
            if not asleep[number]:
                factor = after[number] / before[number]
                assert factor == pytest.approx(float(row["factor"]), rel=1e-3)


def test_a_number_given_up_comes_to_one_newcomer_after_a_silence(
    planted: Place,
) -> None:
    persons = {row["person_id"]: row for row in planted.rows("truth/persons")}
    rows = planted.rows("truth/recycled_numbers")
    assert len(rows) > 5
    assert len({row["phone"] for row in rows}) == len(rows)
    for row in rows:
        given_up, used = (date.fromisoformat(row[c]) for c in ("given_up_on", "on"))
        assert (used - given_up).days >= 15
        before, after = persons[row["from_person_id"]], persons[row["to_person_id"]]
        assert before["phones"][0] == after["phones"][0] == row["phone"]
        assert before["phone_changes_on"] == given_up
        assert after["appeared_on"] == used


def test_families_and_shops_share_what_the_truth_says(planted: Place) -> None:
    persons = {row["person_id"]: row for row in planted.rows("truth/persons")}
    rows = planted.rows("truth/shared_contacts")
    assert {row["kind"] for row in rows} == {"family", "shop", "device"}
    for row in rows:
        column = "device_ids" if row["kind"] == "device" else "phones"
        assert row["value"] == persons[row["person_id"]][column][0]
        if row["kind"] == "family":
            assert row["value"] == persons[row["shares_with"]]["phones"][0]
    named = {row["person_id"] for row in rows if row["contact_type"] == "phone"}
    named |= {row["to_person_id"] for row in planted.rows("truth/recycled_numbers")}
    named |= {row["shares_with"] for row in rows if row["shares_with"]}
    named |= {row["from_person_id"] for row in planted.rows("truth/recycled_numbers")}
    users = defaultdict[str, set[str]](set)
    for key, person in persons.items():
        users[person["phones"][0]].add(key)
    shared = {key for its in users.values() if len(its) > 1 for key in its}
    assert shared <= named


def test_invitations_make_trees(planted: Place) -> None:
    persons = {row["person_id"]: row for row in planted.rows("truth/persons")}
    edges = planted.rows("truth/referrals")
    inviters = {row["invitee_id"]: row["inviter_id"] for row in edges}
    assert len(inviters) == len(edges) > 20
    depths = []
    for key in inviters:
        depth, at = 0, key
        while at in inviters:
            assert persons[inviters[at]]["appeared_on"] <= persons[at]["appeared_on"]
            depth, at = depth + 1, inviters[at]
        depths.append(depth)
    assert max(depths) >= 2 and max(Counter(inviters.values()).values()) >= 2
    rows = planted.rows("loyalty/referrals")
    joined = {(r["member_no"], r["invitee_phone"]) for r in rows if r["joined_at"]}
    for row in edges:
        inviter, invitee = persons[row["inviter_id"]], persons[row["invitee_id"]]
        told = any(
            (inviter["member_no"], phone) in joined for phone in invitee["phones"]
        )
        assert told or date.fromisoformat(row["joined_on"]) > last_day(PLANTED)
    # Those who never come have numbers that nobody has.
    numbers = {phone for person in persons.values() for phone in person["phones"]}
    in_vain = {r["invitee_phone"] for r in rows} - {phone for _, phone in joined}
    assert len(in_vain - numbers) > 0.9 * len(in_vain) > 0


def test_a_coupon_is_redeemed_once_by_its_holder_and_in_time(planted: Place) -> None:
    persons = {row["person_id"]: row for row in planted.rows("truth/persons")}
    buyers = {
        row["purchase_id"]: persons[row["person_id"]]["member_no"]
        for row in planted.rows("truth/purchases")
    }
    redeemed = [row for row in planted.rows("loyalty/coupons") if row["redeemed_at"]]
    orders = {row["coupon_id"]: row["order_id"] for row in redeemed}
    assert len({(r["coupon_id"], r["order_id"]) for r in redeemed}) == len(orders) > 20
    for row in redeemed:
        assert buyers[row["order_id"]] == row["member_no"]
        assert row["issued_at"] < row["redeemed_at"] <= row["expires_at"]


def test_merged_customers_are_one_person(planted: Place) -> None:
    owners = {
        row["record_key"]: row["person_id"]
        for row in planted.rows("truth/records")
        if row["entity"] == "customers"
    }
    merges = planted.table("merges")
    assert merges
    for row in merges:
        one, other = row["from_customer_id"], row["into_customer_id"]
        assert one != other and owners[one] == owners[other]


def test_the_bill_for_advertising_comes_again_corrected(planted: Place) -> None:
    versions = defaultdict[str, list[dict[str, str]]](list)
    for row in planted.rows("ads/costs"):
        if row not in versions[row["cost_day_id"]]:
            versions[row["cost_day_id"]].append(row)
    clicks = Counter(
        (row["clicked_at"][:10], row["touchpoint"])
        for row in {r["click_id"]: r for r in planted.rows("ads/clicks")}.values()
        if row["clicked_at"] != "n/a"
    )
    settled = 0
    for its in versions.values():
        its = list({row["updated_at"]: row for row in its}.values())
        first, *rest = sorted(its, key=lambda row: row["updated_at"])
        assert len(rest) <= 1
        for row in rest:
            waited = date.fromisoformat(row["updated_at"][:10])
            assert (waited - date.fromisoformat(row["spent_on"])).days == 3
            same = ("touchpoint", "campaign", "clicks", "impressions", "currency")
            assert all(row[name] == first[name] for name in same)
            late = int(row["clicks"]) - clicks[row["spent_on"], row["touchpoint"]]
            assert 0 <= late <= 3
            settled += row["cost"] != first["cost"]
    assert settled > 100


def test_an_outage_leaves_a_day_empty_and_is_caught_up_on_the_next(
    tmp_path: Path, small: Place
) -> None:
    unharmed = Place(tmp_path)
    calm = SMALL.incidents.model_copy(update={"outage_day": None})
    unharmed.advance(SMALL.model_copy(update={"incidents": calm}), last_day(SMALL))
    silent = SMALL.day(9)
    for title in ("pos/receipts", "pos/receipt_lines"):
        rows, usual = small.rows(title), unharmed.rows(title)
        assert any(row["arrived_on"] == silent for row in usual)
        assert not any(row["arrived_on"] == silent for row in rows)
        for row in usual:
            row["arrived_on"] += timedelta(days=row["arrived_on"] == silent)
        key = sorted(map(repr, rows))
        assert key == sorted(map(repr, usual))
    assert any(row["arrived_on"] == silent for row in small.rows("store/orders"))


def test_a_file_comes_again_with_newer_versions_of_its_rows(small: Place) -> None:
    rows = [row for row in small.rows("store/orders") if row["placed_at"][:1] == "2"]
    first = [row for row in rows if row["arrived_on"] == SMALL.day(12)]
    again = [row for row in rows if row["arrived_on"] == SMALL.day(13)]
    moments = {(r["order_id"], r["status"]): r["updated_at"] for r in first}
    newer = {
        (r["order_id"], r["status"])
        for r in again
        if r["updated_at"] > moments.get((r["order_id"], r["status"]), "9")
    }
    assert newer == moments.keys() and newer


def test_shapes_change_on_their_days_and_values_do_not(small: Place) -> None:
    versions = {"app_version" in row: [] for row in small.rows("app/events")}  # type: dict[bool, list[date]]
    for row in small.rows("app/events"):
        versions["app_version" in row].append(row["arrived_on"])
    assert max(versions[False]) < SMALL.day(15) <= min(versions[True])
    types = defaultdict[type, list[date]](list)
    for row in small.rows("miniprogram/events"):
        if row["duration_seconds"] is not None:
            types[type(row["duration_seconds"])].append(row["arrived_on"])
            assert float(row["duration_seconds"]) > 0
    assert set(types) == {float, str}
    assert max(types[float]) < SMALL.day(18) <= min(types[str])


def test_incidents_and_late_rows_are_told(small: Place) -> None:
    told = {row["kind"]: row["day"] for row in small.rows("truth/incidents")}
    days = {"outage": 9, "resent": 12, "new_column": 15, "retyped": 18}
    assert told == {kind: str(SMALL.day(number)) for kind, number in days.items()}
    late = Counter(
        row["value"]
        for row in small.rows("truth/faults")
        if row["kind"] == "late" and row["entity"] == "events"
    )
    assert {"1", "2", "3", "10"} <= set(late) <= {"1", "2", "3", "10"}


def test_what_a_system_hands_over_does_not_depend_on_the_others(
    tmp_path: Path, small: Place
) -> None:
    few = Place(tmp_path)
    some = SMALL.model_copy(update={"delivers": ("crm", "store", "loyalty")})
    few.advance(some, last_day(SMALL))
    files = [p.relative_to(few.world) for p in (few.world / "landing").rglob("*.*")]
    assert {path.parts[1] for path in files} == {"store", "loyalty"}
    for path in files:
        one, other = few.world / path, small.world / path
        assert content_hash(one.read_bytes()) == content_hash(other.read_bytes())


def test_tickets_go_on_to_their_end(planted: Place) -> None:
    steps = defaultdict[str, dict[str, str]](dict)
    for row in planted.rows("support/tickets"):
        if row["opened_at"] != "n/a":
            steps[row["ticket_id"]][row["updated_at"]] = row["status"]
    ways = Counter(tuple(its[at] for at in sorted(its)) for its in steps.values())
    whole = ("open", "resolved", "closed")
    assert ways[whole] > 20 and ways[whole[:2]] > 20
    order = {status: place for place, status in enumerate(whole)}
    for way in ways:
        assert all(order[a] < order[b] for a, b in pairwise(way))
