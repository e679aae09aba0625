"""``strata up``: Airflow stands, runs its day by itself, and leaves nothing behind.

A real Airflow on a free port of loopback, over the 200-person world, which here began
40 days before the day that the schedule asks for.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest
import yaml
from strata.tenant import Tenant

from tests.integration.world import rows, small_project

pytestmark = pytest.mark.slow
STRATA = Path(sys.executable).parent / "strata"
ZONE = ZoneInfo("Asia/Shanghai")
ALL_RUNS = "/api/v2/dags/~/dagRuns"  # there before the DAG is known
RUNS = "/api/v2/dags/daily_segments/dagRuns"
LONGEST_WAIT = 240  # seconds; a bound, not an expectation
T = TypeVar("T")


def until(ask: Callable[[], T | None], up: "Up | None" = None) -> T:
    """The first answer. Fails where none comes, or where Airflow ends meanwhile."""
    for _ in range(LONGEST_WAIT * 5):
        found = ask()
        if found:
            return found
        assert up is None or up.process.poll() is None, up.told()
        time.sleep(0.2)
    raise AssertionError("it did not come about" + (f":\n{up.told()}" if up else ""))


class Up:
    """A standing Airflow in a process of its own."""

    def __init__(self, root: Path, home: Path, port: int) -> None:
        self.home = home
        self.base = f"http://127.0.0.1:{port}"
        self._output = home.with_suffix(f".{port}.out")
        with self._output.open("wb") as out:
            self.process = subprocess.Popen(
                [str(STRATA), "up", "--port", str(port)],
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={
                    **{k: v for k, v in os.environ.items() if "AIRFLOW" not in k},
                    "STRATA_PROJECT": str(root),
                    "STRATA_HOME": str(home),
                },
            )
        self._token: str | None = None

    def told(self) -> str:
        return self._output.read_text("utf-8")

    def password(self) -> str:
        place = self.home / "airflow" / "simple_auth_manager_passwords.json.generated"
        assert place.stat().st_mode & 0o077 == 0, "only its owner reads it"
        return str(json.loads(place.read_text("utf-8"))["admin"])

    def log_in(self) -> None:
        user = {"username": "admin", "password": self.password()}
        self._token = self.call("/auth/token", user)["access_token"]

    def call(self, path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            self.base + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        if self._token is not None:
            request.add_header("Authorization", f"Bearer {self._token}")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def parts(self) -> list[int]:
        noted = (self.home / "airflow" / "up.lock").read_text("utf-8")
        return [int(pid) for pid in json.loads(noted)["parts"]]


def sessions_of(pids: list[int]) -> set[int]:
    """Those of the sessions in which some process lives."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found.add(os.getsid(int(entry.name)))
            except ProcessLookupError:
                continue
    return found & set(pids)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listening() -> set[str]:
    """Addresses (hexadecimal, with port) on which somebody listens."""
    lines = Path("/proc/net/tcp").read_text("utf-8").splitlines()[1:]
    lines += Path("/proc/net/tcp6").read_text("utf-8").splitlines()[1:]
    return {f[1] for f in map(str.split, lines) if f[3] == "0A"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The project over a world that began not long before today."""
    made = small_project(tmp_path)
    place = made / "config" / "sample.yml"
    sample = yaml.safe_load(place.read_text("utf-8"))
    sample["first_day"] = datetime.now(ZONE).date() - timedelta(days=40)
    place.write_text(yaml.safe_dump(sample), "utf-8")
    return made


@pytest.fixture
def up(root: Path, tmp_path: Path) -> Iterator[Up]:
    found = Up(root, tmp_path / "state", free_port())
    yield found
    if found.process.poll() is None:
        found.process.send_signal(signal.SIGTERM)
        found.process.send_signal(signal.SIGINT)
        found.process.wait(60)


def test_it_runs_the_day_that_is_due_and_ends_with_all_its_processes(
    up: Up, root: Path
) -> None:
    before = listening()
    until(lambda: "Airflow is up" in up.told(), up)
    health = up.call("/api/v2/monitor/health")
    opened = listening() - before
    up.log_in()
    until(lambda: up.call(ALL_RUNS)["dag_runs"], up)
    second = Up(root, up.home, free_port())

    def scheduled() -> dict[str, Any] | None:
        (run,) = up.call(RUNS)["dag_runs"]
        return dict(run) if run["state"] in ("success", "failed") else None

    run = until(scheduled, up)

    assert health["metadatabase"]["status"] == "healthy"
    port = int(up.base.rsplit(":", 1)[1])
    assert opened == {f"0100007F:{port:04X}"}, "nothing else listens, and nowhere else"
    assert second.process.wait(60) == 1
    assert f"runs already, on {up.base}" in " ".join(second.told().split())
    assert run["state"] == "success"
    assert run["run_type"] == "scheduled"
    start = datetime.fromisoformat(run["data_interval_start"]).astimezone(ZONE)
    assert up.password() not in up.told()
    tenant = Tenant("sample", root=root, state=up.home)
    assert rows(tenant, "select ds, status from audit.runs") == [
        (start.date(), "succeeded")
    ]
    last = max(p.stem for p in (tenant.home / "world" / "days").glob("*.json"))
    assert date.fromisoformat(last) == start.date(), "the world has reached the day"

    def begun() -> bool:
        lease = (tenant.home / "warehouse" / "lease").read_text("utf-8")
        return f"ingest of {start.date()}" in lease

    up.call(RUNS, {"logical_date": None, "conf": {"ds": str(start.date())}})
    until(begun, up)
    parts = up.parts()
    assert len(sessions_of(parts)) == 4
    up.process.send_signal(signal.SIGTERM)

    assert up.process.wait(120) == 0, up.told()
    assert sessions_of(parts) == set()
    with pytest.raises(urllib.error.URLError):
        up.call("/api/v2/monitor/health")
    asked = "select ds, attempt, status from audit.runs order by attempt"
    assert rows(tenant, asked) == [
        (start.date(), 1, "succeeded"),
        (start.date(), 2, "running"),
    ], "the run that was asked for goes on with the next start"


def test_a_port_in_use_is_told(root: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = Up(root, tmp_path / "state", port)

        assert refused.process.wait(60) == 1
    assert f"port {port} on 127.0.0.1 cannot be had" in refused.told()
    assert "Traceback" not in refused.told()
