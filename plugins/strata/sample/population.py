"""Draw the persons of the sample world, once, when they appear.

Persons are numbered in the order in which they appear, so the population of an early
day is the first part of the population of a later one.
"""

import numpy as np

from strata.config.sample import SampleConfig
from strata.sample import vocabulary
from strata.sample.chance import (
    NEVER,
    Floats,
    Ints,
    Stream,
    days_until,
    generator,
    pick,
)
from strata.sample.phones import draw_styles
from strata.sample.seasons import sign_ups_factor
from strata.sample.tastes import second_favourites
from strata.sample.ties import tie
from strata.sample.traits import (
    Behaviour,
    Circles,
    Consent,
    Contact,
    Membership,
    Plan,
    Population,
    Profile,
    Temper,
)

_BEFORE_THE_WORLD = 900  # days over which the first users had signed up
_FORGOTTEN = 120  # a first user's life is counted from at most so many days before
_STORES = 12
_GROUPS = 40
_PERSONS_A_SHOP = 600
_RESPONSES = (0.30, 0.25, 0.35, 0.10)


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
    everybody = Population.joined(
        [
            _cohort(config, day, start, stop - start)
            for day, (start, stop) in enumerate(zip(starts, counts, strict=True))
            if stop > start or day == 0
        ]
    )
    tie(config, everybody)
    return everybody


def _cohort(config: SampleConfig, day: int, start: int, size: int) -> Population:
    def rng(stream: Stream) -> np.random.Generator:
        return generator(config.seed, stream, day)

    joined = np.full(size, day, dtype=np.int64)
    if day == 0:
        joined = -rng(Stream.JOINED).integers(1, _BEFORE_THE_WORLD, size)
    temper = _temper(config, rng(Stream.TEMPER), joined)
    membership = _membership(config, rng(Stream.MEMBERSHIP), joined)
    return Population(
        behaviour=_behaviour(
            config, rng(Stream.BEHAVIOUR), rng(Stream.TASTES), joined, temper
        ),
        temper=temper,
        profile=_profile(config, rng(Stream.PROFILE), joined, day),
        membership=membership,
        circles=_circles(config, rng(Stream.REACH), membership),
        contact=_contact(config, rng(Stream.CONTACT), joined, start),
        consent=_consent(config, rng(Stream.CONSENT), membership.crm_day),
    )


def _temper(config: SampleConfig, rng: np.random.Generator, joined: Ints) -> Temper:
    """Mood, response and plans. A plan begins 30 to 200 days after the person.

    Growth multiplies the rates by 2 to 5 within 60 to 120 days, decline by 0.1 to 0.4;
    who declines is less satisfied than others.
    """
    size, shares = len(joined), config.behaviour
    draw = rng.random(size)
    grows = draw < shares.growing
    falls = ~grows & (draw < shares.growing + shares.declining)
    plan_from = np.maximum(joined, 0) + rng.integers(30, 201, size)
    factor = np.where(grows, rng.uniform(2, 5, size), rng.uniform(0.1, 0.4, size))
    is_planned = grows | falls
    span = rng.integers(60, 121, size)
    plan = np.where(grows, int(Plan.GROWTH), np.where(falls, int(Plan.DECLINE), 0))
    clicks = rng.gamma(0.8, 1 / 0.8, size) * config.contacts.ad_clicks_a_year / 365
    return Temper(
        satisfaction=rng.normal(0, 1, size) - 0.8 * falls,
        response=pick(rng, _RESPONSES, size),
        plan=plan,
        plan_from=np.where(is_planned, plan_from, NEVER),
        plan_until=np.where(is_planned, plan_from + span, NEVER),
        plan_factor=np.where(is_planned, factor, 1.0),
        click_rate=clicks,
        ad_channel=pick(rng, vocabulary.AD_WEIGHTS, size),
        sociability=rng.gamma(0.5, 2.0, size),
        prefers=rng.random(size),
    )


