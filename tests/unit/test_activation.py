"""Laws of the write-back: the CRM ends as desired, and nothing is written twice."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from importlib import resources
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strata.activation import (
    BatchRefusedError,
    CircuitOpenError,
    ClientUnavailableError,
    DesiredStateError,
    Outcome,
    ReadBackError,
    Record,
    StaleRunError,
    SyncInterruptedError,
    SyncSummary,
    replay,
    sync,
)
from strata.activation.client import redacted
from strata.config.activation import Target
from strata.run import Run

OWNED = ("tier", "reason_1", "value_rank", "updated_on")
DAY = date(2026, 10, 31)
Desired = Mapping[str, Mapping[str, object] | None]  # None: is_clear


def make_target(**changes: object) -> Target:
    return Target.model_validate(
        {
            "name": "crm",
            "client": {"kind": "file", "folder": "{home}/out"},
            "purpose": "marketing",
            "fields": OWNED,
            "stamp_field": "updated_on",
            "batch_size": 3,
            "breakers": {"min_records": 1000},
            **changes,
        }
    )


def make_run(day: int = 1, *, is_newest: bool = True) -> Run:
    ds = DAY + timedelta(days=day)
    return Run(f"{ds}.1", ds, "test", Path("unused"), "Asia/Shanghai", is_newest)


def desire(con: duckdb.DuckDBPyConnection, desired: Desired) -> None:
    """Publish a desired state, as the dbt model would."""
    con.execute("delete from activation.desired")
    rows = [
        [key, f"u_{key}", json.dumps(fields), f"hash of {fields}", fields is None]
        for key, fields in desired.items()
    ]
    if rows:
        con.executemany(
            "insert into activation.desired values ('crm', ?, ?, ?, ?, ?)", rows
        )


@pytest.fixture(scope="module")
def migrated() -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse with its state tables and a desired state."""
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        migrations = resources.files("strata.warehouse") / "migrations"
        for file in sorted(migrations.iterdir(), key=lambda file: file.name):
            connection.execute(file.read_text(encoding="utf-8"))
        connection.execute(
            "create table activation.desired (target varchar, record_key varchar,"
            " unified_user_id varchar, fields varchar, field_hash varchar,"
            " is_clear boolean)"
        )
        yield connection


