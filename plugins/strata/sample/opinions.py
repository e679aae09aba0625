"""What people say: surveys, reviews and meetings, and the mood behind a review.

A mood follows the person's satisfaction and the purchase. The text of a review agrees
with it nearly always; the stars less often, since many give five out of politeness.
"""

from datetime import timedelta

import numpy as np

from strata.sample import vocabulary
from strata.sample.chance import Bools, Floats, Ints, Stream, seconds_of_day
from strata.sample.entities import (
    FEEDBACK_ATTENDANCES,
    FEEDBACK_REVIEWS,
    FEEDBACK_SURVEYS,
    TRUTH_MOODS,
    TRUTH_RECORDS,
    Batch,
)
from strata.sample.faults import lateness
from strata.sample.phrases import KINDS, language_of, written
from strata.sample.sales import Sales
from strata.sample.today import Today
from strata.sample.writing import texts

_HOURS = (*[1] * 8, *[5] * 4, *[7] * 8, *[9] * 4)
_NEGATIVE, _POSITIVE = -0.45, 0.15  # bounds of the mood
_AGREES = 0.94  # of the texts
_POLITE = 0.30  # of the stars: five, whatever the mood
_MEETING_WEEK = 2  # the second Saturday of a month
_CITIES_OF_MEETINGS = 6
_COMES = 0.05


def surveys(today: Today, sales: Sales) -> list[Batch]:
    """Answers to "would you recommend us" within two weeks of a purchase."""
    rng = today.rng(Stream.OPINIONS)
    share = today.config.contacts.surveyed_purchases
    chosen = np.flatnonzero(rng.random(len(sales.ids)) < share)
    who, size = sales.buyers[chosen], len(chosen)
    after = rng.integers(1, 15, size)
    raw = 7.6 + 1.9 * _mood(today, sales)[chosen]
    ids = [f"SV{today.number:05d}{n:06d}" for n in range(size)]
    columns = (
        ids,
        ["survey"] * size,
        *_member_or_phone(today, who, rng),
        texts(np.clip(np.round(raw), 0, 10).astype(np.int64).tolist()),
        today.local(seconds_of_day(rng, _HOURS, size), after),
    )
    late = lateness(rng, size, today.config.dirt)
    return [
        Batch.of(FEEDBACK_SURVEYS, today.number + after, columns, late),
        _known(today, "surveys", ids, who, after),
    ]


def reviews(today: Today, sales: Sales) -> list[Batch]:
    """Reviews of online orders, one to twelve days after they are completed."""
    rng = today.rng(Stream.REVIEWS)
    mood = _mood(today, sales)
    eager = today.config.contacts.reviewed_orders * (0.6 + 0.8 * np.abs(mood))
    can = sales.is_online & (sales.completed_after >= 0)
    chosen = np.flatnonzero((rng.random(len(mood)) < eager) & can)
    who, size, mood = sales.buyers[chosen], len(chosen), mood[chosen]
    kind = _kinds(mood)
    told = np.where(rng.random(size) < _AGREES, kind, rng.integers(0, 3, size))
    stars = np.clip(np.round(3.5 + 1.3 * mood + rng.normal(0, 0.6, size)), 1, 5)
    stars = np.where(rng.random(size) < _POLITE, 5, stars).astype(np.int64)
    after = sales.completed_after[chosen] + rng.integers(1, 13, size)
    category = sales.category[chosen]
    languages = language_of(today.persons, who, rng)
    ids = [f"RV-{sales.ids[n]}" for n in chosen.tolist()]
    columns = (
        ids,
        ["review"] * size,
        [sales.account[n] for n in chosen.tolist()],
        [sales.ids[n] for n in chosen.tolist()],
        [sales.sku[n] for n in chosen.tolist()],
        [vocabulary.CATEGORIES[c] for c in category.tolist()],
        texts(stars.tolist()),
        written(told, category, languages, rng),
        languages,
        today.local(seconds_of_day(rng, _HOURS, size), after),
    )
    truth = (
        ids,
        today.keys.person_id[who].tolist(),
        [f"{m:.4f}" for m in mood.tolist()],
        [KINDS[k] for k in kind.tolist()],
        [KINDS[k] for k in told.tolist()],
        texts(stars.tolist()),
    )
    late = lateness(rng, size, today.config.dirt)
    return [
        Batch.of(FEEDBACK_REVIEWS, today.number + after, columns, late),
        Batch.of(TRUTH_MOODS, today.number + after, truth),
    ]


