"""A day resolves what is new alone, and the outcome is that of resolving everything."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from strata.config.identity import IdentityConfig
from strata.identity import IdentityCounts, ledger, resolve, resolve_days
from strata.identity.evidence import NO_MATCHES
from strata.identity.withheld import Moment, withheld
from strata.run import Run

from tests.unit.test_identity import (
    CONFIG,
    DAY_0,
    KINDS,
    OWN,
    P1,
    P2,
    P3,
    WORLD,
    Home,
    values,
)

LAST_DAY = 11
HOODS = 8
"""Neighbourhoods that share no value: small worlds that are run at the price of one."""

# Windows of a few days, so that values pass on and come back within the days tested.
SHORT = CONFIG.model_copy(
    update={
        "names_tell_apart": True,
        "identifiers": CONFIG.identifiers
        | {
            name: CONFIG.identifiers[name].model_copy(update=rule)
            for name, rule in (
                ("phone", {"window_days": 3, "max_values": 2, "values_window_days": 4}),
                ("email", {"window_days": 5, "when_shared": "nobody"}),
                ("device_id", {"window_days": 2, "max_users": 2}),
            )
        },
    }
)

# Phones that two people share join neither.
YIELDING = SHORT.model_copy(
    update={
        "identifiers": SHORT.identifiers
        | {
            "phone": SHORT.identifiers["phone"].model_copy(
                update={"when_shared": "nobody"}
            )
        }
    }
)


@pytest.fixture(autouse=True, scope="module")
def key() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STRATA_PSEUDONYM_KEY", "a key for tests and for nothing else")
        yield


@dataclass(frozen=True)
class Sighting:
    """A record shows a value for ``hours`` from ``hour`` on; ``known`` is the day."""

    record: str
    kind: str
    value: str
    hour: int
    hours: int
    known: int


@dataclass(frozen=True)
class Decided:
    """On ``day`` a value of ``of`` is forgotten, or ``of`` withdrawn, until ``end``."""

    kind: str
    of: str
    day: int
    end: int


@dataclass(frozen=True)
class Matched:
    """Two records match as of the day ``seen``; from ``day`` until ``end`` it is said."""

    one: str
    other: str
    seen: int
    day: int
    end: int


@dataclass(frozen=True)
class Stream:
    """What comes over the days, in any order."""

    sightings: tuple[Sighting, ...]
    decisions: tuple[Decided, ...] = ()
    matches: tuple[Matched, ...] = ()


def shows(
    record: str, day: int, /, known: int | None = None, **shown: str
) -> tuple[Sighting, ...]:
    """What a record shows at noon of a day: its own identifier, and others."""
    own = OWN.get(record.rsplit("/", 1)[0])
    named = ({own: record.rsplit("/", 1)[1]} if own else {}) | shown
    return tuple(
        Sighting(record, kind, value, 24 * day + 12, 0, day if known is None else known)
        for kind, value in named.items()
    )


_RECORD_AND_TYPE = ("system", "entity", "record_key", "identifier_type")
_SEEN = ("first_seen_at", "last_seen_at", "is_own")
_SUMMED = """
    select
        system, entity, record_key, identifier_type, value_hash, key_version,
        min(first_seen_at) as first_seen_at, max(last_seen_at) as last_seen_at,
        bool_or(is_own) as is_own,
