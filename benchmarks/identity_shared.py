"""Shared phones, handed-on numbers, tablets and hubs: whom do they make one person?

    python benchmarks/identity_shared.py [--quick]

A population drawn from a seed over three years. Each person has a member number, a
record in the CRM, most an account in the app, half one in the shop; all show the number,
a phone, some an e-mail, the app its devices. Receipts, tickets, guest orders and visits
show a phone, an e-mail or a device alone, which an account of the person shows too. Of the persons, as ``SHARES`` has them: some
live in a family and have its one phone, or use its tablet; some got a number or a device
that somebody gave up more than half a year before; some order for others, whose phone
the order then has. Some records have the phone or the address of a shop, some visits
are on its kiosk.

The rules are those that ship. Two peers see the same records in the same call: plain
connected components, and connected components without any value that more than one
member number was seen with. What is compared are pairs of records. `--quick` takes a
tenth of the persons.
"""

import argparse
import json
import os
import platform
import sys
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from strata.config.identity import load_identity_config
from strata.identity.evidence import gathered, strongest_first
from strata.identity.partition import components, suspects
from strata.identity.weighing import weigh

Ints = npt.NDArray[np.int64]

SEED = 20
PERSONS = 100_000
DAYS = 1_095
SHARES = {
    "family_phone": 0.008,
    "family_tablet": 0.015,
    "recycled_phone": 0.02,
    "second_hand_device": 0.04,
    "orders_for_others": 0.04,
    "hub_record": 0.003,
    "kiosk_visit": 0.003,
}
A_HUB_FOR = 10_000
"""Persons for each shop with its phone, address and kiosk."""


@dataclass
class Uses:
    """Rows of ``staging.identifiers`` as they come, and whose the records are."""

    columns: list[dict[str, Any]] = field(default_factory=list)
    persons: list[tuple[str, Ints]] = field(default_factory=list)

    def add(
        self,
        entity: str,
        record: Ints,
        kind: str,
        value: Ints,
        days: tuple[Ints, Ints],
        *,
        own: bool = False,
    ) -> None:
        self.columns.append(
            {
                "entity": np.full(len(record), entity, object),
                "record": record,
                "identifier_type": np.full(len(record), kind, object),
                "value": value,
                "first": days[0],
                "last": days[1],
                "is_own": np.full(len(record), own),
            }
        )


