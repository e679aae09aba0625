"""Tickets at support: about purchases, and about everything else."""

import numpy as np

from strata.sample import vocabulary
from strata.sample.chance import Ints, Stream, happening, pick, seconds_of_day
from strata.sample.entities import SUPPORT_TICKETS, TRUTH_RECORDS, Batch, Row
from strata.sample.faults import lateness
from strata.sample.phones import Style, write_phone
from strata.sample.sales import Sales
from strata.sample.today import Today

_DAYTIME = (
    *(1, 0, 0, 0, 0, 0, 1, 3, 8, 13, 14, 12),
    *(8, 9, 12, 12, 11, 9, 8, 9, 9, 7, 4, 2),
)
_SLOWEST = 8  # days until a ticket is resolved
_ABOUT_ORDERS = (0.34, 0.24, 0.22, 0.08, 0.02, 0.10)
_OTHERWISE = (0.04, 0.04, 0.04, 0.38, 0.34, 0.16)
_SUBJECTS = {
    "delivery": ("快递还没到", "物流信息三天没有更新", "Where is my parcel?"),
    "quality": ("商品有质量问题", "收到时已经破损", "The item arrived damaged"),
    "refund": ("申请退款", "退款什么时候到账", "Refund not received yet"),
    "product": ("想了解一下尺码", "这款什么时候补货", "Is this in stock?"),
    "account": ("登录不了账号", "想修改手机号", "Cannot log in"),
    "payment": ("付款失败", "优惠券用不了", "Charged twice"),
}


def tickets(today: Today, sales: Sales) -> list[Batch]:
    """Tickets opened within a week of the day's purchases, and enquiries.

    The unsatisfied, and those who want their money back, ask more often. A ticket
    comes as opened, as resolved and, in half of the cases, as closed.
    """
    rng, persons = today.rng(Stream.TICKETS), today.persons
    mood = np.exp(-0.5 * persons.temper.satisfaction)
    share = today.config.contacts.purchases_with_ticket * 0.8 * mood[sales.buyers]
    about = np.flatnonzero(rng.random(len(share)) < share + 0.25 * sales.is_refunded)
    known = (persons.membership.crm_day <= today.number) | persons.shops(today.number)
    rates = today.config.contacts.enquiries_a_year / 365 * mood * known
    asking = happening(rng, rates * today.liveliness)
    who = np.concatenate([sales.buyers[about], asking])
    orders = [*[sales.ids[n] for n in about.tolist()], *[None] * len(asking)]
    after = np.where(np.arange(len(who)) < len(about), rng.integers(0, 8, len(who)), 0)
    category = np.concatenate(
        [pick(rng, _ABOUT_ORDERS, len(about)), pick(rng, _OTHERWISE, len(asking))]
    )
    return _written(today, who, orders, category, after, rng)


def _written(
    today: Today,
    who: Ints,
    orders: list[str | None],
    category: Ints,
    after: Ints,
    rng: np.random.Generator,
) -> list[Batch]:
    size, on_day_of_sale = len(who), after == 0
    at = seconds_of_day(rng, _DAYTIME, size)
    at = np.where(on_day_of_sale, np.maximum(at, 22 * 3600), at)
    opened = today.utc(at, after)
    waits = np.minimum(rng.exponential(2400.0, size), 86_400).astype(np.int64) + 30
    responded = today.utc(at + waits, after)
    takes = 1 + np.minimum(rng.exponential(1.6, size), _SLOWEST - 1).astype(np.int64)
    resolved = today.utc(at, after + takes + 1)
    closed = today.utc(at, after + takes + 3)
    late = lateness(rng, size, today.config.dirt)
    mood = today.persons.temper.satisfaction[who] - 0.3 * takes + 1.0
    marks = np.clip(np.round(3.4 + mood + rng.normal(0, 0.7, size)), 1, 5)
    says = (rng.random(size) < 0.45).tolist()
    given = [
        str(int(mark)) if is_given else None
        for mark, is_given in zip(marks.tolist(), says, strict=True)
    ]
    heads = _heads(today, who, orders, category, rng)
    is_closed = rng.random(size) < 0.5
    batch, truth = Batch(SUPPORT_TICKETS), Batch(TRUTH_RECORDS)
    persons = today.keys.person_id[who].tolist()
    for n in range(size):
        first, day = today.number + int(after[n]), int(takes[n])
        head, start = heads[n], opened[n]
        done = (responded[n], resolved[n], given[n])
        versions: list[tuple[Row, int]] = [
            ((*head, "open", start, None, None, None, start), 0),
            ((*head, "resolved", start, *done, resolved[n]), day + 1),
        ]
        if is_closed[n]:
            versions.append(((*head, "closed", start, *done, closed[n]), day + 3))
        for row, later in versions:
            batch.rows.append(row)
            batch.arrivals.append(first + later + int(late[n]))
            batch.late.append(int(late[n]))
        truth.rows.append(("support", "tickets", head[0], persons[n]))
        truth.arrivals.append(first)
    return [batch, truth]


def _heads(
    today: Today,
    who: Ints,
    orders: list[str | None],
    category: Ints,
    rng: np.random.Generator,
) -> list[Row]:
    """Ticket, touchpoint, phone, member number, order, category and subject.

    The hotline sees the phone, the chat the member's number, a written ticket the
    order, where there is one.
    """
    size, membership = len(who), today.persons.membership
    touchpoint = pick(rng, (0.4, 0.4, 0.2), size)
    is_member = membership.member_day[who] <= today.number
    touchpoint = np.where((touchpoint == 1) & ~is_member, 0, touchpoint).tolist()
    said = rng.integers(0, 3, size).tolist()
    rows: list[Row] = []
    for n, person in enumerate(who.tolist()):
        kind = vocabulary.TICKET_CATEGORIES[category[n]]
        by_member = touchpoint[n] == 1 or (touchpoint[n] == 2 and is_member[n])
        phone = write_phone(str(today.phone[person]), Style.PLAIN)
        rows.append(
            (
                f"TK{today.number:05d}{n:06d}",
                vocabulary.SUPPORT_TOUCHPOINTS[touchpoint[n]],
                None if by_member else phone,
                str(today.keys.member_no[person]) if by_member else None,
                None if touchpoint[n] == 1 else orders[n],
                kind,
                _SUBJECTS[kind][said[n]],
            )
        )
    return rows
