"""What a run did, in numbers: the form that ``strata report --json`` prints."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

OPERATIONS = ("created", "updated", "cleared", "refused", "unchanged")
VERDICTS = ("passed", "warned", "quarantined", "failed", "errored")


@dataclass(frozen=True)
class GateCounts:
    """How many expectations of a stage ended how."""

    passed: int = 0
    warned: int = 0
    quarantined: int = 0
    failed: int = 0
    errored: int = 0

    def __add__(self, other: "GateCounts") -> "GateCounts":
        return GateCounts(*(getattr(self, v) + getattr(other, v) for v in VERDICTS))

    @property
    def total(self) -> int:
        """All expectations that were looked at."""
        return sum(getattr(self, verdict) for verdict in VERDICTS)

    def to_json(self) -> dict[str, int]:
        """The four verdicts of the published form.

        Moving failing rows aside is a warning there: the run went on.
        """
        return {
            "passed": self.passed,
            "warned": self.warned + self.quarantined,
            "failed": self.failed,
            "errored": self.errored,
        }


@dataclass(frozen=True)
class TableRows:
    """Rows in and out of one table in one stage; None where nobody counted."""

    stage: str
    table: str
    rows_in: int | None
    rows_out: int | None
    deduplicated: int
    quarantined: int

    @property
    def missing(self) -> int | None:
        """Rows read that are neither out, nor deduplicated, nor quarantined.

        0 where the law of conservation holds, negative where rows came from nowhere,
        None where nobody counted what was read or what came out.
        """
        if self.rows_in is None or self.rows_out is None:
            return None
        return self.rows_in - self.rows_out - self.deduplicated - self.quarantined

    def to_json(self) -> dict[str, Any]:
        """The counts, and whether the law holds (null where it is not known)."""
        missing = self.missing
        return {
            "stage": self.stage,
            "table": self.table,
            "rows_in": self.rows_in,
            "rows_out": self.rows_out,
            "deduplicated": self.deduplicated,
            "quarantined": self.quarantined,
            "conserved": None if missing is None else missing == 0,
        }


@dataclass(frozen=True)
class Warned:
    """An expectation that was not met and did not stop the run. No value of a row."""

    stage: str
    table: str
    expectation: str
    verdict: str
    observed: str

    def to_json(self) -> dict[str, str]:
        """The finding under its own names."""
        return dict(vars(self))


@dataclass(frozen=True)
class StaleDay:
    """A published day that rests on an older one, which a run has rebuilt since."""

    ds: date
    because_of_run_id: str

    def to_json(self) -> dict[str, str]:
        """The day and the run under their own names."""
        return {"ds": self.ds.isoformat(), "because_of_run_id": self.because_of_run_id}


@dataclass(frozen=True)
class LateRows:
    """Facts of a day that came later than the look-back, with the run of the summary.

    Snapshots that were published from ``happened_on`` up to the day before
    ``known_on`` were made without them.
    """

    relation: str
    happened_on: date
    known_on: date
    rows: int

    def to_json(self) -> dict[str, str | int]:
        """The count under its own names."""
        return {
            "relation": self.relation,
            "happened_on": self.happened_on.isoformat(),
            "known_on": self.known_on.isoformat(),
            "rows": self.rows,
        }


@dataclass(frozen=True)
class StageSummary:
    """One stage of a run: seconds of wall time, rows, verdicts."""

    seconds: float | None
    rows_in: int | None
    rows_out: int | None
    deduplicated: int
    quarantined: int
    gate: GateCounts

    def to_json(self) -> dict[str, Any]:
        """The stage in the published form."""
        return {
            "seconds": self.seconds,
            "rows_in": self.rows_in,
            "rows_out": self.rows_out,
            "deduplicated": self.deduplicated,
            "quarantined": self.quarantined,
            "gate": self.gate.to_json(),
        }


@dataclass(frozen=True)
class Coverage:
    """Whom and what the run could compute. Counts of users; shares from 0 to 1."""

    users: int = 0
    with_tier: int = 0
    consent_given: int = 0
    consent_refused: int = 0
    consent_unknown: int = 0
    feature_null_share: float | None = None
    score_null_share: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The counts and shares under their own names."""
        return dict(vars(self))


