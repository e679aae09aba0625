"""The published copy: always whole, never in anybody's way, and without PII."""

import contextlib
import hashlib
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strata.run import Run
from strata.semantic.views import View, write
from strata.serving import (
    PiiError,
    PublicTable,
    ServingError,
    ServingPaths,
    public_tables,
    publish_copy,
    publishing,
)
from strata.serving import days as serving_days
from strata.warehouse import DuckDBWarehouse

USERS = PublicTable(
    "marts",
    "dim_users",
    "One row a user's id.",
    {"unified_user_id": "The user.", "not_there": "Gone."},
)
TIERS = PublicTable("segments", "user_tiers_current")
SCORES = PublicTable("segments", "scores", columns={"value": "It."}, day_key=("value",))
DAY = date(2026, 10, 1)
Published = dict[int, tuple[str, list[int]]]
CONTENT = View(
    "content",
    "select content from marts.dim_users",
    "What the users hold.",
    {"content": "It.", "not_there": "Gone."},
)


@pytest.fixture
def con(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with warehouse(tmp_path) as connection:
        fill(connection, 1)
        yield connection


def warehouse(home: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(home / "warehouse.duckdb"), config={"threads": 1})


def fill(con: duckdb.DuckDBPyConnection, content: int, order: str = "asc") -> None:
    con.execute("create schema if not exists marts")
    con.execute("create schema if not exists segments")
    con.execute(
        "create or replace table marts.dim_users as select 'u_' || i as unified_user_id,"
        f" {content} as content, 1.50::decimal(18, 4) as amount, date '2026-10-31' as ds"
        f" from range(3) as r(i) order by i {order}"
    )
    con.execute(
        "create or replace view segments.user_tiers_current as"
        f" select 'u_1' as unified_user_id, {content} as content"
    )
    standing(con, {0: ("a", [0]), 1: (f"run {content}", [content])})


def standing(
    con: duckdb.DuckDBPyConnection, days: Published, kind: str = "integer"
) -> None:
    """A warehouse in which these days stand: the run of each, and its values."""
    con.execute("create schema if not exists segments")
    con.execute(
        "create or replace table segments.scores"
        f" (value {kind}, ds date, _run_id varchar)"
    )
    for day, (run_id, values) in days.items():
        for value in values:
            con.execute(
                "insert into segments.scores values (?, ?, ?)",
                [value, DAY + timedelta(days=day), run_id],
            )


def run_of(home: Path, *, is_newest: bool = True) -> Run:
    ds = date(2026, 10, 31)
    return Run("2026-10-31.1", ds, "test", home, "Asia/Shanghai", is_newest)


def publish(con: duckdb.DuckDBPyConnection, home: Path) -> ServingPaths:
    return publish_copy(con, run_of(home), [USERS, TIERS, SCORES], [CONTENT])


def hashes(paths: ServingPaths) -> dict[str, str]:
    """Each Parquet file, and the SHA-256 of what is in it."""
    return {
        str(file.relative_to(paths.parquet)): (
            hashlib.sha256(file.read_bytes()).hexdigest()
        )
        for file in paths.parquet.rglob("*.parquet")
    }


def contents(home: Path) -> set[int]:
    """The content of every table of the copy, by way of both kinds of file."""
    serving = home / "serving"
    with duckdb.connect(str(serving / "strata.duckdb"), read_only=True) as reader:
        found = reader.execute(
            "select content from marts.dim_users union all"
            " select content from segments.user_tiers_current union all"
            " select content from metrics.content union all"
            f" select content from read_parquet('{serving}/parquet/*/*.parquet')"
            " union all select value from segments.scores where value > 0 union all"
            f" select value from read_parquet('{serving}/parquet/*/scores/*.parquet')"
            " where value > 0"
        ).fetchall()
        words = reader.execute(
            "select comment from duckdb_columns() where schema_name = 'metrics'"
        ).fetchall()
    assert len(found) == 13
    assert words == [("It.",)]
    return {content for (content,) in found}


def test_the_copy_holds_the_tables_and_their_descriptions(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    paths = publish(con, tmp_path)
    assert paths.rows == {
        "marts.dim_users": 3,
        "segments.user_tiers_current": 1,
        "segments.scores": 2,
    }
    assert contents(tmp_path) == {1}
    with duckdb.connect(str(paths.database), read_only=True) as reader:
        assert reader.execute("describe marts.dim_users").fetchall() == (
            con.execute("describe marts.dim_users").fetchall()
        )
        assert reader.execute(
            "select comment from duckdb_tables() where table_name = 'dim_users'"
        ).fetchall() == [("One row a user's id.",)]
        assert reader.execute(
            "select column_name, comment from duckdb_columns()"
            " where table_name = 'dim_users' and comment is not null"
        ).fetchall() == [("unified_user_id", "The user.")]


def test_equal_tables_give_equal_files_whatever_the_order_of_their_rows(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    con.execute(
        "create table marts.fct_events as"
        " select md5(i::varchar) as event_id from range(150000) as r(i)"
    )
    tables = [USERS, PublicTable("marts", "fct_events")]
    first = hashes(publish_copy(con, run_of(tmp_path), tables))
    con.execute(
        "create or replace table marts.fct_events as"
        " from marts.fct_events order by reverse(event_id)"
    )
    fill(con, 1, order="desc")
    con.execute("set threads = 4")
    assert hashes(publish_copy(con, run_of(tmp_path), tables)) == first
    con.execute("update marts.dim_users set content = 2 where unified_user_id = 'u_1'")
    changed = hashes(publish_copy(con, run_of(tmp_path), tables))
    assert {k for k in first if changed[k] != first[k]} == {"marts/dim_users.parquet"}


@pytest.mark.parametrize("schema", ["pii", "raw", "staging", "quarantine", "build_pii"])
def test_nothing_of_the_pii_zone_is_published(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, schema: str
) -> None:
    con.execute(f"create schema {schema}")
    con.execute(f"create table {schema}.persons as select 1 as content")
    publish(con, tmp_path)
    with pytest.raises(PiiError, match="PII zone"):
        publish_copy(con, run_of(tmp_path), [USERS, PublicTable(schema, "persons")])
    assert contents(tmp_path) == {1}


def test_no_column_flagged_as_pii_is_published(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    tables = public_tables(con, {}, {"marts.dim_users.content", "marts.other.ds"})
    users = next(table for table in tables if table.name == "dim_users")
    with pytest.raises(PiiError, match=r"marts\.dim_users .* as PII: content"):
        publish_copy(con, run_of(tmp_path), [users])
    assert not (tmp_path / "serving").exists()


def test_a_waiver_is_published_without_the_name_of_who_granted_it(
    tmp_path: Path,
) -> None:
    wanted = DuckDBWarehouse(tmp_path)
    wanted.migrate()
    with wanted.connection("test") as con:
        con.execute(
            "insert into audit.waivers (waiver_id, granted_by, reason)"
            " values ('w1', 'A. Person', 'known')"
        )
        described = {"audit.waivers": ("Waivers.", {"granted_by": "Who."})}
        tables = [
            t for t in public_tables(con, described) if t.full_name == "audit.waivers"
        ]
        done = publish_copy(con, run_of(tmp_path), tables)

    with duckdb.connect(str(done.database), read_only=True) as copy:
        shown = copy.execute("select * from audit.waivers").df().to_dict("records")
    assert [row["reason"] for row in shown] == ["known"]
    assert "granted_by" not in shown[0] and "A. Person" not in str(shown)


def test_a_missing_table_and_an_older_day_publish_nothing(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    with pytest.raises(ServingError, match=r"marts\.gone .* does not exist"):
        publish_copy(con, run_of(tmp_path), [USERS, PublicTable("marts", "gone")])
    with pytest.raises(ServingError, match="not the newest published day"):
        publish_copy(con, run_of(tmp_path, is_newest=False), [USERS])
    assert not (tmp_path / "serving").exists()


def test_keys_of_failing_rows_and_names_of_who_decides_are_not_published(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute("create schema if not exists audit")
    found = {t.full_name: t.left_out for t in public_tables(con, {})}
    assert found["audit.gate_results"] == {"sample_keys"}
    assert found["audit.runs"] == {"decided_by"}


def test_the_public_tables_are_marts_and_a_named_few(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute("create view marts.fct_orders_current as select 1 as order_id")
    con.execute("create schema pii; create table pii.persons as select 1 as name")
    con.execute("create table segments.private as select 1 as x")
    described = {"marts.dim_users": ("Users.", {"ds": "The day."})}
    tables = {table.full_name: table for table in public_tables(con, described)}
    assert list(tables) == [
        "audit.day_versions",
        "audit.gate_results",
        "audit.late_rows",
        "audit.publications",
        "audit.runs",
        "audit.stage_counts",
        "audit.stale_days",
        "audit.waivers",
        "features.catalog",
        "features.feat_users",
        "features.feat_users_current",
        "identity.current_ids",
        "identity.guards",
        "identity.merge_impact",
        "identity.rejections",
        "identity.user_history",
        "marts.dim_users",
        "marts.dim_users_current",
        "marts.fct_orders_current",
        "segments.reasons",
        "segments.reasons_current",
        "segments.scores",
        "segments.scores_current",
        "segments.tier_history",
        "segments.user_tiers",
        "segments.user_tiers_current",
    ]
    assert tables["marts.dim_users"].description == "Users."
    assert tables["marts.dim_users"].columns == {"ds": "The day."}


def test_a_snapshot_is_published_with_its_newest_day(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    con.execute(
        "create or replace table segments.scores as select * from (values"
        " (date '2026-10-30', 1), (date '2026-10-31', 2), (date '2026-10-31', 3)"
        ") as t(ds, value)"
    )
    tables = [t for t in public_tables(con, {}) if t.name.startswith("scores")]

    paths = publish_copy(con, run_of(tmp_path), tables)

    assert paths.rows == {"segments.scores": 3, "segments.scores_current": 2}


def days_shown(paths: ServingPaths) -> tuple[list[Any], list[Any]]:
    """The rows of the scores, as the DuckDB file and as the Parquet files have them."""
    query = "select value, ds, _run_id from {} order by all"
    with duckdb.connect(str(paths.database), read_only=True) as reader:
        files = f"read_parquet('{paths.parquet}/segments/scores/*.parquet')"
        return (
            reader.execute(query.format("segments.scores")).fetchall(),
            reader.execute(query.format(files)).fetchall(),
        )


A_DAY = st.tuples(
    st.integers(0, 6),
    st.lists(st.integers(0, 3), max_size=4),
)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(A_DAY, max_size=4), min_size=2, max_size=4), st.integers(1, 9))
def test_a_copy_that_goes_on_is_the_copy_made_from_nothing(
    runs: list[list[tuple[int, list[int]]]], at_once: int
) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving_days, "_ROWS_AT_ONCE", at_once)
        home, other = Path(folder) / "home", Path(folder) / "other"
        home.mkdir()
        stands: Published = {}
        with warehouse(home) as con:
            for number, done in enumerate(runs):
                stands |= {day: (f"run {number}", values) for day, values in done}
                stands.pop(number, None)  # thinned
                standing(con, stands)
                wanted = con.execute(
                    "select * from segments.scores order by all"
                ).fetchall()
                paths = publish_copy(con, run_of(home), [SCORES])
                assert paths.rows == {"segments.scores": len(wanted)}
                assert days_shown(paths) == (wanted, wanted)
                shutil.rmtree(other, ignore_errors=True)
                assert hashes(publish_copy(con, run_of(other), [SCORES])) == (
                    hashes(paths)
                )


def test_days_that_stand_are_not_written_again(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    def files() -> dict[str, int]:
        place = publish_copy(con, run_of(tmp_path), [SCORES]).parquet
        return {f.stem: f.stat().st_ino for f in place.rglob("*.parquet")}

    standing(con, {0: ("a", [1]), 1: ("a", [2]), 2: ("a", [3])})
    first = files()
    standing(con, {1: ("b", [2]), 2: ("a", [3]), 3: ("b", [4])})
    second = files()

    assert sorted(second) == ["2026-10-02", "2026-10-03", "2026-10-04"]
    assert {day for day in second if first.get(day) == second[day]} == {"2026-10-03"}


def test_nothing_withdrawn_stays_in_the_file(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    con.execute("set force_compression to 'uncompressed'")
    con.execute(
        "create table marts.fct as"
        " select i || ' ZebraCrossing ' || md5(i::varchar) as a, i as b"
        " from range(30000) as r(i)"
    )
    con.execute("create table marts.other as select range as i from range(300000)")
    fct, other = PublicTable("marts", "fct"), PublicTable("marts", "other")
    without = replace(fct, left_out=frozenset({"a"}))
    for tables, is_there in (
        ([fct, other], True),
        ([without, other], False),
        ([fct, other], True),
        ([other], False),
    ):
        database = publish_copy(con, run_of(tmp_path), tables).database
        assert (b"ZebraCrossing" in database.read_bytes()) is is_there


def test_a_copy_that_was_broken_or_had_other_types_is_made_anew(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    standing(con, {0: ("a", [1])}, "bigint")
    publish_copy(con, run_of(tmp_path), [SCORES])
    standing(con, {0: ("a", [1])})
    paths = publish_copy(con, run_of(tmp_path), [SCORES])
    assert days_shown(paths) == ([(1, DAY, "a")],) * 2
    with duckdb.connect(str(paths.database), read_only=True) as reader:
        kinds = reader.execute("select any_value(typeof(value)) from segments.scores")
        assert kinds.fetchone() == ("INTEGER",)

    file = paths.database.resolve()
    file.chmod(0o644)
    file.write_bytes(b"no database at all")
    mended = publish_copy(con, run_of(tmp_path), [SCORES])
    assert days_shown(mended) == ([(1, DAY, "a")],) * 2


def test_a_copy_is_read_only_and_one_older_copy_is_kept(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    published = []
    for content in (1, 2, 3):
        fill(con, content)
        published.append(publish(con, tmp_path).version)
    versions = tmp_path / "serving" / "versions"
    assert sorted(versions.iterdir()) == published[1:]
    files = [path for path in published[2].rglob("*") if path.is_file()]
    assert len(files) == 5
    assert {path.stat().st_mode & 0o777 for path in files} == {0o444}


def read_while_told(home: Path, pipe: Connection) -> None:
    """Open the copy, read when asked, until told to stop."""
    with duckdb.connect(str(home / "serving" / "strata.duckdb"), read_only=True) as con:
        while True:
            pipe.send(
                con.execute("select any_value(content) from marts.dim_users").fetchone()
            )
            if pipe.recv() == "stop":
                return


def test_a_reader_keeps_its_version_and_is_in_nobodys_way(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    publish(con, tmp_path)
    ours, theirs = multiprocessing.Pipe()
    reader = child(read_while_told, tmp_path, theirs)
    assert ours.recv() == (1,)
    for content in (2, 3, 4):  # the version that is being read is pruned on the way
        fill(con, content)
        publish(con, tmp_path)
        assert contents(tmp_path) == {content}
        ours.send("again")
        assert ours.recv() == (1,)
    ours.send("stop")
    reader.join()
    assert reader.exitcode == 0


def publish_until(home: Path, last_step: int) -> None:
    """Publish content 2, and die at a step: a file is written, moved or removed.

    Ends with the number of steps that are left otherwise.
    """
    steps = iter(range(last_step))

    def step() -> None:
        if next(steps, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    def stepping(call: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*args: Any, **kwargs: Any) -> Any:
            step()
            return call(*args, **kwargs)

        return stepped

    for name in ("rename", "symlink", "replace", "rmdir"):
        setattr(os, name, stepping(getattr(os, name)))

    def writing(*args: Any) -> None:
        step()
        write(*args)
        step()

    publishing.write = writing  # of views, which are committed after it

    class SteppingConnection:
        def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
            self._con = con

        def execute(self, sql: str, *parameters: Any) -> Any:
            if sql.startswith(("copy", "checkpoint")):
                step()
            return self._con.execute(sql, *parameters)

        @contextlib.contextmanager
        def cursor(self) -> Iterator["SteppingConnection"]:
            with self._con.cursor() as beside:
                yield SteppingConnection(beside)

    with warehouse(home) as con:
        publish(SteppingConnection(con), home)  # type: ignore[arg-type]
    raise SystemExit(len(list(steps)))


def child(target: Callable[..., None], *args: Any) -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "strata.serving"])
    process = context.Process(target=target, args=args)
    process.start()
    return process


def copied(home: Path, place: Path) -> Path:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(home, place, symlinks=True)
    return place


@pytest.mark.slow
def test_a_publish_killed_anywhere_leaves_one_whole_copy(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with warehouse(home) as con:
        for content in (3, 1):  # so that there is something to prune
            fill(con, content)
            publish(con, home)
        fill(con, 2)

    enough = 200
    whole = child(publish_until, copied(home, tmp_path / "whole"), enough)
    whole.join()
    steps = enough - whole.exitcode
    seen = []
    for last_step in range(steps):
        place = copied(home, tmp_path / "killed")
        killed = child(publish_until, place, last_step)
        killed.join()
        assert killed.exitcode == -signal.SIGKILL
        seen.append(contents(place))
        with warehouse(place) as con:
            version = publish(con, place).version
        assert contents(place) == {2}
        kept = sorted((place / "serving" / "versions").iterdir())
        assert kept[-1] == version
        assert len(kept) == 2
    copying, moving, removing = 6, 3, 5
    assert seen == [{1}] * (copying + moving) + [{2}] * removing
