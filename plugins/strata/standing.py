"""Airflow standing: four processes on loopback, started in order, stopped together."""

import contextlib
import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from strata import clock
from strata.orchestration import DAG_ID, RunFailedError, prepare_airflow
from strata.tenant import Tenant, state_root

_HOST = "127.0.0.1"
_USER = "admin"
_WAIT_SECONDS = 120
_STOP_SECONDS = 20
_QUICK_SECONDS = 3
# A running task is let end: it still tells the API, and is not done twice.
_TASK_SECONDS = 60
_POLL_SECONDS = 0.2

Parts = dict[str, subprocess.Popen[bytes]]


def stand(tenant: Tenant, port: int, tell: Callable[[str], object]) -> int:
    """Run Airflow until SIGINT, SIGTERM or SIGHUP; the exit code.

    The scheduler starts only once the API answers, since tasks report to it. A second
    signal while a task is still being waited for ends it at once; the next start goes
    on with it. Raises ``RunFailedError`` where the port or this home's Airflow is in
    use, where a part dies, and where the API does not come up.
    """
    home = state_root() / "airflow"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _only_one(home) as lock:
        _check_free(port)
        prepare_airflow(tenant, "airflow.db")
        os.environ.update(_settings(home, port))
        signals: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda n, _: signals.append(n))
        parts: Parts = {}

        def start(name: str, *options: str) -> subprocess.Popen[bytes]:
            tell(f"start the {name}")
            parts[name] = _spawn(home, lock, name, *options)
            _note(lock, port, parts)
            return parts[name]

        try:
            server = start("api-server", "--host", _HOST, "--port", str(port))
            if not _wait_for_api(home, port, server, signals):
                return 0
            start("dag-processor")
            # Logs are read from disk: the servers for them would listen everywhere.
            start("triggerer", "--skip-serve-logs")
            start("scheduler", "--skip-serve-logs")
            tell(f"Airflow is up: http://{_HOST}:{port}")
            tell(f"Log in as {_USER}; the password is in {_passwords(home)}")
            tell(f"{DAG_ID} is scheduled for world {tenant.world_name}. Ctrl-C stops.")
            return _watch(parts, home, signals)
        finally:
            _stop(parts, signals, tell)
            tell("Airflow is stopped.")


def _settings(home: Path, port: int) -> dict[str, str]:
    _make_password(_passwords(home))
    return {
        "AIRFLOW__API__HOST": _HOST,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://{_HOST}:{port}",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://{_HOST}:{port}/execution/",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{_USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(_passwords(home)),
        "AIRFLOW__API_AUTH__JWT_SECRET": _secret(home / "jwt_secret"),
        "AIRFLOW__API__SECRET_KEY": _secret(home / "api_secret"),
        "AIRFLOW__CORE__FERNET_KEY": "",
        # What a task says of itself is shown on its page.
        "AIRFLOW__LOGGING__NAMESPACE_LEVELS": "strata=INFO",
        # A task that a killed `up` left is taken up half a minute after the next start.
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
        # dbt leaves locks to the end of its process, which Airflow ends by force.
        "PYTHONWARNINGS": "ignore:resource_tracker:UserWarning",
    }


def _passwords(home: Path) -> Path:
    return home / "simple_auth_manager_passwords.json.generated"


def _make_password(path: Path) -> None:
    """Made here, since Airflow would print it into a log and let everybody read it."""
    if not path.exists():
        _write_private(path, json.dumps({_USER: secrets.token_urlsafe(12)}) + "\n")


def _secret(path: Path) -> str:
    """A secret of this installation, made once."""
    if not path.exists():
        _write_private(path, secrets.token_hex(32))
    return path.read_text(encoding="utf-8")


def _write_private(path: Path, text: str) -> None:
    """Readable by its owner only, and whole or not there."""
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
    temporary.replace(path)


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise RunFailedError(
                f"port {port} on {_HOST} cannot be had ({error.strerror}): stop what "
                "uses it, or choose another with --port"
            ) from None


@contextlib.contextmanager
def _only_one(home: Path) -> Iterator[IO[str]]:
    """The home's lock. Every part inherits it, so it lasts as long as any of them."""
    with (home / "up.lock").open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunFailedError(_who_runs(lock)) from None
        yield lock


