"""Let the sample world go on, day by day, into files and a CRM database."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from strata.config.sample import SampleConfig
from strata.sample.browsing import app_events, mini_events, web_events
from strata.sample.circles import private_domain, social_media
from strata.sample.clicks import CORRECTED_AFTER, advertised
from strata.sample.coupons import coupons
from strata.sample.crm import Crm, WorldMismatchError, changes_of
from strata.sample.devices import app_devices
from strata.sample.entities import LANDING, TRUTH, Batch, Entity, Row
from strata.sample.faults import VERY_LATE, as_delivered, spoil
from strata.sample.files import parquet_bytes, write_bytes, write_rows
from strata.sample.keys import Keys, keys
from strata.sample.loyalty import points, referrals
from strata.sample.messages import messages
from strata.sample.opinions import meetings, reviews, surveys
from strata.sample.population import population, sizes
from strata.sample.purchases import purchases
from strata.sample.registers import (
    app_accounts,
    appeared,
    mini_users,
    social_accounts,
    wecom_contacts,
)
from strata.sample.sales import Sales
from strata.sample.service import tickets
from strata.sample.today import Memory, Today
from strata.sample.traits import Population
from strata.sample.truth import persons_of, told

# Raise it when the same settings no longer give the same bytes. An entity more is no
# reason: a world begun without it has it from then on.
_VERSION = 3
# A row is late, comes once more a day after, and meets an outage.
_LATE = VERY_LATE + 2
_ENTITIES = {entity.title: entity for entity in (*LANDING, *TRUTH)}


@dataclass(frozen=True)
class _Source:
    """What brings rows about: a day's, of some systems, within ``reach`` days."""

    rows: Callable[[Today], list[Batch]]
    systems: frozenset[str]
    reach: int


# The place in these lists decides about faults: append, never insert.
_SOURCES = tuple(
    _Source(rows, frozenset(systems.split()), reach + _LATE)
    for rows, systems, reach in (
        (app_events, "app", 0),
        (mini_events, "miniprogram", 0),
        (web_events, "web", 0),
        (private_domain, "wecom", 0),
        (social_media, "social", 0),
        (advertised, "ads", CORRECTED_AFTER),
        (messages, "app loyalty", 5),
        (referrals, "loyalty", 10),
        (meetings, "feedback", 0),
        (app_accounts, "app", 0),
        (mini_users, "miniprogram", 0),
        (wecom_contacts, "wecom", 0),
        (social_accounts, "social", 0),
        (app_devices, "app", 0),
    )
)
# What the purchases of a day bring about in other systems.
_FOLLOWERS: tuple[tuple[Callable[[Today, Sales], list[Batch]], str], ...] = (
    (points, "loyalty"),
    (coupons, "loyalty"),
    (tickets, "support"),
    (surveys, "feedback"),
    (reviews, "feedback"),
)
_PURCHASES = 50
# The longest way: an order is reviewed twelve days after a week.
_AFTERMATH = 19 + _LATE


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
            title, days = batch.entity.title, batch.arrivals
            for day in set(days):
                rows = batch.rows
                if len(days) != days.count(day):
                    rows = [r for r, d in zip(rows, days, strict=True) if d == day]
                self._waiting[day][title].extend(rows)

    def take(self, day: int) -> dict[str, list[Row]]:
        return dict(self._waiting.pop(day, {}))


def last_day(config: SampleConfig) -> date:
    """The last of the days that the settings name; the world may go on after it."""
    return config.day(config.days - 1)


