"""What every stage is told about the run it works for."""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from strata.dates import day_bounds


@dataclass(frozen=True)
class Run:
    """One attempt at one day of one tenant.

    ``is_newest`` is False for a day older than the newest published one: such a run
    rebuilds that day's snapshots and neither moves "current" nor writes to a CRM.
    """

    run_id: str
    ds: date
    world: str
    home: Path
    timezone: str
    is_newest: bool = True

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """The local day ``ds`` as naive UTC, end exclusive."""
        return day_bounds(self.ds, self.timezone)

    @property
    def report_dir(self) -> Path:
        """Where this attempt's report, gate results and Data Docs lie."""
        return self.home / "reports" / self.ds.isoformat() / self.run_id
