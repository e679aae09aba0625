"""Who buys on a day, where, and why."""

from dataclasses import dataclass

import numpy as np

from strata.sample import vocabulary
from strata.sample.chance import Floats, Ints, Stream, happening
from strata.sample.clicks import extra_orders
from strata.sample.coupons import wanted
from strata.sample.drives import drive_under_way, lift
from strata.sample.entities import TRUTH_CALENDAR, TRUTH_PURCHASES, Batch, Row
from strata.sample.orders import ordered
from strata.sample.receipts import sold
from strata.sample.sales import Sales
from strata.sample.seasons import orders_factor, promotion_factor, sessions_factor
from strata.sample.today import Today
from strata.sample.writing import amounts

HABIT = "habit"


@dataclass(frozen=True)
class Purchases:
    """The purchases of a day: what they bring about by themselves, and what they are.

    ``sales`` has the online ones first, then those at a till.
    """

    batches: list[Batch]
    sales: Sales


def purchases(today: Today) -> Purchases:
    """Everything that the purchases of one day bring about, clean, by arrival.

    What follows from a purchase (its next status, a refund, a return) is drawn with
    it and arrives on a later day.
    """
    rng, persons = today.rng(Stream.PURCHASES), today.persons
    online = persons.membership.store_day <= today.number
    in_shops = persons.membership.pos_day <= today.number
    rates = order_rates(today)
    buyers = happening(rng, rates.sum(axis=0))
    cause = _causes(today, rates[:, buyers], rng)
    share = np.where(in_shops, persons.membership.store_share, 1.0) * online
    is_online = rng.random(len(buyers)) < share[buyers]
    orders, placed = ordered(today, buyers[is_online], cause[is_online], rng)
    receipts, handed = sold(today, buyers[~is_online], cause[~is_online], rng)
    sales = Sales.joined([placed, handed])
    truth = _truth(today, sales, rates.sum(axis=1))
    return Purchases([*orders, *receipts, *truth], sales)


def order_rates(today: Today) -> Floats:
    """Orders a person may be expected to make today, a row a cause.

    The causes: habit, a campaign, the four advertisements, a coupon. A shopping
    festival moves a person by its factor to the power of 0.5 + 2a, where a is the
    person's liking of discounts (0.25 in the mean).
    """
    persons = today.persons
    can = persons.shops(today.number) & (today.liveliness > 0)
    promotion = promotion_factor(today.day)
    appeal = promotion ** (0.5 + 2 * persons.behaviour.discount_affinity)
    habit = persons.behaviour.order_rate * today.liveliness * appeal
    habit = habit * orders_factor(today.day) * can
    lifted = habit * lift(today)
    return np.vstack(
        [
            habit + np.minimum(lifted, 0.0),
            np.maximum(lifted, 0.0),
            extra_orders(today) * can,
            wanted(today) * can,
        ]
    )


def _causes(today: Today, rates: Floats, rng: np.random.Generator) -> Ints:
    """The cause of each purchase, drawn by the share of its rate; a column each."""
    bounds = np.cumsum(rates, axis=0)
    draw = rng.random(rates.shape[1]) * bounds[-1] if rates.size else np.zeros(0)
    causes: Ints = (draw[None, :] > bounds).sum(axis=0)
    return np.minimum(causes, len(rates) - 1)


def _truth(today: Today, sales: Sales, expected: Floats) -> list[Batch]:
    """Each purchase with its cause; the day, and what each cause lets one expect."""
    campaign = drive_under_way(today) or HABIT
    names = [HABIT, campaign, *vocabulary.AD_TOUCHPOINTS, "coupon"]
    size = len(sales.buyers)
    bought = (
        sales.ids,
        np.where(sales.is_online, "store", "pos").tolist(),
        today.keys.person_id[sales.buyers].tolist(),
        [today.day.isoformat()] * size,
        amounts(sales.net_cents),
        [names[cause] for cause in sales.cause.tolist()],
    )
    factors = (orders_factor, promotion_factor, sessions_factor)
    day: Row = (
        today.day.isoformat(),
        today.campaign,
        *(f"{factor(today.day):.4f}" for factor in factors),
        *(f"{orders:.6f}" for orders in expected.tolist()),
    )
    return [
        Batch.of(TRUTH_PURCHASES, today.number, bought),
        Batch(TRUTH_CALENDAR, [day], [today.number]),
    ]
