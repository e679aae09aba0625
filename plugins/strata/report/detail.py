"""What the page shows beyond the summary: people, checks, the CRM, gaps, history."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from strata.quality.outcome import open_keys
from strata.report.people import HISTORY_DAYS, People, read_people
from strata.report.reading import Reader, Row
from strata.report.summarising import feature_nulls, score_nulls
from strata.report.summary import VERDICTS, RunSummary, in_order
from strata.report.wording import masked, number
from strata.warehouse.tables import STAGES

if TYPE_CHECKING:
    from strata.identity.impact import Impact

_WORST_FIRST = ("errored", "failed", "quarantined", "warned", "passed")


@dataclass(frozen=True)
class Check:
    """One expectation as the gate found it. ``sample_keys`` are open keys."""

    stage: str
    table: str
    expectation: str
    column: str | None
    severity: str
    verdict: str
    observed: str | None
    threshold: str | None
    unexpected: int | None
    checked: int | None
    sample_keys: tuple[str, ...]
    owner: str | None
    why: str | None
    suite_version: str | None

    @property
    def rows_at_fault(self) -> str | None:
        """``33 of 317,510 rows``; None where the check does not count rows."""
        if self.unexpected is None:
            return None
        of_all = "" if self.checked is None else f" of {number(self.checked)}"
        return f"{number(self.unexpected)}{of_all} rows"

    @property
    def found(self) -> str | None:
        """What was observed, unless it only says again how many rows are at fault."""
        if self.observed is None or self.observed == "":
            return None
        again = (self.rows_at_fault or "").replace(",", "")
        return None if self.observed == again else self.observed


@dataclass(frozen=True)
class Target:
    """The way out to one CRM. All are records of it.

    ``unanswered``: sent by this run, and nobody knows what became of them.
    ``mismatched``: read back by this run and not as they ought to be. ``refusals`` by
    reason. ``to_retry`` are dead letters that the next run tries again, ``waiting``
    those that wait for a person. ``acknowledged`` is what the ledger holds in all.
    """

    target: str
    counts: Mapping[str, int]
    acknowledged: int
    unanswered: int
    mismatched: int
    refusals: Mapping[str, int]
    to_retry: int
    waiting: int


@dataclass(frozen=True)
class PastRun:
    """One line of the history: wall seconds (None if it never ended) and verdicts."""

    run_id: str
    ds: date
    status: str
    seconds: float | None
    verdicts: Mapping[str, int]


@dataclass(frozen=True)
class Publication:
    """What one stage published: rows, and the fingerprint of their content."""

    stage: str
    rows: int | None
    fingerprint: str | None


@dataclass(frozen=True)
class Gaps:
    """Share of the users without a value, by feature and by score, from 0 to 1.

    ``meanings`` says what a missing value of a feature means.
    """

    features: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    meanings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Detail:
    """Everything the page reads from the warehouse beside the summary."""

    people: People
    checks: tuple[Check, ...]
    targets: tuple[Target, ...]
    gaps: Gaps
    runs: tuple[PastRun, ...]
    publications: tuple[Publication, ...]
    impact: "Impact | None" = None


def read_detail(reader: Reader, summary: RunSummary) -> Detail:
    """The page's numbers for the run of ``summary``.

    What the run did not publish stays empty: a failed run shows no tiers of an
    earlier attempt as its own.
    """
    return Detail(
        people=read_people(reader, summary),
        checks=_checks(reader, summary.run_id),
        targets=_targets(reader, summary),
        gaps=_gaps(reader, summary),
        runs=_past_runs(reader, summary),
        publications=_publications(reader, summary.run_id),
        impact=_impact(reader, summary),
    )


def _impact(reader: Reader, summary: RunSummary) -> "Impact | None":
    """What changes of identity did on the day; None where it has no tiers yet."""
    from strata.identity.impact import OF_DAY, Impact

    has_tiers = any(
        p.stage == "segments" for p in _publications(reader, summary.run_id)
    )
    if not (has_tiers and reader.has("identity.merge_impact")):
        return None
    found = reader.row(OF_DAY, [summary.ds])
    return Impact(**found) if found else None


def _checks(reader: Reader, run_id: str) -> tuple[Check, ...]:
    """Every expectation of the run, the worst first, then in the order of the flow."""
    rows = reader.rows(
        "select * from audit.gate_results where run_id = ?"
        " order by table_name, column_name nulls first, expectation",
        [run_id],
    )
    checks = [_check(row) for row in rows]
    places = in_order((check.stage for check in checks), STAGES)
    return tuple(
        sorted(
            checks,
            key=lambda c: (_WORST_FIRST.index(c.verdict), places.index(c.stage)),
        )
    )


def _check(row: Row) -> Check:
    return Check(
        stage=row["stage"],
        table=row["table_name"],
        expectation=row["expectation"],
        column=row["column_name"],
        severity=row["severity"],
        verdict=row["verdict"] if row["verdict"] in VERDICTS else "errored",
        observed=_text(row["observed"]),
        threshold=_text(row["threshold"]),
        unexpected=row["unexpected_count"],
        checked=row["checked_rows"],
        sample_keys=_keys(open_keys(row["sample_keys"])),
        owner=row["owner"],
        why=row["why"],
        suite_version=row["suite_version"],
    )


def _text(value: object) -> str | None:
    return None if value is None else masked(str(value))


def _keys(text: str | None) -> tuple[str, ...]:
    """Row keys from their JSON; a compound key becomes ``order_id=7, line_no=2``."""
    if not text:
        return ()
    try:
        keys = json.loads(text)
    except ValueError:
        return (text,)
    if not isinstance(keys, list):
        keys = [keys]
    return tuple(
        ", ".join(f"{name}={value}" for name, value in key.items())
        if isinstance(key, dict)
        else str(key)
        for key in keys
    )


def _targets(reader: Reader, summary: RunSummary) -> tuple[Target, ...]:
    answers = _answers(reader, summary.run_id)
    acknowledged = _by_target(reader, "activation.sync_ledger", "true")
    dead = "activation.dead_letters"
    to_retry = _by_target(reader, dead, "status in ('retry', 'replay')")
    waiting = _by_target(reader, dead, "status = 'dead'")
    return tuple(
        Target(
            target=name,
            counts=summary.sync.get(name, {}),
            acknowledged=acknowledged.get(name, 0),
            unanswered=_records(answers, name, "intent", "unknown"),
            mismatched=_records(answers, name, "mismatch"),
            refusals={
                masked(row["reason"]) or "no reason given": row["records"]
                for row in answers
                if row["target"] == name and row["outcome"] == "refused"
            },
            to_retry=to_retry.get(name, 0),
            waiting=waiting.get(name, 0),
        )
        for name in sorted({*summary.sync, *(row["target"] for row in answers)})
    )


def _by_target(reader: Reader, table: str, condition: str) -> dict[str, int]:
    if not reader.has(table):
        return {}
    rows = reader.rows(
        f"select target, count(*) as n from {table} where {condition} group by target"
    )
    return {row["target"]: row["n"] for row in rows}


def _answers(reader: Reader, run_id: str) -> list[Row]:
    """The run's records by the last answer to a send, and by what was read back."""
    if not reader.has("activation.sync_log"):
        return []
    return reader.rows(
        "with last_words as ("
        " select target, outcome, reason from activation.sync_log where run_id = ?"
        " qualify row_number() over ("
        " partition by target, record_key, operation = 'read_back'"
        " order by attempt desc, _logged_at desc) = 1)"
        " select target, outcome, reason, count(*) as records from last_words"
        " group by all order by records desc, target, outcome, reason",
        [run_id],
    )


