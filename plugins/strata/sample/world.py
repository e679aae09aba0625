"""Let the sample world go on, day by day, into files and a CRM database."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from strata.config.sample import SampleConfig
from strata.sample.browsing import browsing
from strata.sample.crm import Crm, WorldMismatchError, changes_of
from strata.sample.entities import (
    LANDING,
    TRUTH_FAULTS,
    TRUTH_RECORDS,
    Batch,
    Entity,
    Row,
)
from strata.sample.faults import VERY_LATE, spoil
from strata.sample.files import parquet_bytes, write_bytes, write_rows
from strata.sample.keys import keys
from strata.sample.orders import LAST_REFUND
from strata.sample.population import population, sizes
from strata.sample.purchases import purchases
from strata.sample.registers import appeared, registered
from strata.sample.today import Today
from strata.sample.truth import persons_of

# Raise it when the same settings no longer give the same bytes.
_VERSION = 1
# What a day brings about has arrived after so many days: late, and once more repeated.
_AFTERMATH = LAST_REFUND + VERY_LATE + 1
_ENTITIES = {entity.title: entity for entity in (*LANDING, TRUTH_RECORDS, TRUTH_FAULTS)}


@dataclass(frozen=True)
class Advance:
    """What a call wrote: days, and rows by ``system/entity`` (CRM included).

    Days whose files were there, and which only the CRM had not seen, count as days
    but not as rows.
    """

    days: tuple[date, ...]
    rows: dict[str, int]


class _Arrivals:
    """Rows that wait for their day of arrival, in the order in which they came up."""

    def __init__(self) -> None:
        self._waiting: dict[int, dict[str, list[Row]]] = defaultdict(
            lambda: defaultdict(list)
        )

    def add(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            for row, day in zip(batch.rows, batch.arrivals, strict=True):
                self._waiting[day][batch.entity.title].append(row)

    def take(self, day: int) -> dict[str, list[Row]]:
        return dict(self._waiting.pop(day, {}))


def last_day(config: SampleConfig) -> date:
    """The last of the days that the settings name; the world may go on after it."""
    return config.day(config.days - 1)


def advance(
    world_dir: Path,
    crm_path: Path,
    config: SampleConfig,
    until: date,
    progress: Callable[[date], None] | None = None,
) -> Advance:
    """Write all days not yet written, up to and including ``until``.

    Files go to ``<world_dir>/landing/<system>/<entity>/<YYYY-MM-DD>.<ext>`` (none
    where a day has no rows), the truth to ``<world_dir>/truth/{persons,records,
    faults}/``, the CRM to the SQLite database at ``crm_path``. A file under
    ``<world_dir>/days/`` says that a day is complete; it comes last, so a killed call
    is repeated without harm. Bytes depend on the settings and the day alone.
    ``progress`` is called after each complete day. One caller at a time.

    Raises ``WorldMismatchError`` where the world or the CRM was begun with other
    settings.
    """
    world = _claim(world_dir, config)
    crm = Crm(crm_path, world)
    in_crm = {config.number(day) for day in crm.applied()}
    last = config.number(until)
    files_due = {
        n for n in range(last + 1) if not _marker(world_dir, config, n).exists()
    }
    due = sorted(files_due | (set(range(last + 1)) - in_crm))
    if not due:
        return Advance((), {})
    counts = sizes(config, last)
    everybody = population(config, last)
    all_keys = keys(config, everybody)
    arrivals, written = _Arrivals(), Counter[str]()
    for number in range(max(0, due[0] - _AFTERMATH), last + 1):
        today = Today(config, everybody.first(counts[number]), all_keys, number)
        if any(number <= day <= number + _AFTERMATH for day in files_due):
            arrivals.add(_happenings(today))
        rows, changes = arrivals.take(number), changes_of(today)
        summary = Counter({title: len(its_rows) for title, its_rows in rows.items()})
        summary.update(changes.counts())
        if number in files_due:
            _write_files(world_dir, today, rows, counts[number - 1] if number else 0)
        if number not in in_crm:
            crm.apply(today.day, changes)
        if number in files_due:
            _write_marker(_marker(world_dir, config, number), summary)
            written.update(summary)
        if number in due and progress is not None:
            progress(today.day)
    return Advance(tuple(config.day(n) for n in due), dict(sorted(written.items())))


def describe(world_dir: Path, config: SampleConfig) -> dict[str, Any]:
    """What has been written so far: days, persons, rows by system and entity.

    ``truth`` counts the hidden files: ``faults`` are the rows that cannot be read. A
    world that has not begun has no days and no rows.
    """
    markers = sorted((world_dir / "days").glob("*.json"))
    rows = Counter[str]()
    for marker in markers:
        rows.update(json.loads(marker.read_text(encoding="utf-8"))["rows"])
    systems: dict[str, dict[str, int]] = {}
    for title, count in sorted(rows.items()):
        system, entity = title.split("/")
        systems.setdefault(system, {})[entity] = count
    days = [date.fromisoformat(marker.stem) for marker in markers]
    truth = systems.pop("truth", {})
    return {
        "seed": config.seed,
        "first_day": config.first_day.isoformat(),
        "last_day": last_day(config).isoformat(),
        "written_until": max(days).isoformat() if days else None,
        "days": len(days),
        "persons": sizes(config, config.number(max(days)))[-1] if days else 0,
        "rows": sum(sum(entities.values()) for entities in systems.values()),
        "systems": systems,
        "truth": truth,
    }


def _happenings(today: Today) -> list[Batch]:
    """All batches of a day, spoilt; the truth about them is whole."""
    batches = [*purchases(today), *browsing(today), *registered(today)]
    hidden = [batch for batch in batches if batch.entity is TRUTH_RECORDS]
    visible = [batch for batch in batches if batch.entity is not TRUTH_RECORDS]
    faults = spoil(today.config, today.number, visible)
    return [*visible, *hidden, appeared(today), faults]


def _write_files(
    world_dir: Path, today: Today, rows: dict[str, list[Row]], start: int
) -> None:
    for title, its_rows in rows.items():
        entity = _ENTITIES[title]
        write_rows(_path(world_dir, entity, today.day), entity, its_rows)
    write_bytes(
        world_dir / "truth" / "persons" / f"{today.day}.parquet",
        parquet_bytes(persons_of(today, start)),
    )


def _path(world_dir: Path, entity: Entity, day: date) -> Path:
    folder = world_dir if entity.system == "truth" else world_dir / "landing"
    return folder / entity.system / entity.name / f"{day}.{entity.suffix}"


def _write_marker(path: Path, rows: Counter[str]) -> None:
    text = json.dumps({"rows": rows}, sort_keys=True, indent=1) + "\n"
    write_bytes(path, text.encode())


def _marker(world_dir: Path, config: SampleConfig, number: int) -> Path:
    return world_dir / "days" / f"{config.day(number)}.json"


def _claim(world_dir: Path, config: SampleConfig) -> str:
    """The hash of the settings, after making sure that the world was begun with them."""
    settings = {"version": _VERSION, **config.model_dump(mode="json")}
    text = json.dumps(settings, sort_keys=True, indent=1) + "\n"
    path = world_dir / "world.json"
    if not path.exists():
        write_bytes(path, text.encode())
    elif path.read_text(encoding="utf-8") != text:
        raise WorldMismatchError(
            "the sample world was begun with other settings: "
            "remove it together with its CRM, or use the settings of then"
        )
    return hashlib.sha256(text.encode()).hexdigest()[:16]
