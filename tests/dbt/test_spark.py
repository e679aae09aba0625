"""The whole dbt project on Spark gives the tables of DuckDB, by ``strata parity``; and
a promote that is killed there leaves what was published.

Spark has an environment of its own, made once from its lock (1.6 GB, kept beside the
project as ``.venv-spark``). A test is left out where packages or Java cannot be had.
"""

import json
import os
import shutil
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from strata import pipeline
from strata.tenant import DEVELOPMENT_KEY, Tenant
from strata.warehouse.spark_session import SparkMissingError, check_installed

from tests.dbt.cross_engine import TIES, amounts_per, by_hand, decimals_of_doubles
from tests.integration.world import FIRST, ROOT, rows, small_project, small_tenant

pytestmark = pytest.mark.slow
DRIVER = Path(__file__).with_name("spark_promote.py")
UNREACHABLE = ("Failed to fetch", "error sending request", "Connection", "No route")


@pytest.fixture(scope="module")
def spark_bin() -> Path:
    """The environment of ``requirements/spark.lock``, as ``make parity`` makes it."""
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java 17: install openjdk-17-jre-headless")
    done = subprocess.run(
        ["make", ".venv-spark/.spark", f"PYTHON={sys.executable}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if any(words in done.stderr for words in UNREACHABLE):
        pytest.skip("the packages of requirements/spark.lock cannot be fetched here")
    assert done.returncode == 0, done.stderr[-2000:]
    return ROOT / ".venv-spark" / "bin"


def run(tenant: Tenant | None, *command: object) -> subprocess.CompletedProcess[str]:
    """A command in the environment of Spark, for a tenant."""
    place = (
        {"STRATA_PROJECT": tenant.root, "STRATA_HOME": tenant.state} if tenant else {}
    )
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            **{name: str(value) for name, value in place.items()},
            "PYTHONPATH": str(ROOT / "plugins"),
            "STRATA_PSEUDONYM_KEY": DEVELOPMENT_KEY,
        },
    )


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    """A tenant of 120 people with three days published together, without gates."""
    folder = tmp_path_factory.mktemp("tenant")
    tenant = small_tenant(folder, small_project(folder, users=120, days=45))
    last = FIRST + timedelta(days=44)
    run_id = pipeline.start(tenant, last, since=last - timedelta(days=2))
    for stage in ("ingest", "staging", "identity", "features", "segments", "publish"):
        pipeline.build(tenant, run_id, stage)
        if stage == "ingest":
            pipeline.gate(tenant, run_id, stage)
        pipeline.promote(tenant, run_id, stage)
    return tenant


def test_every_table_is_the_same_on_spark_and_what_is_not_is_told(
    spark_bin: Path, published: Tenant
) -> None:
    """Three tables are altered on DuckDB: these are named, and of the others only the
    metrics of orders, which stand on one of them.
    """
    rows(
        published,
        "delete from staging.events where event_id = (select min(event_id) from staging.events)",
    )
    rows(
        published,
        "update marts.fct_orders set net_amount = net_amount + 0.01 where order_id = (select min(order_id) from marts.fct_orders)",
    )
    rows(
        published,
        "update pii.persons set city = '?' where record_key = (select min(record_key) from pii.persons)",
    )

    stages = ("staging", "identity", "features", "publish", "metrics")
    asked = [word for stage in stages for word in ("--stage", stage)]
    asked += ["--metric", "revenue", "--metric", "repurchase_rate", "--json"]
    done = run(published, spark_bin / "strata", "parity", "--world", "sample", *asked)

    assert done.returncode == 1 and done.stdout, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout)
    tables = {table["table"]: table for table in found["tables"]}
    wrong = {name for name, table in tables.items() if not table["holds"]}
    assert {name for name in wrong if not name.startswith("metrics.")} == {
        "staging.events",
        "marts.fct_orders",
        "pii.persons",
    }
    assert "metrics.revenue" in wrong
    assert not wrong & {"metrics.metric_users", "metrics.repurchase_rate"}
    assert tables["staging.events"]["only_theirs"] == 1
    assert tables["marts.fct_orders"]["columns"] == {"net_amount": 1}
    assert tables["marts.fct_orders"]["examples"][0]["what"].startswith("net_amount: ")
    assert tables["pii.persons"]["columns"] == {"city": 1}
    assert tables["pii.persons"]["examples"] == []
    assert {table["stage"] for table in found["tables"]} == {*stages}
    assert tables["features.feat_users"]["ours"] > 100
    assert sum(table["ours"] for table in found["tables"]) > 8_000
    assert not (published.home / "parity").exists()


@pytest.fixture(scope="module")
def after_a_kill(spark_bin: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the process says that comes after a promote that was killed.

    It divides decimals as well, since Spark takes ten seconds to start.
    """
    folder = tmp_path_factory.mktemp("promoted")
    killed = run(None, spark_bin / "python", DRIVER, folder, "killed")
    assert killed.returncode == -9, killed.stderr[-2000:]
    assert len(list(folder.glob("features__*.db"))) == 2

    queries = [amounts_per("spark", TIES), decimals_of_doubles("spark")]
    after = run(None, spark_bin / "python", DRIVER, folder, "after", *queries)
    assert after.returncode == 0, after.stderr[-4000:]
    return json.loads(after.stdout)


def test_a_promote_killed_before_the_rename_leaves_the_old_views(
    after_a_kill: Any,
) -> None:
    stood, then, again, _ = after_a_kill
    first = ["2026-01-01 a 1", "2026-01-01 c 1"]
    second = ["2026-01-02 b 2", "2026-01-02 c 2"]
    assert stood["tables"] == dict.fromkeys(stood["tables"], first)
    assert stood["newest"] == "2026-01-01"
    assert then["tables"] == {
        "features.days": first + second,
        "features.names": ["2026-01-01 a 1", *second],
        "features.notes": first + second,
        "features.counts": ["2026-01-01 a 1", *second],
        "marts.facts": second,
    }
    assert then["columns"] == ["ds", "name", "n", "added"]
    assert then["newest"] == "2026-01-02"
    assert again == then


def test_the_last_digit_of_money_is_the_same_there(after_a_kill: Any) -> None:
    *_, (quotients, doubles) = after_a_kill

    assert [Decimal(text) for _, text in quotients] == [by_hand(p) for p in TIES]
    ours = duckdb.sql(decimals_of_doubles("duckdb")).fetchall()
    assert sorted(map(tuple, doubles)) == sorted(ours)


def test_without_spark_the_command_says_how_to_get_it(published: Tenant) -> None:
    with pytest.raises(SparkMissingError, match="make parity"):
        check_installed()
