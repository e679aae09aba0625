"""What the sample world hands over: its entities, their columns and their files."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

import numpy as np

from strata.sample.chance import Ints
from strata.sample.vocabulary import AD_TOUCHPOINTS

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

    ``arrivals`` holds numbers of days (0 is the world's first), one a row; ``late``
    how many of these days a row is late, empty where none is.
    """

    entity: Entity
    rows: list[Row] = field(default_factory=list)
    arrivals: list[int] = field(default_factory=list)
    late: list[int] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        entity: Entity,
        arrivals: Ints | int,
        columns: Iterable[Iterable[Any]],
        late: Ints | None = None,
    ) -> Self:
        """A batch from columns; ``late`` is added to the days of arrival."""
        rows: list[Row] = list(zip(*columns, strict=True))
        days = np.broadcast_to(np.asarray(arrivals, dtype=np.int64), len(rows))
        if late is None:
            return cls(entity, rows, days.tolist())
        return cls(entity, rows, (days + late).tolist(), late.tolist())

    def take(self, chosen: Iterable[int]) -> Self:
        """Some of the rows, by their numbers."""
        numbers = list(chosen)
        return type(self)(
            self.entity,
            [self.rows[n] for n in numbers],
            [self.arrivals[n] for n in numbers],
            [self.late[n] for n in numbers] if self.late else [],
        )


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
APP_DEVICES = Entity(
    "app",
    "devices",
    ("device_id", "app_user_id", "device_model", "os", "updated_at"),
    "jsonl.gz",
    (("updated_at", "n/a"),),
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
APP_PUSHES = Entity(
    "app",
    "pushes",
    (
        *("push_id", "app_user_id", "touchpoint", "campaign"),
        *("sent_at", "opened_at", "updated_at"),
    ),
    "jsonl.gz",
    (("sent_at", "n/a"),),
)
WEB_EVENTS = Entity(
    "web",
    "events",
    (
        *("event_id", "cookie_id", "account_id", "touchpoint"),
        *("event_type", "event_at", "category", "value"),
        *("duration_seconds", "campaign"),
    ),
    "jsonl.gz",
    (("event_at", "n/a"), ("value", "n/a")),
)
WECOM_CONTACTS = Entity(
    "wecom",
    "contacts",
    (
        *("external_userid", "unionid", "phone", "name"),
        *("owner", "added_at", "updated_at"),
    ),
    "csv",
)
WECOM_MESSAGES = Entity(
    "wecom",
    "messages",
    (
        *("message_day_id", "external_userid", "touchpoint", "counted_on"),
        *("sent", "received"),
    ),
    "csv",
    (("counted_on", "n/a"), ("received", "x")),
)
WECOM_MEMBERSHIPS = Entity(
    "wecom",
    "memberships",
    (
        *("membership_id", "external_userid", "group_id", "touchpoint"),
        *("joined_at", "left_at", "updated_at"),
    ),
    "csv",
)
WECOM_READS = Entity(
    "wecom",
    "reads",
    (
        *("read_id", "unionid", "touchpoint", "article_id"),
        *("category", "read_at", "duration_seconds"),
    ),
    "csv",
    (("read_at", "n/a"),),
)
SOCIAL_ACCOUNTS = Entity(
    "social",
    "accounts",
    (
        *("social_id", "platform", "nickname", "member_no"),
        *("phone", "followed_at", "updated_at"),
    ),
    "jsonl",
)
SOCIAL_ACTIONS = Entity(
    "social",
    "actions",
    (
        *("action_id", "social_id", "touchpoint", "action_type"),
        *("acted_at", "category", "campaign"),
    ),
    "jsonl",
    (("acted_at", "n/a"),),
)
ADS_CLICKS = Entity(
    "ads",
    "clicks",
    (
        *("click_id", "touchpoint", "campaign", "cookie_id"),
        *("device_id", "clicked_at"),
    ),
    "csv",
    (("clicked_at", "n/a"),),
)
ADS_COSTS = Entity(
    "ads",
    "costs",
    (
        *("cost_day_id", "touchpoint", "campaign", "spent_on"),
        *("impressions", "clicks", "cost", "currency"),
        *("updated_at",),
    ),
    "csv",
)
SUPPORT_TICKETS = Entity(
    "support",
    "tickets",
    (
        *("ticket_id", "touchpoint", "phone", "member_no"),
        *("order_id", "category", "subject_text", "status"),
        *("opened_at", "first_response_at", "resolved_at", "satisfaction"),
        *("updated_at",),
    ),
    "jsonl",
    (("opened_at", "n/a"),),
)
FEEDBACK_SURVEYS = Entity(
    "feedback",
    "surveys",
    (
        *("response_id", "touchpoint", "member_no", "phone"),
        *("nps", "answered_at"),
    ),
    "csv",
    (("answered_at", "n/a"), ("nps", "x")),
)
FEEDBACK_REVIEWS = Entity(
    "feedback",
    "reviews",
    (
        *("review_id", "touchpoint", "buyer_id", "order_id"),
        *("sku", "category", "rating", "review_text"),
        *("language", "reviewed_at"),
    ),
    "csv",
    (("reviewed_at", "n/a"), ("rating", "x")),
)
FEEDBACK_ATTENDANCES = Entity(
    "feedback",
    "attendances",
    (
        *("attendance_id", "touchpoint", "event_name", "phone"),
        *("member_no", "rating", "attended_at"),
    ),
    "csv",
)
LOYALTY_POINTS = Entity(
    "loyalty",
    "points",
    (
        *("entry_id", "member_no", "touchpoint", "points"),
        *("reason", "order_id", "booked_at"),
    ),
    "parquet",
    (("booked_at", "n/a"), ("points", "x")),
)
LOYALTY_COUPONS = Entity(
    "loyalty",
    "coupons",
    (
        *("coupon_id", "member_no", "touchpoint", "campaign"),
        *("face_value", "currency", "issued_at", "redeemed_at"),
        *("order_id", "expires_at", "updated_at"),
    ),
    "parquet",
    (("face_value", "n/a"),),
)
LOYALTY_REFERRALS = Entity(
    "loyalty",
    "referrals",
    (
        *("referral_id", "member_no", "invitee_phone", "touchpoint"),
        *("invited_at", "joined_at", "updated_at"),
    ),
    "parquet",
)
LOYALTY_MESSAGES = Entity(
    "loyalty",
    "messages",
    (
        *("message_id", "member_no", "phone", "email"),
        *("touchpoint", "campaign", "sent_at", "opened_at"),
        *("clicked_at", "updated_at"),
    ),
    "parquet",
    (("sent_at", "n/a"),),
)
LANDING = (
    *(STORE_ORDERS, STORE_LINES, STORE_REFUNDS, POS_RECEIPTS, POS_LINES),
    *(APP_ACCOUNTS, APP_EVENTS, APP_PUSHES, APP_DEVICES),
    *(MINI_USERS, MINI_EVENTS, WEB_EVENTS),
    *(WECOM_CONTACTS, WECOM_MESSAGES, WECOM_MEMBERSHIPS, WECOM_READS),
    *(SOCIAL_ACCOUNTS, SOCIAL_ACTIONS, ADS_CLICKS, ADS_COSTS, SUPPORT_TICKETS),
    *(FEEDBACK_SURVEYS, FEEDBACK_REVIEWS, FEEDBACK_ATTENDANCES),
    *(LOYALTY_POINTS, LOYALTY_COUPONS, LOYALTY_REFERRALS, LOYALTY_MESSAGES),
)


def _truth(name: str, *columns: str) -> Entity:
    return Entity("truth", name, columns, "parquet")


TRUTH_RECORDS = _truth("records", "system", "entity", "record_key", "person_id")
TRUTH_FAULTS = _truth(
    "faults", "kind", "system", "entity", "record_key", "column", "value"
)
TRUTH_INCIDENTS = _truth("incidents", "kind", "system", "entity", "day", "told")
TRUTH_PURCHASES = _truth(
    "purchases",
    "purchase_id",
    "system",
    "person_id",
    "bought_on",
    "net_amount",
    "cause",
)
TRUTH_PLANS = _truth("plans", "person_id", "plan", "from_day", "until_day", "factor")
TRUTH_CAMPAIGNS = _truth(
    "campaigns", "campaign", "kind", "first_day", "last_day", "uplift"
)
TRUTH_ASSIGNMENTS = _truth(
    *("assignments", "campaign", "person_id", "kind", "is_treated", "touchpoint"),
    "sent_on",
)
TRUTH_CHANNELS = _truth("channels", "touchpoint", "orders_a_touch", "days", "price")
TRUTH_REFERRALS = _truth(
    "referrals", "inviter_id", "invitee_id", "invited_on", "joined_on"
)
TRUTH_SHARED = _truth(
    "shared_contacts", "contact_type", "value", "kind", "person_id", "shares_with"
)
TRUTH_RECYCLED = _truth(
    "recycled_numbers", "phone", "from_person_id", "given_up_on", "to_person_id", "on"
)
TRUTH_MOODS = _truth(
    "moods", "review_id", "person_id", "mood", "mood_kind", "text_kind", "rating"
)
TRUTH_CALENDAR = _truth(
    *("calendar", "day", "campaign", "orders_factor", "promotion_factor"),
    *("sessions_factor", "expected_habit", "expected_campaign"),
    *(f"expected_{name}" for name in (*AD_TOUCHPOINTS, "coupon")),
)
TRUTH = (
    *(
        TRUTH_RECORDS,
        TRUTH_FAULTS,
        TRUTH_INCIDENTS,
        TRUTH_PURCHASES,
    ),
    *(TRUTH_PLANS, TRUTH_CAMPAIGNS, TRUTH_ASSIGNMENTS, TRUTH_CHANNELS, TRUTH_REFERRALS),
    *(TRUTH_SHARED, TRUTH_RECYCLED, TRUTH_MOODS, TRUTH_CALENDAR),
)
