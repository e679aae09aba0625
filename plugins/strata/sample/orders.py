"""Online orders: each is sent when it is paid and again when it is settled."""

from dataclasses import dataclass

import numpy as np

from strata.sample import vocabulary
from strata.sample.baskets import Baskets, fill
from strata.sample.chance import Bools, Ints, seconds_of_day
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
from strata.sample.sales import Sales
from strata.sample.today import Today
from strata.sample.writing import LAST_SECOND, amounts, texts

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
    late: Ints
    placed_at: Ints
    is_settled: Bools
    is_cancelled: Bools
    settled_after: Ints
    settled_at: Ints


def ordered(
    today: Today, buyers: Ints, cause: Ints, rng: np.random.Generator
) -> tuple[list[Batch], Sales]:
    """The day's orders with their lines, later versions and refunds."""
    baskets = fill(today.persons, buyers, rng)
    orders = _orders(today, buyers, rng)
    second = (rng.random(len(buyers)) < 0.25).astype(np.int64)
    account = today.keys.buyer_ids[buyers, second].tolist()
    late = orders.late[baskets.purchase]
    lines = Batch.of(STORE_LINES, today.number, baskets.columns_of(orders.ids), late)
    refunds, is_refunded = _refunds(today, orders, baskets, rng)
    first = np.flatnonzero(baskets.line_no == 1)
    is_completed = orders.is_settled & ~orders.is_cancelled
    sales = Sales(
        ids=orders.ids,
        buyers=buyers,
        is_online=np.ones(len(buyers), dtype=np.bool_),
        account=account,
        sku=[baskets.sku[line] for line in first.tolist()],
        category=baskets.category[first],
        net_cents=baskets.totals(len(buyers)),
        bought_at=orders.placed_at,
        completed_after=np.where(is_completed, orders.settled_after, -1),
        is_refunded=is_refunded,
        cause=cause,
    )
    heads = _heads(today, orders, second, account, rng)
    return [_versions(today, orders, heads, cause, rng), lines, refunds], sales


def _orders(today: Today, buyers: Ints, rng: np.random.Generator) -> _Orders:
    """Cancelled within two days or completed within one to seven; 2 % stay paid."""
    size = len(buyers)
    placed_at = seconds_of_day(rng, _HOURS, size)
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
        late=lateness(rng, size, today.config.dirt),
        placed_at=np.minimum(placed_at, LAST_SECOND - 1),
        is_settled=rng.random(size) < 0.98,
        is_cancelled=is_cancelled,
        settled_after=after,
        settled_at=np.where(after == 0, later, moment),
    )


def _versions(
    today: Today,
    orders: _Orders,
    heads: list[Row],
    cause: Ints,
    rng: np.random.Generator,
) -> Batch:
    """The orders as paid, then once more as they were settled, with a newer version.

    The two are late independently, so the newer may arrive first. The campaign that
    an order names is what the shop believes: seldom the cause.
    """
    size = len(orders.ids)
    placed = today.local(orders.placed_at)
    settled = today.local(orders.settled_at, orders.settled_after)
    is_tagged = rng.random(size) < np.where(cause == 1, 0.5, 0.1)
    delay = lateness(rng, size, today.config.dirt)
    campaigns = [today.campaign if tag else None for tag in is_tagged.tolist()]
    again = np.flatnonzero(orders.is_settled).tolist()
    rows: list[Row] = [
        (*head, "paid", "CNY", moment, campaign, moment)
        for head, moment, campaign in zip(heads, placed, campaigns, strict=True)
    ]
    is_cancelled = orders.is_cancelled.tolist()
    rows += [
        (
            *heads[n],
            "cancelled" if is_cancelled[n] else "completed",
            *("CNY", placed[n], campaigns[n], settled[n]),
        )
        for n in again
    ]
    late = np.concatenate([orders.late, delay[orders.is_settled]])
    after = np.concatenate([0 * orders.late, orders.settled_after[orders.is_settled]])
    arrivals = (today.number + after + late).tolist()
    return Batch(STORE_ORDERS, rows, arrivals, late.tolist())


def _heads(
    today: Today,
    orders: _Orders,
    second: Ints,
    account: list[str],
    rng: np.random.Generator,
) -> list[Row]:
    """Order, touchpoint, buyer, contact values and city: the same in all versions."""
    size, buyers, dirt = len(orders.ids), orders.buyers, today.config.dirt
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
            account,
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
) -> tuple[Batch, Bools]:
    """Refunds of completed orders: whole lines, or 30 % of them, within 15 days.

    A refund never arrives before its order. Also says which orders have one.
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
    late = np.maximum(delay, orders.late - after)
    is_chosen = every_line[baskets.purchase] | (baskets.line_no == 1)
    chosen = np.flatnonzero(is_chosen & wanted[baskets.purchase])
    order = baskets.purchase[chosen]
    ids, line_no = [orders.ids[n] for n in order.tolist()], baskets.line_no[chosen]
    columns = (
        [f"RF{o[2:]}-{n}" for o, n in zip(ids, line_no.tolist(), strict=True)],
        ids,
        texts(line_no.tolist()),
        amounts(baskets.net_cents[chosen] * tenths[order] // 10),
        [refunded_at[n] for n in order.tolist()],
    )
    arrivals = today.number + after[order]
    return Batch.of(STORE_REFUNDS, arrivals, columns, late[order]), wanted
