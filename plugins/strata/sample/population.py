"""Who lives in the sample world: latent traits, drawn once when a person appears.

Persons are numbered in the order in which they appear, so the population of an early
day is the first part of the population of a later one. Every trait is an array with
one element a person; what a person is like on a day follows from the traits and the
day's number alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from strata.config.sample import SampleConfig
from strata.sample import vocabulary
from strata.sample.chance import (
    NEVER,
    Bools,
    Floats,
    Ints,
    Stream,
    days_until,
    generator,
    pick,
)
from strata.sample.phones import draw_styles
from strata.sample.seasons import sign_ups_factor

_BEFORE_THE_WORLD = 900  # days over which the first users had signed up
_FORGOTTEN = 120  # a first user's life is counted from at most so many days before
_STORES = 12


@dataclass(frozen=True)
class Traits:
    """Arrays of one length, an element a person."""

    def first(self, count: int) -> Self:
        """The traits of the first ``count`` persons."""
        return type(self)(
            **{f.name: getattr(self, f.name)[:count] for f in fields(self)}
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The traits of several groups of persons, one after the other."""
        return cls(
            **{
                f.name: np.concatenate([getattr(part, f.name) for part in parts])
                for f in fields(cls)
            }
        )


@dataclass(frozen=True)
class Behaviour(Traits):
    """How a person buys and browses. Rates are a day, spend is in CNY a basket."""

    order_rate: Floats
    mean_spend: Floats
    session_rate: Floats
    dropout_day: Ints
    pause_from: Ints
    pause_until: Ints
    favourite: Ints
    second_favourite: Ints
    discount_affinity: Floats
    refund_factor: Floats


@dataclass(frozen=True)
class Profile(Traits):
    """Who a person is."""

    is_female: Bools
    born_on: Ints  # days since 1970-01-01
    surname: Ints
    given: Ints
    second_given: Ints  # -1: none
    is_latin: Bools
    city: Ints
    next_city: Ints
    moves_on: Ints
    gaps: Bools  # four columns: name, gender, birth date, city unknown
    owner: Ints


@dataclass(frozen=True)
class Membership(Traits):
    """Since when a person is known to each system (``NEVER``: not), and how.

    A day may be negative: before the world's first day.
    """

    crm_day: Ints
    store_day: Ints
    pos_day: Ints
    app_day: Ints
    mini_day: Ints
    is_member: Bools  # has a member number, in CRM and POS alike
    has_unionid: Bools
    unionid_lag: Ints  # days until the CRM learns it; NEVER
    store_touchpoints: Ints  # two columns; the second is used now and then
    pos_touchpoint: Ints
    store_no: Ints
    store_share: Floats
    is_guest: Bools  # uses the app without an account
    has_second_device: Bools
    app_phone_lag: Ints
    mini_touchpoint: Ints
    mini_phone_lag: Ints


@dataclass(frozen=True)
class Contact(Traits):
    """Phones and e-mails, and with whom they are shared (-1: with nobody)."""

    phone_of: Ints
    device_of: Ints
    phone_changes_on: Ints
    crm_phone_style: Ints
    app_phone_style: Ints
    in_crm: Floats  # below the share: the e-mail is known there
    in_app: Floats
    is_untidy: Bools


@dataclass(frozen=True)
class Consent(Traits):
    """What a CRM customer agrees to; later changes as numbers of days."""

    never_asked: Bools
    profiling: Bools
    marketing: Bools
    profiling_withdrawn_on: Ints
    marketing_withdrawn_on: Ints
    marketing_granted_on: Ints


@dataclass(frozen=True)
class Population:
    """The persons of the sample world, numbered from 0."""

    behaviour: Behaviour
    profile: Profile
    membership: Membership
    contact: Contact
    consent: Consent

    def __len__(self) -> int:
        return len(self.behaviour.order_rate)

    def first(self, count: int) -> "Population":
        """The first ``count`` persons."""
        return Population(
            self.behaviour.first(count),
            self.profile.first(count),
            self.membership.first(count),
            self.contact.first(count),
            self.consent.first(count),
        )

    def liveliness(self, day: int) -> Floats:
        """Factor on all rates of a person on a day: 0 after the dropout or in a pause.

        Interest fades over the last 45 days before the dropout.
        """
        traits = self.behaviour
        fading = np.clip((traits.dropout_day - day) / 45.0, 0.0, 1.0)
        fading = np.where(fading > 0, np.maximum(fading, 0.15), 0.0)
        asleep = (traits.pause_from <= day) & (day < traits.pause_until)
        return np.where(asleep, 0.0, fading)