"""


class Days(Home):
    """A home that knows by day, from sightings, decisions and matches."""

    def __init__(self, stream: Stream, config: IdentityConfig = SHORT) -> None:
        super().__init__(config)
        folder = resources.files("strata.warehouse") / "migrations"
        self.con.execute((folder / "007_decisions.sql").read_text("utf-8"))
        self.con.execute("create schema ops")
        self.con.execute(
            "create table ops.run_dates as select ds::date as ds,"
            " ds::timestamp + interval 17 hours as known_until"  # an hour after its end
            " from range(date '2025-12-01', date '2026-02-01', interval 1 day) d(ds)"
        )
        self.arrive(stream.sightings)
        self.decide(stream.decisions)
        self.match(stream.matches)

    def arrive(self, sightings: Sequence[Sighting]) -> None:
        start = datetime(2025, 12, 31, 16)  # midnight in Shanghai
        rows = [
            (
                *s.record.split("/"),
                s.kind,
                s.value,
                start + timedelta(hours=s.hour),
                start + timedelta(hours=s.hour + s.hours),
                OWN.get(s.record.rsplit("/", 1)[0]) == s.kind,
                datetime(2026, 1, 1, 17) + timedelta(days=s.known),
            )
            for s in sightings
        ]
        names = (*_RECORD_AND_TYPE, "value", *_SEEN, "known_at")
        columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
        self.con.register("plain", pa.table(columns))
        self.con.execute(
            "create or replace table staging.sightings as select * exclude (value),"
            " strata_pseudonym(identifier_type, value) as value_hash,"
            " strata_key_version() as key_version from plain"
        )
        self.con.unregister("plain")
        self.con.execute(
            "create or replace table staging.identifiers as"
            f" {_SUMMED} from staging.sightings group by all"
        )

    def decide(self, decisions: Sequence[Decided]) -> None:
        insert = (
            "insert into identity.decisions (decision_id, kind, system, entity,"
            " record_key, restores, applies_from, decided_by, reason, _decided_at)"
            " values (?, ?, ?, ?, ?, ?, ?, 'a person', 'a reason', ?)"
        )
        for number, d in enumerate(decisions):
            name, of = f"d{number}", d.of.split("/")
            for row in (
                (name, d.kind, *of, None, DAY_0 + timedelta(d.day), DAY_0),
                (f"r{number}", "restore", None, None, None, name,
                 DAY_0 + timedelta(d.end), DAY_0),
            ):  # fmt: skip
                self.con.execute(insert, row)
            if d.kind == "forget":
                self.con.execute(
                    "insert into identity.decision_values select distinct ?,"
                    " identifier_type, value_hash, key_version from"
                    " staging.identifiers where system = ? and entity = ? and"
                    " record_key = ? and identifier_type <> 'crm_id'",
                    [name, *of],
                )

    def match(self, matches: Sequence[Matched]) -> None:
        self.con.execute(
            f"create or replace temp table pairs as select *, date '2000-01-01' as day,"
            f" date '2000-01-01' as until from ({NO_MATCHES})"
        )
        for m in matches:
            self.con.execute(
                "insert into pairs values (?, ?, ?, ?, ?, ?, 'by_name', 40, ?, ?, ?)",
                [
                    *m.one.split("/"),
                    *m.other.split("/"),
                    DAY_0 + timedelta(m.seen),
                    DAY_0 + timedelta(m.day),
                    DAY_0 + timedelta(m.end),
                ],
            )

    def run_of(self, day: int, since: int | None = None) -> Run:
        ds = DAY_0 + timedelta(day)
        return Run(
            run_id=f"{ds}.1",
            ds=ds,
            world=WORLD,
            home=Path(),
            timezone="Asia/Shanghai",
            since=None if since is None else DAY_0 + timedelta(since),
        )

    def content(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every table; of ``resolution`` the day alone, where the rules may differ."""
        content = super().content()
        return content | {"resolution": [row[:1] for row in content["resolution"]]}

    def resolve_days(self, day: int, since: int | None = None) -> IdentityCounts:
        counts = resolve_days(
            self.con, self.run_of(day, since), self.config, _pairs("identity_day")
        )
        self.publish()
        return counts

    def resolve_all(self, day: int) -> IdentityCounts:
        """The day by its definition: everything that it knows, resolved anew."""
        run = self.run_of(day)
        known_until = datetime(2026, 1, 1, 17) + timedelta(day)
        self.con.execute(
            "create or replace temp table all_known as"
            f" {_SUMMED} from staging.sightings where known_at <= ? group by all",
            [known_until],
        )
        evidence = withheld(
            self.con,
            self.config,
            "all_known",
            Moment(run.ds, run.bounds[1], known_until),
        )
        pairs = _pairs(f"(select date '{run.ds}' as ds)")
        counts = resolve(
            self.con, run, evidence.config, evidence.source, matches=f"({pairs})"
        )
        self.publish()
        return counts


def _pairs(day: str) -> str:
    return (
        "select pairs.* exclude (day, until) from pairs, "
        f"{day} as this where pairs.day <= this.ds and this.ds < pairs.until"
    )


# --- laws ----------------------------------------------------------------------------


