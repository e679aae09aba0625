"""The hidden truth about persons and their ties. Only tests and benchmarks read it."""

from typing import Any

import numpy as np
import pyarrow as pa

from strata.sample import vocabulary
from strata.sample.chance import NEVER, Bools, Ints
from strata.sample.clicks import EFFECT_DAYS, PRICES
from strata.sample.entities import (
    TRUTH_CHANNELS,
    TRUTH_PLANS,
    TRUTH_RECYCLED,
    TRUTH_SHARED,
    Batch,
    Row,
)
from strata.sample.faults import incidents
from strata.sample.today import Today
from strata.sample.traits import Plan, Response

_SYSTEMS = ("crm", "store", "pos", "app", "mini", "web", "wecom", "social", "member")
PERSON_SCHEMA = pa.schema(
    [
        ("person_id", pa.string()),
        ("appeared_on", pa.date32()),
        ("crm_customer_id", pa.string()),
        ("crm_duplicate_id", pa.string()),
        ("member_no", pa.string()),
        ("unionid", pa.string()),
        ("buyer_ids", pa.list_(pa.string())),
        ("app_user_id", pa.string()),
        ("openid", pa.string()),
        ("external_userid", pa.string()),
        ("social_id", pa.string()),
        ("device_ids", pa.list_(pa.string())),
        ("phones", pa.list_(pa.string())),
        ("phone_changes_on", pa.date32()),
        ("email", pa.string()),
        ("name", pa.string()),
        *((f"{system}_joined_on", pa.date32()) for system in _SYSTEMS),
        ("order_rate_a_day", pa.float64()),
        ("mean_spend", pa.float64()),
        ("session_rate_a_day", pa.float64()),
        ("dropout_after_order", pa.float64()),
        ("dropout_on", pa.date32()),
        ("pause_from", pa.date32()),
        ("pause_until", pa.date32()),
        ("discount_affinity", pa.float64()),
        ("satisfaction", pa.float64()),
        ("response", pa.string()),
    ]
)


def persons_of(today: Today, start: int) -> pa.Table:
    """The persons from number ``start`` on, a row each.

    A date that lies at or beyond the horizon of the world is null: it never comes.
    """
    chosen = slice(start, len(today.persons))
    traits, temper = today.persons.behaviour, today.persons.temper
    membership, keys = today.persons.membership, today.keys
    size = len(today.persons) - start
    columns: dict[str, Any] = {
        "person_id": keys.person_id[chosen],
        "appeared_on": _dates(today, np.full(size, today.number)),
        "email": keys.email[chosen],
        "name": keys.name[chosen],
        "order_rate_a_day": traits.order_rate[chosen],
        "mean_spend": traits.mean_spend[chosen],
        "session_rate_a_day": traits.session_rate[chosen],
        "dropout_after_order": traits.dropout_after_order[chosen],
        "discount_affinity": traits.discount_affinity[chosen],
        "satisfaction": temper.satisfaction[chosen],
        "response": [Response(r).name.lower() for r in temper.response[chosen]],
        **_keys_of(today, chosen),
    }
    for name, days in (
        *((f"{s}_joined_on", getattr(membership, f"{s}_day")) for s in _SYSTEMS),
        ("phone_changes_on", today.persons.contact.phone_changes_on),
        ("dropout_on", traits.dropout_day),
        ("pause_from", traits.pause_from),
        ("pause_until", traits.pause_until),
    ):
        columns[name] = _dates(today, days[chosen])
    return pa.table({f.name: pa.array(columns[f.name], f.type) for f in PERSON_SCHEMA})