def _records(answers: list[Row], target: str, *outcomes: str) -> int:
    return sum(
        row["records"]
        for row in answers
        if row["target"] == target and row["outcome"] in outcomes
    )


def _gaps(reader: Reader, summary: RunSummary) -> Gaps:
    if not reader.has("features.feat_users"):
        return Gaps()
    features = feature_nulls(reader, summary.run_id, summary.ds)
    meanings: dict[str, str] = {}
    if reader.has("features.catalog"):
        rows = reader.rows("select name as feature, null_meaning from features.catalog")
        meanings = {row["feature"]: row["null_meaning"] for row in rows}
    return Gaps(
        features=dict(sorted(features.items(), key=lambda gap: (-gap[1], gap[0]))),
        scores=score_nulls(reader, summary.run_id, summary.ds, summary.coverage.users),
        meanings=meanings,
    )


def _past_runs(reader: Reader, summary: RunSummary) -> tuple[PastRun, ...]:
    """This run and the ones before it, the newest first."""
    rows = reader.rows(
        "select run_id, ds, status, epoch(_ended_at - _started_at) as seconds"
        " from audit.runs where _started_at <= ?"
        " order by _started_at desc, run_id desc limit ?",
        [summary.started_at, HISTORY_DAYS],
    )
    found = reader.rows(
        "select run_id, verdict, count(*) as n from audit.gate_results"
        " where list_contains(?, run_id) group by all",
        [[row["run_id"] for row in rows]],
    )
    verdicts: dict[str, dict[str, int]] = {}
    for row in found:
        verdicts.setdefault(row["run_id"], {})[row["verdict"]] = row["n"]
    return tuple(
        PastRun(
            row["run_id"],
            row["ds"],
            row["status"],
            row["seconds"],
            verdicts.get(row["run_id"], {}),
        )
        for row in rows
    )


def _publications(reader: Reader, run_id: str) -> tuple[Publication, ...]:
    rows = reader.rows(
        "select stage, rows, fingerprint from audit.publications"
        " where run_id = ? qualify ds = max(ds) over (partition by stage)",
        [run_id],
    )
    places = in_order((row["stage"] for row in rows), STAGES)
    found = (Publication(r["stage"], r["rows"], r["fingerprint"]) for r in rows)
    return tuple(sorted(found, key=lambda p: places.index(p.stage)))