def sizes(config: SampleConfig, last: int) -> list[int]:
    """Persons who have appeared by the end of each day from 0 to ``last``.

    Exactly ``config.users`` have by the last of ``config.days``.
    """
    weights = [
        sign_ups_factor(config.day(number))
        for number in range(1, max(last + 1, config.days))
    ]
    arrived = np.concatenate([[0.0], np.cumsum(weights)]) / sum(
        weights[: config.days - 1]
    )
    share = config.first_users + (1 - config.first_users) * arrived[: last + 1]
    return [int(size) for size in np.floor(config.users * share + 1e-6)]


def population(config: SampleConfig, last: int) -> Population:
    """Everybody who has appeared by the end of the day with number ``last``."""
    counts = sizes(config, last)
    starts = [0, *counts[:-1]]
    cohorts = [
        _cohort(config, day, start, stop - start)
        for day, (start, stop) in enumerate(zip(starts, counts, strict=True))
    ]
    everybody = Population(
        Behaviour.joined([cohort.behaviour for cohort in cohorts]),
        Profile.joined([cohort.profile for cohort in cohorts]),
        Membership.joined([cohort.membership for cohort in cohorts]),
        Contact.joined([cohort.contact for cohort in cohorts]),
        Consent.joined([cohort.consent for cohort in cohorts]),
    )
    _settle_partners(everybody)
    return everybody


def _cohort(config: SampleConfig, day: int, start: int, size: int) -> Population:
    rng = generator(config.seed, Stream.MEMBERSHIP, day)
    joined = np.full(size, day, dtype=np.int64)
    if day == 0:
        joined = -rng.integers(1, _BEFORE_THE_WORLD, size)
    membership = _membership(config, rng, joined)
    return Population(
        _behaviour(config, generator(config.seed, Stream.BEHAVIOUR, day), joined),
        _profile(config, generator(config.seed, Stream.PROFILE, day), joined),
        membership,
        _contact(config, generator(config.seed, Stream.CONTACT, day), joined, start),
        _consent(
            config, generator(config.seed, Stream.CONSENT, day), membership.crm_day
        ),
    )


def _behaviour(
    config: SampleConfig, rng: np.random.Generator, joined: Ints
) -> Behaviour:
    """Gamma rates, inverse-gamma spend, an exponential life with a gamma hazard.

    The mean of a person's baskets is p·γ/(q−1) over all persons (Gamma-Gamma, Fader
    and Hardie 2013), with p = 4 and q = 3.5.
    """
    means, size = config.behaviour, len(joined)
    shape, p, q = means.order_rate_shape, 4.0, 3.5
    relative = rng.gamma(shape, 1 / shape, size)
    scale = means.mean_basket * (q - 1) / p
    spend = p * scale / rng.gamma(q, 1.0, size)
    liking = rng.gamma(1.2, 1 / 1.2, size) * (0.25 + relative) ** 0.5
    hazard = means.dropouts_a_year * rng.gamma(1.5, 1 / 1.5, size)
    life = rng.exponential(1.0, size) / np.maximum(hazard, 1e-3) * 365
    dropout = np.maximum(joined, -_FORGOTTEN) + np.minimum(life, NEVER).astype(np.int64)
    paused = rng.random(size) < means.pausing
    pause_from = np.maximum(joined, 0) + rng.integers(20, 250, size)
    return Behaviour(
        order_rate=relative * means.orders_a_year / 365,
        mean_spend=np.minimum(spend, 60 * means.mean_basket),
        session_rate=liking * means.sessions_a_year / 365,
        dropout_day=np.minimum(dropout, NEVER),
        pause_from=np.where(paused, pause_from, NEVER),
        pause_until=np.where(paused, pause_from + rng.integers(60, 220, size), NEVER),
        favourite=pick(rng, vocabulary.CATEGORY_WEIGHTS, size),
        second_favourite=pick(rng, vocabulary.CATEGORY_WEIGHTS, size),
        discount_affinity=rng.beta(1.5, 4.5, size),
        refund_factor=rng.gamma(0.8, 1 / 0.8, size),
    )


def _profile(config: SampleConfig, rng: np.random.Generator, joined: Ints) -> Profile:
    size = len(joined)
    cities = [weight for _, _, weight in vocabulary.CITIES]
    age = np.clip(18 + rng.gamma(3.2, 5.5, size), 18, 85)
    second = rng.integers(0, len(vocabulary.GIVEN), size)
    return Profile(
        is_female=rng.random(size) < 0.58,
        born_on=(_epoch_day(config) - age * 365.25).astype(np.int64),
        surname=pick(rng, 1 / np.arange(3, 3 + len(vocabulary.SURNAMES)), size),
        given=rng.integers(0, len(vocabulary.GIVEN), size),
        second_given=np.where(rng.random(size) < 0.7, second, -1),
        is_latin=rng.random(size) < 0.18,
        city=pick(rng, cities, size),
        next_city=pick(rng, cities, size),
        moves_on=np.maximum(joined, 0)
        + days_until(rng, config.behaviour.moves_a_year, size),
        gaps=rng.random((size, 4)) < config.dirt.missing_values,
        owner=rng.integers(1, 21, size),
    )