class Population:
    """Persons with their values and the days on which they have them."""

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self.size, self.rng = size, rng
        self.number = np.arange(size)
        self.hubs = max(1, size // A_HUB_FOR)
        # The first tenth left before the middle of the time, and gave things up.
        self.begins = rng.integers(0, 120, size)
        self.ends = rng.integers(900, DAYS, size)
        gone = self.number < size // 10
        self.ends[gone] = rng.integers(300, 420, gone.sum())
        self.phone, self.device = self.number.copy(), self.number.copy()
        self.tablet = np.full(size, -1)
        self.in_app = rng.random(size) < 0.7
        self.has_mail = rng.random(size) < 0.6
        self._pass_on("recycled_phone", self.phone, gone)
        self._pass_on("second_hand_device", self.device, gone)
        self._share_at_home(gone)

    def _pass_on(self, share: str, values: Ints, gone: npt.NDArray[np.bool_]) -> None:
        """Some who come later have the value of one who left."""
        count = int(SHARES[share] * self.size)
        takers = self.rng.choice(np.flatnonzero(~gone), count, replace=False)
        values[takers] = self.rng.choice(np.flatnonzero(gone), count, replace=False)
        self.begins[takers] = self.rng.integers(640, 700, count)

    def _share_at_home(self, gone: npt.NDArray[np.bool_]) -> None:
        """Families of two to four in a row, with the first one's phone or a tablet."""
        old = self.phone != self.number
        old[self.phone[old]] = True
        free = np.flatnonzero(~gone & ~old)
        count = int(SHARES["family_phone"] * self.size)
        with_phone, rest = free[:count], free[count:]
        self.phone[with_phone] = self.phone[self._heads(with_phone)]
        rest = rest[self.in_app[rest]]
        with_tablet = rest[: int(SHARES["family_tablet"] * self.size)]
        self.tablet[with_tablet] = self._heads(with_tablet)

    def _heads(self, members: Ints) -> Ints:
        sizes = self.rng.integers(2, 5, len(members))
        starts = np.concatenate([[0], np.cumsum(sizes)])
        first = starts[np.searchsorted(starts, np.arange(len(members)), "right") - 1]
        return members[first]

    def events(
        self, mean: float, of: npt.NDArray[np.bool_]
    ) -> tuple[Ints, tuple[Ints, Ints]]:
        """Whose they are, and their days."""
        person = np.repeat(self.number, self.rng.poisson(mean * of))
        span = self.ends[person] - self.begins[person]
        day = self.begins[person] + (self.rng.random(len(person)) * span).astype(int)
        return person, (day, day)

    def hub(self, values: Ints) -> Ints:
        """The values, but for those records that have a shop's instead."""
        of_hub = self.rng.random(len(values)) < SHARES["hub_record"]
        return np.where(
            of_hub, -1 - self.rng.integers(0, self.hubs, len(values)), values
        )


def drawn(size: int) -> tuple[pa.Table, pa.Table]:
    """The identifiers of a population, and the person of each record."""
    people, uses = Population(size, np.random.default_rng(SEED)), Uses()
    _accounts(people, uses)
    _traces(people, uses)
    names = uses.columns[0]
    table = pa.table(
        {name: np.concatenate([part[name] for part in uses.columns]) for name in names}
    )
    truth = pa.table(
        {
            "entity": np.concatenate(
                [np.full(len(p), entity, object) for entity, p in uses.persons]
            ),
            "record": np.concatenate([np.arange(len(p)) for _, p in uses.persons]),
            "person": np.concatenate([p for _, p in uses.persons]),
        }
    )
    return table, truth


def _accounts(people: Population, uses: Uses) -> None:
    """What is signed in to, and so shows the member number as long as it is used."""
    shops = people.rng.random(people.size) < 0.5
    for entity, own, contact, person in (
        ("customers", "crm_id", "phone", people.number),
        ("accounts", "app_user_id", "phone", np.flatnonzero(people.in_app)),
        ("buyers", "store_account", "order_contact", np.flatnonzero(shops)),
    ):
        record = np.arange(len(person))
        days = people.begins[person], people.ends[person]
        uses.persons.append((entity, person))
        uses.add(entity, record, own, person, days, own=True)
        uses.add(entity, record, "member_no", person, days)
        phone = people.phone[person]
        if contact == "order_contact":
            others = people.rng.random(len(person)) < SHARES["orders_for_others"]
            friend = people.rng.integers(0, people.size, len(person))
            phone = np.where(others, people.phone[friend], phone)
        uses.add(entity, record, contact, people.hub(phone), days)
        mails = people.has_mail[person]
        uses.add(
            entity,
            record[mails],
            "email",
            people.hub(person[mails]),
            (days[0][mails], days[1][mails]),
        )
        if entity == "accounts":
            uses.add(entity, record, "device_id", people.device[person], days)
            home = people.tablet[person] >= 0
            uses.add(
                entity,
                record[home],
                "device_id",
                people.size + people.tablet[person[home]],
                (days[0][home], days[1][home]),
            )


def _traces(people: Population, uses: Uses) -> None:
    """Records that show a number or a value alone."""
    everybody = np.ones(people.size, np.bool_)
    for entity, kind, mean, of in (
        ("card_receipts", "member_no", 2.0, everybody),
        ("receipts", "phone", 2.0, everybody),
        ("tickets", "phone", 0.5, everybody),
        ("guest_orders", "email", 0.5, people.has_mail),
        ("visits", "device_id", 2.0, people.in_app),
    ):
        person, days = people.events(mean, of)
        record = np.arange(len(person))
        value = {
            "member_no": person,
            "phone": people.phone[person],
            "email": person,
            "device_id": people.device[person],
        }[kind]
        if kind == "device_id":
            at_home = (people.tablet[person] >= 0) & (
                people.rng.random(len(person)) < 0.5
            )
            value = np.where(at_home, people.size + people.tablet[person], value)
            kiosk = people.rng.random(len(person)) < SHARES["kiosk_visit"]
            shop = -1 - people.rng.integers(0, people.hubs, len(person))
            value = np.where(kiosk, shop, value)
        elif kind != "member_no":
            value = people.hub(value)
        uses.persons.append((entity, person))
        uses.add(entity, record, kind, value, days)


_IDENTIFIERS = """
    create table identifiers as
    select
        'synthetic' as system,
        entity,
        record::varchar as record_key,
        identifier_type,
        md5(if(identifier_type = 'order_contact', 'phone', identifier_type) || value)
            as value_hash,
        '1' as key_version,
        timestamp '2023-01-01' + to_days(first::int) as first_seen_at,
        timestamp '2023-01-01' + to_days(last::int) as last_seen_at,
        is_own,
    from drawn_uses
"""

_USES = """
    select
        dense_rank() over (order by entity, record_key) - 1 as record_no,
        dense_rank() over (order by value_hash) - 1 as value_no,
    from {source}
    order by record_no
"""

# Values that were seen with more than one member number.
_ALONE = """
    create table alone as
    select *
    from identifiers
    anti join (
        select identifiers.value_hash
        from identifiers
        inner join identifiers as numbers using (entity, record_key)
        where numbers.identifier_type = 'member_no'
        group by identifiers.value_hash
        having count(distinct numbers.value_hash) > 1
    ) using (value_hash)
"""


def ours(con: duckdb.DuckDBPyConnection) -> dict[str, float]:
    """By the shipped rules; a record without a user stands alone."""
    started = time.process_time()
    config = load_identity_config()
    with gathered(con, config, datetime(2027, 1, 1), "identifiers") as graph:
        doubtful = strongest_first(con, np.flatnonzero(suspects(graph)))
        weighing = time.process_time()
        verdicts = weigh(graph, doubtful)
        weighed = time.process_time() - weighing
        kept = np.ones(len(graph.left), np.bool_)
        kept[list(verdicts.rejected)] = False
        user = components(graph, kept)
        carries = graph.anchors[graph.kind]
        carries[list(verdicts.public)] = False
        named = np.zeros(len(user), np.bool_)
        named[user[carries]] = True
        con.register(
            "placed",
            pa.table(
                {
                    "node_no": np.arange(len(user)),
                    "label": np.where(named[user], user, -1),
                }
            ),
        )
        con.execute(
            "create or replace table labels as"
            " select entity, record_key::bigint as record,"
            " if(label < 0, -1 - row_number() over (), label) as label"
            " from identity_uses inner join placed using (node_no)"
            " where use_no = stands_no"
        )
        con.unregister("placed")
    cpu = time.process_time() - started
    minute = len(doubtful) / weighed * 60 if len(doubtful) else 0.0
    return compared(con) | {
        "cpu_s": round(cpu, 2),
        "links": len(graph.left),
        "weighed": len(doubtful),
        "weighed_a_minute": round(minute),
    }


def plain(con: duckdb.DuckDBPyConnection, source: str) -> dict[str, float]:
    """By connected components over what ``source`` has; the rest stands alone."""
    started = time.process_time()
    ends = con.execute(_USES.format(source=source)).fetchnumpy()
    records = int(ends["record_no"].max()) + 1
    size = records + int(ends["value_no"].max()) + 1
    links = (ends["record_no"], records + ends["value_no"])
    label = connected_components(
        coo_array((np.ones(len(links[0]), np.int8), links), (size, size)),
        directed=False,
    )[1]
    con.register("found", {"record_no": np.arange(records), "label": label[:records]})
    con.execute(
        f"""
        create or replace table labels as
        with

        numbered as (
            select distinct
                entity,
                record_key::bigint as record,
                dense_rank() over (order by entity, record_key) - 1 as record_no,
            from {source}
        )

        select
            records.entity,
            records.record,
            coalesce(found.label, -1 - row_number() over ()) as label,
        from drawn_records as records
        left join numbered using (entity, record)
        left join found using (record_no)
        """
    )
    con.unregister("found")
    return compared(con) | {"cpu_s": round(time.process_time() - started, 2)}


def compared(con: duckdb.DuckDBPyConnection) -> dict[str, float]:
    """Pairs of records by ``labels`` against the truth."""
    row = con.execute(
        """
        with

        cells as (
            select label, person, count(*) as n,
            from labels
            inner join drawn_records using (entity, record)
            group by label, person
        ),

        found as (
            select sum(n) as n, count(*) as people from cells group by label
        )

        select
            (select sum(n * (n - 1) / 2) from cells),
            (select sum(n * (n - 1) / 2) from found),
            (
                select sum(n * (n - 1) / 2)
                from (select count(*) as n from drawn_records group by person)
            ),
            (select max(people) from found),
        """
    ).fetchone()
    assert row is not None
    right, joined, true, people = map(float, row)
    precision, recall = right / joined, right / true
    f1 = 2 * precision * recall / (precision + recall)
    return {
        "f1": round(f1, 5),
        "precision": round(precision, 6),
        "recall": round(recall, 5),
        "people_a_profile": people,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth")
    quick = parser.parse_args().quick
    with duckdb.connect() as con:
        uses, records = drawn(PERSONS // 10 if quick else PERSONS)
        con.register("drawn_uses", uses)
        con.register("drawn_records", records)
        con.execute(_IDENTIFIERS)
        con.execute(_ALONE)
        found = ours(con)
        joined, alone = plain(con, "identifiers"), plain(con, "alone")
    peer = {f"components_{name}": value for name, value in joined.items()}
    peer |= {f"dropping_{name}": value for name, value in alone.items()}
    checks = {
        "f1 of pairs": (found["f1"], 0.993, found["f1"] > 0.993),
        "f1 without what two members share": (
            found["f1"],
            alone["f1"],
            found["f1"] > alone["f1"],
        ),
        "precision of pairs": (found["precision"], 1.0, found["precision"] == 1.0),
        "people a profile, at the most": (
            found["people_a_profile"],
            1,
            found["people_a_profile"] == 1,
        ),
        "suspicious links weighed a minute": (
            found["weighed_a_minute"],
            1_000_000,
            found["weighed_a_minute"] >= 1_000_000,
        ),
    }
    told = {
        name: {"value": value, "bar": bar, "holds": bool(holds)}
        for name, (value, bar, holds) in checks.items()
    }
    print(
        json.dumps(
            {
                "name": "identity_shared",
                "quick": quick,
                "machine": f"{os.cpu_count()} cores, {platform.machine()}",
                "ours": found,
                "peer": peer,
                "ratio": {
                    "components_f1": round(found["f1"] / joined["f1"], 1),
                    "dropping_f1": round(found["f1"] / alone["f1"], 4),
                },
                "checks": told,
            }
        )
    )
    return 0 if all(check["holds"] for check in told.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
