"""Measures of ``config/features.yml``: columns of a day, over windows and channels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Family = Literal[
    "profile",
    "activity",
    "consumption",
    "journey",
    "social",
    "private_domain",
    "loyalty",
    "service",
    "sentiment",
    "interest",
    "preference",
    "marketing",
]
"""Families, in the order of their columns; each is a model ``feat_<family>``."""
DataType = Literal["boolean", "integer", "double", "date", "string", "decimal(18,4)"]
PiiClass = Literal["behavioural", "quasi_identifier"]

NAME = r"^[a-z][a-z0-9_]*$"
Name = Annotated[str, Field(pattern=NAME)]

DAILY_COLUMNS: dict[str, tuple[DataType, str]] = {
    "activity_count": ("integer", "Events and counted orders."),
    "event_count": ("integer", "Events of every type."),
    "session_count": ("integer", "Sessions that began on this day."),
    "dwell_seconds": ("decimal(18,4)", "Seconds spent, as the events tell."),
    "night_activity_count": ("integer", "Events and counted orders in the night."),
    "order_count": ("integer", "Completed orders with a positive net amount."),
    "units": ("integer", "Units bought less units returned."),
    "gross_amount": ("decimal(18,4)", "Completed orders before discounts."),
    "discount_amount": ("decimal(18,4)", "Discounts of the completed orders."),
    "refund_amount": ("decimal(18,4)", "Refunds and returns, as a positive amount."),
    "sold_amount": ("decimal(18,4)", "Completed orders after discounts."),
    "net_amount": ("decimal(18,4)", "Spend after discounts, refunds and returns."),
    "costed_net_amount": ("decimal(18,4)", "Net amount whose cost is known."),
    "margin_amount": ("decimal(18,4)", "Margin, as far as the cost is known."),
}
"""Additive columns of ``features.daily_activity`` that every tenant has."""


FAMILY_COLUMNS: dict[Family, tuple[str, ...]] = {
    "loyalty": (
        "points_earned",
        "points_spent",
        "points_expired",
        "coupons_issued",
        "coupons_redeemed",
        "coupon_amount_redeemed",
    ),
    "service": (
        "ticket_count",
        "complaint_count",
        "reopened_ticket_count",
        "resolved_ticket_count",
        "first_response_hours",
        "resolution_hours",
        "ticket_satisfaction",
        "nps_answer_count",
        "nps",
        "review_count",
        "review_rating",
        "event_attended_count",
    ),
    "sentiment": (
        "text_count",
        "sentiment_score",
        "negative_text_count",
        "positive_text_count",
        "review_sentiment",
        "ticket_sentiment",
    ),
}
"""Families whose measures are no columns of daily_activity: those of ``feat_<family>``.

Of sentiment there is also ``topic_<topic>`` and ``negative_<topic>``.
"""


class Settings(BaseModel):
    """What holds for each part of the config: no word too many, nothing changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Feature(Settings):
    """One column of ``features.feat_users``, one row of ``features.catalog``."""

    name: str = Field(pattern=r"^[a-z][a-zA-Z0-9_]*$")
    family: Family
    description: str
    data_type: DataType
    unit: str | None = None
    window_days: int | None = Field(default=None, ge=1)
    source_models: tuple[str, ...] = Field(min_length=1)
    pii_class: PiiClass = "behavioural"
    null_meaning: str


class ChannelGroup(Settings):
    """Systems whose days are measured together, and how a description names them."""

    systems: tuple[str, ...] = Field(min_length=1)
    words: str


class ByChannel(Settings):
    """For which groups of channels a measure is given apart, over which windows."""

    groups: tuple[str, ...] = Field(min_length=1)
    windows: tuple[int | Literal["total"], ...] = Field(min_length=1)


class Measure(Settings):
    """A daily column summed over windows; every window is a feature.

    ``by_channel`` gives the same apart for groups of channels, as
    ``<name>_<group>_<days>d``.
    """

    name: str = Field(pattern=NAME)
    family: Family
    column: str
    aggregate: Literal["sum", "days", "mean"] = "sum"
    windows: tuple[int | Literal["total"], ...] = Field(min_length=1)
    data_type: DataType
    unit: str
    description: str = Field(pattern=r"\{window\}")
    source_models: tuple[str, ...] = Field(min_length=1)
    null_meaning: str = "never null; 0 means none"
    by_channel: ByChannel | None = None

    def windowed(self) -> "tuple[WindowedMeasure, ...]":
        """Each of its features, those of all channels first."""
        groups = self.by_channel.groups if self.by_channel else ()
        apart = self.by_channel.windows if self.by_channel else ()
        return (
            *(WindowedMeasure(self, window) for window in self.windows),
            *(WindowedMeasure(self, w, g) for g in groups for w in apart),
        )


@dataclass(frozen=True)
class WindowedMeasure:
    """A measure over one window, of all channels or of one group of them."""

    measure: "Measure | Ratio"
    window: int | Literal["total"]
    channel_group: str | None = None

    @property
    def name(self) -> str:
        """``<name>_30d``, ``<name>_total`` or ``<name>_<group>_30d``."""
        parts = [self.measure.name, self.channel_group, self.window]
        name = "_".join(str(part) for part in parts if part is not None)
        return name + ("d" if isinstance(self.window, int) else "")

    @property
    def window_days(self) -> int | None:
        return self.window if isinstance(self.window, int) else None

    def feature(self, groups: Mapping[str, ChannelGroup]) -> Feature:
        days = self.window_days
        words = f"in the last {days} days" if days else "up to ds"
        if self.channel_group:
            words = f"{groups[self.channel_group].words} {words}"
        measure = self.measure
        return Feature(
            name=self.name,
            family=measure.family,
            description=measure.description.replace("{window}", words),
            data_type=measure.data_type,
            unit=measure.unit,
            window_days=days,
            source_models=measure.source_models,
            null_meaning=measure.null_meaning,
        )


class Ratio(Settings):
    """A daily column as a share of another one, over windows.

    ``at_most`` bounds it where the upper column may belong to what the lower counted
    before the window began. A ratio of type decimal is an amount of money by a count,
    rounded half away from zero.
    """

    name: str = Field(pattern=NAME)
    family: Family
    column: str
    of: str
    at_most: float | None = None
    windows: tuple[int | Literal["total"], ...] = Field(min_length=1)
    data_type: Literal["double", "decimal(18,4)"] = "double"
    unit: str
    description: str = Field(pattern=r"\{window\}")
    source_models: tuple[str, ...] = Field(min_length=1)
    null_meaning: str

    @property
    def is_amount(self) -> bool:
        """Whether it is money, for each of what the lower column counts."""
        return self.data_type != "double"

    @model_validator(mode="after")
    def _an_amount_has_no_bound(self) -> Self:
        if self.is_amount and self.at_most is not None:
            raise ValueError(f"ratio {self.name} is an amount, which has no at_most")
        return self
