"""The CRM of the sample world: a SQLite database that changes by the day.

The world owns ``customers``, ``consents`` and ``merges``. ``strata_segments`` belongs to Strata;
it is created empty where it is absent and never written here. ``_world_days`` keeps
which days have been applied, in the same transaction as the changes themselves, so
that a day is never applied twice, whenever the process is killed.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    Table,
    Text,
    bindparam,
    create_engine,
    event,
    select,
)
from sqlalchemy.pool import NullPool

from strata.sample import vocabulary
from strata.sample.chance import NEVER, Bools
from strata.sample.keys import crm_email, crm_phone, latin_name
from strata.sample.today import Today

_METADATA = MetaData()


def _table(name: str, key: str, *columns: str) -> Table:
    return Table(
        name,
        _METADATA,
        Column(key, Text, primary_key=True),
        *(Column(column, Text) for column in columns),
    )


CUSTOMERS = _table(
    "customers",
    "customer_id",
    *("name", "phone", "email", "birth_on", "gender", "city", "region"),
    *("member_no", "unionid", "owner", "registered_at", "updated_at"),
)
CONSENTS = _table(
    "consents", "consent_id", "customer_id", "purpose", "granted", "changed_at"
)
MERGES = _table(
    "merges", "merge_id", "from_customer_id", "into_customer_id", "merged_at"
)
_table(
    "strata_segments",
    "customer_id",
    *("tier", "rfm_segment", "lifecycle", "is_at_risk", "is_dormant", "value_rank"),
    *("reason_1", "reason_2", "reason_3", "next_action", "valid_from", "updated_on"),
)
_WORLD_DAYS = _table("_world_days", "day", "world")


class WorldMismatchError(ValueError):
    """A world or a CRM that was begun with other settings."""


@dataclass
class Changes:
    """What one day does to the CRM: whole rows by column name."""

    joined: list[dict[str, str | None]] = field(default_factory=list)
    updated: list[dict[str, str | None]] = field(default_factory=list)
    consents: list[dict[str, str | None]] = field(default_factory=list)
    merges: list[dict[str, str | None]] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Rows by ``crm/entity``."""
        return {
            "crm/customers": len(self.joined),
            "crm/customer_updates": len(self.updated),
            "crm/consents": len(self.consents),
            "crm/merges": len(self.merges),
        }


