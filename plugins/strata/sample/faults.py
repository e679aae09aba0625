"""What goes wrong on the way: rows come late, come twice, or cannot be read.

And what went wrong once: a system that was silent for a day, a file that came again,
a column that was new, numbers that became texts.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from strata.config.sample import Dirt, SampleConfig
from strata.sample.chance import Ints, Stream, generator
from strata.sample.entities import (
    APP_EVENTS,
    MINI_EVENTS,
    STORE_ORDERS,
    TRUTH_FAULTS,
    TRUTH_INCIDENTS,
    Batch,
    Entity,
    Row,
)

VERY_LATE = 10
NEW_COLUMN = "app_version"
_VERSIONS = ("5.0.0", "5.0.1", "5.1.0")


def lateness(rng: np.random.Generator, size: int, dirt: Dirt) -> Ints:
    """Days by which documents are late: mostly 0, some 1 to 3, few 10."""
    draw = rng.random(size)
    late = np.where(draw < dirt.late_rows, rng.integers(1, 4, size), 0)
    return np.where(draw > 1 - dirt.very_late_rows, VERY_LATE, late)


def spoil(
    config: SampleConfig, day: int, source: int, batches: Iterable[Batch]
) -> Batch:
    """Break, repeat and hold back rows of a day's batches of one source, in place.

    A broken row carries a text that cannot be read in one of its entity's fragile
    columns. A repeated row comes again, byte for byte, on the day of its first
    arrival or the day after; broken rows are not repeated. Returns the truth: a row
    for each broken, repeated or late row of the systems that deliver. The others draw
    too, so that what one hands over does not depend on them.
    """
    told, untold = Batch(TRUTH_FAULTS), Batch(TRUTH_FAULTS)
    rng = generator(config.seed, Stream.FAULTS, 100 * day + source)
    for batch in batches:
        truth = told if batch.entity.system in config.delivers else untold
        size = len(batch.rows)
        broken = rng.random(size) < config.dirt.broken_rows
        repeated = (rng.random(size) < config.dirt.duplicate_rows) & ~broken
        if batch.late:
            for late in np.flatnonzero(batch.late).tolist():
                _tell(truth, "late", batch, late, None, str(batch.late[late]))
        if batch.entity.fragile:
            for row in np.flatnonzero(broken).tolist():
                _break(batch, row, int(rng.integers(0, 1000)), truth)
        repeats = np.flatnonzero(repeated).tolist()
        delays = rng.integers(0, 2, len(repeats)).tolist()
        for row, delay in zip(repeats, delays, strict=True):
            _tell(truth, "repeated", batch, row, None, str(delay))
            batch.rows.append(batch.rows[row])
            batch.arrivals.append(batch.arrivals[row] + delay)
        _hold_back(config, batch)
    return told


def _hold_back(config: SampleConfig, batch: Batch) -> None:
    """The outage, and the orders that come again: always a day later."""
    what = config.incidents
    if batch.entity.system == what.outage_system and what.outage_day in batch.arrivals:
        batch.arrivals = [a + (a == what.outage_day) for a in batch.arrivals]
    if batch.entity is STORE_ORDERS and what.resent_day in batch.arrivals:
        chosen = [n for n, a in enumerate(batch.arrivals) if a == what.resent_day]
        batch.rows.extend(_corrected(batch.rows[n]) for n in chosen)
        batch.arrivals.extend([batch.arrivals[n] + 1 for n in chosen])


def _corrected(order: Row) -> Row:
    """An order a second newer, with its receiver in capitals."""
    names = STORE_ORDERS.columns
    values = dict(zip(names, order, strict=True))
    moment = np.datetime64(str(values["updated_at"])) + np.timedelta64(1, "s")
    values["updated_at"] = str(moment).replace("T", " ")
    values["receiver"] = str(values["receiver"] or "").upper() or None
    return tuple(values.values())


def incidents(config: SampleConfig, day: int) -> Batch:
    """The truth about what went wrong with a whole system on a day."""
    what = config.incidents
    rows: list[Row] = [
        (kind, system, entity, config.day(day).isoformat(), told)
        for number, kind, system, entity, told in (
            (what.outage_day, "outage", what.outage_system, "*", "all a day late"),
            (what.resent_day, "resent", "store", "orders", "again on the next day"),
            (what.new_column_day, "new_column", "app", "events", NEW_COLUMN),
            (what.retyped_day, "retyped", "miniprogram", "events", "numbers as texts"),
        )
        if number == day
    ]
    return Batch(TRUTH_INCIDENTS, rows, [day] * len(rows))


def as_delivered(
    config: SampleConfig, entity: Entity, day: int, rows: Sequence[Row]
) -> tuple[tuple[str, ...], Sequence[Row]]:
    """Columns and rows of the file that arrives on a day, in the shape of its time."""
    what = config.incidents
    if entity is APP_EVENTS and _since(what.new_column_day, day):
        versions = [_VERSIONS[int(str(row[0])[-7:]) % 3] for row in rows]
        return (
            (*entity.columns, NEW_COLUMN),
            [(*row, version) for row, version in zip(rows, versions, strict=True)],
        )
    if entity is MINI_EVENTS and _since(what.retyped_day, day):
        return entity.columns, [
            tuple(str(v) if isinstance(v, float) else v for v in row) for row in rows
        ]
    return entity.columns, rows


def _since(start: int | None, day: int) -> bool:
    return start is not None and day >= start


def _break(batch: Batch, number: int, draw: int, truth: Batch) -> None:
    entity, row = batch.entity, batch.rows[number]
    column, text = entity.fragile[draw % len(entity.fragile)]
    values: list[str | float | None] = list(row)
    values[entity.columns.index(column)] = text
    _tell(truth, "broken", batch, number, column, text)
    batch.rows[number] = tuple(values)


def _tell(
    truth: Batch,
    kind: str,
    batch: Batch,
    number: int,
    column: str | None,
    value: str | None,
) -> None:
    """A row of the truth; it arrives with the row that it tells of."""
    entity, key = batch.entity, _key(batch, batch.rows[number])
    truth.rows.append((kind, entity.system, entity.name, key, column, value))
    truth.arrivals.append(batch.arrivals[number])


def _key(batch: Batch, row: Row) -> str:
    """The row's primary key; the parts of a line's key are joined by a slash."""
    has_lines = "line_no" in batch.entity.columns[:2]
    return "/".join(str(part) for part in row[: 2 if has_lines else 1])
