"""What a write-back did, or would do."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Difference:
    """One record that differs: its changed fields, as they are and as they should be.

    None stands for a field without a value.
    """

    record_key: str
    operation: str
    before: Mapping[str, str | None]
    after: Mapping[str, str | None]


@dataclass(frozen=True)
class SyncSummary:
    """Counts of CRM records of one target; each is counted once in the first six.

    ``refused``: by the CRM, now; ``held``: refused too often before, waiting for a
    replay. ``settled``: sends of a killed run that had arrived after all.
    ``mismatched``: sampled records that did not hold what the ledger said. In a dry
    run the counts are what a sync would try, and ``differences`` is a sample of it.
    """

    target: str
    created: int = 0
    updated: int = 0
    cleared: int = 0
    refused: int = 0
    unchanged: int = 0
    held: int = 0
    settled: int = 0
    mismatched: int = 0
    is_dry_run: bool = False
    differences: tuple[Difference, ...] = ()
    warnings: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        """The figures of a run's report."""
        return {
            "created": self.created,
            "updated": self.updated,
            "cleared": self.cleared,
            "refused": self.refused,
            "unchanged": self.unchanged,
        }

    def to_json(self) -> dict[str, Any]:
        """Everything, for a terminal or the evidence bundle. Holds no PII."""
        return asdict(self)
