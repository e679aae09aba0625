"""Reading the numbers of a run from its audit tables and from what it published."""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from strata.config.tiers import TIERS
from strata.report.reading import Reader, Row
from strata.report.summary import (
    OPERATIONS,
    VERDICTS,
    Coverage,
    GateCounts,
    LateRows,
    RunSummary,
    StageSummary,
    StaleDay,
    TableRows,
    Warned,
    in_order,
)
from strata.report.wording import masked
from strata.warehouse.tables import STAGES

PATHS = {
    "report": "report.html",
    "data_docs": "data_docs/index.html",
    "serving": "serving/strata.duckdb",
    "crm": "crm/crm.db",
}


def summarise(
    con: duckdb.DuckDBPyConnection,
    run_id: str | None = None,
    ds: date | None = None,
    home: Path | None = None,
) -> RunSummary:
    """The run ``run_id``, else the last attempt at ``ds``, else the last run of all.

    ``home`` is the world's folder; by default it is told from where the warehouse
    file lies. Reads only. Raises ``LookupError`` where no such run is recorded.
    """
    reader = Reader(con)
    record = _record(reader, run_id, ds)
    run_id, ds = record["run_id"], record["ds"]
    tables = _tables(reader, run_id)
    tiers = _tiers(reader, run_id, ds)
    return RunSummary(
        ds=ds,
        world=record["world"],
        run_id=run_id,
        status=record["status"],
        stages=_stages(reader, record, tables),
        tiers=tiers,
        sync=_sync(record),
        paths=_paths(record, home or reader.home()),
        fixed_seconds=record.get("fixed_seconds"),
        peak_mb=record.get("peak_mb"),
        failed_stage=record["failed_stage"],
        error=masked(record["error"]),
        started_at=record["_started_at"],
        ended_at=record["_ended_at"],
        is_newest=bool(record["is_newest"]),
        reason=masked(record.get("reason")),
        previous_run_id=record["previous_run_id"],
        manifest_hash=record["manifest_hash"],
        config_hash=record["config_hash"],
        code_version=record["code_version"],
        coverage=_coverage(reader, run_id, ds, sum(tiers.values())),
        tables=tables,
        published=_published(reader, run_id),
        warned=_warned(reader, run_id),
        previous_ds=_previous_ds(reader, ds) if tiers else None,
        stale_days=_stale_days(reader),
        late_rows=_late_rows(reader, run_id),
    )


def _record(reader: Reader, run_id: str | None, ds: date | None) -> Row:
    record = reader.row(
        "select * from audit.runs"
        " where run_id = coalesce(?, run_id) and ds = coalesce(?, ds)"
        " order by _started_at desc, run_id desc limit 1",
        [run_id, ds],
    )
    if record is None:
        wanted = run_id or (f"for {ds}" if ds else "at all")
        raise LookupError(f"no run {wanted} is recorded in audit.runs")
    return record


def _tables(reader: Reader, run_id: str) -> tuple[TableRows, ...]:
    rows = reader.rows(
        "select stage, table_name, rows_in, rows_out,"
        " coalesce(deduplicated, 0) as deduplicated,"
        " coalesce(quarantined, 0) as quarantined"
        " from audit.stage_counts where run_id = ? order by table_name",
        [run_id],
    )
    stages = in_order((row["stage"] for row in rows), STAGES)
    tables = (
        TableRows(
            row["stage"],
            row["table_name"],
            row["rows_in"],
            row["rows_out"],
            row["deduplicated"],
            row["quarantined"],
        )
        for row in rows
    )
    return tuple(sorted(tables, key=lambda t: (stages.index(t.stage), t.table)))


def _gates(reader: Reader, run_id: str) -> dict[str, GateCounts]:
    rows = reader.rows(
        "select stage, verdict, count(*) as n from audit.gate_results"
        " where run_id = ? group by all",
        [run_id],
    )
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        verdict = row["verdict"] if row["verdict"] in VERDICTS else "errored"
        stage = counts.setdefault(row["stage"], {})
        stage[verdict] = stage.get(verdict, 0) + row["n"]
    return {stage: GateCounts(**found) for stage, found in counts.items()}


def _warned(reader: Reader, run_id: str) -> tuple[Warned, ...]:
    rows = reader.rows(
        "select stage, table_name, expectation, verdict, observed"
        " from audit.gate_results where run_id = ?"
        " and verdict in ('warned', 'quarantined')"
        " order by verdict desc, table_name, expectation, observed",
        [run_id],
    )
    stages = in_order((row["stage"] for row in rows), STAGES)
    found = (
        Warned(
            row["stage"],
            row["table_name"],
            row["expectation"],
            row["verdict"],
            masked(row["observed"]) or "",
        )
        for row in rows
    )
    return tuple(sorted(found, key=lambda one: stages.index(one.stage)))


def _stages(
    reader: Reader, record: Row, tables: tuple[TableRows, ...]
) -> dict[str, StageSummary]:
    seconds = _stored(record, "stage_seconds")
    gates = _gates(reader, record["run_id"])
    names = {*seconds, *gates, *(table.stage for table in tables)}
    return {
        name: _stage(
            seconds.get(name),
            [table for table in tables if table.stage == name],
            gates.get(name, GateCounts()),
        )
        for name in in_order(names, STAGES)
    }


