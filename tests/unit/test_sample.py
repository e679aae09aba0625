"""The sample world: the same settings give the same world, however it is advanced."""

import csv
import gzip
import hashlib
import io
import json
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import phonenumbers
import pyarrow.parquet as pq
import pytest
import yaml
from strata.config.loader import read_yaml
from strata.sample import (
    SampleConfig,
    WorldMismatchError,
    advance,
    describe,
    files,
    last_day,
    world,
)
from strata.sample.entities import LANDING

ROOT = Path(__file__).parents[2]
# Long enough for all that follows from an order, up to 26 days later.
SMALL = SampleConfig.model_validate(
    {
        "seed": 11,
        "users": 60,
        "days": 30,
        "first_day": "2025-11-01",
        "behaviour": {"orders_a_year": 90, "refunded_orders": 0.3},
        "incidents": {"outage_day": 9, "resent_day": 12, "new_column_day": 15},
        "dirt": {
            **{"late_rows": 0.1, "very_late_rows": 0.03},
            **{"duplicate_rows": 0.05, "broken_rows": 0.02},
        },
    }
)
# Large and lively enough for every kind of dirt and of change to be seen.
RICH = SampleConfig.model_validate(
    {
        "seed": 5,
        "users": 200,
        "days": 45,
        "first_day": "2025-10-20",
        "behaviour": {
            **{"orders_a_year": 90, "refunded_orders": 0.3, "returned_receipts": 0.2},
            **{"sessions_a_year": 120, "phone_changes_a_year": 1.5},
        },
        "consent": {"withdrawals_a_year": 1.0},
        "contacts": {"duplicate_customers": 0.3},
        "dirt": {
            **{"late_rows": 0.05, "very_late_rows": 0.01, "duplicate_rows": 0.02},
            **{"broken_rows": 0.01, "shared_phones": 0.1, "shared_devices": 0.3},
        },
    }
)
Table = list[dict[str, Any]]


