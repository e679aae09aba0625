"""The DAG is wiring: it imports fast, reads nothing, and has the expected shape."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DAG = ROOT / "dags" / "daily_segments.py"

PROBE = """
import builtins, importlib.util, json, sys, time
import airflow.sdk, airflow.timetables.interval

opened = []
real = builtins.open
def noted(file, *args, **kwargs):
    opened.append(str(file))
    return real(file, *args, **kwargs)

spec = importlib.util.spec_from_file_location("probed", sys.argv[1])
module = importlib.util.module_from_spec(spec)
before = set(sys.modules)
builtins.open = noted
sys.addaudithook(
    lambda event, args: opened.append(event)
    if event in ("socket.connect", "sqlite3.connect", "subprocess.Popen") else None
)
started = time.process_time()
spec.loader.exec_module(module)
seconds = time.process_time() - started
builtins.open = real
dag = module.dag
print(json.dumps({
    "seconds": seconds,
    "opened": opened,
    "heavy": sorted(
        {m.split(".")[0] for m in set(sys.modules) - before}
        & {"strata", "dbt", "duckdb", "pandas", "great_expectations", "dlt"}
    ),
    "tags": sorted(dag.tags),
    "max_active_runs": dag.max_active_runs,
    "catchup": dag.catchup,
    "tasks": {
        t.task_id: {
            "after": sorted(t.upstream_task_ids),
            "owner": t.owner,
            "retries": t.retries,
            "tells": bool(t.on_failure_callback),
            "outlets": [o.uri for o in t.outlets],
        }
        for t in dag.tasks
    },
}))
"""


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> dict:  # type: ignore[type-arg]
    """What importing the DAG did, in a process of its own."""
    import json

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROBE), str(DAG)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow"))},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def test_it_imports_in_under_two_seconds_without_reading_anything(probed) -> None:  # type: ignore[no-untyped-def]
    # CPU seconds of the process: a loaded machine does not change them.
    assert probed["seconds"] < 2
    assert probed["opened"] == []
    assert probed["heavy"] == []


def test_each_stage_is_built_gated_and_only_then_published(probed) -> None:  # type: ignore[no-untyped-def]
    tasks = probed["tasks"]
    last = "start"
    for stage in ("ingest", "staging", "identity", "features", "segments", "publish"):
        for action in ("build", "gate", "promote"):
            assert last in tasks[f"{stage}.{action}"]["after"], (stage, action)
            last = f"{stage}.{action}"
    assert "publish.promote" in tasks["publish.sync"]["after"]
    assert "publish.sync" in tasks["publish.finish"]["after"]
    assert len(tasks) == 21


def test_every_task_has_an_owner_retries_and_says_what_to_do(probed) -> None:  # type: ignore[no-untyped-def]
    for name, task in probed["tasks"].items():
        assert task["owner"] == "data engineering", name
        assert task["retries"] == 2, name
        assert task["tells"], name


def test_it_runs_one_day_at_a_time_and_announces_what_it_published(probed) -> None:  # type: ignore[no-untyped-def]
    assert probed["max_active_runs"] == 1
    assert probed["catchup"] is False
    assert probed["tags"] == ["daily", "strata"]
    assert probed["tasks"]["publish.finish"]["outlets"] == [
        "strata://serving/marts",
        "strata://serving/user_tiers",
    ]


def test_the_scheduled_interval_gives_the_local_day_across_daylight_saving() -> None:
    """Every local day once, in order, whatever the clock does that night."""
    from datetime import UTC, datetime, timedelta

    from airflow.timetables.base import TimeRestriction
    from airflow.timetables.interval import CronDataIntervalTimetable
    from strata.dates import run_date

    for zone in ("Asia/Shanghai", "America/New_York", "Europe/London"):
        table = CronDataIntervalTimetable("0 4 * * *", timezone=zone)
        limits = TimeRestriction(datetime(2026, 2, 27, tzinfo=UTC), None, True)
        interval, days = None, []
        for _ in range(280):
            info = table.next_dagrun_info(
                last_automated_data_interval=interval, restriction=limits
            )
            assert info is not None
            interval = info.data_interval
            days.append(run_date(None, interval.start, zone))
        assert days == [days[0] + timedelta(days=n) for n in range(280)], zone


def test_the_dag_file_stays_wiring() -> None:
    code = DAG.read_text(encoding="utf-8")
    assert len(code.splitlines()) <= 100
    assert "{{" not in code, "no template: ds comes from the run-date helper"
