"""What the CRM has acknowledged, what is under way, and what it refused.

The three tables are state: nothing can rebuild them, and migrations of the warehouse
make them. All functions commit what they
write before they return, so that a process killed anywhere leaves either the fact or
an open intent behind, and never a wrong fact.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import duckdb
import pyarrow as pa

from strata import clock

Operation = Literal["create", "update", "clear"]

CLEARED = "cleared"
"""The field hash of a record from which everything of ours was taken away."""


@dataclass(frozen=True)
class Change:
    """One record to be changed: ``fields`` are to be set, ``before`` was there.

    ``attempt`` counts the sends of this record within this run, ``refusals`` the
    earlier runs in which the CRM refused these very fields.
    """

    key: str
    operation: Operation
    fields: Mapping[str, str]
    before: Mapping[str, str]
    field_hash: str
    attempt: int
    refusals: int

    @property
    def after(self) -> dict[str, str]:
        """What the record holds once the CRM has acknowledged the change."""
        if self.operation == "clear":
            return {}
        return {**self.before, **self.fields}


@dataclass(frozen=True)
class Finding:
    """What a read-back found: the owned fields with a value, as the CRM holds them."""

    key: str
    fields: Mapping[str, str]
    field_hash: str | None
    outcome: str
    reason: str | None


class Ledger:
    """The state tables of one target, written on behalf of one run."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, target: str, run_id: str
    ) -> None:
        self._con = con
        self._target = target
        self._run_id = run_id

    def open_intents(self) -> list[str]:
        """Keys of the records whose last send has no known outcome, sorted."""
        rows = self._con.execute(
            "select distinct record_key from activation.sync_log"
            " where target = ? and outcome = 'intent' order by record_key",
            [self._target],
        ).fetchall()
        return [key for (key,) in rows]

    def begin(self, changes: Sequence[Change]) -> None:
        """Commit the intent to send ``changes``."""
        rows = [(c.key, c.attempt, c.operation, c.field_hash) for c in changes]
        with self._transaction(
            rows, ("record_key", "attempt", "operation", "field_hash")
        ):
            self._con.execute(
                "insert into activation.sync_log"
                " select ?, ?, record_key, attempt, operation, field_hash,"
                " 'intent', null, ? from sync_rows",
                [self._target, self._run_id, clock.now_naive()],
            )

    def acknowledge(self, changes: Sequence[Change]) -> None:
        """Advance ledger and log for records that the CRM acknowledged, at once."""
        rows = [(c.key, as_json(c.after), c.field_hash, "acked", None) for c in changes]
        with self._transaction(rows, _FINDING_COLUMNS):
            self._write_ledger()
            self._close_intents(only_this_run=True)
            self._con.execute(
                "update activation.dead_letters set status = 'resolved'"
                " where target = ? and status <> 'resolved'"
                " and record_key in (select record_key from sync_rows)",
                [self._target],
            )

    def refuse(self, changes: Sequence[tuple[Change, str]], limit: int) -> None:
        """Dead-letter records with their reasons; the ledger stays as it is.

        After ``limit`` refused runs a record waits for a replay. Clearing is tried
        for ever: consent that was withdrawn stays withdrawn.
        """
        rows = [
            (
                change.key,
                as_json(change.fields),
                change.field_hash,
                "refused",
                reason,
                change.refusals + 1,
                "dead"
                if change.refusals + 1 >= limit and change.operation != "clear"
                else "retry",
            )
            for change, reason in changes
        ]
        with self._transaction(rows, (*_FINDING_COLUMNS, "attempts", "status")):
            self._close_intents(only_this_run=True)
            self._con.execute(
                "insert into activation.dead_letters"
                " select ?, record_key, field_hash, fields, reason, attempts, status, ?"
                " from sync_rows on conflict (target, record_key) do update set"
                " field_hash = excluded.field_hash, fields = excluded.fields,"
                " reason = excluded.reason, attempts = excluded.attempts,"
                " status = excluded.status, _run_id = excluded._run_id",
                [self._target, self._run_id],
            )

    def settle(self, findings: Sequence[Finding]) -> None:
        """Close open intents of any run by what was read back."""
        with self._transaction(_finding_rows(findings), _FINDING_COLUMNS):
            self._write_ledger()
            self._close_intents(only_this_run=False)

    def correct(self, findings: Sequence[Finding]) -> None:
        """Put what a read-back found in place of what the ledger believed."""
        with self._transaction(_finding_rows(findings), _FINDING_COLUMNS):
            self._write_ledger()
            self._con.execute(
                "insert into activation.sync_log"
                " select ?, ?, record_key, 0, 'read_back', field_hash, outcome,"
                " reason, ? from sync_rows",
                [self._target, self._run_id, clock.now_naive()],
            )

    def resolve_moot(self) -> None:
        """Close the dead letters of records that need no sending any more.

        Reads the plan of this sync (``temp.sync_plan``). A dead letter that waits for
        a replay of what is still desired stays.
        """
        self._con.execute(
            "update activation.dead_letters as l set status = 'resolved'"
            " where l.target = ? and l.status <> 'resolved'"
            " and l.record_key not in (select record_key from temp.sync_plan)"
            " and not (l.status = 'dead' and exists ("
            " select 1 from activation.desired as d where d.target = l.target"
            " and d.record_key = l.record_key and d.field_hash = l.field_hash))",
            [self._target],
        )

    def sample(self, size: int, *, is_of_this_run: bool) -> dict[str, dict[str, str]]:
        """Up to ``size`` records and what the ledger says they hold.

        The choice looks like chance and depends on run and keys only.
        """
        comparison = "=" if is_of_this_run else "<>"
        rows = self._con.execute(
            "select record_key, fields from activation.sync_ledger"
            f" where target = ? and acked_run_id {comparison} ?"
            " order by md5(? || '|' || record_key), record_key limit ?",
            [self._target, self._run_id, self._run_id, size],
        ).fetchall()
        return {key: json.loads(fields) for key, fields in rows}

    def _write_ledger(self) -> None:
        self._con.execute(
            "insert into activation.sync_ledger"
            " select ?, record_key, field_hash, fields, ?, ? from sync_rows"
            " on conflict (target, record_key) do update set"
            " field_hash = excluded.field_hash, fields = excluded.fields,"
            " acked_run_id = excluded.acked_run_id, _acked_at = excluded._acked_at",
            [self._target, self._run_id, clock.now_naive()],
        )

    def _close_intents(self, *, only_this_run: bool) -> None:
        self._con.execute(
            "update activation.sync_log as log set outcome = r.outcome,"
            " reason = r.reason, _logged_at = ? from sync_rows as r"
            " where log.target = ? and log.outcome = 'intent'"
            " and log.record_key = r.record_key and (log.run_id = ? or ?)",
            [clock.now_naive(), self._target, self._run_id, not only_this_run],
        )

    @contextlib.contextmanager
    def _transaction(
        self, rows: Sequence[tuple[Any, ...]], columns: Sequence[str]
    ) -> Iterator[None]:
        """One transaction that sees ``rows`` as the relation ``sync_rows``."""
        arrays = zip(*rows, strict=True) if rows else ([] for _ in columns)
        types = [pa.int32() if c in _INTEGERS else pa.string() for c in columns]
        table = pa.table(
            {
                name: pa.array(values, kind)
                for name, values, kind in zip(columns, arrays, types, strict=True)
            }
        )
        self._con.register("sync_rows", table)
        try:
            self._con.execute("begin")
            try:
                yield
            except BaseException:
                self._con.execute("rollback")
                raise
            self._con.execute("commit")
        finally:
            self._con.unregister("sync_rows")


