"""Answers about identity: why two records are one person, and what an id stands for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from strata.config.identity import IdentityConfig, load_identity_config
from strata.identity.chains import Bonds, Link, Step, Value, shortest
from strata.identity.decisions import (
    Decision,
    Record,
    UnknownIdentityError,
    decisions,
    masked,
)
from strata.identity.evidence import gathered
from strata.identity.tables import JOINING, STATE
from strata.identity.withheld import Moment, withheld

_END_OF_TIME = datetime(9999, 1, 1)


@dataclass(frozen=True)
class Membership:
    """One row of the history of a record: its id from one day until another."""

    record: str
    unified_user_id: str | None
    effective_from: date
    effective_to: date | None
    recorded_from: date
    recorded_to: date | None
    cause: str
    edge_id: str | None


@dataclass(frozen=True)
class Shown:
    """An identifier value that the members show, masked, and how many of them do."""

    identifier_type: str
    masked_value: str
    records: int


@dataclass(frozen=True)
class Card:
    """What is known of one id.

    ``members`` are the records that have it now, ``identifiers`` what these show;
    ``history`` is every row of every record that has or had it, in order of record and
    time; ``decisions`` are those about any of these records, ended or not.
    """

    unified_user_id: str
    anchor: str
    minted_on: date
    status: str
    redirects_to: str | None
    redirected_on: date | None
    redirected_here: tuple[str, ...]
    members: tuple[str, ...]
    identifiers: tuple[Shown, ...]
    history: tuple[Membership, ...]
    decisions: tuple[Decision, ...]


def resolve_id(
    con: duckdb.DuckDBPyConnection, unified_user_id: str, as_of: date
) -> str | None:
    """The id that stood for this user on ``as_of``.

    It is the id of the anchor's record on that day; None before that record was seen,
    and while it stands for nobody. Where the record is gone, what the ledger says
    counts. Raises ``UnknownIdentityError`` for an id that was never minted.
    """
    anchor = _anchor(con, unified_user_id)
    rows = con.execute(
        f"""
        select unified_user_id, effective_from <= $as_of as had_begun
        from {STATE}.id_map
        where
            system = $system and entity = $entity and record_key = $record_key
            and recorded_to is null
            and (effective_to is null or $as_of < effective_to)
        order by effective_from
        """,
        {
            "as_of": as_of,
            **anchor._asdict(),
        },
    ).fetchall()
    if rows:
        return rows[0][0] if rows[0][1] else None
    target = con.execute(
        f"select redirects_to from {STATE}.id_ledger"
        " where unified_user_id = ? and redirected_on <= ?",
        [unified_user_id, as_of],
    ).fetchone()
    return resolve_id(con, target[0], as_of) if target else unified_user_id


def show(con: duckdb.DuckDBPyConnection, unified_user_id: str) -> Card:
    """The card of an id. Raises ``UnknownIdentityError`` for one never minted."""
    anchor = _anchor(con, unified_user_id)
    entry = con.execute(
        f"select minted_on, status, redirects_to, redirected_on from {STATE}.id_ledger"
        " where unified_user_id = ?",
        [unified_user_id],
    ).fetchone()
    assert entry is not None
    here = con.execute(
        f"select unified_user_id from {STATE}.id_ledger where redirects_to = ?"
        " order by unified_user_id",
        [unified_user_id],
    ).fetchall()
    rows = con.execute(
        f"""
        select * exclude (_run_id)
        from {STATE}.id_map
        semi join (
            select system, entity, record_key
            from {STATE}.id_map
            where unified_user_id = ?
        ) using (system, entity, record_key)
        order by system, entity, record_key, recorded_from, effective_from, recorded_to
        """,
        [unified_user_id],
    ).fetchall()
    history = tuple(Membership(str(Record(*row[:3])), *row[3:]) for row in rows)
    records = {member.record for member in history}
    minted_on, status, redirects_to, redirected_on = entry
    return Card(
        unified_user_id=unified_user_id,
        anchor=str(anchor),
        minted_on=minted_on,
        status=status,
        redirects_to=redirects_to,
        redirected_on=redirected_on,
        redirected_here=tuple(row[0] for row in here),
        members=tuple(
            m.record
            for m in history
            if m.unified_user_id == unified_user_id
            and m.recorded_to is None
            and m.effective_to is None
        ),
        identifiers=_identifiers(con, unified_user_id),
        history=history,
        decisions=tuple(
            d for d in decisions(con) if records & {d.record, d.apart_from}
        ),
    )


def _identifiers(
    con: duckdb.DuckDBPyConnection, unified_user_id: str
) -> tuple[Shown, ...]:
    rows = con.execute(
        f"""
        select
            identifiers.identifier_type,
            identifiers.value_hash,
            count(distinct (system, entity, record_key)) as records,
        from staging.identifiers as identifiers
        semi join (
            select system, entity, record_key
            from {STATE}.id_map
            where
                unified_user_id = ?
                and recorded_to is null and effective_to is null
        ) using (system, entity, record_key)
        group by identifiers.identifier_type, identifiers.value_hash
        order by all
        """,
        [unified_user_id],
    ).fetchall()
    return tuple(Shown(kind, masked(value), records) for kind, value, records in rows)


def why(
    con: duckdb.DuckDBPyConnection,
    left: str,
    right: str,
    config: IdentityConfig | None = None,
) -> list[Step] | None:
    """The shortest chain of evidence that makes two records one person.

    Each end is ``system/entity/record_key``, or an id, which stands for its anchor.
    Empty where both are the same record; None where they are different people. The
    rules are those of the project where none are given. Raises
    ``UnknownIdentityError`` for a record or id that is not known.
    """
    start, goal = _record(con, left), _record(con, right)
    if start == goal:
        return []
    users = {_current_id(con, start), _current_id(con, goal)}
    if len(users) > 1 or None in users:
        return None
    steps = shortest(_bonds(con, config, [start, goal]), start, goal)
    return None if steps is None or any(s.rejected_by for s in steps) else steps


def why_not(
    con: duckdb.DuckDBPyConnection,
    left: str,
    right: str,
    config: IdentityConfig | None = None,
) -> list[Step] | None:
    """What ties two records that are not one person, and the rules that rejected it.

    The chain with the fewest rejected links through what their two users show. None
    where nothing ties them, and where they are one person. Ends and errors are those
    of :func:`why`.
    """
    start, goal = _record(con, left), _record(con, right)
    users = {_current_id(con, start), _current_id(con, goal)}
    if start == goal or (len(users) == 1 and None not in users):
        return None
    return shortest(_bonds(con, config, [start, goal]), start, goal)


_MEMBERS = f"""
    create or replace temp table identity_members as
    with

    id_map as (
        select system, entity, record_key, unified_user_id
        from {STATE}.id_map
        where recorded_to is null and effective_to is null
    ),

    ends as (
        select * from id_map
        where concat_ws('/', system, entity, record_key) in ($start, $goal)
    )

    select system, entity, record_key from id_map
    semi join ends using (unified_user_id)
    union
    select system, entity, record_key from ends
