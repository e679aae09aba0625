"""One persistent id a person: who is joined, who is not, and what never changes."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from strata.config.identity import (
    IdentifierRule,
    IdentityConfig,
    load_identity_config,
)
from strata.identity import (
    IdentityCounts,
    Step,
    UnknownIdentityError,
    resolve,
    resolve_id,
    show,
    why,
)
from strata.identity.ledger import user_id
from strata.identity.tables import TABLES, create_state
from strata.pseudonyms import register
from strata.run import Run

DAY_0 = date(2026, 1, 1)
WORLD = "tests"

CONFIG = IdentityConfig(
    identifiers={
        "crm_id": IdentifierRule(form="token", strength=100, priority=1, max_values=1),
        "member_no": IdentifierRule(
            form="token", strength=90, priority=2, max_values=1
        ),
        "app_user_id": IdentifierRule(form="token", strength=100, priority=3),
        "store_account": IdentifierRule(form="token", strength=100, priority=4),
        "phone": IdentifierRule(
            form="phone",
            strength=80,
            priority=5,
            max_users=3,
            window_days=180,
            denylist=("13800000000",),
        ),
        "email": IdentifierRule(
            form="email", strength=60, priority=6, max_users=3, max_values=1
        ),
        "device_id": IdentifierRule(
            form="token",
            anchor=False,
            merges=False,
            strength=20,
            priority=7,
            max_users=3,
            window_days=90,
        ),
        "purchase_id": IdentifierRule(
            form="token",
            anchor=False,
            strength=85,
            priority=8,
            claimed_by="member_no",
            unclaimed=1,
            unclaimed_share=0.5,
        ),
    }
)

OWN = {
    "crm/customers": "crm_id",
    "app/accounts": "app_user_id",
    "app/devices": "device_id",
    "store/buyers": "store_account",
}

P1, P2, P3, NOBODY = "13900000001", "13900000002", "13900000003", "138 0000 0000"


@dataclass(frozen=True)
class Seen:
    """A source record and what it shows, on days counted from ``DAY_0``.

    ``known`` is the day from which the warehouse has it, ``gone`` the day from which
    it has it no more.
    """

    record: str
    day: int
    shown: dict[str, str] = field(default_factory=dict)
    last: int | None = None
    known: int | None = None
    gone: int | None = None

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Its rows of ``staging.identifiers``; the values are still plain."""
        system, entity, key = self.record.split("/")
        first = datetime(2026, 1, 1, 4) + timedelta(days=self.day)  # noon in Shanghai
        last = first + timedelta(days=(self.last or self.day) - self.day)
        own = OWN.get(f"{system}/{entity}")
        values = ({own: key} if own else {}) | self.shown
        for kind, value in values.items():
            yield system, entity, key, kind, value, first, last, kind == own


def seen(record: str, day: int = 0, /, **shown: Any) -> Seen:
    """``Seen`` with the identifiers as keywords."""
    times = {k: shown.pop(k) for k in ("last", "known", "gone") if k in shown}
    return Seen(record, day, shown, **times)


