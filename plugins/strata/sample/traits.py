"""What a person of the sample world is like: latent traits, an array each.

Every trait has one element a person; what a person is like on a day follows from the
traits and the day's number alone. Days are numbers; ``NEVER`` does not come.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Self

import numpy as np

from strata.sample.chance import Bools, Floats, Ints

_FADING = 30.0  # days before the dropout over which interest fades


class Response(IntEnum):
    """How a person takes a campaign's message."""

    PERSUADABLE = 0
    LOYAL = 1
    INDIFFERENT = 2
    CONTRARY = 3


class Plan(IntEnum):
    """What is planted in a person's rates."""

    STEADY = 0
    GROWTH = 1
    DECLINE = 2


@dataclass(frozen=True)
class Traits:
    """Arrays of one length, an element a person."""

    def first(self, count: int) -> Self:
        """The traits of the first ``count`` persons."""
        return type(self)(**{name: its[:count] for name, its in vars(self).items()})

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
    dropout_after_order: Floats
    dropout_day: Ints
    pause_from: Ints
    pause_until: Ints
    favourite: Ints
    second_favourite: Ints
    discount_affinity: Floats
    refund_factor: Floats


@dataclass(frozen=True)
class Temper(Traits):
    """What moves a person: mood, messages, advertisements, and what is planted.

    A plan leads the rates from 1 to ``plan_factor`` between its two days.
    """

    satisfaction: Floats  # standard normal; what is said and written follows it
    response: Ints
    plan: Ints
    plan_from: Ints
    plan_until: Ints
    plan_factor: Floats
    click_rate: Floats
    ad_channel: Ints
    sociability: Floats
    prefers: Floats  # below 0.35: a push; below 0.70: an e-mail; else a text message


@dataclass(frozen=True)
class Profile(Traits):
    """Who a person is."""

    appeared: Ints  # the day; 0 for everybody who was there before
    is_female: Bools
    born_on: Ints  # days since 1970-01-01
    surname: Ints
    given: Ints
    second_given: Ints  # -1: none
    is_latin: Bools
    foreign: Ints  # -1: a Chinese name
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
    web_day: Ints
    wecom_day: Ints
    social_day: Ints
    is_member: Bools  # has a member number, in CRM and POS alike
    member_day: Ints  # since when, NEVER for others
    has_unionid: Bools
    unionid_day: Ints  # when the CRM learns it
    duplicate_day: Ints  # when the CRM takes the person in once more
    merged_on: Ints
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
class Circles(Traits):
    """A person in the private domain, in social media and on the web."""

    follows_account: Bools
    tells_wecom_phone: Bools
    chat_rate: Floats
    read_rate: Floats
    group_no: Ints  # two columns
    group_is_qq: Bools  # two columns
    group_day: Ints  # two columns
    group_left_day: Ints  # two columns
    platform: Ints
    binds_member: Bools
    tells_social_phone: Bools
    act_rate: Floats
    web_liking: Floats
    h5_share: Floats


@dataclass(frozen=True)
class Contact(Traits):
    """Phones and e-mails, and with whom they are shared (-1: with nobody).

    ``recycled_from``: who had given up the number before.
    """

    phone_of: Ints
    shop_of: Ints
    recycled_from: Ints
    device_of: Ints
    invited_by: Ints
    invitation_lag: Ints
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
    """The persons of the sample world, numbered from 0 as they appeared."""

    behaviour: Behaviour
    temper: Temper
    profile: Profile
    membership: Membership
    circles: Circles
    contact: Contact
    consent: Consent

    def __len__(self) -> int:
        return len(self.behaviour.order_rate)

    def first(self, count: int) -> "Population":
        """The first ``count`` persons."""
        return Population(
            **{name: traits.first(count) for name, traits in vars(self).items()}
        )

    @classmethod
    def joined(cls, parts: "Sequence[Population]") -> "Population":
        """Several groups of persons, one after the other."""
        return cls(
            **{
                f.name: type(getattr(parts[0], f.name)).joined(
                    [getattr(part, f.name) for part in parts]
                )
                for f in fields(cls)
            }
        )

    def liveliness(self, day: int) -> Floats:
        """Factor on all rates of a person on a day: 0 after the dropout or in a pause.

        Interest fades before the dropout; a plan raises or lowers it for good.
        """
        traits, temper = self.behaviour, self.temper
        fading = np.clip((traits.dropout_day - day) / _FADING, 0.0, 1.0)
        fading = np.where(fading > 0, np.maximum(fading, 0.15), 0.0)
        asleep = (traits.pause_from <= day) & (day < traits.pause_until)
        span = np.maximum(temper.plan_until - temper.plan_from, 1)
        done = np.clip((day - temper.plan_from) / span, 0.0, 1.0)
        return np.where(asleep, 0.0, fading * temper.plan_factor**done)

    def shops(self, day: int) -> Bools:
        """Who may buy, online or in a shop."""
        membership = self.membership
        return np.minimum(membership.store_day, membership.pos_day) <= day

    def may_be_written_to(self, day: int) -> Bools:
        """Who agrees to marketing on a day, and the company knows it."""
        traits = self.consent
        agrees = traits.marketing & ~traits.never_asked
        withdrew = traits.marketing_withdrawn_on <= day
        again = traits.marketing_granted_on <= day
        known = self.membership.crm_day <= day
        return known & agrees & (~withdrew | again)
