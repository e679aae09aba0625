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
    CircuitOpenError,
    DesiredStateError,
    ReadBackError,
    StaleRunError,
    SyncError,
    SyncInterruptedError,
)
from strata.activation.ledger import replay
from strata.activation.summary import Difference, SyncSummary
from strata.activation.sync import sync

__all__ = [
    "BatchRefusedError",
    "CircuitOpenError",
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
