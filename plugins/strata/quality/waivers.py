"""Waivers: a person lets a failing rule warn, up to a day, with name and reason."""

import difflib
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb

from strata import clock
from strata.config.suites import read_suites
from strata.quality.outcome import GateOutcome, GateResult


def waive(
    con: duckdb.DuckDBPyConnection,
    expectations: Path,
    stages: Sequence[str],
    table: str,
    expectation: str,
    *,
    until: date,
    by: str,
    reason: str,
) -> str:
    """Record a waiver of one rule for data of days up to ``until``; its id.

    The newest waiver of a rule decides: one that ends earlier takes the last one back.
    Raises ``ValueError`` where name or reason is missing, ``LookupError`` where no
    suite of ``stages`` has such a rule with severity ``fail``: what the pipeline
    itself guarantees, and a check that broke, cannot be waived.
    """
    if not by.strip() or not reason.strip():
        raise ValueError("a waiver needs the name of who decides it, and a reason")
    stage = _stage_of(expectations, stages, table, expectation)
    row = con.execute("select 'w' || (count(*) + 1) from audit.waivers").fetchone()
    assert row is not None
    con.execute(
        "insert into audit.waivers (waiver_id, stage, table_name, expectation, reason,"
        " granted_by, valid_until, _granted_at) values (?, ?, ?, ?, ?, ?, ?, ?)",
        [row[0], stage, table, expectation, reason, by, until, clock.now_naive()],
    )
    return str(row[0])


def under_waivers(con: duckdb.DuckDBPyConnection, outcome: GateOutcome) -> GateOutcome:
    """The outcome, where a rule that failed under a waiver in force only warns."""
    rows = con.execute(
        "select table_name, expectation, waiver_id, valid_until, reason"
        " from audit.waivers where stage = ? qualify row_number() over ("
        " partition by table_name, expectation order by _granted_at desc, waiver_id"
        " desc) = 1 and valid_until >= ?",
        [outcome.stage, outcome.run.ds],
    ).fetchall()
    if not rows:
        return outcome
    found = {(table, rule): tuple(rest) for table, rule, *rest in rows}

    def judged(result: GateResult) -> GateResult:
        waiver = found.get((result.table_name, result.expectation))
        is_waivable = result.verdict == "failed" and result.severity == "fail"
        if waiver is None or not is_waivable or result.kind == "law":
            return result
        waiver_id, until, reason = waiver
        # Who decided it stays in audit.waivers: results are published.
        told = f"{result.observed}; waived until {until} ({waiver_id}): {reason}"
        return replace(result, verdict="warned", observed=told, waiver_id=waiver_id)

    return replace(outcome, results=tuple(judged(r) for r in outcome.results))


def _stage_of(
    expectations: Path, stages: Sequence[str], table: str, expectation: str
) -> str:
    suites = {
        s.table: (stage, s)
        for stage in stages
        for s in read_suites(expectations, stage)
    }
    if table not in suites:
        raise LookupError(f"no suite checks {table!r}{_near(table, list(suites))}")
    stage, suite = suites[table]
    labels = [rule.label for rule in suite.expectations if rule.severity == "fail"]
    if expectation not in labels:
        raise LookupError(
            f"{table} has no rule {expectation!r} that stops a run"
            f"{_near(expectation, labels)}"
        )
    return stage


def _near(given: str, known: Sequence[str]) -> str:
    listed = difflib.get_close_matches(given, known, n=3, cutoff=0.3) or sorted(known)
    return f"; there is: {', '.join(repr(name) for name in listed)}" if listed else ""