def _behaviour(
    config: SampleConfig,
    rng: np.random.Generator,
    tastes: np.random.Generator,
    joined: Ints,
    temper: Temper,
) -> Behaviour:
    """Gamma rates, inverse-gamma spend, and a life that ends with the orders.

    The mean of a person's baskets is p·γ/(q−1) over all persons (Gamma-Gamma, Fader
    and Hardie 2013), with p = 4. A person drops out at the rate λ·p, where λ is the
    order rate and p a beta-distributed chance after each order: the BG/NBD of Fader,
    Hardie and Lee (2005) in continuous time, and at a low rate without any order.
    """
    means, size = config.behaviour, len(joined)
    shape, p, q = means.order_rate_shape, 4.0, means.basket_shape
    relative = rng.gamma(shape, 1 / shape, size)
    scale = means.mean_basket * (q - 1) / p
    spend = p * scale / rng.gamma(q, 1.0, size)
    liking = rng.gamma(1.2, 1 / 1.2, size) * (0.25 + relative) ** 0.5
    leaves = _chance_of_leaving(means.dropout_after_order, rng, size)
    # The unsatisfied leave sooner; the mean stays what was set.
    moody = np.exp(-0.35 * temper.satisfaction - 0.35**2 / 2)
    leaves = np.minimum(leaves * moody, 1.0)
    hazard = relative * means.orders_a_year * leaves + means.dropouts_a_year
    life = rng.exponential(1.0, size) / hazard * 365
    dropout = np.maximum(joined, -_FORGOTTEN) + np.minimum(life, NEVER).astype(np.int64)
    paused = rng.random(size) < means.pausing
    pause_from = np.maximum(joined, 0) + rng.integers(20, 250, size)
    pause_until = pause_from + rng.integers(60, 220, size)
    favourite = pick(rng, vocabulary.CATEGORY_WEIGHTS, size)
    anything = pick(rng, vocabulary.CATEGORY_WEIGHTS, size)
    return Behaviour(
        order_rate=relative * means.orders_a_year / 365,
        mean_spend=np.minimum(spend, 60 * means.mean_basket),
        session_rate=liking * means.sessions_a_year / 365,
        dropout_after_order=leaves,
        dropout_day=np.minimum(dropout, NEVER),
        pause_from=np.where(paused, pause_from, NEVER),
        pause_until=np.where(paused, pause_until, NEVER),
        favourite=favourite,
        second_favourite=second_favourites(favourite, anything, tastes),
        discount_affinity=rng.beta(1.5, 4.5, size),
        refund_factor=rng.gamma(0.8, 1 / 0.8, size),
    )


def _chance_of_leaving(mean: float, rng: np.random.Generator, size: int) -> Floats:
    if mean in (0.0, 1.0):
        return np.full(size, mean)
    return rng.beta(1.0, (1 - mean) / mean, size)