@st.composite
def sightings(draw: st.DrawFn, name: tuple[str, int, int]) -> list[Sighting]:
    """What a record shows, some of it late, or not yet over when its day ends."""
    kind, number, hood = name
    record = f"{kind}/{'D' if kind == 'app/devices' else 'K'}{hood}{number}"
    found: list[Sighting] = []
    for _ in range(draw(st.integers(1, 3))):
        hour = draw(st.integers(0, 24 * LAST_DAY))
        known = hour // 24 + draw(st.sampled_from([-1, 0, 0, 0, 2, 5]))
        shown = {
            identifier: draw(st.sampled_from(values(identifier, hood)))
            for identifier in KINDS[kind]
            if draw(st.booleans())
        }
        if kind in OWN:
            shown[OWN[kind]] = record.rsplit("/", 1)[1]
        found += [
            Sighting(
                record, of, value, hour, draw(st.sampled_from([0, 0, 1, 30])), known
            )
            for of, value in shown.items()
        ]
    return found


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Records that meet often, and people who change their minds about them."""
    names = st.tuples(
        st.sampled_from(sorted(KINDS)),
        st.sampled_from((1, 2, 3)),
        st.sampled_from(range(HOODS)),
    )
    drawn = draw(st.lists(names, unique=True, min_size=45, max_size=70))
    shown = [s for name in drawn for s in draw(sightings(name))]
    records = sorted({s.record for s in shown})
    some = st.sampled_from(records)
    days = st.integers(1, LAST_DAY)
    return Stream(
        tuple(shown),
        tuple(
            Decided(kind, draw(some), day, draw(st.integers(day, LAST_DAY + 1)))
            for kind in draw(
                st.lists(st.sampled_from(["forget", "withdraw"]), max_size=4)
            )
            for day in [draw(days)]
        ),
        tuple(
            Matched(*pair, seen, day, draw(st.integers(day, LAST_DAY + 1)))
            for pair in draw(
                st.lists(st.tuples(some, some), max_size=4, unique_by=frozenset)
            )
            if pair[0] != pair[1]
            for seen, day in [(draw(days), draw(days))]
        ),
    )


@settings(
    max_examples=3,
    phases=[Phase.explicit, Phase.generate],  # to shrink takes hundreds of runs
    suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow],
)
@given(
    stream=streams(),
    rules=st.sampled_from([YIELDING, SHORT]),
    cuts=st.sets(st.integers(0, LAST_DAY - 1), max_size=4),
    shuffle=st.randoms(use_true_random=False),
)
def test_what_is_new_is_as_good_as_everything_in_any_order(
    stream: Stream, rules: IdentityConfig, cuts: set[int], shuffle: Any
) -> None:
    shuffled = list(stream.sightings)
    shuffle.shuffle(shuffled)
    by_new = Days(stream, rules)
    by_all = Days(replace(stream, sightings=tuple(shuffled)), rules)
    since = 0
    for last in sorted({*cuts, LAST_DAY}):
        found = by_new.resolve_days(last, since)
        each = [by_all.resolve_all(day) for day in range(since, last + 1)]

        assert by_new.content() == by_all.content()
        assert found == replace(
            each[-1],
            **{
                name: sum(getattr(counts, name) for counts in each)
                for name in ("minted", "merged", "split", "late_anchored_records")
            },
        )
        since = last + 1


# --- what is resolved, and what is left ----------------------------------------------

C1, C2, A1, A2, B1, R1, R2 = (
    "crm/customers/C1",
    "crm/customers/C2",
    "app/accounts/A1",
    "app/accounts/A2",
    "store/buyers/B1",
    "pos/receipts/R1",
    "pos/receipts/R2",
)
APART = (
    *shows(C1, 0, phone=P1, name="Li Wei"),
    *shows(A1, 0, phone=P1),
    *shows(C2, 0, phone=P2),
    *shows(A2, 0, phone=P2),
    *shows(B1, 0, email="b@x.cn"),
)


def resolved(home: Days, day: int) -> set[str]:
    """The records that were resolved on a day."""
    return {
        record
        for (record,) in home.rows(
            "select concat_ws('/', system, entity, record_key)"
            f" from identity.components where _run_id = '{DAY_0 + timedelta(day)}.1'"
        )
    }


def test_a_day_with_nothing_new_resolves_nobody() -> None:
    home = Days(Stream(APART))
    home.resolve_days(0)
    published = home.content()
    del published["resolution"]

    counts = home.resolve_days(5, 1)

    assert resolved(home, 5) == set()
    assert (counts.minted, counts.records, counts.users) == (0, 5, 3)
    content = home.content()
    assert content.pop("resolution")[0][0] == DAY_0 + timedelta(5)
    assert content == published


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (shows(R1, 1, phone=P3), {R1}),
        (shows(R1, 1, phone=P1), {R1, C1, A1}),
        (shows(R1, 1, phone=P1, email="b@x.cn"), {R1, C1, A1, B1}),
        (shows(A1, 1, phone=P1), set()),
        (shows(R1, 1, known=2, phone=P1), set()),
        (shows(C1, 1, name="Li Wei"), set()),
        (shows(A2, 1, name="Li Wei"), {A2, C2}),
    ],
    ids=[
        *("alone", "one more", "bridge", "seen again", "not known yet"),
        *("named again", "named alike"),
    ],
)
def test_a_day_resolves_what_is_new_and_what_that_touches(
    new: tuple[Sighting, ...], expected: set[str]
) -> None:
    home = Days(Stream(APART + new))
    home.resolve_days(0)
    home.resolve_days(1)
    assert resolved(home, 1) == expected


def test_a_value_seen_again_is_written_to_its_edge() -> None:
    home = Days(Stream(APART + shows(A1, 1, phone=P1)))
    last_seen = "select last_seen_at::date - ? from identity.edges where system = 'app'"
    for day in (0, 1):
        home.resolve_days(day)
        found = home.con.execute(f"{last_seen} order by 1 desc", [DAY_0]).fetchall()
        assert found == [(day,), (0,)]


def both_ways(stream: Stream, days: Sequence[int], sql: str) -> list[Any]:
    """What a query finds after each day, which is the same when all is resolved."""
    home, by_all = Days(stream), Days(stream)
    found = []
    for day in days:
        home.resolve_days(day)
        by_all.resolve_all(day)
        assert home.content() == by_all.content()
        found.append(home.rows(sql))
    return found


def test_a_value_seen_again_before_its_silence_was_never_silent() -> None:
    """R2 shows the phone 8 days after R1; then it is told that R1 had it longer."""
    stream = Stream(
        shows(R1, 0, phone=P1) + shows(R2, 8, phone=P1) + shows(R1, 6, 9, phone=P1)
    )
    found = both_ways(stream, (8, 9), "select rule from identity.edges")
    assert found == [[("same_value_later",)], []]


def test_who_is_seen_again_is_weighed_again_where_it_decides() -> None:
    """Three phones at one time are too many, and one after another they are not."""
    stream = Stream(
        shows(C1, 0, phone=P1)
        + shows(C1, 1, phone=P2)
        + shows(C1, 6, phone=P3)
        + shows(C1, 6, 7, phone=P1)
        + shows(C1, 6, 7, phone=P2)
    )
    rejected = "select rejected_by from identity.edges where status = 'rejected'"
    found = both_ways(stream, (6, 7), rejected)
    assert found == [[], [("max_values:phone",)]]


def test_links_that_were_rejected_belong_to_what_is_touched() -> None:
    """C2 has lost the phone to C1; once C1 gives it up, it is C2's."""
    stream = Stream(
        (*shows(C1, 0, phone=P1), *shows(C2, 1, phone=P1), *shows(R1, 1, phone=P1)),
        decisions=(Decided("withdraw", C1, 2, 9),),
    )
    home = Days(stream)
    home.resolve_days(1)
    assert home.users() == {C1: {C1, R1}, C2: {C2}}
    home.resolve_days(2)
    assert home.users() == {C1: {C1}, C2: {C2, R1}}


