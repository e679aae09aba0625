"""Accounts, users, contacts and followers, and the truth about new records.

A record comes as a new version whenever its phone is bound or changes.
"""

import numpy as np

from strata.sample import vocabulary
from strata.sample.chance import NEVER, Bools, Ints, Stream
from strata.sample.entities import (
    APP_ACCOUNTS,
    MINI_USERS,
    SOCIAL_ACCOUNTS,
    TRUTH_RECORDS,
    WECOM_CONTACTS,
    WECOM_MEMBERSHIPS,
    Batch,
    Row,
)
from strata.sample.keys import app_email, app_phone, gets_cookie
from strata.sample.today import Today
from strata.sample.writing import LAST_SECOND

_NOTICED_AFTER = 3  # days until the app asks again for a phone that has changed


def app_accounts(today: Today) -> list[Batch]:
    """New and changed accounts of the app."""
    return [_accounts(today, today.rng(Stream.REGISTERS))]


def mini_users(today: Today) -> list[Batch]:
    """New and changed users of the mini programs."""
    return [_users(today, today.rng(Stream.GROUPS))]


def wecom_contacts(today: Today) -> list[Batch]:
    """New contacts of the advisers, later as members of groups, and as they leave."""
    membership, circles = today.persons.membership, today.persons.circles
    number, batch = today.number, Batch(WECOM_CONTACTS)
    # Whoever tells the phone does so after three weeks.
    told_on = np.where(circles.tells_wecom_phone, membership.wecom_day + 21, NEVER)
    since = np.maximum(membership.wecom_day, 0)
    is_told = (told_on == number) & (since < number)
    for person in np.flatnonzero((since == number) | is_told).tolist():
        joined = int(membership.wecom_day[person])
        added_at = today.local(_seconds(person), joined - number)[0]
        has_unionid = membership.has_unionid[person]
        row: Row = (
            str(today.keys.external_userid[person]),
            str(today.keys.unionid[person]) if has_unionid else None,
            str(today.phone[person]) if told_on[person] <= number else None,
            str(today.keys.name[person]),
            f"adviser{int(today.persons.profile.owner[person]):02d}",
            added_at,
            today.local(_seconds(person))[0] if is_told[person] else added_at,
        )
        batch.rows.append(row)
        batch.arrivals.append(number)
    return [batch, _memberships(today)]


def _memberships(today: Today) -> Batch:
    circles, number = today.persons.circles, today.number
    batch = Batch(WECOM_MEMBERSHIPS)
    entered, left = np.maximum(circles.group_day, 0), circles.group_left_day
    is_new, is_end = entered == number, (left == number) & (entered < number)
    for person, column in np.argwhere(is_new | is_end).tolist():
        kind = "qq" if circles.group_is_qq[person, column] else "wx"
        on = int(circles.group_day[person, column]) - number
        joined_at = today.local(_seconds(person), on)[0]
        left_at = today.local(_seconds(person))[0] if is_end[person, column] else None
        row: Row = (
            f"WG{person:07d}{column}",
            str(today.keys.external_userid[person]),
            f"{kind}-{int(circles.group_no[person, column]):03d}",
            "qq_group" if kind == "qq" else "wecom_group",
            joined_at,
            left_at,
            left_at or joined_at,
        )
        batch.rows.append(row)
        batch.arrivals.append(number)
    return batch


def social_accounts(today: Today) -> list[Batch]:
    """New followers, and those who bind their member number two weeks later."""
    membership, circles = today.persons.membership, today.persons.circles
    number, batch = today.number, Batch(SOCIAL_ACCOUNTS)
    since = np.maximum(membership.social_day, 0)
    bound_on = np.maximum(membership.social_day, membership.member_day) + 14
    bound_on = np.where(circles.binds_member, bound_on, NEVER)
    is_bound = (bound_on == number) & (since < number)
    for person in np.flatnonzero((since == number) | is_bound).tolist():
        joined = int(membership.social_day[person])
        followed_at = today.utc(_seconds(person), joined - number)[0]
        knows_member = bound_on[person] <= number
        tells_phone = circles.tells_social_phone[person]
        row: Row = (
            str(today.keys.social_id[person]),
            vocabulary.SOCIAL_TOUCHPOINTS[int(circles.platform[person])],
            _nickname(today, person),
            str(today.keys.member_no[person]) if knows_member else None,
            str(today.phone[person]) if tells_phone else None,
            followed_at,
            today.utc(_seconds(person))[0] if is_bound[person] else followed_at,
        )
        batch.rows.append(row)
        batch.arrivals.append(number)
    return [batch]


def _nickname(today: Today, person: int) -> str:
    adjectives, nouns = vocabulary.NICKNAMES
    first = adjectives[person * 7 % len(adjectives)]
    return f"{first}{nouns[person * 11 % len(nouns)]}{person * 31 % 1000}"


def _seconds(person: int) -> Ints:
    """A second of the day between 8 and 22 h that belongs to the person."""
    return np.array([8 * 3600 + person * 7_919 % (14 * 3600)])


