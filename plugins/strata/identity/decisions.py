"""What people decide about identities: who is not one person, what joins nobody.

A decision is state: who, when, why and what. It holds from the day after the newest
published one, so that a day run again gives what it gave before, and until a
``restore`` ends it, from its own next day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, NamedTuple

import duckdb

from strata import clock
from strata.identity.tables import JOINING, STATE

Kind = Literal["split", "forget", "withdraw", "restore"]

_KEY_CHARACTERS = 8


class Record(NamedTuple):
    """The key of a source record."""

    system: str
    entity: str
    record_key: str

    def __str__(self) -> str:
        return "/".join(self)

    @classmethod
    def named(cls, name: str) -> "Record":
        """The record that ``system/entity/record_key`` names."""
        parts = name.split("/", 2)
        if len(parts) < 3:
            raise UnknownIdentityError(
                f"{name} is no record: write system/entity/record_key, or an id"
            )
        return cls(*parts)


class Value(NamedTuple):
    """An identifier value, as a keyed hash."""

    identifier_type: str
    value_hash: str
    key_version: str


def masked(value_hash: str) -> str:
    """What people are shown of a keyed hash: its first characters."""
    return value_hash[:_KEY_CHARACTERS] + "…"


class UnknownIdentityError(LookupError):
    """No record, user, value or decision goes by the name that was asked for."""


@dataclass(frozen=True)
class Decision:
    """One row of ``identity.decisions``.

    ``record`` is what it is about, ``apart_from`` the other record of a split,
    ``values`` are types and keys (first characters of the hash) of what it takes off.
    ``is_in_force``: no restore has ended it.
    """

    decision_id: str
    kind: Kind
    record: str | None
    apart_from: str | None
    restores: str | None
    values: tuple[str, ...]
    applies_from: date
    decided_by: str
    reason: str
    is_in_force: bool


_SHOWN_BY_USER = f"""
    with members as (
        select system, entity, record_key
        from {STATE}.id_map
        where
            unified_user_id = (
                select unified_user_id from {STATE}.id_map
                where
                    (system, entity, record_key) = ($system, $entity, $record_key)
                    and recorded_to is null and effective_to is null
            )
            and recorded_to is null and effective_to is null
    )

    select system, entity, record_key, is_own, identifier_type, value_hash, key_version
    from staging.identifiers
    semi join members using (system, entity, record_key)
    where {JOINING}
    order by all