class World:
    """A sample world on its way to the end of ``until``, in as many steps as one likes.

    Files go to ``<world_dir>/landing/<system>/<entity>/<YYYY-MM-DD>.<ext>`` (none
    where a day has no rows), the truth to ``<world_dir>/truth/{persons,records,
    faults}/``, the CRM to the SQLite database at ``crm_path``. A file under
    ``<world_dir>/days/`` says that a day is complete; it comes last, so a killed call
    is repeated without harm. Bytes depend on the settings and the day alone. What days
    have in common is drawn once for all of them. ``progress`` is called after each
    complete day. One caller at a time.

    Raises ``WorldMismatchError`` where the world or the CRM was begun with other
    settings.
    """

    def __init__(
        self,
        world_dir: Path,
        crm_path: Path,
        config: SampleConfig,
        until: date,
        progress: Callable[[date], None] | None = None,
    ) -> None:
        self._dir, self._config, self._progress = world_dir, config, progress
        self._crm = Crm(crm_path, _claim(world_dir, config))
        self._in_crm = {config.number(day) for day in self._crm.applied()}
        self._last = config.number(until)
        numbers = range(self._last + 1)
        self._files_due = {
            n for n in numbers if not _marker(world_dir, config, n).exists()
        }
        self._due = sorted(self._files_due | (set(numbers) - self._in_crm))
        self._next = max(0, self._due[0] - _AFTERMATH) if self._due else 0
        self._arrivals = _Arrivals()

    def reach(self, day: date) -> Advance:
        """Write all days not yet written, up to ``day`` and no further than ``until``."""
        end = min(self._config.number(day), self._last) + 1
        due = [n for n in self._due if self._next <= n < end]
        written = Counter[str]()
        for number in range(self._next, end if due else 0):
            self._next = number + 1
            today = self._today(number)
            first_due = min(
                (n for n in self._files_due if n >= number), default=self._last + 1
            )
            self._arrivals.add(_happenings(today, first_due - number))
            written.update(self._write(today, self._arrivals.take(number)))
            if number in due and self._progress is not None:
                self._progress(today.day)
        days = tuple(self._config.day(n) for n in due)
        return Advance(days, dict(sorted(written.items())))

    def _write(self, today: Today, rows: dict[str, list[Row]]) -> Counter[str]:
        """Write what is due of a day; its rows where its files were due."""
        number, changes = today.number, changes_of(today)
        has_files = number in self._files_due
        if has_files:
            start = today.counts[number - 1] if number else 0
            _write_files(self._dir, today, rows, start)
        if number not in self._in_crm:
            self._crm.apply(today.day, changes)
        if not has_files:
            return Counter()
        summary = Counter({title: len(its_rows) for title, its_rows in rows.items()})
        summary.update(changes.counts())
        _write_marker(_marker(self._dir, self._config, number), summary)
        return summary

    def _today(self, number: int) -> Today:
        everybody, all_keys, counts, memory = self._persons
        persons = everybody.first(counts[number])
        return Today(self._config, persons, all_keys, number, counts, memory)

    @cached_property
    def _persons(self) -> tuple[Population, Keys, list[int], Memory]:
        everybody = population(self._config, self._last)
        counts = sizes(self._config, self._last)
        return everybody, keys(self._config, everybody), counts, Memory()


def advance(
    world_dir: Path,
    crm_path: Path,
    config: SampleConfig,
    until: date,
    progress: Callable[[date], None] | None = None,
) -> Advance:
    """Bring a ``World`` to the end of ``until`` in one step."""
    return World(world_dir, crm_path, config, until, progress).reach(until)


def describe(world_dir: Path, config: SampleConfig) -> dict[str, Any]:
    """What has been written so far: days, persons, rows by system and entity.

    ``truth`` counts the rows of the hidden tables. A
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


def _happenings(today: Today, due_in: int) -> list[Batch]:
    """The batches of a day that may reach a day so many days on, spoilt.

    Only the systems that deliver are asked; the truth about them is whole.
    """
    delivers = set(today.config.delivers)
    found: list[tuple[int, list[Batch]]] = [
        (place, source.rows(today))
        for place, source in enumerate(_SOURCES)
        if source.systems & delivers and due_in <= source.reach
    ]
    if due_in <= _AFTERMATH:
        bought = purchases(today)
        found.append((_PURCHASES, bought.batches))
        found.extend(
            (_PURCHASES + 1 + place, rows(today, bought.sales))
            for place, (rows, system) in enumerate(_FOLLOWERS)
            if system in delivers
        )
    batches = [*appeared(today), *told(today)]
    for place, its_batches in found:
        landing = [b for b in its_batches if b.entity.system != "truth"]
        batches.append(spoil(today.config, today.number, place, landing))
        shown = delivers | {"truth"}
        batches.extend(b for b in its_batches if b.entity.system in shown)
    return batches


def _write_files(
    world_dir: Path, today: Today, rows: dict[str, list[Row]], start: int
) -> None:
    for title, its_rows in rows.items():
        if not its_rows:
            continue
        entity = _ENTITIES[title]
        names, shaped = as_delivered(today.config, entity, today.number, its_rows)
        path = _path(world_dir, entity, today.day)
        write_rows(path, entity.suffix, names, shaped)
    if start < len(today.persons):
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
