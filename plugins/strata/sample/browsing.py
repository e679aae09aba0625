"""Sessions in the app, in the mini programs and on the web, as events."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from strata.sample import vocabulary
from strata.sample.chance import (
    Bools,
    Floats,
    Ints,
    Stream,
    happening,
    pick,
    seconds_of_day,
)
from strata.sample.entities import APP_EVENTS, MINI_EVENTS, WEB_EVENTS, Batch, Entity
from strata.sample.faults import lateness
from strata.sample.keys import Texts
from strata.sample.seasons import sessions_factor
from strata.sample.tastes import liked_categories
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

    ``tails`` are the columns that all systems share, from the category on.
    """

    session: Ints
    event_types: list[str]
    event_at: list[str]
    tails: tuple[list[Any], ...]


def app_events(today: Today) -> list[Batch]:
    """Events of the app; a guest, or who has not logged in, shows a device only."""
    rng = today.rng(Stream.APP_EVENTS)
    membership, keys = today.persons.membership, today.keys
    since, liking = membership.app_day, np.ones(len(today.persons))
    sessions = _sessions(today, since, liking, rng)
    size = len(sessions.person)
    is_anonymous = rng.random(size) < today.config.dirt.anonymous_sessions
    is_anonymous |= membership.is_guest[sessions.person]
    sessions = _Sessions(sessions.person, sessions.starts_at, is_anonymous)
    on_second = (rng.random(size) < 0.3) & membership.has_second_device[sessions.person]
    device = on_second.astype(np.int64)
    accounts = np.where(is_anonymous, np.array(None), keys.app_user_id[sessions.person])
    is_ios = keys.device_is_ios[sessions.person, device]
    names = np.array(vocabulary.APP_TOUCHPOINTS, dtype=object)
    heads = (
        accounts,
        keys.device_ids[sessions.person, device],
        np.where(is_ios, *names),
    )
    return [_batch(today, APP_EVENTS, "AE", sessions, heads, rng)]


def mini_events(today: Today) -> list[Batch]:
    """Events of the mini programs; the platform always knows who it is."""
    rng = today.rng(Stream.MINI_EVENTS)
    membership = today.persons.membership
    liking = np.ones(len(today.persons))
    sessions = _sessions(today, membership.mini_day, liking, rng)
    names = np.array(vocabulary.MINI_TOUCHPOINTS, dtype=object)
    heads = (
        today.keys.openid[sessions.person],
        names[membership.mini_touchpoint[sessions.person]],
    )
    return [_batch(today, MINI_EVENTS, "ME", sessions, heads, rng)]


def web_events(today: Today) -> list[Batch]:
    """Events of the web shop: a cookie always, an account in one session of three."""
    rng, persons = today.rng(Stream.WEB_EVENTS), today.persons
    membership, circles = persons.membership, persons.circles
    sessions = _sessions(today, membership.web_day, circles.web_liking, rng)
    size, person = len(sessions.person), sessions.person
    is_known = membership.store_day[person] <= today.number
    logs_in = (rng.random(size) < 0.35) & is_known
    sessions = _Sessions(person, sessions.starts_at, ~logs_in)
    is_h5 = rng.random(size) < circles.h5_share[person]
    names = np.array(vocabulary.WEB_TOUCHPOINTS, dtype=object)
    heads = (
        np.array(today.keys.cookies(person, today.number), dtype=object),
        np.where(logs_in, today.keys.buyer_ids[person, 0], np.array(None)),
        names[is_h5.astype(np.int64)],
    )
    return [_batch(today, WEB_EVENTS, "WE", sessions, heads, rng)]


def _batch(
    today: Today,
    entity: Entity,
    prefix: str,
    sessions: _Sessions,
    heads: tuple[Texts, ...],
    rng: np.random.Generator,
) -> Batch:
    events = _events(today, sessions, rng)
    size = len(events.session)
    columns = (
        [f"{prefix}{today.number:05d}{number:07d}" for number in range(size)],
        *(head[events.session].tolist() for head in heads),
        events.event_types,
        events.event_at,
        *events.tails,
    )
    late = lateness(rng, size, today.config.dirt)
    return Batch.of(entity, today.number, columns, late)


def _sessions(
    today: Today, since: Ints, liking: Floats, rng: np.random.Generator
) -> _Sessions:
    rate = today.persons.behaviour.session_rate * liking * today.liveliness
    person = happening(rng, rate * sessions_factor(today.day) * (since <= today.number))
    return _Sessions(
        person=person,
        starts_at=seconds_of_day(rng, _HOURS, len(person)),
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
) -> tuple[list[Any], ...]:
    """Category, value (CNY), duration (seconds) and campaign, as the type has them."""
    size, names = len(types), vocabulary.CATEGORIES
    categories = liked_categories(today.persons, person, rng).tolist()
    spend = today.persons.behaviour.mean_spend[person] * rng.gamma(4.0, 0.25, size)
    values = np.round(np.maximum(spend, 1.0), 2).tolist()
    is_tagged = (rng.random(size) < 0.04).tolist()
    campaign = today.campaign
    return (
        [
            names[c] if kind in _SHOWS_CATEGORY else None
            for c, kind in zip(categories, types, strict=True)
        ],
        [
            value if kind in _HAS_VALUE else None
            for value, kind in zip(values, types, strict=True)
        ],
        [
            seconds if kind in _HAS_DURATION else None
            for seconds, kind in zip(durations.tolist(), types, strict=True)
        ],
        [
            campaign
            if kind == "message_read" or (tag and kind == "page_view")
            else None
            for tag, kind in zip(is_tagged, types, strict=True)
        ],
    )
