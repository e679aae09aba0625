"""The services of docker-compose.yml, started by hand on a real PostgreSQL.

No Docker engine is needed: commands, environment and secrets are read from the file,
and the paths of the containers are led to folders of the test. An operator who logs in
triggers the day; twice it stops at a database whose password is wrong; then it
succeeds. Afterwards every secret is looked for wherever the run left anything.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
import yaml
from psycopg import sql
from strata.config.loader import read_yaml
from strata.config.sample import SampleConfig
from strata.sample import advance
from strata.tenant import Tenant

from tests.integration.debian import unpacked
from tests.integration.world import FIRST, ROOT, small_project

pytestmark = pytest.mark.slow
COMPOSE = ROOT / "docker-compose.yml"
DAG = "/api/v2/dags/daily_segments"
DS = FIRST + timedelta(days=39)
SERVICES = ("api-server", "dag-processor", "triggerer", "scheduler")
NOBODY = 65534  # PostgreSQL refuses to be root
LONGEST_WAIT = 240  # seconds; a bound, not an expectation
# Told by the drivers in their errors, hence in every place an error reaches.
MARKERS = ("marker_reader", "marker_writer")
WRONG = ("canary-wrong-reader-8d1f", "canary-wrong-writer-2b6e")
RIGHT = ("canary-right-reader-61c0", "canary-right-writer-f7a3")
T = TypeVar("T")


def until(ask: Callable[[], T | None], told: Callable[[], str]) -> T:
    for _ in range(LONGEST_WAIT * 2):
        found = ask()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError(f"it did not come about:\n{told()}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listening(pids: list[int]) -> set[str]:
    """Addresses (hexadecimal, with port) on which one of the processes listens."""
    sockets: set[str] = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    sockets.add(str(entry.readlink()))
    lines = Path("/proc/net/tcp").read_text("utf-8").splitlines()[1:]
    lines += Path("/proc/net/tcp6").read_text("utf-8").splitlines()[1:]
    parts = [line.split() for line in lines]
    return {p[1] for p in parts if p[3] == "0A" and f"socket:[{p[9]}]" in sockets}


def with_defaults(text: str) -> str:
    """The text as compose reads it where no variable is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


