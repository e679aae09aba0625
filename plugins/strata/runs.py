"""The record of runs: one row an attempt in ``audit.runs``, failed ones kept.

One run at a time has a tenant, from its start to its end. A run in one process proves
that it lives by a lock that dies with the process. A scheduler's run has no process
that lasts; it is under way while its record says so.
"""

import contextlib
import json
import resource
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from strata import clock
from strata.run import Decision, Run
from strata.tenant import Tenant
from strata.warehouse.lease import Lease, WarehouseBusyError

_GLANCE_SECONDS = 2.0
_STEP_SECONDS = 600.0


class UnknownRunError(LookupError):
    """No attempt of that name is recorded."""


class RunInProgressError(WarehouseBusyError):
    """Another run has the tenant."""


class RunOvertakenError(RuntimeError):
    """Another run was begun after this one, which cannot go on."""


@contextlib.contextmanager
def hold(tenant: Tenant, purpose: str, *, take_over: bool = False) -> Iterator[None]:
    """Keep the tenant for runs of this process while the block runs.

    The system ends the hold with the process, however it dies: a killed run is simply
    run again. Raises ``RunInProgressError`` where another process has the tenant, and
    where a scheduler's run has not ended, unless ``take_over``: then the step in hand
    is waited for, and the next one is refused.
    """
    with _alone(tenant, purpose):
        if tenant.warehouse.path.exists():
            _end_scheduled(tenant, take_over)
        yield


def open_run(
    tenant: Tenant,
    ds: date,
    external_id: str | None = None,
    since: date | None = None,
    decision: Decision | None = None,
) -> Run:
    """Record a new attempt at ``ds``, or at the days ``since`` to ``ds``; return it.

    With a ``decision`` it restates days before the newest published one; ``ValueError``
    is raised where they are not.

    An attempt that was running when its process died is marked ``interrupted``. The
    same ``external_id`` (the scheduler's name for this run) gives the same attempt
    again, so that a retried task does not open a second one; another one takes over,
    since the scheduler starts no run before the last has ended. Raises
    ``RunInProgressError`` as :func:`hold` does.
    """
    if _lock(tenant).is_ours:
        # The scheduler lives in this process and ends with it.
        return _open(tenant, ds, None, since, decision)
    keep = hold if external_id is None else _alone
    with keep(tenant, f"start of {ds}"):
        return _open(tenant, ds, external_id, since, decision)


def take_up(tenant: Tenant, run_id: str) -> Run:
    """The attempt called ``run_id``, for a step of it to begin.

    One that had failed is under way again. Raises ``UnknownRunError``, and
    ``RunOvertakenError`` where another attempt was begun since, at any day.
    """
    with tenant.warehouse.connection("take up a run") as con:
        run = _read(con, tenant, run_id)
        row = con.execute(
            "select status, (select max(_run_id) from ops.run_dates)"
            " from audit.runs where run_id = ?",
            [run_id],
        ).fetchone()
        if row is None or row[0] == "interrupted" or row[1] != run_id:
            raise RunOvertakenError(
                f"run {run_id} cannot go on: another run of world "
                f"{tenant.world_name!r} was begun since. Run the day again: "
                "`strata run`, or trigger the DAG with the same ds"
            )
        con.execute(
            "update audit.runs set status = 'running', failed_stage = null,"
            " error = null, _ended_at = null where run_id = ? and status = 'failed'",
            [run_id],
        )
        return run


def _lock(tenant: Tenant) -> Lease:
    return Lease(tenant.home / "warehouse" / "run")


