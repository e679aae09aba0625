"""Online orders: each is sent when it is paid and again when it is settled."""

from dataclasses import dataclass

import numpy as np

from strata.sample import vocabulary
from strata.sample.baskets import Baskets, fill
from strata.sample.chance import Bools, Ints, pick
from strata.sample.entities import (
    STORE_LINES,
    STORE_ORDERS,
    STORE_REFUNDS,
    Batch,
    Row,
)
from strata.sample.faults import lateness
from strata.sample.keys import untidy
from strata.sample.phones import draw_styles, write_phones
from strata.sample.today import Today
from strata.sample.writing import LAST_SECOND, amount

LAST_REFUND = 15  # days after the order; nothing follows later
_SLOWEST = 7  # days until an order is completed
_HOURS = (
    *(3, 1, 1, 0, 0, 1, 2, 4, 6, 8, 10, 10),
    *(11, 10, 8, 8, 8, 8, 9, 12, 16, 18, 15, 8),
)


@dataclass(frozen=True)
class _Orders:
    """The orders of a day; an element each. ``after`` is in days, ``at`` in seconds."""

    buyers: Ints
    ids: list[str]
    arrival: Ints
    placed_at: Ints
    is_settled: Bools
    is_cancelled: Bools
    settled_after: Ints
    settled_at: Ints


def ordered(today: Today, buyers: Ints, rng: np.random.Generator) -> list[Batch]:
    """The day's orders with their lines, later versions and refunds."""
    baskets = fill(today.persons, buyers, rng)
    orders = _orders(today, buyers, rng)
    lines = Batch(
        STORE_LINES,
        baskets.rows(orders.ids),
        orders.arrival[baskets.purchase].tolist(),
    )
    return [
        _versions(today, orders, rng),
        lines,
        _refunds(today, orders, baskets, rng),
    ]


def _orders(today: Today, buyers: Ints, rng: np.random.Generator) -> _Orders:
    """Cancelled within two days or completed within one to seven; 2 % stay paid."""
    size = len(buyers)
    placed_at = pick(rng, _HOURS, size) * 3600 + rng.integers(0, 3600, size)
    factor = 0.4 + 0.6 * today.persons.behaviour.refund_factor[buyers]
    share = today.config.behaviour.cancelled_orders
    is_cancelled = rng.random(size) < share * factor
    after = np.where(
        is_cancelled, rng.integers(0, 3, size), rng.integers(1, _SLOWEST + 1, size)
    )
    moment = rng.integers(0, LAST_SECOND + 1, size)
    later = np.minimum(np.maximum(moment, placed_at + 300), LAST_SECOND)
    return _Orders(
        buyers=buyers,
        ids=[f"SO{today.number:05d}{number:06d}" for number in range(size)],
        arrival=today.number + lateness(rng, size, today.config.dirt),
        placed_at=np.minimum(placed_at, LAST_SECOND - 1),
        is_settled=rng.random(size) < 0.98,
        is_cancelled=is_cancelled,
        settled_after=after,
        settled_at=np.where(after == 0, later, moment),
    )


def _versions(today: Today, orders: _Orders, rng: np.random.Generator) -> Batch:
    """The orders as paid, then once more as they were settled, with a newer version.

    The two are late independently, so the newer may arrive first.
    """
    size = len(orders.ids)
    heads = _heads(today, orders, rng)
    placed = today.local(orders.placed_at)
    settled = today.local(orders.settled_at, orders.settled_after)
    is_tagged = rng.random(size) < 0.12
    delay = lateness(rng, size, today.config.dirt)
    tails: list[Row] = [
        ("CNY", moment, today.campaign if tag else None)
        for moment, tag in zip(placed, is_tagged.tolist(), strict=True)
    ]
    batch = Batch(STORE_ORDERS)
    for number in range(size):
        batch.rows.append((*heads[number], "paid", *tails[number], placed[number]))
        batch.arrivals.append(int(orders.arrival[number]))
    for number in np.flatnonzero(orders.is_settled).tolist():
        status = "cancelled" if orders.is_cancelled[number] else "completed"
        batch.rows.append((*heads[number], status, *tails[number], settled[number]))
        batch.arrivals.append(
            today.number + int(orders.settled_after[number] + delay[number])
        )
    return batch


