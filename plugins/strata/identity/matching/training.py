"""Learning without labels what agreement is worth (Fellegi and Sunter 1969, by EM).

Two counts of patterns go in: of random pairs, nearly all of them of two people, and of
the candidate pairs, which hold nearly all pairs of one person. The model is fitted to
both (Winkler 1988 for EM; Splink's way of taking u from random pairs), and since only
whole counts enter, it depends neither on the order of rows nor on threads.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from strata.identity.matching.comparing import Comparison, frequency_columns
from strata.identity.matching.model import Chance, Model
from strata.identity.matching.scoring import agreements

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_RANDOM: Final = """
    create or replace table random_pairs as
    with

    shuffled as (
        select record, row_number() over (order by md5(record || $seed)) - 1 as place
        from records
    ),

    steps as (
        select unnest(generate_series(1, $steps)) as step
    )

    select
        least(lefts.record, rights.record) as left_record,
        greatest(lefts.record, rights.record) as right_record,
    from shuffled as lefts
    cross join steps
    inner join shuffled as rights
        on rights.place = (lefts.place + steps.step) % $records
"""

_BELIEVED: Final = 20.0  # pairs that a first guess counts for
_ROUNDS: Final = 200
_STILL: Final = 1e-6


def train(
    con: duckdb.DuckDBPyConnection,
    comparisons: Sequence[Comparison],
    *,
    random_pairs: int,
    common_from: int,
    seed: int,
) -> Model:
    """Fit a model to the tables ``records`` and ``pairs``.

    ``random_pairs`` are sampled at most; values that at least ``common_from`` records
    share get a frequency of their own.
    """
    records = _count(con, "records")
    steps = max(1, min(random_pairs // records, (records - 1) // 2))
    con.execute(_RANDOM, {"seed": str(seed), "steps": steps, "records": records})
    at_random = agreements(con, comparisons, "random_pairs")
    candidates = agreements(con, comparisons, "pairs where is_firm")
    con.execute("drop table random_pairs")
    share, is_still, chances = _fit(comparisons, at_random, candidates, records)
    frequencies = {
        column: _frequencies(con, column, common_from)
        for column in frequency_columns(comparisons)
    }
    rarest = {column: _rarest(con, column, common_from) for column in frequencies}
    return Model(share, chances, frequencies, rarest, is_still)


def _fit(
    comparisons: Sequence[Comparison],
    at_random: pa.Table,
    candidates: pa.Table,
    records: int,
) -> tuple[float, bool, Mapping[str, Mapping[str, Chance]]]:
    every_pair = records * (records - 1) / 2
    names = [c.name for c in comparisons]
    levels = [len(c.levels) + 1 for c in comparisons]
    found = [np.asarray(candidates[n].to_numpy(), np.int64) for n in names]
    pairs = np.asarray(candidates["pairs"].to_numpy(), np.float64)
    seen = [
        _level_counts(at_random[n].to_numpy(), at_random["pairs"].to_numpy(), k)
        for n, k in zip(names, levels, strict=True)
    ]
    chance = [(s + 0.5) / (s.sum() + 0.5 * len(s)) for s in seen]
    match = [_first_guess(k) for k in levels]
    other = list(chance)
    share = min(0.1, 1.0 / records)
    for _ in range(_ROUNDS):
        odds = np.log(share / (1 - share)) + sum(
            _worth(f, m, u) for f, m, u in zip(found, match, other, strict=True)
        )
        is_match = pairs / (1 + np.exp(-odds))
        share_now = float(is_match.sum()) / every_pair
        match_now = []
        for f, k in zip(found, levels, strict=True):
            counts = _level_counts(f, is_match, k)
            guess = _BELIEVED * _first_guess(k)
            match_now.append((counts + guess) / (counts.sum() + _BELIEVED))
        other = [
            _others_only(c, m, share_now, s.sum())
            for c, m, s in zip(chance, match_now, seen, strict=True)
        ]
        moved = max(
            float(np.abs(a - b).max()) for a, b in zip(match, match_now, strict=True)
        )
        match, share = match_now, share_now
        if moved < _STILL:
            break
    return (
        share,
        moved < _STILL,
        {
            c.name: {
                name: Chance(float(m[level]), float(u[level]))
                for level, name in enumerate(
                    ["different", *(x.name for x in reversed(c.levels))]
                )
            }
            for c, m, u in zip(comparisons, match, other, strict=True)
        },
    )


def _level_counts(levels: Ints, pairs: Floats, count: int) -> Floats:
    known = levels >= 0
    return np.bincount(levels[known], pairs[known], count).astype(np.float64)


def _first_guess(levels: int) -> Floats:
    """People mostly agree with themselves: each level is half as probable as the next."""
    guess = 2.0 ** np.arange(levels)
    return np.asarray(guess / guess.sum())


def _worth(levels: Ints, match: Floats, other: Floats) -> Floats:
    worth = np.append(np.log(match / other), 0.0)
    return np.asarray(worth[levels])


def _others_only(chance: Floats, match: Floats, share: float, pairs: float) -> Floats:
    """Random pairs without those of one person, which a small set has among them."""
    other = np.maximum(chance - share * match, 0.5 / pairs)
    return np.asarray(other / other.sum())


def _frequencies(
    con: duckdb.DuckDBPyConnection, column: str, common_from: int
) -> dict[str, float]:
    rows = con.execute(
        f"""
        select {column}, count(*) / (select count({column}) from records)
        from records
        where {column} is not null
        group by {column}
        having count(*) >= $common_from
        order by {column}
        """,
        {"common_from": common_from},
    ).fetchall()
    return {str(value): round(float(share), 9) for value, share in rows}


def _rarest(con: duckdb.DuckDBPyConnection, column: str, common_from: int) -> float:
    """The mean share of a value that is not common."""
    row = con.execute(
        f"""
        with counted as (
            select {column}, count(*) as records
            from records
            where {column} is not null
            group by {column}
        )

        select
            avg(records) filter (where records < $common_from) / sum(records),
            1 / sum(records),
        from counted
        """,
        {"common_from": common_from},
    ).fetchone()
    assert row is not None
    return round(float(row[0] or row[1]), 9)


def _count(con: duckdb.DuckDBPyConnection, what: str) -> int:
    row = con.execute(f"select count(*) from {what}").fetchone()
    assert row is not None
    return int(row[0])
