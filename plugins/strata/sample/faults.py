"""What goes wrong on the way: rows come late, come twice, or cannot be read."""

from collections.abc import Iterable

import numpy as np

from strata.config.sample import Dirt, SampleConfig
from strata.sample.chance import Ints, Stream, generator
from strata.sample.entities import TRUTH_FAULTS, Batch, Row

VERY_LATE = 10


def lateness(rng: np.random.Generator, size: int, dirt: Dirt) -> Ints:
    """Days by which documents are late: mostly 0, some 1 to 3, few 10."""
    draw = rng.random(size)
    late = np.where(draw < dirt.late_rows, rng.integers(1, 4, size), 0)
    return np.where(draw > 1 - dirt.very_late_rows, VERY_LATE, late)


def spoil(config: SampleConfig, day: int, batches: Iterable[Batch]) -> Batch:
    """Break and repeat some rows of a day's batches, in place.

    A broken row carries a text that cannot be read in one of its entity's fragile
    columns. A repeated row comes again, byte for byte, on the day of its first
    arrival or the day after; broken rows are not repeated. Returns the truth: a row
    for each broken row.
    """
    rng = generator(config.seed, Stream.FAULTS, day)
    truth = Batch(TRUTH_FAULTS)
    for batch in batches:
        size = len(batch.rows)
        broken = rng.random(size) < config.dirt.broken_rows
        repeated = (rng.random(size) < config.dirt.duplicate_rows) & ~broken
        if batch.entity.fragile:
            for number in np.flatnonzero(broken).tolist():
                _break(batch, number, int(rng.integers(0, 1000)), truth)
        repeats = np.flatnonzero(repeated).tolist()
        delays = rng.integers(0, 2, len(repeats)).tolist()
        for number, delay in zip(repeats, delays, strict=True):
            batch.rows.append(batch.rows[number])
            batch.arrivals.append(batch.arrivals[number] + delay)
    return truth


def _break(batch: Batch, number: int, draw: int, truth: Batch) -> None:
    entity, row = batch.entity, batch.rows[number]
    column, text = entity.fragile[draw % len(entity.fragile)]
    values: list[str | float | None] = list(row)
    values[entity.columns.index(column)] = text
    broken: Row = tuple(values)
    batch.rows[number] = broken
    truth.rows.append((entity.system, entity.name, _key(batch, row), column, text))
    truth.arrivals.append(batch.arrivals[number])


def _key(batch: Batch, row: Row) -> str:
    """The row's primary key; the parts of a line's key are joined by a slash."""
    has_lines = "line_no" in batch.entity.columns[:2]
    return "/".join(str(part) for part in row[: 2 if has_lines else 1])
