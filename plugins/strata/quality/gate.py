"""The gate of a stage: this run's build is checked before it is published.

The caller holds the lease, builds, runs the gate, records what it found, and goes on
or stops::

    outcome = run_gate("staging", run, database, expectations)
    record(con, outcome)
    outcome.raise_if_stopped()
"""

import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from strata import clock
from strata.config.suites import Rule, Suite, read_suites
from strata.quality.baseline import row_count_bounds
from strata.quality.outcome import (
    Aside,
    GateOutcome,
    GateResult,
    Verdict,
    document_file,
    write_json,
    write_results,
)
from strata.quality.rules import Call, Failing, call, failing_rows, quoted
from strata.run import Run
from strata.warehouse import fingerprint as content_fingerprint

if TYPE_CHECKING:
    from strata.quality.validation import Finding, Validator

Fingerprint = Callable[[duckdb.DuckDBPyConnection, str, str], tuple[int, str]]

SAMPLE = 20
_VERDICTS: Mapping[str, Verdict] = {
    "fail": "failed",
    "warn": "warned",
    "quarantine": "quarantined",
}


def run_gate(
    stage: str,
    run: Run,
    database: Path,
    expectations: Path,
    *,
    schema_prefix: str = "build_",
    tables: Sequence[str] | None = None,
    excused: Sequence[str] = (),
    fingerprint: Fingerprint = content_fingerprint,
) -> GateOutcome:
    """Check the build of ``stage`` by the suites in ``expectations/<stage>``.

    ``tables`` (``schema.table`` as published) restricts it to some suites. Rows of the
    ``excused`` loads do not count towards the limit of quarantine. Nothing is written to the database; results go to ``<report_dir>/gates/``. Raises
    ``ConfigError`` for a suite that cannot be read, ``ValueError`` for a table in
    ``tables`` that has none. Failed expectations do not raise here.
    """
    suites = _wanted(read_suites(expectations, stage), stage, tables)
    if not suites:
        return _finished(GateOutcome(stage, run, ()), [])
    # Imported here, since it imports Great Expectations.
    from strata.quality.validation import Validator

    with duckdb.connect(str(database)) as con:
        validator = Validator(database, suites, schema_prefix)
        gate = _Gate(stage, run, con, schema_prefix, fingerprint, validator, excused)
        checked = [gate.check(suite) for suite in suites]
    outcome = GateOutcome(
        stage,
        run,
        tuple(result for part in checked for result in part.results),
        tuple(part.aside for part in checked if part.aside),
    )
    return _finished(outcome, [part.document for part in checked if part.document])


def _finished(
    outcome: GateOutcome, documents: Sequence[Mapping[str, Any]]
) -> GateOutcome:
    write_results(outcome)
    write_json(document_file(outcome.run, outcome.stage), documents)
    return outcome


def _wanted(
    suites: Sequence[Suite], stage: str, tables: Sequence[str] | None
) -> list[Suite]:
    if tables is None:
        return list(suites)
    unknown = set(tables) - {suite.table for suite in suites}
    if unknown:
        raise ValueError(f"stage {stage} has no suite for {sorted(unknown)}")
    return [suite for suite in suites if suite.table in tables]


@dataclass(frozen=True)
class _Judged:
    """A finding with its verdict. ``condition``: the SQL of its failing rows."""

    verdict: Verdict
    observed: str
    unexpected: int | None = None
    keys: str | None = None
    condition: str | None = None


@dataclass(frozen=True)
class _Checked:
    results: tuple[GateResult, ...]
    document: Mapping[str, Any] | None = None
    aside: Aside | None = None


@dataclass(frozen=True)
class _Table:
    """The table under check, as it was found."""

    suite: Suite
    relation: str
    rows: int | None
    fingerprint: str | None
    started_at: datetime


