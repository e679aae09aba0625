"""What people decide about identities: what it changes, and that it can be undone."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from importlib import resources
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from strata.config.identity import IdentityConfig
from strata.identity import IdentityCounts, resolve_days, show, why_not
from strata.identity import decisions as deciding
from strata.identity.chains import Bonds, Link, Value, shortest
from strata.identity.decisions import Record, UnknownIdentityError

from tests.unit.test_identity import CONFIG, DAY_0, P1, P2, WORLD, Home, Run, Seen, seen

BY = {"by": "an operator", "reason": "they are two"}


@pytest.fixture(autouse=True, scope="module")
def key() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STRATA_PSEUDONYM_KEY", "a key for tests and for nothing else")
        yield


class Decided(Home):
    """A home where people decide, and customers tell whether they may be linked."""

    def __init__(self, config: IdentityConfig = CONFIG) -> None:
        super().__init__(config)
        folder = resources.files("strata.warehouse") / "migrations"
        self.con.execute((folder / "007_decisions.sql").read_text("utf-8"))
        self.con.execute("create schema audit; create schema ops")
        self.con.execute(
            "create table audit.publications (stage varchar, ds date, is_newest boolean)"
        )
        self.con.execute(
            "create table staging.consents (system varchar, person_entity varchar,"
            " person_key varchar, purpose varchar, is_granted boolean,"
            " valid_from_at timestamp, known_at timestamp)"
        )

    def resolve(self, day: int, is_newest: bool = True) -> IdentityCounts:
        ds = DAY_0 + timedelta(days=day)
        run = Run(f"{ds}.1", ds, WORLD, Path(), "Asia/Shanghai", is_newest)
        self.con.execute(
            "create or replace table staging.sightings as"
            " select *, first_seen_at as known_at from staging.identifiers"
        )
        self.con.execute(
            "create or replace table ops.run_dates as"
            " select ?::date as ds, ?::timestamp as known_until",
            [ds, run.bounds[1]],
        )
        counts = resolve_days(self.con, run, self.config)
        self.con.execute(
            "insert into audit.publications values ('identity', ?, true)", [ds]
        )
        return counts

    def linking(
        self, record: str, day: int, is_granted: bool, known: int | None = None
    ) -> None:
        at, told = (
            datetime(2026, 1, 1) + timedelta(days=d)
            for d in (day, day if known is None else known)
        )
        self.con.execute(
            "insert into staging.consents values (?, ?, ?, 'linking', ?, ?, ?)",
            [*record.split("/"), is_granted, at, told],
        )

    def together(self) -> set[frozenset[str]]:
        """The records of each user; each that is nobody's by itself."""
        return {
            frozenset(records)
            for user, members in self.users().items()
            for records in ([members] if user else [{m} for m in members])
        }


C1, A1, B1, R1 = (
    "crm/customers/C1",
    "app/accounts/A1",
    "store/buyers/B1",
    "pos/receipts/R1",
)

# Of day 0; A1 comes to C1 by a phone, B1 to A1 by an address, R1 to C1 by the phone.
CHAIN = (
    seen(C1, 0, phone=P1),
    seen(A1, 1, phone=P1, email="a@x.cn"),
    seen(B1, 2, email="a@x.cn"),
    seen(R1, 3, phone=P1),
)


def test_a_split_takes_effect_the_day_after_and_ends_with_its_restore() -> None:
    home = Decided()
    apart = (CHAIN[0], seen(A1, 0, email="a@x.cn"))
    home.run(0, apart)
    own = home.ids()
    home.run(4, CHAIN)
    merged = home.ids()

    decision = deciding.split(home.con, A1, C1, **BY)
    home.run(4, CHAIN)
    again = home.ids()
    home.run(5, CHAIN)
    split, told = (
        home.ids(),
        home.rows(
            "select cause from identity.id_map where recorded_from = date '2026-01-06'"
            " and effective_to is null"
        ),
    )
    deciding.restore(home.con, decision.decision_id, **BY)
    home.run(6, CHAIN)

    assert set(merged.values()) == {own[C1]}
    assert again == merged, "the day itself is what it was"
    assert split == {C1: own[C1], R1: own[C1], A1: own[A1], B1: own[A1]}
    assert set(told) == {("split",)}
    assert home.ids() == merged
    home.run(7, CHAIN)
    deciding.split(home.con, A1, C1, **BY)
    home.run(8, CHAIN)
    assert home.ids() == split, "the old id comes back each time"


