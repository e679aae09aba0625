"""Sessions in the app and in the mini programs, as events."""

from dataclasses import dataclass

import numpy as np

from strata.sample import vocabulary
from strata.sample.baskets import liked_categories
from strata.sample.chance import Bools, Floats, Ints, Stream, pick
from strata.sample.entities import APP_EVENTS, MINI_EVENTS, Batch, Row
from strata.sample.faults import lateness
from strata.sample.seasons import sessions_factor
from strata.sample.today import Today
from strata.sample.writing import LAST_SECOND

_HOURS = (
    *(4, 2, 1, 1, 1, 2, 4, 8, 9, 8, 8, 8),
    *(12, 10, 8, 7, 7, 8, 10, 13, 17, 18, 15, 9),
)
_SHOWS_CATEGORY = frozenset(
    (
        *("product_view", "search", "add_to_cart", "checkout"),
        *("share", "comment", "coupon_use"),
    )
)
_HAS_VALUE = frozenset(("add_to_cart", "checkout"))
_HAS_DURATION = frozenset(("page_view", "product_view"))


@dataclass(frozen=True)
class _Sessions:
    """The sessions of a day in one system; an element each."""

    person: Ints
    starts_at: Ints
    is_anonymous: Bools


@dataclass(frozen=True)
class _Events:
    """The events of a day in one system; ``session`` is the index of the session.

    ``tails`` are the columns that both systems share, from the category on.
    """

    session: Ints
    event_types: list[str]
    event_at: list[str]
    tails: list[Row]


def browsing(today: Today) -> list[Batch]:
    """The events of one day, clean, by arrival."""
    return [_app_events(today), _mini_events(today)]


def _app_events(today: Today) -> Batch:
    """Events of the app; a guest, or who has not logged in, shows a device only."""
    rng = today.rng(Stream.APP_EVENTS)
    membership, keys = today.persons.membership, today.keys
    joined = membership.app_day <= today.number
    sessions = _sessions(today, joined, rng)
    size = len(sessions.person)
    is_anonymous = rng.random(size) < today.config.dirt.anonymous_sessions
    is_anonymous |= membership.is_guest[sessions.person]
    sessions = _Sessions(sessions.person, sessions.starts_at, is_anonymous)
    on_second = (rng.random(size) < 0.3) & membership.has_second_device[sessions.person]
    device = on_second.astype(np.int64)
    accounts = np.where(is_anonymous, np.array(None), keys.app_user_id[sessions.person])
    is_ios = keys.device_is_ios[sessions.person, device]
    heads: list[Row] = list(
        zip(
            accounts.tolist(),
            keys.device_ids[sessions.person, device].tolist(),
            [vocabulary.APP_TOUCHPOINTS[0 if ios else 1] for ios in is_ios.tolist()],
            strict=True,
        )
    )
    events = _events(today, sessions, rng)
    rows: list[Row] = [
        (
            f"AE{today.number:05d}{number:07d}",
            *heads[session],
            events.event_types[number],
            events.event_at[number],
            *events.tails[number],
        )
        for number, session in enumerate(events.session.tolist())
    ]
    return Batch(APP_EVENTS, rows, _arrivals(today, len(rows), rng))


def _mini_events(today: Today) -> Batch:
    """Events of the mini programs; the platform always knows who it is."""
    rng = today.rng(Stream.MINI_EVENTS)
    membership = today.persons.membership
    sessions = _sessions(today, membership.mini_day <= today.number, rng)
    touchpoints = membership.mini_touchpoint[sessions.person].tolist()
    heads: list[Row] = list(
        zip(
            today.keys.openid[sessions.person].tolist(),
            [vocabulary.MINI_TOUCHPOINTS[touchpoint] for touchpoint in touchpoints],
            strict=True,
        )
    )
    events = _events(today, sessions, rng)
    rows: list[Row] = [
        (
            f"ME{today.number:05d}{number:07d}",
            *heads[session],
            events.event_types[number],
            events.event_at[number],
            *events.tails[number],
        )
        for number, session in enumerate(events.session.tolist())
    ]
    return Batch(MINI_EVENTS, rows, _arrivals(today, len(rows), rng))


