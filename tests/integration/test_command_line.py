"""The commands of the README, as a person gives them."""

import json
import os
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
from strata.tenant import Tenant

from tests.integration.world import (
    FIRST,
    make,
    small_project,
)

pytestmark = pytest.mark.slow
STRATA = Path(sys.executable).parent / "strata"
DAY = FIRST + timedelta(days=39)
STAGES = ["ingest", "staging", "identity", "features", "segments", "publish"]


class Terminal:
    def __init__(self, folder: Path) -> None:
        self.root = small_project(folder)
        self.state = folder / "state"

    def __call__(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [str(STRATA), *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")},
                "STRATA_PROJECT": str(self.root),
                "STRATA_HOME": str(self.state),
                "COLUMNS": "200",
            },
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    @property
    def tenant(self) -> Tenant:
        return Tenant("sample", root=self.root, state=self.state)


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """`make backfill` ran two days through Airflow, `make run` the one after."""
    found = Terminal(tmp_path_factory.mktemp("terminal"))
    days = (f"FROM={DAY - timedelta(days=1)}", f"TO={DAY}")
    told = make(found.root, found.state, "backfill", *days).stdout
    assert "Finished" in told and "Written to the CRM" in told
    next_day = f"DS={DAY + timedelta(days=1)}"
    assert "Finished" in make(found.root, found.state, "run", next_day).stdout
    return found


def test_a_range_runs_every_day_forward_in_time(terminal: Terminal) -> None:
    with terminal.tenant.warehouse.connection("test") as con:
        assert con.execute(
            "select since, ds, status, is_newest from audit.runs order by _started_at"
        ).fetchall() == [
            (DAY - timedelta(days=1), DAY, "succeeded", True),
            (None, DAY + timedelta(days=1), "succeeded", True),
        ]
        assert con.execute(
            "select count(distinct ds) from features.feat_users"
        ).fetchall() == [(3,)]


def test_what_was_not_met_is_told_line_by_line(terminal: Terminal) -> None:
    told = terminal("report", "--ds", str(DAY))
    listed = json.loads(terminal("report", "--ds", str(DAY), "--json"))["warned"]

    assert listed, "this company is dirty on purpose"
    for one in listed[:12]:
        assert f"{one['verdict']} {one['table']}: {one['observed']}" in told
    results = terminal("gate", "results")
    assert "Every check of the last run passed." in results or "ingest " in results


def test_the_report_as_json_has_the_agreed_form(terminal: Terminal) -> None:
    told = json.loads(terminal("report", "--json"))

    assert list(told)[:9] == [
        "ds",
        "world",
        "run_id",
        "stages",
        "tiers",
        "sync",
        "paths",
        "fixed_seconds",
        "peak_mb",
    ]
    assert told["ds"] == str(DAY + timedelta(days=1))
    assert list(told["stages"]) == STAGES
    for stage in STAGES:
        assert set(told["stages"][stage]) == {
            "seconds",
            "rows_in",
            "rows_out",
            "deduplicated",
            "quarantined",
            "gate",
        }
        assert set(told["stages"][stage]["gate"]) == {
            "passed",
            "warned",
            "failed",
            "errored",
        }
    assert set(told["sync"]["crm"]) == {
        "created",
        "updated",
        "cleared",
        "refused",
        "unchanged",
    }
    assert told["fixed_seconds"] > 0 and told["peak_mb"] > 100
    for name in ("report", "data_docs", "serving", "crm"):
        assert Path(told["paths"][name]).exists(), name


def test_only_what_moved_is_written_to_the_crm_the_next_day(terminal: Terminal) -> None:
    sync = json.loads(terminal("report", "--json"))["sync"]["crm"]

    assert sync["unchanged"] > sync["updated"]
    dry = json.loads(terminal("sync", "--dry-run"))
    assert (dry["created"], dry["updated"], dry["cleared"]) == (0, 0, 0)


def test_a_client_reads_the_published_copy_with_words_on_everything(
    terminal: Terminal,
) -> None:
    place = json.loads(terminal("report", "--json"))["paths"]["serving"]
    con = duckdb.connect(place, read_only=True)

    bare = con.execute(
        "with named as (select schema_name || '.' || table_name as place,"
        " column_name as name, comment from duckdb_columns() where not internal"
        " union all select schema_name, table_name, comment from duckdb_tables()"
        " union all select schema_name, view_name, comment from duckdb_views()"
        " where not internal) select place || '.' || name from named"
        " where regexp_replace(lower(coalesce(comment, '')), '^(the|its) |\\W', '', 'g')"
        " in ('', lower(name), replace(lower(name), '_', ''))"
    ).fetchall()
    assert bare == []
    assert con.execute("select count(*) from marts.dim_users").fetchall() > [(100,)]


def test_the_evidence_of_every_run_is_sealed_and_unbroken(terminal: Terminal) -> None:
    told = terminal("audit", "verify")
    assert told.startswith("2 bundles, unbroken and as they were sealed. Head: ")
    head = told.split()[-1]
    assert terminal("audit", "verify", "--expect", head) == told
    assert "no bundle has the SHA-256" in terminal(
        "audit", "verify", "--expect", "0" * 64, code=1
    )


def test_why_two_records_are_one_person(terminal: Terminal) -> None:
    with terminal.tenant.warehouse.connection("test") as con:
        user, left, right = con.execute(
            "select unified_user_id, min(r), max(r) from (select unified_user_id,"
            " system || '/' || entity || '/' || record_key as r"
            " from identity.id_map_current where system in ('crm', 'app'))"
            " where unified_user_id is not null group by 1"
            " having count(*) = 2 and min(r) like 'app%' and max(r) like 'crm%'"
            " order by 1 limit 1"
        ).fetchall()[0]

    told = terminal("identity", "why", left, right)
    assert left in told and right in told and "share" in told
    assert user in terminal("identity", "show", user)


def test_errors_say_what_is_wrong_and_what_to_do(
    terminal: Terminal, tmp_path: Path
) -> None:
    assert "known worlds: online_retail, sample" in terminal(
        "run", "--world", "nowhere", code=1
    )
    assert "give DATA=<folder>" in terminal("run", "--world", "online_retail", code=1)
    assert "write YYYY-MM-DD" in terminal("run", "--ds", "yesterday", code=2)
    assert "go forward in time" in " ".join(
        terminal("run", "--ds", "2026-02-02", "--until", "2026-02-01", code=1).split()
    )
    missing = tmp_path / "not_there"
    assert "is not there: check DATA=" in " ".join(
        terminal(
            "run", "--world", "online_retail", "--data", str(missing), code=1
        ).split()
    )
    told = terminal("identity", "why", "crm/customers/a", "crm/customers/b", code=1)
    assert "crm/customers/a" in told and "UnknownIdentityError" in told


def test_a_broken_source_stops_the_command_with_its_reason(
    terminal: Terminal, tmp_path: Path
) -> None:
    """A contract that says stop: exit 1, and the file named."""
    other = Terminal(tmp_path)
    shutil.copytree(terminal.state, other.state, symlinks=True)
    path = other.root / "config" / "sources.yml"
    path.write_text(
        path.read_text("utf-8").replace(
            "contract: {final_newline: true}",
            "contract: {final_newline: true, bad_file: stop}",
        ),
        "utf-8",
    )
    day = DAY + timedelta(days=2)
    landing = other.state / "sample" / "world" / "landing" / "store" / "orders"
    bad = landing / f"{date(2026, 1, 1)}-again.csv"
    bad.write_text("order_id,touchpoint\nhalf a line", "utf-8")

    told = other("run", "--ds", str(day), code=1)

    assert "store/orders/2026-01-01-again.csv" in told.replace("\n", "")
    assert "ends within line 2" in " ".join(told.split())
    assert "half a line" not in told


def test_every_command_has_help(terminal: Terminal) -> None:
    for command in (
        [],
        ["run"],
        ["report"],
        ["sync"],
        ["up"],
        ["identity"],
        ["identity", "why"],
        ["gate"],
        ["audit"],
        ["sample"],
    ):
        assert "Usage" in terminal(*command, "--help")