def test_no_later_evidence_joins_what_was_split() -> None:
    home = Decided()
    home.run(4, CHAIN)
    deciding.split(home.con, B1, C1, **BY)
    later = (
        *CHAIN,
        seen("loyalty/members/M1", 5, member_no="M1", phone=P1),
        seen("store/buyers/B1", 6, member_no="M1"),
        seen(C1, 7, member_no="M1"),
    )

    for day in range(5, 9):
        home.run(day, later)
        ids = home.ids()
        assert ids[B1] != ids[C1]
    assert all(ids.values())


def test_the_anchor_itself_can_be_split_off_by_the_id() -> None:
    home = Decided()
    home.run(4, CHAIN)
    user = home.ids()[C1]
    assert user is not None

    decision = deciding.split(home.con, C1, user, **BY)
    home.run(5, CHAIN)

    ids = home.ids()
    assert decision.apart_from == A1, "the eldest of the others"
    assert ids[C1] == user, "an id goes with its anchor"
    assert ids[A1] == ids[B1] == ids[R1] != user


def test_a_forgotten_value_joins_nobody_and_nobody_stands_on_it() -> None:
    home = Decided()
    home.run(4, CHAIN)
    [(phone,)] = home.rows(
        "select distinct value_hash from staging.identifiers"
        " where identifier_type = 'phone'"
    )

    decision = deciding.forget(home.con, "phone", phone[:8], **BY)
    home.run(5, CHAIN)

    assert decision.values == (f"phone {phone[:8]}…",)
    assert home.together() == {frozenset({C1}), frozenset({A1, B1}), frozenset({R1})}
    assert home.ids()[R1] is None
    assert phone not in str(home.rows("select * from identity.edges"))


def test_withdrawn_consent_takes_a_link_out_of_a_chain_until_it_is_given_again() -> (
    None
):
    home = Decided()
    home.run(4, CHAIN)
    before = home.ids()
    home.linking(A1, 5, False)
    home.run(5, CHAIN)
    apart = home.together()
    home.linking(A1, 6, True)
    home.run(6, CHAIN)

    assert apart == {frozenset({C1, R1}), frozenset({A1}), frozenset({B1})}
    assert home.ids() == before


def test_the_newest_consent_counts_as_far_as_it_is_known() -> None:
    home = Decided()
    home.linking(A1, 2, False, known=6)
    home.linking(A1, 3, True, known=4)
    home.linking(A1, 5, False, known=8)
    ties = []
    for day in range(4, 9):
        home.run(day, CHAIN)
        ties.append(home.ids()[A1] == home.ids()[C1])

    assert ties == [True, True, True, True, False], "late news of day 2 is old"


def test_consent_withdrawn_by_word_of_mouth_is_a_decision() -> None:
    home = Decided()
    home.run(4, CHAIN)

    deciding.withdraw(home.con, A1, **BY)
    home.run(5, CHAIN)

    assert home.together() == {frozenset({C1, R1}), frozenset({A1}), frozenset({B1})}


def test_a_split_takes_the_same_account_under_other_names_along() -> None:
    home = Decided()
    world = (
        seen(C1, 0, phone=P1, email="a@x.cn"),
        seen(B1, 1, phone=P1),
        Seen("web/accounts/B1", 1, {"store_account": "B1", "email": "a@x.cn"}),
    )
    home.run(1, world)
    assert len(home.together()) == 1

    # For the test, the web's account stands for itself as the shop's does.
    staged = home.stage

    def own(rows: Sequence[tuple[Any, ...]]) -> None:
        staged([(*r[:7], r[7] or r[3] == "store_account") for r in rows])

    home.stage = own  # type: ignore[method-assign]
    deciding.split(home.con, B1, C1, **BY)
    home.run(2, world)

    assert home.together() == {frozenset({C1}), frozenset({B1, "web/accounts/B1"})}


def test_decisions_are_kept_with_who_and_why() -> None:
    home = Decided()
    home.run(4, CHAIN)
    deciding.split(home.con, B1, C1, **BY)
    deciding.restore(home.con, "d1", by="another", reason="it was one after all")

    first, second = deciding.decisions(home.con)

    assert (first.decision_id, first.kind, first.record, first.apart_from) == (
        "d1",
        "split",
        B1,
        C1,
    )
    assert (first.applies_from, first.is_in_force) == (date(2026, 1, 6), False)
    assert (second.restores, second.decided_by) == ("d1", "another")
    for call, told in (
        (lambda: deciding.restore(home.con, "d1", **BY), "ended already"),
        (lambda: deciding.restore(home.con, "d2", **BY), "decide anew"),
        (lambda: deciding.restore(home.con, "d9", **BY), "no decision d9"),
        (lambda: deciding.split(home.con, C1, C1, **BY), "apart from itself"),
        (lambda: deciding.split(home.con, "no/such/one", C1, **BY), "is known"),
        (lambda: deciding.forget(home.con, "phone", "abc", **BY), "too short"),
        (lambda: deciding.forget(home.con, "phone", "0" * 9, **BY), "unknown"),
        (lambda: deciding.withdraw(home.con, C1, by=" ", reason="x"), "name of who"),
    ):
        with pytest.raises((ValueError, UnknownIdentityError), match=told):
            call()


