"""Accounts of the app, users of the mini programs, and the truth about new records.

A record comes as a new version whenever its phone is bound or changes.
"""

import numpy as np

from strata.sample.chance import NEVER, Ints, Stream
from strata.sample.entities import (
    APP_ACCOUNTS,
    MINI_USERS,
    TRUTH_RECORDS,
    Batch,
    Row,
)
from strata.sample.keys import app_email, app_phone
from strata.sample.today import Today
from strata.sample.writing import LAST_SECOND

_NOTICED_AFTER = 3  # days until the app asks again for a phone that has changed


def registered(today: Today) -> list[Batch]:
    """New and changed accounts and users of one day."""
    rng = today.rng(Stream.REGISTERS)
    return [_accounts(today, rng), _users(today, rng)]


def appeared(today: Today) -> Batch:
    """The truth about the records that come into being today, but for receipts.

    A buyer number is listed from the day its person may first order.
    """
    keys, membership = today.keys, today.persons.membership
    batch = Batch(TRUTH_RECORDS)

    def add(system: str, entity: str, person: int, key: str) -> None:
        name = str(keys.person_id[person])
        batch.rows.append((system, entity, key, name))
        batch.arrivals.append(today.number)

    for person in _joining(membership.crm_day, today.number):
        add("crm", "customers", person, str(keys.customer_id[person]))
    for person in _joining(membership.store_day, today.number):
        for column in (0, 1):
            add("store", "buyers", person, str(keys.buyer_ids[person, column]))
    for person in _joining(membership.app_day, today.number):
        if not membership.is_guest[person]:
            add("app", "accounts", person, str(keys.app_user_id[person]))
        for column in range(1 + int(membership.has_second_device[person])):
            add("app", "devices", person, str(keys.device_ids[person, column]))
    for person in _joining(membership.mini_day, today.number):
        add("miniprogram", "users", person, str(keys.openid[person]))
    return batch


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
        has_unionid = bool(membership.has_unionid[person])
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
