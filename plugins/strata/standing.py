"""Airflow standing: four processes on loopback, started in order, stopped together."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from strata import clock
from strata.orchestration import DAG_ID, RunFailedError, prepare_airflow
from strata.tenant import Tenant

_HOST = "127.0.0.1"
_WAIT_SECONDS = 120
_STOP_SECONDS = 30


def stand(tenant: Tenant, port: int, tell: Callable[[str], object]) -> int:
    """Run Airflow until a signal; the exit code.

    The scheduler starts only once the API answers, since tasks report to it. Raises
    ``RunFailedError`` where a part dies or does not come up.
    """
    _check_free(port)
    prepare_airflow(tenant)
    home = Path(os.environ["AIRFLOW_HOME"])
    os.environ.update(_settings(home, port))
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda n, _: stopping.append(n))
    parts: dict[str, subprocess.Popen[bytes]] = {}
    try:
        tell("start the API server")
        parts["api-server"] = _spawn(
            home, "api-server", "--host", _HOST, "--port", str(port)
        )
        if not _wait_for_api(port, parts["api-server"], stopping):
            return 0
        for name in ("dag-processor", "triggerer", "scheduler"):
            tell(f"start the {name}")
            parts[name] = _spawn(home, name)
        tell(f"Airflow is up: http://{_HOST}:{port} ({_login(home)})")
        tell(
            f"The DAG {DAG_ID} is scheduled for world {tenant.world_name}. Ctrl-C stops."
        )
        return _watch(parts, home, stopping)
    finally:
        _stop(parts)
        tell("Airflow is stopped.")


def _settings(home: Path, port: int) -> dict[str, str]:
    return {
        "AIRFLOW__API__HOST": _HOST,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://{_HOST}:{port}",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://{_HOST}:{port}/execution/",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__API_AUTH__JWT_SECRET": _secret(home / "jwt_secret"),
        "AIRFLOW__API__SECRET_KEY": _secret(home / "api_secret"),
        "AIRFLOW__CORE__FERNET_KEY": "",
    }


def _secret(path: Path) -> str:
    """A secret of this installation, made once, readable by its owner only."""
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(secrets.token_hex(32))
    return path.read_text(encoding="utf-8")


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        if probe.connect_ex((_HOST, port)) == 0:
            raise RunFailedError(
                f"port {port} on {_HOST} is in use: stop what uses it, or choose "
                "another with --port"
            )


def _spawn(home: Path, *command: str) -> subprocess.Popen[bytes]:
    place = home / "logs" / f"{command[0]}.log"
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "airflow", *command],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )


def _wait_for_api(
    port: int, server: subprocess.Popen[bytes], stopping: list[int]
) -> bool:
    """True once the API says that it is healthy; False where a signal came first."""
    watch = clock.Stopwatch()
    while not stopping:
        if server.poll() is not None:
            raise RunFailedError(
                "the API server ended at once: its log is logs/api-server.log under "
                f"{os.environ['AIRFLOW_HOME']}"
            )
        if watch.seconds > _WAIT_SECONDS:
            raise RunFailedError(f"the API did not answer in {_WAIT_SECONDS} s")
        with suppress(urllib.error.URLError, OSError, ValueError):
            url = f"http://{_HOST}:{port}/api/v2/monitor/health"
            with urllib.request.urlopen(url, timeout=5) as answer:
                if json.load(answer)["metadatabase"]["status"] == "healthy":
                    return True
        time.sleep(0.3)
    return False


def _login(home: Path) -> str:
    place = home / "simple_auth_manager_passwords.json.generated"
    return f"user admin, password in {place}" if place.exists() else "user admin"


def _watch(
    parts: dict[str, subprocess.Popen[bytes]], home: Path, stopping: list[int]
) -> int:
    while not stopping:
        for name, process in parts.items():
            if process.poll() is not None:
                raise RunFailedError(
                    f"the {name} ended by itself (code {process.returncode}): its log "
                    f"is {home / 'logs' / (name + '.log')}"
                )
        time.sleep(0.5)
    return 0


def _stop(parts: dict[str, subprocess.Popen[bytes]]) -> None:
    """Ask every part to end, scheduler first; kill what does not."""
    for process in reversed(parts.values()):
        if process.poll() is None:
            process.terminate()
    for process in reversed(parts.values()):
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