class Place:
    """One world on disk with its CRM."""

    def __init__(self, folder: Path) -> None:
        self.world, self.crm = folder / "world", folder / "crm" / "crm.db"

    def advance(
        self,
        config: SampleConfig,
        until: date,
        progress: Callable[[date], None] | None = None,
    ) -> world.Advance:
        return advance(self.world, self.crm, config, until, progress)

    def content(self) -> dict[str, str]:
        """Every file by its hash, and every table of the CRM by that of its rows."""
        found = {
            str(path.relative_to(self.world)): _hash(path.read_bytes())
            for path in sorted(self.world.rglob("*"))
            if path.is_file()
        }
        for table in ("customers", "consents", "strata_segments", "_world_days"):
            found[f"crm.{table}"] = _hash(repr(self.table(table)).encode())
        return found

    def table(self, name: str) -> Table:
        connection = sqlite3.connect(self.crm)
        cursor = connection.execute(f"select * from {name} order by 1")
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor]
        connection.close()
        return rows

    def rows(self, title: str) -> Table:
        """All rows of an entity, with the day of arrival as ``arrived_on``."""
        folder = self.world / ("" if title.startswith("truth") else "landing") / title
        return [
            {**row, "arrived_on": date.fromisoformat(path.name[:10])}
            for path in sorted(folder.iterdir())
            for row in _read(path)
        ]


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read(path: Path) -> Table:
    content = path.read_bytes()
    if path.name.endswith(".csv"):
        rows = csv.DictReader(io.StringIO(content.decode(), newline=""))
        return [{key: value or None for key, value in row.items()} for row in rows]
    if path.name.endswith(".parquet"):
        table: Table = pq.read_table(path).to_pylist()
        return table
    if path.name.endswith(".gz"):
        content = gzip.decompress(content)
    return [json.loads(line) for line in content.decode().splitlines()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The content of the small world, written in one call."""
    place = Place(tmp_path_factory.mktemp("whole"))
    place.advance(SMALL, last_day(SMALL))
    return place.content()


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("rich"))
    place.advance(RICH, last_day(RICH))
    return place


@pytest.mark.parametrize("stops", [[29], [0, 1, 2, 26, 29], [20, 3, 29, 29]])
def test_bytes_do_not_depend_on_how_often_the_world_was_advanced(
    tmp_path: Path, whole: dict[str, str], stops: list[int]
) -> None:
    place = Place(tmp_path)
    days = [day for stop in stops for day in place.advance(SMALL, SMALL.day(stop)).days]
    assert place.content() == whole
    assert days == [SMALL.day(number) for number in range(30)]


def test_an_early_day_does_not_depend_on_how_far_the_world_goes(
    tmp_path: Path, whole: dict[str, str]
) -> None:
    place = Place(tmp_path)
    place.advance(SMALL, SMALL.day(12))
    early = {name: text for name, text in place.content().items() if "crm." not in name}
    assert early.items() <= whole.items()


@pytest.mark.parametrize("nth_write", [1, 4, 17, 160])
def test_a_write_that_fails_is_made_good_by_the_next_call(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    whole: dict[str, str],
    nth_write: int,
) -> None:
    place, real, count = Place(tmp_path), files.write_bytes, 0

    def failing(path: Path, content: bytes) -> None:
        nonlocal count
        count += 1
        if count == nth_write:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(f".{path.name}.part").write_bytes(content[:10])
            raise OSError("disk full")
        real(path, content)

    for module in (files, world):
        monkeypatch.setattr(module, "write_bytes", failing)
    with pytest.raises(OSError, match="disk full"):
        place.advance(SMALL, last_day(SMALL))
    place.advance(SMALL, last_day(SMALL))
    assert place.content() == whole


def test_a_call_stopped_between_days_is_taken_up_again(
    tmp_path: Path, whole: dict[str, str]
) -> None:
    place = Place(tmp_path)

    def stop(day: date) -> None:
        if day == SMALL.day(6):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        place.advance(SMALL, last_day(SMALL), stop)
    assert describe(place.world, SMALL)["written_until"] == "2025-11-07"
    assert place.advance(SMALL, last_day(SMALL)).days[0] == SMALL.day(7)
    assert place.content() == whole


_KILLED = """
import os, signal, sys
from pathlib import Path
from strata.sample import SampleConfig, advance, crm, world
folder, settings, what, nth = sys.argv[1:]
config, count = SampleConfig.model_validate_json(settings), 0
def dying(real, after):
    def call(*arguments):
        global count
        count += 1
        if after:
            real(*arguments)
        if count == int(nth):
            os.kill(os.getpid(), signal.SIGKILL)
        if not after:
            real(*arguments)
    return call
if what == "file":
    Path.replace = dying(Path.replace, after=False)
elif what == "crm":
    crm._write = dying(crm._write, after=True)
else:
    world._write_marker = dying(world._write_marker, after=False)
place = Path(folder)
advance(place / "world", place / "crm" / "crm.db", config, config.day(config.days - 1))
"""


@pytest.mark.parametrize(
    ("what", "nth", "days_in_crm"),
    [
        pytest.param("file", 90, 5, id="with a file written but not yet in place"),
        pytest.param("crm", 6, 5, id="within the transaction of the CRM"),
        pytest.param("marker", 9, 9, id="after the CRM, before the day is complete"),
    ],
)
def test_a_killed_process_leaves_a_world_that_goes_on_as_if_nothing_had_been(
    tmp_path: Path, whole: dict[str, str], what: str, nth: int, days_in_crm: int
) -> None:
    place = Place(tmp_path)
    ended = subprocess.run(
        [
            *(sys.executable, "-c", _KILLED),
            *(str(tmp_path), SMALL.model_dump_json(), what, str(nth)),
        ],
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    assert len(place.table("_world_days")) == days_in_crm
    visible = {
        name: text
        for name, text in place.content().items()
        if not name.endswith(".part") and "crm." not in name
    }
    assert visible.items() <= whole.items()
    place.advance(SMALL, last_day(SMALL))
    assert place.content() == whole


def test_a_lost_crm_or_a_lost_world_is_made_again_as_it_was(
    tmp_path: Path, whole: dict[str, str]
) -> None:
    place = Place(tmp_path)
    place.advance(SMALL, last_day(SMALL))
    place.crm.unlink()
    assert place.advance(SMALL, last_day(SMALL)).rows == {}
    for path in sorted(place.world.rglob("2025-11-0*")):
        path.unlink()
    assert place.advance(SMALL, last_day(SMALL)).days[-1] == SMALL.day(8)
    assert place.content() == whole


def test_another_seed_is_another_world(tmp_path: Path, whole: dict[str, str]) -> None:
    place = Place(tmp_path)
    place.advance(SMALL.model_copy(update={"seed": 12}), last_day(SMALL))
    other = place.content()
    same = {name for name in whole if other.get(name) == whole[name]}
    # The table of segments is empty in both, and what is set needs no chance.
    assert {name.rpartition("/")[0] or name for name in same} <= {
        "crm.strata_segments",
        *(f"truth/{name}" for name in ("calendar", "campaigns", "channels")),
        "truth/incidents",
        "landing/ads/costs",  # a day without a click costs nothing
    }


def test_a_world_keeps_the_settings_it_was_begun_with(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.advance(SMALL, SMALL.day(1))
    other = SMALL.model_copy(update={"users": 61})
    with pytest.raises(WorldMismatchError, match="other settings"):
        place.advance(other, SMALL.day(2))
    with pytest.raises(WorldMismatchError, match=r"crm\.db"):
        advance(tmp_path / "elsewhere", place.crm, other, SMALL.day(2))


def test_what_strata_wrote_into_the_crm_is_left_alone(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.advance(SMALL, SMALL.day(3))
    connection = sqlite3.connect(place.crm)
    with connection:
        connection.execute(
            "insert into strata_segments (customer_id, tier) values ('C1', 'select')"
        )
    connection.close()
    place.advance(SMALL, SMALL.day(5))
    assert [row["tier"] for row in place.table("strata_segments")] == ["select"]


def test_the_world_goes_on_with_new_people_after_its_last_day(tmp_path: Path) -> None:
    place = Place(tmp_path)
    persons = []
    for number in (0, 29, 70):
        place.advance(SMALL, SMALL.day(number))
        persons.append(describe(place.world, SMALL)["persons"])
    assert persons[:2] == [24, 60]
    assert persons[2] > 100
    assert len(place.rows("truth/persons")) == persons[2]


def test_nothing_is_told_of_a_world_that_has_not_begun(tmp_path: Path) -> None:
    told = describe(tmp_path / "world", SMALL)
    assert (told["days"], told["persons"], told["rows"]) == (0, 0, 0)
    assert told["written_until"] is None


def test_what_is_told_is_what_lies_there(rich: Place) -> None:
    told = describe(rich.world, RICH)
    counted = {
        f"{system}/{entity}": count
        for system, entities in told["systems"].items()
        for entity, count in entities.items()
        if system != "crm"
    }
    assert counted == {e.title: len(rich.rows(e.title)) for e in LANDING}
    assert told["systems"]["crm"]["customers"] == len(rich.table("customers"))
    assert told["systems"]["crm"]["consents"] == len(rich.table("consents"))
    assert told["persons"] == 200


def test_every_file_has_the_columns_that_the_sources_declare(rich: Place) -> None:
    text = (ROOT / "config" / "sources.yml").read_text(encoding="utf-8")
    declared = yaml.safe_load(text)["systems"]
    for entity in LANDING:
        columns = list(declared[entity.system]["entities"][entity.name]["columns"])
        for path in (rich.world / "landing" / entity.title).iterdir():
            assert path.name.endswith(f".{entity.suffix}")
            assert list(_read(path)[0]) == columns
    for table in ("customers", "consents", "merges"):
        columns = list(declared["crm"]["entities"][table]["columns"])
        assert sorted(rich.table(table)[0]) == sorted(columns)


def test_the_committed_settings_end_on_the_last_of_october_2026() -> None:
    config = read_yaml(ROOT / "config" / "sample.yml", SampleConfig)
    assert config.model_copy(update={"delivers": SampleConfig().delivers}) == (
        SampleConfig()
    )
    assert last_day(config) == date(2026, 10, 31)


MOMENTS = {
    "store/orders": "updated_at",
    "store/refunds": "refunded_at",
    "pos/receipts": "sold_at",
    "app/accounts": "updated_at",
    "app/events": "event_at",
    "miniprogram/users": "updated_at",
    "miniprogram/events": "event_at",
}


def _local_day(text: str) -> date | None:
    """The day in Shanghai of a source's moment; None where it cannot be read."""
    try:
        moment = datetime.fromisoformat(text.removesuffix("Z"))
    except ValueError:
        return None
    return (moment + timedelta(hours=8 if text.endswith("Z") else 0)).date()


def test_no_row_arrives_before_the_day_on_which_it_happened(rich: Place) -> None:
    waits: Counter[int] = Counter()
    for title, column in MOMENTS.items():
        for row in rich.rows(title):
            day = _local_day(row[column])
            if day is not None and day >= RICH.first_day:
                waits[(row["arrived_on"] - day).days] += 1
    # In time, one to three days late, ten days late; one more where sent twice. A
    # refund waits for its order, which may be late itself.
    assert {0, 1, 2, 3, 10} <= set(waits) <= set(range(12))
    assert waits[0] > 0.9 * waits.total()


def _persons_by_record(place: Place) -> dict[tuple[str, str, str], set[str]]:
    persons: dict[tuple[str, str, str], set[str]] = {}
    for row in place.rows("truth/records"):
        key = (row["system"], row["entity"], row["record_key"])
        persons.setdefault(key, set()).add(row["person_id"])
    return persons


def _records(place: Place) -> dict[tuple[str, str, str], Table]:
    """All rows that tell something of a record."""
    found: dict[tuple[str, str, str], Table] = {}
    for system, entity, column, rows in (
        ("crm", "customers", "customer_id", place.table("customers")),
        ("store", "buyers", "buyer_id", place.rows("store/orders")),
        ("pos", "receipts", "receipt_id", place.rows("pos/receipts")),
        ("app", "accounts", "app_user_id", place.rows("app/accounts")),
        ("app", "accounts", "app_user_id", place.rows("app/events")),
        ("app", "devices", "device_id", place.rows("app/events")),
        ("miniprogram", "users", "openid", place.rows("miniprogram/users")),
        ("miniprogram", "users", "openid", place.rows("miniprogram/events")),
    ):
        for row in rows:
            if row[column] is not None:
                found.setdefault((system, entity, row[column]), []).append(row)
    return found


def _digits(phone: str) -> str:
    return "".join(c for c in phone.removeprefix("+86") if c.isdigit())


def test_the_truth_knows_the_person_behind_every_record(rich: Place) -> None:
    truth, records = _persons_by_record(rich), _records(rich)
    assert set(records) <= set(truth)
    shared = {key for key, persons in truth.items() if len(persons) > 1}
    assert {key[:2] for key in shared} == {("app", "devices")}
    persons = {row["person_id"]: row for row in rich.rows("truth/persons")}
    for key, rows in records.items():
        # Shared devices have several persons; what they carry is the account's.
        if key[1] == "devices":
            continue
        person = persons[next(iter(truth[key]))]
        for row in rows:
            phone = row.get("phone")
            if phone and "*" not in phone and _digits(phone) != "13800000000":
                assert _digits(phone) in person["phones"]
            if row.get("email"):
                assert row["email"].strip().lower() == person["email"]
            if row.get("member_no"):
                assert row["member_no"] == person["member_no"]
            if row.get("unionid"):
                assert row["unionid"] == person["unionid"]


def test_all_phones_are_chinese_mobile_numbers(rich: Place) -> None:
    numbers = {phone for row in rich.rows("truth/persons") for phone in row["phones"]}
    for number in numbers:
        parsed = phonenumbers.parse(number, "CN")
        assert phonenumbers.is_valid_number(parsed)
        kind = phonenumbers.number_type(parsed)
        assert kind == phonenumbers.PhoneNumberType.MOBILE


def test_broken_rows_are_those_that_the_truth_names(rich: Place) -> None:
    broken: Counter[tuple[str, ...]] = Counter()
    for entity in LANDING:
        for row in rich.rows(entity.title):
            for column, text in entity.fragile:
                if row[column] == text:
                    key = [str(row[name]) for name in entity.columns[:1]]
                    key += [row["line_no"]] if "lines" in entity.name else []
                    told = (entity.system, entity.name, "/".join(key), column, text)
                    broken[*told, str(row["arrived_on"])] += 1
    named = Counter(
        tuple(str(value) for value in row.values())[1:]
        for row in rich.rows("truth/faults")
        if row["kind"] == "broken"
    )
    assert broken == named
    assert broken.total() > 50


def test_rows_come_twice_and_orders_come_again_in_a_newer_version(rich: Place) -> None:
    orders = [
        {k: v for k, v in row.items() if k != "arrived_on"}
        for row in rich.rows("store/orders")
    ]
    texts = Counter(json.dumps(row, sort_keys=True) for row in orders)
    assert sum(count > 1 for count in texts.values()) > 3
    versions: dict[str, Table] = {}
    for text in texts:
        row = json.loads(text)
        versions.setdefault(row["order_id"], []).append(row)
    statuses = Counter(
        tuple(row["status"] for row in sorted(rows, key=lambda r: r["updated_at"]))
        for rows in versions.values()
    )
    assert set(statuses) <= {
        ("paid", "completed"), ("paid", "cancelled"),
        ("paid",), ("completed",), ("cancelled",),
    }  # fmt: skip
    assert statuses["paid", "completed"] > 20 * statuses["completed",]
    assert statuses["paid", "cancelled"] > 0


def _net_of_lines(rows: Table, key: str) -> dict[tuple[str, str], float]:
    """What was paid for each line that can be read."""
    return {
        (row[key], row["line_no"]): int(row["quantity"]) * float(row["unit_price"])
        - float(row["discount"])
        for row in rows
        if row["quantity"] != "x" and row["unit_price"] != "n/a"
    }


def test_only_completed_orders_are_refunded_and_at_most_what_was_paid(
    rich: Place,
) -> None:
    paid = _net_of_lines(rich.rows("store/order_lines"), "order_id")
    refunds = [row for row in rich.rows("store/refunds") if row["amount"] != "n/a"]
    amounts = {
        (row["order_id"], row["line_no"]): float(row["amount"]) for row in refunds
    }
    known = amounts.keys() & paid.keys()
    assert len(known) > 0.9 * len(amounts) > 20
    assert all(0 < amounts[line] <= paid[line] + 0.005 for line in known)
    completed = {
        row["order_id"]
        for row in rich.rows("store/orders")
        if row["status"] == "completed"
    }
    # Those whose completion has arrived, however late it was.
    settled = [row for row in refunds if row["arrived_on"] <= RICH.day(30)]
    assert {row["order_id"] for row in settled} <= completed


def test_returns_take_back_a_line_that_was_sold(rich: Place) -> None:
    paid = _net_of_lines(rich.rows("pos/receipt_lines"), "receipt_id")
    returned = {key: net for key, net in paid.items() if key[0].startswith("PX")}
    sales = {key: (key[0].replace("PX", "PR"), key[1]) for key in returned}
    known = {key for key, sale in sales.items() if sale in paid}
    assert len(known) > 0.9 * len(returned) > 10
    # Less than a cent a piece is lost in the price of one piece.
    assert all(
        -paid[sales[key]] <= returned[key] + 1e-9 and returned[key] < 0 for key in known
    )
    assert all(returned[key] + paid[sales[key]] < 0.05 for key in known)


def test_customers_change_and_withdraw(tmp_path: Path, rich: Place) -> None:
    early = Place(tmp_path)
    early.advance(RICH, RICH.day(15))
    before = {row["customer_id"]: row for row in early.table("customers")}
    after = {row["customer_id"]: row for row in rich.table("customers")}
    changed = {key for key, row in before.items() if after[key] != row}
    assert before.keys() < after.keys() and changed
    for key in changed:
        assert before[key]["updated_at"] < after[key]["updated_at"]
        assert after[key]["updated_at"] >= RICH.day(16).isoformat()
        assert before[key]["registered_at"] == after[key]["registered_at"]
    answers = rich.table("consents")
    kept = {row["consent_id"]: row for row in answers}
    assert all(kept[row["consent_id"]] == row for row in early.table("consents"))
    history: dict[tuple[str, str], list[str]] = {}
    for row in sorted(answers, key=lambda row: str(row["changed_at"])):
        key = (row["customer_id"], row["purpose"])
        history.setdefault(key, []).append(row["granted"])
    assert {tuple(steps) for steps in history.values()} >= {("1",), ("0",), ("1", "0")}
    assert all(a != b for steps in history.values() for a, b in pairwise(steps))
    never_asked = after.keys() - {customer for customer, _ in history}
    assert 0 < len(never_asked) < 0.1 * len(after)


def test_systems_overlap_and_identifiers_are_shared(rich: Place) -> None:
    persons = rich.rows("truth/persons")
    counts = Counter(
        sum(
            row[f"{system}_joined_on"] is not None
            for system in ("crm", "store", "pos", "app", "mini")
        )
        for row in persons
    )
    assert set(counts) == {1, 2, 3, 4, 5}
    phones = Counter(row["phones"][0] for row in persons)
    assert 0 < len(persons) - len(phones) < 0.2 * len(persons)
    next_phones = {row["phones"][1] for row in persons}
    assert len(next_phones) == len(persons) and not next_phones & phones.keys()
    cards = {row["member_no"] for row in rich.table("customers")} - {None}
    assert cards & {row["member_no"] for row in rich.rows("pos/receipts")}
    unions = {row["unionid"] for row in rich.table("customers")} - {None}
    assert unions <= {row["unionid"] for row in persons}
    assert unions & {row["unionid"] for row in rich.rows("miniprogram/users")}
    anonymous = [row for row in rich.rows("app/events") if row["app_user_id"] is None]
    assert anonymous and all(row["device_id"] for row in anonymous)