def _profile(
    config: SampleConfig, rng: np.random.Generator, joined: Ints, day: int
) -> Profile:
    size = len(joined)
    cities = [weight for _, _, weight in vocabulary.CITIES]
    age = np.clip(18 + rng.gamma(3.2, 5.5, size), 18, 85)
    second = rng.integers(0, len(vocabulary.GIVEN), size)
    is_foreign = rng.random(size) < 0.06
    foreign = rng.integers(0, len(vocabulary.FOREIGN_NAMES), size)
    return Profile(
        appeared=np.full(size, day, dtype=np.int64),
        is_female=rng.random(size) < 0.58,
        born_on=(_epoch_day(config) - age * 365.25).astype(np.int64),
        surname=pick(rng, 1 / np.arange(3, 3 + len(vocabulary.SURNAMES)), size),
        given=rng.integers(0, len(vocabulary.GIVEN), size),
        second_given=np.where(rng.random(size) < 0.7, second, -1),
        is_latin=rng.random(size) < 0.14,
        foreign=np.where(is_foreign, foreign, -1),
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
    size = len(joined)
    shares = list(config.systems.model_dump().values())
    uses = rng.random((size, 8)) < shares
    nowhere = ~uses[:, :5].any(axis=1)
    uses[nowhere, pick(rng, (0.5, 0.3, 0.2), int(nowhere.sum()))] = True
    lags = np.where(rng.random((size, 8)) < 0.5, 0, rng.exponential(60.0, (size, 8)))
    first_system = np.argmax(np.where(uses, rng.random((size, 8)), -1.0), axis=1)
    lags[np.arange(size), first_system] = 0
    days = np.where(uses, joined[:, None] + lags.astype(np.int64), NEVER)
    touchpoints = pick(rng, vocabulary.STORE_WEIGHTS, 2 * size).reshape(size, 2)
    mini = pick(rng, vocabulary.MINI_WEIGHTS, size)
    is_member = (rng.random(size) < 0.8) & (uses[:, 0] | uses[:, 2])
    on_wechat = np.minimum(np.where(mini == 0, days[:, 4], NEVER), days[:, 6])
    has_unionid = (rng.random(size) < 0.85) & (on_wechat < NEVER)
    learns = np.where(rng.random(size) < 0.75, rng.integers(0, 30, size), NEVER)
    twice = (rng.random(size) < config.contacts.duplicate_customers) & uses[:, 0]
    again = np.maximum(days[:, 0], 0) + 1 + rng.exponential(60.0, size).astype(int)
    is_merged = twice & (rng.random(size) < 0.7)
    merged_on = again + 3 + rng.exponential(20.0, size).astype(int)
    return Membership(
        crm_day=days[:, 0],
        store_day=days[:, 1],
        pos_day=days[:, 2],
        app_day=days[:, 3],
        mini_day=days[:, 4],
        web_day=days[:, 5],
        wecom_day=days[:, 6],
        social_day=days[:, 7],
        is_member=is_member,
        member_day=np.where(is_member, np.minimum(days[:, 0], days[:, 2]), NEVER),
        has_unionid=has_unionid,
        unionid_day=np.where(
            has_unionid, np.maximum(days[:, 0], on_wechat) + learns, NEVER
        ),
        duplicate_day=np.where(twice, again, NEVER),
        merged_on=np.where(is_merged, merged_on, NEVER),
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


def _circles(
    config: SampleConfig, rng: np.random.Generator, membership: Membership
) -> Circles:
    """Two thirds of the contacts are in a group, a third of these in two."""
    size, rates = len(membership.crm_day), config.contacts
    draw = rng.random(size)
    is_in = np.stack([draw < 0.66, draw < 0.22], axis=1)
    entered = membership.wecom_day[:, None] + rng.integers(0, 60, (size, 2))
    entered = np.where(is_in & (entered < NEVER), entered, NEVER)
    leaves = is_in & (rng.random((size, 2)) < 0.35)
    left = np.maximum(entered, 0) + rng.integers(5, 200, (size, 2))
    return Circles(
        follows_account=(rng.random(size) < 0.6) & membership.has_unionid,
        tells_wecom_phone=rng.random(size) < 0.40,
        chat_rate=rng.gamma(0.7, 1 / 0.7, size) * rates.chats_a_year / 365,
        read_rate=rng.gamma(0.8, 1 / 0.8, size) * rates.reads_a_year / 365,
        group_no=rng.integers(1, _GROUPS + 1, (size, 2)),
        group_is_qq=rng.random((size, 2)) < 0.25,
        group_day=entered,
        group_left_day=np.where(leaves, left, NEVER),
        platform=pick(rng, vocabulary.SOCIAL_WEIGHTS, size),
        binds_member=rng.random(size) < 0.25,
        tells_social_phone=rng.random(size) < 0.05,
        act_rate=rng.gamma(0.5, 2.0, size) * rates.social_acts_a_year / 365,
        web_liking=rng.gamma(1.0, 0.4, size),
        h5_share=rng.beta(0.8, 0.6, size),
    )


def _contact(
    config: SampleConfig, rng: np.random.Generator, joined: Ints, start: int
) -> Contact:
    """Partners are candidates here; ``ties.tie`` settles what becomes of them."""
    size, dirt = len(joined), config.dirt
    earlier = start + np.arange(size)

    def partner(share: float) -> Ints:
        other = (rng.random(size) * earlier).astype(np.int64)
        return np.where((rng.random(size) < share) & (earlier > 0), other, -1)

    shop = (rng.random(size) * (earlier // _PERSONS_A_SHOP + 1)).astype(np.int64)
    in_shop = rng.random(size) < dirt.shop_phones
    wants_number = rng.random(size) < dirt.recycled_phones
    # Those who were there early invite the most: the trees have heavy roots.
    inviter = (rng.random(size) ** 2 * earlier).astype(np.int64)
    invited = (rng.random(size) < config.contacts.invited) & (start > 0)
    return Contact(
        phone_of=partner(dirt.shared_phones),
        shop_of=np.where(in_shop, shop, -1),
        recycled_from=np.where(wants_number, earlier, -1),
        device_of=partner(dirt.shared_devices),
        invited_by=np.where(invited, inviter, -1),
        invitation_lag=rng.integers(0, 11, size),
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


def _epoch_day(config: SampleConfig) -> int:
    return int(np.datetime64(config.first_day, "D").astype(np.int64))