def _heads(today: Today, orders: _Orders, rng: np.random.Generator) -> list[Row]:
    """Order, touchpoint, buyer, contact values and city: the same in all versions."""
    size, buyers, dirt = len(orders.ids), orders.buyers, today.config.dirt
    second = (rng.random(size) < 0.25).astype(np.int64)
    touchpoint = today.persons.membership.store_touchpoints[buyers, second]
    own_shop = touchpoint == 0
    styles = np.where(
        own_shop,
        draw_styles(rng, size, dirt, missing=0.05),
        draw_styles(rng, size, dirt, missing=0.30, masked=dirt.masked_phones),
    )
    gaps = rng.random((size, 2)) < dirt.missing_values
    city = [vocabulary.CITIES[index][0] for index in today.city[buyers].tolist()]
    return list(
        zip(
            orders.ids,
            [vocabulary.STORE_TOUCHPOINTS[t] for t in touchpoint.tolist()],
            today.keys.buyer_ids[buyers, second].tolist(),
            write_phones(today.phone[buyers].tolist(), styles),
            _emails(today, buyers, own_shop, rng),
            _with_gaps(_receivers(today, buyers, rng), gaps[:, 0]),
            _with_gaps(city, gaps[:, 1]),
            strict=True,
        )
    )


def _emails(
    today: Today, buyers: Ints, own_shop: Bools, rng: np.random.Generator
) -> list[str | None]:
    """Half of the orders in the own shop carry an e-mail, few elsewhere."""
    size = len(buyers)
    is_given = rng.random(size) < np.where(own_shop, 0.55, 0.10)
    is_untidy = rng.random(size) < today.config.dirt.untidy_emails
    emails = [
        untidy(email, number) if is_untidy[number] else email
        for number, email in enumerate(today.keys.email[buyers].tolist())
    ]
    return _with_gaps(emails, ~is_given)


def _receivers(today: Today, buyers: Ints, rng: np.random.Generator) -> list[str]:
    """Mostly the buyer; in 6 % of the orders somebody else receives the parcel."""
    size = len(buyers)
    anybody = rng.integers(0, len(today.persons), size)
    receivers = np.where(rng.random(size) < 0.06, anybody, buyers)
    return [str(name) for name in today.keys.name[receivers].tolist()]


def _with_gaps(values: list[str], is_missing: Bools) -> list[str | None]:
    return [
        None if gap else value
        for value, gap in zip(values, is_missing.tolist(), strict=True)
    ]


def _refunds(
    today: Today, orders: _Orders, baskets: Baskets, rng: np.random.Generator
) -> Batch:
    """Refunds of completed orders: whole lines, or 30 % of them, within 15 days.

    A refund never arrives before its order.
    """
    size = len(orders.ids)
    factor = today.persons.behaviour.refund_factor[orders.buyers]
    wanted = rng.random(size) < today.config.behaviour.refunded_orders * factor
    wanted &= orders.is_settled & ~orders.is_cancelled
    every_line = rng.random(size) < 0.4
    tenths = np.where(rng.random(size) < 0.2, 3, 10)
    after = orders.settled_after + rng.integers(1, LAST_REFUND - _SLOWEST + 1, size)
    refunded_at = today.local(rng.integers(8 * 3600, 22 * 3600, size), after)
    delay = lateness(rng, size, today.config.dirt)
    arrives = np.maximum(today.number + after + delay, orders.arrival)
    is_chosen = every_line[baskets.purchase] | (baskets.line_no == 1)
    is_chosen &= wanted[baskets.purchase]
    batch = Batch(STORE_REFUNDS)
    for line in np.flatnonzero(is_chosen).tolist():
        order, line_no = int(baskets.purchase[line]), int(baskets.line_no[line])
        order_id = orders.ids[order]
        cents = int(baskets.net_cents[line]) * int(tenths[order]) // 10
        batch.rows.append(
            (
                f"RF{order_id[2:]}-{line_no}",
                order_id,
                str(line_no),
                amount(cents),
                refunded_at[order],
            )
        )
        batch.arrivals.append(int(arrives[order]))
    return batch