"""


def split(
    con: duckdb.DuckDBPyConnection,
    record: str,
    apart_from: str,
    *,
    by: str,
    reason: str,
) -> Decision:
    """Two records are not one person: ``record`` leaves the user of ``apart_from``.

    Each is ``system/entity/record_key``; ``apart_from`` may be an id too, which stands
    for its anchor, or for the eldest other record where ``record`` is the anchor. The
    values that ``record`` shares with ``apart_from``, and with what belongs to that
    without it, count for ``record`` no more; what hangs on ``record`` goes with it.
    Raises ``UnknownIdentityError`` for a name that is not known and ``ValueError``
    where there is nothing to keep apart.
    """
    leaves = _known(con, Record.named(record))
    stays = _counterpart(con, leaves, apart_from)
    if leaves == stays:
        raise ValueError(f"{leaves} cannot be kept apart from itself")
    shared = _shared(con, leaves, stays)
    return _decide(con, "split", by, reason, leaves, stays, shared)


def forget(
    con: duckdb.DuckDBPyConnection,
    identifier_type: str,
    value_hash: str,
    *,
    by: str,
    reason: str,
) -> Decision:
    """An identifier value joins nobody any more, and nobody stands on it.

    ``value_hash`` is its keyed hash, or enough of its first characters (at least 8) to
    mean one value. Raises ``UnknownIdentityError`` where it means none or several.
    """
    if len(value_hash) < _KEY_CHARACTERS:
        raise UnknownIdentityError(
            f"{value_hash} is too short to mean one value: give {_KEY_CHARACTERS} "
            "characters at least"
        )
    found = con.execute(
        "select distinct identifier_type, value_hash, key_version"
        " from staging.identifiers"
        " where identifier_type = ? and starts_with(value_hash, ?)"
        f" and {JOINING} order by all",
        [identifier_type, value_hash],
    ).fetchall()
    if len({row[1] for row in found}) != 1:
        told = f"means {len(found)} values: give more of it" if found else "is unknown"
        raise UnknownIdentityError(f"{identifier_type} {value_hash} {told}")
    values = [Value(*row) for row in found]
    return _decide(con, "forget", by, reason, values=values)


def withdraw(
    con: duckdb.DuckDBPyConnection, record: str, *, by: str, reason: str
) -> Decision:
    """A record is not to be linked: it stands for itself alone, on its own id.

    For a consent that was withdrawn outside the sources; one that a source tells
    (``staging.consents``) needs no decision. Raises ``UnknownIdentityError``.
    """
    subject = _known(con, Record.named(record))
    return _decide(con, "withdraw", by, reason, subject)


def restore(
    con: duckdb.DuckDBPyConnection, decision_id: str, *, by: str, reason: str
) -> Decision:
    """End a decision: from the next day on, all is as if it had never been taken.

    Raises ``UnknownIdentityError`` for an unknown decision, ``ValueError`` for one
    that was ended already or that is a restore itself.
    """
    row = con.execute(
        f"select kind, exists (select 1 from {STATE}.decisions"
        f" where restores = ?) from {STATE}.decisions where decision_id = ?",
        [decision_id, decision_id],
    ).fetchone()
    if row is None:
        raise UnknownIdentityError(f"there is no decision {decision_id}")
    if row[0] == "restore":
        raise ValueError(f"{decision_id} is a restore: decide anew instead")
    if row[1]:
        raise ValueError(f"{decision_id} was ended already")
    return _decide(con, "restore", by, reason, restores=decision_id)


def decisions(con: duckdb.DuckDBPyConnection) -> list[Decision]:
    """All decisions ever taken, the oldest first."""
    if not exists(con, STATE, "decisions"):
        return []
    rows = con.execute(
        f"""
        with named as (
            select
                decision_id,
                list(
                    {{'kind': identifier_type, 'value': value_hash}}
                    order by identifier_type, value_hash
                ) as values_named,
            from {STATE}.decision_values
            group by decision_id
        )

        select
            decisions.*,
            named.values_named,
            kind <> 'restore' and decision_id not in (
                select restores from {STATE}.decisions where restores is not null
            ) as is_in_force,
        from {STATE}.decisions as decisions
        left join named using (decision_id)
        order by cast(decision_id[2:] as integer)
        """
    ).fetchall()
    return [
        Decision(
            decision_id=row[0],
            kind=row[1],
            record=str(Record(*row[2:5])) if row[2] else None,
            apart_from=str(Record(*row[5:8])) if row[5] else None,
            restores=row[8],
            values=tuple(f"{v['kind']} {masked(v['value'])}" for v in row[13] or ()),
            applies_from=row[9],
            decided_by=row[10],
            reason=row[11],
            is_in_force=row[14],
        )
        for row in rows
    ]


def decisions_between(
    con: duckdb.DuckDBPyConnection, left: str, right: str
) -> list[Decision]:
    """The decisions in force about either of two records."""
    return [
        decision
        for decision in decisions(con)
        if decision.is_in_force
        and {left, right} & {decision.record, decision.apart_from}
    ]


def exists(con: duckdb.DuckDBPyConnection, schema: str, table: str) -> bool:
    """Whether the warehouse has such a table or view."""
    return bool(
        con.execute(
            "select 1 from information_schema.tables"
            " where table_schema = ? and table_name = ?",
            [schema, table],
        ).fetchone()
    )


def _decide(
    con: duckdb.DuckDBPyConnection,
    kind: Kind,
    by: str,
    reason: str,
    record: Record | None = None,
    apart_from: Record | None = None,
    values: Sequence[Value] = (),
    restores: str | None = None,
) -> Decision:
    """Write a decision that holds from the next day on."""
    if not by.strip() or not reason.strip():
        raise ValueError("a decision needs the name of who takes it, and a reason")
    con.begin()
    try:
        row = con.execute(
            f"select 'd' || (count(*) + 1) from {STATE}.decisions"
        ).fetchone()
        assert row is not None
        con.execute(
            f"insert into {STATE}.decisions values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                row[0],
                kind,
                *(record or (None,) * 3),
                *(apart_from or (None,) * 3),
                restores,
                _next_day(con),
                by,
                reason,
                clock.now_naive(),
            ],
        )
        for value in values:
            con.execute(
                f"insert into {STATE}.decision_values values (?, ?, ?, ?)",
                [row[0], *value],
            )
        con.commit()
    except BaseException:
        con.rollback()
        raise
    return next(d for d in decisions(con) if d.decision_id == row[0])


def _next_day(con: duckdb.DuckDBPyConnection) -> date:
    """The day after the newest whose identities are published."""
    row = con.execute(
        "select max(ds) from audit.publications where stage = 'identity' and is_newest"
    ).fetchone()
    return row[0] + timedelta(days=1) if row and row[0] else date.min


def _shared(
    con: duckdb.DuckDBPyConnection, leaves: Record, stays: Record
) -> list[Value]:
    """The values that tie a record, by any of its names, to those that stay."""
    named: dict[tuple[str, str], Value] = {}
    own: dict[Record, set[tuple[str, str]]] = {}
    shown: dict[Record, set[tuple[str, str]]] = {}
    for *record, is_own, kind, value, version in con.execute(
        _SHOWN_BY_USER, leaves._asdict()
    ).fetchall():
        named[value, version] = Value(kind, value, version)
        of = own if is_own else shown
        of.setdefault(Record(*record), set()).add((value, version))
    names = own.get(leaves, set())
    leaving = {leaves} | {r for r, values in own.items() if values & names}
    held = {
        record: own.get(record, set()) | shown.get(record, set())
        for record in own.keys() | shown.keys()
        if record not in leaving
    }
    kept: set[tuple[str, str]] = set()
    ahead = held.pop(stays, set())
    while ahead - kept:
        kept |= ahead
        near = {record for record, values in held.items() if values & kept}
        ahead = set().union(*(held.pop(record) for record in near))
    ties = kept & set().union(*(shown.get(r, set()) for r in leaving))
    return sorted(named[tie] for tie in ties)


def _known(con: duckdb.DuckDBPyConnection, record: Record) -> Record:
    row = con.execute(
        f"select 1 from {STATE}.id_map"
        " where system = ? and entity = ? and record_key = ? limit 1",
        [*record],
    ).fetchone()
    if row is None:
        raise UnknownIdentityError(f"no record {record} is known")
    return record


def _counterpart(con: duckdb.DuckDBPyConnection, leaves: Record, name: str) -> Record:
    """The record of that name; of an id its anchor, or the eldest that is not it."""
    if "/" in name:
        return _known(con, Record.named(name))
    row = con.execute(
        f"select anchor_system, anchor_entity, anchor_record_key"
        f" from {STATE}.id_ledger where unified_user_id = ?",
        [name],
    ).fetchone()
    if row is None:
        raise UnknownIdentityError(f"no id {name} was ever minted")
    if Record(*row) != leaves:
        return Record(*row)
    other = con.execute(
        f"""
        select system, entity, record_key
        from {STATE}.id_map
        where
            unified_user_id = ? and recorded_to is null and effective_to is null
            and (system, entity, record_key) <> (?, ?, ?)
        order by effective_from, system, entity, record_key
        limit 1
        """,
        [name, *leaves],
    ).fetchone()
    if other is None:
        raise ValueError(f"{leaves} is the only record of {name}")
    return Record(*other)
