"""A write-back killed anywhere (``kill -9``) changes no CRM record twice.

Every child is a real process with the real SQLite CRM. It counts the steps it takes
(transactions of the warehouse and calls of the client, before and after each) and kills
itself at one of them. The CRM counts with triggers what was changed in truth.
"""

import multiprocessing
import os
import signal
import sqlite3
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from strata.activation import (
    CrmClient,
    Outcome,
    Record,
    SyncSummary,
    open_client,
    sync,
)
from strata.config.activation import Target
from strata.run import Run
from strata.warehouse import DuckDBWarehouse

pytestmark = pytest.mark.slow

PRELOADED = ["pytest", "sqlalchemy.dialects.sqlite", "strata.activation"]
NEVER = 10**9
WAREHOUSE = "warehouse/strata.duckdb"
YESTERDAY = {"r1": "low", "r2": "low", "r3": "low"}
TODAY = {"r1": "high", "r2": "low", "r4": "mid"}  # r3 is to be cleared
CHANGED_ONCE = [("r1", 1), ("r3", 1), ("r4", 1)]

TARGET = Target.model_validate(
    {
        "name": "crm",
        "client": {
            "kind": "sql",
            "url": "sqlite:///{home}/crm/crm.db",
            "table": "strata_segments",
            "key_column": "customer_id",
        },
        "purpose": "marketing",
        "fields": ["tier", "updated_on"],
        "stamp_field": "updated_on",
        "batch_size": 2,
    }
)

COUNTING = """
create table changes (customer_id text);
create trigger counted_insert after insert on strata_segments
begin insert into changes values (new.customer_id); end;
create trigger counted_update after update on strata_segments
begin insert into changes values (new.customer_id); end;
"""


class Steps:
    """Counts steps, names them, and kills the process at the ``last`` one."""

    def __init__(self, last: int) -> None:
        self._last = last
        self.names: list[str] = []

    def __call__(self, name: str) -> None:
        if len(self.names) == self._last:
            os.kill(os.getpid(), signal.SIGKILL)
        self.names.append(name)


class SteppingConnection:
    """The warehouse, with a step wherever a transaction begins or ends."""

    def __init__(self, con: duckdb.DuckDBPyConnection, step: Steps) -> None:
        self._con = con
        self._step = step

    def execute(self, sql: str, *parameters: Any) -> duckdb.DuckDBPyConnection:
        if sql == "begin":
            self._step("before begin")
        if sql != "commit":
            return self._con.execute(sql, *parameters)
        self._step("before commit")
        result = self._con.execute(sql)
        self._step("after commit")
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._con, name)


class SteppingClient:
    """The CRM, with a step on each side of each call."""

    def __init__(self, client: CrmClient, step: Steps) -> None:
        self._client = client
        self._step = step

    def upsert(self, records: Sequence[Record], idempotency_key: str) -> list[Outcome]:
        return self._stepping(lambda: self._client.upsert(records, idempotency_key))

    def clear(self, keys: Sequence[str], idempotency_key: str) -> list[Outcome]:
        return self._stepping(lambda: self._client.clear(keys, idempotency_key))

    def read(self, keys: Sequence[str]) -> dict[str, dict[str, str]]:
        return self._client.read(keys)

    def _stepping(self, call: Callable[[], list[Outcome]]) -> list[Outcome]:
        self._step("before send")
        outcomes = call()
        self._step("after send")
        return outcomes


def publish(home: Path, tiers: dict[str, str]) -> None:
    with duckdb.connect(str(home / WAREHOUSE)) as con:
        con.execute(
            "create or replace table activation.desired (target varchar,"
            " record_key varchar, unified_user_id varchar, fields varchar,"
            " field_hash varchar, is_clear boolean)"
        )
        con.executemany(
            "insert into activation.desired values ('crm', ?, 'u', ?, ?, false)",
            [[key, f'{{"tier": "{tier}"}}', tier] for key, tier in tiers.items()],
        )


