"""The loyalty programme: points earned and spent, and who invites whom."""

import numpy as np

from strata.sample.chance import Ints, Stream, happening, seconds_of_day
from strata.sample.entities import (
    LOYALTY_POINTS,
    LOYALTY_REFERRALS,
    TRUTH_REFERRALS,
    Batch,
    Row,
)
from strata.sample.faults import lateness
from strata.sample.keys import stranger_phones
from strata.sample.sales import Sales
from strata.sample.today import Today
from strata.sample.writing import texts

_DAYTIME = (*[0] * 8, *[1] * 14, 0, 0)


def points(today: Today, sales: Sales) -> list[Batch]:
    """Points of the day's purchases: a point for 10 CNY when they are completed.

    In 8 % of the purchases points are spent; points of a refunded purchase are taken
    back ten days after. At the end of a month some points expire.
    """
    rng = today.rng(Stream.POINTS)
    counts = sales.net_cents // 1000
    is_member = today.persons.membership.member_day[sales.buyers] <= today.number
    earns = is_member & (sales.completed_after >= 0) & (counts > 0)
    burns = is_member & (rng.random(len(counts)) < 0.08) & (counts > 4)
    takes_back = earns & sales.is_refunded
    late = lateness(rng, len(counts), today.config.dirt)
    parts = []
    for reason, chosen, worth, after in (
        ("earn", earns, counts, np.maximum(sales.completed_after, 0)),
        ("burn", burns, -100 * (1 + counts // 50), 0 * counts),
        ("adjust", takes_back, -counts, np.maximum(sales.completed_after, 0) + 10),
    ):
        rows = np.flatnonzero(chosen)
        at = np.where(after[rows] > 0, 3 * 3600, sales.bought_at[rows])
        parts.append(
            Batch.of(
                LOYALTY_POINTS,
                today.number + after[rows],
                (
                    [f"LP-{reason[0]}-{sales.ids[n]}" for n in rows.tolist()],
                    today.keys.member_no[sales.buyers[rows]].tolist(),
                    ["points"] * len(rows),
                    texts(worth[rows].tolist()),
                    [reason] * len(rows),
                    [sales.ids[n] for n in rows.tolist()],
                    today.local(at, after[rows]),
                ),
                late[rows],
            )
        )
    return [*parts, _expired(today, rng)]


def _expired(today: Today, rng: np.random.Generator) -> Batch:
    is_last = today.config.day(today.number + 1).month != today.day.month
    is_member = today.persons.membership.member_day <= today.number
    chosen = np.flatnonzero(is_member & (rng.random(len(is_member)) < 0.03 * is_last))
    size = len(chosen)
    columns = (
        [f"LP-x-{today.number:05d}{person:07d}" for person in chosen.tolist()],
        today.keys.member_no[chosen].tolist(),
        ["points"] * size,
        texts((-rng.integers(5, 200, size)).tolist()),
        ["expire"] * size,
        [None] * size,
        today.local(np.full(size, 86_399)),
    )
    return Batch.of(LOYALTY_POINTS, today.number, columns)


def referrals(today: Today) -> list[Batch]:
    """Invitations: of those who come today, and of strangers who never come.

    An invitation is sent on the day its invitee appears, and told once more when the
    invitee has joined, up to ten days later.
    """
    rng, persons = today.rng(Stream.REFERRALS), today.persons
    is_new = persons.profile.appeared == today.number
    invitees = np.flatnonzero(is_new & (persons.contact.invited_by >= 0))
    inviters = persons.contact.invited_by[invitees]
    lag = persons.contact.invitation_lag[invitees]
    is_member = persons.membership.member_day <= today.number
    rates = persons.temper.sociability * today.liveliness * is_member
    rates = rates * today.config.contacts.invitations_a_year / 365
    in_vain = happening(rng, rates)
    strangers = today.number * 10_000 + np.arange(len(in_vain))
    sent = _invitations(
        today,
        np.concatenate([inviters, in_vain]),
        [*today.phone[invitees].tolist(), *stranger_phones(today.keys, strangers)],
    )
    joined_at = today.local(seconds_of_day(rng, _DAYTIME, len(lag)), lag)
    accepted: list[Row] = []
    for row, moment in zip(sent.rows[: len(lag)], joined_at, strict=True):
        # Who joins on the day of the invitation does so after it.
        newest = max(moment, str(row[4]))
        accepted.append((*row[:5], newest, newest))
    taken = Batch(LOYALTY_REFERRALS, accepted, (today.number + lag).tolist())
    return [sent, taken, _truth(today, inviters, invitees, lag)]


def _invitations(today: Today, inviters: Ints, phones: list[str]) -> Batch:
    size = len(inviters)
    at = today.local(9 * 3600 + np.arange(size) * 7_919 % (11 * 3600))
    columns = (
        [f"RL{today.number:05d}{n:05d}" for n in range(size)],
        today.keys.member_no[inviters].tolist(),
        phones,
        ["referral"] * size,
        at,
        [None] * size,
        at,
    )
    return Batch.of(LOYALTY_REFERRALS, today.number, columns)


def _truth(today: Today, inviters: Ints, invitees: Ints, lag: Ints) -> Batch:
    ids, size = today.keys.person_id, len(invitees)
    columns = (
        ids[inviters].tolist(),
        ids[invitees].tolist(),
        [today.day.isoformat()] * size,
        [today.config.day(today.number + n).isoformat() for n in lag.tolist()],
    )
    return Batch.of(TRUTH_REFERRALS, today.number, columns)
