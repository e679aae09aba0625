"""How many rows a table usually has, by its own gate results."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from strata.run import Run

_RUNS = 28
_KIND = "row_count_like_before"


@dataclass(frozen=True)
class Bounds:
    """Bounds on a row count, both inclusive; open where too little is known."""

    low: int
    high: int | None
    told: str


def row_count_bounds(
    con: duckdb.DuckDBPyConnection,
    run: Run,
    stage: str,
    table: str,
    args: Mapping[str, Any],
) -> Bounds:
    """What this run may bring, by the median of up to 28 earlier days.

    ``args``: ``min_ratio`` (0.3), ``max_ratio`` (3) of the median, ``at_least_runs``
    (7) before anything is bounded. Three standard deviations of a Poisson count are
    allowed beyond that, or a table of five rows a day would alarm by chance. Days
    that alarmed are no part of the baseline.
    """
    low, high = float(args.get("min_ratio", 0.3)), float(args.get("max_ratio", 3))
    needed = int(args.get("at_least_runs", 7))
    known = _earlier_counts(con, run, stage, table)
    if len(known) < needed:
        told = f"none yet: {len(known)} of {needed} earlier days known"
        return Bounds(0, None, told)
    median = sorted(known)[len(known) // 2]
    slack = 3 * math.sqrt(median) + 3
    lowest = max(0, math.floor(low * median - slack))
    highest = math.ceil(high * median + slack)
    return Bounds(
        lowest,
        highest,
        f"{lowest} to {highest} rows (median of {len(known)} days: {median})",
    )


def _earlier_counts(
    con: duckdb.DuckDBPyConnection, run: Run, stage: str, table: str
) -> list[int]:
    there = con.execute(
        "select 1 from duckdb_tables()"
        " where schema_name = 'audit' and table_name = 'gate_results'"
    ).fetchone()
    if there is None:
        return []
    rows = con.execute(
        "select checked_rows from audit.gate_results"
        " where stage = ? and table_name = ? and kind = ? and verdict = 'passed'"
        " and ds < ?"
        " qualify row_number() over (partition by ds order by _ended_at desc) = 1"
        " order by ds desc limit ?",
        [stage, table, _KIND, run.ds, _RUNS],
    ).fetchall()
    return [int(row[0]) for row in rows]
