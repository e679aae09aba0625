"""The sample world's systems: what they hand over, and the truth behind it."""

import json
from collections import Counter
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import phonenumbers
import pytest
import yaml
from strata.config.loader import read_yaml
from strata.sample import SampleConfig, describe, last_day
from strata.sample.entities import LANDING
from strata.sample.vocabulary import ANDROIDS, IPHONES, NO_PHONES

from tests.unit.sample_place import RICH, Place, Table, read_file

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("rich"))
    place.advance(RICH, last_day(RICH))
    return place


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
            assert list(read_file(path)[0]) == columns
    for table in ("customers", "consents", "merges"):
        columns = list(declared["crm"]["entities"][table]["columns"])
        assert sorted(rich.table(table)[0]) == sorted(columns)


def test_the_committed_settings_end_on_the_last_of_october_2026() -> None:
    config = read_yaml(ROOT / "config" / "sample.yml", SampleConfig)
    assert config == SampleConfig()
    assert last_day(config) == date(2026, 10, 31)


MOMENTS = {
    "store/orders": "updated_at",
    "store/refunds": "refunded_at",
    "pos/receipts": "sold_at",
    "app/accounts": "updated_at",
    "app/devices": "updated_at",
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
        ("app", "devices", "device_id", place.rows("app/devices")),
        ("miniprogram", "users", "openid", place.rows("miniprogram/users")),
        ("miniprogram", "users", "openid", place.rows("miniprogram/events")),
    ):
        for row in rows:
            if row[column] is not None:
                found.setdefault((system, entity, row[column]), []).append(row)
    return found


def test_the_register_has_each_phone_with_somebody_who_uses_it(rich: Place) -> None:
    truth, rows = _persons_by_record(rich), rich.rows("app/devices")
    for row in rows:
        if row["app_user_id"] is not None:
            users = truth["app", "devices", row["device_id"]]
            assert truth["app", "accounts", row["app_user_id"]] <= users
    versions = Counter(row["device_id"] for row in rows)
    assert {1, 2} <= set(versions.values())
    written = {row["device_model"] for row in rows}
    plain = {model.strip().lower() for model in written if model}
    known = {model.lower() for model in (*IPHONES, *ANDROIDS, *NO_PHONES)}
    # Well, in another case, with blanks, or not at all; some come without an account.
    assert plain <= known and len(plain) > 20
    assert written - {*IPHONES, *ANDROIDS, *NO_PHONES, "", None}
    assert {"", None} & written
    assert None in {row["app_user_id"] for row in rows}


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
