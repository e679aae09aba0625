"""Between Airflow and the pipeline: what a task calls, and Airflow in this process."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import structlog

from strata import clock, pipeline, runs, secrets, stopping
from strata.config.loader import ConfigError
from strata.dates import run_date
from strata.ingest.land import IngestStoppedError
from strata.run import Decision
from strata.tenant import Tenant, project_root, state_root

# Airflow's kind of logger: the level of a namespace holds for no other.
log = structlog.get_logger(__name__)
DAG_ID = "daily_segments"
DAYS_TOGETHER = 180
"""Days that one run of a backfill builds at most: what a killed one has to do again."""
DAYS_OF_UNKNOWN = 90
"""The same for a tenant of whom no users are known yet."""
SNAPSHOTS_TOGETHER = 1_500_000
"""Users times days that one run builds at most, a day at least; half an hour or less."""
Listener = Callable[[str, str, str], None]
_listeners: list[Listener] = []
_errors: list[str] = []


class RunFailedError(RuntimeError):
    """A run of the DAG did not succeed.

    ``told`` says where it stopped, the whole text also why. ``run_id``: its record,
    which holds the reason too, where it has one.
    """

    def __init__(self, told: str, why: str = "", run_id: str | None = None) -> None:
        super().__init__(f"{told}\n{why}".rstrip())
        self.told, self.run_id = told, run_id


def tenant_of_environment() -> Tenant:
    """The tenant that ``STRATA_WORLD`` and ``STRATA_DATA`` name."""
    data = os.environ.get("STRATA_DATA")
    return Tenant(
        os.environ.get("STRATA_WORLD") or "sample",
        data_folder=Path(data) if data else None,
    )


def start_run(
    requested: str | None,
    data_interval_start: datetime | None,
    external_id: str,
    since: str | None = None,
    by: str | None = None,
    reason: str | None = None,
) -> str:
    """Open the run of the day asked for, else of the scheduled interval; its id.

    With ``since`` it is for every day from that one on, built together. With ``by``
    and ``reason`` it restates days that are older than the newest published one.

    Where another process has the tenant, the scheduler tries again after a while.
    """
    tenant = tenant_of_environment()
    with _final_if(ConfigError, ValueError):
        ds = run_date(requested, data_interval_start, tenant.world.timezone)
        first = run_date(since, None, tenant.world.timezone) if since else None
        decision = Decision(by or "", reason or "") if by or reason else None
        return pipeline.start(tenant, ds, external_id, first, decision)


def run_step(action: str, stage: str, run_id: str) -> None:
    """One step of the run. An error that trying again cannot mend is not retried."""
    from strata.activation import SyncError
    from strata.quality import GateFailed
    from strata.transform import TransformError

    tenant = tenant_of_environment()
    tenant.ensure_pseudonym_key()
    _tell(stage, action, "start")
    stopping.stop_if_told()
    done: object
    with _final_if(
        GateFailed,
        ConfigError,
        IngestStoppedError,
        TransformError,
        SyncError,
        runs.RunOvertakenError,
    ):
        if action == "sync":
            done = pipeline.sync(tenant, run_id)
        elif action == "finish":
            pipeline.serve(tenant, run_id)
            done = pipeline.report(tenant, run_id)
        else:
            done = getattr(pipeline, action)(tenant, run_id, stage)
        log.info(f"run {run_id}, {stage}: {_in_words(tenant, action, stage, done)}")
    _tell(stage, action, "done")


def _in_words(tenant: Tenant, action: str, stage: str, done: Any) -> str:
    """What a step did, by counts alone: no value of any row."""
    if action == "build":
        tables, rows = tenant.warehouse.built(stage)
        counted = f" with {rows} rows" if rows else ""
        return f"built {tables} tables{counted} beside the published ones"
    if action == "gate":
        return "checked: " + (_listed(done) or "nothing, since it is published already")
    if action == "promote":
        return f"published {done} rows"
    if action == "sync":
        told = "; ".join(
            f"{target}: {_listed(counts)}" for target, counts in done.items()
        )
        return (
            f"wrote back to {told}" if told else "wrote nothing back for an older day"
        )
    return f"swapped in the published copy, wrote the report {done}"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items())


def explain_failure(context: Any) -> None:
    """Tell what to do after a failed task, and write the report of the failed run."""
    instance = context["task_instance"]
    run_id = instance.xcom_pull(task_ids="start")
    told = (
        f"{instance.task_id} failed. Nothing of its stage was published and earlier "
        "stages stay as they are. Read the error above; mend the cause; then clear "
        "this task, or trigger the DAG again with the same ds."
    )
    if run_id:
        tenant = tenant_of_environment()
        try:
            pipeline.give_up(tenant, run_id, instance.task_id.partition(".")[0])
            page = pipeline.report(tenant, run_id)
            told += f" The report of the failed run: {page}"
        except Exception as error:
            told += f" (Its report could not be written: {type(error).__name__}.)"
    log.error(told)


def airflow_environment(tenant: Tenant, database: str) -> dict[str, str]:
    """Settings of the embedded Airflow: its home, its DAGs, quiet, on loopback."""
    home = state_root() / "airflow"
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(project_root() / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(project_root() / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / database}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "STRATA_WORLD": tenant.world_name,
        "STRATA_HOME": str(state_root()),
        "STRATA_TIMEZONE": tenant.world.timezone,
    }


def prepare_airflow(tenant: Tenant, database: str = "runs.db") -> None:
    """Point this process at the embedded Airflow and make its database if absent.

    Must come before Airflow is imported, which reads its settings then. Runs in one
    process keep a database of their own: a standing scheduler would take a run that
    it sees there for its own, and one that was killed would hold back all others.
    """
    environment = airflow_environment(tenant, database)
    os.environ.update(environment)
    if tenant.data_folder is not None:
        os.environ["STRATA_DATA"] = str(tenant.data_folder.resolve())
    home = Path(environment["AIRFLOW_HOME"])
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    ready = home / f"{database}.migrated"
    is_there = (home / database).exists() and ready.exists()
    if is_there and ready.read_text("utf-8") == _airflow_version():
        return
    made = subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise RunFailedError(
            "Airflow's database could not be made under "
            f"{home}:\n{made.stderr[-2000:] or made.stdout[-2000:]}"
        )
    ready.write_text(_airflow_version(), encoding="utf-8")


def _airflow_version() -> str:
    from importlib.metadata import version

    return version("apache-airflow")


def run_days(
    tenant: Tenant,
    days: Sequence[date],
    listener: Listener,
    planned: Callable[[int], None] = lambda _: None,
    *,
    take_over: bool = False,
    decision: Decision | None = None,
) -> list[str]:
    """Run the DAG for all days, forward in time, in this process; the run ids.

    Days in a row are built together, up to ``days_together`` of them, to the same
    tables as one by one; ``planned`` is told how many runs that makes; ``decision``
    says who has older days restated, and why. Raises
    ``RunFailedError`` where a run fails, with what stopped it, and
    ``RunInProgressError`` where another run has the tenant, as ``runs.hold`` does;
    ``StoppedError`` where SIGTERM or Ctrl-C comes and no run is begun.
    """
    tenant.check_rules()
    tenant.check_days(min(days), max(days))
    done: list[str] = []
    already = clock.process_seconds()
    purpose = f"runs of {min(days)} to {max(days)}"
    with stopping.stoppable(), runs.hold(tenant, purpose, take_over=take_over):
        newest = newest_published(tenant)
        if decision is not None:
            runs.check_restated(max(days), newest)
        ranges = together(days, newest, days_together(tenant))
        planned(len(ranges))
        prepare_airflow(tenant)
        dag = _load_dag()
        for task in dag.tasks:
            # The person at the terminal is told at once, and runs it again.
            task.retries = 0
            task.on_failure_callback = [*task.on_failure_callback, _leave]
            task.on_kill = stopping.on_kill
        _listeners.append(listener)
        try:
            for first, last in ranges:
                stopping.stop_if_told()
                watch = clock.Stopwatch()
                done.append(_run_one(tenant, dag, first, last, decision))
                with tenant.warehouse.connection("record the fixed cost") as con:
                    runs.note_fixed_cost(
                        con, runs.get_run(tenant, done[-1]), already + watch.seconds
                    )
                already = 0.0
        finally:
            _listeners.remove(listener)
    return done


def together(
    days: Sequence[date], newest: date | None, at_most: int
) -> list[tuple[date, date]]:
    """The days as ranges that one run builds, ``at_most`` so many in each.

    A range has no gap, and does not reach over ``newest``, the newest published day:
    what lies before it is only rebuilt. The ranges are as even as they can be.
    """
    rows: list[list[date]] = []
    for ds in sorted(set(days)):
        follows = rows and ds - rows[-1][-1] == timedelta(days=1)
        if follows and (newest is None or ds != newest):
            rows[-1].append(ds)
        else:
            rows.append([ds])
    ranges = []
    for row in rows:
        parts = -(-len(row) // at_most)
        ends = [len(row) * n // parts for n in range(parts + 1)]
        ranges += [(row[a], row[b - 1]) for a, b in pairwise(ends)]
    return ranges


def days_together(tenant: Tenant) -> int:
    """How many days one run of the tenant builds at most, by the number of its users."""
    users = tenant.warehouse.users() if tenant.warehouse.path.exists() else 0
    if not users:
        return DAYS_OF_UNKNOWN
    return max(min(DAYS_TOGETHER, SNAPSHOTS_TOGETHER // users), 1)


def newest_published(tenant: Tenant) -> date | None:
    """The newest day whose features are published; None for a tenant without runs."""
    if not tenant.warehouse.path.exists():
        return None
    tenant.warehouse.migrate()
    return tenant.warehouse.newest_published()


def _run_one(
    tenant: Tenant, dag: Any, first: date, ds: date, decision: Decision | None
) -> str:
    """Run the DAG for a range; the id of the run. Raises ``RunFailedError``."""
    _errors.clear()
    before, _, _ = _newest(tenant)
    # All each time: the DAG's parameters keep what an earlier run in this process gave.
    conf = {
        "ds": ds.isoformat(),
        "since": first.isoformat() if first < ds else None,
        "by": decision.by if decision else None,
        "reason": decision.reason if decision else None,
    }
    stopped: BaseException | None = None
    try:
        state = str(dag.test(run_conf=conf).state)
    except (_LeftError, stopping.StoppedError) as told:
        state, stopped = "failed", told
    run_id, stage, error = _newest(tenant)
    if run_id is not None and run_id != before:
        if state == "success":
            return run_id
        pipeline.give_up(tenant, run_id, stage or "start")
        if isinstance(stopped, stopping.StoppedError):  # between two tasks
            pipeline.report(tenant, run_id)
    elif isinstance(stopped, stopping.StoppedError):
        raise stopped
    else:
        run_id = stage = error = None
    raise RunFailedError(
        f"{ds}: the run stopped in stage {stage or 'start'}; its log is "
        f"{tenant.home / 'logs' / 'run.log'}",
        error or "\n".join(_errors) or "no task said why",
        run_id,
    )


class _LeftError(BaseException):
    """A task has failed, and all there is to do about it is done."""


def _leave(_: Any) -> None:
    """Do not wait: Airflow takes a second for each task that cannot run any more."""
    raise _LeftError


def _newest(tenant: Tenant) -> tuple[str | None, str | None, str | None]:
    """The newest attempt, the stage in which it failed, and why."""
    if not tenant.warehouse.path.exists():
        return None, None, None
    with tenant.warehouse.connection("look up the run") as con:
        run_id = runs.newest_run_id(con)
        found = con.execute(
            "select failed_stage, error from audit.runs where run_id = ?", [run_id]
        ).fetchone()
    return (run_id, *(found or (None, None)))


def _load_dag() -> Any:
    """The DAG object, imported once; Airflow's own chatter stays in its logs."""
    import importlib.util

    path = project_root() / "dags" / f"{DAG_ID}.py"
    spec = importlib.util.spec_from_file_location(f"strata_dag_{DAG_ID}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.dag


def _tell(stage: str, action: str, state: str) -> None:
    for listener in _listeners:
        listener(stage, action, state)


@contextlib.contextmanager
def _final_if(*kinds: type[Exception]) -> Iterator[None]:
    """Let errors of these kinds end the task for good: trying again mends none."""
    from airflow.sdk.exceptions import AirflowFailException

    try:
        yield
    except Exception as error:
        _errors.append(secrets.hide(f"{type(error).__name__}: {error}"))
        if isinstance(error, kinds):
            raise AirflowFailException(_errors[-1]) from error
        raise
