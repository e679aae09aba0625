"""Quality: what must hold of a stage's build before anybody may read it."""

import os

from strata.quality.docs import build_data_docs
from strata.quality.gate import run_gate
from strata.quality.outcome import GateFailed, GateOutcome, GateResult
from strata.quality.quarantine import release
from strata.quality.recording import law_result, record

# Great Expectations reads this when it is imported, which happens later: no calls home.
os.environ["GX_ANALYTICS_ENABLED"] = "false"

__all__ = [
    "GateFailed",
    "GateOutcome",
    "GateResult",
    "build_data_docs",
    "law_result",
    "record",
    "release",
    "run_gate",
]