def _note(lock: IO[str], port: int, parts: Parts) -> None:
    """Say in the lock who runs, for the one who comes second."""
    lock.seek(0)
    lock.truncate()
    pids = [process.pid for process in parts.values()]
    json.dump({"up": os.getpid(), "port": port, "parts": pids}, lock)
    lock.flush()


def _who_runs(lock: IO[str]) -> str:
    lock.seek(0)
    try:
        found = json.load(lock)
    except ValueError:
        return "Airflow of this home is being started already"
    if _is_alive(found["up"]):
        return (
            f"Airflow of this home runs already, on http://{_HOST}:{found['port']}: "
            f"stop it first (Ctrl-C there, or `kill {found['up']}`)"
        )
    left = " ".join(str(pid) for pid in found["parts"] if _is_alive(pid))
    return (
        "parts of an `up` that was killed still run on this home: end them with "
        f"`kill {left or '<the processes that hold ' + lock.name + '>'}`, then start again"
    )


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _spawn(
    home: Path, lock: IO[str], name: str, *options: str
) -> subprocess.Popen[bytes]:
    place = _log(home, name)
    place.parent.mkdir(parents=True, exist_ok=True)
    program = ["strata.scheduler"] if name == "scheduler" else ["airflow", name]
    with place.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *program, *options],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(lock.fileno(),),
        )


def _log(home: Path, name: str) -> Path:
    return home / "logs" / f"{name}.log"


def _wait_for_api(
    home: Path, port: int, server: subprocess.Popen[bytes], signals: list[int]
) -> bool:
    """True once the API says that it is healthy; False where a signal came first."""
    watch = clock.Stopwatch()
    log = _log(home, "api-server")
    while not signals:
        if server.poll() is not None:
            raise RunFailedError(f"the API server ended at once: its log is {log}")
        if watch.seconds > _WAIT_SECONDS:
            raise RunFailedError(
                f"the API did not answer in {_WAIT_SECONDS} s: its log is {log}"
            )
        with contextlib.suppress(OSError, ValueError):
            url = f"http://{_HOST}:{port}/api/v2/monitor/health"
            with urllib.request.urlopen(url, timeout=5) as answer:
                if json.load(answer)["metadatabase"]["status"] == "healthy":
                    return True
        time.sleep(_POLL_SECONDS)
    return False


def _watch(parts: Parts, home: Path, signals: list[int]) -> int:
    while not signals:
        for name, process in parts.items():
            if process.poll() is not None:
                raise RunFailedError(
                    f"the {name} ended by itself (code {process.returncode}): its log "
                    f"is {_log(home, name)}"
                )
        time.sleep(_POLL_SECONDS)
    return 0


def _stop(parts: Parts, signals: list[int], tell: Callable[[str], object]) -> None:
    """End the scheduler while its tasks can still report, then the rest, then all.

    A task has a process group of its own, which outlives its scheduler; so what is
    left is found by its session.
    """
    sessions = {process.pid for process in parts.values()}
    heard = len(signals)

    def ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
        watch = clock.Stopwatch()
        while process.poll() is None:
            if watch.seconds > seconds or len(signals) > heard:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    scheduler = parts.get("scheduler")
    if scheduler is not None:
        scheduler.terminate()
        if not ended(scheduler, _QUICK_SECONDS):
            tell("wait for the running task; Ctrl-C again ends it at once")
            ended(scheduler, _TASK_SECONDS)
    for process in parts.values():
        process.terminate()
    for process in parts.values():
        ended(process, _STOP_SECONDS)
    for pid in _members(sessions):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for process in parts.values():
        process.wait()


def _members(sessions: set[int]) -> list[int]:
    """Every process of the sessions, whatever became of its parent."""
    found = []
    for pid in _all_processes():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(pid) in sessions:
                found.append(pid)
    return found


def _all_processes() -> list[int]:
    proc = Path("/proc")
    if proc.is_dir():
        return [int(p.name) for p in proc.iterdir() if p.name.isdigit()]
    listed = subprocess.run(["ps", "-A", "-o", "pid="], capture_output=True, check=True)
    return [int(pid) for pid in listed.stdout.split()]
