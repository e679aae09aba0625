"""The hidden truth about persons. Only tests and benchmarks read it."""

from typing import Any

import numpy as np
import pyarrow as pa

from strata.sample.chance import NEVER, Ints
from strata.sample.today import Today

PERSON_SCHEMA = pa.schema(
    [
        ("person_id", pa.string()),
        ("appeared_on", pa.date32()),
        ("crm_customer_id", pa.string()),
        ("member_no", pa.string()),
        ("unionid", pa.string()),
        ("buyer_ids", pa.list_(pa.string())),
        ("app_user_id", pa.string()),
        ("openid", pa.string()),
        ("device_ids", pa.list_(pa.string())),
        ("phones", pa.list_(pa.string())),
        ("phone_changes_on", pa.date32()),
        ("email", pa.string()),
        ("crm_joined_on", pa.date32()),
        ("store_joined_on", pa.date32()),
        ("pos_joined_on", pa.date32()),
        ("app_joined_on", pa.date32()),
        ("mini_joined_on", pa.date32()),
        ("order_rate_a_day", pa.float64()),
        ("mean_spend", pa.float64()),
        ("session_rate_a_day", pa.float64()),
        ("dropout_on", pa.date32()),
        ("pause_from", pa.date32()),
        ("pause_until", pa.date32()),
    ]
)


def persons_of(today: Today, start: int) -> pa.Table:
    """The persons from number ``start`` on, a row each.

    A date that lies at or beyond the horizon of the world is null: it never comes.
    """
    traits, membership = today.persons.behaviour, today.persons.membership
    keys, chosen = today.keys, range(start, len(today.persons))

    def dates(days: Ints) -> list[Any]:
        return [_date(today, int(days[person])) for person in chosen]

    columns: dict[str, list[Any]] = {
        "person_id": keys.person_id[start : len(today.persons)].tolist(),
        "appeared_on": [today.day] * len(chosen),
        "phone_changes_on": dates(today.persons.contact.phone_changes_on),
        "email": keys.email[start : len(today.persons)].tolist(),
        "crm_joined_on": dates(membership.crm_day),
        "store_joined_on": dates(membership.store_day),
        "pos_joined_on": dates(membership.pos_day),
        "app_joined_on": dates(membership.app_day),
        "mini_joined_on": dates(membership.mini_day),
        "order_rate_a_day": traits.order_rate[start:].tolist(),
        "mean_spend": traits.mean_spend[start:].tolist(),
        "session_rate_a_day": traits.session_rate[start:].tolist(),
        "dropout_on": dates(traits.dropout_day),
        "pause_from": dates(traits.pause_from),
        "pause_until": dates(traits.pause_until),
    }
    known = [_keys_of(today, person) for person in chosen]
    for name in known[0] if known else ():
        columns[name] = [one[name] for one in known]
    return pa.table(
        {f.name: pa.array(columns.get(f.name, []), f.type) for f in PERSON_SCHEMA}
    )


def _keys_of(today: Today, person: int) -> dict[str, str | list[str] | None]:
    keys, membership = today.keys, today.persons.membership
    in_app = membership.app_day[person] < NEVER
    devices = 1 + int(membership.has_second_device[person])
    return {
        "crm_customer_id": _if(membership.crm_day[person], keys.customer_id[person]),
        "member_no": str(keys.member_no[person])
        if membership.is_member[person]
        else None,
        "unionid": str(keys.unionid[person])
        if membership.has_unionid[person]
        else None,
        "buyer_ids": keys.buyer_ids[person].tolist()
        if membership.store_day[person] < NEVER
        else [],
        "app_user_id": str(keys.app_user_id[person])
        if in_app and not membership.is_guest[person]
        else None,
        "openid": _if(membership.mini_day[person], keys.openid[person]),
        "device_ids": keys.device_ids[person, :devices].tolist() if in_app else [],
        "phones": [str(keys.first_phone[person]), str(keys.second_phone[person])],
    }


def _if(day: np.int64, key: object) -> str | None:
    return str(key) if day < NEVER else None


def _date(today: Today, day: int) -> Any:
    return None if day >= NEVER // 10 else today.config.day(day)
