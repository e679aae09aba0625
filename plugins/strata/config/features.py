"""``config/features.yml``: what is measured about a user, and in which words."""

from collections import Counter
from typing import Literal, Self, get_args

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
    "net_amount": ("decimal(18,4)", "Spend after discounts, refunds and returns."),
    "costed_net_amount": ("decimal(18,4)", "Net amount whose cost is known."),
    "margin_amount": ("decimal(18,4)", "Margin, as far as the cost is known."),
    "touch_count": ("integer", "Marketing touches."),
}
"""Additive columns of ``features.daily_activity`` that every tenant has."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Night(_Model):
    """Local hours from ``from_hour`` up to, not including, ``until_hour``."""

    from_hour: int = Field(ge=0, le=23)
    until_hour: int = Field(ge=0, le=23)

    @model_validator(mode="after")
    def _over_midnight(self) -> Self:
        if self.from_hour <= self.until_hour:
            raise ValueError("a night goes over midnight: from_hour > until_hour")
        return self


class EventCount(_Model):
    """Event types counted together by day."""

    types: tuple[str, ...] = Field(min_length=1)
    description: str


class Feature(_Model):
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


class Measure(_Model):
    """A daily column summed over windows; every window is a feature."""

    name: str = Field(pattern=NAME)
    family: Family
    column: str
    aggregate: Literal["sum", "days"] = "sum"
    windows: tuple[int | Literal["total"], ...] = Field(min_length=1)
    data_type: DataType
    unit: str
    description: str = Field(pattern=r"\{window\}")
    source_models: tuple[str, ...] = Field(min_length=1)
    null_meaning: str = "never null; 0 means none"

    def feature_name(self, window: int | str) -> str:
        """``<name>_30d``, or ``<name>_total``."""
        return f"{self.name}_{window}" + ("d" if isinstance(window, int) else "")

    def features(self) -> tuple[Feature, ...]:
        """One feature a window, in the order of the windows."""
        return tuple(self._feature(window) for window in self.windows)

    def _feature(self, window: int | str) -> Feature:
        days = window if isinstance(window, int) else None
        words = f"in the last {days} days" if days else "up to ds"
        return Feature(
            name=self.feature_name(window),
            family=self.family,
            description=self.description.replace("{window}", words),
            data_type=self.data_type,
            unit=self.unit,
            window_days=days,
            source_models=self.source_models,
            null_meaning=self.null_meaning,
        )


class FeaturesConfig(_Model):
    """All features of a user, and the settings that their definitions share."""

    owner: str
    session_gap_minutes: int = Field(ge=1)
    night: Night
    event_counts: dict[str, EventCount]
    measures: tuple[Measure, ...]
    features: tuple[Feature, ...]

    @property
    def daily_columns(self) -> dict[str, tuple[DataType, str]]:
        """Additive columns of ``features.daily_activity``: type and description."""
        counted: dict[str, tuple[DataType, str]] = {
            name: ("integer", count.description)
            for name, count in self.event_counts.items()
        }
        return DAILY_COLUMNS | counted

    @property
    def catalogue(self) -> tuple[Feature, ...]:
        """Every feature, family by family, measures after the features of their own."""
        windowed = [f for measure in self.measures for f in measure.features()]
        families: tuple[Family, ...] = get_args(Family)
        return tuple(
            feature
            for family in families
            for feature in (*self.features, *windowed)
            if feature.family == family
        )

    @property
    def families(self) -> tuple[str, ...]:
        """The families that have a feature, in the order of their columns."""
        return tuple(dict.fromkeys(feature.family for feature in self.catalogue))

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        counted = Counter(feature.name for feature in self.catalogue)
        twice = sorted(name for name, count in counted.items() if count > 1)
        if twice:
            raise ValueError(f"features named more than once: {twice}")
        return self

    @model_validator(mode="after")
    def _measures_have_a_column(self) -> Self:
        taken = sorted(set(self.event_counts) & set(DAILY_COLUMNS))
        if taken:
            raise ValueError(f"event_counts that are daily columns already: {taken}")
        unknown = sorted({m.column for m in self.measures} - set(self.daily_columns))
        if unknown:
            raise ValueError(
                f"measures of columns that daily_activity lacks: {unknown}; "
                f"it has {sorted(self.daily_columns)}"
            )
        return self
