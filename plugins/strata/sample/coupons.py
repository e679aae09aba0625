"""Coupons: who gets one, when its holder thinks of it, and what comes of that."""

from dataclasses import dataclass

import numpy as np

from strata.sample.chance import Floats, Ints, Stream
from strata.sample.entities import LOYALTY_COUPONS, Batch
from strata.sample.sales import Sales
from strata.sample.seasons import begins, campaign
from strata.sample.today import Today

LASTS = 30  # days
_THOUGHT_OF = 21  # at the latest
_FACES = (1000, 2000, 3000, 5000)  # cents


@dataclass(frozen=True)
class _Issue:
    """The coupons issued on one day: holders, values in cents, days until their day."""

    number: int
    campaign: str
    holders: Ints
    cents: Ints
    after: Ints


def wanted(today: Today) -> Floats:
    """Orders that coupons bring about today, a number a person.

    A holder thinks of the coupon on one day, and may order for its sake.
    """
    extra = np.zeros(len(today.persons))
    for issue in _issues(today):
        holders = issue.holders[issue.number + issue.after == today.number]
        extra[holders] += today.config.channels.coupon
    return extra


def coupons(today: Today, sales: Sales) -> list[Batch]:
    """Coupons issued today, and those redeemed with the day's purchases.

    A coupon is redeemed with the holder's first purchase on the one day on which the
    holder thinks of it.
    """
    batches = []
    for issue in _issues(today):
        if issue.number == today.number:
            everybody = np.arange(len(issue.holders))
            batches.append(_rows(today, issue, everybody, None))
        else:
            batches.append(_redeemed(today, issue, sales))
    return batches


def _redeemed(today: Today, issue: _Issue, sales: Sales) -> Batch:
    due = np.flatnonzero(issue.number + issue.after == today.number)
    buyers, first = np.unique(sales.buyers, return_index=True)
    place = np.searchsorted(buyers, issue.holders[due])
    place = np.minimum(place, max(len(buyers) - 1, 0))
    if len(buyers) == 0 or len(due) == 0:
        return Batch(LOYALTY_COUPONS)
    buys = buyers[place] == issue.holders[due]
    return _rows(today, issue, due[buys], sales, first[place[buys]])


def _rows(
    today: Today,
    issue: _Issue,
    chosen: Ints,
    sales: Sales | None,
    purchase: Ints | None = None,
) -> Batch:
    holders, size = issue.holders[chosen], len(chosen)
    issued = today.local(_moments(holders), issue.number - today.number)
    expires = today.local(np.full(size, 86_399), issue.number + LASTS - today.number)
    redeemed: list[str] | list[None] = [None] * size
    orders: list[str] | list[None] = [None] * size
    if sales is not None and purchase is not None:
        redeemed = today.local(sales.bought_at[purchase])
        orders = [sales.ids[n] for n in purchase.tolist()]
    columns = (
        [f"CP{issue.number:05d}{person:07d}" for person in holders.tolist()],
        today.keys.member_no[holders].tolist(),
        ["coupon"] * size,
        [issue.campaign] * size,
        [f"{cents / 100:.2f}" for cents in issue.cents[chosen].tolist()],
        ["CNY"] * size,
        issued,
        redeemed,
        orders,
        expires,
        issued if sales is None else redeemed,
    )
    return Batch.of(LOYALTY_COUPONS, today.number, columns)


def _moments(holders: Ints) -> Ints:
    return 9 * 3600 + holders * 7_919 % 3600


def _issues(today: Today) -> list[_Issue]:
    """The issues whose coupons may be thought of today."""
    issues = []
    for number in range(max(0, today.number - _THOUGHT_OF), today.number + 1):
        if begins(today.config.day(number)):
            issue = today.recalled("coupons", number, _drawn)
            issues.extend([issue] if issue is not None else [])
    return issues


def _drawn(today: Today) -> _Issue | None:
    """Coupons come with the new month and with festivals, by chance among members."""
    name = campaign(today.day)
    if name.startswith(("newsletter", "payday")):
        return None
    rng = today.rng(Stream.COUPONS)
    is_member = today.persons.membership.member_day <= today.number
    chosen = is_member & (rng.random(len(is_member)) < today.config.contacts.coupons)
    holders = np.flatnonzero(chosen)
    return _Issue(
        number=today.number,
        campaign=name,
        holders=holders,
        cents=rng.choice(_FACES, len(holders)),
        after=rng.integers(1, _THOUGHT_OF + 1, len(holders)),
    )
