"""Receipts at a till, and the returns that follow from them."""

from dataclasses import dataclass

import numpy as np

from strata.sample import vocabulary
from strata.sample.baskets import Baskets, fill
from strata.sample.chance import Ints, pick
from strata.sample.entities import POS_LINES, POS_RECEIPTS, TRUTH_RECORDS, Batch, Row
from strata.sample.faults import lateness
from strata.sample.phones import Style, draw_styles, write_phones
from strata.sample.today import Today
from strata.sample.writing import amount

_LAST_RETURN = 14  # days after the sale
_HOURS = (
    *(0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 6, 9),
    *(10, 9, 9, 10, 10, 11, 13, 14, 12, 7, 1, 0),
)


@dataclass(frozen=True)
class _Till:
    """What the tills hand over; the truth names who was served."""

    receipts: Batch
    lines: Batch
    truth: Batch

    def add(
        self, head: Row, sold_at: str, lines: list[Row], person: str, day: int
    ) -> None:
        """One receipt and its lines, arriving together on a day."""
        self.receipts.rows.append((*head, sold_at))
        self.lines.rows.extend(lines)
        self.truth.rows.append(("pos", "receipts", head[0], person))
        self.receipts.arrivals.append(day)
        self.lines.arrivals.extend([day] * len(lines))
        self.truth.arrivals.append(day)


def sold(today: Today, buyers: Ints, rng: np.random.Generator) -> list[Batch]:
    """The day's receipts with their lines, and the later returns."""
    size = len(buyers)
    baskets = fill(today.persons, buyers, rng)
    heads = _heads(today, buyers, rng)
    sold_at = today.local(_opening_hours(rng, size))
    arrival = today.number + lateness(rng, size, today.config.dirt)
    person = today.keys.person_id[buyers].tolist()
    till = _Till(Batch(POS_RECEIPTS), Batch(POS_LINES), Batch(TRUTH_RECORDS))
    lines: list[list[Row]] = [[] for _ in range(size)]
    rows = baskets.rows([str(head[0]) for head in heads])
    for purchase, row in zip(baskets.purchase.tolist(), rows, strict=True):
        lines[purchase].append(row)
    for number in range(size):
        day = int(arrival[number])
        till.add(heads[number], sold_at[number], lines[number], person[number], day)
    _add_returns(today, buyers, baskets, heads, till, rng)
    return [till.receipts, till.lines, till.truth]


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
    heads: list[Row],
    till: _Till,
    rng: np.random.Generator,
) -> None:
    """Return receipts: the first line of a receipt again, with a negative quantity.

    Its unit price is what one piece was sold for after the discount. A return never
    arrives before its sale.
    """
    size = len(buyers)
    factor = today.persons.behaviour.refund_factor[buyers]
    wanted = rng.random(size) < today.config.behaviour.returned_receipts * factor
    after = rng.integers(1, _LAST_RETURN + 1, size)
    sold_at = today.local(_opening_hours(rng, size), after)
    delay = lateness(rng, size, today.config.dirt)
    first_line = np.flatnonzero(baskets.line_no == 1)
    for number in np.flatnonzero(wanted).tolist():
        line = int(first_line[number])
        receipt_id = str(heads[number][0]).replace("PR", "PX")
        arrives = today.number + int(after[number] + delay[number])
        till.add(
            (receipt_id, *heads[number][1:]),
            sold_at[number],
            [_return_row(receipt_id, baskets, line)],
            str(till.truth.rows[number][3]),
            max(arrives, till.receipts.arrivals[number]),
        )


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


def _opening_hours(rng: np.random.Generator, size: int) -> Ints:
    """Seconds of the day, when the shops are open."""
    return pick(rng, _HOURS, size) * 3600 + rng.integers(0, 3600, size)
