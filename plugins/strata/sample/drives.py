"""Campaigns that write to people, and what their messages do to the orders.

A drive begins on the first day of a campaign. Festivals', payday's and new month's
drives are trials: of the persons who can be reached, chance treats a share and holds
the rest out. A treated person orders more (or less) on the seven days from the
sending, by the kind of response. Newsletters do nothing.
"""

from dataclasses import dataclass

import numpy as np

from strata.config.sample import Uplift
from strata.sample.chance import Bools, Floats, Ints, Stream
from strata.sample.seasons import begins, campaign, is_festive
from strata.sample.today import Today
from strata.sample.traits import Response

EFFECT_DAYS = 7
CHANNELS = ("push", "email", "sms")


@dataclass(frozen=True)
class Drive:
    """One campaign's sending: an element a person who can be reached."""

    name: str
    number: int
    is_trial: bool
    scale: float
    persons: Ints
    is_treated: Bools
    channel: Ints


def uplifts(settings: Uplift, scale: float) -> Floats:
    """The factor minus 1 on the order rate, by ``Response``."""
    return scale * np.array(
        [getattr(settings, response.name.lower()) for response in Response]
    )


def drive(today: Today) -> Drive | None:
    """The drive that begins today; None on most days."""
    return today.recalled("drive", today.number, _drive)


def lift(today: Today) -> Floats:
    """Factor minus 1 on everybody's order rate today, over all drives under way."""
    factor = np.ones(len(today.persons))
    for number in range(max(0, today.number - EFFECT_DAYS + 1), today.number + 1):
        if not begins(today.config.day(number)):
            continue
        sent = today.recalled("drive", number, _drive)
        if sent is not None and sent.is_trial:
            treated = sent.persons[sent.is_treated]
            effect = uplifts(today.config.uplift, sent.scale)
            factor[treated] *= 1 + effect[today.persons.temper.response[treated]]
    lifted: Floats = factor - 1
    return lifted


def drive_under_way(today: Today) -> str | None:
    """The newest trial that may still move somebody."""
    for number in range(today.number, max(0, today.number - EFFECT_DAYS + 1) - 1, -1):
        day = today.config.day(number)
        if begins(day) and _is_trial(campaign(day)):
            return campaign(day)
    return None


def _is_trial(name: str) -> bool:
    return not name.startswith("newsletter")


def _drive(today: Today) -> Drive | None:
    day = today.day
    if not begins(day):
        return None
    name = campaign(day)
    is_trial = _is_trial(name)
    settings, rng = today.config, today.rng(Stream.DRIVES)
    channel, can = _reach(today)
    can &= today.liveliness > 0
    if is_trial:
        can &= today.persons.shops(today.number)
    persons = np.flatnonzero(can)
    share = settings.uplift.treated if is_trial else settings.contacts.newsletter
    return Drive(
        name=name,
        number=today.number,
        is_trial=is_trial,
        scale=1.0 if is_festive(day) else settings.uplift.small,
        persons=persons,
        is_treated=rng.random(len(persons)) < share,
        channel=channel[persons],
    )


def _reach(today: Today) -> tuple[Ints, Bools]:
    """By which channel a person is written to, and whether that can and may be.

    E-mails and text messages go to members; the others can be reached by a push.
    """
    membership, contact = today.persons.membership, today.persons.contact
    prefers = today.persons.temper.prefers
    has_account = (membership.app_day <= today.number) & ~membership.is_guest
    wants_push = (prefers < 0.35) & has_account
    wants_email = (prefers < 0.70) & (contact.in_crm < 0.60)
    channel = np.where(wants_push, 0, np.where(wants_email, 1, 2))
    can = wants_push | (membership.member_day <= today.number)
    return channel, can & today.persons.may_be_written_to(today.number)