def test_other_rules_resolve_everything_anew() -> None:
    home = Days(Stream(APART))
    home.resolve_days(0)
    phone = SHORT.identifiers["phone"].model_copy(update={"max_users": 1})
    home.config = SHORT.model_copy(
        update={"identifiers": {**SHORT.identifiers, "phone": phone}}
    )
    home.resolve_days(1)
    assert resolved(home, 1) == {C1, C2, A1, A2, B1}
    assert len(home.users()) == 5


@pytest.mark.parametrize("table", ["edges", "id_map", "components", "resolution"])
def test_a_state_that_is_not_whole_is_resolved_anew_with_the_same_ids(
    table: str,
) -> None:
    home = Days(Stream(APART))
    home.resolve_days(0)
    ids = home.ids()
    home.con.execute(f"delete from identity.{table}")

    home.resolve_days(1)

    assert resolved(home, 1) == {C1, C2, A1, A2, B1}
    assert home.ids() == ids
    assert len(home.content()["edges"]) == 5


def test_a_day_done_again_starts_from_the_day_before() -> None:
    draft, stream = (Stream(APART + shows(R1, 1, phone=p)) for p in (P1, P2))
    again, once = Days(draft), Days(stream)
    again.resolve_days(1, 0)
    again.arrive(stream.sightings)
    again.resolve_days(1)
    once.resolve_days(0)
    once.resolve_days(1)
    assert again.ids() == once.ids()


def _stop(con: duckdb.DuckDBPyConnection) -> None:
    raise KeyboardInterrupt


def _fail(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("select error('the disk is full')")


@pytest.mark.parametrize(
    ("fate", "error"),
    [(_stop, KeyboardInterrupt), (_fail, duckdb.InvalidInputException)],
    ids=["stopped", "failed"],
)
def test_a_run_that_dies_leaves_the_state_and_is_made_up_for(
    fate: Callable[[duckdb.DuckDBPyConnection], None],
    error: type[BaseException],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = Stream(
        APART + shows(R1, 1, phone=P1) + shows(R2, 2, phone=P1, email="b@x.cn")
    )
    home, unhurt = Days(stream), Days(stream)
    for one in (home, unhurt):
        one.resolve_days(0)
    before = home.content()

    def die(*of_day: Any) -> None:
        enter(*of_day)
        if of_day[1].ds == DAY_0 + timedelta(2):
            fate(of_day[0])

    enter = ledger.enter
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "enter", die)
        with pytest.raises(error):
            home.resolve_days(2, 1)
    assert home.content() == before

    for one in (home, unhurt):
        one.resolve_days(2, 1)
    assert home.content() == unhurt.content()