def meetings(today: Today) -> list[Batch]:
    """Who comes to an event in one of the large cities, on the second Saturday."""
    day = today.day
    is_second = (day - timedelta(days=7 * (_MEETING_WEEK - 1))).month == day.month
    is_third = (day - timedelta(days=7 * _MEETING_WEEK)).month == day.month
    if day.weekday() != 5 or not is_second or is_third:
        return []
    rng, persons = today.rng(Stream.MEETINGS), today.persons
    eager = _COMES * (0.5 + persons.temper.sociability / 2) * today.liveliness
    eager = eager * (today.city < _CITIES_OF_MEETINGS)
    eager = eager * (persons.membership.member_day <= today.number)
    who = np.flatnonzero(rng.random(len(eager)) < eager)
    size = len(who)
    raw = 4.0 + 0.6 * persons.temper.satisfaction[who] + rng.normal(0, 0.5, size)
    marks = np.clip(np.round(raw), 1, 5).astype(np.int64)
    ids = [f"AT{today.number:05d}{n:06d}" for n in range(size)]
    cities = [vocabulary.CITIES[c][0] for c in today.city[who].tolist()]
    numbers, phones = _member_or_phone(today, who, rng)
    columns = (
        ids,
        ["offline_event"] * size,
        [f"Open day {city} {day:%Y-%m}" for city in cities],
        phones,
        numbers,
        _given(marks, rng.random(size) < 0.7),
        today.local(rng.integers(10 * 3600, 17 * 3600, size)),
    )
    return [
        Batch.of(FEEDBACK_ATTENDANCES, today.number, columns),
        _known(today, "attendances", ids, who, np.zeros(size, np.int64)),
    ]


def _given(marks: Ints, says: Bools) -> list[str | None]:
    pairs = zip(marks.tolist(), says.tolist(), strict=True)
    return [str(mark) if is_given else None for mark, is_given in pairs]


def _mood(today: Today, sales: Sales) -> Floats:
    """The mood after each purchase of the day; the same for all who ask."""
    rng = today.rng(Stream.MOODS)
    satisfaction = today.persons.temper.satisfaction[sales.buyers]
    noise = rng.normal(0, 0.6, len(satisfaction))
    mood: Floats = 0.35 + 0.6 * satisfaction + noise - 1.0 * sales.is_refunded
    return mood


def _kinds(mood: Floats) -> Ints:
    return np.where(mood < _NEGATIVE, 0, np.where(mood < _POSITIVE, 1, 2))


def _member_or_phone(
    today: Today, who: Ints, rng: np.random.Generator
) -> tuple[list[str | None], list[str | None]]:
    """Members give their number in two cases of three; the others their phone."""
    is_member = today.persons.membership.member_day[who] <= today.number
    by_member = (is_member & (rng.random(len(who)) < 0.67)).tolist()
    numbers, phones = today.keys.member_no[who].tolist(), today.phone[who].tolist()
    return (
        [n if member else None for n, member in zip(numbers, by_member, strict=True)],
        [None if member else p for p, member in zip(phones, by_member, strict=True)],
    )


def _known(today: Today, entity: str, ids: list[str], who: Ints, after: Ints) -> Batch:
    size = len(ids)
    persons = today.keys.person_id[who].tolist()
    columns = (["feedback"] * size, [entity] * size, ids, persons)
    return Batch.of(TRUTH_RECORDS, today.number + after, columns)
