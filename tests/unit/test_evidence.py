"""The chain of evidence: whatever was altered afterwards, verifying names it."""

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strata.quality.evidence import Link, links, seal
from strata.quality.verifying import verify
from strata.run import Run
from strata.warehouse import DuckDBWarehouse

DAYS = ("2026-10-29", "2026-10-30", "2026-10-31")
SECOND = "2026-10-30.1"
TABLES = ("runs", "gate_results", "stage_counts", "publications", "late_rows")
Chain = tuple[duckdb.DuckDBPyConnection, Path]


def ended(con: duckdb.DuckDBPyConnection, home: Path, day: str) -> Run:
    """A run that ended, with a little of everything that it leaves."""
    run_id = f"{day}.1"
    con.execute(
        "insert into audit.runs (run_id, ds, world, attempt, status, is_newest,"
        " manifest_hash, error, _started_at, _ended_at) values (?, ?, 'shop', 1,"
        " 'succeeded', true, 'm', 'li.na@example.com is odd', ?, ?)",
        [run_id, day, f"{day} 20:00:00", f"{day} 20:01:00"],
    )
    for rule in ("order_id is unique", "amount is a number"):
        con.execute(
            "insert into audit.gate_results (run_id, ds, stage, table_name,"
            " expectation, verdict, observed, unexpected_count, checked_rows)"
            " values (?, ?, 'ingest', 'raw.shop__orders', ?, 'passed', '0', 0, 10)",
            [run_id, day, rule],
        )
    con.execute(
        "insert into audit.stage_counts values"
        " (?, ?, 'ingest', 'raw.shop__orders', 10, 9, 0, 1)",
        [run_id, day],
    )
    con.execute(
        "insert into audit.late_rows values (?, ?, 'events', '2026-10-01', ?, 3)",
        [run_id, day, day],
    )
    con.execute(
        "insert into audit.publications (stage, ds, run_id, fingerprint, rows,"
        " is_newest, _published_at) values ('ingest', ?, ?, 'f', 9, true, ?)",
        [day, run_id, f"{day} 20:00:30"],
    )
    con.execute(
        "insert into audit.waivers (waiver_id, table_name, expectation, reason,"
        " granted_by) values (?, 'raw.shop__orders', 'a rule', 'known', 'A. Person')",
        [f"w{day[-2:]}"],
    )
    con.execute(
        "insert into ops.load_manifest values"
        " (?, 'shop', 'orders', 1, 9, now(), 'accepted', 'c', ?)",
        [f"{run_id}-shop", run_id],
    )
    run = Run(run_id, date.fromisoformat(day), "shop", home, "UTC")
    part = home / "raw" / "shop" / "orders" / f"load={run_id}-shop" / "part.parquet"
    for place in (
        run.report_dir / "report.html",
        run.report_dir / "gates" / "ingest.json",
        home / "raw" / "_manifest" / f"{run_id}-shop.json",
        part,
    ):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"{place.name} of {day}")
    return run


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    """Three runs, each sealed when it ended."""
    home = tmp_path / "shop"
    root = tmp_path / "project"
    (root / "expectations" / "ingest").mkdir(parents=True)
    (root / "expectations" / "ingest" / "shop__orders.yml").write_text("table: x")
    DuckDBWarehouse(home).migrate()
    con = duckdb.connect(str(home / "warehouse" / "strata.duckdb"))
    for day in DAYS:
        seal(con, ended(con, home, day), root)
    return con, home


def told(chain: Chain, expected: str | None = None) -> list[str]:
    return [str(finding) for finding in verify(*chain, expected).findings]


def test_what_nobody_touched_is_unbroken_and_holds_no_pii(chain: Chain) -> None:
    con, home = chain
    found = verify(con, home)

    assert (found.bundles, found.findings) == (3, ())
    assert found.head == links(con)[-1].sha256
    bundles = [(home / link.path).read_text("utf-8") for link in links(con)]
    assert [json.loads(text)["sequence"] for text in bundles] == [1, 2, 3]
    rules = json.loads(bundles[0])["rules"]
    assert list(rules) == ["expectations/ingest/shop__orders.yml"]
    for text in bundles:
        assert "li.na" not in text and "A. Person" not in text
    con.execute("insert into audit.waivers (waiver_id) values ('w99')")
    assert told(chain) == [], "what comes later belongs to later bundles"


