"""What people do in the private domain and in social media: single acts by the day."""

import numpy as np

from strata.sample import vocabulary
from strata.sample.chance import Ints, Stream, happening, pick, seconds_of_day
from strata.sample.entities import (
    SOCIAL_ACTIONS,
    WECOM_MESSAGES,
    WECOM_READS,
    Batch,
)
from strata.sample.faults import lateness
from strata.sample.seasons import sessions_factor
from strata.sample.tastes import liked_categories
from strata.sample.today import Today
from strata.sample.writing import texts

_EVENING = (
    *(4, 2, 1, 1, 1, 2, 4, 7, 8, 8, 8, 9),
    *(12, 10, 8, 8, 8, 9, 11, 14, 18, 19, 16, 9),
)


def private_domain(today: Today) -> list[Batch]:
    """Messages counted by person and day, and articles read."""
    rng, circles = today.rng(Stream.WECOM), today.persons.circles
    is_contact = today.persons.membership.wecom_day <= today.number
    alive = today.liveliness * sessions_factor(today.day)
    # Who chats today; how much is a matter of the day.
    talks = rng.random(len(alive)) < circles.chat_rate * alive * is_contact
    in_group = (circles.group_day[:, 0] <= today.number) & ~circles.group_is_qq[:, 0]
    chats = _chats(today, np.flatnonzero(talks), in_group, rng)
    follows = circles.follows_account * circles.read_rate * alive
    since = np.minimum(
        today.persons.membership.wecom_day, today.persons.membership.mini_day
    )
    readers = happening(rng, follows * (since <= today.number))
    return [chats, _reads(today, readers, rng)]


def _chats(
    today: Today, persons: Ints, in_group: np.ndarray, rng: np.random.Generator
) -> Batch:
    size = len(persons)
    is_group = in_group[persons] & (rng.random(size) < 0.5)
    received = 1 + rng.poisson(2.0, size)
    columns = (
        [f"WM{today.number:05d}{n:07d}" for n in range(size)],
        today.keys.external_userid[persons].tolist(),
        ["wecom_group" if group else "wecom_chat" for group in is_group.tolist()],
        [today.day.isoformat()] * size,
        texts(rng.poisson(1.6, size).tolist()),
        texts(received.tolist()),
    )
    late = lateness(rng, size, today.config.dirt)
    return Batch.of(WECOM_MESSAGES, today.number, columns, late)


def _reads(today: Today, persons: Ints, rng: np.random.Generator) -> Batch:
    size = len(persons)
    categories = liked_categories(today.persons, persons, rng).tolist()
    week = today.number // 7
    # Articles are read in the week they appear, or up to two weeks later.
    ages = np.minimum(rng.integers(0, 3, size), week).tolist()
    columns = (
        [f"WR{today.number:05d}{n:07d}" for n in range(size)],
        today.keys.unionid[persons].tolist(),
        ["official_account"] * size,
        [f"art{week - n:04d}-{c}" for n, c in zip(ages, categories, strict=True)],
        [vocabulary.CATEGORIES[c] for c in categories],
        today.local(seconds_of_day(rng, _EVENING, size)),
        [f"{s:.1f}" for s in rng.exponential(75.0, size).tolist()],
    )
    late = lateness(rng, size, today.config.dirt)
    return Batch.of(WECOM_READS, today.number, columns, late)


def social_media(today: Today) -> list[Batch]:
    """Follows on the day itself, then likes, comments, shares and posts.

    A person is on one platform and now and then on another.
    """
    rng, persons = today.rng(Stream.SOCIAL), today.persons
    since = persons.membership.social_day
    rates = persons.circles.act_rate * today.liveliness * (since <= today.number)
    actors = happening(rng, rates * sessions_factor(today.day))
    followers = np.flatnonzero(np.maximum(since, 0) == today.number)
    who = np.concatenate([followers, actors])
    size = len(who)
    acts = pick(rng, vocabulary.SOCIAL_ACT_WEIGHTS, size)
    elsewhere = pick(rng, vocabulary.SOCIAL_WEIGHTS, size)
    is_away = (rng.random(size) < 0.1) & (np.arange(size) >= len(followers))
    platform = np.where(is_away, elsewhere, persons.circles.platform[who])
    categories = liked_categories(persons, who, rng).tolist()
    names = [vocabulary.SOCIAL_ACTS[act] for act in acts.tolist()]
    names[: len(followers)] = ["follow"] * len(followers)
    is_tagged = (rng.random(size) < 0.1).tolist()
    columns = (
        [f"SA{today.number:05d}{n:07d}" for n in range(size)],
        today.keys.social_id[who].tolist(),
        [vocabulary.SOCIAL_TOUCHPOINTS[p] for p in platform.tolist()],
        names,
        today.utc(seconds_of_day(rng, _EVENING, size)),
        [
            None if name == "follow" else vocabulary.CATEGORIES[c]
            for name, c in zip(names, categories, strict=True)
        ],
        [today.campaign if tag else None for tag in is_tagged],
    )
    late = lateness(rng, size, today.config.dirt)
    return [Batch.of(SOCIAL_ACTIONS, today.number, columns, late)]
