"""Clicks on advertisements, what they cost, and the orders that they bring about."""

from dataclasses import dataclass

import numpy as np

from strata.sample import vocabulary
from strata.sample.chance import Floats, Ints, Stream, happening, pick, seconds_of_day
from strata.sample.entities import ADS_CLICKS, ADS_COSTS, Batch
from strata.sample.faults import lateness
from strata.sample.seasons import sessions_factor
from strata.sample.today import Today
from strata.sample.writing import amounts, texts

EFFECT_DAYS = 3
CORRECTED_AFTER = 3  # days until the platforms' final bill
PRICES = (1.80, 0.90, 0.40, 3.50)  # CNY a click, by advertisement
_IMPRESSIONS = (18, 45, 160, 30)  # a click, by advertisement
_STRANGERS = 0.5  # clicks of people who never become customers, for one of a person
_HOURS = (
    *(5, 3, 1, 1, 1, 2, 4, 7, 9, 9, 9, 9),
    *(12, 11, 9, 8, 8, 9, 11, 13, 16, 17, 14, 9),
)


@dataclass(frozen=True)
class _Clicks:
    """The clicks of a day, an element each; a person of -1 is a stranger."""

    person: Ints
    channel: Ints
    at: Ints


def extra_orders(today: Today) -> Floats:
    """Orders that clicks bring about today: a row a channel, a column a person."""
    effects = [getattr(today.config.channels, n) for n in vocabulary.AD_TOUCHPOINTS]
    extra = np.zeros((len(effects), len(today.persons)))
    for number in range(max(0, today.number - EFFECT_DAYS + 1), today.number + 1):
        clicks = today.recalled("clicks", number, _drawn)
        known = clicks.person >= 0
        np.add.at(
            extra,
            (clicks.channel[known], clicks.person[known]),
            np.asarray(effects)[clicks.channel[known]] / EFFECT_DAYS,
        )
    return extra


def advertised(today: Today) -> list[Batch]:
    """The clicks of a day, its costs, and the corrected costs three days later."""
    clicks = today.recalled("clicks", today.number, _drawn)
    rng = today.rng(Stream.COSTS)
    size, person = len(clicks.person), np.maximum(clicks.person, 0)
    membership = today.persons.membership
    on_web = (membership.web_day[person] <= today.number) & (clicks.person >= 0)
    in_app = (membership.app_day[person] <= today.number) & (clicks.person >= 0)
    strange = [f"ck-{n:015x}s" for n in rng.integers(0, 1 << 60, size).tolist()]
    known = today.keys.cookies(person, today.number)
    devices = today.keys.device_ids[person, 0].tolist()
    no_device = in_app & ~(on_web & (rng.random(size) < 0.6))
    columns = (
        [f"AK{today.number:05d}{n:07d}" for n in range(size)],
        [vocabulary.AD_TOUCHPOINTS[c] for c in clicks.channel.tolist()],
        [today.campaign] * size,
        [
            None if app else own if web else other
            for app, web, own, other in zip(
                no_device.tolist(), on_web.tolist(), known, strange, strict=True
            )
        ],
        [
            d if app else None
            for d, app in zip(devices, no_device.tolist(), strict=True)
        ],
        today.local(clicks.at),
    )
    late = lateness(rng, size, today.config.dirt)
    return [
        Batch.of(ADS_CLICKS, today.number, columns, late),
        _costs(today, clicks, rng),
    ]


def _costs(today: Today, clicks: _Clicks, rng: np.random.Generator) -> Batch:
    """A row an advertisement, as estimated, and again as billed three days later."""
    names = vocabulary.AD_TOUCHPOINTS
    counts = np.bincount(clicks.channel, minlength=len(names))
    billed = counts * np.asarray(PRICES) * 100 * rng.uniform(0.85, 1.15, len(names))
    guessed = billed * rng.uniform(0.93, 1.07, len(names))
    shown = counts * np.asarray(_IMPRESSIONS) * rng.uniform(0.8, 1.2, len(names))
    both = np.concatenate([guessed, billed]).astype(np.int64)
    after = np.repeat([0, CORRECTED_AFTER], len(names))
    columns = (
        [f"AC{today.number:05d}-{n}" for n in range(len(names))] * 2,
        [*names, *names],
        [today.campaign] * (2 * len(names)),
        [today.day.isoformat()] * (2 * len(names)),
        texts(shown.astype(np.int64).tolist() * 2),
        texts(counts.tolist() * 2),
        amounts(both),
        ["CNY"] * (2 * len(names)),
        today.local(np.full(len(after), 23 * 3600 + 1800), after),
    )
    return Batch.of(ADS_COSTS, today.number + after, columns)


def _drawn(today: Today) -> _Clicks:
    """Six clicks in ten are on the person's own kind of advertisement."""
    rng, persons = today.rng(Stream.CLICKS), today.persons
    known = np.minimum(persons.membership.web_day, persons.membership.app_day)
    rates = persons.temper.click_rate * today.liveliness * (known <= today.number)
    who = happening(rng, rates * sessions_factor(today.day))
    strangers = np.full(rng.poisson(_STRANGERS * len(who)), -1)
    person = np.concatenate([who, strangers])
    channel = pick(rng, vocabulary.AD_WEIGHTS, len(person))
    own = (rng.random(len(person)) < 0.6) & (person >= 0)
    channel = np.where(own, persons.temper.ad_channel[person], channel)
    return _Clicks(person, channel, seconds_of_day(rng, _HOURS, len(person)))
