"""Two tables of the same rows, row by row: what differs, and where.

Rows are found again by the key of the table. Where that is not unique, the columns that
are no floating-point numbers take its place, and rows that they do not tell apart are
matched in the order of the rest. Operational columns (``_…``) do not count.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

TOLERANCE = 1e-9
"""How far two floating-point numbers may lie apart, of the greater one."""

SHOWN = 3
"""Examples of a difference."""

_FLOATS = ("FLOAT", "DOUBLE")
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UBIGINT")


@dataclass(frozen=True)
class Example:
    """One row that differs, or that only one side has: ``column`` is empty then.

    ``columns`` and ``key`` name the row. ``ours`` and ``theirs`` are given for numbers,
    dates and truth values, never for text.
    """

    columns: tuple[str, ...]
    key: tuple[str, ...]
    column: str
    ours: str = ""
    theirs: str = ""


@dataclass(frozen=True)
class Comparison:
    """Two tables side by side: ``ours`` of DuckDB, ``theirs`` of Spark.

    ``columns``: how many rows differ in each column that does. ``shape``: what is wrong
    with the columns themselves.
    """

    ours: int
    theirs: int
    only_ours: int = 0
    only_theirs: int = 0
    differing: int = 0
    columns: dict[str, int] = field(default_factory=dict)
    shape: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether both have the same rows."""
        return not (self.only_ours or self.only_theirs or self.differing or self.shape)


def compare(
    con: duckdb.DuckDBPyConnection,
    ours: Path,
    theirs: Sequence[Path],
    key: Sequence[str],
) -> Comparison:
    """Compare the file ``ours`` with the folders ``theirs``, both of Parquet."""
    files = ", ".join(f"'{folder}/*.parquet'" for folder in theirs)
    con.execute(f"create or replace temp view ours as from read_parquet('{ours}')")
    con.execute(f"create or replace temp view theirs as from read_parquet([{files}])")
    left, right = _kinds(con, "ours"), _kinds(con, "theirs")
    shape = tuple(_shape(left, right))
    common = [name for name in left if name in right]
    found = _keyed(con, [c for c in key if c in common], common, left)
    con.execute(_pairs(found, common, left))
    counts = con.execute(
        "select count(*) filter (here), count(*) filter (there),"
        " count(*) filter (not coalesce(there, false)),"
        " count(*) filter (not coalesce(here, false)),"
        " count(*) filter (here and there and len(differs) > 0) from pairs"
    ).fetchone()
    assert counts is not None
    columns = con.execute(
        "select name, count(*) from (select unnest(differs) as name from pairs"
        " where here and there) group by name order by 2 desc, 1"
    ).fetchall()
    here, there, only_ours, only_theirs, differing = map(int, counts)
    return Comparison(
        here,
        there,
        only_ours,
        only_theirs,
        differing,
        columns=dict(columns),
        shape=shape,
        examples=tuple(_examples(con, found, left)),
    )


def _kinds(con: duckdb.DuckDBPyConnection, view: str) -> dict[str, str]:
    """The business columns of a view and their types."""
    return {
        str(name): str(kind).removesuffix(" WITH TIME ZONE")
        for name, kind, *_ in con.execute(f"describe {view}").fetchall()
        if not name.startswith("_")
    }


def _shape(left: dict[str, str], right: dict[str, str]) -> list[str]:
    told = [f"{name} is on DuckDB only" for name in left if name not in right]
    told += [f"{name} is on Spark only" for name in right if name not in left]
    return told + [
        f"{name} is {kind} on DuckDB and {right[name]} on Spark"
        for name, kind in left.items()
        if name in right and _class(kind) != _class(right[name])
    ]


def _class(kind: str) -> str:
    """Types that mean the same to a reader; how wide a number may be does not matter."""
    if kind in _INTEGERS:
        return "integer"
    if kind.startswith("DECIMAL"):
        return f"decimal of {kind.partition(',')[2].rstrip(')')} places"
    return "float" if kind in _FLOATS else kind