@contextlib.contextmanager
def _alone(tenant: Tenant, purpose: str) -> Iterator[None]:
    """The lock of the tenant's run, or at once an error that says who has it."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_lock(tenant).hold(purpose, wait_seconds=0))
        except WarehouseBusyError as busy:
            raise RunInProgressError(
                f"a run of world {tenant.world_name!r} is under way: {busy.owner}. "
                "Wait for it to end, or stop that process: a run that was stopped or "
                "killed is simply run again",
                busy.owner,
            ) from None
        yield


def _end_scheduled(tenant: Tenant, take_over: bool) -> None:
    """Mark a scheduler's run that has not ended as interrupted, or refuse to."""
    wait_seconds = _STEP_SECONDS if take_over else _GLANCE_SECONDS
    with tenant.warehouse.hold("look for a scheduled run", wait_seconds):
        tenant.warehouse.migrate()
        with tenant.warehouse.connection("look for a scheduled run") as con:
            row = con.execute(
                "select run_id, external_id, _started_at from audit.runs"
                " where status = 'running' and external_id is not null"
                " order by _started_at desc limit 1"
            ).fetchone()
            if row is None:
                return
            if take_over:
                _interrupt(con)
                return
    run_id, external_id, started_at = row
    owner = f"Airflow ({external_id}, since {started_at:%Y-%m-%d %H:%M:%S} UTC)"
    raise RunInProgressError(
        f"run {run_id} of world {tenant.world_name!r} is under way: {owner}. Wait for "
        "it to end. If it is dead, or is not to go on, `strata run --take-over` ends "
        "it: its next task is refused",
        owner,
    )


def _interrupt(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "update audit.runs set status = 'interrupted', _ended_at = ?"
        " where status = 'running'",
        [clock.now_naive()],
    )


def _open(
    tenant: Tenant,
    ds: date,
    external_id: str | None,
    since: date | None,
    decision: Decision | None,
) -> Run:
    tenant.warehouse.migrate()
    newest = tenant.warehouse.newest_published()
    first = since or ds
    if newest is not None and first < newest < ds:
        raise ValueError(
            f"the days {first} to {ds} lie on both sides of {newest}, the newest "
            "published one: run those before it and those after it apart"
        )
    if decision is not None:
        check_restated(ds, newest)
    with tenant.warehouse.connection(f"open a run of {ds}") as con:
        if external_id is not None:
            row = con.execute(
                "select run_id from audit.runs where external_id = ?"
                " and status = 'running'",
                [external_id],
            ).fetchone()
            if row is not None:
                return _read(con, tenant, str(row[0]))
        _interrupt(con)
        attempt, previous = _numbers(con, ds)
        run_id = f"{ds}.{attempt}"
        con.execute(
            "insert into audit.runs (run_id, ds, world, attempt, previous_run_id,"
            " status, is_newest, config_hash, code_version, external_id, _started_at,"
            " since, decided_by, reason)"
            " values (?, ?, ?, ?, ?, 'running', ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                run_id,
                ds,
                tenant.world_name,
                attempt,
                previous,
                newest is None or first >= newest,
                tenant.config_hash,
                tenant.code_version,
                external_id,
                clock.now_naive(),
                since,
                decision.by if decision else None,
                decision.reason if decision else None,
            ],
        )
        return _read(con, tenant, run_id)


def check_restated(ds: date, newest: date | None) -> None:
    """Raise ``ValueError`` where ``ds`` is not older than the newest published day."""
    if newest is None or ds >= newest:
        raise ValueError(
            f"{ds} is not older than the newest published day ({newest or 'none'}): "
            "run it, by `strata run`; only the days before that one are restated"
        )


def get_run(tenant: Tenant, run_id: str) -> Run:
    """The attempt called ``run_id``. Raises ``UnknownRunError``."""
    with tenant.warehouse.connection("look up a run") as con:
        return _read(con, tenant, run_id)


def newest_run_id(con: duckdb.DuckDBPyConnection, ds: date | None = None) -> str | None:
    """The attempt started last, of ``ds`` where given."""
    row = con.execute(
        "select run_id from audit.runs where ds = coalesce(?, ds)"
        " order by _started_at desc, attempt desc limit 1",
        [ds],
    ).fetchone()
    return str(row[0]) if row else None


