"""``config/features.yml``: what is measured about a user, and in which words."""

from collections import Counter
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from strata.config.journeys import Journeys, Rows
from strata.config.measures import (
    DAILY_COLUMNS,
    FAMILY_COLUMNS,
    NAME,
    ChannelGroup,
    DataType,
    Family,
    Feature,
    Measure,
    Name,
    Ratio,
    Settings,
    WindowedMeasure,
)

Hour = Annotated[int, Field(ge=0, le=24)]
DeviceBand = Literal["entry", "mid", "premium"]


class Night(Settings):
    """Local hours from ``from_hour`` up to, not including, ``until_hour``."""

    from_hour: int = Field(ge=0, le=23)
    until_hour: int = Field(ge=0, le=23)

    @model_validator(mode="after")
    def _over_midnight(self) -> Self:
        if self.from_hour <= self.until_hour:
            raise ValueError("a night goes over midnight: from_hour > until_hour")
        return self


class EventCount(Settings):
    """Events counted together by day: those that meet all of what is named.

    ``hours`` are local, from the first up to, not including, the second; ``channels``
    are systems. With ``sums`` their values are added up in place of their number.
    """

    types: tuple[str, ...] = ()
    hours: tuple[tuple[Hour, Hour], ...] = ()
    days: Literal["weekday", "weekend"] | None = None
    channels: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    sums: Literal["value"] | None = None
    description: str

    @model_validator(mode="after")
    def _is_about_something(self) -> Self:
        if not (
            self.types or self.hours or self.days or self.channels or self.categories
        ):
            raise ValueError("name types, hours, days, channels or categories")
        if any(since >= until for since, until in self.hours):
            raise ValueError("hours go up: one over midnight is [22, 24] and [0, 6]")
        return self


class InterestRules(Settings):
    """How interest in a category fades, and what a purchase of it weighs in events."""

    half_life_days: int = Field(ge=1)
    purchase_weight: int = Field(ge=1)


class NextCategoryRules(Settings):
    """How it is learned which category comes next (``strata.interest``)."""

    history_days: int = Field(default=365, ge=30)
    test_days: int = Field(default=60, ge=7)
    penalties: tuple[float, ...] = Field(default=(1, 10, 100, 1e3, 1e4), min_length=1)
    least_users: int = Field(default=200, ge=10)
    most_categories: int = Field(default=300, ge=2)
    refit_days: int = Field(default=30, ge=1)


class PriceRules(Settings):
    """Bounds of the price bands, as shares of the median price of a category."""

    low_below: float = Field(gt=0)
    high_above: float = Field(gt=0)

    @model_validator(mode="after")
    def _bands_lie_apart(self) -> Self:
        if self.low_below > self.high_above:
            raise ValueError("low_below must not lie above high_above")
        return self


class LoyaltyRules(Settings):
    """How long points last, and from how many earned in a year a level is reached."""

    points_last_days: int = Field(ge=31)
    levels: dict[str, int] = Field(min_length=1)


class DailyColumn(Settings):
    """A column that a model of days by record counts, and that adds up."""

    data_type: DataType
    description: str


class DayCounts(Settings):
    """Columns of ``features.daily_activity`` from another model of days by record.

    The model has system, entity, record_key, the ``day``, known_at and the columns.
    """

    day: str = Field(pattern=NAME)
    columns: dict[str, DailyColumn] = Field(min_length=1)


class History(Settings):
    """How long every day of ``features.feat_users`` is kept; then one a month is."""

    daily_days: int = Field(default=400, ge=31)


