"""The rules of ``config/tiers.yml``: who is worth how much, and in which tier."""

import hashlib
from itertools import product
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

Tier = Literal["select", "high", "potential", "mid", "low"]
Lifecycle = Literal["new", "growing", "mature", "dormant", "lost", "won_back"]
TIERS: tuple[Tier, ...] = get_args(Tier)
LIFECYCLES: tuple[Lifecycle, ...] = get_args(Lifecycle)
QUINTILES = (1, 2, 3, 4, 5)

Share = Annotated[float, Field(gt=0, le=1)]
Days = Annotated[int, Field(ge=1)]
Quintile = Annotated[int, Field(ge=1, le=5)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Rules(BaseModel):
    """A block of rules: no unknown key, no change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def fingerprint(self) -> str:
        """Eight hex characters that change when any rule changes."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:8]


class RfmSegment(Rules):
    """A name for a block of quintiles; each range is lowest and highest, inclusive."""

    name: Name
    recency: tuple[Quintile, Quintile] = (1, 5)
    frequency: tuple[Quintile, Quintile] = (1, 5)
    monetary: tuple[Quintile, Quintile] = (1, 5)

    def holds(self, recency: int, frequency: int, monetary: int) -> bool:
        """Whether these three quintiles lie in the block."""
        return (
            self.recency[0] <= recency <= self.recency[1]
            and self.frequency[0] <= frequency <= self.frequency[1]
            and self.monetary[0] <= monetary <= self.monetary[1]
        )


class RfmRules(Rules):
    """Named RFM segments: the first that holds a combination names it."""

    no_purchase: Name
    segments: tuple[RfmSegment, ...]

    @model_validator(mode="after")
    def _everyone_has_a_name(self) -> Self:
        named = self.names()
        missing = [cell for cell, name in named.items() if name is None]
        if missing:
            raise ValueError(f"no segment names recency-frequency-monetary {missing}")
        unused = {segment.name for segment in self.segments} - set(named.values())
        if unused:
            raise ValueError(f"earlier segments leave nothing for {sorted(unused)}")
        return self

    def names(self) -> dict[tuple[int, int, int], str | None]:
        """The segment of each of the 125 combinations of quintiles."""
        return {
            (r, f, m): next((s.name for s in self.segments if s.holds(r, f, m)), None)
            for r, f, m in product(QUINTILES, repeat=3)
        }


class ValueWeights(Rules):
    """Weights of the percentiles in the value rank; they sum to one."""

    monetary: Share
    frequency: Share
    recency: Share

    @model_validator(mode="after")
    def _sum_to_one(self) -> Self:
        _check_sum(self.monetary + self.frequency + self.recency)
        return self


class ActivityWeights(Rules):
    """Weights of the percentiles in the activity rank; they sum to one."""

    active_days: Share
    events: Share
    recency: Share

    @model_validator(mode="after")
    def _sum_to_one(self) -> Self:
        _check_sum(self.active_days + self.events + self.recency)
        return self


class TierCuts(Rules):
    """Shares of the tiered users that each tier may take."""

    select_share: Share
    high_share: Share
    mid_share: Share
    potential_growth_share: Share
    potential_order_value_share: Share
    potential_max_orders: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _fit_in_the_whole(self) -> Self:
        if self.select_share + self.high_share + self.mid_share > 1:
            raise ValueError("select, high and mid together take more than everyone")
        return self


class ActivityRules(Rules):
    """When a user counts as silent, growing, new or back; all in days."""

    dormant_days: Days
    lost_days: Days
    at_risk_gaps: Annotated[float, Field(gt=0)]
    new_days: Days
    won_back_days: Days
    growth_smoothing_days: Annotated[float, Field(gt=0)]
    growing_above: Annotated[float, Field(ge=0)]

    @model_validator(mode="after")
    def _lost_after_dormant(self) -> Self:
        if not self.won_back_days < self.dormant_days < self.lost_days:
            raise ValueError("won_back_days < dormant_days < lost_days must hold")
        return self


class ClvRules(Rules):
    """How the lifetime value is fitted and counted."""

    purchase_model: Literal["mbgnbd", "bgnbd"]
    annual_discount_rate: Annotated[float, Field(ge=0, lt=1)]
    margin_rate_when_unknown: Annotated[float, Field(gt=0, le=1)]
    refit_days: Days
    min_repeat_customers: Annotated[int, Field(ge=1)]
    max_iterations: Annotated[int, Field(ge=1)]


class TiersConfig(Rules):
    """``config/tiers.yml`` as a whole."""

    version: Annotated[str, Field(pattern=r"^[0-9a-z.]+$")]
    value_weights: ValueWeights
    activity_weights: ActivityWeights
    cuts: TierCuts
    activity: ActivityRules
    clv: ClvRules
    rfm: RfmRules


def _check_sum(total: float) -> None:
    if abs(total - 1) > 1e-9:
        raise ValueError(f"the weights sum to {total:g}, not to 1")
