"""The sample world: twelve systems of an invented company, with a hidden truth.

Deterministic (a seed gives the bytes), dirty on purpose, and arriving by day.
"""

from strata.config.sample import SampleConfig
from strata.sample.crm import WorldMismatchError
from strata.sample.world import Advance, World, advance, describe, last_day

__all__ = [
    "Advance",
    "SampleConfig",
    "World",
    "WorldMismatchError",
    "advance",
    "describe",
    "last_day",
]
