"""SCENARIOS: every way in which records come together, under the rules that ship.

A row has what was seen, day by day, the days on which identity is run, and what must
come of it: who is with whom, which rule rejected how many links, and what the history
of a record says afterwards. Days count from ``DAY_0``. Each row is run twice: day by
day as told, once more on the last day (nothing may change), and the accepted links are
solved by each engine on its own (the users must be the same).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from strata.config.identity import load_identity_config
from strata.identity import decisions as deciding
from strata.identity.engines import DuckSession, Engine
from strata.identity.hook_contract import HookContract
from strata.identity.ledger import user_id
from strata.identity.union_find import UnionFind

from tests.unit.test_identity import DAY_0, NOBODY, P1, P2, P3, WORLD, Seen, seen
from tests.unit.test_identity_decisions import BY, Decided

C1, C2, C3 = (f"crm/customers/C{n}" for n in (1, 2, 3))
A1, A2 = (f"app/accounts/A{n}" for n in (1, 2))
B1, B2 = (f"store/buyers/B{n}" for n in (1, 2))
D1, G1 = "app/devices/D1", "crm/merges/G1"
R1, R2, R3, R4 = (f"pos/receipts/R{n}" for n in (1, 2, 3, 4))
W1, L1 = "wecom/contacts/W1", "loyalty/members/M1"
CARD = "11010519491231002X"


@dataclass(frozen=True)
class Merged(Seen):
    """A merge of two CRM records: ``shown`` has the ids of both."""

    def rows(self) -> Iterator[tuple[Any, ...]]:
        system, entity, key = self.record.split("/")
        at = datetime(2026, 1, 1, 4) + timedelta(days=self.day)
        for name, is_own in (("into", True), ("gone", False)):
            yield system, entity, key, "crm_id", self.shown[name], at, at, is_own


Happening = Callable[[Decided], object]
History = tuple[int, str | None, str]
"""From which day a record belongs to the user of which anchor, and the cause."""


@dataclass(frozen=True)
class Scenario:
    """Input, and what must come of it. A user goes by the record that anchors it."""

    records: Sequence[Seen]
    users: dict[str | None, set[str]]
    days: tuple[int, ...]
    rejected: dict[str, int] = field(default_factory=dict)
    history: dict[str, list[History]] = field(default_factory=dict)
    happens: dict[int, Happening] = field(default_factory=dict)


def rebuilt(home: Decided) -> None:
    """Everything but the ledger of ids is lost, and made again from what is staged."""
    for table in ("edges", "id_map", "components", "resolution"):
        home.con.execute(f"delete from identity.{table}")


BRIDGE = (
    seen(C1, 0, phone=P1),
    seen(B1, 1, order_contact=P2),
    seen(R1, 3, member_no="M1", phone=P1, gone=5),
    seen(R2, 3, member_no="M1", phone=P2),
    seen(R1, 7, member_no="M1", phone=P1, known=7),
)
CHAIN = (
    seen(C1, 0, phone=P1, email="a@x.cn"),
    seen(A1, 1, email="a@x.cn", device_id="D1"),
    seen(B1, 2, order_contact=P1),
    seen(R1, 3, phone=P1),
)

SCENARIOS = {
    "simple: two records of one phone": Scenario(
        (seen(C1, 0, phone=P1), seen(A1, 1, phone="+86 139-0000-0001")),
        {C1: {C1, A1}},
        days=(0, 1),
        history={A1: [(1, C1, "first_seen")]},
    ),
    "chain: the ends share nothing": Scenario(
        (
            seen(C1, 0, phone=P1),
            seen(A1, 1, phone=P1, email="A@X.cn "),
            seen(B1, 2, email="a@x.cn"),
        ),
        {C1: {C1, A1, B1}},
        days=(0, 1, 2),
    ),
    "fan-in: many records come to one": Scenario(
        (
            seen(C1, 0, phone=P1),
            *(seen(f"pos/receipts/R{n}", n, phone=P1) for n in range(9)),
        ),
        {C1: {C1, *(f"pos/receipts/R{n}" for n in range(9))}},
        days=(0, 3, 8),
    ),
    "diamond: two ways lead from one to the other": Scenario(
        (seen(C1, 0, phone=P1, member_no="M1"), seen(R1, 1, phone=P1, member_no="M1")),
        {C1: {C1, R1}},
        days=(0, 1),
    ),
    "late arrival: the elder record comes later, and the id stays": Scenario(
        (seen(B1, 2, order_contact=P1), seen(C1, 0, phone=P1, known=3)),
        {B1: {B1, C1}},
        days=(2, 3),
        history={B1: [(2, B1, "first_seen")], C1: [(0, B1, "first_seen")]},
    ),
    "three-way bridge: a card joins three users, and the eldest id stays": Scenario(
        (
            seen(B1, 0, order_contact=P2),
            seen(C1, 1, phone=P1),
            seen(A1, 2, phone=P3),
            *(
                seen(r, 5, member_no="M1", phone=p)
                for r, p in ((R1, P1), (R2, P2), (R3, P3))
            ),
        ),
        {B1: {B1, C1, A1, R1, R2, R3}},
        days=(0, 1, 2, 5),
        history={
            C1: [(1, C1, "first_seen"), (5, B1, "merged")],
            A1: [(2, A1, "first_seen"), (5, B1, "merged")],
        },
    ),
    "conflict of strong ids: a lent card stays with the first customer": Scenario(
        (
            seen(C1, 0, member_no="M1"),
            seen(C2, 1, member_no="M1"),
            seen(R1, 2, member_no="M1"),
        ),
        {C1: {C1, R1}, C2: {C2}},
        days=(2,),
        rejected={"max_values:crm_id": 1},
    ),
    "identity card: it joins what no other id does, but never two CRM records": Scenario(
        (
            seen(C1, 0, id_card=CARD),
            seen(A1, 1, id_card=CARD.lower()),
            seen(C2, 2, id_card=CARD),
            seen(B1, 3, id_card="110105194912310021"),
        ),
        {C1: {C1, A1}, C2: {C2}, B1: {B1}},
        days=(3,),
        rejected={"max_values:crm_id": 1},
    ),
    "merged in the CRM: two records are one from that day on": Scenario(
        (
            seen(C1, 0, phone=P1),
            seen(C2, 1, phone=P1),
            seen(R1, 2, phone=P1),
            Merged(G1, 5, {"into": "C1", "gone": "C2"}),
        ),
        {C1: {C1, C2, R1, G1}},
        days=(2, 5),
        history={
            C2: [(1, C2, "first_seen"), (5, C1, "merged")],
            R1: [(2, None, "first_seen"), (5, C1, "late_anchor")],
        },
    ),
    "shared phone in a family: it joins neither, and what shows it alone": Scenario(
        (
            seen(C1, 0, phone=P1, last=50),
            seen(C2, 10, phone=P1, last=50),
            seen(R1, 20, phone=P1),
            seen(R2, 21, phone=P1, member_no="M1"),
            seen(C1, 0, member_no="M1"),
        ),
        {C1: {C1, R2}, C2: {C2}, None: {R1}},
        days=(5, 50),
        rejected={"shared:phone": 3},
    ),
    "family without a CRM: two mailboxes on one phone are two people": Scenario(
        (
            seen(A1, 0, phone=P1, email="a@x.cn"),
            seen(A2, 1, phone=P1, email="b@x.cn"),
        ),
        {A1: {A1}, A2: {A2}},
        days=(1,),
        rejected={"shared:phone": 2},
    ),
    "parcel for mother: the phone of the order is not the buyer's": Scenario(
        (
            seen(C1, 0, phone=P1, email="a@x.cn"),
            seen(R1, 1, phone=P1),
            seen(B1, 2, phone=P2, order_contact=P1, email="b@x.cn"),
        ),
        {C1: {C1, R1}, B1: {B1}},
        days=(2,),
        rejected={"values_of:phone": 1},
    ),
    "a buyer on somebody's phone, with none of their own: it may be either's": Scenario(
        (
            seen(C1, 0, phone=P1, email="a@x.cn"),
            seen(R1, 1, phone=P1),
            seen(B1, 2, order_contact=P1, email="b@x.cn"),
        ),
        {C1: {C1}, B1: {B1}, None: {R1}},
        days=(2,),
        rejected={"shared:phone": 2},
    ),
    "two names on one phone: it joins neither": Scenario(
        (
            seen(C1, 0, phone=P1, name="刘涛华"),
            seen(W1, 1, wecom_id="W1", phone=P1, name="Zhou Ling"),
            seen(R1, 2, phone=P1),
        ),
        {C1: {C1}, W1: {W1}, None: {R1}},
        days=(0, 2),
        rejected={"shared:phone": 2},
        history={R1: [(2, None, "first_seen")]},
    ),
    "one name in two scripts: the phone joins them": Scenario(
        (
            seen(C1, 0, phone=P1, name="刘涛华"),
            seen(W1, 1, wecom_id="W1", phone=P1, name="Taohua LIU"),
            seen(R1, 2, phone=P1),
        ),
        {C1: {C1, W1, R1}},
        days=(2,),
    ),
    "a name alone joins nobody": Scenario(
        (seen(C1, 0, name="刘涛华"), seen(W1, 1, wecom_id="W1", name="刘涛华")),
        {C1: {C1}, W1: {W1}},
        days=(0, 1),
    ),
    "gifts: who receives parcels under three names is still one of them": Scenario(
        (
            seen(C1, 0, phone=P1, name="刘涛华"),
            *(
                seen(B1, day, order_contact=P1, name=name)
                for day, name in ((1, "周玲"), (2, "刘涛华"), (3, "马林"))
            ),
        ),
        {C1: {C1, B1}},
        days=(3,),
    ),
    "the name comes last: the phone parts whom it had joined": Scenario(
        (
            seen(C1, 0, phone=P1, name="刘涛华"),
            seen(W1, 1, wecom_id="W1", phone=P1),
            seen(W1, 2, wecom_id="W1", name="周玲"),
        ),
        {C1: {C1}, W1: {W1}},
        days=(1, 2),
        rejected={"shared:phone": 2},
        history={W1: [(1, C1, "first_seen"), (2, W1, "split")]},
    ),
    "the ledger knows whose a receipt is that showed but a shared phone": Scenario(
        (
            seen(C1, 0, phone=P1, member_no="M1"),
            seen(C2, 1, phone=P1),
            seen(R1, 2, phone=P1, purchase_id="R1"),
            seen(L1, 2, member_no="M1", purchase_id="R1"),
        ),
        {C1: {C1, L1, R1}, C2: {C2}},
        days=(2,),
        rejected={"shared:phone": 3},
    ),
    "purchases of a member's phone that no ledger knows: somebody else's": Scenario(
        (
            seen(C1, 0, phone=P1, member_no="M1"),
            *(
                seen(f"pos/receipts/R{n}", n, phone=P1, purchase_id=f"R{n}")
                for n in (1, 2, 3)
            ),
        ),
        {C1: {C1}, None: {R1, R2, R3}},
        days=(2, 3),
        rejected={"shared:phone": 4},
        history={R1: [(1, C1, "first_seen"), (3, None, "split")]},
    ),
    "purchases before somebody was a member are theirs": Scenario(
        (
            *(
                seen(f"pos/receipts/R{n}", n, phone=P1, purchase_id=f"R{n}")
                for n in (1, 2, 3)
            ),
            seen(C1, 4, phone=P1, member_no="M1"),
        ),
        {R1: {C1, R1, R2, R3}},
        days=(4,),
    ),
    "a few purchases too small to be booked are the member's": Scenario(
        (
            seen(C1, 0, phone=P1, member_no="M1"),
            *(
                seen(f"pos/receipts/R{n}", n, phone=P1, purchase_id=f"R{n}")
                for n in range(1, 14)
            ),
            *(seen(L1, n, member_no="M1", purchase_id=f"R{n}") for n in range(1, 11)),
        ),
        {C1: {C1, L1, *(f"pos/receipts/R{n}" for n in range(1, 14))}},
        days=(13,),
    ),
    "a till's phone: receipts that show nothing else are nobody's, and no users": Scenario(
        (
            seen(C1, 0, phone=P1),
            *(
                seen(f"pos/receipts/R{n}", n, phone=P1, purchase_id=f"R{n}")
                for n in range(1, 31)
            ),
        ),
        {C1: {C1, *(f"pos/receipts/R{n}" for n in range(1, 31))}},
        days=(30,),
    ),
    "parcel for a friend: who shows a phone of their own has no other's": Scenario(
        (
            seen(R1, 0, phone=P1),
            seen(A1, 1, phone=P2, email="b@x.cn"),
            seen(B1, 2, order_contact=P1, email="b@x.cn"),
            seen(B2, 3, order_contact=P3),
        ),
        {A1: {A1, B1}, R1: {R1}, B2: {B2}},
        days=(3,),
        rejected={"values_of:phone": 1},
    ),
    "number met again: its new owner inherits nothing from before the silence": Scenario(
        (seen(R1, 0, phone=P1), seen(C1, 200, phone=P1), seen(R2, 201, phone=P1)),
        {R1: {R1}, C1: {C1, R2}},
        days=(0, 201),
        rejected={"window:phone": 1},
    ),
    "tablet at home: what was done on it unseen is nobody's": Scenario(
        (
            seen(D1, 0, last=30),
            seen(A1, 5, device_id="D1", last=30),
            seen(A2, 6, device_id="D1", last=30),
        ),
        {A1: {A1}, A2: {A2}, None: {D1}},
        days=(5, 30),
        rejected={"shared:device_id": 2},
        history={D1: [(0, A1, "first_seen"), (30, None, "split")]},
    ),
    "public device: more than three at one time": Scenario(
        (
            seen(D1, 0, last=30),
            *(seen(f"app/accounts/A{n}", n, device_id="D1", last=30) for n in range(4)),
        ),
        {f"app/accounts/A{n}": {f"app/accounts/A{n}"} for n in range(4)} | {None: {D1}},
        days=(30,),
        rejected={"max_users:device_id": 4},
    ),
    "device sold on: its users of different times are not too many": Scenario(
        tuple(
            seen(f"app/accounts/A{n}", 100 * n, device_id="D1", last=100 * n + 40)
            for n in range(4)
        ),
        {f"app/accounts/A{n}": {f"app/accounts/A{n}"} for n in range(4)},
        days=(400,),
        rejected={"shared:device_id": 4},
    ),
    "hub value: the receptionist's phone": Scenario(
        (
            seen(R1, 0, phone=P1),
            *(seen(f"store/buyers/B{n:02}", n, order_contact=P1) for n in range(13)),
        ),
        {f"store/buyers/B{n:02}": {f"store/buyers/B{n:02}"} for n in range(13)}
        | {None: {R1}},
        days=(5, 13),
        rejected={"max_users:phone": 13},
    ),
    "recycled phone number: after 180 silent days it is the next one's": Scenario(
        (
            seen(C1, 0, phone=P1, last=10),
            seen(R1, 5, phone=P1),
            seen(C2, 200, phone=P1),
            seen(R2, 205, phone=P1),
        ),
        {C1: {C1, R1}, C2: {C2, R2}},
        days=(10, 205),
        rejected={"window:phone": 1},
    ),
    "recycled phone number: another mailbox is another owner": Scenario(
        (
            seen(B1, 0, phone=P1, email="a@x.cn"),
            seen(R1, 5, phone=P1),
            seen(B2, 200, phone=P1, email="b@x.cn"),
            seen(R2, 205, phone=P1),
        ),
        {B1: {B1, R1}, B2: {B2, R2}},
        days=(5, 205),
        rejected={"window:phone": 1},
    ),
    "silence: a number that nobody took is still the same one's": Scenario(
        (seen(C1, 0, phone=P1, last=10), seen(R1, 300, phone=P1)),
        {C1: {C1, R1}},
        days=(10, 300),
    ),
    "denylisted value: it is none": Scenario(
        (
            seen(B1, 0, order_contact=NOBODY),
            seen(B2, 1, phone=NOBODY, email="noreply@shop.cn"),
            seen(A1, 2, email="NoReply@shop.cn", device_id="02:00:00:00:00:00"),
        ),
        {B1: {B1}, B2: {B2}, A1: {A1}},
        days=(2,),
    ),
    "merge, split, merge: each id answers for itself while it stands apart": Scenario(
        BRIDGE,
        {C1: {C1, B1, R1, R2}},
        days=(1, 3, 5, 7),
        history={
            B1: [
                (1, B1, "first_seen"),
                (3, C1, "merged"),
                (5, B1, "split"),
                (7, C1, "merged"),
            ]
        },
    ),
    "merge, split by a person, restored": Scenario(
        (seen(C1, 0, phone=P1), seen(B1, 1, order_contact=P1)),
        {C1: {C1, B1}},
        days=(1, 3, 5, 7),
        happens={
            3: lambda home: deciding.split(home.con, B1, C1, **BY),
            5: lambda home: deciding.restore(home.con, _last_decision(home), **BY),
        },
        history={
            B1: [(1, C1, "first_seen"), (5, B1, "split"), (7, C1, "merged")],
        },
    ),
    "consent withdrawn in the middle of a chain": Scenario(
        (
            seen(C1, 0, phone=P1),
            seen(A1, 1, phone=P1, email="a@x.cn"),
            seen(B1, 2, email="a@x.cn"),
        ),
        {C1: {C1}, A1: {A1}, B1: {B1}},
        days=(2, 5),
        happens={2: lambda home: home.linking(A1, 4, is_granted=False)},
        history={B1: [(2, C1, "first_seen"), (5, B1, "split")]},
    ),
    "out of order: the bridge arrives first, its ends later": Scenario(
        (
            seen(A1, 2, phone=P1, email="a@x.cn"),
            seen(B1, 1, email="a@x.cn", known=3),
            seen(C1, 0, phone=P1, known=4),
        ),
        {A1: {A1, B1, C1}},
        days=(2, 3, 4),
        history={C1: [(0, A1, "first_seen")], B1: [(1, A1, "first_seen")]},
    ),
    "rebuild after a year: no id changes": Scenario(
        (*CHAIN, seen(C2, 200, phone=P2), seen(R2, 210, phone=P2)),
        {C1: {C1, A1, B1, R1}, C2: {C2, R2}},
        days=(3, 210, 365),
        happens={365: rebuilt},
    ),
}


def _last_decision(home: Decided) -> str:
    (row,) = home.rows("select decision_id from identity.decisions")
    return str(row[0])


@pytest.fixture(autouse=True, scope="module")
def key() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STRATA_PSEUDONYM_KEY", "a key for tests and for nothing else")
        yield


def day_of(day: int) -> date:
    return DAY_0 + timedelta(days=day)


def history_of(home: Decided, record: str) -> list[History]:
    """What is recorded now, by the anchors of the ids."""
    system, entity, key = record.split("/")
    rows = home.rows(
        "select effective_from, cause, concat_ws('/', anchor_system, anchor_entity,"
        " anchor_record_key) from identity.id_map left join identity.id_ledger"
        " using (unified_user_id) where recorded_to is null and unified_user_id is not"
        f" distinct from unified_user_id and system = '{system}' and entity = '{entity}'"
        f" and record_key = '{key}' order by effective_from"
    )
    return [((day - DAY_0).days, anchor or None, cause) for day, cause, anchor in rows]


def solved(home: Decided, engine: Engine) -> set[frozenset[str]]:
    """The records of each component of the accepted links, as an engine finds them."""
    home.con.execute(
        """
        create or replace temp table links as
        select
            concat_ws(':', left_hash, left_period) as left_node,
            concat_ws(':', right_hash, right_period) as right_node,
        from identity.edges
        where status = 'accepted'
        union all
        select concat_ws('/', system, entity, record_key), concat_ws(':', left_hash,
            left_period)
        from identity.edges
        where status = 'accepted' and rule = 'same_record'
        """
    )
    engine.solve("links", "solved")
    rows = home.rows(
        "select list(node) from solved where contains(node, '/') group by component"
    )
    return {frozenset(records) for (records,) in rows}


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str) -> None:
    scenario = SCENARIOS[name]
    home = Decided(load_identity_config())

    for day in scenario.days:
        if scenario.happens.get(day) is rebuilt:
            rebuilt(home)
        counts = home.run(day, scenario.records)
        assert counts.changed_without_members == 0
        if day in scenario.happens and scenario.happens[day] is not rebuilt:
            scenario.happens[day](home)

    assert home.users() == scenario.users
    assert counts.rejected == scenario.rejected
    for record, user in home.ids().items():
        anchor = next(a for a, records in scenario.users.items() if record in records)
        assert user == (None if anchor is None else user_id(WORLD, *anchor.split("/")))
    for record, steps in scenario.history.items():
        assert history_of(home, record) == steps

    session = DuckSession(home.con)
    one, other = (solved(home, e) for e in (UnionFind(session), HookContract(session)))
    assert one == other, "the engines find different users"
    for component in one:
        users = scenario.users.values()
        assert any(component <= records for records in users), "an engine joins more"
    published = home.content()
    home.run(scenario.days[-1], scenario.records)
    assert home.content() == published, "the same day again changed something"