def exchange(con: duckdb.DuckDBPyConnection, home: Path, *, moved: bool) -> None:
    """Put the second and the third bundle in each other's place."""
    _, second, third = links(con)
    for number, link, other in ((98, second, third), (99, third, second)):
        con.execute(
            "update audit.evidence set sequence = ?, previous_sha256 = ?"
            " where sha256 = ?",
            [
                number,
                other.previous_sha256 if moved else link.previous_sha256,
                link.sha256,
            ],
        )
    con.execute(
        "update audit.evidence set sequence = 101 - sequence where sequence > 90"
    )


def edit(link: Link, home: Path, was: str, now: str) -> None:
    place = home / link.path
    place.write_text(place.read_text("utf-8").replace(was, now, 1), "utf-8")


def forge(con: duckdb.DuckDBPyConnection, home: Path) -> None:
    """Alter a result, its bundle, and the bundle's hash in the audit."""
    import hashlib

    second = links(con)[1]
    con.execute(
        "update audit.gate_results set observed = '1' where run_id = ?", [SECOND]
    )
    edit(second, home, '"observed":"0"', '"observed":"1"')
    edit(second, home, '"observed":"0"', '"observed":"1"')
    digest = hashlib.sha256((home / second.path).read_bytes()).hexdigest()
    con.execute("update audit.evidence set sha256 = ? where sequence = 2", [digest])


def drop(con: duckdb.DuckDBPyConnection, home: Path) -> None:
    """Leave no trace of the second run, and number the rest anew."""
    shutil.rmtree(home / "reports" / "2026-10-30")
    first = links(con)[0]
    for table in (*TABLES, "evidence"):
        con.execute(f"delete from audit.{table} where run_id = ?", [SECOND])
    con.execute(
        "update audit.evidence set sequence = 2, previous_sha256 = ? where sequence = 3",
        [first.sha256],
    )


