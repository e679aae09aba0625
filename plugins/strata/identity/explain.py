"""Answers about identity: why two records are one person, and what an id stands for."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import NamedTuple

import duckdb

from strata.config.identity import IdentityConfig, load_identity_config
from strata.identity.decisions import Record, UnknownIdentityError
from strata.identity.evidence import gathered
from strata.identity.tables import STATE

_END_OF_TIME = datetime(9999, 1, 1)
_SHOWN_CHARACTERS = 8


class Value(NamedTuple):
    """An identifier value in one period of its use."""

    identifier_type: str
    value_hash: str
    period: int


@dataclass(frozen=True)
class Step:
    """Two records that show the same identifier value.

    The value is masked: the first characters of its hash. ``rule`` is
    ``same_value_later`` where the records used it in different periods. ``edge_ids``
    are the links behind the step, one for each of the two records whose own identifier
    this is not.
    """

    left_record: str
    right_record: str
    identifier_type: str
    masked_value: str
    rule: str
    edge_ids: tuple[str, ...]


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
class Card:
    """What is known of one id.

    ``members`` are the records that have it now; ``history`` is every row of every
    record that has or had it, in order of record and time.
    """

    unified_user_id: str
    anchor: str
    minted_on: date
    status: str
    redirects_to: str | None
    redirected_on: date | None
    redirected_here: tuple[str, ...]
    members: tuple[str, ...]
    history: tuple[Membership, ...]


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
        history=history,
    )


def why(
    con: duckdb.DuckDBPyConnection,
    left: str,
    right: str,
    config: IdentityConfig | None = None,
) -> list[Step] | None:
    """The shortest chain of shared values that makes two records one person.

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
    rules = config or load_identity_config()
    return _chain(_bonds(con, rules, str(users.pop())), start, goal)


@dataclass(frozen=True)
class _Bonds:
    """Who holds what within one user; a bond's edge is None for an own identifier."""

    held: dict[Record, dict[Value, str | None]]
    holders: dict[Value, list[Record]]
    continued: dict[Value, dict[Value, str]]


def _bonds(con: duckdb.DuckDBPyConnection, config: IdentityConfig, user: str) -> _Bonds:
    con.execute(
        f"""
        create or replace temp table identity_members as
        select system, entity, record_key
        from {STATE}.id_map
        where
            unified_user_id = ? and recorded_to is null and effective_to is null
        """,
        [user],
    )
    con.execute(
        """
        create or replace temp table identity_shared as
        select identifiers.*
        from staging.identifiers as identifiers
        semi join (
            select value_hash
            from staging.identifiers
            semi join identity_members using (system, entity, record_key)
        ) using (value_hash)
        """
    )
    try:
        with gathered(con, config, _END_OF_TIME, "identity_shared"):
            bonds = con.execute(_HELD).fetchall()
        continued = con.execute(_CONTINUED).fetchall()
    finally:
        con.execute("drop table temp.identity_members")
        con.execute("drop table if exists temp.identity_shared")
    return _as_bonds(bonds, continued)


_HELD = f"""
    select
        uses.system, uses.entity, uses.record_key,
        uses.identifier_type, uses.value_hash, uses.period,
        edges.edge_id,
    from identity_uses as uses
    semi join identity_members using (system, entity, record_key)
    left join {STATE}.edges as edges
        on
            edges.status = 'accepted'
            and edges.rule = 'same_record'
            and edges.system = uses.system
            and edges.entity = uses.entity
            and edges.record_key = uses.record_key
            and edges.right_type = uses.identifier_type
            and edges.right_hash = uses.value_hash
            and edges.key_version = uses.key_version
    where uses.use_no = uses.stands_no or edges.edge_id is not null
    order by all
"""

_CONTINUED = f"""
    select
        edges.left_type, edges.left_hash, edges.left_period,
        edges.right_type, edges.right_hash, edges.right_period,
        edges.edge_id,
    from {STATE}.edges as edges
    semi join identity_members using (system, entity, record_key)
    where edges.status = 'accepted' and edges.rule = 'same_value_later'
    order by all
"""


def _as_bonds(
    held: list[tuple[str, str, str, str, str, int, str | None]],
    continued: list[tuple[str, str, int, str, str, int, str]],
) -> _Bonds:
    bonds = _Bonds({}, {}, {})
    for system, entity, key, kind, value_hash, period, edge_id in held:
        record, value = Record(system, entity, key), Value(kind, value_hash, period)
        bonds.held.setdefault(record, {})[value] = edge_id
        bonds.holders.setdefault(value, []).append(record)
    for kind, one_hash, one_period, other_kind, other_hash, later, link in continued:
        one = Value(kind, one_hash, one_period)
        other = Value(other_kind, other_hash, later)
        bonds.continued.setdefault(one, {})[other] = link
        bonds.continued.setdefault(other, {})[one] = link
    return bonds


def _chain(bonds: _Bonds, start: Record, goal: Record) -> list[Step] | None:
    """The shortest way from record to record, breadth first in a fixed order."""
    came_from: dict[Record | Value, Record | Value | None] = {start: None}
    ahead: deque[Record | Value] = deque([start])
    while ahead and goal not in came_from:
        here = ahead.popleft()
        for there in _around(bonds, here):
            if there not in came_from:
                came_from[there] = here
                ahead.append(there)
    if goal not in came_from:
        return None
    path: list[Record | Value] = []
    end: Record | Value | None = goal
    while end is not None:
        path.append(end)
        end = came_from[end]
    return _steps(bonds, path[::-1])


def _around(bonds: _Bonds, here: Record | Value) -> list[Record | Value]:
    if isinstance(here, Record):
        return list(bonds.held.get(here, ()))
    return [*bonds.holders.get(here, ()), *bonds.continued.get(here, ())]


def _steps(bonds: _Bonds, path: Sequence[Record | Value]) -> list[Step]:
    """The path with every stretch of values between two records made one step."""
    steps: list[Step] = []
    left: Record | None = None
    values: list[Value] = []
    for place in path:
        if isinstance(place, Value):
            values.append(place)
            continue
        if left is not None:
            steps.append(_step(bonds, left, values, place))
        left, values = place, []
    return steps


def _step(bonds: _Bonds, left: Record, values: list[Value], right: Record) -> Step:
    first, last = values[0], values[-1]
    links = (
        bonds.held[left][first],
        *(bonds.continued[a][b] for a, b in pairwise(values)),
        bonds.held[right][last],
    )
    return Step(
        left_record=str(left),
        right_record=str(right),
        identifier_type=first.identifier_type,
        masked_value=first.value_hash[:_SHOWN_CHARACTERS] + "…",
        rule="same_record" if len(values) == 1 else "same_value_later",
        edge_ids=tuple(link for link in links if link is not None),
    )


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
