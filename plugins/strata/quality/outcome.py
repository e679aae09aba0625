"""What a gate found: its results, whether they stop the run, and where they lie."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from strata.run import Run

Verdict = Literal["passed", "warned", "failed", "quarantined", "errored"]
STOPPING: tuple[Verdict, ...] = ("failed", "errored")
OPEN = frozenset(
    {"_load_id", "_file", "_row", "unified_user_id", "edge_id", "ds", "activity_on"}
    | {"channel_group", "rank", "score_name", "model", "version", "name", "guard"}
)
"""Columns of keys that Strata made itself: a place in a file, an id, a name of ours. A
key that a source made may be an identifier, such as a cookie or an openid."""


@dataclass(frozen=True)
class GateResult:
    """One expectation of one run: a row of ``audit.gate_results``.

    ``sample_keys``: a JSON list of failing rows by key, at most 20; a key may be that
    of a person, so only ``open_keys`` of it leave the warehouse. Nothing else here is a
    value of a row. ``waiver_id``: the waiver under which it warns instead of failing.
    """

    run_id: str
    ds: date
    stage: str
    table_name: str
    suite_version: str
    expectation: str
    kind: str
    column_name: str | None
    severity: str
    verdict: Verdict
    observed: str
    threshold: str
    unexpected_count: int | None
    checked_rows: int | None
    sample_keys: str | None
    owner: str
    why: str
    fingerprint: str | None
    _started_at: datetime
    _ended_at: datetime
    waiver_id: str | None = None

    @property
    def told(self) -> str:
        """One line for a person."""
        return (
            f"{self.verdict}: {self.table_name}: {self.expectation}: {self.observed} "
            f"(allowed: {self.threshold}; owner: {self.owner})"
        )


def open_keys(sample_keys: str | None) -> str | None:
    """``sample_keys`` as they may leave the warehouse: whole, or not at all."""
    found = json.loads(sample_keys) if sample_keys else []
    is_open = all(isinstance(key, dict) and key.keys() <= OPEN for key in found)
    return sample_keys if is_open else None


@dataclass(frozen=True)
class Aside:
    """Rows of one raw entity to be set aside: where they are, not what they hold.

    ``relation`` is the entity in this run's build; ``conditions`` gives, for each rule
    that failed, the SQL condition of its bad rows over a row ``t``; ``rows`` counts
    the rows that meet any of them.
    """

    system: str
    entity: str
    relation: str
    conditions: Mapping[str, str]
    rows: int


@dataclass(frozen=True)
class GateOutcome:
    """What the gate of one stage found in one run."""

    stage: str
    run: Run
    results: tuple[GateResult, ...]
    aside: tuple[Aside, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Expectations by verdict; every verdict is named."""
        found = Counter(result.verdict for result in self.results)
        return {verdict: found[verdict] for verdict in get_args(Verdict)}

    @property
    def stops(self) -> bool:
        """Whether the run may not go on."""
        return any(result.verdict in STOPPING for result in self.results)

    @property
    def quarantined_rows(self) -> int:
        """Raw rows to be set aside; none where the run stops."""
        return 0 if self.stops else sum(part.rows for part in self.aside)

    def with_results(self, more: Sequence[GateResult]) -> "GateOutcome":
        """This outcome with further results, such as laws checked outside a suite."""
        return replace(self, results=(*self.results, *more))

    def raise_if_stopped(self) -> None:
        """Raise ``GateFailed`` where an expectation failed or raised."""
        if self.stops:
            raise GateFailed(self.stage, self)


class GateFailed(RuntimeError):  # noqa: N818 - it says what happened
    """A gate stops the run. Tells tables, rules, counts and where to look; no values."""

    def __init__(self, stage: str, outcome: GateOutcome) -> None:
        self.stage = stage
        self.outcome = outcome
        run = outcome.run
        faults = [r.told for r in outcome.results if r.verdict in STOPPING]
        super().__init__(
            f"the gate of stage {stage} stops run {run.run_id} (ds {run.ds}): "
            f"{len(faults)} of {len(outcome.results)} expectations stop it; details are "
            f"in {gate_file(run, stage).relative_to(run.home)}, failing rows by key in "
            "strata gate results --keys\n" + "\n".join(f"  {fault}" for fault in faults)
        )


def gate_file(run: Run, stage: str) -> Path:
    """The stage's results as JSON, written whatever happens afterwards."""
    return run.report_dir / "gates" / f"{stage}.json"


def document_file(run: Run, stage: str) -> Path:
    """The stage's validation documents, from which the Data Docs are built."""
    return run.report_dir / "gates" / f"{stage}.gx.json"


def write_results(outcome: GateOutcome) -> None:
    """Write the outcome to :func:`gate_file`."""
    content = {
        "stage": outcome.stage,
        "run_id": outcome.run.run_id,
        "ds": outcome.run.ds,
        "stops": outcome.stops,
        "counts": outcome.counts,
        "quarantined_rows": outcome.quarantined_rows,
        "results": [
            asdict(replace(result, sample_keys=open_keys(result.sample_keys)))
            for result in outcome.results
        ],
    }
    write_json(gate_file(outcome.run, outcome.stage), content)


def write_json(path: Path, content: Any) -> None:
    """Write a whole file or none: a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    text = json.dumps(content, ensure_ascii=False, indent=1, default=str)
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(path)