@dataclass(frozen=True)
class RunSummary:
    """One run, as the JSON, the terminal and the page tell it.

    ``stages`` holds the stages that left a trace, in the order of the flow, and
    ``tiers`` is empty where this run published none. ``status`` is running,
    succeeded, failed or interrupted (its process died). Times are naive UTC.
    """

    ds: date
    world: str
    run_id: str
    status: str
    stages: dict[str, StageSummary]
    tiers: dict[str, int]
    sync: dict[str, dict[str, int]]
    paths: dict[str, str | None]
    fixed_seconds: float | None = None
    peak_mb: float | None = None
    failed_stage: str | None = None
    error: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    is_newest: bool = True
    reason: str | None = None
    previous_run_id: str | None = None
    manifest_hash: str | None = None
    config_hash: str | None = None
    code_version: str | None = None
    coverage: Coverage = field(default_factory=Coverage)
    tables: tuple[TableRows, ...] = ()
    published: tuple[str, ...] = ()
    warned: tuple[Warned, ...] = ()
    previous_ds: date | None = None
    stale_days: tuple[StaleDay, ...] = ()
    late_rows: tuple[LateRows, ...] = ()

    @property
    def stale_remedy(self) -> str | None:
        """What brings all stale days up to date; None where there is none."""
        if not self.stale_days:
            return None
        world = "" if self.world == "sample" else f"WORLD={self.world} "
        first, last = self.stale_days[0].ds, self.stale_days[-1].ds
        return f"make backfill {world}FROM={first} TO={last}"

    @property
    def late_count(self) -> int:
        """Rows that came later than the look-back."""
        return sum(late.rows for late in self.late_rows)

    @property
    def late_remedy(self) -> str | None:
        """What takes them into the days they are missing in; None where none is."""
        if not self.late_rows:
            return None
        world = "" if self.world == "sample" else f"--world {self.world} "
        first = min(late.happened_on for late in self.late_rows)
        last = max(late.known_on for late in self.late_rows) - timedelta(days=1)
        return f"strata restate {world}--from {first} --to {last} --by WHO --reason WHY"

    @property
    def gate(self) -> GateCounts:
        """The verdicts of all stages together."""
        return sum((s.gate for s in self.stages.values()), start=GateCounts())

    @property
    def seconds(self) -> float | None:
        """Wall time from start to end; None while the run is on."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()

    @property
    def not_conserved(self) -> tuple[TableRows, ...]:
        """Tables where rows were lost or came from nowhere."""
        return tuple(table for table in self.tables if table.missing)

    @property
    def crm_written(self) -> int:
        """CRM records created, updated or cleared, over all targets."""
        return sum(
            counts[operation]
            for counts in self.sync.values()
            for operation in ("created", "updated", "cleared")
        )

    def to_json(self) -> dict[str, Any]:
        """The run in the form of DESIGN §10, ready for ``json.dumps``.

        Keys beyond that form stand at its end.
        """
        return {
            "ds": self.ds.isoformat(),
            "world": self.world,
            "run_id": self.run_id,
            "stages": {name: stage.to_json() for name, stage in self.stages.items()},
            "tiers": dict(self.tiers),
            "sync": {target: dict(counts) for target, counts in self.sync.items()},
            "paths": dict(self.paths),
            "fixed_seconds": self.fixed_seconds,
            "peak_mb": self.peak_mb,
            "status": self.status,
            "failed_stage": self.failed_stage,
            "coverage": self.coverage.to_json(),
            "tables": [table.to_json() for table in self.tables],
            "warned": [finding.to_json() for finding in self.warned],
            "stale_days": [day.to_json() for day in self.stale_days],
            "reason": self.reason,
            "late_rows": [late.to_json() for late in self.late_rows],
        }


def in_order(names: Iterable[str], order: tuple[str, ...]) -> list[str]:
    """``names`` once each: the known ones as in ``order``, then the others by name."""
    found = set(names)
    return [n for n in order if n in found] + sorted(found - set(order))
