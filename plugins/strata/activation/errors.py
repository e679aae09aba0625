"""Why a write-back stopped. Each error says what to do next."""

from strata.activation.summary import SyncSummary


class SyncError(RuntimeError):
    """A write-back that did not start, or stopped; ``summary`` is what it had done."""

    def __init__(self, message: str, summary: SyncSummary | None = None) -> None:
        super().__init__(message)
        self.summary = summary


class StaleRunError(SyncError):
    """The run is for a day before the newest one: the CRM is ahead of it."""


class DesiredStateError(SyncError):
    """``activation.desired`` cannot be sent as it is."""


class CircuitOpenError(SyncError):
    """Too much would change, or too much was refused."""


class SyncInterruptedError(SyncError):
    """The CRM stopped answering; the next start settles what was under way."""


class ReadBackError(SyncError):
    """The CRM does not hold what it acknowledged."""
