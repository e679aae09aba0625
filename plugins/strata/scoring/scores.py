"""The scores there are: each a name, a version, and a function of a snapshot.

A new score is one more entry of ``SCORES``; the stage writes whatever is in it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from strata.scoring.clv import HORIZONS_DAYS, has_history
from strata.scoring.optimum import Floats
from strata.scoring.ranks import Flags, Standing, standing
from strata.scoring.snapshot import Snapshot


@dataclass(frozen=True)
class Scored:
    """Values of one score over the users of a snapshot, with their percentiles.

    Only users marked in ``has`` get a row; a NaN among them is a value that should
    be there and could not be had.
    """

    has: Flags
    values: Floats
    percentiles: Floats


@dataclass(frozen=True)
class Score:
    """A score, the version it is known by, and how it is had."""

    name: str
    version: Callable[[Snapshot], str]
    function: Callable[[Snapshot], Scored]


def _by_rules(name: str, version: str, function: Callable[[Snapshot], Scored]) -> Score:
    """A score that follows from rules alone: its version names their content."""
    return Score(name, lambda s: f"{name}-{version}-{s.rules.fingerprint}", function)


def _ranked(values: Floats, among: Flags) -> Scored:
    return Scored(among, values, standing(values, among).percentile)


def _rfm_quintile(name: str) -> Score:
    def function(snapshot: Snapshot) -> Scored:
        rfm = snapshot.rfm
        place: Standing = getattr(rfm, name)
        quintile = rfm.quintiles[name].astype(float)
        return Scored(rfm.is_buyer, quintile, place.percentile)

    return _by_rules(f"rfm_{name}", "1", function)


def _lifetime_value(column: int) -> Score:
    def function(snapshot: Snapshot) -> Scored:
        values = snapshot.lifetime_values[:, column]
        known = standing(values, ~np.isnan(values))
        return Scored(has_history(snapshot.users), values, known.percentile)

    name = f"clv_{HORIZONS_DAYS[column]}d"
    return Score(name, lambda snapshot: snapshot.clv.version, function)


def _rfm_rank(snapshot: Snapshot) -> Scored:
    return _ranked(snapshot.value.rfm_rank, snapshot.value.is_buyer)


def _value_rank(snapshot: Snapshot) -> Scored:
    return _ranked(snapshot.value.rank, snapshot.everyone)


def _activity_rank(snapshot: Snapshot) -> Scored:
    return _ranked(snapshot.value.activity_rank, ~snapshot.value.is_buyer)


def _activity_growth(snapshot: Snapshot) -> Scored:
    return _ranked(snapshot.growth, snapshot.everyone)


SCORES: tuple[Score, ...] = (
    _rfm_quintile("recency"),
    _rfm_quintile("frequency"),
    _rfm_quintile("monetary"),
    _by_rules("rfm_rank", "1", _rfm_rank),
    _lifetime_value(0),
    _lifetime_value(1),
    _by_rules("value_rank", "1", _value_rank),
    _by_rules("activity_rank", "1", _activity_rank),
    _by_rules("activity_growth_90d", "1", _activity_growth),
)