def _membership(
    config: SampleConfig, rng: np.random.Generator, joined: Ints
) -> Membership:
    size, shares = len(joined), config.systems
    uses = rng.random((size, 5)) < [
        *(shares.crm, shares.store, shares.pos, shares.app, shares.miniprogram)
    ]
    nowhere = ~uses.any(axis=1)
    uses[nowhere, pick(rng, (0.5, 0.3, 0.2), int(nowhere.sum()))] = True
    lags = np.where(rng.random((size, 5)) < 0.5, 0, rng.exponential(60.0, (size, 5)))
    first_system = np.argmax(np.where(uses, rng.random((size, 5)), -1.0), axis=1)
    lags[np.arange(size), first_system] = 0
    days = np.where(uses, joined[:, None] + lags.astype(np.int64), NEVER)
    touchpoints = pick(rng, vocabulary.STORE_WEIGHTS, 2 * size).reshape(size, 2)
    mini = pick(rng, vocabulary.MINI_WEIGHTS, size)
    return Membership(
        crm_day=days[:, 0],
        store_day=days[:, 1],
        pos_day=days[:, 2],
        app_day=days[:, 3],
        mini_day=days[:, 4],
        is_member=(rng.random(size) < 0.8) & (uses[:, 0] | uses[:, 2]),
        has_unionid=(rng.random(size) < 0.85) & uses[:, 4] & (mini == 0),
        unionid_lag=np.where(rng.random(size) < 0.75, rng.integers(0, 30, size), NEVER),
        store_touchpoints=touchpoints,
        pos_touchpoint=pick(rng, vocabulary.POS_WEIGHTS, size),
        store_no=rng.integers(1, _STORES + 1, size),
        store_share=rng.beta(1.2, 1.2, size),
        is_guest=rng.random(size) < 0.05,
        has_second_device=rng.random(size) < 0.25,
        app_phone_lag=_binding_lag(rng, (0.72, 0.18, 0.10), size),
        mini_touchpoint=mini,
        mini_phone_lag=_binding_lag(rng, (0.45, 0.25, 0.30), size),
    )


def _binding_lag(
    rng: np.random.Generator, weights: tuple[float, float, float], size: int
) -> Ints:
    """Days until an account binds its phone: at once, after some weeks, or never."""
    choice = pick(rng, weights, size)
    later = 1 + rng.exponential(30.0, size).astype(np.int64)
    return np.choose(choice, [np.zeros(size, np.int64), later, np.full(size, NEVER)])


def _contact(
    config: SampleConfig, rng: np.random.Generator, joined: Ints, start: int
) -> Contact:
    size, dirt = len(joined), config.dirt
    earlier = start + np.arange(size)

    def partner(share: float) -> Ints:
        other = (rng.random(size) * earlier).astype(np.int64)
        return np.where((rng.random(size) < share) & (earlier > 0), other, -1)

    return Contact(
        phone_of=partner(dirt.shared_phones),
        device_of=partner(dirt.shared_devices),
        phone_changes_on=np.maximum(joined, 0)
        + days_until(rng, config.behaviour.phone_changes_a_year, size),
        crm_phone_style=draw_styles(rng, size, dirt, missing=dirt.missing_values),
        app_phone_style=draw_styles(rng, size, dirt, missing=0.0),
        in_crm=rng.random(size),
        in_app=rng.random(size),
        is_untidy=rng.random(size) < dirt.untidy_emails,
    )


def _consent(config: SampleConfig, rng: np.random.Generator, crm_day: Ints) -> Consent:
    size, shares = len(crm_day), config.consent
    since = np.maximum(crm_day, 0)
    profiling = rng.random(size) < shares.profiling
    marketing = rng.random(size) < shares.marketing
    rate = shares.withdrawals_a_year
    taken_back = np.where(profiling, since + days_until(rng, rate, size), NEVER)
    muted = np.where(marketing, since + days_until(rng, rate, size), NEVER)
    again = rng.random(size) < shares.granted_again
    return Consent(
        never_asked=rng.random(size) < shares.never_asked,
        profiling=profiling,
        marketing=marketing,
        profiling_withdrawn_on=taken_back,
        marketing_withdrawn_on=muted,
        marketing_granted_on=np.where(again, muted + rng.integers(20, 90, size), NEVER),
    )


def _settle_partners(persons: Population) -> None:
    """Follow each shared phone or device to the person whose it first was.

    A partner always appeared earlier, so one pass in order is enough.
    """
    for owners in (persons.contact.phone_of, persons.contact.device_of):
        for person in np.flatnonzero(owners >= 0):
            owner = owners[owners[person]]
            if owner >= 0:
                owners[person] = owner


def _epoch_day(config: SampleConfig) -> int:
    return int(np.datetime64(config.first_day, "D").astype(np.int64))