def replay(
    con: duckdb.DuckDBPyConnection, target: str, record_keys: Iterable[str] | None
) -> int:
    """Give dead letters of ``target`` another round; how many there were.

    The next sync sends them again, as they are desired then, with a fresh count of
    refusals. ``None`` means all that are not resolved. A key without an open dead
    letter is passed over.
    """
    keys = None if record_keys is None else sorted(set(record_keys))
    rows = con.execute(
        "update activation.dead_letters set status = 'replay', attempts = 0"
        " where target = ? and status <> 'resolved'"
        " and (?::varchar[] is null or list_contains(?::varchar[], record_key))"
        " returning record_key",
        [target, keys, keys],
    ).fetchall()
    return len(rows)


def as_json(fields: Mapping[str, str]) -> str:
    """Fields in one spelling: sorted, without spaces, as UTF-8."""
    return json.dumps(
        dict(fields), sort_keys=True, ensure_ascii=False, separators=(",", ":")
    )


_FINDING_COLUMNS = ("record_key", "fields", "field_hash", "outcome", "reason")
_INTEGERS = frozenset({"attempt", "attempts"})


def _finding_rows(findings: Sequence[Finding]) -> list[tuple[Any, ...]]:
    return [
        (f.key, as_json(f.fields), f.field_hash, f.outcome, f.reason) for f in findings
    ]