class _Gate:
    """The checks of one gate over one connection."""

    def __init__(
        self,
        stage: str,
        run: Run,
        con: duckdb.DuckDBPyConnection,
        prefix: str,
        fingerprint: Fingerprint,
        validator: "Validator",
        excused: Sequence[str],
    ) -> None:
        self.stage, self.run, self.con, self.prefix = stage, run, con, prefix
        self.excused = list(excused)
        self.fingerprint, self.validator = fingerprint, validator
        self.columns = _columns_by_table(con)

    def check(self, suite: Suite) -> _Checked:
        """One table by its suite. What raises makes it errored, never the gate fail."""
        published, name = suite.table.split(".")
        schema = f"{self.prefix}{published}"
        unchecked = _Table(
            suite, _relation(schema, name), None, None, clock.now_naive()
        )
        columns = self.columns.get((schema, name))
        if columns is None:
            return self._unusable(unchecked, "the table was not built")
        if missing := [c for c in suite.key if c not in columns]:
            return self._unusable(unchecked, f"the key {missing[0]!r} is no column")
        try:
            rows, digest = self.fingerprint(self.con, schema, name)
            return self._checked(replace(unchecked, rows=rows, fingerprint=digest))
        except Exception as error:
            return self._unusable(unchecked, f"the check raised {_named(error)}")

    def _checked(self, table: _Table) -> _Checked:
        suite, rows = table.suite, table.rows or 0
        thresholds, calls = self._questions(table)
        validated = self.validator.validate(suite, calls, rows)
        judged = [
            self._judge(table, rule, found)
            for rule, found in zip(suite.expectations, validated.findings, strict=True)
        ]
        judged, aside = self._quarantine(table, judged)
        results = self._results(table, judged, thresholds)
        return _Checked(results, validated.document, aside)

    def _unusable(self, table: _Table, reason: str) -> _Checked:
        rules = table.suite.expectations
        thresholds = [_threshold(rule) for rule in rules]
        judged = [_Judged("errored", reason) for _ in rules]
        return _Checked(self._results(table, judged, thresholds))

    def _resolve(self, schema: str, table: str) -> str:
        """A published name as this run's build of it, else as what is published."""
        built = (f"{self.prefix}{schema}", table)
        return _relation(*built) if built in self.columns else _relation(schema, table)

    def _questions(self, table: _Table) -> tuple[list[str], list[Call]]:
        """What each rule allows, in words, and how Great Expectations is asked."""
        thresholds, calls = [], []
        for rule in table.suite.expectations:
            if rule.expectation == "row_count_like_before":
                bounds = row_count_bounds(
                    self.con, self.run, self.stage, table.suite.table, rule.args
                )
                thresholds.append(bounds.told)
                limits = {"min_value": bounds.low, "max_value": bounds.high}
                calls.append(Call("expect_table_row_count_to_be_between", limits))
            else:
                thresholds.append(_threshold(rule))
                calls.append(call(rule, self._resolve))
        return thresholds, calls

    def _judge(self, table: _Table, rule: Rule, found: "Finding") -> _Judged:
        if found.error is not None:
            return _Judged("errored", found.error)
        verdict = "passed" if found.is_met else _VERDICTS[rule.severity]
        if found.unexpected is None:
            return _Judged(verdict, found.told)
        count = found.unexpected
        of = rule.args["table"] if rule.expectation == "covers" else table.rows
        observed = f"{count} of {of} rows" if of == table.rows else f"{count} of {of}"
        if count == 0:
            return _Judged(verdict, observed, 0)
        failing = failing_rows(rule, table.relation, self._resolve)
        assert failing is not None
        seen, keys = self._keys(failing, failing.key or table.suite.key)
        if seen != count:
            told = f"{count} rows were counted to fail, {seen} found by key"
            return _Judged("errored", told, count)
        return _Judged(verdict, observed, count, keys, failing.condition)

    def _keys(self, failing: Failing, key: Sequence[str]) -> tuple[int, str]:
        """How many rows fail, and the keys of the first of them."""
        listed = ", ".join(f"t.{quoted(name)}" for name in key)
        rows = self.con.execute(
            f"select {listed}, count(*) over () from {failing.relation} as t"
            f" where {failing.condition} order by all limit {SAMPLE}"
        ).fetchall()
        keys = [dict(zip(key, row, strict=False)) for row in rows]
        text = json.dumps(keys, ensure_ascii=False, default=str)
        return int(rows[0][-1]) if rows else 0, text

    def _quarantine(
        self, table: _Table, judged: list[_Judged]
    ) -> tuple[list[_Judged], Aside | None]:
        """Set the failing rows aside, unless they are too many to go on without."""
        suite = table.suite
        conditions = {
            rule.label: str(one.condition)
            for rule, one in zip(suite.expectations, judged, strict=True)
            if one.verdict == "quarantined"
        }
        if not conditions:
            return judged, None
        any_of = " or ".join(f"({c})" for c in conditions.values())
        row = self.con.execute(
            "select count(*), count(*) filter (not list_contains(?, t._load_id))"
            f" from {table.relation} as t where {any_of}",
            [self.excused],
        ).fetchone()
        rows, counting = (int(row[0]), int(row[1])) if row else (0, 0)
        allowed = suite.quarantine_limit * (table.rows or 0)
        if counting > max(allowed, suite.quarantine_allowance):
            told = f"; {counting} rows in all are over the quarantine limit"
            return [
                replace(one, verdict="failed", observed=one.observed + told)
                if one.verdict == "quarantined"
                else one
                for one in judged
            ], None
        system, _, entity = suite.table.split(".")[1].partition("__")
        return judged, Aside(system, entity, table.relation, conditions, rows)

    def _results(
        self, table: _Table, judged: Sequence[_Judged], thresholds: Sequence[str]
    ) -> tuple[GateResult, ...]:
        suite, version, ended_at = table.suite, table.suite.version, clock.now_naive()
        return tuple(
            GateResult(
                run_id=self.run.run_id,
                ds=self.run.ds,
                stage=self.stage,
                table_name=suite.table,
                suite_version=version,
                expectation=rule.label,
                kind=rule.expectation,
                column_name=rule.column,
                severity=rule.severity,
                verdict=one.verdict,
                observed=one.observed,
                threshold=threshold,
                unexpected_count=one.unexpected,
                checked_rows=table.rows,
                sample_keys=one.keys,
                owner=rule.owner or suite.owner,
                why=rule.why,
                fingerprint=table.fingerprint,
                _started_at=table.started_at,
                _ended_at=ended_at,
            )
            for rule, one, threshold in zip(
                suite.expectations, judged, thresholds, strict=True
            )
        )


def _named(error: Exception) -> str:
    """What was raised and where; its text is left out, since it may quote a row."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} ({Path(last.filename).name}, line {last.lineno})"


def _threshold(rule: Rule) -> str:
    """What a rule allows, in words."""
    if rule.kind.is_rowwise:
        mostly = float(rule.args.get("mostly", 1))
        return "no row" if mostly == 1 else f"at most {1 - mostly:.4g} of the rows"
    return ", ".join(f"{k} {v}" for k, v in sorted(rule.args.items())) or "as named"


def _relation(schema: str, table: str) -> str:
    return f"{quoted(schema)}.{quoted(table)}"


def _columns_by_table(
    con: duckdb.DuckDBPyConnection,
) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for schema, table, column in con.execute(
        "select schema_name, table_name, column_name from duckdb_columns()"
        " where not internal and database_name = current_database()"
    ).fetchall():
        found.setdefault((schema, table), set()).add(column)
    return found
