"""One run at a time has a tenant, and a dead one never holds it.

Two ways to run: a process that makes the whole run (``strata run``), and a scheduler's
tasks, each in a process of its own. Here they meet as real processes.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest
from strata import orchestration, pipeline, runs
from strata.runs import RunInProgressError, RunOvertakenError
from strata.tenant import Tenant

from tests.integration.world import FIRST, rows, small_tenant

STRATA = Path(sys.executable).parent / "strata"
DAY = FIRST + timedelta(days=39)
NEXT_DAY = DAY + timedelta(days=1)
RUNS = "select ds, attempt, status from audit.runs order by _started_at"

# Opens a run as `strata run` does, tells its id, and then works for ever.
RUNNER = """
import sys
from datetime import date
from strata import pipeline, runs
from strata.tenant import Tenant
with runs.hold(Tenant("sample"), "runs of a test"):
    print(pipeline.start(Tenant("sample"), date.fromisoformat(sys.argv[1])), flush=True)
    sys.stdin.read()
"""


@dataclass
class Shell:
    """Processes of a person at a terminal, over one tenant."""

    tenant: Tenant

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{k: v for k, v in os.environ.items() if "AIRFLOW" not in k},
            "STRATA_PROJECT": str(self.tenant.root),
            "STRATA_HOME": str(self.tenant.state),
            "COLUMNS": "200",
        }

    def begin(self, ds: date) -> subprocess.Popen[str]:
        """A process that is in the midst of a run of the day."""
        process = subprocess.Popen(
            [sys.executable, "-c", RUNNER, str(ds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment,
        )
        assert process.stdout is not None
        assert process.stdout.readline().startswith(f"{ds}.")
        return process

    def strata(self, *arguments: str, code: int) -> str:
        done = subprocess.run(
            [str(STRATA), *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=self.environment,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        assert "Traceback" not in said
        return " ".join(said.split())


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A tenant that nobody has run; this process is one of its scheduler's tasks."""
    tenant = small_tenant(tmp_path)
    monkeypatch.setenv("STRATA_PROJECT", str(tenant.root))
    monkeypatch.setenv("STRATA_HOME", str(tenant.state))
    monkeypatch.setenv("STRATA_WORLD", "sample")
    yield Shell(tenant)


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def scheduled(ds: date, name: str) -> Callable[[], str]:
    """The first task of a scheduler's run."""
    return lambda: orchestration.start_run(str(ds), None, name)


def test_while_one_process_runs_a_tenant_nobody_else_begins(shell: Shell) -> None:
    first = shell.begin(DAY)

    told = shell.strata("run", "--ds", str(NEXT_DAY), code=1)
    with pytest.raises(RunInProgressError) as refused:
        scheduled(NEXT_DAY, "scheduled__1")()

    for said in (told, str(refused.value)):
        assert "a run of world 'sample' is under way" in said
        assert f"process {first.pid} (runs of a test, on {os.uname().nodename}" in said
        assert re.search(r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", said)
        assert "Wait for it to end, or stop that process" in said
    assert "--take-over" not in told, "what lives is not taken over"
    assert rows(shell.tenant, RUNS) == [(DAY, 1, "running")]

    kill(first)


def test_a_killed_process_is_taken_over_at_once_by_either_way(shell: Shell) -> None:
    kill(shell.begin(DAY))
    kill(shell.begin(DAY))
    assert rows(shell.tenant, RUNS) == [(DAY, 1, "interrupted"), (DAY, 2, "running")]

    assert scheduled(DAY, "scheduled__1")() == f"{DAY}.3"
    assert rows(shell.tenant, RUNS)[1:] == [
        (DAY, 2, "interrupted"),
        (DAY, 3, "running"),
    ]


def test_a_scheduled_run_is_not_disturbed_unless_the_person_says_so(
    shell: Shell,
) -> None:
    attempt = scheduled(DAY, "scheduled__1")()

    told = shell.strata("run", "--ds", str(NEXT_DAY), code=1)
    assert f"run {attempt} of world 'sample' is under way: Airflow (sch" in told
    assert "`strata run --take-over` ends it" in told
    assert rows(shell.tenant, RUNS) == [(DAY, 1, "running")]
    assert scheduled(DAY, "scheduled__1")() == attempt, "a task tried again goes on"

    with runs.hold(shell.tenant, "a person's run", take_over=True):
        assert rows(shell.tenant, RUNS) == [(DAY, 1, "interrupted")]
        with pytest.raises(RunOvertakenError):
            pipeline.build(shell.tenant, attempt, "ingest")
        pipeline.start(shell.tenant, NEXT_DAY)

    with pytest.raises(RunOvertakenError, match="was begun since") as overtaken:
        pipeline.build(shell.tenant, attempt, "ingest")
    assert "trigger the DAG with the same ds" in str(overtaken.value)
    assert rows(shell.tenant, RUNS) == [
        (DAY, 1, "interrupted"),
        (NEXT_DAY, 1, "running"),
    ]


def test_a_cleared_task_goes_on_with_its_run_but_not_past_a_later_one(
    shell: Shell,
) -> None:
    tenant = shell.tenant
    attempt = scheduled(DAY, "scheduled__1")()
    pipeline.fail(tenant, attempt, "ingest", "a source was not there")
    told = "select status, failed_stage, error from audit.runs where run_id = ?"
    assert rows(tenant, told, attempt) == [
        ("failed", "ingest", "a source was not there")
    ]

    runs.take_up(tenant, attempt)
    assert rows(tenant, told, attempt) == [("running", None, None)]

    pipeline.fail(tenant, attempt, "ingest", "again")
    later = scheduled(NEXT_DAY, "scheduled__2")()
    with pytest.raises(RunOvertakenError):
        runs.take_up(tenant, attempt)
    runs.take_up(tenant, later)


def test_a_scheduled_run_whose_task_was_killed_ends_as_failed(shell: Shell) -> None:
    """The process of the task can no longer say so: the scheduler does."""
    attempt = scheduled(DAY, "scheduled__1")()

    class Instance:
        task_id = "staging.build"

        def xcom_pull(self, task_ids: str) -> str:
            return attempt

    orchestration.explain_failure({"task_instance": Instance()})

    assert rows(shell.tenant, "select status, failed_stage from audit.runs") == [
        ("failed", "staging")
    ]
    with runs.hold(shell.tenant, "a person's run"):
        pipeline.start(shell.tenant, DAY)
