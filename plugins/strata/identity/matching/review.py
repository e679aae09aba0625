"""Pairs that wait for a person: written to a table, and decisions read back.

The file lies in the PII zone and shows masked values side by side, with what agrees.
A decision is input like any other: it goes before every weight, holds from the day
after the newest published one, and stays until another one replaces it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from strata import clock
from strata.identity.matching.sheets import SheetError, read_sheet, write_sheet
from strata.identity.tables import STATE

DECISIONS: Final = ("same", "different", "undecided")
_FIELDS: Final = {
    "name": "full_name",
    "born_on": "cast(birth_on as varchar)",
    "gender": "gender",
    "city": "city",
    "phone": "phone_e164",
    "email": "email_normalised",
}
_KEYS: Final = (
    "left_system, left_entity, left_record_key,"
    " right_system, right_entity, right_record_key"
)
_PAIR: Final = f"left(sha256(concat_ws(chr(31), {_KEYS})), 16)"

_WAITING: Final = f"""
    select
        {_PAIR} as pair,
        concat_ws('/', left_system, left_entity, left_record_key) as left_record,
        concat_ws('/', right_system, right_entity, right_record_key) as right_record,
        round(review.weight, 1) as weight,
        coalesce(review.status, 'waiting') as status,
        {{shown}},
        coalesce(review.decision, '') as decision,
    from {STATE}.match_review as review
    left join ({{persons}}) as lefts
        on
            left_system = lefts.system
            and left_entity = lefts.entity
            and left_record_key = lefts.record_key
    left join ({{persons}}) as rights
        on
            right_system = rights.system
            and right_entity = rights.entity
            and right_record_key = rights.record_key
    left join {STATE}.id_map_current as left_ids
        on
            left_system = left_ids.system
            and left_entity = left_ids.entity
            and left_record_key = left_ids.record_key
    left join {STATE}.id_map_current as right_ids
        on
            right_system = right_ids.system
            and right_entity = right_ids.entity
            and right_record_key = right_ids.record_key
    where
        $decided and review.decision is not null
        or review.decision is null
        and coalesce(review.status, 'waiting') in ('waiting', 'doubtful')
        and left_ids.unified_user_id is distinct from right_ids.unified_user_id
    order by review.weight desc, pair
"""


@dataclass(frozen=True)
class Imported:
    """What a file of decisions did: rows with a decision, and those that were new."""

    decided: int
    changed: int


def export_review(
    con: duckdb.DuckDBPyConnection, path: Path, *, decided: bool = False
) -> int:
    """Write the pairs that wait for a decision to ``path``, the most probable first.

    With ``decided`` also those that have one. A ``.csv`` or ``.xlsx`` file, readable by
    its owner alone; cells that a spreadsheet would take for a formula are made text.
    Returns the number of pairs. Raises ``SheetError`` for another kind of file.
    """
    persons = ", ".join(f"{sql} as {name}" for name, sql in _FIELDS.items())
    shown = ", ".join(
        f"{_masked('lefts', n)} as left_{n}, {_masked('rights', n)} as right_{n},"
        f" {_agreement(n)} as {n}_agrees"
        for n in _FIELDS
    )
    rows = con.execute(
        _WAITING.format(
            shown=shown,
            persons=f"select system, entity, record_key, {persons} from pii.persons",
        ),
        {"decided": decided},
    )
    names = [column[0] for column in rows.description or ()]
    found = rows.fetchall()
    write_sheet(path, names, [["" if v is None else str(v) for v in r] for r in found])
    return len(found)


def import_review(con: duckdb.DuckDBPyConnection, path: Path, *, by: str) -> Imported:
    """Read decisions from a file that :func:`export_review` wrote.

    Needed are the columns ``pair`` and ``decision``: same, different, undecided (takes
    a decision back) or nothing (leaves all as it is). The file counts in full or not at
    all; read again it changes nothing. Raises ``SheetError`` naming every faulty row.
    """
    if not by.strip():
        raise SheetError("a decision needs the name of who takes it")
    known: dict[str, str] = dict(
        con.execute(
            f"select {_PAIR}, coalesce(decision, 'undecided') from {STATE}.match_review"
        ).fetchall()
    )
    told = _told(path, read_sheet(path, ("pair", "decision")), known)
    changed = {pair: said for pair, said in told.items() if known[pair] != said}
    if changed:
        _write(con, changed, by.strip())
    return Imported(len(told), len(changed))


def _told(
    path: Path, rows: Sequence[tuple[int, dict[str, str]]], known: dict[str, str]
) -> dict[str, str]:
    """The decision on each pair. Raises ``SheetError`` with all faults together."""
    told: dict[str, str] = {}
    faults = []
    for number, row in rows:
        pair, decision = row["pair"].strip(), row["decision"].strip().lower()
        if not pair and not decision:
            continue
        if pair not in known:
            faults.append(f"row {number}: pair {pair[:20]!r} is not known here")
        elif decision and decision not in DECISIONS:
            faults.append(
                f"row {number}: decision {decision[:20]!r} is none of "
                + ", ".join(DECISIONS)
            )
        elif decision and told.setdefault(pair, decision) != decision:
            faults.append(f"row {number}: pair {pair} was decided otherwise above")
    if faults:
        more = f"\nand {len(faults) - 20} more" if len(faults) > 20 else ""
        raise SheetError(
            f"{path}: nothing was read in:\n" + "\n".join(faults[:20]) + more
        )
    return told


def _write(con: duckdb.DuckDBPyConnection, changed: dict[str, str], by: str) -> None:
    con.register(
        "told",
        pa.table({"pair": list(changed), "decision": list(changed.values())}),
    )
    con.begin()
    try:
        con.execute(
            f"""
            update {STATE}.match_review set
                decision = nullif(told.decision, 'undecided'),
                decided_by = if(told.decision = 'undecided', null, $by),
                decided_on = if(told.decision = 'undecided', null, $on),
                applies_from = if(told.decision = 'undecided', null, $since)
            from told
            where {_PAIR} = told.pair
            """,
            {"by": by, "on": clock.now().date(), "since": _next_day(con)},
        )
        con.commit()
    except BaseException:
        con.rollback()
        raise
    finally:
        con.unregister("told")


def _next_day(con: duckdb.DuckDBPyConnection) -> date:
    """The day after the newest whose identities are published."""
    row = con.execute(
        "select max(ds) from audit.publications where stage = 'identity' and is_newest"
    ).fetchone()
    return row[0] + timedelta(days=1) if row and row[0] else date.min


def _masked(side: str, name: str) -> str:
    """Enough of a value to tell two apart, too little to reach anybody."""
    value = f"{side}.{name}"
    return {
        "name": f"left({value}, 1) || repeat('*', greatest(1, len({value}) - 1))",
        "born_on": f"left({value}, 4) || '-**-**'",
        "gender": value,
        "city": value,
        "phone": f"'***' || right({value}, 3)",
        "email": f"left({value}, 1) || '***@' || split_part({value}, '@', 2)",
    }[name]


def _agreement(name: str) -> str:
    left, right = f"lower(lefts.{name})", f"lower(rights.{name})"
    return f"""
        case
            when {left} is null or {right} is null then 'unknown'
            when {left} = {right} then 'same'
            when jaro_winkler_similarity({left}, {right}) >= 0.9 then 'alike'
            else 'different'
        end
    """
