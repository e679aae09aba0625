"""A small tenant for whole runs: the project's own rules over a 200-person world."""

import fcntl
import os
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
import yaml
from strata import pipeline
from strata.tenant import Tenant
from strata.warehouse import STAGES, fingerprint, fingerprints
from strata.warehouse.tables import BESIDE

ROOT = Path(__file__).parents[2]
FIRST = date(2026, 1, 1)
DAY = FIRST + timedelta(days=39)
SNAPSHOTS = {
    ("features", "feat_users"),
    ("segments", "scores"),
    ("segments", "user_tiers"),
    ("segments", "reasons"),
}
SCHEMAS = ("staging", "pii", "identity", "features", "marts", "segments", "models")


def small_project(
    folder: Path, users: int = 200, days: int = 40, **dirt: float
) -> Path:
    """A project root that shares everything but ``config/`` with the real one."""
    root = folder / "project"
    root.mkdir(parents=True)
    for name in ("dbt_project", "expectations", "dags", "plugins"):
        (root / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "config", root / "config")
    sample = yaml.safe_load((root / "config" / "sample.yml").read_text("utf-8"))
    sample |= {"users": users, "days": days, "first_day": FIRST}
    sample["dirt"] = {**sample["dirt"], "broken_rows": 0.004, **dirt}
    (root / "config" / "sample.yml").write_text(yaml.safe_dump(sample), "utf-8")
    return root


def small_tenant(folder: Path, root: Path | None = None) -> Tenant:
    return Tenant("sample", root=root or small_project(folder), state=folder / "state")


def rows(tenant: Tenant, sql: str, *values: object) -> list[tuple]:  # type: ignore[type-arg]
    with tenant.warehouse.connection("test") as con:
        return con.execute(sql, list(values)).fetchall()


def contents(tenant: Tenant, ds: date | None = None) -> dict[str, tuple[int, str]]:
    """Rows and content hash of every published table; with ``ds``, of its snapshots."""
    with tenant.warehouse.connection("test") as con:
        return {
            f"{schema}.{table}": (
                fingerprints(con, schema, table, [ds])[1][ds]
                if ds
                else fingerprint(con, schema, table)
            )
            for schema, table in _tables(con)
            if ds is None or (schema, table) in SNAPSHOTS
        }


def crm_rows(tenant: Tenant) -> list[tuple]:  # type: ignore[type-arg]
    """What the CRM holds of ours, but for the day of the last change."""
    import sqlite3

    with sqlite3.connect(tenant.home / "crm" / "crm.db") as con:
        names = [r[1] for r in con.execute("pragma table_info(strata_segments)")]
        listed = ", ".join(n for n in names if n != "updated_on")
        return con.execute(
            f"select {listed} from strata_segments order by 1"
        ).fetchall()


def run_day(tenant: Tenant, ds: date) -> str:
    return pipeline.run_day(tenant, ds)


def run_until(tenant: Tenant, ds: date, last: str, *, since: date | None = None) -> str:
    """A run that is left once stage ``last`` is published; its id.

    For laws of what that stage and those before it publish: a test that asks for no
    more need not wait for the rest of a day.
    """
    run_id = pipeline.start(tenant, ds, since=since)
    for stage in STAGES[: STAGES.index(last) + 1]:
        pipeline.build(tenant, run_id, stage)
        pipeline.gate(tenant, run_id, stage)
        pipeline.promote(tenant, run_id, stage)
    return run_id


def run_range(tenant: Tenant, since: date, ds: date) -> str:
    """The days from ``since`` to ``ds``, built together by one run; its id."""
    run_id = run_until(tenant, ds, "publish", since=since)
    pipeline.sync(tenant, run_id)
    pipeline.serve(tenant, run_id)
    return run_id


def make(
    root: Path, state: Path, *arguments: str, code: int = 0
) -> subprocess.CompletedProcess[str]:
    """A target of the Makefile, as a person gives it, in the environment of the tests.

    ``-o`` keeps the environment as it is: what is tested is the run, not the set-up.
    """
    done = subprocess.run(
        [
            *("make", "-C", str(root), "-f", str(ROOT / "Makefile")),
            *(f"VENV={sys.prefix}", "-o", f"{sys.prefix}/.base"),
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=False,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")},
            "STRATA_HOME": str(state),
            "COLUMNS": "200",
        },
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def after_a_day(
    factory: pytest.TempPathFactory, name: str, root: Path | None = None
) -> Tenant:
    """A tenant of its own that has run ``DAY``, and goes on by the rules of ``root``.

    The day is run once, whichever worker comes first, and copied to all who ask.
    """
    base = factory.getbasetemp()
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    shared = (base.parent if is_worker else base) / "a_day"
    shared.mkdir(exist_ok=True)
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "done").exists():
            run_day(small_tenant(shared), DAY)
            (shared / "done").touch()
        ran = small_tenant(shared, root or shared / "project")
        return copy_of(ran, factory.mktemp(name))


def copy_of(tenant: Tenant, folder: Path) -> Tenant:
    """The same tenant in another place, with all its state."""
    shutil.copytree(tenant.state, folder / "state", symlinks=True)
    return Tenant("sample", root=tenant.root, state=folder / "state")


def _tables(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    return con.execute(
        "select schema_name, table_name from duckdb_tables()"
        f" where schema_name in {SCHEMAS} and not ends_with(table_name, '{BESIDE}')"
        " order by all"
    ).fetchall()