def appeared(today: Today) -> list[Batch]:
    """The truth about the records that come into being today.

    Records of receipts, tickets, surveys and meetings are told of with these. A buyer
    number is listed from the day its person may first order.
    """
    keys, membership = today.keys, today.persons.membership
    batch = Batch(TRUTH_RECORDS)

    def add(system: str, entity: str, person: int, key: str) -> None:
        name = str(keys.person_id[person])
        batch.rows.append((system, entity, key, name))
        batch.arrivals.append(today.number)

    for person in _joining(membership.crm_day, today.number):
        add("crm", "customers", person, str(keys.customer_ids[person, 0]))
    for person in np.flatnonzero(membership.duplicate_day == today.number).tolist():
        add("crm", "customers", person, str(keys.customer_ids[person, 1]))
    for person in _joining(membership.store_day, today.number):
        for column in (0, 1):
            add("store", "buyers", person, str(keys.buyer_ids[person, column]))
    for person in _joining(membership.app_day, today.number):
        if not membership.is_guest[person]:
            add("app", "accounts", person, str(keys.app_user_id[person]))
        for column in range(1 + int(membership.has_second_device[person])):
            add("app", "devices", person, str(keys.device_ids[person, column]))
    for system, entity, days, names in (
        ("miniprogram", "users", membership.mini_day, keys.openid),
        ("wecom", "contacts", membership.wecom_day, keys.external_userid),
        ("social", "accounts", membership.social_day, keys.social_id),
        ("loyalty", "members", membership.member_day, keys.member_no),
    ):
        for person in _joining(days, today.number):
            add(system, entity, person, str(names[person]))
    browsers = np.flatnonzero(_new_cookie(today))
    cookies = keys.cookies(browsers, today.number)
    for person, cookie in zip(browsers.tolist(), cookies, strict=True):
        add("web", "cookies", person, cookie)
    return [batch]


def _new_cookie(today: Today) -> Bools:
    since = np.maximum(today.persons.membership.web_day, 0)
    renewed = gets_cookie(np.arange(len(since)), today.number)
    is_new: Bools = (since == today.number) | ((since < today.number) & renewed)
    return is_new


def _accounts(today: Today, rng: np.random.Generator) -> Batch:
    membership = today.persons.membership
    joined = np.where(membership.is_guest, NEVER, membership.app_day)
    bound = np.minimum(joined + membership.app_phone_lag, NEVER)
    batch = Batch(APP_ACCOUNTS)
    for person, since, now in _versions(today, joined, bound, rng):
        phone = None
        if bound[person] <= today.number:
            phone = app_phone(today.persons, today.phone, person)
        row: Row = (
            str(today.keys.app_user_id[person]),
            phone,
            app_email(today.keys, today.persons, person),
            since,
            now,
        )
        batch.rows.append(row)
        batch.arrivals.append(today.number)
    return batch


def _users(today: Today, rng: np.random.Generator) -> Batch:
    membership = today.persons.membership
    joined = membership.mini_day
    bound = np.minimum(joined + membership.mini_phone_lag, NEVER)
    batch = Batch(MINI_USERS)
    for person, since, now in _versions(today, joined, bound, rng):
        phone = None
        if bound[person] <= today.number:
            phone = app_phone(today.persons, today.phone, person)
        on_wechat = membership.mini_touchpoint[person] == 0
        has_unionid = bool(membership.has_unionid[person]) and bool(on_wechat)
        row: Row = (
            str(today.keys.openid[person]),
            str(today.keys.unionid[person]) if has_unionid else None,
            phone,
            since,
            now,
        )
        batch.rows.append(row)
        batch.arrivals.append(today.number)
    return batch


def _versions(
    today: Today, joined: Ints, bound: Ints, rng: np.random.Generator
) -> list[tuple[int, str, str]]:
    """Who gets a version today, with the moments of joining and of this version.

    Who joined before the world's first day comes on that day, as of then.
    """
    number, changed = today.number, today.persons.contact.phone_changes_on
    is_new = np.maximum(joined, 0) == number
    is_bound = (bound == number) & (joined < number)
    is_changed = (changed + _NOTICED_AFTER == number) & (joined < number)
    is_changed &= bound < number
    chosen = np.flatnonzero(is_new | is_bound | is_changed)
    # The second of the day of joining belongs to the person, not to today.
    joined_at = (chosen * 7_919 + 30_011) % (LAST_SECOND - 3600)
    moment = np.where(
        is_new[chosen],
        joined_at,
        rng.integers(LAST_SECOND - 3600, LAST_SECOND + 1, len(chosen)),
    )
    since = today.utc(joined_at, joined[chosen] - number)
    now = today.utc(moment, np.where(is_new[chosen], joined[chosen] - number, 0))
    return list(zip(chosen.tolist(), since, now, strict=True))


def _joining(days: Ints, number: int) -> list[int]:
    chosen: list[int] = np.flatnonzero(np.maximum(days, 0) == number).tolist()
    return chosen
