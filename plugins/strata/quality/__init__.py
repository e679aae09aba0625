"""Quality: what must hold of a stage's build before anybody may read it."""

import logging
import os

from strata.quality.docs import build_data_docs
from strata.quality.gate import run_gate
from strata.quality.outcome import GateFailed, GateOutcome, GateResult
from strata.quality.quarantine import release
from strata.quality.recording import law_result, record
from strata.quality.waivers import under_waivers, waive

# Great Expectations is imported later, and reads this then: no calls home.
os.environ["GX_ANALYTICS_ENABLED"] = "false"
# What it logs of an error quotes the engine, which may quote a row.
logging.getLogger("great_expectations").setLevel(logging.CRITICAL)

__all__ = [
    "GateFailed",
    "GateOutcome",
    "GateResult",
    "build_data_docs",
    "law_result",
    "record",
    "release",
    "run_gate",
    "under_waivers",
    "waive",
]
