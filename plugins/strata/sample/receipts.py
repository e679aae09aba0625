"""Receipts at a till, and the returns that follow from them."""

import numpy as np

from strata.sample import vocabulary
from strata.sample.baskets import Baskets, fill
from strata.sample.chance import Bools, Ints, seconds_of_day
from strata.sample.entities import POS_LINES, POS_RECEIPTS, TRUTH_RECORDS, Batch, Row
from strata.sample.faults import lateness
from strata.sample.phones import Style, draw_styles, write_phones
from strata.sample.sales import Sales
from strata.sample.today import Today
from strata.sample.writing import amount

_LAST_RETURN = 14  # days after the sale
_HOURS = (
    *(0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 6, 9),
    *(10, 9, 9, 10, 10, 11, 13, 14, 12, 7, 1, 0),
)


def sold(
    today: Today, buyers: Ints, cause: Ints, rng: np.random.Generator
) -> tuple[list[Batch], Sales]:
    """The day's receipts with their lines, the later returns, and who was served."""
    size = len(buyers)
    baskets = fill(today.persons, buyers, rng)
    heads = _heads(today, buyers, rng)
    at = seconds_of_day(rng, _HOURS, size)
    late = lateness(rng, size, today.config.dirt)
    ids = [str(head[0]) for head in heads]
    sold_at = today.local(at)
    rows: list[Row] = [(*h, moment) for h, moment in zip(heads, sold_at, strict=True)]
    receipts = Batch(POS_RECEIPTS, rows, (today.number + late).tolist(), late.tolist())
    lines = Batch.of(
        POS_LINES, today.number, baskets.columns_of(ids), late[baskets.purchase]
    )
    is_returned = _add_returns(today, buyers, baskets, receipts, lines, rng)
    first = np.flatnonzero(baskets.line_no == 1)
    sales = Sales(
        ids=ids,
        buyers=buyers,
        is_online=np.zeros(size, dtype=np.bool_),
        account=[""] * size,
        sku=[baskets.sku[line] for line in first.tolist()],
        category=baskets.category[first],
        net_cents=baskets.totals(size),
        bought_at=at,
        completed_after=np.zeros(size, dtype=np.int64),
        is_refunded=is_returned,
        cause=cause,
    )
    return [receipts, lines, _truth(today, buyers, is_returned, receipts)], sales


def _truth(today: Today, buyers: Ints, is_returned: Bools, receipts: Batch) -> Batch:
    """Who was served, for receipts of sales first, then of returns."""
    person = today.keys.person_id[np.concatenate([buyers, buyers[is_returned]])]
    size = len(receipts.rows)
    ids = [row[0] for row in receipts.rows]
    columns = (["pos"] * size, ["receipts"] * size, ids, person.tolist())
    return Batch.of(TRUTH_RECORDS, np.asarray(receipts.arrivals, np.int64), columns)


def _heads(today: Today, buyers: Ints, rng: np.random.Generator) -> list[Row]:
    """Receipt, touchpoint, shop, member card, phone, currency.

    Who shows a card is less often asked for a phone; some show neither.
    """
    size, dirt = len(buyers), today.config.dirt
    membership = today.persons.membership
    is_anonymous = rng.random(size) < dirt.anonymous_receipts
    shows_card = (rng.random(size) < 0.8) & membership.is_member[buyers] & ~is_anonymous
    not_asked = (rng.random(size) < 0.55) & shows_card
    styles = np.where(
        is_anonymous | not_asked,
        int(Style.MISSING),
        draw_styles(rng, size, dirt, missing=0.05),
    )
    cards = today.keys.member_no[buyers].tolist()
    touchpoints = membership.pos_touchpoint[buyers].tolist()
    return list(
        zip(
            [f"PR{today.number:05d}{number:06d}" for number in range(size)],
            [vocabulary.POS_TOUCHPOINTS[touchpoint] for touchpoint in touchpoints],
            [f"S{number:02d}" for number in membership.store_no[buyers].tolist()],
            [c if s else None for c, s in zip(cards, shows_card.tolist(), strict=True)],
            write_phones(today.phone[buyers].tolist(), styles),
            ["CNY"] * size,
            strict=True,
        )
    )


def _add_returns(
    today: Today,
    buyers: Ints,
    baskets: Baskets,
    receipts: Batch,
    lines: Batch,
    rng: np.random.Generator,
) -> Bools:
    """Return receipts: the first line of a receipt again, with a negative quantity.

    Its unit price is what one piece was sold for after the discount. A return never
    arrives before its sale. Says which receipts have one.
    """
    size = len(buyers)
    factor = today.persons.behaviour.refund_factor[buyers]
    wanted = rng.random(size) < today.config.behaviour.returned_receipts * factor
    after = rng.integers(1, _LAST_RETURN + 1, size)
    sold_at = today.local(seconds_of_day(rng, _HOURS, size), after)
    delay = lateness(rng, size, today.config.dirt)
    first_line = np.flatnonzero(baskets.line_no == 1)
    for number in np.flatnonzero(wanted).tolist():
        head = receipts.rows[number]
        receipt_id = str(head[0]).replace("PR", "PX")
        arrives = today.number + int(after[number] + delay[number])
        arrives = max(arrives, receipts.arrivals[number])
        receipts.rows.append((receipt_id, *head[1:-1], sold_at[number]))
        lines.rows.append(_return_row(receipt_id, baskets, int(first_line[number])))
        late = arrives - today.number - int(after[number])
        for batch in (receipts, lines):
            batch.arrivals.append(arrives)
            batch.late.append(late)
    return wanted


def _return_row(receipt_id: str, baskets: Baskets, line: int) -> Row:
    quantity = int(baskets.quantity[line])
    return (
        receipt_id,
        "1",
        baskets.sku[line],
        vocabulary.CATEGORIES[baskets.category[line]],
        str(-quantity),
        amount(int(baskets.net_cents[line]) // quantity),
        "0.00",
        amount(int(baskets.cost_cents[line])),
    )
