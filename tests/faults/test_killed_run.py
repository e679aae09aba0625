"""A run killed anywhere (``kill -9``) and run again leaves what an unkilled one leaves.

A child process makes the run of a day on top of a tenant that ran the day before, and
kills itself at a named function, before or after its nth call. At that moment each
stage's tables are yesterday's or today's, never a mixture. After the next run they are
those of a run that nobody killed, the published copy too, and the CRM, which counts
with triggers, has seen each change once.
"""

import functools
import importlib
import itertools
import json
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from strata import pipeline
from strata.tenant import Tenant
from strata.warehouse import STAGE_SCHEMAS, STAGES, fingerprint

from tests.integration.world import (
    DAY,
    after_a_day,
    contents,
    copy_of,
    crm_rows,
    rows,
    run_day,
    small_project,
)

pytestmark = pytest.mark.slow
STRATA = Path(sys.executable).parent / "strata"
TODAY = DAY + timedelta(days=1)
PRELOADED = ["pytest", "strata.quality", "strata.pipeline", "dbt.cli.main", "dlt"]
STEPS = [
    *((stage, action) for stage in STAGES for action in ("build", "gate", "promote")),
    ("publish", "sync"),
    ("publish", "finish"),
]
RUNS = "select run_id, status from audit.runs where ds = ? order by attempt"

COUNTING = """
create table changes (customer_id text);
create trigger counted_insert after insert on strata_segments
begin insert into changes values (new.customer_id); end;
create trigger counted_update after update on strata_segments
begin insert into changes values (new.customer_id); end;
"""


@dataclass(frozen=True)
class Kill:
    """Dies in ``step`` at the nth call of ``function`` (``module:name.name``)."""

    stage: str
    action: str
    function: str
    nth: int = 1
    is_after: bool = False
    is_published: bool = False

    def __str__(self) -> str:
        side = "after" if self.is_after else "before"
        return f"{self.stage}.{self.action}: {side} {self.function} no. {self.nth}"


LANDED_IN_PART = Kill("ingest", "build", "strata.ingest.manifest:Manifest.commit", 3)
TAKEN_IN_PART = Kill("features", "promote", "strata.warehouse.duck:_publish", 4)
SENT_UNHEARD = Kill("publish", "sync", "strata.activation.ledger:Ledger.acknowledge", 2)
MODEL_BUILT = "dbt.task.run:ModelRunner.after_execute"
RECORDED = "strata.warehouse.duck:_record"

IN_EVERY_STAGE = [
    LANDED_IN_PART,
    Kill("ingest", "promote", "strata.ingest.views:accept", is_after=True),
    Kill("staging", "build", MODEL_BUILT, 12),
    Kill("staging", "promote", RECORDED, is_after=True),
    Kill("identity", "build", "strata.identity.history:remember", is_after=True),
    Kill("identity", "promote", "strata.warehouse.duck:_publish", 3),
    Kill("features", "build", MODEL_BUILT, 6),
    TAKEN_IN_PART,
    Kill("features", "promote", "strata.pipeline:_mark_stale_days", is_published=True),
    Kill("segments", "promote", "strata.warehouse.duck:_publish", 2),
    SENT_UNHEARD,
    Kill("publish", "finish", "strata.serving.publishing:_comments", 5),
    Kill("publish", "finish", "strata.report:write_report"),
]


def arm(kill: Kill) -> None:
    """Put a death beside the function."""
    module, _, path = kill.function.partition(":")
    holder: Any = importlib.import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        holder = getattr(holder, parent)
    real, calls = getattr(holder, name), itertools.count(1)

    @functools.wraps(real)
    def dying(*args: Any, **kwargs: Any) -> Any:
        is_last = next(calls) == kill.nth
        if is_last and not kill.is_after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*args, **kwargs)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(holder, name, dying)


def run_steps(tenant: Tenant, run_id: str, first: int, kill: Kill | None) -> None:
    """The steps of a run from ``first`` on, as the DAG's tasks call them."""
    tenant.ensure_pseudonym_key()
    for stage, action in STEPS[first:]:
        if kill is not None and (stage, action) == (kill.stage, kill.action):
            arm(kill)
        if action == "sync":
            pipeline.sync(tenant, run_id)
        elif action == "finish":
            pipeline.serve(tenant, run_id)
            pipeline.report(tenant, run_id)
        else:
            getattr(pipeline, action)(tenant, run_id, stage)