def _keyed(
    con: duckdb.DuckDBPyConnection,
    key: Sequence[str],
    common: Sequence[str],
    kinds: dict[str, str],
) -> list[str]:
    """The columns that name a row: the key where it does, else all but floats."""
    if key:
        listed = ", ".join(f'"{name}"' for name in key)
        row = con.execute(
            "select max(copies) from ("
            f"select count(*) as copies from ours group by {listed} union all "
            f"select count(*) from theirs group by {listed})"
        ).fetchone()
        if row is not None and (row[0] or 0) <= 1:
            return list(key)
    return [name for name in common if kinds[name] not in _FLOATS]


def _pairs(key: Sequence[str], common: Sequence[str], kinds: dict[str, str]) -> str:
    """The statement that makes ``pairs``, one row a row of either side."""
    rest = [name for name in common if name not in key]
    listed = ", ".join(f'"{name}"' for name in key)
    ordered = ", ".join(f'"{name}"' for name in rest) or "1"

    def side(view: str) -> str:
        columns = ", ".join(
            f'"{name}"::timestamp as "{name}"'
            if kinds[name] == "TIMESTAMP"
            else f'"{name}"'
            for name in common
        )
        return (
            f"select {columns}, true as _there, row_number() over ("
            f"partition by {listed} order by {ordered}) as _no from {view}"
        )

    matched = " and ".join(
        f'o."{name}" is not distinct from t."{name}"' for name in key
    )
    named = ", ".join(f'coalesce(o."{name}", t."{name}") as "{name}"' for name in key)
    differs = ", ".join(
        f"case when {_differs(name, kinds[name])} then '{name}' end" for name in rest
    )
    values = "".join(
        f', o."{name}"::varchar as "ours_{name}", t."{name}"::varchar as "theirs_{name}"'
        for name in rest
        if kinds[name] != "VARCHAR"
    )
    return (
        f"create or replace temp table pairs as with o as ({side('ours')}),"
        f" t as ({side('theirs')}) select {named}{values}, o._there as here,"
        f" t._there as there, list_filter([{differs or 'null::varchar'}],"
        " lambda name: name is not null) as differs"
        f" from o full join t on {matched} and o._no = t._no"
    )


def _differs(name: str, kind: str) -> str:
    ours, theirs = f'o."{name}"', f't."{name}"'
    if kind not in _FLOATS:
        return f"{ours} is distinct from {theirs}"
    return (
        f"{ours} is distinct from {theirs} and not coalesce(abs({ours} - {theirs})"
        f" <= {TOLERANCE} * greatest(abs({ours}), abs({theirs})), false)"
    )


def _examples(
    con: duckdb.DuckDBPyConnection, key: Sequence[str], kinds: dict[str, str]
) -> list[Example]:
    """The first rows of each kind of difference, in the order of the key."""
    listed = ", ".join(f'"{name}"' for name in key)
    rows = con.execute(
        f"select {listed}, here, there, differs[1], * from pairs"
        " where not coalesce(here and there, false) or len(differs) > 0"
        f" order by {listed} limit {SHOWN}"
    )
    assert rows.description is not None
    names = [column[0] for column in rows.description]
    found = []
    for row in rows.fetchall():
        told: dict[str, Any] = dict(zip(names, row, strict=True))
        values = tuple(str(row[n]) for n in range(len(key)))
        if told["here"] and told["there"]:
            column = str(row[len(key) + 2])
            found.append(
                Example(
                    tuple(key),
                    values,
                    column,
                    str(told.get(f"ours_{column}", "")),
                    str(told.get(f"theirs_{column}", "")),
                )
            )
        else:
            sides = ("a row", "none") if told["here"] else ("none", "a row")
            found.append(Example(tuple(key), values, "", *sides))
    return found
