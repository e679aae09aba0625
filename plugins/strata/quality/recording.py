"""What a gate found, written where it lasts: the audit, and the quarantine."""

from dataclasses import asdict
from typing import Literal

import duckdb

from strata import clock
from strata.quality.outcome import GateOutcome, GateResult, Verdict, write_results
from strata.quality.quarantine import set_aside
from strata.run import Run


def record(con: duckdb.DuckDBPyConnection, outcome: GateOutcome) -> None:
    """Append the results to ``audit.gate_results`` and set bad raw rows aside.

    One transaction; the JSON file of the gate is written anew. Call it before the build is dropped, since source rows are copied
    from there. Doing it again for the same attempt and stage replaces what that
    attempt wrote, and nothing else.
    """
    con.begin()
    try:
        con.execute(
            "delete from audit.gate_results where run_id = ? and stage = ?",
            [outcome.run.run_id, outcome.stage],
        )
        _append(con, outcome)
        if outcome.stage == "ingest":
            con.execute(
                "delete from quarantine.rows where run_id = ? and status = 'held'",
                [outcome.run.run_id],
            )
        if not outcome.stops:
            for part in outcome.aside:
                set_aside(con, outcome.run, part)
        con.commit()
    except BaseException:
        con.rollback()
        raise
    write_results(outcome)


def law_result(
    run: Run,
    stage: str,
    table: str,
    *,
    holds: bool,
    observed: str,
    why: str,
    unexpected: int,
    checked: int,
    severity: Literal["fail", "warn"] = "fail",
) -> GateResult:
    """A result of a law that the pipeline checks itself, outside any suite.

    ``observed`` says what was found, ``why`` states the law; neither holds a value of
    a row. ``unexpected`` of ``checked`` rows or files break it.
    """
    broken: Verdict = "failed" if severity == "fail" else "warned"
    now = clock.now_naive()
    return GateResult(
        run_id=run.run_id,
        ds=run.ds,
        stage=stage,
        table_name=table,
        suite_version="law",
        expectation=why,
        kind="law",
        column_name=None,
        severity=severity,
        verdict="passed" if holds else broken,
        observed=observed,
        threshold="it holds",
        unexpected_count=unexpected,
        checked_rows=checked,
        sample_keys=None,
        owner="data engineering",
        why=why,
        fingerprint=None,
        _started_at=now,
        _ended_at=now,
    )


def _append(con: duckdb.DuckDBPyConnection, outcome: GateOutcome) -> None:
    if not outcome.results:
        return
    rows = [asdict(result) for result in outcome.results]
    one = f"({', '.join('?' * len(rows[0]))})"
    con.execute(
        f"insert into audit.gate_results ({', '.join(rows[0])})"
        f" values {', '.join([one] * len(rows))}",
        [value for row in rows for value in row.values()],
    )