def _stage(
    seconds: float | None, tables: list[TableRows], gate: GateCounts
) -> StageSummary:
    def total(counts: Iterable[int | None]) -> int | None:
        known = [count for count in counts if count is not None]
        return sum(known) if known else None

    return StageSummary(
        seconds=seconds,
        rows_in=total(table.rows_in for table in tables),
        rows_out=total(table.rows_out for table in tables),
        deduplicated=sum(table.deduplicated for table in tables),
        quarantined=sum(table.quarantined for table in tables),
        gate=gate,
    )


def _tiers(reader: Reader, run_id: str, ds: date) -> dict[str, int]:
    if not reader.has("segments.user_tiers"):
        return {}
    rows = reader.rows(
        "select tier, count(*) as users from segments.user_tiers"
        " where ds = ? and _run_id = ? group by tier",
        [ds, run_id],
    )
    users = {row["tier"]: int(row["users"]) for row in rows}
    if not users:
        return {}
    return {tier: users.get(tier, 0) for tier in in_order({*TIERS, *users}, TIERS)}


def _previous_ds(reader: Reader, ds: date) -> date | None:
    found = reader.row(
        "select max(ds) as ds from segments.user_tiers where ds < ?", [ds]
    )
    return found["ds"] if found else None


def _stale_days(reader: Reader) -> tuple[StaleDay, ...]:
    """All that are stale by now, whatever the run: they wait for somebody."""
    rows = reader.rows("select ds, because_of_run_id from audit.stale_days order by ds")
    return tuple(StaleDay(row["ds"], row["because_of_run_id"]) for row in rows)


def _late_rows(reader: Reader, run_id: str) -> tuple[LateRows, ...]:
    if not reader.has("audit.late_rows"):
        return ()
    rows = reader.rows(
        "select relation, happened_on, known_on, rows from audit.late_rows"
        " where run_id = ? order by happened_on, known_on, relation",
        [run_id],
    )
    return tuple(LateRows(**row) for row in rows)


def _sync(record: Row) -> dict[str, dict[str, int]]:
    return {
        target: {name: int(counts.get(name) or 0) for name in OPERATIONS}
        for target, counts in sorted(_stored(record, "sync_summary").items())
    }


def _stored(record: Row, column: str) -> Mapping[str, Any]:
    """A JSON column of the run's record; empty where the run stored none."""
    text = record.get(column)
    return json.loads(text) if text else {}


def _paths(record: Row, home: Path | None) -> dict[str, str | None]:
    """Where a person looks next; null for what this run did not leave.

    The report is named even before it is written.
    """
    found: dict[str, str | None] = dict.fromkeys(PATHS)
    found.update(_stored(record, "paths") or _default_paths(record, home))
    return {
        name: path if name == "report" or (path and Path(path).exists()) else None
        for name, path in found.items()
    }


def _default_paths(record: Row, home: Path | None) -> dict[str, str]:
    if home is None:
        return {}
    report = home / "reports" / record["ds"].isoformat() / record["run_id"]
    folders = {"report": report, "data_docs": report, "serving": home, "crm": home}
    return {name: str(folders[name] / path) for name, path in PATHS.items()}


def _published(reader: Reader, run_id: str) -> tuple[str, ...]:
    rows = reader.rows(
        "select distinct stage from audit.publications where run_id = ?", [run_id]
    )
    return tuple(in_order((row["stage"] for row in rows), STAGES))


def _coverage(reader: Reader, run_id: str, ds: date, with_tier: int) -> Coverage:
    if not reader.has("features.feat_users"):
        return Coverage(with_tier=with_tier)
    consent = reader.row(
        "select count(*) as users,"
        " count(*) filter (consent_profiling) as given,"
        " count(*) filter (not consent_profiling) as refused"
        " from features.feat_users where ds = ? and _run_id = ?",
        [ds, run_id],
    )
    assert consent is not None  # an aggregate without groups has one row
    users = int(consent["users"])
    return Coverage(
        users=users,
        with_tier=with_tier,
        consent_given=int(consent["given"]),
        consent_refused=int(consent["refused"]),
        consent_unknown=users - int(consent["given"]) - int(consent["refused"]),
        feature_null_share=_mean_share(feature_nulls(reader, run_id, ds)),
        score_null_share=_mean_share(score_nulls(reader, run_id, ds, users)),
    )


def _mean_share(nulls: Mapping[str, float]) -> float | None:
    return sum(nulls.values()) / len(nulls) if nulls else None


def feature_nulls(reader: Reader, run_id: str, ds: date) -> dict[str, float]:
    """Share of users without a value, a feature of the run's snapshot.

    Consents are counted apart: they say whom to compute for, not what.
    """
    not_features = ("unified_user_id", "_", "consent_")
    features = [
        column
        for column in reader.columns("features.feat_users")
        if column != "ds" and not column.startswith(not_features)
    ]
    if not features:
        return {}
    shares = ", ".join(
        f'(count(*) - count("{f}")) / count(*) as "{f}"' for f in features
    )
    found = reader.row(
        f"select {shares} from features.feat_users"
        " where ds = ? and _run_id = ? having count(*) > 0",
        [ds, run_id],
    )
    return found or {}


def score_nulls(reader: Reader, run_id: str, ds: date, users: int) -> dict[str, float]:
    """Share of the run's ``users`` without a value, a score."""
    if not users or not reader.has("segments.scores"):
        return {}
    rows = reader.rows(
        "select score_name, count(value) as valued from segments.scores"
        " where ds = ? and _run_id = ? group by score_name order by score_name",
        [ds, run_id],
    )
    return {row["score_name"]: (users - row["valued"]) / users for row in rows}
