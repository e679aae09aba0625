"""The way out: tiers written back to a CRM, only the difference, and only once."""

from strata.activation.client import (
    BatchRefusedError,
    ClientUnavailableError,
    CrmClient,
    Outcome,
    Record,
)
from strata.activation.connect import open_client
from strata.activation.errors import (
    BreakerOpenError,
    DesiredStateError,
    ReadBackError,
    StaleRunError,
    SyncError,
    SyncInterruptedError,
)
from strata.activation.ledger import DDL, replay
from strata.activation.summary import Difference, SyncSummary
from strata.activation.sync import sync

__all__ = [
    "DDL",
    "BatchRefusedError",
    "BreakerOpenError",
    "ClientUnavailableError",
    "CrmClient",
    "DesiredStateError",
    "Difference",
    "Outcome",
    "ReadBackError",
    "Record",
    "StaleRunError",
    "SyncError",
    "SyncInterruptedError",
    "SyncSummary",
    "open_client",
    "replay",
    "sync",
]
