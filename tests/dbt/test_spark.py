"""The same dbt project on Spark: it parses there, and staging gives the same tables.
Connected components are the same too.

Spark has an environment of its own, made once from its lock (1.3 GB, kept beside the
project as ``.venv-spark``). A test is left out where packages or Java cannot be had.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from strata import pipeline
from strata.identity.engines import DuckSession
from strata.identity.fingerprints import table_fingerprint
from strata.identity.union_find import UnionFind
from strata.tenant import DEVELOPMENT_KEY, Tenant
from strata.warehouse import fingerprint

from tests.integration.world import FIRST, ROOT, small_project, small_tenant

pytestmark = pytest.mark.slow
DRIVER = Path(__file__).with_name("spark_staging.py")
LOCKS = ROOT / "requirements"
UNREACHABLE = ("Failed to fetch", "error sending request", "Connection", "No route")


def made(*command: object) -> None:
    """Run a step of the set-up; skip where the registry of packages is not there."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False
    )
    if any(words in done.stderr for words in UNREACHABLE):
        pytest.skip("the packages of requirements/spark.lock cannot be fetched here")
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def spark_bin() -> Path:
    """The environment of ``requirements/spark.lock``, made anew when that changes."""
    place, lock = ROOT / ".venv-spark", LOCKS / "spark.lock"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    ready = place / "lock.sha256"
    if not ready.exists() or ready.read_text("utf-8") != digest:
        made(sys.executable, "-m", "venv", "--clear", place)
        made(sys.executable, "-m", "venv", place / "uv")
        hashed = ("install", "-q", "--require-hashes", "-r")
        made(place / "uv" / "bin" / "python", "-m", "pip", *hashed, LOCKS / "uv.lock")
        python = ("--python", place / "bin" / "python")
        made(place / "uv" / "bin" / "uv", "pip", *hashed, lock, *python)
        ready.write_text(digest, "utf-8")
    return place / "bin"


def run(folder: Path, *command: object) -> str:
    """A command in the folder, with the package on its path; what it says."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "plugins"),
            "STRATA_PROJECT": str(ROOT),
            "STRATA_PSEUDONYM_KEY": DEVELOPMENT_KEY,
        },
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def test_the_project_parses_for_spark(spark_bin: Path, tmp_path: Path) -> None:
    """Every model, contract and macro is known to the adapter; no session is needed."""
    project = ROOT / "dbt_project"
    told = run(
        tmp_path,
        *(spark_bin / "dbt", "parse", "--target", "spark", "--no-version-check"),
        *("--project-dir", project, "--profiles-dir", project),
        *("--target-path", tmp_path / "target", "--log-path", tmp_path / "logs"),
    )

    assert "Registered adapter: spark=" in told
    assert (tmp_path / "target" / "manifest.json").exists()


@pytest.fixture
def staged(tmp_path: Path) -> Tenant:
    """A tenant of 40 people that has built staging on DuckDB, not yet published."""
    tenant = small_tenant(tmp_path, small_project(tmp_path, users=40, days=20))
    run_id = pipeline.start(tenant, FIRST + timedelta(days=19))
    for step in (pipeline.build, pipeline.gate, pipeline.promote):
        step(tenant, run_id, "ingest")
    pipeline.build(tenant, run_id, "staging")
    return tenant


def linked(folder: Path) -> str:
    """Write a chain, a star, a fan-in, a diamond and a node alone; the fingerprint of
    what union-find makes of them."""
    links = [(f"c{n}", f"c{n + 1}") for n in range(12)]
    links += [("hub", f"s{n}") for n in range(6)] + [("alone", "alone")]
    links += [("f1", "f"), ("f2", "f"), ("d1", "d2"), ("d1", "d3")]
    links += [("d2", "d4"), ("d3", "d4")]
    folder.mkdir(parents=True)
    with duckdb.connect() as con:
        con.execute("create table links (left_node varchar, right_node varchar)")
        con.executemany("insert into links values (?, ?)", links)
        con.execute(f"copy links to '{folder}/links.parquet'")
        UnionFind(DuckSession(con)).solve("links", "solved")
        return table_fingerprint(DuckSession(con), "solved")


def test_staging_and_components_on_spark_are_those_of_duckdb(
    spark_bin: Path, staged: Tenant, tmp_path: Path
) -> None:
    """One session for both, since it takes long to start."""
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java 17: install openjdk-17-jre-headless")
    with staged.warehouse.connection("test") as con:
        views = con.execute(
            "select schema_name, view_name from duckdb_views()"
            " where schema_name = 'raw' union all select 'ops', 'run_dates'"
        ).fetchall()
        for schema, name in views:
            (tmp_path / "spark" / schema).mkdir(parents=True, exist_ok=True)
            file = tmp_path / "spark" / schema / f"{name}.parquet"
            con.execute(f"copy (from {schema}.{name}) to '{file}'")

    partition = linked(tmp_path / "spark" / "graph")
    run(tmp_path, spark_bin / "python", DRIVER, ROOT, tmp_path / "spark")

    told = json.loads((tmp_path / "spark" / "components.json").read_text("utf-8"))
    assert told["fingerprint"] == partition and partition.startswith("28-5-")
    assert told["solution"]["rounds"] <= 4 and told["tables_left"] == []
    with staged.warehouse.connection("test") as con:
        con.execute("set timezone = 'UTC'")
        built = con.execute(
            "select schema_name, table_name from duckdb_tables()"
            " where schema_name in ('build_staging', 'build_pii') order by all"
        ).fetchall()
        rows = 0
        for schema, name in built:
            files = tmp_path / "spark" / "warehouse" / f"{schema}.db" / name
            con.execute(f"create schema if not exists spark_{schema}")
            con.execute(
                f"create table spark_{schema}.{name} as from {schema}.{name} limit 0"
            )
            con.execute(
                f"insert into spark_{schema}.{name} by name"
                f" from read_parquet('{files}/*.parquet')"
            )
            ours = fingerprint(con, schema, name)
            assert fingerprint(con, f"spark_{schema}", name) == ours, name
            rows += ours[0]
    assert len(built) > 30 and rows > 1_000