def _keys_of(today: Today, chosen: slice) -> dict[str, list[Any]]:
    keys, membership = today.keys, today.persons.membership
    in_app = membership.app_day[chosen] < NEVER
    devices = 1 + membership.has_second_device[chosen].astype(np.int64)
    buyers = keys.buyer_ids[chosen].tolist()
    known = {
        "crm_customer_id": (keys.customer_ids[:, 0], membership.crm_day < NEVER),
        "crm_duplicate_id": (keys.customer_ids[:, 1], membership.duplicate_day < NEVER),
        "member_no": (keys.member_no, membership.is_member),
        "unionid": (keys.unionid, membership.has_unionid),
        "app_user_id": (
            keys.app_user_id,
            (membership.app_day < NEVER) & ~membership.is_guest,
        ),
        "openid": (keys.openid, membership.mini_day < NEVER),
        "external_userid": (keys.external_userid, membership.wecom_day < NEVER),
        "social_id": (keys.social_id, membership.social_day < NEVER),
    }
    found: dict[str, list[Any]] = {
        name: np.where(has[chosen], texts[chosen], np.array(None)).tolist()
        for name, (texts, has) in known.items()
    }
    shops = (membership.store_day[chosen] < NEVER).tolist()
    found["buyer_ids"] = [b if s else [] for b, s in zip(buyers, shops, strict=True)]
    found["device_ids"] = [
        ids[:count] if uses else []
        for ids, count, uses in zip(
            keys.device_ids[chosen].tolist(), devices, in_app, strict=True
        )
    ]
    phones = np.stack([keys.first_phone[chosen], keys.second_phone[chosen]], axis=1)
    found["phones"] = phones.tolist()
    return found


def _dates(today: Today, days: Ints) -> pa.Array:
    first = np.datetime64(today.config.first_day, "D").astype(np.int64)
    return pa.array(
        (first + days).astype(np.int32), pa.int32(), mask=days >= NEVER // 10
    ).cast(pa.date32())


def told(today: Today) -> list[Batch]:
    """What the truth tells of a day and of the persons who appear on it."""
    batches = [incidents(today.config, today.number)]
    if today.number == 0:
        batches.append(_channels(today))
    is_new = today.persons.profile.appeared == today.number
    return [*batches, _plans(today, is_new), *_contacts(today, is_new)]


def _channels(today: Today) -> Batch:
    effects = today.config.channels
    rows: list[Row] = [
        (name, str(getattr(effects, name)), str(EFFECT_DAYS), f"{price:.2f}")
        for name, price in zip(vocabulary.AD_TOUCHPOINTS, PRICES, strict=True)
    ]
    rows.append(("coupon", str(effects.coupon), "1", "0.00"))
    return Batch(TRUTH_CHANNELS, rows, [0] * len(rows))


def _plans(today: Today, is_new: Bools) -> Batch:
    temper = today.persons.temper
    rows: list[Row] = [
        (
            str(today.keys.person_id[person]),
            Plan(temper.plan[person]).name.lower(),
            today.config.day(int(temper.plan_from[person])).isoformat(),
            today.config.day(int(temper.plan_until[person])).isoformat(),
            f"{temper.plan_factor[person]:.4f}",
        )
        for person in np.flatnonzero(is_new & (temper.plan > 0)).tolist()
    ]
    return Batch(TRUTH_PLANS, rows, [today.number] * len(rows))


def _contacts(today: Today, is_new: Bools) -> list[Batch]:
    """Phones and devices with more than one user, and numbers used once more.

    A family's or a device's owner is named; a shop's phone has none.
    """
    contact, keys = today.persons.contact, today.keys
    ids, uses_app = keys.person_id, today.persons.membership.app_day < NEVER
    shared, recycled = Batch(TRUTH_SHARED), Batch(TRUTH_RECYCLED)
    for kind, value_type, values, owners in (
        ("family", "phone", keys.first_phone, contact.phone_of),
        ("shop", "phone", keys.first_phone, contact.shop_of),
        ("device", "device_id", keys.device_ids[:, 0], contact.device_of),
    ):
        chosen = is_new & (owners >= 0)
        chosen &= uses_app if kind == "device" else True
        for person in np.flatnonzero(chosen).tolist():
            owner = None if kind == "shop" else str(ids[owners[person]])
            row: Row = (value_type, str(values[person]), kind, str(ids[person]), owner)
            shared.rows.append(row)
    for person in np.flatnonzero(is_new & (contact.recycled_from >= 0)).tolist():
        before = int(contact.recycled_from[person])
        given_up = int(contact.phone_changes_on[before])
        recycled.rows.append(
            (
                str(keys.first_phone[person]),
                str(ids[before]),
                today.config.day(given_up).isoformat(),
                str(ids[person]),
                today.day.isoformat(),
            )
        )
    for batch in (shared, recycled):
        batch.arrivals.extend([today.number] * len(batch.rows))
    return [shared, recycled]