class Crm:
    """The database at ``path``, created where it is absent.

    ``world`` names the settings of the world (a hash); raises
    ``WorldMismatchError`` where the database already belongs to another.
    """

    def __init__(self, path: Path, world: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._world = world
        self._engine = _engine(path)
        _METADATA.create_all(self._engine)
        with self._engine.connect() as connection:
            others = connection.scalar(
                select(_WORLD_DAYS.c.day).where(_WORLD_DAYS.c.world != world).limit(1)
            )
        if others is not None:
            raise WorldMismatchError(
                f"{path.name} was filled by a sample world with other settings: "
                "remove it together with the world, or use the settings of then"
            )

    def applied(self) -> set[date]:
        """The days that the database has seen."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(_WORLD_DAYS.c.day)).all()
        return {date.fromisoformat(row[0]) for row in rows}

    def apply(self, day: date, changes: Changes) -> None:
        """Apply a day in one transaction; raises where it was applied before."""
        with self._engine.begin() as connection:
            connection.execute(
                _WORLD_DAYS.insert(), {"day": day.isoformat(), "world": self._world}
            )
            _write(connection, changes)


def changes_of(today: Today) -> Changes:
    """What happens in the CRM on one day."""
    membership, number = today.persons.membership, today.number
    since = np.maximum(membership.crm_day, 0)
    profile, contact = today.persons.profile, today.persons.contact
    is_changed = (profile.moves_on == number) | (contact.phone_changes_on == number)
    is_changed |= membership.unionid_day == number
    changes = Changes()
    for person in _numbers(since == number):
        changes.joined.append(_customer(today, person))
    for person in _numbers(membership.duplicate_day == number):
        changes.joined.append(_duplicate(today, person))
    for person in _numbers((since < number) & is_changed):
        row = _customer(today, person)
        row["updated_at"] = today.local(_seconds(person, number))[0]
        changes.updated.append(row)
    changes.consents.extend(_consents(today, since == number))
    for person in _numbers(membership.merged_on == number):
        first, second = today.keys.customer_ids[person].tolist()
        changes.merges.append(
            {
                "merge_id": f"G{second[1:]}",
                "from_customer_id": second,
                "into_customer_id": first,
                "merged_at": today.local(_seconds(person, number))[0],
            }
        )
    return changes


def _duplicate(today: Today, person: int) -> dict[str, str | None]:
    """The same person taken in once more, by an agent on the phone."""
    at = today.local(_seconds(person, today.number))[0]
    row = dict.fromkeys(column.name for column in CUSTOMERS.c)
    return row | {
        "customer_id": str(today.keys.customer_ids[person, 1]),
        "name": latin_name(today.persons, person),
        "phone": str(today.phone[person]),
        "owner": f"rep{int(today.persons.profile.owner[person]):02d}",
        "registered_at": at,
        "updated_at": at,
    }


def _customer(today: Today, person: int) -> dict[str, str | None]:
    keys, traits = today.keys, today.persons.profile
    membership = today.persons.membership
    lacks_name, lacks_gender, lacks_birth, lacks_city = traits.gaps[person].tolist()
    city, region, _ = vocabulary.CITIES[int(today.city[person])]
    born_on = date(1970, 1, 1) + timedelta(days=int(traits.born_on[person]))
    registered_at = _registered_at(today, person)
    has_unionid = membership.unionid_day[person] <= today.number
    return {
        "customer_id": str(keys.customer_ids[person, 0]),
        "name": None if lacks_name else str(keys.name[person]),
        "phone": crm_phone(today.persons, today.phone, person),
        "email": crm_email(keys, today.persons, person),
        "birth_on": None if lacks_birth else born_on.isoformat(),
        "gender": None if lacks_gender else "F" if traits.is_female[person] else "M",
        "city": None if lacks_city else city,
        "region": None if lacks_city else region,
        "member_no": str(keys.member_no[person])
        if membership.is_member[person]
        else None,
        "unionid": str(keys.unionid[person]) if has_unionid else None,
        "owner": f"rep{int(traits.owner[person]):02d}",
        "registered_at": registered_at,
        "updated_at": registered_at,
    }


def _consents(today: Today, joins: Bools) -> list[dict[str, str | None]]:
    """Answers of those who join today, and answers taken back or given again."""
    traits, number = today.persons.consent, today.number
    asked = ~traits.never_asked & (today.persons.membership.crm_day < NEVER)
    rows: list[dict[str, str | None]] = []

    def add(person: int, purpose: str, nth: int, granted: bool, at: str) -> None:
        column = nth + (0 if purpose == "profiling" else 3)
        rows.append(
            {
                "consent_id": str(today.keys.consent_ids[person, column]),
                "customer_id": str(today.keys.customer_ids[person, 0]),
                "purpose": purpose,
                "granted": "1" if granted else "0",
                "changed_at": at,
            }
        )

    for person in _numbers(joins & asked):
        at = _registered_at(today, person)
        add(person, "profiling", 0, bool(traits.profiling[person]), at)
        add(person, "marketing", 0, bool(traits.marketing[person]), at)
    for purpose, nth, granted, days in (
        ("profiling", 1, False, traits.profiling_withdrawn_on),
        ("marketing", 1, False, traits.marketing_withdrawn_on),
        ("marketing", 2, True, traits.marketing_granted_on),
    ):
        for person in _numbers((days == number) & asked):
            at = today.local(_seconds(person, number))[0]
            add(person, purpose, nth, granted, at)
    return rows


def _registered_at(today: Today, person: int) -> str:
    joined = int(today.persons.membership.crm_day[person])
    return today.local(_seconds(person, 0), joined - today.number)[0]


def _seconds(person: int, day: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """A second of the day between 8 and 22 h, the same whenever one asks."""
    return np.array([8 * 3600 + (person * 7_919 + day * 104_729) % (14 * 3600)])


def _numbers(chosen: Bools) -> list[int]:
    numbers: list[int] = np.flatnonzero(chosen).tolist()
    return numbers


def _write(connection: Connection, changes: Changes) -> None:
    if changes.joined:
        connection.execute(CUSTOMERS.insert(), changes.joined)
    if changes.updated:
        changed = [c.name for c in CUSTOMERS.c if c.name != "customer_id"]
        connection.execute(
            CUSTOMERS.update()
            .where(CUSTOMERS.c.customer_id == bindparam("its_id"))
            .values({name: bindparam(name) for name in changed}),
            [
                {"its_id": row["customer_id"], **{name: row[name] for name in changed}}
                for row in changes.updated
            ],
        )
    if changes.consents:
        connection.execute(CONSENTS.insert(), changes.consents)
    if changes.merges:
        connection.execute(MERGES.insert(), changes.merges)


def _engine(path: Path) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}", poolclass=NullPool, connect_args={"timeout": 60}
    )

    @event.listens_for(engine, "connect")
    def _use_a_rollback_journal(connection: Any, _record: Any) -> None:
        # No WAL: the database is then one file, whole after a kill, and readable
        # from a read-only folder.
        connection.execute("PRAGMA journal_mode = DELETE")
        # A killed process leaves nothing half; only a power failure could, and then
        # the database is removed and made again.
        connection.execute("PRAGMA synchronous = OFF")

    return engine