Tamper = Callable[[duckdb.DuckDBPyConnection, Path], object]
TAMPERED: dict[str, tuple[Tamper, list[str]]] = {
    "a byte of a bundle": (
        lambda con, home: edit(links(con)[1], home, '"passed"', '"failed"'),
        [
            f"run {SECOND}: reports/2026-10-30/{SECOND}/evidence/000002.json: the bundle"
            " was altered",
            f"run {SECOND}: audit.gate_results: ingest / raw.shop__orders / amount is a"
            " number was altered in verdict",
        ],
    ),
    "a result, its bundle and its hash": (
        forge,
        [
            "run 2026-10-31.1: the chain: bundle 3 does not follow the one that stands "
            "before it: a bundle was altered, exchanged or put in another place"
        ],
    ),
    "a bundle removed": (
        lambda con, home: (home / links(con)[1].path).unlink(),
        [
            f"run {SECOND}: reports/2026-10-30/{SECOND}/evidence/000002.json: the bundle"
            " is gone"
        ],
    ),
    "a run dropped from the chain": (
        lambda con, home: con.execute("delete from audit.evidence where sequence = 2"),
        [
            "run 2026-10-31.1: the chain: bundle 2 before it was dropped",
            f"run {SECOND}: reports/2026-10-30/{SECOND}/evidence/000002.json: this "
            "bundle is not in the chain: it was dropped from it, or its run was killed "
            "while it wrote it (the next run then removes it)",
            f"run {SECOND}: the chain: this run ended and has no bundle: it was dropped,"
            " or its report could not be written",
        ],
    ),
    "a run dropped with all its traces": (
        drop,
        [
            "run 2026-10-31.1: audit.evidence: bundle 2 says of itself that it is number"
            " 3, of run 2026-10-31.1: the chain was put in another order, or lost a run"
        ],
    ),
    "a file of raw": (
        lambda con, home: (
            home / "raw/shop/orders" / f"load={SECOND}-shop" / "part.parquet"
        ).write_text("part.parquet of 2026-10-30 "),
        [
            f"run {SECOND}: raw/shop/orders/load={SECOND}-shop/part.parquet: the file "
            "was altered"
        ],
    ),
    "who had a day restated": (
        lambda con, home: con.execute(
            "update audit.runs set decided_by = 'B' where run_id = ?", [SECOND]
        ),
        [f"run {SECOND}: audit.runs: the row was altered in decision_sha256"],
    ),
    "a waiver": (
        lambda con, home: con.execute(
            "update audit.waivers set granted_by = 'B' where waiver_id = 'w31'"
        ),
        [
            f"run {DAYS[2]}.1: audit.waivers: raw.shop__orders / a rule / w31 was altered or removed"
        ],
    ),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_what_was_altered_is_named(chain: Chain, case: str) -> None:
    tamper, expected = TAMPERED[case]

    tamper(*chain)

    assert told(chain) == expected


@pytest.mark.parametrize("moved", [False, True])
def test_bundles_in_another_order_are_told(chain: Chain, moved: bool) -> None:
    exchange(*chain, moved=moved)

    found = told(chain)

    assert any("says of itself that it is number 3" in line for line in found)
    assert any("does not follow" in line for line in found)


def test_a_chain_made_anew_lacks_the_head_that_was_written_down(
    chain: Chain, tmp_path: Path
) -> None:
    con, home = chain
    head = verify(con, home).head
    assert told(chain, head) == []
    con.execute("delete from audit.evidence where sequence = 3")
    shutil.rmtree(home / "reports" / DAYS[2])
    con.execute("delete from audit.runs where ds = ?", [DAYS[2]])

    assert told(chain) == [], "a chain cut at its end looks whole"
    assert told(chain, head) == [f"run ?: the chain: no bundle has the SHA-256 {head}"]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_cell_of_any_sealed_row_that_changes_is_told(
    chain: Chain, data: st.DataObject
) -> None:
    con, _ = chain
    table = data.draw(st.sampled_from(TABLES))
    skipped = {"run_id", "stage_seconds", "fixed_seconds", "peak_mb", "paths"}
    columns = {
        str(name): str(kind)
        for name, kind, *_ in con.execute(f"describe audit.{table}").fetchall()
        if name not in skipped
    }
    column = data.draw(st.sampled_from(sorted(columns)))
    day = data.draw(st.sampled_from(DAYS))
    other = {
        "VARCHAR": "'other'",
        "DATE": "date '1999-01-01'",
        "TIMESTAMP": "timestamp '1999-01-01'",
        "BOOLEAN": "false",
    }.get(columns[column], "77")
    con.begin()
    try:
        con.execute(
            f'update audit.{table} set "{column}" = {other} where run_id = ?',
            [f"{day}.1"],
        )
        found = told(chain)
    finally:
        con.rollback()

    assert found, (table, column)
    assert {
        line.split(": ")[:2] == [f"run {day}.1", f"audit.{table}"] for line in found
    } == {True}


def test_an_attempt_that_failed_and_went_on_is_judged_by_its_last_bundle(
    chain: Chain, tmp_path: Path
) -> None:
    con, home = chain
    run = Run(f"{DAYS[2]}.1", date(2026, 10, 31), "shop", home, "UTC")
    assert seal(con, run, tmp_path / "project").sequence == 3, "nothing has changed"
    con.execute(
        "update audit.gate_results set observed = '2' where run_id = ?", [run.run_id]
    )
    assert told(chain) != []

    assert seal(con, run, tmp_path / "project").sequence == 4

    assert told(chain) == []
    assert len(list(run.report_dir.glob("evidence/*.json"))) == 2


def test_what_a_killed_run_left_unchained_is_removed_by_the_next(
    chain: Chain, tmp_path: Path
) -> None:
    con, home = chain
    left = home / "reports" / DAYS[0] / f"{DAYS[0]}.1" / "evidence" / "000004.json"
    left.write_text("{}")
    assert len(told(chain)) == 1

    seal(con, ended(con, home, "2026-11-01"), tmp_path / "project")

    assert told(chain) == []
    assert not left.exists()