def _sessions(today: Today, joined: Bools, rng: np.random.Generator) -> _Sessions:
    persons = today.persons
    rate = persons.behaviour.session_rate * persons.liveliness(today.number)
    counts = rng.poisson(rate * sessions_factor(today.day) * joined)
    person = rng.permutation(np.repeat(np.arange(len(persons)), counts))
    starts_at = pick(rng, _HOURS, len(person)) * 3600
    return _Sessions(
        person=person,
        starts_at=starts_at + rng.integers(0, 3600, len(person)),
        is_anonymous=np.zeros(len(person), dtype=np.bool_),
    )


def _events(today: Today, sessions: _Sessions, rng: np.random.Generator) -> _Events:
    """A session is a first event and about three more, within the local day."""
    counts = 1 + rng.poisson(2.8, len(sessions.person))
    session = np.repeat(np.arange(len(counts)), counts)
    is_first = np.ones(len(session), dtype=np.bool_)
    is_first[1:] = session[1:] != session[:-1]
    durations = np.round(rng.exponential(38.0, len(session)) + 1, 1)
    types = _types(today, sessions, session, is_first, rng)
    pauses = durations + rng.exponential(9.0, len(session))
    pauses[is_first] = 0
    elapsed = np.cumsum(pauses)
    elapsed -= np.repeat(elapsed[is_first], counts)
    moment = sessions.starts_at[session] + elapsed.astype(np.int64)
    return _Events(
        session=session,
        event_types=types,
        event_at=today.utc(np.minimum(moment, LAST_SECOND)),
        tails=_tails(today, sessions.person[session], types, durations, rng),
    )


def _types(
    today: Today,
    sessions: _Sessions,
    session: Ints,
    is_first: Bools,
    rng: np.random.Generator,
) -> list[str]:
    """Event types: a session opens with a login or a page; messages need consent."""
    names = vocabulary.EVENT_TYPES
    types = pick(rng, vocabulary.EVENT_WEIGHTS, len(session))
    opens = np.where(
        (rng.random(len(session)) < 0.55) & ~sessions.is_anonymous[session],
        names.index("login"),
        names.index("page_view"),
    )
    types = np.where(is_first, opens, types)
    unasked = ~today.persons.consent.marketing[sessions.person[session]]
    is_unwanted = (types == names.index("message_read")) & unasked
    types = np.where(is_unwanted, names.index("page_view"), types)
    return [names[index] for index in types.tolist()]


def _tails(
    today: Today,
    person: Ints,
    types: list[str],
    durations: Floats,
    rng: np.random.Generator,
) -> list[Row]:
    """Category, value (CNY), duration (seconds) and campaign, as the type has them."""
    size = len(types)
    categories = liked_categories(today.persons, person, rng).tolist()
    spend = today.persons.behaviour.mean_spend[person] * rng.gamma(4.0, 0.25, size)
    values = np.round(np.maximum(spend, 1.0), 2).tolist()
    is_tagged = (rng.random(size) < 0.04).tolist()
    seconds = durations.tolist()
    return [
        (
            vocabulary.CATEGORIES[categories[n]] if kind in _SHOWS_CATEGORY else None,
            values[n] if kind in _HAS_VALUE else None,
            seconds[n] if kind in _HAS_DURATION else None,
            today.campaign
            if kind == "message_read" or (is_tagged[n] and kind == "page_view")
            else None,
        )
        for n, kind in enumerate(types)
    ]


def _arrivals(today: Today, size: int, rng: np.random.Generator) -> list[int]:
    arrivals = today.number + lateness(rng, size, today.config.dirt)
    return [int(day) for day in arrivals.tolist()]