@contextlib.contextmanager
def postgres(folder: Path, password: str) -> Iterator[int]:
    """A server of Debian's PostgreSQL 15 on a free port of loopback; the port."""
    debian = unpacked(
        "postgresql-15",
        also="postgresql",
        without=("libllvm14", "libz3-4", "locales", "locales-all"),
    )
    programs = debian / "usr" / "lib" / "postgresql" / "15" / "bin"
    libraries = ":".join(str(p) for p in debian.glob("usr/lib/*-linux-gnu"))
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    environment["LD_LIBRARY_PATH"] = libraries
    folder.mkdir(mode=0o700)
    given = folder / "password"
    given.write_text(password, "utf-8")
    someone = []
    if os.getuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
        os.chown(given, NOBODY, NOBODY)
        someone = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}"]
        someone += ["--clear-groups"]
    data, port = str(folder / "data"), free_port()
    made = subprocess.run(
        [
            *(*someone, str(programs / "initdb"), "-D", data, "-U", "postgres"),
            *("-A", "scram-sha-256", f"--pwfile={given}", "-E", "UTF8", "--no-sync"),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=folder,
    )
    assert made.returncode == 0, made.stderr
    with (folder.parent / "postgres.out").open("wb") as out:
        server = subprocess.Popen(
            [
                *(*someone, str(programs / "postgres"), "-D", data, "-p", str(port)),
                *("-h", "127.0.0.1", "-k", str(folder)),
                *("-c", "fsync=off", "-c", "jit=off"),
            ],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
        )
    try:
        yield port
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@dataclass
class Deployment:
    """What docker-compose.yml says, on paths and ports of the test."""

    root: Path
    state: Path
    secrets: Path
    database: int
    outputs: Path
    port: int = field(default_factory=free_port)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        compose = yaml.safe_load(COMPOSE.read_text("utf-8"))
        self.services: dict[str, Any] = compose["services"]
        self.base = f"http://127.0.0.1:{self.port}"

    def here(self, text: str, service: str) -> str:
        """A path, command or address of a container as it is in this test."""
        places = {
            "http://api-server:8080": self.base,
            "http://127.0.0.1:8080": self.base,
            "/run/secrets": str(self.secrets),
            "/opt/strata": str(self.root),
            "/var/lib/strata": str(self.state),
            "/var/log/strata": str(self.state / "airflow" / "logs"),
            "/tmp": str(self.outputs / service),
        }
        known = "|".join(map(re.escape, places))
        return re.sub(known, lambda found: places[found.group()], text)

    def environment(self, service: str) -> dict[str, str]:
        (self.outputs / service).mkdir(exist_ok=True)
        told = self.services[service]["environment"]
        own = {k: self.here(with_defaults(v), service) for k, v in told.items()}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        plugins = str(self.root / "plugins")
        return {"PATH": path, "PYTHONPATH": plugins, "LANG": "C.UTF-8", **own}

    def start(self, service: str) -> subprocess.Popen[bytes]:
        command = [self.here(w, service) for w in self.services[service]["command"]]
        if service == "api-server":  # its container is closed; this machine is not
            command = ["airflow", service, "--host", "127.0.0.1"]
            command += ["--port", str(self.port)]
        environment = self.environment(service)
        program = shutil.which(command[0], path=environment["PATH"])
        with (self.outputs / f"{service}.out").open("ab") as out:
            process = subprocess.Popen(
                [str(program), *command[1:]],
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environment,
                cwd=self.outputs / service,
                start_new_session=True,
            )
        self.running[service] = process
        return process

    def is_healthy(self, service: str) -> bool:
        """What the health check of the file says."""
        check = self.services[service]["healthcheck"]["test"]
        assert check[:2] == ["CMD", "python"]
        words = [self.here(w, service) for w in check[2:]]
        words[-1] = self.base
        done = subprocess.run(
            [sys.executable, *words], capture_output=True, check=False
        )
        return done.returncode == 0

    def processes(self) -> list[int]:
        """Those of every service, with all that they started."""
        sessions = {process.pid for process in self.running.values()}
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(ProcessLookupError):
                    if os.getsid(int(entry.name)) in sessions:
                        found.append(int(entry.name))
        return found

    def stop(self) -> None:
        """End every service, the scheduler first, then what is left of them."""
        for service in reversed(list(self.running)):
            self.running[service].terminate()
        for process in self.running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self.running.values():
            process.wait()

    def told(self) -> str:
        outs = sorted(self.outputs.glob("*.out"))
        return "\n".join(f"{p.name}: {p.read_text('utf-8')[-1500:]}" for p in outs)

    def connect(self, database: str = "airflow", **who: str) -> psycopg.Connection[Any]:
        who = who or {
            "user": "postgres",
            "password": (self.secrets / "postgres_password").read_text("utf-8"),
        }
        return psycopg.connect(
            host="127.0.0.1", port=self.database, dbname=database, **who
        )


class Visitor:
    """Somebody who talks to the API, logged in or not."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._token: str | None = None

    def log_in(self, name: str, password: str) -> "Visitor":
        body = {"username": name, "password": password}
        self._token = self.call("POST", "/auth/token", body)["access_token"]
        return self

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            self._base + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        if self._token is not None:
            request.add_header("Authorization", f"Bearer {self._token}")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def refused(self, method: str, path: str, body: dict[str, Any]) -> int:
        with pytest.raises(urllib.error.HTTPError) as caught:
            self.call(method, path, body)
        return caught.value.code


def project(folder: Path) -> Path:
    """The project, its world holding real people, its CRM behind two connections."""
    root = small_project(folder)
    (root / "deploy").symlink_to(ROOT / "deploy")
    # A schedule that is never due: else its run would take the turn of the one asked for.
    (root / "dags").unlink()
    (root / "dags").mkdir()
    dag = (ROOT / "dags" / "daily_segments.py").read_text("utf-8")
    assert dag.count('"0 4 * * *"') == 1
    never = dag.replace('"0 4 * * *"', '"0 4 29 2 *"').replace(
        "2025, 1, 1", "2025, 3, 1"
    )
    (root / "dags" / "daily_segments.py").write_text(never, "utf-8")
    for name, change in {
        "worlds/sample.yml": {"public_data": False},
        "sources.yml": None,
        "activation.yml": None,
    }.items():
        place = root / "config" / name
        content = yaml.safe_load(place.read_text("utf-8"))
        if change is not None:
            content |= change
        elif name == "sources.yml":
            content["systems"]["crm"].pop("url")
            content["systems"]["crm"]["connection"] = "crm_source"
        else:
            client = content["targets"][0]["client"]
            client.pop("url")
            client["connection"] = "crm_target"
        place.write_text(yaml.safe_dump(content), "utf-8")
    return root


def write_connections(made: Deployment, reader: str, writer: str) -> None:
    one = {"conn_type": "postgres", "host": "127.0.0.1", "port": made.database}
    one["schema"] = "crm"
    told = {
        "crm_source": one | {"login": MARKERS[0], "password": reader},
        "crm_target": one | {"login": MARKERS[1], "password": writer},
    }
    beside = made.secrets / ".connections.yml"
    beside.write_text(yaml.safe_dump(told), "utf-8")
    beside.replace(made.secrets / "connections.yml")


def fill_crm(made: Deployment) -> None:
    """The sample company's CRM as a PostgreSQL database with two logins."""
    tenant = Tenant("sample", root=made.root, state=made.state)
    config = read_yaml(tenant.config_dir / "sample.yml", SampleConfig)
    crm = tenant.home / "crm" / "crm.db"
    advance(tenant.home / "world", crm, config, DS)
    with made.connect() as con:
        con.autocommit = True
        con.execute("create database crm")
    with made.connect("crm") as con, sqlite3.connect(crm) as lite:
        for role, password in zip(MARKERS, RIGHT, strict=True):
            con.execute(
                sql.SQL("create role {} login password {}").format(
                    sql.Identifier(role), sql.Literal(password)
                )
            )
        con.execute(f"grant create on schema public to {MARKERS[1]}")
        listed = lite.execute("select name from sqlite_master where type = 'table'")
        for (table,) in listed.fetchall():
            if table == "strata_segments":  # made by the write-back
                continue
            rows = lite.execute(f"select * from {table}")
            names = [column[0] for column in rows.description]
            columns = ", ".join(f'"{name}" text' for name in names)
            con.execute(f"create table {table} ({columns})")
            with con.cursor().copy(f"copy {table} from stdin") as copy:
                for row in rows.fetchall():
                    copy.write_row(row)
            con.execute(f"grant select on {table} to {MARKERS[0]}")


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Everything but the services: database, secrets, CRM. Ends all that it began."""
    folder = tmp_path_factory.mktemp("deployment")
    open_to_nobody = folder
    while open_to_nobody != Path(folder.anchor) and os.getuid() == 0:
        if not open_to_nobody.stat().st_mode & 0o001:
            open_to_nobody.chmod(open_to_nobody.stat().st_mode | 0o001)
        open_to_nobody = open_to_nobody.parent
    root, state, secrets = project(folder), folder / "state", folder / "secrets"
    subprocess.run(
        [sys.executable, str(ROOT / "deploy" / "prepare.py"), str(secrets), str(state)],
        check=True,
        capture_output=True,
    )
    password = (secrets / "postgres_password").read_text("utf-8")
    outputs = folder / "outputs"
    outputs.mkdir()
    with postgres(folder / "postgres", password) as port:
        made = Deployment(root, state, secrets, port, outputs)
        url = (secrets / "metadata_url").read_text("utf-8")
        here = url.replace("@postgres:5432", f"@127.0.0.1:{port}")
        (secrets / "metadata_url").write_text(here, "utf-8")
        until(lambda: reached(made), made.told)
        with made.connect("postgres") as con:
            con.autocommit = True
            literal = sql.Literal(password)
            con.execute(
                sql.SQL("create role airflow login password {}").format(literal)
            )
            con.execute("create database airflow owner airflow")
        fill_crm(made)
        write_connections(made, *WRONG)
        try:
            yield made
        finally:
            made.stop()


def reached(made: Deployment) -> bool:
    with contextlib.suppress(psycopg.OperationalError), made.connect("postgres"):
        return True
    return False


@dataclass
class Seen:
    """What came to light while the day ran."""

    opened: set[str] = field(default_factory=set)
    refused: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)
    traces: list[dict[str, set[str]]] = field(default_factory=list)


@pytest.fixture(scope="module")
def seen(deployment: Deployment) -> Iterator[Seen]:
    """The day: users, health, a refusal, two failures, a success, a search."""
    made, found = deployment, Seen()
    assert made.start("init").wait(120) == 0, made.told()
    for service in SERVICES:
        made.start(service)
        if service == "api-server":
            until(lambda: made.is_healthy("api-server"), made.told)
    admin = Visitor(made.base)
    admin.log_in("admin", (made.secrets / "admin_password").read_text("utf-8"))
    operator, analyst = (
        with_role(admin, made.base, *who)
        for who in (("operator", "User"), ("analyst", "Viewer"))
    )
    for service in SERVICES:
        until(lambda s=service: made.is_healthy(s), made.told)
    until(lambda: known(operator), made.told)
    body = {"dag_run_id": "marker-run", "logical_date": None, "conf": {"ds": str(DS)}}
    for name, visitor in {"analyst": analyst, "nobody": Visitor(made.base)}.items():
        found.refused[name] = visitor.refused("POST", f"{DAG}/dagRuns", body)
    operator.call("POST", f"{DAG}/dagRuns", body)
    operator.call("PATCH", DAG, {"is_paused": False})

    def stands_still(task: str) -> str | None:
        one = operator.call("GET", f"{DAG}/dagRuns/marker-run/taskInstances/{task}")
        return one["state"] if one["state"] in ("failed", "up_for_retry") else None

    for task, reader in (("ingest.build", WRONG[0]), ("publish.sync", RIGHT[0])):
        write_connections(made, reader, WRONG[1])
        if task == "publish.sync":
            again(operator, "ingest.build")
        found.failed[task] = until(lambda t=task: stands_still(t), made.told)
    found.opened = listening(made.processes())
    found.traces.append(traces(made))
    write_connections(made, *RIGHT)
    again(operator, "publish.sync")

    def ended() -> dict[str, Any] | None:
        run = operator.call("GET", f"{DAG}/dagRuns/marker-run")
        return dict(run) if run["state"] in ("success", "failed") else None

    until(lambda: ended() if stands_still("publish.sync") is None else None, made.told)
    found.run = until(ended, made.told)
    made.stop()
    found.traces.append(traces(made))
    yield found


def with_role(admin: Visitor, base: str, name: str, role: str) -> Visitor:
    password = password_of(name)
    user = {"username": name, "first_name": name, "last_name": role}
    user |= {"email": f"{name}@localhost", "password": password}
    admin.call("POST", "/auth/fab/v1/users", user | {"roles": [{"name": role}]})
    return Visitor(base).log_in(name, password)


def known(visitor: Visitor) -> bool:
    with contextlib.suppress(urllib.error.HTTPError):
        return bool(visitor.call("GET", DAG))
    return False


def again(visitor: Visitor, task: str) -> None:
    body = {"dag_run_id": "marker-run", "task_ids": [task], "dry_run": False}
    body |= {"include_downstream": True, "only_failed": False, "reset_dag_runs": True}
    visitor.call("POST", f"{DAG}/clearTaskInstances", body)


def canaries(made: Deployment) -> set[str]:
    """Every secret there is: of connections, users, Airflow, pseudonyms."""
    files = [p for p in made.secrets.iterdir() if p.suffix != ".yml"]
    assert len(files) == 9
    return {
        *WRONG,
        *RIGHT,
        *(password_of(name) for name in ("operator", "analyst")),
        *(place.read_text("utf-8").strip() for place in files),
    }


def password_of(name: str) -> str:
    return f"{name}-canary-3fd0"


def traces(made: Deployment) -> dict[str, set[str]]:
    """Where each canary and each harmless marker stands: needle, places."""
    needles = {*canaries(made), *MARKERS, "marker-run", f"{DS}.1", "marts.dim_users"}
    found: dict[str, set[str]] = {needle: set() for needle in needles}
    for where, content in everything(made):
        for needle in needles:
            if needle.encode() in content:
                found[needle].add(where)
    return found


def everything(made: Deployment) -> Iterator[tuple[str, bytes]]:
    """All that the services wrote: files, and the rows of three databases as text."""
    for folder in (made.state, made.outputs):
        for place in folder.rglob("*"):
            if place.is_file() and not place.is_symlink():
                yield str(place.relative_to(made.state.parent)), place.read_bytes()
    for name in ("airflow", "crm"):
        with made.connect(name) as con:
            tables = con.execute(
                "select format('%I.%I', table_schema, table_name)"
                " from information_schema.tables"
                " where table_schema not in ('pg_catalog', 'information_schema')"
            ).fetchall()
            for (table,) in tables:
                rows = con.execute(f"select t::text from {table} as t").fetchall()
                yield f"{name}: {table}", "\n".join(str(r[0]) for r in rows).encode()
    tenant = Tenant("sample", root=made.root, state=made.state)
    with tenant.warehouse.connection("search") as con:
        for schema, table in con.execute(
            "select schema_name, table_name from duckdb_tables()"
        ).fetchall():
            rows = con.execute(f'select t::varchar from "{schema}"."{table}" t')
            text = "\n".join(str(row[0]) for row in rows.fetchall())
            yield f"warehouse: {schema}.{table}", text.encode()


def test_debians_docker_compose_takes_the_file() -> None:
    debian = unpacked("docker-compose", also="python3-")
    packages = debian / "usr" / "lib" / "python3" / "dist-packages"
    for profile in ([], ["--profile", "bi"]):
        program = [sys.executable, str(debian / "usr" / "bin" / "docker-compose")]
        done = subprocess.run(
            [*program, "-f", str(COMPOSE), *profile, "config", "-q"],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(packages)},
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_an_operator_triggers_the_day_and_it_succeeds(
    seen: Seen, deployment: Deployment
) -> None:
    assert seen.refused == {"analyst": 403, "nobody": 401}
    assert seen.failed == {"ingest.build": "up_for_retry", "publish.sync": "failed"}
    assert seen.run["state"] == "success"
    assert seen.run["triggering_user_name"] == "operator"
    with deployment.connect("crm") as con:
        tiers = con.execute(
            "select count(*), count(tier) from strata_segments"
        ).fetchone()
    assert tiers is not None and tiers[0] == tiers[1] > 50, "written to PostgreSQL"


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("ingest.build", r"ingest: built \d+ tables beside the published ones"),
        ("staging.build", r"staging: built \d+ tables with \d+ rows beside"),
        ("features.gate", r"features: checked: \d+ passed"),
        ("identity.promote", r"identity: published \d+ rows"),
        ("publish.sync", r"publish: wrote back to crm: \d+ created"),
        ("publish.finish", r"publish: swapped in the published copy"),
    ],
)
def test_each_task_says_in_its_log_what_it_did(
    task: str, words: str, seen: Seen, deployment: Deployment
) -> None:
    logs = deployment.state / "airflow" / "logs"
    told = [p.read_text("utf-8") for p in logs.rglob(f"*task_id={task}/*.log")]
    assert re.search(rf"run {DS}\.1, {words}", "".join(told))


def test_nothing_listens_but_the_api_and_that_on_loopback(
    seen: Seen, deployment: Deployment
) -> None:
    assert seen.opened == {f"0100007F:{deployment.port:04X}"}


def test_the_services_are_told_where_secrets_lie_and_no_secret(
    deployment: Deployment,
) -> None:
    for service in ("init", *SERVICES):
        told = "\n".join(deployment.environment(service).values())
        assert not [c for c in canaries(deployment) if c in told], service


def test_no_secret_is_left_anywhere(seen: Seen, deployment: Deployment) -> None:
    for found in seen.traces:
        leaks = {c: found[c] for c in canaries(deployment) if found[c]}
        assert leaks == {}


@pytest.mark.parametrize(
    ("marker", "place"),
    [
        (
            "marker_reader",
            "logs/dag_id=daily_segments/run_id=marker-run/task_id=ingest",
        ),
        (
            "marker_writer",
            "logs/dag_id=daily_segments/run_id=marker-run/task_id=publish",
        ),
        ("marker_writer", f"reports/{DS}/{DS}.1/report.html"),
        ("marker_writer", "warehouse: audit.runs"),
        ("marker-run", "outputs/scheduler.out"),
        ("marker-run", "airflow: public.task_instance_history"),
        ("marker-run", "airflow: public.log"),
        (f"{DS}.1", "airflow: public.rendered_task_instance_fields"),
        (f"{DS}.1", "airflow: public.xcom"),
        (f"{DS}.1", f"reports/{DS}/{DS}.1/data_docs/index.html"),
        (f"{DS}.1", "raw/_manifest/"),
        (f"{DS}.1", "warehouse: audit.gate_results"),
        (f"{DS}.1", "warehouse: ops.load_manifest"),
        ("marts.dim_users", "dbt/logs/"),
    ],
)
def test_the_search_finds_what_is_there(marker: str, place: str, seen: Seen) -> None:
    """Else finding no secret would say nothing."""
    assert [where for where in seen.traces[0][marker] if place in where]