def in_a_child(*arguments: Any) -> int | None:
    """Run ``run_steps`` in a process of its own; its exit code."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    child = context.Process(target=run_steps, args=arguments)
    child.start()
    child.join()
    return child.exitcode


def changes(tenant: Tenant) -> list[tuple[str, int]]:
    """How often each CRM record of ours was truly changed since yesterday."""
    with sqlite3.connect(tenant.home / "crm" / "crm.db") as crm:
        return crm.execute(
            "select customer_id, count(*) from changes group by 1 order by 1"
        ).fetchall()


def served(tenant: Tenant) -> dict[str, tuple[int, str]]:
    """The published copy: rows and content hash of each table."""
    place = str(tenant.home / "serving" / "strata.duckdb")
    with duckdb.connect(place, read_only=True) as con:
        tables = con.execute(
            "select schema_name, table_name from duckdb_tables()"
            " where schema_name <> 'audit'"
        ).fetchall()
        return {f"{s}.{t}": fingerprint(con, s, t) for s, t in tables}


@dataclass(frozen=True)
class Figures:
    """What a day leaves."""

    tables: dict[str, tuple[int, str]]
    served: dict[str, tuple[int, str]]
    crm: list[tuple[Any, ...]]
    changes: list[tuple[str, int]]

    @classmethod
    def of(cls, tenant: Tenant) -> "Figures":
        return cls(contents(tenant), served(tenant), crm_rows(tenant), changes(tenant))


@pytest.fixture(scope="module")
def yesterday(tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    """A tenant that ran yesterday, sends in small batches, and counts from now on."""
    root = small_project(tmp_path_factory.mktemp("small_batches"))
    place = root / "config" / "activation.yml"
    activation = yaml.safe_load(place.read_text("utf-8"))
    activation["targets"][0]["batch_size"] = 5
    place.write_text(yaml.safe_dump(activation), "utf-8")
    tenant = after_a_day(tmp_path_factory, "yesterday", root)
    with sqlite3.connect(tenant.home / "crm" / "crm.db") as crm:
        crm.executescript(COUNTING)
    return tenant


@pytest.fixture(scope="module")
def before(yesterday: Tenant) -> Figures:
    return Figures.of(yesterday)


@pytest.fixture(scope="module")
def unkilled(
    yesterday: Tenant, before: Figures, tmp_path_factory: pytest.TempPathFactory
) -> Figures:
    """The day as it is when nobody kills it."""
    tenant = copy_of(yesterday, tmp_path_factory.mktemp("unkilled"))
    run_day(tenant, TODAY)
    found = Figures.of(tenant)
    differing = {t for t in found.tables if found.tables[t] != before.tables[t]}
    stages = {
        s for s in STAGES for t in differing if t.split(".")[0] in STAGE_SCHEMAS[s]
    }
    assert stages == {"staging", "identity", "features", "segments"}
    assert len(found.changes) > 10 and {n for _, n in found.changes} == {1}
    return found


def assert_nothing_is_torn(
    tenant: Tenant, kill: Kill, before: Figures, unkilled: Figures
) -> None:
    """Stages that were published are today's, the others are yesterday's."""
    done = STAGES[: STAGES.index(kill.stage) + kill.is_published]
    today = {schema for stage in done for schema in STAGE_SCHEMAS[stage]}
    expected = {
        table: (unkilled if table.split(".")[0] in today else before).tables[table]
        for table in before.tables
    }
    found = contents(tenant)
    if kill.stage == "features" or done[-1:] == ("features",):
        # Two stages fit models: those of features are there before those of segments.
        found.pop("models.registry")
        expected.pop("models.registry")
    assert found == expected, kill
    assert served(tenant) in (before.served, unkilled.served), kill


def test_a_run_killed_in_every_stage_and_taken_up_again_is_as_if_nobody_had(
    yesterday: Tenant, before: Figures, unkilled: Figures, tmp_path: Path
) -> None:
    """As the scheduler does it: the killed task is tried again, in the same run."""
    tenant = copy_of(yesterday, tmp_path)
    run_id = pipeline.start(tenant, TODAY, "scheduled")
    first = 0
    for kill in IN_EVERY_STAGE:
        assert in_a_child(tenant, run_id, first, kill) == -signal.SIGKILL, kill
        first = STEPS.index((kill.stage, kill.action))
        assert_nothing_is_torn(tenant, kill, before, unkilled)

    assert in_a_child(tenant, run_id, first, None) == 0

    assert Figures.of(tenant) == unkilled
    assert rows(tenant, RUNS, TODAY) == [(run_id, "succeeded")]


def test_a_run_killed_and_begun_anew_is_as_if_nobody_had(
    yesterday: Tenant, before: Figures, unkilled: Figures, tmp_path: Path
) -> None:
    """As a person does it: other runs of the day, of which the second is killed too."""
    tenant = copy_of(yesterday, tmp_path)
    killed = []
    for kill in (LANDED_IN_PART, SENT_UNHEARD):
        killed.append(pipeline.start(tenant, TODAY))
        assert in_a_child(tenant, killed[-1], 0, kill) == -signal.SIGKILL, kill
        assert_nothing_is_torn(tenant, kill, before, unkilled)

    run_id = pipeline.start(tenant, TODAY)
    assert in_a_child(tenant, run_id, 0, None) == 0

    assert Figures.of(tenant) == unkilled
    assert rows(tenant, RUNS, TODAY) == [
        *((attempt, "interrupted") for attempt in killed),
        (run_id, "succeeded"),
    ]


def strata_run(
    tenant: Tenant, told_to: int = subprocess.DEVNULL
) -> subprocess.Popen[str]:
    """``strata run`` of today, through Airflow, in a process group of its own."""
    return subprocess.Popen(
        [str(STRATA), "run", "--ds", str(TODAY)],
        stdout=told_to,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={
            **{k: v for k, v in os.environ.items() if "AIRFLOW" not in k},
            "STRATA_PROJECT": str(tenant.root),
            "STRATA_HOME": str(tenant.state),
        },
    )


def strata_run_that_does(tenant: Tenant, what: str) -> subprocess.Popen[str]:
    """``strata run`` of today, which has come to the step that says it does ``what``."""
    lease = tenant.home / "warehouse" / "lease"
    process = strata_run(tenant, told_to=subprocess.PIPE)
    while what not in lease.read_text("utf-8"):
        assert process.poll() is None, f"it ended before {what}"
        time.sleep(0.05)
    return process


def test_a_run_ended_in_airflow_and_begun_anew_is_as_if_nobody_had(
    yesterday: Tenant, before: Figures, unkilled: Figures, tmp_path: Path
) -> None:
    """Told to end it says so; while it lives a second is refused, once dead none is."""
    tenant = copy_of(yesterday, tmp_path)
    lease = tenant.home / "warehouse" / "lease"

    process = strata_run_that_does(tenant, f"staging of {TODAY}")
    process.terminate()
    told, _ = process.communicate()

    assert process.returncode == 128 + signal.SIGTERM
    assert "the run stopped in stage staging" in told
    assert lease.read_text("utf-8") == ""
    assert rows(
        tenant, "select failed_stage, error from audit.runs where ds = ?", TODAY
    ) == [("staging", "stopped by SIGTERM; run the day again")]

    process = strata_run_that_does(tenant, f"features of {TODAY}")
    second = strata_run(tenant, told_to=subprocess.PIPE)
    told, _ = second.communicate()
    assert second.returncode == 1 and f"under way: process {process.pid} " in told
    assert process.poll() is None, "it is not disturbed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    owner = json.loads(lease.read_text("utf-8"))
    assert owner["pid"] == process.pid, "it died while it held the warehouse"
    assert {t: c for t, c in contents(tenant).items() if t.startswith("features.")} == {
        t: c for t, c in before.tables.items() if t.startswith("features.")
    }

    assert strata_run(tenant).wait() == 0

    assert Figures.of(tenant) == unkilled
    assert [status for _, status in rows(tenant, RUNS, TODAY)] == [
        "failed",
        "interrupted",
        "succeeded",
    ]
