"""What every stage is told about the run it works for."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

from strata.dates import day_bounds


@dataclass(frozen=True)
class Decision:
    """Who wants older days restated, and why.

    Raises ``ValueError`` where name or reason is missing.
    """

    by: str
    reason: str

    def __post_init__(self) -> None:
        if not self.by.strip() or not self.reason.strip():
            raise ValueError(
                "a restatement needs the name of who decides it, and a reason"
            )


@dataclass(frozen=True)
class Run:
    """One attempt at one day of one tenant, or at several days in a row.

    ``ds`` is the day, and of several the last; ``since`` is the first of several.
    ``is_newest`` is False for days older than the newest published one: such a run
    rebuilds their snapshots and neither moves "current" nor writes to a CRM.
    """

    run_id: str
    ds: date
    world: str
    home: Path
    timezone: str
    is_newest: bool = True
    since: date | None = None

    @property
    def days(self) -> tuple[date, ...]:
        """The days to build, oldest first."""
        first = self.since or self.ds
        return tuple(first + timedelta(n) for n in range((self.ds - first).days + 1))

    def of_day(self, ds: date) -> "Run":
        """The same attempt, at one of its days alone."""
        return replace(self, ds=ds, since=None)

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """The local day ``ds`` as naive UTC, end exclusive."""
        return day_bounds(self.ds, self.timezone)

    @property
    def report_dir(self) -> Path:
        """Where this attempt's report, gate results and Data Docs lie."""
        return self.home / "reports" / self.ds.isoformat() / self.run_id