def sync_until(home: Path, last_step: int) -> tuple[SyncSummary, list[str]]:
    step = Steps(last_step)
    with (
        duckdb.connect(str(home / WAREHOUSE), config={"threads": 1}) as con,
        open_client(TARGET, home) as client,
    ):
        summary = sync(
            SteppingConnection(con, step),  # type: ignore[arg-type]
            Run("2026-10-31.1", date(2026, 10, 31), "test", home, "Asia/Shanghai"),
            TARGET,
            SteppingClient(client, step),
            sleep=lambda _: None,
        )
    return summary, step.names


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A CRM that took yesterday's tiers, and today's wait to be sent."""
    DuckDBWarehouse(tmp_path).migrate()
    publish(tmp_path, YESTERDAY)
    sync_until(tmp_path, NEVER)
    publish(tmp_path, TODAY)
    with sqlite3.connect(tmp_path / "crm" / "crm.db") as crm:
        crm.executescript(COUNTING)
    return tmp_path


def restore(home: Path, files: dict[str, bytes]) -> None:
    for left_over in (*(home / "crm").iterdir(), *home.glob(f"{WAREHOUSE}*")):
        left_over.unlink()
    for name, content in files.items():
        (home / name).write_bytes(content)


def crm_rows(home: Path, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(home / "crm" / "crm.db") as crm:
        return crm.execute(query).fetchall()


def kill_at(home: Path, last_step: int) -> None:
    """Run a sync in a process of its own that dies at ``last_step``."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    child = context.Process(target=sync_until, args=(home, last_step))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL


def assert_as_desired(home: Path) -> None:
    assert (
        crm_rows(
            home, "select customer_id, count(*) from changes group by 1 order by 1"
        )
        == CHANGED_ONCE
    )
    assert crm_rows(
        home, "select customer_id, tier from strata_segments order by 1"
    ) == sorted({**TODAY, "r3": None}.items())
    with duckdb.connect(str(home / WAREHOUSE)) as con:
        ledger = con.execute(
            "select record_key, fields from activation.sync_ledger order by 1"
        ).fetchall()
        open_intents = con.execute(
            "select count(*) from activation.sync_log where outcome = 'intent'"
        ).fetchone()
    assert ledger == sorted(
        [*((key, f'{{"tier":"{tier}"}}') for key, tier in TODAY.items()), ("r3", "{}")]
    )
    assert open_intents == (0,)


BATCH_STEPS = [
    "before begin",
    "before commit",  # of the intent
    "after commit",
    "before send",
    "after send",
    "before begin",
    "before commit",  # of ledger and log
    "after commit",
]
BEFORE_INTENT, AFTER_INTENT, AFTER_SEND, BEFORE_LEDGER, AFTER_LEDGER = 0, 2, 4, 6, 7
CLEARING, WRITING = 0, len(BATCH_STEPS)  # the first batch clears, the second writes


def test_a_sync_killed_at_any_point_changes_no_record_twice(home: Path) -> None:
    before = {name: (home / name).read_bytes() for name in (WAREHOUSE, "crm/crm.db")}
    _, steps = sync_until(home, NEVER)
    assert_as_desired(home)
    assert steps == 2 * BATCH_STEPS
    batches_sent_after = {
        CLEARING + AFTER_SEND: 1,
        CLEARING + BEFORE_LEDGER: 1,
        WRITING + BEFORE_INTENT: 1,
        WRITING + AFTER_INTENT: 1,
        WRITING + AFTER_SEND: 0,
        WRITING + BEFORE_LEDGER: 0,
        WRITING + AFTER_LEDGER: 0,
    }
    for last_step, batches in batches_sent_after.items():
        restore(home, before)
        kill_at(home, last_step)
        summary, recovery = sync_until(home, NEVER)
        assert_as_desired(home)
        assert recovery.count("before send") == batches  # what arrived stays unsent
        assert summary.refused == summary.mismatched == 0


def test_a_sync_killed_while_it_recovers_changes_no_record_twice(home: Path) -> None:
    kill_at(home, CLEARING + AFTER_SEND)
    before_it_is_settled, settling_steps = 1, 3
    kill_at(home, before_it_is_settled)
    kill_at(home, settling_steps + AFTER_SEND)  # in the batch that comes next
    summary, _ = sync_until(home, NEVER)
    assert_as_desired(home)
    assert (summary.settled, summary.unchanged) == (2, 3)