class Home:
    """A warehouse in memory with the tables of identity."""

    def __init__(self, config: IdentityConfig = CONFIG) -> None:
        self.config = config
        self.con = duckdb.connect()
        register(self.con, config)
        self.con.execute("create schema staging")
        create_state(self.con)

    def run(
        self, day: int, records: Sequence[Seen], is_newest: bool = True
    ) -> IdentityCounts:
        """Stage what is known on the day, resolve it and publish."""
        self.stage(
            [
                row
                for r in records
                if (r.day if r.known is None else r.known) <= day
                and (r.gone is None or day < r.gone)
                for row in r.rows()
            ]
        )
        counts = self.resolve(day, is_newest)
        self.publish()
        return counts

    def stage(self, rows: Sequence[tuple[Any, ...]]) -> None:
        self.con.execute(
            "create or replace temp table plain (system varchar, entity varchar,"
            " record_key varchar, identifier_type varchar, value varchar,"
            " first_seen_at timestamp, last_seen_at timestamp, is_own boolean)"
        )
        if rows:
            self.con.executemany(
                "insert into plain values (?, ?, ?, ?, ?, ?, ?, ?)", rows
            )
        self.con.execute(
            "create or replace table staging.identifiers as"
            " select * exclude (value), 'r' as _run_id,"
            " strata_pseudonym(identifier_type, value) as value_hash,"
            " strata_key_version() as key_version"
            " from plain where value_hash is not null"
        )

    def resolve(self, day: int, is_newest: bool = True) -> IdentityCounts:
        run = Run(
            run_id=f"{DAY_0 + timedelta(days=day)}.1",
            ds=DAY_0 + timedelta(days=day),
            world=WORLD,
            home=Path(),
            timezone="Asia/Shanghai",
            is_newest=is_newest,
        )
        return resolve(self.con, run, self.config)

    def publish(self) -> None:
        for table in TABLES:
            self.con.execute(
                f"create or replace table identity.{table} as"
                f" select * from build_identity.{table}"
            )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.con.execute(sql).fetchall()

    def ids(self, day: int | None = None) -> dict[str, str | None]:
        """The id of each record, now or as of a day."""
        as_of = (
            "effective_to is null"
            if day is None
            else f"effective_from <= date '{DAY_0}' + {day}"
            f" and (effective_to is null or date '{DAY_0}' + {day} < effective_to)"
        )
        found = self.rows(
            "select concat_ws('/', system, entity, record_key), unified_user_id"
            f" from identity.id_map where recorded_to is null and {as_of}"
        )
        assert len(found) == len(dict(found)), "a record has two ids at one time"
        return dict(found)

    def users(self) -> dict[str | None, set[str]]:
        """The records of each user by the user's anchor; of nobody under None."""
        anchors = dict(
            self.rows(
                "select unified_user_id, concat_ws('/', anchor_system,"
                " anchor_entity, anchor_record_key) from identity.id_ledger"
            )
        )
        users: dict[str | None, set[str]] = defaultdict(set)
        for record, user in self.ids().items():
            users[None if user is None else anchors[user]].add(record)
        return dict(users)

    def content(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every table without its operational columns, in a fixed order."""
        return {
            table: self.rows(
                f"select * exclude (_run_id) from identity.{table} order by all"
            )
            for table in TABLES
        }


@pytest.fixture(autouse=True, scope="module")
def key() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STRATA_PSEUDONYM_KEY", "a key for tests and for nothing else")
        yield


@dataclass(frozen=True)
class Scenario:
    """Records, the days on which a run is made, and the users at the end of them."""

    records: tuple[Seen, ...]
    users: dict[str | None, set[str]]
    rejected: dict[str, int] = field(default_factory=dict)
    days: tuple[int, ...] = (0,)


SCENARIOS = {
    "alone: a record is a user by itself": Scenario(
        (seen("crm/customers/C1"),), {"crm/customers/C1": {"crm/customers/C1"}}
    ),
    "chain: records that share nothing directly are one through others": Scenario(
        (
            seen("crm/customers/C1", 0, phone=P1),
            seen("app/accounts/A1", 1, phone=P1, email="a@x.cn"),
            seen("store/buyers/B1", 2, email="a@x.cn"),
        ),
        {
            "crm/customers/C1": {
                "crm/customers/C1",
                "app/accounts/A1",
                "store/buyers/B1",
            }
        },
        days=(2,),
    ),
    "fan-in: many receipts of one phone are one user": Scenario(
        tuple(seen(f"pos/receipts/R{n}", n, phone=P1) for n in range(4)),
        {"pos/receipts/R0": {f"pos/receipts/R{n}" for n in range(4)}},
        days=(4,),
    ),
    "diamond: two ways between two records are one user": Scenario(
        (
            seen("crm/customers/C1", 0, phone=P1, member_no="M1"),
            seen("pos/receipts/R1", 1, phone=P1, member_no="M1"),
        ),
        {"crm/customers/C1": {"crm/customers/C1", "pos/receipts/R1"}},
        days=(1,),
    ),
    "family: a shared phone stays with the elder of two customers": Scenario(
        (
            seen("crm/customers/C1", 0, phone=P1, last=50),
            seen("crm/customers/C2", 10, phone=P1, last=50),
            seen("pos/receipts/R1", 20, phone=P1),
        ),
        {
            "crm/customers/C1": {"crm/customers/C1", "pos/receipts/R1"},
            "crm/customers/C2": {"crm/customers/C2"},
        },
        rejected={"max_values:crm_id": 1},
        days=(50,),
    ),
    "strength: the phone decides before the e-mail": Scenario(
        (
            seen("crm/customers/C1", 0, email="a@x.cn"),
            seen("crm/customers/C2", 1, phone=P1),
            seen("app/accounts/A1", 2, phone=P1, email="a@x.cn"),
        ),
        {
            "crm/customers/C1": {"crm/customers/C1"},
            "crm/customers/C2": {"crm/customers/C2", "app/accounts/A1"},
        },
        rejected={"max_values:crm_id": 1},
        days=(2,),
    ),
    "one address: a second one is another user's, even if seen here first": Scenario(
        (
            seen("crm/customers/C1", 0, phone=P1, email="a@x.cn"),
            seen("app/accounts/A1", 1, phone=P1, email="b@x.cn"),
            seen("web/visits/V1", 5, email="b@x.cn"),
        ),
        {
            "crm/customers/C1": {"crm/customers/C1", "app/accounts/A1"},
            "web/visits/V1": {"web/visits/V1"},
        },
        rejected={"max_values:email": 1},
        days=(5,),
    ),
    "public phone: it joins nobody, and is nobody": Scenario(
        (
            *(seen(f"store/buyers/B{n}", n, phone=P1) for n in range(4)),
            seen("pos/receipts/R1", 4, phone=P1),
        ),
        {f"store/buyers/B{n}": {f"store/buyers/B{n}"} for n in range(4)}
        | {None: {"pos/receipts/R1"}},
        rejected={"max_users:phone": 4},
        days=(4,),
    ),
    "phone turned public: the user who stood on it alone is nobody again": Scenario(
        (
            seen("pos/receipts/R1", 0, phone=P1),
            *(seen(f"store/buyers/B{n}", n, phone=P1) for n in range(1, 5)),
        ),
        {f"store/buyers/B{n}": {f"store/buyers/B{n}"} for n in range(1, 5)}
        | {None: {"pos/receipts/R1"}},
        rejected={"max_users:phone": 4},
        days=(0, 5),
    ),
    "busy phone: users are counted, not their records": Scenario(
        (
            seen("crm/customers/C1", 0, member_no="M1", phone=P1),
            seen("store/buyers/B1", 1, phone=P1),
            seen("app/accounts/A1", 2, phone=P1),
            seen("pos/receipts/R1", 3, member_no="M1", phone=P1),
            seen("pos/receipts/R2", 4, member_no="M1", phone=P1),
        ),
        {
            "crm/customers/C1": {
                "crm/customers/C1",
                "store/buyers/B1",
                "app/accounts/A1",
                "pos/receipts/R1",
                "pos/receipts/R2",
            }
        },
        days=(4,),
    ),
    "device: it gives its anonymous visits to the user who logged in": Scenario(
        (
            seen("app/devices/D1", 0, last=30),
            seen("app/accounts/A1", 5, device_id="D1"),
        ),
        {"app/accounts/A1": {"app/accounts/A1", "app/devices/D1"}},
        days=(30,),
    ),
    "two on a device: it goes with the first and merges nobody": Scenario(
        (
            seen("app/devices/D1", 0, last=30),
            seen("app/accounts/A1", 5, device_id="D1", last=30),
            seen("app/accounts/A2", 6, device_id="D1", last=30),
        ),
        {
            "app/accounts/A1": {"app/accounts/A1", "app/devices/D1"},
            "app/accounts/A2": {"app/accounts/A2"},
        },
        rejected={"merges:device_id": 1},
        days=(30,),
    ),
    "public device: it goes with nobody": Scenario(
        (
            seen("app/devices/D1", 0, last=30),
            *(seen(f"app/accounts/A{n}", n, device_id="D1") for n in range(4)),
        ),
        {f"app/accounts/A{n}": {f"app/accounts/A{n}"} for n in range(4)}
        | {None: {"app/devices/D1"}},
        rejected={"max_users:device_id": 4},
        days=(30,),
    ),
    "denylisted phone: it is no phone": Scenario(
        (
            seen("store/buyers/B1", 0, phone=NOBODY),
            seen("store/buyers/B2", 1, phone=NOBODY),
            seen("pos/receipts/R1", 2, phone=NOBODY),
        ),
        {f"store/buyers/B{n}": {f"store/buyers/B{n}"} for n in (1, 2)},
        days=(2,),
    ),
    "merge: the id that was minted first stays": Scenario(
        (
            seen("store/buyers/B1", 1, phone=P1),
            seen("crm/customers/C1", 0, phone=P2, known=2),
            seen("pos/receipts/R1", 3, member_no="M1", phone=P1),
            seen("pos/receipts/R2", 3, member_no="M1", phone=P2),
        ),
        {
            "store/buyers/B1": {
                "store/buyers/B1",
                "crm/customers/C1",
                "pos/receipts/R1",
                "pos/receipts/R2",
            }
        },
        days=(1, 2, 3),
    ),
    "same day: of two ids as old the one with the older anchor stays": Scenario(
        (
            seen("store/buyers/B1", 1, phone=P1),
            seen("crm/customers/C1", 0, phone=P2),
            seen("pos/receipts/R1", 3, member_no="M1", phone=P1),
            seen("pos/receipts/R2", 3, member_no="M1", phone=P2),
        ),
        {
            "crm/customers/C1": {
                "store/buyers/B1",
                "crm/customers/C1",
                "pos/receipts/R1",
                "pos/receipts/R2",
            }
        },
        days=(2, 3),
    ),
    "same moment: of two ids as old the one with the stronger anchor stays": Scenario(
        (
            seen("store/buyers/B1", 0, phone=P1),
            seen("crm/customers/C1", 0, phone=P2),
            seen("app/accounts/A1", 0, phone=P3),
            seen("pos/receipts/R1", 3, member_no="M1", phone=P1),
            seen("pos/receipts/R2", 3, member_no="M1", phone=P2),
            seen("pos/receipts/R3", 3, member_no="M1", phone=P3),
        ),
        {
            "crm/customers/C1": {
                "store/buyers/B1",
                "crm/customers/C1",
                "app/accounts/A1",
                "pos/receipts/R1",
                "pos/receipts/R2",
                "pos/receipts/R3",
            }
        },
        days=(2, 3),
    ),
    "late arrival: an older record joins and changes no id": Scenario(
        (
            seen("store/buyers/B1", 2, phone=P1),
            seen("crm/customers/C1", 0, phone=P1, known=3),
        ),
        {"store/buyers/B1": {"store/buyers/B1", "crm/customers/C1"}},
        days=(2, 3),
    ),
    "split: what held two together is gone, each has its own id again": Scenario(
        (
            seen("crm/customers/C1", 0, phone=P1),
            seen("store/buyers/B1", 1, phone=P2),
            seen("pos/receipts/R1", 2, member_no="M1", phone=P1, gone=4),
            seen("pos/receipts/R2", 2, member_no="M1", phone=P2),
        ),
        {
            "crm/customers/C1": {"crm/customers/C1"},
            "store/buyers/B1": {"store/buyers/B1", "pos/receipts/R2"},
        },
        days=(1, 3, 4),
    ),
    "recycled number: after 180 silent days it is the next customer's": Scenario(
        (
            seen("crm/customers/C1", 0, phone=P1, last=10),
            seen("pos/receipts/R1", 5, phone=P1),
            seen("crm/customers/C2", 200, phone=P1),
            seen("pos/receipts/R2", 205, phone=P1),
        ),
        {
            "crm/customers/C1": {"crm/customers/C1", "pos/receipts/R1"},
            "crm/customers/C2": {"crm/customers/C2", "pos/receipts/R2"},
        },
        rejected={"window:phone": 1},
        days=(10, 205),
    ),
    "silence: a number that nobody else took is still the same user's": Scenario(
        (
            seen("crm/customers/C1", 0, phone=P1, last=10),
            seen("pos/receipts/R1", 300, phone=P1),
        ),
        {"crm/customers/C1": {"crm/customers/C1", "pos/receipts/R1"}},
        days=(300,),
    ),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str) -> None:
    scenario = SCENARIOS[name]
    home = Home()

    for day in scenario.days:
        counts = home.run(day, scenario.records)

    assert home.users() == scenario.users
    assert counts.rejected == scenario.rejected
    for record, user in home.ids().items():
        anchor = next(a for a, records in scenario.users.items() if record in records)
        expected = None if anchor is None else user_id(WORLD, *anchor.split("/"))
        assert user == expected
    assert counts == IdentityCounts(
        records=sum(map(len, scenario.users.values())),
        anonymous_records=len(scenario.users.get(None, ())),
        users=len(scenario.users.keys() - {None}),
        largest_profile=max(len(r) for a, r in scenario.users.items() if a),
        edges=len(home.content()["edges"]),
        rejected=scenario.rejected,
        minted=counts.minted,
        merged=counts.merged,
        split=counts.split,
        late_anchored_records=counts.late_anchored_records,
        changed_without_members=0,
    )

    published = home.content()
    assert home.run(scenario.days[-1], scenario.records) == counts
    assert home.content() == published, "the same day again changed something"


def on(day: int) -> date:
    return DAY_0 + timedelta(days=day)


def test_a_merge_is_written_down_and_rewrites_nothing() -> None:
    home = Home()
    buyer, customer, bridge = (
        seen("store/buyers/B1", 0, phone=P1),
        seen("crm/customers/C1", 1, phone=P2),
        seen("app/accounts/A1", 3, phone=P1, email="a@x.cn"),
    )
    home.run(1, [buyer, customer])
    home.run(3, [buyer, replace(customer, shown={"phone": P1}), bridge])

    old = user_id(WORLD, "crm", "customers", "C1")
    new = user_id(WORLD, "store", "buyers", "B1")
    assert home.rows(
        "select unified_user_id, minted_on, status, redirects_to, redirected_on,"
        " _run_id from identity.id_ledger order by minted_on, anchor_first_seen_at"
    ) == [
        (new, on(1), "active", None, None, f"{on(1)}.1"),
        (old, on(1), "redirected", new, on(3), f"{on(3)}.1"),
    ]
    (edge,) = home.rows("select edge_id from identity.edges where system = 'crm'")
    (before,) = home.rows(
        "select edge_id from identity.id_map where system = 'crm' and recorded_to"
        " is not null"
    )
    assert home.rows(
        "select unified_user_id, effective_from, effective_to, recorded_from,"
        " recorded_to, cause, edge_id from identity.id_map where system = 'crm'"
        " order by recorded_from, effective_from"
    ) == [
        (old, on(1), None, on(1), on(3), "first_seen", *before),
        (old, on(1), on(3), on(3), None, "first_seen", *before),
        (new, on(3), None, on(3), None, "merged", *edge),
    ]
    assert home.rows(
        "select effective_from, recorded_from, cause from identity.id_map"
        " where system = 'app'"
    ) == [(on(3), on(3), "first_seen")]


def test_an_id_that_won_among_equals_keeps_it_when_priorities_change() -> None:
    home = Home()
    equals = [
        seen("store/buyers/B1", 0, phone=P1),
        seen("crm/customers/C1", 0, phone=P2),
        seen("pos/receipts/R1", 3, member_no="M1", phone=P1),
        seen("pos/receipts/R2", 3, member_no="M1", phone=P2),
    ]
    home.run(1, equals)
    home.run(3, equals)
    before = home.ids()

    swapped = dict(CONFIG.identifiers)
    for kind, priority in (("crm_id", 9), ("store_account", 1)):
        swapped[kind] = swapped[kind].model_copy(update={"priority": priority})
    home.config = CONFIG.model_copy(update={"identifiers": swapped})
    home.run(4, equals)

    assert home.ids() == before


def test_a_redirect_keeps_its_day_whatever_comes_later() -> None:
    home = Home()
    redirects = (
        "select redirects_to, redirected_on from identity.id_ledger"
        " where status = 'redirected'"
    )
    since_day_3 = [(user_id(WORLD, "store", "buyers", "B1"), on(3))]
    for day in (1, 3, 5):
        home.run(day, BRIDGED)
    assert home.rows(redirects) == since_day_3

    home.run(6, BRIDGED[:2])
    assert home.rows(redirects) == []
    home.run(6, BRIDGED)
    assert home.rows(redirects) == since_day_3, "day 6 was done again"

    home.run(7, [BRIDGED[0], *BRIDGED[2:]])
    assert home.rows(redirects) == since_day_3, "its anchor is gone"
    customer = user_id(WORLD, "crm", "customers", "C1")
    assert resolve_id(home.con, customer, on(7)) == since_day_3[0][0]


def test_an_id_that_changed_though_its_records_did_not_is_counted() -> None:
    home = Home()
    records = [seen("crm/customers/C1", 0, phone=P1), seen("store/buyers/B1", 0)]
    home.run(1, records)
    home.con.execute("delete from identity.id_ledger where anchor_system = 'crm'")
    home.con.execute(
        "update identity.id_map set unified_user_id = 'u_lost' where system = 'crm'"
    )
    assert home.run(2, records).changed_without_members == 1


def test_ids_differ_between_tenants() -> None:
    record = ("crm", "customers", "C1")
    one, other = user_id("one", *record), user_id("other", *record)
    assert one != other
    assert re.fullmatch("u_[a-z2-7]{24}", one)


def test_an_anonymous_device_counts_from_the_day_it_is_known_whose_it_is() -> None:
    home = Home()
    device, account = (
        seen("app/devices/D1", 0, last=5),
        seen("app/accounts/A1", 3, device_id="D1"),
    )
    home.run(1, [device])
    assert home.ids() == {"app/devices/D1": None}
    counts = home.run(3, [device, account])

    user = user_id(WORLD, "app", "accounts", "A1")
    (edge,) = home.rows("select edge_id from identity.edges")
    assert counts.late_anchored_records == 1
    assert home.rows(
        "select unified_user_id, effective_from, cause, edge_id from identity.id_map"
        " where recorded_to is null and entity = 'devices' order by effective_from"
    ) == [
        (None, on(0), "first_seen", None),
        (user, on(3), "late_anchor", *edge),
    ]


def test_a_record_that_is_gone_is_closed_and_may_come_back() -> None:
    home = Home()
    stays = seen("crm/customers/C1", 0, phone=P1)
    leaves = seen("pos/receipts/R1", 0, phone=P1, gone=2)
    nobody = seen("app/devices/D1", 0, gone=2)
    home.run(1, [stays, leaves, nobody])
    home.run(2, [stays, leaves, nobody])
    assert set(home.ids()) == {"crm/customers/C1"}
    home.run(3, [stays, replace(leaves, gone=None)])

    user = user_id(WORLD, "crm", "customers", "C1")
    assert home.rows(
        "select unified_user_id, effective_from, effective_to, recorded_from"
        " from identity.id_map where recorded_to is null and system = 'pos'"
        " order by effective_from"
    ) == [(user, on(0), on(2), on(2)), (user, on(3), None, on(3))]


def test_an_id_whose_anchor_is_gone_is_not_given_to_others() -> None:
    home = Home()
    anchor = seen("crm/customers/C1", 0, phone=P1, gone=2)
    other = seen("store/buyers/B1", 1, phone=P1)
    home.run(1, [anchor, other])
    home.run(2, [anchor, other])

    gone = user_id(WORLD, "crm", "customers", "C1")
    assert home.ids() == {"store/buyers/B1": user_id(WORLD, "store", "buyers", "B1")}
    assert home.rows(
        "select status, count(*) from identity.id_ledger group by all"
    ) == [("active", 2)]
    assert resolve_id(home.con, gone, on(2)) == gone


def test_a_run_that_is_not_the_newest_changes_no_state() -> None:
    home = Home()
    first, second = seen("crm/customers/C1", 0), seen("crm/customers/C2", 1)
    home.run(3, [first])
    published = home.content()

    home.run(1, [first, second], is_newest=False)

    assert home.content() == published
    with pytest.raises(ValueError, match=r"up to 2026-01-04.*forward in time"):
        home.run(1, [first, second])


def test_an_identifier_without_a_rule_is_refused_by_name() -> None:
    home = Home()
    home.stage([])
    home.con.execute(
        "insert into staging.identifiers by name select 'crm' as system, 'customers'"
        " as entity, 'C1' as record_key, 'fax_no' as identifier_type, 'h' as"
        " value_hash, '1' as key_version, timestamp '2026-01-01' as first_seen_at,"
        " timestamp '2026-01-01' as last_seen_at, false as is_own"
    )
    with pytest.raises(ValueError, match="does not declare: fax_no"):
        home.resolve(0)


def test_nothing_to_resolve_is_no_fault() -> None:
    home = Home()
    assert home.run(0, []).records == 0
    empty = home.content()
    assert len(empty.pop("resolution")) == 1
    assert not any(empty.values())


def test_only_what_was_seen_by_the_end_of_the_local_day_counts() -> None:
    home = Home()
    home.stage(
        [
            ("crm", "customers", key, "crm_id", key, moment, moment, True)
            for key, moment in (
                ("today", datetime(2026, 1, 1, 15, 59)),  # 23:59 in Shanghai
                ("tomorrow", datetime(2026, 1, 1, 16)),
            )
        ]
    )
    home.resolve(0)
    home.publish()
    assert set(home.ids()) == {"crm/customers/today"}
    assert home.rows("select effective_from from identity.id_map") == [(DAY_0,)]


# --- questions -----------------------------------------------------------------------


BRIDGED = (
    seen("store/buyers/B1", 0, phone=P1),
    seen("crm/customers/C1", 1, phone=P2),
    seen("pos/receipts/R1", 3, member_no="M1", phone=P1),
    seen("pos/receipts/R2", 3, member_no="M1", phone=P2),
    seen("pos/receipts/R3", 3, phone=P3),
    seen("app/devices/D1", 0),
)


@pytest.fixture
def merged() -> Home:
    """C1 and B1, apart until two receipts join them on day 3."""
    home = Home()
    for day in (1, 3):
        home.run(day, BRIDGED)
    return home


def test_a_change_names_the_link_that_completed_the_chain(merged: Home) -> None:
    merged.run(4, BRIDGED[:2])

    (own, by), (moved, later), (apart, none) = merged.rows(
        "select cause, edge_id from identity.id_map where system = 'crm'"
        " and recorded_to is null order by effective_from"
    )
    assert (own, moved, apart) == ("first_seen", "merged", "split")
    assert none is None
    merged.run(5, BRIDGED)
    shown_by = dict(merged.rows("select edge_id, system from identity.edges"))
    assert shown_by[by] == "crm"
    assert shown_by[later] == "pos"


def test_an_old_id_answers_for_every_date(merged: Home) -> None:
    buyer = user_id(WORLD, "store", "buyers", "B1")
    customer = user_id(WORLD, "crm", "customers", "C1")
    answers = [resolve_id(merged.con, customer, on(day)) for day in range(5)]
    assert answers == [None, customer, customer, buyer, buyer]
    assert resolve_id(merged.con, buyer, on(4)) == buyer
    with pytest.raises(UnknownIdentityError, match="u_nobody was ever minted"):
        resolve_id(merged.con, "u_nobody", on(4))


def test_why_gives_the_shortest_chain_with_masked_values(merged: Home) -> None:
    steps = why(merged.con, "crm/customers/C1", "store/buyers/B1", CONFIG)

    assert steps is not None
    assert [(s.left_record, s.identifier_type, s.right_record) for s in steps] == [
        ("crm/customers/C1", "phone", "pos/receipts/R2"),
        ("pos/receipts/R2", "member_no", "pos/receipts/R1"),
        ("pos/receipts/R1", "phone", "store/buyers/B1"),
    ]
    hashes = [h for (h,) in merged.rows("select value_hash from staging.identifiers")]
    edges = [e for (e,) in merged.rows("select edge_id from identity.edges")]
    for step in steps:
        assert len(step.masked_value) == 9
        assert any(h.startswith(step.masked_value[:8]) for h in hashes)
        assert set(step.edge_ids) <= set(edges)
    assert [len(step.edge_ids) for step in steps] == [2, 0, 2]


def test_why_knows_ids_strangers_and_names_that_are_neither(merged: Home) -> None:
    buyer = user_id(WORLD, "store", "buyers", "B1")
    con = merged.con
    assert why(con, buyer, "pos/receipts/R1", CONFIG) == why(
        con, "store/buyers/B1", "pos/receipts/R1", CONFIG
    )
    assert why(con, buyer, "store/buyers/B1", CONFIG) == []
    assert why(con, "crm/customers/C1", "pos/receipts/R3", CONFIG) is None
    assert why(con, "crm/customers/C1", "app/devices/D1", CONFIG) is None
    for name in ("crm/customers/C9", "crm/C1", "u_nobody"):
        with pytest.raises(UnknownIdentityError, match=name):
            why(con, "crm/customers/C1", name, CONFIG)


def test_why_never_argues_with_a_rejected_link() -> None:
    home = Home()
    home.run(
        2,
        [
            seen("crm/customers/C1", 0, phone=P1, email="a@x.cn"),
            seen("app/accounts/A1", 1, phone=P1, email="b@x.cn"),
            seen("store/buyers/B1", 2, phone=P1, email="b@x.cn"),
        ],
    )
    steps = why(home.con, "app/accounts/A1", "store/buyers/B1", CONFIG)
    assert steps is not None
    assert [step.identifier_type for step in steps] == ["phone"]


def test_why_crosses_a_silence() -> None:
    home = Home()
    home.run(
        300,
        [
            seen("crm/customers/C1", 0, phone=P1),
            seen("pos/receipts/R1", 300, phone=P1),
        ],
    )
    (edge,), (continued,) = home.rows(
        "select edge_id from identity.edges order by rule"
    )
    steps = why(home.con, "crm/customers/C1", "pos/receipts/R1", CONFIG)
    assert steps is not None
    assert steps == [
        Step(
            "crm/customers/C1",
            "pos/receipts/R1",
            "phone",
            steps[0].masked_value,
            "same_value_later",
            (edge, continued),
            strength=0,
        )
    ]


def test_the_card_of_an_id_has_members_and_history(merged: Home) -> None:
    buyer = user_id(WORLD, "store", "buyers", "B1")
    customer = user_id(WORLD, "crm", "customers", "C1")

    card = show(merged.con, buyer)

    assert card.anchor == "store/buyers/B1"
    assert (card.minted_on, card.status) == (on(1), "active")
    assert card.redirected_here == (customer,)
    assert card.members == (
        "crm/customers/C1",
        "pos/receipts/R1",
        "pos/receipts/R2",
        "store/buyers/B1",
    )
    assert [
        (m.record, m.unified_user_id, m.effective_from, m.effective_to)
        for m in card.history
        if m.recorded_to is None
    ] == [
        ("crm/customers/C1", customer, on(1), on(3)),
        ("crm/customers/C1", buyer, on(3), None),
        ("pos/receipts/R1", buyer, on(3), None),
        ("pos/receipts/R2", buyer, on(3), None),
        ("store/buyers/B1", buyer, on(0), None),
    ]
    old = show(merged.con, customer)
    assert (old.status, old.redirects_to, old.redirected_on) == (
        "redirected",
        buyer,
        on(3),
    )
    assert old.members == ()


# --- laws ----------------------------------------------------------------------------

KINDS: dict[str, tuple[str, ...]] = {
    "crm/customers": ("phone", "email", "member_no", "name"),
    "store/buyers": ("phone", "email", "name", "purchase_id"),
    "app/accounts": ("phone", "email", "device_id"),
    "app/devices": (),
    "pos/receipts": ("member_no", "phone", "purchase_id"),
}
LAST_DAY = 300
HOODS = 6
"""Neighbourhoods that share no value: small worlds that are run at the price of one."""

moments = st.sampled_from([0, 1, 2, 100, 250, LAST_DAY])


def values(kind: str, hood: int) -> list[str]:
    """The few values of an identifier type that a neighbourhood has."""
    patterns = {
        "phone": "13900{}{}0001",
        "email": "{}{}@x.cn",
        "member_no": "M{}{}",
        "device_id": "D{}{}",
        "purchase_id": "O{}{}",
    }
    if kind == "name":
        return [f"{chr(ord('a') + hood)}li {given}" for given in ("wei", "na")]
    numbers = (1, 2, 3) if kind == "phone" else (1, 2)
    return [patterns[kind].format(hood, n) for n in numbers]


@st.composite
def one_record(draw: st.DrawFn, name: tuple[str, int, int]) -> Seen:
    kind, number, hood = name
    day = draw(moments)
    shown = {
        identifier: draw(st.sampled_from(values(identifier, hood)))
        for identifier in KINDS[kind]
        if draw(st.booleans())
    }
    if kind == "pos/receipts":
        shown = shown or {"phone": values("phone", hood)[0]}
    key = f"D{hood}{number}" if kind == "app/devices" else f"K{hood}{number}"
    return Seen(
        record=f"{kind}/{key}",
        day=day,
        shown=shown,
        last=draw(st.integers(day, LAST_DAY)),
        known=draw(st.sampled_from([day, day, LAST_DAY])),
    )


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Seen, ...]:
    """Records that meet often, over days with silences, some of them late."""
    names = draw(
        st.lists(
            st.tuples(
                st.sampled_from(sorted(KINDS)),
                st.sampled_from((1, 2, 3)),
                st.sampled_from(range(HOODS)),
            ),
            unique=True,
            min_size=40,
            max_size=60,
        )
    )
    return tuple(draw(one_record(name)) for name in names)


few = settings(
    max_examples=4,
    phases=[Phase.explicit, Phase.generate],  # to shrink takes hundreds of runs
    suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow],
)


def partition(home: Home) -> set[frozenset[str]]:
    """Which records are together; anonymous ones are nobody's company."""
    return {frozenset(r) for a, r in home.users().items() if a is not None}


@few
@given(world=worlds(), shuffle=st.randoms(use_true_random=False))
def test_the_order_of_rows_means_nothing(world: tuple[Seen, ...], shuffle: Any) -> None:
    rows = [row for record in world for row in record.rows()]
    shuffled = list(rows)
    shuffle.shuffle(shuffled)
    homes = []
    for order in (rows, shuffled):
        home = Home()
        home.stage(order)
        home.resolve(LAST_DAY)
        home.publish()
        homes.append(home.content())
    assert homes[0] == homes[1]


@few
@given(world=worlds(), days=st.sets(moments, max_size=3))
def test_day_by_day_is_as_good_as_at_once(
    world: tuple[Seen, ...], days: set[int]
) -> None:
    by_day = Home()
    for day in sorted({*days, LAST_DAY}):
        earlier = [by_day.ids(d) for d in range(0, day, 50)]
        known = set(by_day.ids())

        counts = by_day.run(day, world)

        ids = by_day.ids()
        here = {r.record for r in world if (r.known or 0) <= day and r.day <= day}
        assert set(ids) == here, "every record has one open row, and no other has"
        assert counts.records == len(here)
        assert counts.changed_without_members == 0
        for past, then in zip(range(0, day, 50), earlier, strict=True):
            now = {r: u for r, u in by_day.ids(past).items() if r in known}
            assert now == then, "a run changed what was true before it"

    at_once = Home()
    at_once.run(LAST_DAY, world)
    assert partition(by_day) == partition(at_once)
    crm_ids = [
        sum(record.startswith("crm/") for record in records)
        for records in partition(at_once)
    ]
    assert max(crm_ids, default=0) <= 1


@few
@given(world=worlds(), first_day=moments)
def test_ids_survive_a_rebuild_and_the_next_key(
    world: tuple[Seen, ...], first_day: int
) -> None:
    home = Home()
    home.run(first_day, world)
    home.run(LAST_DAY, world)
    ids, ledger = home.ids(), home.content()["id_ledger"]

    home.con.execute("delete from identity.id_map; delete from identity.edges")
    home.con.execute(
        "update staging.identifiers set key_version = '2',"
        " value_hash = md5('the next key' || value_hash)"
    )
    home.resolve(LAST_DAY + 1)
    home.publish()

    assert home.ids() == ids
    without_hash = "select * exclude (anchor_hash, _run_id) from identity.id_ledger"
    after = home.con.execute(without_hash).fetchall()
    assert {row[0] for row in after} == {row[0] for row in ledger}


@few
@given(world=worlds(), draft=worlds(), first_day=st.sampled_from([0, 100]))
def test_a_day_done_again_forgets_the_earlier_attempt(
    world: tuple[Seen, ...], draft: tuple[Seen, ...], first_day: int
) -> None:
    direct, corrected = Home(), Home()
    for home in (direct, corrected):
        home.run(first_day, world)
    corrected.run(250, draft)

    for home in (direct, corrected):
        home.run(250, world)

    assert corrected.content() == direct.content()


UNLIMITED = CONFIG.model_copy(
    update={
        "identifiers": {
            name: rule.model_copy(
                update={
                    "max_users": None,
                    "max_values": None,
                    "window_days": None,
                    "claimed_by": None,
                    "unclaimed": 3,
                    "unclaimed_share": 0.25,
                    "merges": True,
                }
            )
            for name, rule in CONFIG.identifiers.items()
        }
    }
)


@few
@given(world=worlds(), days=st.sets(moments, max_size=3))
def test_another_home_gives_the_same_ids_where_nothing_came_late_or_apart(
    world: tuple[Seen, ...], days: set[int]
) -> None:
    punctual = [replace(record, known=record.day) for record in world]
    by_day, at_once = Home(UNLIMITED), Home(UNLIMITED)
    for day in sorted({*days, LAST_DAY}):
        by_day.run(day, punctual)
    at_once.run(LAST_DAY, punctual)
    assert by_day.ids() == at_once.ids()


def test_the_shipped_rules_know_every_identifier_of_the_sources() -> None:
    rules = load_identity_config().identifiers
    assert set(rules) >= {
        "crm_id",
        "member_no",
        "phone",
        "email",
        "unionid",
        "openid",
        "app_user_id",
        "store_account",
        "customer_no",
        "device_id",
    }
    assert not rules["device_id"].anchor
    assert rules["crm_id"].max_values == 1