"""

# What members show, and all that share a value with them: periods depend on it.
_AROUND = f"""
    create or replace temp table identity_around as
    select identifiers.*
    from {{source}} as identifiers
    semi join (
        select value_hash
        from {{source}}
        semi join identity_members using (system, entity, record_key)
        where {JOINING}
    ) using (value_hash)
"""

_HELD = f"""
    select
        uses.system, uses.entity, uses.record_key,
        uses.identifier_type, uses.value_hash, uses.period,
        edges.rule, edges.edge_id, edges.strength, edges.rejected_by,
    from identity_uses as uses
    semi join identity_members using (system, entity, record_key)
    left join {STATE}.edges as edges
        on
            edges.rule = 'same_record'
            and edges.system = uses.system
            and edges.entity = uses.entity
            and edges.record_key = uses.record_key
            and edges.right_type = uses.identifier_type
            and edges.right_hash = uses.value_hash
            and edges.key_version = uses.key_version
    where uses.use_no = uses.stands_no or edges.edge_id is not null
    order by all
"""

_TIED = f"""
    select
        edges.left_type, edges.left_hash, edges.left_period,
        edges.right_type, edges.right_hash, edges.right_period,
        edges.rule, edges.edge_id, edges.strength, edges.rejected_by,
    from {STATE}.edges as edges
    semi join identity_members using (system, entity, record_key)
    where edges.rule <> 'same_record'
    order by all
"""


def _bonds(
    con: duckdb.DuckDBPyConnection,
    config: IdentityConfig | None,
    ends: Sequence[Record],
) -> Bonds:
    """What the users of two records show, by the decisions of the newest day."""
    newest = con.execute(f"select max(ds) from {STATE}.resolution").fetchone()
    moment = Moment(
        newest[0] if newest and newest[0] else date.min, _END_OF_TIME, _END_OF_TIME
    )
    evidence = withheld(
        con, config or load_identity_config(), "staging.identifiers", moment
    )
    try:
        con.execute(_MEMBERS, {"start": str(ends[0]), "goal": str(ends[1])})
        con.execute(_AROUND.format(source=evidence.source))
        with gathered(con, evidence.config, _END_OF_TIME, "identity_around"):
            held = con.execute(_HELD).fetchall()
        tied = con.execute(_TIED).fetchall()
    finally:
        for table in ("members", "around"):
            con.execute(f"drop table if exists temp.identity_{table}")
    bonds = Bonds()
    for row in held:
        link = Link(*row[6:]) if row[7] is not None else Link()
        bonds.add(Record(*row[:3]), Value(*row[3:6]), link)
    for row in tied:
        bonds.add(Value(*row[:3]), Value(*row[3:6]), Link(*row[6:]))
    return bonds


def _anchor(con: duckdb.DuckDBPyConnection, unified_user_id: str) -> Record:
    row = con.execute(
        "select anchor_system, anchor_entity, anchor_record_key"
        f" from {STATE}.id_ledger where unified_user_id = ?",
        [unified_user_id],
    ).fetchone()
    if row is None:
        raise UnknownIdentityError(f"no id {unified_user_id} was ever minted")
    return Record(*row)


def _record(con: duckdb.DuckDBPyConnection, name: str) -> Record:
    """The record of that name, or the anchor of that id."""
    if "/" not in name:
        return _anchor(con, name)
    return Record.named(name)


def _current_id(con: duckdb.DuckDBPyConnection, record: Record) -> str | None:
    row = con.execute(
        f"""
        select unified_user_id
        from {STATE}.id_map
        where
            system = ? and entity = ? and record_key = ?
            and recorded_to is null and effective_to is null
        """,
        [*record],
    ).fetchone()
    if row is None:
        raise UnknownIdentityError(f"no record {record} is known")
    return None if row[0] is None else str(row[0])
