"""The difference between what is desired and what the CRM has acknowledged."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from strata.activation.errors import DesiredStateError
from strata.activation.ledger import CLEARED, Change, as_json
from strata.activation.summary import Difference
from strata.config.activation import Target
from strata.run import Run

SAMPLE_SIZE = 20
_CHUNK = 10_000
_PLAN_COLUMNS = (
    "position",
    "record_key",
    "operation",
    "fields",
    "before",
    "field_hash",
    "attempt",
    "refusals",
)


@dataclass(frozen=True)
class Wanted:
    """What one CRM record should hold; ``fields`` is empty where it must be clear."""

    fields: dict[str, str]
    field_hash: str


@dataclass
class Plan:
    """Everything one sync has to do. The changes themselves lie in a temp table."""

    con: duckdb.DuckDBPyConnection
    created: int = 0
    updated: int = 0
    cleared: int = 0
    unchanged: int = 0
    held: int = 0
    standing: int = 0
    differences: tuple[Difference, ...] = ()

    @property
    def to_send(self) -> int:
        """Records that will be sent."""
        return self.created + self.updated + self.cleared

    @property
    def changed_share(self) -> float:
        """Share of the records that the CRM has from us which would change.

        New records do not count: a first sync is all new, and so is the rest of one
        that was killed.
        """
        return (self.updated + self.cleared) / self.standing if self.standing else 0.0

    def batches(self, size: int) -> Iterator[list[Change]]:
        """The changes in order: what must be cleared first, then by record key.

        A batch is either all clearing or has none of it.
        """
        upserts = self.created + self.updated
        for is_clear, total in ((True, self.cleared), (False, upserts)):
            for start in range(0, total, size):
                rows = self.con.execute(
                    "select record_key, operation, fields, before, field_hash,"
                    " attempt, refusals from temp.sync_plan"
                    " where (operation = 'clear') = ? and position between ? and ?"
                    " order by position",
                    [is_clear, start, start + size - 1],
                ).fetchall()
                yield [_change(row) for row in rows]


def make_plan(con: duckdb.DuckDBPyConnection, run: Run, target: Target) -> Plan:
    """Compare ``activation.desired`` with the ledger of ``target``.

    A record is sent where a desired field with a value differs from what the CRM
    acknowledged. It is cleared where its owner agrees no more, or is not desired at
    all any more, and the ledger says that something was sent. Nothing is written but
    a temp table. Raises ``DesiredStateError`` where the desired rows make no sense.
    """
    _check_desired(con, target)
    plan = Plan(con)
    positions = {True: 0, False: 0}
    differences: list[Difference] = []
    kinds = ", ".join(
        f"{name} {'bigint' if name in _INTEGERS else 'varchar'}"
        for name in _PLAN_COLUMNS
    )
    con.execute(f"create or replace temp table sync_plan ({kinds})")
    for rows in _candidates(con, run, target):
        changes = [c for row in rows if (c := _classify(plan, target, row))]
        planned = []
        for change in changes:
            is_clear = change.operation == "clear"
            planned.append((positions[is_clear], change))
            positions[is_clear] += 1
        _keep(con, planned)
        room = SAMPLE_SIZE - len(differences)
        differences += [_difference(change) for change in changes[:room]]
    plan.differences = tuple(differences)
    wanted, plan.standing = _sizes(con, target)
    plan.unchanged = wanted - plan.created - plan.updated - plan.held
    return plan


def wanted_now(
    con: duckdb.DuckDBPyConnection, target: Target, keys: Sequence[str]
) -> dict[str, Wanted]:
    """What each of ``keys`` should hold; keys that are not desired should be clear."""
    rows = con.execute(
        f"select record_key, fields, field_hash from ({_wanted_sql(con, target)})"
        " where not is_clear and record_key in (select unnest(?::varchar[]))",
        [target.name, list(keys)],
    ).fetchall()
    found = {
        key: Wanted(_parsed(target, key, fields), digest)
        for key, fields, digest in rows
    }
    return {key: found.get(key, Wanted({}, CLEARED)) for key in keys}


def differs(target: Target, before: dict[str, str], wanted: Wanted) -> bool:
    """Whether a record that holds ``before`` must be sent to become ``wanted``."""
    if wanted.field_hash == CLEARED:
        return any(name in before for name in target.fields)
    return any(before.get(name) != value for name, value in wanted.fields.items())


def _wanted_sql(con: duckdb.DuckDBPyConnection, target: Target) -> str:
    """The desired rows of a target (one parameter), with consent applied once more.

    The desired rows carry consent already; this is the second lock on the same door,
    at the place where the data leaves.
    """
    has_users = con.execute(
        "select 1 from information_schema.tables"
        " where table_schema = 'marts' and table_name = 'dim_users'"
    ).fetchone()
    if not has_users:
        return (
            "select record_key, fields, field_hash, coalesce(is_clear, false)"
            " as is_clear from activation.desired where target = ?"
        )
    return (
        "select d.record_key, d.fields, d.field_hash, coalesce(d.is_clear, false)"
        f" or not coalesce(u.consent_{target.purpose}, false) as is_clear"
        " from activation.desired as d left join marts.dim_users as u"
        " on d.unified_user_id = u.unified_user_id and u.is_current"
        " where d.target = ?"
    )


def _check_desired(con: duckdb.DuckDBPyConnection, target: Target) -> None:
    row = con.execute(
        "select count(*), count(*) - count(distinct record_key), count(*) filter"
        " (not coalesce(is_clear, false) and (fields is null or field_hash is null))"
        " from activation.desired where target = ?",
        [target.name],
    ).fetchone()
    assert row is not None
    total, repeated, incomplete = row
    if repeated:
        raise DesiredStateError(
            f"activation.desired has {repeated} rows too many for target "
            f"{target.name}: a CRM record may be desired once, and needs a record_key"
        )
    if incomplete:
        raise DesiredStateError(
            f"activation.desired has {incomplete} rows for target {target.name} "
            "without fields or field_hash"
        )
    if not total and _sizes(con, target)[1]:
        raise DesiredStateError(
            f"activation.desired has no row for target {target.name}, though the CRM "
            "holds records of ours: that would clear all of them. See why the "
            "desired state is empty"
        )


def _sizes(con: duckdb.DuckDBPyConnection, target: Target) -> tuple[int, int]:
    """Records that should hold something, and records that do."""
    row = con.execute(
        f"select (select count(*) from ({_wanted_sql(con, target)}) where not is_clear),"
        " (select count(*) from activation.sync_ledger"
        " where target = ? and fields <> '{}')",
        [target.name, target.name],
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def _candidates(
    con: duckdb.DuckDBPyConnection, run: Run, target: Target
) -> Iterator[list[tuple[Any, ...]]]:
    """Records that may differ, in chunks, in the order of their keys.

    An equal hash proves that nothing is to be sent; a different one may come from a
    field that lost its value, which is not sent.
    """
    reader = con.cursor()
    try:
        reader.execute(
            f"""
            with wanted as ({_wanted_sql(con, target)}),
            standing as (select * from activation.sync_ledger where target = ?),
            letters as (
                select * from activation.dead_letters
                where target = ? and status <> 'resolved'
            ),
            attempts as (
                select record_key, max(attempt) as attempt from activation.sync_log
                where target = ? and run_id = ? group by record_key
            )
            select
                coalesce(w.record_key, s.record_key) as record_key,
                coalesce(w.is_clear, true) as must_be_clear,
                w.fields,
                w.field_hash,
                coalesce(s.fields, '{{}}') as before,
                coalesce(a.attempt, 0) + 1 as attempt,
                l.field_hash as refused_hash,
                l.attempts as refusals,
                l.status
            from wanted as w
            full join standing as s on w.record_key = s.record_key
            left join letters as l
                on l.record_key = coalesce(w.record_key, s.record_key)
            left join attempts as a
                on a.record_key = coalesce(w.record_key, s.record_key)
            where case
                when coalesce(w.is_clear, true) then coalesce(s.fields, '{{}}') <> '{{}}'
                else w.field_hash is distinct from s.field_hash
            end
            order by 1
            """,
            [target.name, target.name, target.name, target.name, run.run_id],
        )
        while rows := reader.fetchmany(_CHUNK):
            yield rows
    finally:
        reader.close()


def _classify(plan: Plan, target: Target, row: tuple[Any, ...]) -> Change | None:
    """Count a candidate; the change, if there is one to send."""
    key, must_be_clear, fields, digest, before, attempt, refused, refusals, status = row
    held: dict[str, str] = json.loads(before)
    if must_be_clear:
        fresh = refused != CLEARED
        plan.cleared += 1
        return Change(
            key, "clear", {}, held, CLEARED, attempt, 0 if fresh else refusals
        )
    wanted = Wanted(_parsed(target, key, fields), digest)
    if not differs(target, held, wanted):
        return None
    is_same_refusal = refused == digest
    if is_same_refusal and status == "dead":
        plan.held += 1
        return None
    if held:
        plan.updated += 1
    else:
        plan.created += 1
    return Change(
        key,
        "update" if held else "create",
        wanted.fields,
        held,
        digest,
        attempt,
        refusals if is_same_refusal else 0,
    )


def _parsed(target: Target, key: str, text: str) -> dict[str, str]:
    """The compared fields that have a value, as text."""
    try:
        # Numbers keep the spelling of the warehouse: 0.50 must not become 0.5.
        content = json.loads(text, parse_float=str, parse_int=str)
    except ValueError:
        raise DesiredStateError(
            f"activation.desired: fields of record {key} is not JSON"
        ) from None
    if not isinstance(content, dict):
        raise DesiredStateError(
            f"activation.desired: fields of record {key} is not a JSON object"
        )
    foreign = sorted(content.keys() - set(target.fields))
    if foreign:
        raise DesiredStateError(
            f"activation.desired wants to set {', '.join(foreign)} in target "
            f"{target.name}, which are not ours (fields in config/activation.yml)"
        )
    return {
        name: _as_text(name, value)
        for name, value in content.items()
        if value is not None and name != target.stamp_field
    }


def _as_text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    raise DesiredStateError(
        f"activation.desired: field {name} holds a {type(value).__name__}, "
        "not a plain value"
    )


def _difference(change: Change) -> Difference:
    names = sorted(
        name
        for name in {*change.before, *change.after}
        if change.before.get(name) != change.after.get(name)
    )
    return Difference(
        change.key,
        change.operation,
        {name: change.before.get(name) for name in names},
        {name: change.after.get(name) for name in names},
    )


_INTEGERS = frozenset({"position", "attempt", "refusals"})


def _keep(
    con: duckdb.DuckDBPyConnection, planned: Sequence[tuple[int, Change]]
) -> None:
    rows = [
        (
            position,
            c.key,
            c.operation,
            as_json(c.fields),
            as_json(c.before),
            c.field_hash,
            c.attempt,
            c.refusals,
        )
        for position, c in planned
    ]
    if not rows:
        return
    columns = dict(zip(_PLAN_COLUMNS, zip(*rows, strict=True), strict=True))
    con.register("sync_rows", pa.table({k: list(v) for k, v in columns.items()}))
    try:
        con.execute("insert into temp.sync_plan select * from sync_rows")
    finally:
        con.unregister("sync_rows")


def _change(row: tuple[Any, ...]) -> Change:
    key, operation, fields, before, digest, attempt, refusals = row
    return Change(
        key,
        operation,
        json.loads(fields),
        json.loads(before),
        digest,
        attempt,
        refusals,
    )
