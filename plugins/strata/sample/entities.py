"""What the sample world hands over: its entities, their columns and their files."""

from dataclasses import dataclass, field
from typing import TypeAlias

Row: TypeAlias = tuple[str | float | None, ...]


@dataclass(frozen=True)
class Entity:
    """One kind of row that arrives in one file a day.

    ``suffix`` decides the file format. ``fragile`` lists what a broken row may carry:
    a column and a text there that no reader can take for a value.
    """

    system: str
    name: str
    columns: tuple[str, ...]
    suffix: str
    fragile: tuple[tuple[str, str], ...] = ()

    @property
    def title(self) -> str:
        """``system/entity``, as its folder is called."""
        return f"{self.system}/{self.name}"


@dataclass
class Batch:
    """Rows of one entity that one day brings about, each with its day of arrival.

    ``arrivals`` holds numbers of days (0 is the world's first), one a row.
    """

    entity: Entity
    rows: list[Row] = field(default_factory=list)
    arrivals: list[int] = field(default_factory=list)


STORE_ORDERS = Entity(
    "store",
    "orders",
    (
        *("order_id", "touchpoint", "buyer_id", "phone", "email", "receiver", "city"),
        *("status", "currency", "placed_at", "campaign", "updated_at"),
    ),
    "csv",
    (("placed_at", "unknown"), ("placed_at", "2026-13-45 00:00:00")),
)
STORE_LINES = Entity(
    "store",
    "order_lines",
    (
        *("order_id", "line_no", "sku", "category", "quantity"),
        *("unit_price", "discount", "unit_cost"),
    ),
    "csv",
    (("quantity", "x"), ("unit_price", "n/a")),
)
STORE_REFUNDS = Entity(
    "store",
    "refunds",
    ("refund_id", "order_id", "line_no", "amount", "refunded_at"),
    "csv",
    (("amount", "n/a"), ("refunded_at", "yesterday")),
)
POS_RECEIPTS = Entity(
    "pos",
    "receipts",
    (
        *("receipt_id", "touchpoint", "store_no", "member_no", "phone"),
        *("currency", "sold_at"),
    ),
    "parquet",
    (("sold_at", "2026-02-30 12:00:00"), ("sold_at", "n/a")),
)
POS_LINES = Entity(
    "pos",
    "receipt_lines",
    (
        *("receipt_id", "line_no", "sku", "category", "quantity"),
        *("unit_price", "discount", "unit_cost"),
    ),
    "parquet",
    (("quantity", "x"), ("unit_price", "n/a")),
)
APP_ACCOUNTS = Entity(
    "app",
    "accounts",
    ("app_user_id", "phone", "email", "registered_at", "updated_at"),
    "jsonl.gz",
)
APP_EVENTS = Entity(
    "app",
    "events",
    (
        *("event_id", "app_user_id", "device_id", "touchpoint", "event_type"),
        *("event_at", "category", "value", "duration_seconds", "campaign"),
    ),
    "jsonl.gz",
    (("event_at", "n/a"), ("value", "n/a")),
)
MINI_USERS = Entity(
    "miniprogram",
    "users",
    ("openid", "unionid", "phone", "authorised_at", "updated_at"),
    "jsonl",
)
MINI_EVENTS = Entity(
    "miniprogram",
    "events",
    (
        *("event_id", "openid", "touchpoint", "event_type", "event_at"),
        *("category", "value", "duration_seconds", "campaign"),
    ),
    "jsonl",
    (("event_at", "n/a"), ("value", "n/a")),
)
LANDING = (
    *(STORE_ORDERS, STORE_LINES, STORE_REFUNDS, POS_RECEIPTS, POS_LINES),
    *(APP_ACCOUNTS, APP_EVENTS, MINI_USERS, MINI_EVENTS),
)

TRUTH_RECORDS = Entity(
    "truth", "records", ("system", "entity", "record_key", "person_id"), "parquet"
)
TRUTH_FAULTS = Entity(
    "truth",
    "faults",
    ("system", "entity", "record_key", "column", "value"),
    "parquet",
)