@pytest.fixture
def con(migrated: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    yield migrated
    empty(migrated)


def empty(con: duckdb.DuckDBPyConnection) -> None:
    for table in ("desired", "sync_ledger", "sync_log", "dead_letters"):
        con.execute(f"delete from activation.{table}")
    con.execute("drop schema if exists marts cascade")


class FakeCrm:
    """A CRM with a column of its own, and with a will of its own.

    ``faults`` is used up, one entry a write: "refuse" turns the whole call down,
    "before" and "after" lose the connection on that side of the work, "half" does the
    first half of the work and answers for that alone.
    """

    def __init__(self) -> None:
        self.records: dict[str, dict[str, str]] = {}
        self.faults: list[str | None] = []
        self.bad: set[str] = set()
        self.changes: Counter[str] = Counter()
        self.calls: list[tuple[str, tuple[str, ...]]] = []
        self.keys: set[str] = set()

    def upsert(self, records: Sequence[Record], idempotency_key: str) -> list[Outcome]:
        wanted = {record.key: dict(record.fields) for record in records}
        return self._write("upsert", wanted, idempotency_key)

    def clear(self, keys: Sequence[str], idempotency_key: str) -> list[Outcome]:
        return self._write("clear", {key: {} for key in keys}, idempotency_key)

    def read(self, keys: Sequence[str]) -> dict[str, dict[str, str]]:
        self.calls.append(("read", tuple(keys)))
        return {
            key: {n: v for n, v in self.records[key].items() if n in OWNED}
            for key in keys
            if key in self.records
        }

    def owned(self, key: str) -> dict[str, str]:
        held = self.records.get(key, {})
        return {n: v for n, v in held.items() if n in OWNED and n != "updated_on"}

    def _write(
        self, operation: str, wanted: dict[str, dict[str, str]], idempotency_key: str
    ) -> list[Outcome]:
        self.calls.append((operation, tuple(wanted)))
        self.keys.add(idempotency_key)
        fault = self.faults.pop(0) if self.faults else None
        if fault == "refuse":
            raise BatchRefusedError("no")
        if fault == "before":
            raise ClientUnavailableError("gone")
        done = list(wanted)[: len(wanted) // 2] if fault == "half" else list(wanted)
        answers = []
        for key in done:
            if key in self.bad:
                answers.append(Outcome(key, "bad record"))
                continue
            self._apply(operation, key, wanted[key])
            answers.append(Outcome(key))
        if fault == "after":
            raise ClientUnavailableError("gone")
        return answers

    def _apply(self, operation: str, key: str, fields: dict[str, str]) -> None:
        before = dict(self.records.setdefault(key, {"owner": "Wang"}))
        if operation == "clear":
            self.records[key] = {"owner": before["owner"]}
        else:
            self.records[key].update(fields)
        self.changes[key] += self.records[key] != before


def run_sync(
    con: duckdb.DuckDBPyConnection,
    crm: FakeCrm,
    day: int = 1,
    target: Target | None = None,
    **options: object,
) -> SyncSummary:
    return sync(
        con,
        make_run(day),
        target or make_target(),
        crm,
        sleep=lambda _: None,
        **options,  # type: ignore[arg-type]
    )


def rows(con: duckdb.DuckDBPyConnection, query: str) -> list[tuple[object, ...]]:
    return con.execute(query).fetchall()


VALUES = st.sampled_from([None, "a", "b"])
FIELDS = st.fixed_dictionaries(
    {"tier": VALUES, "reason_1": VALUES, "value_rank": st.sampled_from([None, 0, 1])}
)
STATES = st.dictionaries(
    st.sampled_from("pqrstuvw"), st.none() | FIELDS, min_size=1, max_size=8
)
FAULTS = st.lists(st.sampled_from([None, "refuse", "before", "after", "half"]))
DAYS = st.lists(
    st.tuples(STATES, FAULTS, st.sets(st.sampled_from("pqrstuvw"), max_size=2)),
    min_size=1,
    max_size=3,
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(days=DAYS)
def test_the_crm_ends_as_desired_with_no_record_changed_twice(
    con: duckdb.DuckDBPyConnection,
    days: list[tuple[Desired, list[str | None], set[str]]],
) -> None:
    """Over several days, whatever the CRM refuses and whenever the line breaks."""
    crm, target = FakeCrm(), make_target(retry={"max_attempts": 99}, refusal_limit=99)
    expected: dict[str, dict[str, str]] = {}
    empty(con)
    for day, (desired, faults, bad) in enumerate(days):
        desire(con, desired)
        crm.faults, crm.bad = list(faults), bad
        crm.changes.clear()
        summary = run_sync(con, crm, day, target)

        refused = refused_today(con, day)
        assert refused <= bad or "refuse" in faults
        for key in {*expected, *desired} - refused:
            expected[key] = due(expected.get(key, {}), desired.get(key))
        assert {k: crm.owned(k) for k in expected} == expected
        assert all(r["owner"] == "Wang" for r in crm.records.values())
        assert max(crm.changes.values(), default=0) <= 1
        assert sum(crm.changes.values()) == (
            summary.created + summary.updated + summary.cleared
        )
        assert summary.refused == len(refused)
        answered = summary.created + summary.updated + summary.unchanged
        wanted = {key for key, fields in desired.items() if fields is not None}
        assert answered + len(refused & wanted) == len(wanted)

        crm.calls.clear()
        crm.bad, crm.faults = set(bad), []
        run_sync(con, crm, day, target)
        sent = {key for op, keys in crm.calls if op != "read" for key in keys}
        assert sent <= refused
        for key in sent - bad:
            expected[key] = due(expected.get(key, {}), desired.get(key))
    assert not rows(con, "from activation.sync_log where outcome = 'intent'")


def due(held: dict[str, str], desired: Mapping[str, object] | None) -> dict[str, str]:
    """What a record must hold: nulls leave the value that was there."""
    if desired is None:
        return {}
    return held | {k: str(v) for k, v in desired.items() if v is not None}


def refused_today(con: duckdb.DuckDBPyConnection, day: int) -> set[str]:
    run_id = make_run(day).run_id
    found = rows(
        con,
        "select distinct record_key from activation.sync_log"
        f" where run_id = '{run_id}' and outcome = 'refused'",
    )
    return {str(key) for (key,) in found}


def test_only_the_difference_is_sent_with_clearing_first(
    con: duckdb.DuckDBPyConnection,
) -> None:
    crm = FakeCrm()
    desire(con, {k: {"tier": "mid", "value_rank": 1} for k in "abcd"})
    assert run_sync(con, crm).counts() == {
        "created": 4, "updated": 0, "cleared": 0, "refused": 0, "unchanged": 0,
    }  # fmt: skip
    crm.calls.clear()
    desire(
        con,
        {
            "a": {"tier": "mid", "value_rank": 1},
            "b": {"tier": "high", "value_rank": None},  # a null overwrites nothing
            "c": None,  # consent withdrawn
            "e": None,  # never agreed: nothing was sent, nothing is to be cleared
        },  # d is no longer desired at all
    )
    summary = run_sync(con, crm, day=2)
    assert summary.counts() == {
        "created": 0, "updated": 1, "cleared": 2, "refused": 0, "unchanged": 1,
    }  # fmt: skip
    assert crm.calls[:2] == [("clear", ("c", "d")), ("upsert", ("b",))]
    assert crm.records == {
        "a": {"owner": "Wang", "tier": "mid", "value_rank": "1"}
        | {"updated_on": "2026-11-01"},
        "b": {"owner": "Wang", "tier": "high", "value_rank": "1"}
        | {"updated_on": "2026-11-02"},
        "c": {"owner": "Wang"},
        "d": {"owner": "Wang"},
    }
    assert rows(
        con,
        "select record_key, fields, acked_run_id from activation.sync_ledger"
        " order by all",
    ) == [
        ("a", '{"tier":"mid","value_rank":"1"}', "2026-11-01.1"),
        ("b", '{"tier":"high","value_rank":"1"}', "2026-11-02.1"),
        ("c", "{}", "2026-11-02.1"),
        ("d", "{}", "2026-11-02.1"),
    ]


def test_a_send_needs_the_consent_of_the_user_too(
    con: duckdb.DuckDBPyConnection,
) -> None:
    """The second lock: a desired row whose user did not agree is a clear."""
    crm = FakeCrm()
    con.execute("create schema marts")
    con.execute(
        "create table marts.dim_users as select *, true as is_current"
        " from (values ('u_a', true), ('u_b', false), ('u_c', null))"
        " as t(unified_user_id, consent_marketing) union all"
        " select 'u_b', true, false"
    )
    desire(con, {k: {"tier": "mid"} for k in "abcd"})
    assert run_sync(con, crm).created == 1
    assert set(crm.records) == {"a"}
    con.execute("update marts.dim_users set consent_marketing = false")
    assert run_sync(con, crm, day=2).cleared == 1
    assert crm.owned("a") == {}


def test_one_bad_record_fails_alone_and_waits_after_three_runs(
    con: duckdb.DuckDBPyConnection,
) -> None:
    """Its batch is bisected; it comes back with new fields, or by a replay."""
    crm = FakeCrm()
    desired = {key: {"tier": "mid"} for key in "abc"}
    desire(con, desired)
    letters = "select attempts, status, reason from activation.dead_letters"
    # The CRM turns down a, b and c as a whole, takes a, and turns down b and c too.
    crm.faults = ["refuse", None, "refuse", "refuse"]
    assert run_sync(con, crm).refused == 1
    assert rows(con, letters) == [(1, "retry", "no")]
    crm.bad = {"b"}
    for day, letter in (
        (2, (2, "retry", "bad record")),
        (3, (3, "dead", "bad record")),
    ):
        assert run_sync(con, crm, day).refused == 1
        assert rows(con, letters) == [letter]
    assert set(crm.records) == {"a", "c"}
    crm.calls.clear()
    held = run_sync(con, crm, day=4)
    assert (held.held, held.refused, held.unchanged) == (1, 0, 2)
    assert all(operation == "read" for operation, _ in crm.calls)

    desire(con, {**desired, "b": {"tier": "low"}})
    assert run_sync(con, crm, day=5).refused == 1
    assert rows(con, letters) == [(1, "retry", "bad record")]

    con.execute("update activation.dead_letters set status = 'dead', attempts = 3")
    assert run_sync(con, crm, day=6).held == 1
    assert replay(con, "crm", ["b", "unknown"]) == 1
    crm.bad = set()
    assert run_sync(con, crm, day=7).created == 1
    assert crm.owned("b") == {"tier": "low"}
    assert rows(con, "select status from activation.dead_letters") == [("resolved",)]
    assert replay(con, "crm", None) == 0


def test_withdrawn_consent_is_tried_for_ever(con: duckdb.DuckDBPyConnection) -> None:
    crm = FakeCrm()
    desire(con, {"a": {"tier": "mid"}})
    run_sync(con, crm)
    desire(con, {"a": None})
    crm.bad = {"a"}
    assert [run_sync(con, crm, day).refused for day in range(2, 8)] == [1] * 6
    assert rows(con, "select status from activation.dead_letters") == [("retry",)]
    crm.bad = set()
    assert run_sync(con, crm, day=9).cleared == 1
    assert crm.owned("a") == {}


def test_a_dead_letter_is_closed_when_nothing_is_left_to_send(
    con: duckdb.DuckDBPyConnection,
) -> None:
    crm = FakeCrm()
    desire(con, {"a": {"tier": "mid"}})
    run_sync(con, crm)
    crm.bad = {"a"}
    desire(con, {"a": {"tier": "low"}})
    run_sync(con, crm, day=2)
    desire(con, {"a": {"tier": "mid"}})
    run_sync(con, crm, day=3)
    assert rows(con, "select status from activation.dead_letters") == [("resolved",)]


def test_several_days_may_change_more_than_one(con: duckdb.DuckDBPyConnection) -> None:
    crm = FakeCrm()
    target = make_target(breakers={"max_changed_share": 0.5, "min_records": 2})
    desire(con, {k: {"tier": "mid"} for k in "abcd"})
    run_sync(con, crm, target=target)
    desire(con, {**{k: {"tier": "low"} for k in "abc"}, "d": {"tier": "mid"}})
    two_days = replace(make_run(3), since=make_run(2).ds)

    assert sync(con, two_days, target, crm).updated == 3  # of 4; two days may 75 %


def test_a_breaker_stops_before_the_send_unless_a_person_accepts(
    con: duckdb.DuckDBPyConnection,
) -> None:
    crm = FakeCrm()
    target = make_target(breakers={"max_changed_share": 0.5, "min_records": 2})
    desire(con, {k: {"tier": "mid"} for k in "abcd"})
    assert run_sync(con, crm, target=target).created == 4  # a first sync is all new
    desire(con, {**{k: {"tier": "low"} for k in "abc"}, "d": {"tier": "mid"}})
    crm.calls.clear()
    with pytest.raises(CircuitOpenError, match=r"3 of the 4 records .* \(75%, allow"):
        run_sync(con, crm, 2, target)
    assert crm.calls == []
    preview = run_sync(con, crm, 2, target, dry_run=True)
    assert preview.updated == 3
    assert "75%" in preview.warnings[0]
    assert run_sync(con, crm, 2, target, accept_changes=True).updated == 3
    desire(con, {})
    with pytest.raises(DesiredStateError, match="would clear all of them"):
        run_sync(con, crm, 3, target, accept_changes=True)


def test_a_breaker_stops_a_send_that_is_refused_too_often(
    con: duckdb.DuckDBPyConnection,
) -> None:
    crm = FakeCrm()
    crm.bad = set("bcdefgh")
    target = make_target(breakers={"max_refused_share": 0.5, "min_records": 3})
    desire(con, {k: {"tier": "mid"} for k in "abcdefghij"})
    with pytest.raises(CircuitOpenError, match="refused 5 of the first 6") as caught:
        run_sync(con, crm, target=target)
    assert caught.value.summary is not None
    assert caught.value.summary.counts()["created"] == 1
    assert set(crm.records) == {"a"}
    assert len(rows(con, "from activation.dead_letters")) == 5


def test_a_dry_run_shows_the_difference_and_touches_nothing(
    con: duckdb.DuckDBPyConnection,
) -> None:
    crm = FakeCrm()
    desire(con, {"a": {"tier": "mid", "reason_1": "x"}, "b": {"tier": "low"}})
    run_sync(con, crm)
    desire(
        con, {"a": {"tier": "high", "reason_1": None}, "b": None, "c": {"tier": "low"}}
    )
    tables = ("sync_ledger", "sync_log", "dead_letters")
    before = [rows(con, f"from activation.{t} order by all") for t in tables]
    crm.calls.clear()
    summary = run_sync(con, crm, day=2, dry_run=True)
    assert crm.calls == []
    assert before == [rows(con, f"from activation.{t} order by all") for t in tables]
    assert (summary.created, summary.updated, summary.cleared) == (1, 1, 1)
    assert [
        (d.record_key, d.operation, d.before, d.after) for d in summary.differences
    ] == [
        ("a", "update", {"tier": "mid"}, {"tier": "high"}),
        ("b", "clear", {"tier": "low"}, {"tier": None}),
        ("c", "create", {"tier": None}, {"tier": "low"}),
    ]


def test_a_run_that_is_not_the_newest_never_syncs(
    con: duckdb.DuckDBPyConnection,
) -> None:
    crm = FakeCrm()
    desire(con, {"a": {"tier": "mid"}})
    for dry_run in (False, True):
        with pytest.raises(StaleRunError, match="not the newest published day"):
            sync(con, make_run(is_newest=False), make_target(), crm, dry_run=dry_run)
    assert crm.calls == []


def test_waiting_grows_is_random_and_is_the_same_again(
    con: duckdb.DuckDBPyConnection,
) -> None:
    """And a CRM that stays away stops the sync without losing what was under way."""
    desire(con, {"a": {"tier": "mid"}})
    target = make_target(
        retry={"max_attempts": 6, "base_seconds": 1, "max_seconds": 5},
        requests_per_second=50,
    )

    def waits(day: int) -> list[float]:
        crm, slept = FakeCrm(), []
        crm.faults = ["before"] * 6
        con.execute("delete from activation.sync_log")
        with pytest.raises(SyncInterruptedError, match="did not answer 6 times: gone"):
            sync(con, make_run(day), target, crm, sleep=slept.append)
        assert [s for s in slept if s == 1 / 50] == [1 / 50] * (len(crm.calls) - 1)
        return [s for s in slept if s != 1 / 50]

    first = waits(day=1)
    for wait, longest in zip(first, [1, 2, 4, 5, 5], strict=True):
        assert longest / 2 <= wait <= longest
    assert waits(day=1) == first
    assert waits(day=2) != first

    crm = FakeCrm()
    summary = run_sync(con, crm, day=3, target=target)
    assert (summary.settled, summary.created) == (0, 1)
    assert set(rows(con, "select run_id, outcome from activation.sync_log")) == {
        (make_run(2).run_id, "unknown"),
        (make_run(3).run_id, "acked"),
    }


def test_a_crm_that_answers_is_not_waited_for(con: duckdb.DuckDBPyConnection) -> None:
    crm, slept = FakeCrm(), []
    desire(con, {k: {"tier": "mid"} for k in "abcdefgh"})
    crm.faults = ["refuse"]
    sync(con, make_run(), make_target(), crm, sleep=slept.append)
    assert slept == []
    desire(con, {k: {"tier": "low"} for k in "abc"})
    crm.faults = ["after"]  # it has arrived: one wait, and nothing is sent again
    sync(con, make_run(2), make_target(), crm, sleep=slept.append)
    assert len(slept) == 1
    assert [keys for operation, keys in crm.calls if operation == "upsert"][-1] == (
        "a", "b", "c",
    )  # fmt: skip


def test_a_record_is_settled_by_what_the_crm_holds_not_by_what_was_meant(
    con: duckdb.DuckDBPyConnection,
) -> None:
    """The send arrived unheard, and the desired value went back to the old one."""
    crm, target = FakeCrm(), make_target(retry={"max_attempts": 1})
    desire(con, {"a": {"tier": "mid"}})
    run_sync(con, crm, target=target)
    desire(con, {"a": {"tier": "low"}})
    crm.faults = ["after"]
    with pytest.raises(SyncInterruptedError):
        run_sync(con, crm, 2, target)
    assert crm.owned("a") == {"tier": "low"}
    desire(con, {"a": {"tier": "mid"}})
    assert run_sync(con, crm, 3, target).updated == 1
    assert crm.owned("a") == {"tier": "mid"}


def test_what_is_read_back_corrects_the_ledger(con: duckdb.DuckDBPyConnection) -> None:
    crm = FakeCrm()
    desire(con, {k: {"tier": "mid"} for k in "ab"})
    run_sync(con, crm)
    crm.records["a"]["tier"] = "edited by hand"
    drifted = run_sync(con, crm, day=2)
    assert (drifted.mismatched, drifted.updated) == (1, 0)
    assert "changed by somebody else" in drifted.warnings[0]
    healed = run_sync(con, crm, day=3)
    assert (healed.mismatched, healed.updated) == (0, 1)
    assert crm.owned("a") == {"tier": "mid"}

    class Liar(FakeCrm):
        def _apply(self, operation: str, key: str, fields: dict[str, str]) -> None:
            super()._apply(operation, key, {**fields, "tier": "something else"})

    liar = Liar()
    liar.records = crm.records
    desire(con, {"a": {"tier": "mid"}, "b": {"tier": "low"}})
    with pytest.raises(ReadBackError, match="1 of up to 50 records"):
        run_sync(con, liar, day=4)
    assert rows(
        con,
        "select record_key, operation, reason from activation.sync_log"
        " where outcome = 'mismatch' order by run_id",
    ) == [("a", "read_back", "differs in tier"), ("b", "read_back", "differs in tier")]
    warned = make_target(read_back={"on_mismatch": "warn"})
    assert run_sync(con, liar, 5, warned).mismatched == 1


@pytest.mark.parametrize(
    ("desired", "message"),
    [
        ({"a": {"phone": "x"}}, "set phone in target crm, which are not ours"),
        ({"a": {"tier": ["x"]}}, "field tier holds a list"),
    ],
)
def test_desired_rows_that_make_no_sense_stop_the_sync(
    con: duckdb.DuckDBPyConnection, desired: Desired, message: str
) -> None:
    crm = FakeCrm()
    desire(con, desired)
    with pytest.raises(DesiredStateError, match=message):
        run_sync(con, crm)
    con.execute("insert into activation.desired from activation.desired")
    with pytest.raises(DesiredStateError, match="1 rows too many"):
        run_sync(con, crm)
    assert crm.calls == []


def test_values_are_sent_as_the_warehouse_spells_them(
    con: duckdb.DuckDBPyConnection,
) -> None:
    crm = FakeCrm()
    desire(con, {"a": {"tier": True, "reason_1": "折扣"}})
    con.execute(
        "update activation.desired set"
        """ fields = '{"tier": true, "reason_1": "折扣", "value_rank": 0.50}'"""
    )
    run_sync(con, crm)
    assert crm.owned("a") == {"tier": "true", "reason_1": "折扣", "value_rank": "0.50"}


def test_every_send_has_a_key_of_its_own(con: duckdb.DuckDBPyConnection) -> None:
    """A CRM that drops known keys must not drop the way back to an old value."""
    crm = FakeCrm()
    for day, tier in enumerate(["mid", "low", "mid", "low"]):
        desire(con, {"a": {"tier": tier}})
        run_sync(con, crm, day)
    assert len(crm.keys) == 4


def test_progress_is_told_from_nothing_to_all(con: duckdb.DuckDBPyConnection) -> None:
    desire(con, {k: {"tier": "mid"} for k in "abcd"})
    told: list[str] = []
    run_sync(con, FakeCrm(), progress=told.append)
    assert told == [f"crm: {done} of 4 records" for done in (0, 3, 4)]


def test_a_foreign_message_is_kept_without_contact_values() -> None:
    said = (
        "Key (phone)=(+86 138 0013 8000), mail li.na@example.com\n"
        "at postgresql://strata:hunter2@db/crm " + "x" * 500
    )
    kept = redacted(said)
    assert kept.startswith(
        "Key (phone)=(<number>), mail <address> at postgresql://<secret>@db/crm x"
    )
    assert len(kept) == 200