class FeaturesConfig(Settings):
    """All features of a user, and the settings that their definitions share."""

    owner: str
    history: History = History()
    session_gap_minutes: int = Field(ge=1)
    night: Night
    channel_groups: dict[str, ChannelGroup] = Field(default_factory=dict)
    event_counts: dict[str, EventCount]
    scenarios: dict[Name, EventCount] = Field(default_factory=dict)
    contact_types: tuple[str, ...] = ()
    preference_channels: tuple[Name, ...] = ()
    topics: tuple[Name, ...] = ()
    interest: InterestRules = InterestRules(half_life_days=60, purchase_weight=5)
    next_category: NextCategoryRules = NextCategoryRules()
    prices: PriceRules = PriceRules(low_below=0.8, high_above=1.25)
    loyalty: LoyaltyRules = LoyaltyRules(points_last_days=365, levels={"member": 0})
    complaint_categories: tuple[str, ...] = ()
    city_tiers: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    device_bands: dict[DeviceBand, tuple[str, ...]] = Field(default_factory=dict)
    day_counts: dict[str, DayCounts] = Field(default_factory=dict)
    measures: tuple[Measure, ...]
    ratios: tuple[Ratio, ...] = ()
    journeys: Journeys
    row_measures: dict[Rows, tuple[Measure, ...]] = Field(default_factory=dict)
    """Measures of other rows of a user's day than ``daily_activity``."""
    features: tuple[Feature, ...]

    @property
    def daily_columns(self) -> dict[str, tuple[DataType, str]]:
        """Additive columns of ``features.daily_activity``: type and description."""
        counted: dict[str, tuple[DataType, str]] = {
            name: ("integer", count.description)
            for name, count in self.counted_events.items()
        }
        elsewhere: dict[str, tuple[DataType, str]] = {
            name: (column.data_type, column.description)
            for counts in self.day_counts.values()
            for name, column in counts.columns.items()
        }
        return DAILY_COLUMNS | counted | elsewhere

    @property
    def counted_events(self) -> dict[str, EventCount]:
        """``event_counts``, the scenarios and the parts of the day, by their columns."""
        return {
            **self.event_counts,
            **{f"scenario_{name}_count": s for name, s in self.scenarios.items()},
            **self._by_day_part("events", "Events", ()),
            **self._by_day_part(
                "reads", "Messages and articles read", self.contact_types
            ),
        }

    def _by_day_part(
        self, name: str, words: str, types: tuple[str, ...]
    ) -> dict[str, EventCount]:
        """Counts of each part of the day, as ``<name>_08_12_count``."""
        return {
            f"{name}_{part}_count": EventCount(
                types=types,
                hours=(hours,),
                description=f"{words} from {hours[0]} to {hours[1]} o'clock.",
            )
            for part, hours in self.day_parts.items()
        }

    @property
    def day_parts(self) -> dict[str, tuple[int, int]]:
        """Four hours each, as ``08_12``; none where no contact is to be timed."""
        starts = range(0, 24, 4) if self.contact_types else ()
        return {f"{hour:02}_{hour + 4:02}": (hour, hour + 4) for hour in starts}

    @property
    def model_beginnings(self) -> dict[str, DeviceBand]:
        """The bands by how models begin, without spaces and upper case."""
        return {
            beginning: band
            for band, found in self._beginnings().items()
            for beginning in found
        }

    def _beginnings(self) -> dict[DeviceBand, list[str]]:
        return {
            band: [name.lower().replace(" ", "") for name in names]
            for band, names in self.device_bands.items()
        }

    @property
    def catalogue(self) -> tuple[Feature, ...]:
        """Every feature, family by family, measures after the features of their own."""
        others = [w for rows in self.row_measures for w in self.windowed_rows(rows)]
        found = (*self.windowed, *others)
        windowed = [measure.feature(self.channel_groups) for measure in found]
        windowed += self._shares()
        families: tuple[Family, ...] = get_args(Family)
        return tuple(
            feature
            for family in families
            for feature in (*self.features, *windowed)
            if feature.family == family
        )

    def _shares(self) -> list[Feature]:
        """Shares of a user's activity that follow from what else the config names."""
        shares = [
            (f"hours_{part}", f"fell between {hours[0]} and {hours[1]} o'clock")
            for part, hours in self.day_parts.items()
        ]
        shares += [
            (f"scenario_{name}", f"belong to the scenario {name}: {s.description}")
            for name, s in self.scenarios.items()
        ]
        of_channels = [
            (f"channel_{name}", f"happened in the channel group {name}")
            for name in self.preference_channels
        ]
        return [
            Feature(
                name=f"{name}_share_90d",
                family="preference",
                description=f"Share of {what} of the last 90 days that {words.rstrip('.')}.",
                data_type="double",
                unit="share",
                window_days=90,
                source_models=sources,
                null_meaning="nothing in the window",
            )
            for what, sources, named in (
                ("events", ("staging.events",), shares),
                (
                    "events and counted orders",
                    ("staging.events", "staging.orders"),
                    of_channels,
                ),
            )
            for name, words in named
        ]

    def columns_of(self, family: Family) -> tuple[str, ...]:
        """The daily columns that a family's measures may be made of."""
        if family not in FAMILY_COLUMNS:
            return tuple(self.daily_columns)
        topics = self.topics if family == "sentiment" else ()
        of_topics = tuple(
            f"{kind}_{t}" for kind in ("topic", "negative") for t in topics
        )
        return FAMILY_COLUMNS[family] + of_topics

    @property
    def windowed(self) -> tuple[WindowedMeasure, ...]:
        """Every window of every measure, then of every ratio."""
        return (
            *(found for measure in self.measures for found in measure.windowed()),
            *(WindowedMeasure(r, window) for r in self.ratios for window in r.windows),
        )

    def windowed_rows(self, rows: Rows) -> tuple[WindowedMeasure, ...]:
        """Every window of every measure of ``rows``."""
        measures = self.row_measures[rows]
        return tuple(found for measure in measures for found in measure.windowed())

    @property
    def window_days(self) -> tuple[int, ...]:
        """The lengths of all windows of measures, in days, the shortest first."""
        found = {windowed.window_days for windowed in self.windowed}
        return tuple(sorted(days for days in found if days))

    @property
    def families(self) -> tuple[str, ...]:
        """The families that have a feature, in the order of their columns."""
        return tuple(dict.fromkeys(feature.family for feature in self.catalogue))

    @model_validator(mode="after")
    def _groups_are_known(self) -> Self:
        for measure in self.measures:
            named = measure.by_channel.groups if measure.by_channel else ()
            if unknown := sorted(set(named) - set(self.channel_groups)):
                raise ValueError(
                    f"measure {measure.name} is given by channel groups that "
                    f"channel_groups lacks: {unknown}; it has "
                    f"{sorted(self.channel_groups)}"
                )
            several = [g for g in named if len(self.channel_groups[g].systems) > 1]
            if several and measure.aggregate == "days":
                raise ValueError(
                    f"measure {measure.name} counts days, which do not add up over the "
                    f"systems of {several}: give it by groups of one system"
                )
        return self

    @model_validator(mode="after")
    def _models_have_one_band(self) -> Self:
        found = self._beginnings()
        if blank := sorted(band for band, names in found.items() if "" in names):
            raise ValueError(
                f"device_bands with a blank, which every model is: {blank}"
            )
        counted = Counter(name for names in found.values() for name in names)
        if twice := sorted(name for name, count in counted.items() if count > 1):
            raise ValueError(f"device_bands that name models more than once: {twice}")
        return self

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        counted = Counter(feature.name for feature in self.catalogue)
        twice = sorted(name for name, count in counted.items() if count > 1)
        if twice:
            raise ValueError(f"features named more than once: {twice}")
        return self

    @model_validator(mode="after")
    def _measures_have_a_column(self) -> Self:
        named = Counter([*DAILY_COLUMNS, *self.event_counts])
        for counts in self.day_counts.values():
            named.update(list(counts.columns))
        if taken := sorted(name for name, count in named.items() if count > 1):
            raise ValueError(
                f"event_counts or day_counts that are daily columns already: {taken}"
            )
        days = [m for m in self.measures if m.aggregate == "days"]
        if none := sorted(m.name for m in days if m.family in FAMILY_COLUMNS):
            raise ValueError(
                f"measures that count days: {none}; families made of entries "
                f"({', '.join(FAMILY_COLUMNS)}) have none: sum a column, or measure a "
                "column of daily_activity in another family"
            )
        wanted = {(m.family, m.column) for m in self.measures}
        wanted |= {(r.family, name) for r in self.ratios for name in (r.column, r.of)}
        unknown = sorted(
            {name for family, name in wanted if name not in self.columns_of(family)}
        )
        if unknown:
            raise ValueError(
                f"measures or ratios of columns that daily_activity lacks: {unknown}; "
                f"it has {sorted(self.daily_columns)}"
            )
        amounts = [r for r in self.ratios if r.is_amount]
        if uncounted := [
            r.name for r in amounts if self.daily_columns[r.of][0] != "integer"
        ]:
            raise ValueError(f"ratios are amounts, but not by a count: {uncounted}")
        return self

    @model_validator(mode="after")
    def _row_measures_have_a_column(self) -> Self:
        for rows, measures in self.row_measures.items():
            columns = self.journeys.columns(rows)
            if unknown := sorted({m.column for m in measures} - columns):
                raise ValueError(
                    f"row_measures of columns that {rows} lack: {unknown}; "
                    f"they have {sorted(columns)}"
                )
        return self