def close_run(
    con: duckdb.DuckDBPyConnection,
    run: Run,
    status: str,
    *,
    failed_stage: str | None = None,
    error: str | None = None,
) -> None:
    """Say how the attempt ended. The first failure told is the one kept."""
    if status == "succeeded":
        note(con, run, failed_stage=None, error=None)
    con.execute(
        "update audit.runs set status = ?, failed_stage = coalesce(failed_stage, ?),"
        " error = coalesce(error, ?), _ended_at = ? where run_id = ?",
        [status, failed_stage, error, clock.now_naive(), run.run_id],
    )


def note(con: duckdb.DuckDBPyConnection, run: Run, **values: Any) -> None:
    """Set columns of the attempt's record; dictionaries are kept as JSON."""
    for column, value in values.items():
        stored = json.dumps(value, sort_keys=True) if isinstance(value, dict) else value
        con.execute(
            f'update audit.runs set "{column}" = ? where run_id = ?',
            [stored, run.run_id],
        )


def add_seconds(
    con: duckdb.DuckDBPyConnection, run: Run, stage: str, seconds: float
) -> None:
    """Add to the time that a stage took, and raise the peak of memory seen so far."""
    row = con.execute(
        "select stage_seconds, peak_mb from audit.runs where run_id = ?", [run.run_id]
    ).fetchone()
    if row is None:
        raise UnknownRunError(run.run_id)
    spent = json.loads(row[0]) if row[0] else {}
    spent[stage] = round(spent.get(stage, 0.0) + seconds, 3)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    note(con, run, stage_seconds=spent, peak_mb=round(max(peak, row[1] or 0.0), 1))


def note_fixed_cost(
    con: duckdb.DuckDBPyConnection, run: Run, elapsed_seconds: float | None
) -> None:
    """Keep what the run took outside its stages.

    ``elapsed_seconds`` is what its process has spent on this day; where stages ran in
    processes of their own it is None, and the time since the attempt began counts.
    """
    row = con.execute(
        "select _started_at, stage_seconds from audit.runs where run_id = ?",
        [run.run_id],
    ).fetchone()
    if row is None:
        raise UnknownRunError(run.run_id)
    if elapsed_seconds is None:
        elapsed_seconds = (clock.now_naive() - row[0]).total_seconds()
    inside = sum(json.loads(row[1] or "{}").values())
    note(con, run, fixed_seconds=round(max(elapsed_seconds - inside, 0.0), 3))


def default_paths(tenant: Tenant, run: Run) -> dict[str, str]:
    """Where a person finds what the run leaves behind."""
    home: Path = tenant.home
    return {
        "report": str(run.report_dir / "report.html"),
        "data_docs": str(run.report_dir / "data_docs" / "index.html"),
        "serving": str(home / "serving" / "strata.duckdb"),
        "crm": str(home / "crm" / "crm.db"),
    }


def _numbers(con: duckdb.DuckDBPyConnection, ds: date) -> tuple[int, str | None]:
    attempt = con.execute(
        "select coalesce(max(attempt), 0) + 1 from audit.runs where ds = ?", [ds]
    ).fetchone()
    previous = con.execute(
        "select run_id from audit.runs order by _started_at desc, run_id desc limit 1"
    ).fetchone()
    assert attempt is not None
    return int(attempt[0]), str(previous[0]) if previous else None


def _read(con: duckdb.DuckDBPyConnection, tenant: Tenant, run_id: str) -> Run:
    row = con.execute(
        "select ds, is_newest, since from audit.runs where run_id = ?", [run_id]
    ).fetchone()
    if row is None:
        raise UnknownRunError(
            f"no run {run_id!r} in {tenant.warehouse.path}: `strata report` lists them"
        )
    return Run(
        run_id=run_id,
        ds=row[0],
        world=tenant.world_name,
        home=tenant.home,
        timezone=tenant.world.timezone,
        is_newest=bool(row[1]),
        since=row[2],
    )
