"""The run report: what is counted, what is shown, and what is never shown."""

import json
import re
from collections.abc import Iterator
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from strata.report import render_summary, summarise, write_report
from strata.report.charts import shares_of
from strata.report.detail import Target, read_detail
from strata.report.people import Movement, read_people
from strata.report.reading import Reader
from strata.report.wording import duration, masked, share, signed
from strata.run import Run
from strata.warehouse import DuckDBWarehouse

TODAY, YESTERDAY = date(2026, 10, 31), date(2026, 10, 30)
RUN_ID = "2026-10-31.1"
GAP = "\u00a0"

# What the features stage publishes, as far as the report reads it.
FEATURES = """
create schema features;
create table features.feat_users (
    unified_user_id varchar, ds date, consent_profiling boolean,
    net_amount_365d decimal(18, 4), margin_rate_365d double, _run_id varchar
);
create table features.catalog as
select 'margin_rate_365d' as name, 'No cost is known' as null_meaning;
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "shop"


@pytest.fixture
def con(home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    warehouse = DuckDBWarehouse(home)
    warehouse.migrate()
    with warehouse.connection("test") as con:
        con.execute(FEATURES)
        yield con


def a_run(home: Path) -> Run:
    return Run(RUN_ID, TODAY, "shop", home, "Asia/Shanghai")


def record_run(
    con: duckdb.DuckDBPyConnection,
    run_id: str = RUN_ID,
    status: str = "succeeded",
    minute: int = 0,
    **values: object,
) -> None:
    """One attempt that started at 17:``minute`` UTC and took 42 seconds."""
    columns = {
        "run_id": run_id,
        "ds": run_id[:10],
        "world": "shop",
        "attempt": int(run_id[11:]),
        "status": status,
        "is_newest": True,
        "_started_at": f"2026-10-31 17:{minute:02d}:00",
        "_ended_at": f"2026-10-31 17:{minute:02d}:42",
        **values,
    }
    con.execute(
        f"insert into audit.runs ({', '.join(columns)})"
        f" values ({', '.join('?' * len(columns))})",
        list(columns.values()),
    )


def count_rows(
    con: duckdb.DuckDBPyConnection, stage: str, table: str, *counts: int
) -> None:
    con.execute(
        "insert into audit.stage_counts values (?, ?, ?, ?, ?, ?, ?, ?)",
        [RUN_ID, TODAY, stage, table, *counts],
    )


def check(
    con: duckdb.DuckDBPyConnection, stage: str, verdict: str, **more: str
) -> None:
    columns = {
        "run_id": RUN_ID,
        "ds": str(TODAY),
        "stage": stage,
        "table_name": "orders",
        "expectation": "expect_column_values_to_not_be_null",
        "severity": "fail",
        "verdict": verdict,
        **more,
    }
    con.execute(
        f"insert into audit.gate_results ({', '.join(columns)})"
        f" values ({', '.join('?' * len(columns))})",
        list(columns.values()),
    )


def put_in_tiers(
    con: duckdb.DuckDBPyConnection, ds: date, users: dict[str, str], attempt: int = 1
) -> None:
    for user, tier in users.items():
        con.execute(
            "insert into segments.user_tiers (unified_user_id, ds, tier, rfm_segment,"
            " lifecycle, is_dormant, is_at_risk, next_action, next_action_mode,"
            " _run_id) values"
            " (?, ?, ?, 'loyal', 'mature', false, false, 'call', 'human', ?)",
            [user, ds, tier, f"{ds}.{attempt}"],
        )


def page(con: duckdb.DuckDBPyConnection, home: Path) -> str:
    path = write_report(con, a_run(home), summarise(con, RUN_ID))
    return path.read_text(encoding="utf-8")


def text_of(page: str) -> str:
    """What a person reads: the body without scripts and tags."""
    body = re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_the_json_has_exactly_the_agreed_form(con, home):
    record_run(
        con,
        stage_seconds='{"staging": 9.5, "ingest": 6.25}',
        sync_summary='{"crm": {"created": 2, "updated": 1, "refused": 1}}',
        fixed_seconds=4.5,
        peak_mb=512.0,
    )
    count_rows(con, "ingest", "raw.store__orders", 10, 9, 0, 1)
    count_rows(con, "ingest", "raw.pos__receipts", 5, 5, 0, 0)
    count_rows(con, "staging", "staging.stg_store__orders", 14, 12, 2, 0)
    for verdict in ("passed", "passed", "warned", "quarantined", "errored"):
        check(con, "ingest", verdict)
    put_in_tiers(con, TODAY, {"u1": "select", "u2": "low", "u3": "low"})
    (home / "crm").mkdir()
    (home / "crm" / "crm.db").touch()

    told = summarise(con).to_json()

    no_gate = {"passed": 0, "warned": 0, "failed": 0, "errored": 0}
    agreed = {
        "ds": "2026-10-31",
        "world": "shop",
        "run_id": "2026-10-31.1",
        "stages": {
            "ingest": {
                "seconds": 6.25,
                "rows_in": 15,
                "rows_out": 14,
                "deduplicated": 0,
                "quarantined": 1,
                "gate": {"passed": 2, "warned": 2, "failed": 0, "errored": 1},
            },
            "staging": {
                "seconds": 9.5,
                "rows_in": 14,
                "rows_out": 12,
                "deduplicated": 2,
                "quarantined": 0,
                "gate": no_gate,
            },
        },
        "tiers": {"select": 1, "high": 0, "potential": 0, "mid": 0, "low": 2},
        "sync": {
            "crm": {
                "created": 2,
                "updated": 1,
                "cleared": 0,
                "refused": 1,
                "unchanged": 0,
            }
        },
        "paths": {
            "report": str(home / "reports/2026-10-31/2026-10-31.1/report.html"),
            "data_docs": None,
            "serving": None,
            "crm": str(home / "crm/crm.db"),
        },
        "fixed_seconds": 4.5,
        "peak_mb": 512.0,
    }
    assert list(told)[: len(agreed)] == list(agreed)
    assert {key: told[key] for key in agreed} == agreed
    assert json.loads(json.dumps(told)) == told


def test_the_last_run_is_told_unless_a_day_or_a_run_is_asked_for(con):
    record_run(con, "2026-10-31.1", minute=1)
    record_run(con, "2026-10-31.2", minute=2)
    record_run(con, "2026-10-30.7", minute=3)

    assert summarise(con).run_id == "2026-10-30.7"
    assert summarise(con, ds=TODAY).run_id == "2026-10-31.2"
    assert summarise(con, "2026-10-31.1").run_id == "2026-10-31.1"
    with pytest.raises(LookupError, match="2026-01-01"):
        summarise(con, ds=date(2026, 1, 1))


def test_a_failed_attempt_does_not_adorn_itself_with_tiers_of_another(con):
    record_run(con, "2026-10-31.1", minute=1)
    put_in_tiers(con, TODAY, {"u1": "select"}, attempt=1)
    record_run(con, "2026-10-31.2", status="failed", minute=2)

    assert summarise(con, "2026-10-31.2").tiers == {}
    assert summarise(con, "2026-10-31.1").tiers["select"] == 1


def test_a_verdict_that_nobody_knows_is_never_a_pass(con):
    record_run(con)
    check(con, "staging", "probably fine")

    assert summarise(con).stages["staging"].gate.errored == 1


def test_lost_rows_turn_the_page_red(con, home):
    record_run(con)
    check(con, "ingest", "passed")
    count_rows(con, "ingest", "raw.kept", 1000, 900, 60, 40)
    count_rows(con, "ingest", "raw.lost", 1000, 900, 60, 37)
    count_rows(con, "ingest", "raw.grown", 1000, 1002, 0, 0)

    shown = page(con, home)

    broken = re.findall(r'<tr class="broken">.*?</tr>', shown, re.DOTALL)
    assert [text_of(row) for row in broken] == [
        "ingest raw.grown 1,000 1,002 0 0 ✗ 2 rows from nowhere",
        "ingest raw.lost 1,000 900 60 37 ✗ 3 rows lost",
    ]
    assert "raw.kept 1,000 900 60 40 ✓ holds" in text_of(shown)
    assert "Finished, but rows are missing in 2 tables" in text_of(shown)


def test_movement_counts_every_user_of_both_days_once(con, home):
    record_run(con)
    put_in_tiers(
        con, YESTERDAY, {"a": "mid", "b": "mid", "c": "high", "d": "low", "gone": "low"}
    )
    put_in_tiers(
        con,
        TODAY,
        {"a": "mid", "b": "high", "c": "low", "d": "potential", "new": "low"},
    )

    movement = read_people(Reader(con), summarise(con)).movement

    assert movement == Movement(
        since=YESTERDAY,
        cells={
            ("mid", "mid"): 1,
            ("mid", "high"): 1,
            ("high", "low"): 1,
            ("low", "potential"): 1,
        },
        arrived={"low": 1},
        left={"low": 1},
        tiers=("select", "high", "potential", "mid", "low"),
    )
    assert (movement.stayed, movement.rose, movement.fell) == (1, 2, 1)
    assert "1 users (25.0 %) stayed" in text_of(page(con, home)).replace(GAP, " ")


def test_the_first_published_day_has_nothing_to_compare_with(con, home):
    record_run(con)
    put_in_tiers(con, TODAY, {"a": "mid"})

    assert "This is the first published day" in text_of(page(con, home))


def test_value_by_tier_says_what_is_not_known(con):
    record_run(con)
    put_in_tiers(con, TODAY, {"a": "select", "b": "select", "c": "mid"})
    con.execute(
        "insert into features.feat_users values ('a', $ds, true, 70, null, $run),"
        " ('b', $ds, true, 20.5, null, $run), ('c', $ds, null, null, null, $run)",
        {"ds": TODAY, "run": RUN_ID},
    )

    summary = summarise(con)
    detail = read_detail(Reader(con), summary)

    found = {
        f.tier: (f.users, f.revenue, f.clv) for f in detail.people.tiers if f.users
    }
    assert found == {"select": (2, 90.5, None), "mid": (1, None, None)}
    assert detail.gaps.features == {"margin_rate_365d": 1.0, "net_amount_365d": 1 / 3}
    assert detail.gaps.meanings == {"margin_rate_365d": "No cost is known"}
    assert (summary.coverage.consent_given, summary.coverage.consent_unknown) == (2, 1)


@given(st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1))
def test_shares_are_parts_of_one_whole_and_never_negative(values):
    shares = shares_of(values)

    if any(value and value > 0 for value in values):
        assert sum(shares) == pytest.approx(1)
        assert min(shares) >= 0
    else:
        assert shares == []


def test_a_target_is_told_by_the_last_answer_to_each_record(con):
    record_run(con, sync_summary='{"crm": {"created": 1, "refused": 1}}')
    log = [
        ("k1", 1, "create", "unknown", None),
        ("k1", 2, "create", "acked", None),
        ("k1", 0, "read_back", "mismatch", None),
        ("k2", 1, "update", "refused", "13912345678 belongs to ann@example.com"),
        ("k3", 1, "update", "intent", None),
    ]
    for key, attempt, operation, outcome, reason in log:
        con.execute(
            "insert into activation.sync_log values"
            " ('crm', ?, ?, ?, ?, 'hash', ?, ?, '2026-10-31 17:00:30')",
            [RUN_ID, key, attempt, operation, outcome, reason],
        )
    for key, status in [("k2", "retry"), ("k8", "dead"), ("k9", "resolved")]:
        con.execute(
            "insert into activation.dead_letters values"
            " ('crm', ?, 'hash', '{}', 'refused', 1, ?, ?)",
            [key, status, RUN_ID],
        )

    (target,) = read_detail(Reader(con), summarise(con)).targets

    assert target == Target(
        target="crm",
        counts={"created": 1, "updated": 0, "cleared": 0, "refused": 1, "unchanged": 0},
        acknowledged=0,
        unanswered=1,
        mismatched=1,
        refusals={"[number hidden] belongs to [address hidden]": 1},
        to_retry=1,
        waiting=1,
    )


def test_a_stopped_run_says_first_what_stopped_it(con, home):
    record_run(con, status="failed", failed_stage="identity", error="GateFailed: 1")
    check(con, "identity", "passed")
    check(con, "identity", "failed", why="a shared value is no person", owner="id team")
    check(con, "staging", "warned", why="mails are often missing")
    con.execute(
        "insert into audit.publications (stage, ds, run_id, fingerprint, rows,"
        " is_newest) values ('staging', ?, ?, 'f', 7, true)",
        [TODAY, RUN_ID],
    )

    shown = text_of(page(con, home))

    headings = [
        "What stopped it",
        "Checks",
        "Rows in and out",
        "The record of this run",
    ]
    places = [shown.rindex(heading) for heading in headings]
    assert places == sorted(places)
    assert "Stopped at the gate after identity: 1 check failed" in shown
    assert "Published before it stopped: staging." in shown
    assert "Nothing was written to a CRM." in shown
    assert shown.index("a shared value is no person") < places[1]
    assert shown.index("mails are often missing") > places[1]
    assert "features not reached" in shown


@pytest.mark.parametrize("status", ["running", "interrupted", "failed", "succeeded"])
def test_a_run_of_which_nothing_is_known_still_has_a_page(con, home, status):
    record_run(con, status=status, _ended_at=None)
    for schema in ("features", "segments", "activation"):
        con.execute(f"drop schema {schema} cascade")

    shown = page(con, home)

    assert "No table was counted in this run." in text_of(shown)
    assert 'id="figures"' not in shown
    assert summarise(con).to_json()["stages"] == {}


def test_a_check_tells_once_what_it_found(con, home):
    record_run(con)
    again = {"observed": "2 of 1500 rows", "unexpected_count": 2, "checked_rows": 1500}
    check(con, "ingest", "warned", why="first", **again)
    check(con, "staging", "warned", why="second", observed="14.5", threshold="8 to 14")
    check(
        con,
        "identity",
        "warned",
        why="third",
        sample_keys='[{"_file": "k1"}, {"_file": "k2", "_row": 3}, {"_file": "k3"},'
        ' {"_file": "k4"}, {"_file": "k5"}]',
    )
    check(con, "features", "warned", why="fourth", sample_keys='[{"openid": "o8Xk"}]')

    shown = page(con, home)

    told = [text_of(row) for row in re.findall(r"<tr><td><span.*?</tr>", shown, re.S)]
    assert told[:3] == [
        "warned ingest orders expect_column_values_to_not_be_null"
        " 2 of 1,500 rows – first",
        "warned staging orders expect_column_values_to_not_be_null"
        " allowed: 8 to 14 14.5 – second",
        "warned identity orders expect_column_values_to_not_be_null"
        " – _file=k1 _file=k2, _row=3 _file=k3 and 2 more third",
    ]
    assert "o8Xk" not in shown


def test_everything_from_a_table_is_escaped(con, home):
    planted = "<script>alert('x')</script><b title=\"&\">"
    record_run(con, status="failed", error=planted, code_version=planted)
    count_rows(con, planted, planted, 1, 1, 0, 0)
    for stage in ("staging", planted):
        check(
            con,
            stage,
            "failed",
            table_name=planted,
            expectation=planted,
            column_name=planted,
            observed=planted,
            threshold=planted,
            why=planted,
            owner=planted,
            sample_keys=json.dumps([{"_file": planted}]),
            suite_version=planted,
        )
    put_in_tiers(con, TODAY, {"a": "mid", "b": planted})
    con.execute("update segments.user_tiers set rfm_segment = $1, lifecycle = $1,"
                " next_action = $1, next_action_mode = $1", [planted])  # fmt: skip

    shown = page(con, home)

    assert "<script>alert" not in shown
    assert "<b title" not in shown
    figures = re.search(r'id="figures">(.*?)</script>', shown, re.DOTALL)
    assert figures is not None
    assert not set(figures.group(1)) & set("<>&")
    assert "&lt;script&gt;" in json.loads(figures.group(1))["rfm"]["light"]["data"][0]["y"][0]  # fmt: skip


def test_the_page_refers_to_nothing_outside_its_folder(con, home):
    class References(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.found: set[str] = set()

        def handle_starttag(self, tag, attributes):
            named = {"src", "href", "srcset", "data", "action", "poster", "background"}
            self.found |= {value or "" for name, value in attributes if name in named}

    record_run(con, "2026-10-30.1", minute=1)
    record_run(con, minute=2, previous_run_id="2026-10-30.1")
    check(con, "staging", "warned")
    put_in_tiers(con, TODAY, {"a": "mid"})
    for existing in (
        "reports/2026-10-30/2026-10-30.1/report.html",
        "reports/2026-10-31/2026-10-31.1/data_docs/index.html",
        "reports/2026-10-31/2026-10-31.1/data_docs/staging/orders.html",
    ):
        (home / existing).parent.mkdir(parents=True, exist_ok=True)
        (home / existing).touch()

    shown = page(con, home)

    references = References()
    references.feed(shown)
    assert {found for found in references.found if not found.startswith("#")} == {
        "data:,",
        "../../2026-10-30/2026-10-30.1/report.html",
        "data_docs/index.html",
        "data_docs/staging/orders.html",
    }
    style = shown[shown.index("<style>") : shown.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in shown


def test_only_links_that_lead_somewhere_are_links(con, home):
    record_run(con, "2026-10-30.1", minute=1)
    record_run(con, minute=2, previous_run_id="2026-10-30.1")
    check(con, "staging", "warned")

    shown = page(con, home)

    assert "The run before 2026-10-30.1" in text_of(shown)
    assert 'href="../' not in shown
    assert 'href="data_docs' not in shown
    assert "No Data Docs were built for this run." in text_of(shown)


def test_the_same_run_gives_the_same_page(con, home):
    record_run(con)
    check(con, "staging", "passed")
    put_in_tiers(con, TODAY, {"a": "mid", "b": "select"})

    assert page(con, home) == page(con, home)


def test_a_page_that_cannot_be_written_leaves_the_old_one(con, home, monkeypatch):
    record_run(con)
    before = page(con, home)
    check(con, "staging", "failed")
    monkeypatch.setattr("os.fsync", _full_disk)

    with pytest.raises(OSError, match="disk full"):
        page(con, home)

    assert (a_run(home).report_dir / "report.html").read_text("utf-8") == before


def _full_disk(_: int) -> None:
    raise OSError("disk full")


def test_the_report_changes_nothing_in_the_warehouse(con, home):
    record_run(con)
    put_in_tiers(con, TODAY, {"a": "mid"})
    con.close()

    with duckdb.connect(home / "warehouse" / "strata.duckdb", read_only=True) as reader:
        page(reader, home)


def test_a_rebuilt_older_day_says_that_it_moved_nothing(con, home):
    record_run(con, is_newest=False, reason="a file of the app", decided_by="Li Na")
    put_in_tiers(con, TODAY, {"a": "mid"})

    shown = text_of(page(con, home))

    assert "this run rebuilt its own only" in shown
    assert "A rebuild of an older day never writes to a CRM." in shown
    assert "because: a file of the app" in shown and "Li Na" not in shown


def test_stale_days_are_told_everywhere_with_what_to_run(con, home):
    record_run(con)
    shown = text_of(page(con, home))
    assert "Stale days" not in shown
    assert summarise(con).to_json()["stale_days"] == []
    con.execute(
        "insert into audit.stale_days values ('2026-10-31', '2026-10-02.2', now()),"
        " ('2026-10-30', '2026-10-01.3', now())"
    )
    console = Console(width=100, record=True, file=None, quiet=False)

    with console.capture() as captured:
        render_summary(summarise(con), console)

    remedy = "make backfill WORLD=shop FROM=2026-10-30 TO=2026-10-31"
    assert (
        f"2 published days stale, since an older day was rebuilt. To bring them up to date: {remedy}"
        in captured.get()
    )
    shown = text_of(page(con, home))
    assert f"To bring them up to date: {remedy}" in shown
    assert "2026-10-01.3" in shown
    assert summarise(con).to_json()["stale_days"] == [
        {"ds": "2026-10-30", "because_of_run_id": "2026-10-01.3"},
        {"ds": "2026-10-31", "because_of_run_id": "2026-10-02.2"},
    ]


def test_rows_that_came_too_late_are_told_everywhere_with_what_to_run(con, home):
    record_run(con, run_id="2026-10-30.1")
    record_run(con, minute=1)
    con.execute(
        "insert into audit.late_rows values"
        " ('2026-10-30.1', '2026-10-30', 'events', '2026-10-02', '2026-10-30', 9)"
    )
    assert "Late rows" not in text_of(page(con, home))
    assert summarise(con).to_json()["late_rows"] == []
    con.execute(
        "insert into audit.late_rows values"
        " ('2026-10-31.1', '2026-10-31', 'orders', '2026-10-21', '2026-10-31', 2),"
        " ('2026-10-31.1', '2026-10-31', 'events', '2026-10-20', '2026-10-30', 1200)"
    )
    console = Console(width=100, record=True, file=None, quiet=False)

    with console.capture() as captured:
        render_summary(summarise(con), console)

    remedy = (
        "strata restate --world shop --from 2026-10-20 --to 2026-10-30"
        " --by WHO --reason WHY"
    )
    assert (
        "1,202 rows came too late for days that are published without them. To take"
        f" them in: {remedy}"
    ) in captured.get()
    shown = text_of(page(con, home))
    assert f"To take them in: {remedy}" in shown
    assert "2026-10-20 2026-10-30 events 1,200" in shown
    assert summarise(con).to_json()["late_rows"][1] == {
        "relation": "orders",
        "happened_on": "2026-10-21",
        "known_on": "2026-10-31",
        "rows": 2,
    }


def test_the_terminal_tells_rows_gates_tiers_sync_and_places(con, home):
    record_run(
        con,
        status="failed",
        stage_seconds='{"ingest": 6.25}',
        sync_summary='{"crm": {"created": 1234, "refused": 3}}',
        error="[red]not markup[/red]",
    )
    count_rows(con, "ingest", "raw.[bold]", 1500, 1400, 60, 30)
    check(con, "ingest", "passed")
    check(con, "ingest", "quarantined")
    put_in_tiers(con, TODAY, {"a": "select", "b": "low", "c": "low"})
    console = Console(width=100, record=True, file=None, quiet=False)

    with console.capture() as captured:
        render_summary(summarise(con), console)

    lines = [" ".join(line.split()) for line in captured.get().splitlines()]
    assert "ingest 6.2 s 1,500 1,400 60 30 1 passed, 1 quarantined" in lines
    assert "ingest raw.[bold]: 10 rows unaccounted" in lines
    assert "low 2 66.7 %" in lines
    assert "crm 1,234 0 0 3 0" in lines
    assert "[red]not markup[/red]" in lines
    assert f"Report {home}/reports/2026-10-31/2026-10-31.1/report.html" in lines
    assert "Data Docs not there for this run" in lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("write to li.na+vip@mail.example.cn now", "write to [address hidden] now"),
        ("13912345678 is taken", "[number hidden] is taken"),
        ("called +8613912345678.", "called [number hidden]."),
        ("12,345 of 1234567 rows on 2026-10-31 01:30:00", None),
        ("user u_13912345678abc stays", None),
    ],
)
def test_what_looks_like_an_address_or_a_number_of_a_person_is_hidden(text, shown):
    assert masked(text) == (text if shown is None else shown)


def test_a_share_is_never_rounded_to_all_or_nothing():
    shown = [share(part, 100_000) for part in (0, 1, 2_500, 99_999, 100_000)]

    assert [text.replace(GAP, " ") for text in shown] == [
        "0.0 %",
        "< 0.1 %",
        "2.5 %",
        "> 99.9 %",
        "100.0 %",
    ]
    assert share(1, 0) == "–"


def test_durations_and_changes_read_as_people_say_them():
    seconds = (None, 0.04, 59.94, 59.96, 187, 7500)

    assert [duration(s) for s in seconds] == [
        "–",
        "0.0 s",
        "59.9 s",
        "1 min 00 s",
        "3 min 07 s",
        "2 h 05 min",
    ]
    assert [signed(n) for n in (1204, -31, 0, None)] == ["+1,204", "−31", "±0", "–"]
