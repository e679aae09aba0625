"""Publication is one transaction; what was published is never half there."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strata.identity.tables import TABLES, create_state
from strata.run import Run
from strata.warehouse import DuckDBWarehouse, TableSpec, fingerprint, fingerprints
from strata.warehouse.lease import WarehouseBusyError

DAY = date(2026, 10, 31)
SNAPSHOT = TableSpec("features", "feat_users", "by_ds")
FACTS = TableSpec("marts", "fct_orders", "replace")


def a_run(home: Path, ds: date = DAY, attempt: int = 1, newest: bool = True) -> Run:
    return Run(f"{ds}.{attempt}", ds, "test", home, "UTC", newest)


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckDBWarehouse:
    found = DuckDBWarehouse(tmp_path)
    found.migrate()
    return found


def build(warehouse: DuckDBWarehouse, ds: date, users: int, orders: int) -> None:
    warehouse.start_build("features")
    with warehouse.connection("test") as con:
        con.execute(
            "create table build_features.feat_users as"
            f" select i as user, date '{ds}' as ds, 'r' as _run_id from range({users}) t(i)"
        )
        con.execute(
            f"create table marts.fct_orders__build as select i from range({orders}) t(i)"
        )
        con.execute(
            "create view build_marts.fct_orders as from marts.fct_orders__build"
        )


def rows(warehouse: DuckDBWarehouse, sql: str) -> list[tuple[object, ...]]:
    with warehouse.connection("test") as con:
        return con.execute(sql).fetchall()


def test_a_snapshot_replaces_its_day_and_leaves_the_others(
    warehouse: DuckDBWarehouse, tmp_path: Path
) -> None:
    for ds, users in [(date(2026, 10, 30), 3), (DAY, 5), (DAY, 4)]:
        build(warehouse, ds, users, orders=users)
        warehouse.promote("features", a_run(tmp_path, ds), [SNAPSHOT, FACTS])

    assert rows(
        warehouse, "select ds, count(*) from features.feat_users group by 1 order by 1"
    ) == [(date(2026, 10, 30), 3), (DAY, 4)]
    assert rows(warehouse, "select count(*) from marts.fct_orders") == [(4,)]


def test_an_older_day_publishes_snapshots_only(
    warehouse: DuckDBWarehouse, tmp_path: Path
) -> None:
    build(warehouse, DAY, 5, orders=50)
    warehouse.promote("features", a_run(tmp_path), [SNAPSHOT, FACTS])
    old = date(2026, 10, 1)
    build(warehouse, old, 2, orders=20)
    warehouse.promote("features", a_run(tmp_path, old, newest=False), [SNAPSHOT, FACTS])

    assert rows(warehouse, "select count(*) from marts.fct_orders") == [(50,)]
    assert rows(
        warehouse, f"select count(*) from features.feat_users where ds = '{old}'"
    ) == [(2,)]
    assert warehouse.newest_published() == DAY
    assert rows(
        warehouse, "select count(*) from duckdb_tables() where table_name like '%build'"
    ) == [(0,)]


def test_a_table_built_in_its_build_schema_is_published_like_one_built_beside(
    warehouse: DuckDBWarehouse, tmp_path: Path
) -> None:
    build(warehouse, DAY, 5, orders=50)
    [beside] = warehouse.promote("features", a_run(tmp_path), [FACTS])
    build(warehouse, DAY, 5, orders=0)
    with warehouse.connection("test") as con:
        con.execute("drop view build_marts.fct_orders")
        con.execute("drop table marts.fct_orders__build")
        con.execute("create table build_marts.fct_orders as from marts.fct_orders")
    [inside] = warehouse.promote("features", a_run(tmp_path, attempt=2), [FACTS])

    assert beside == inside
    assert rows(warehouse, "select count(*) from marts.fct_orders") == [(50,)]


def test_every_version_of_a_day_is_told_with_what_it_took_the_place_of(
    warehouse: DuckDBWarehouse, tmp_path: Path
) -> None:
    """What else a run publishes does not count: the same snapshot is the same."""
    old = date(2026, 10, 1)
    for ds, attempt, users, orders in (
        (old, 1, 2, 20),
        (DAY, 1, 5, 50),
        (old, 2, 2, 30),
        (old, 3, 4, 30),
        (DAY, 2, 5, 60),
    ):
        build(warehouse, ds, users, orders=orders)
        run = a_run(tmp_path, ds, newest=attempt == 1 or ds == DAY, attempt=attempt)
        warehouse.promote("features", run, [SNAPSHOT, FACTS])

    told = rows(
        warehouse,
        "select version, run_id, former_run_id, is_changed, is_restated,"
        " snapshots = former_snapshots from audit.day_versions order by ds, version",
    )

    assert told == [
        (1, f"{old}.1", None, None, False, None),
        (2, f"{old}.2", f"{old}.1", False, True, True),
        (3, f"{old}.3", f"{old}.2", True, True, False),
        (1, f"{DAY}.1", None, None, False, None),
        (2, f"{DAY}.2", f"{DAY}.1", False, False, True),
    ]


def test_a_failure_in_the_middle_publishes_nothing_and_the_next_start_clears_it(
    warehouse: DuckDBWarehouse, tmp_path: Path
) -> None:
    build(warehouse, DAY, 5, orders=50)
    broken = TableSpec("marts", "not_built", "replace")

    with pytest.raises(ValueError, match=r"marts\.not_built"):
        warehouse.promote("features", a_run(tmp_path), [SNAPSHOT, FACTS, broken])

    published = "select table_name from information_schema.tables where table_schema"
    assert rows(warehouse, f"{published} in ('features', 'marts')") == [
        ("fct_orders__build",)
    ]
    assert not warehouse.is_published("features", a_run(tmp_path))

    build(warehouse, DAY, 5, orders=40)
    warehouse.promote("features", a_run(tmp_path), [SNAPSHOT, FACTS])
    assert rows(warehouse, "select count(*) from marts.fct_orders") == [(40,)]


def test_an_emptied_day_leaves_no_row_behind(
    warehouse: DuckDBWarehouse, tmp_path: Path
) -> None:
    build(warehouse, DAY, 5, orders=5)
    warehouse.promote("features", a_run(tmp_path), [SNAPSHOT, FACTS])
    build(warehouse, DAY, 0, orders=0)
    warehouse.promote("features", a_run(tmp_path, attempt=2), [SNAPSHOT, FACTS])

    assert rows(warehouse, "select count(*) from features.feat_users") == [(0,)]


def test_a_new_column_is_added_to_a_snapshot_table(
    warehouse: DuckDBWarehouse, tmp_path: Path
) -> None:
    build(warehouse, date(2026, 10, 30), 1, orders=1)
    warehouse.promote("features", a_run(tmp_path, date(2026, 10, 30)), [SNAPSHOT])
    build(warehouse, DAY, 1, orders=1)
    with warehouse.connection("test") as con:
        con.execute("alter table build_features.feat_users add column spend integer")
        con.execute("update build_features.feat_users set spend = 7")
    warehouse.promote("features", a_run(tmp_path), [SNAPSHOT])

    assert rows(warehouse, "select ds, spend from features.feat_users order by ds") == [
        (date(2026, 10, 30), None),
        (DAY, 7),
    ]


def test_a_killed_build_leaves_nothing_to_the_next(
    warehouse: DuckDBWarehouse,
) -> None:
    build(warehouse, DAY, 5, orders=5)
    warehouse.start_build("features")

    left = "select count(*) from information_schema.tables where table_schema like"
    assert rows(warehouse, f"{left} 'build_%'") == [(0,)]


def test_only_one_process_holds_the_warehouse(
    warehouse: DuckDBWarehouse, tmp_path: Path
) -> None:
    code = (
        "import sys; from pathlib import Path; from strata.warehouse import *;"
        "w = DuckDBWarehouse(Path(sys.argv[1]));"
        "cm = w.hold('a long job'); cm.__enter__();"
        "print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert other.stdout is not None and other.stdout.readline() == b"held\n"

    with (
        pytest.raises(WarehouseBusyError, match=rf"process {other.pid} \(a long job"),
        warehouse.hold("test", wait_seconds=0.1),
    ):
        pass
    other.kill()
    other.wait()
    with warehouse.hold("test", wait_seconds=5):
        pass


def test_a_changed_migration_is_refused(warehouse: DuckDBWarehouse) -> None:
    with warehouse.connection("test") as con:
        con.execute("update ops.migrations set sha256 = 'another'")

    with pytest.raises(RuntimeError, match="add a new one instead"):
        warehouse.migrate()


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.text("ab", max_size=2) | st.none()), max_size=12
    ),
    st.randoms(use_true_random=False),
)
def test_a_fingerprint_sees_content_and_not_order(
    content: list[tuple[int, str | None]], random: object
) -> None:
    def of(values: list[tuple[int, str | None]], run_id: str) -> tuple[int, str]:
        con = duckdb.connect()
        con.execute("set threads = 1")
        con.execute("create table t (a integer, b varchar, _run_id varchar)")
        if values:
            con.executemany(
                f"insert into t values (?, ?, '{run_id}')", [list(v) for v in values]
            )
        return fingerprint(con, "main", "t")

    shuffled = list(content)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert of(content, "one") == of(shuffled, "another")
    assert of(content, "one") != of([*content, (1, "a")], "one")


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 2)), max_size=12))
def test_days_published_together_have_the_fingerprints_of_days_alone(
    content: list[tuple[int, int]],
) -> None:
    con = duckdb.connect()
    con.execute("set threads = 1; create table t (a integer, ds date, _run_id varchar)")
    for day, value in content:
        con.execute(f"insert into t values ({value}, '2026-01-0{day}', 'r{day}')")
    days = [date(2026, 1, day) for day in (1, 2, 3)]
    con.execute("create table alone as from t limit 0")
    alone = {}
    for day in days:
        con.execute("truncate alone")
        con.execute("insert into alone from t where ds = ?", [day])
        alone[day] = fingerprint(con, "main", "alone")

    assert fingerprints(con, "main", "t", days) == (
        fingerprint(con, "main", "t"),
        alone,
    )


def test_identity_and_the_migrations_agree_on_its_tables(
    warehouse: DuckDBWarehouse,
) -> None:
    built = (*TABLES, "id_map_current")
    columns = (
        "select table_name, column_name, data_type from duckdb_columns()"
        f" where schema_name = 'identity' and table_name in {built}"
        " order by table_name, column_index"
    )
    con = duckdb.connect()
    create_state(con)

    assert con.execute(columns).fetchall() == rows(warehouse, columns)