def test_why_tells_what_would_tie_two_people_and_the_rule_against_it() -> None:
    home = Decided()
    family = (
        seen(C1, 0, phone=P1),
        seen("crm/customers/C2", 1, phone=P1),
        seen(B1, 2, email="b@x.cn"),
    )
    home.run(4, family)
    barred = why_not(home.con, C1, "crm/customers/C2", home.config)
    assert barred is not None
    [step] = barred

    assert (step.identifier_type, step.rule) == ("phone", "same_record")
    assert step.rejected_by == ("max_values:crm_id",)
    assert why_not(home.con, C1, B1, home.config) is None, "nothing ties them"
    assert why_not(home.con, C1, C1, home.config) is None

    deciding.split(home.con, B1, C1, **BY)
    home.run(5, (*family, seen(B1, 5, phone=P1)))
    [(user,)] = home.rows(
        "select unified_user_id from identity.id_map where record_key = 'B1'"
        " and recorded_to is null and effective_to is null"
    )
    barred = why_not(home.con, C1, user, home.config)
    assert barred is not None
    assert [s.rejected_by for s in barred] == [("max_values:apart:d1",)]
    card = show(home.con, user)
    assert [d.decision_id for d in card.decisions] == ["d1"]
    assert {(s.identifier_type, s.records) for s in card.identifiers} == {
        ("email", 1),
        ("phone", 1),
        ("store_account", 1),
    }
    assert all(len(s.masked_value) == 9 for s in card.identifiers)


def test_a_long_way_that_counts_goes_before_a_short_one_that_does_not() -> None:
    one, other, between = (Record("s", "e", key) for key in ("1", "2", "3"))
    bonds = Bonds()
    phone, *emails = (Value("x", key * 64, 0) for key in "abc")
    bonds.add(one, phone, Link(edge_id="e1"))
    bonds.add(other, phone, Link(edge_id="e2", rejected_by="max_users:x"))
    for record, email in ((one, 0), (between, 0), (between, 1), (other, 1)):
        bonds.add(record, emails[email], Link())

    steps = shortest(bonds, one, other)

    assert steps is not None
    assert [s.right_record for s in steps] == [str(between), str(other)]
    assert not any(s.rejected_by for s in steps)


RECORDS = [
    f"{kind}/{n}"
    for kind in ("crm/customers", "app/accounts", "pos/receipts")
    for n in range(3)
]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Seen, ...]:
    shown = st.fixed_dictionaries(
        {},
        optional={
            "phone": st.sampled_from([P1, P2]),
            "email": st.sampled_from(["a@x.cn", "b@x.cn"]),
            "member_no": st.sampled_from(["M1", "M2"]),
        },
    )
    records = draw(st.lists(st.sampled_from(RECORDS), unique=True, min_size=2))
    return tuple(
        seen(record, draw(st.integers(0, 3)), **(draw(shown) or {"phone": P1}))
        for record in records
    )


@settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=(Phase.generate, Phase.shrink),
)
@given(world=worlds(), data=st.data())
def test_laws_of_decisions(world: tuple[Seen, ...], data: st.DataObject) -> None:
    """A split holds, no record is lost, and a restore gives every id back."""
    home = Decided()
    home.run(4, world)
    before = home.ids()
    one, other = data.draw(st.sampled_from(list(combinations(sorted(before), 2))))
    decided = [deciding.split(home.con, one, other, **BY)]
    if data.draw(st.booleans()):
        decided.append(
            deciding.withdraw(
                home.con, data.draw(st.sampled_from(sorted(before))), **BY
            )
        )

    home.run(5, world)
    after = home.ids()
    for decision in decided:
        deciding.restore(home.con, decision.decision_id, **BY)
    home.run(6, world)

    assert after.keys() == before.keys()
    assert after[one] is None or after[one] != after[other]
    assert home.ids() == before
