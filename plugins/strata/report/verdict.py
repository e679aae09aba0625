"""How a run went, in one line that nobody has to decode."""

from dataclasses import dataclass
from typing import Literal

from strata.report.summary import RunSummary
from strata.report.wording import number, plural

Tone = Literal["good", "warn", "bad", "busy"]


@dataclass(frozen=True)
class Verdict:
    """``title`` says how it ended, ``text`` what that means for the reader."""

    tone: Tone
    title: str
    text: str


def judge(summary: RunSummary) -> Verdict:
    """The verdict on a run, the worst thing first."""
    if summary.status == "failed":
        return Verdict("bad", _stopped(summary), _what_stands(summary))
    if summary.status == "interrupted":
        return Verdict("bad", "Interrupted: its process ended", _what_stands(summary))
    if summary.status != "succeeded":
        return Verdict("busy", "Not finished yet", _what_stands(summary))
    if summary.not_conserved:
        tables = plural(len(summary.not_conserved), "table")
        return Verdict(
            "bad", f"Finished, but rows are missing in {tables}", _did(summary)
        )
    gate = summary.gate
    if gate.failed or gate.errored:
        checks = plural(gate.failed + gate.errored, "check")
        return Verdict("bad", f"Finished although {checks} did not pass", _did(summary))
    if gate.warned or gate.quarantined:
        warnings = plural(gate.warned + gate.quarantined, "warning")
        return Verdict("warn", f"Finished, with {warnings}", _did(summary))
    if not gate.total:
        return Verdict("warn", "Finished, but nothing was checked", _did(summary))
    return Verdict("good", "Finished, and every check passed", _did(summary))


def _stopped(summary: RunSummary) -> str:
    stage = summary.failed_stage
    if stage is None:
        return "Stopped by an error"
    gate = summary.stages[stage].gate if stage in summary.stages else None
    if gate is None or not (gate.failed or gate.errored):
        return f"Stopped by an error in {stage}"
    reasons = []
    if gate.failed:
        reasons.append(f"{plural(gate.failed, 'check')} failed")
    if gate.errored:
        reasons.append(f"{plural(gate.errored, 'check')} could not be evaluated")
    return f"Stopped at the gate after {stage}: {' and '.join(reasons)}"


def _what_stands(summary: RunSummary) -> str:
    """Which stages of an unfinished run are already visible to readers."""
    if not summary.published:
        stands = "Nothing of this run was published: readers see the day before."
    else:
        stands = (
            f"Published before it stopped: {', '.join(summary.published)}. "
            "Readers see the tables of the day before for everything after that."
        )
    if summary.crm_written:
        return f"{stands} {_crm(summary)}"
    return f"{stands} Nothing was written to a CRM."


def _did(summary: RunSummary) -> str:
    tiered = sum(summary.tiers.values())
    parts = [
        f"{number(tiered)} users have a tier." if tiered else "No user has a tier.",
        _crm(summary),
    ]
    if not summary.is_newest:
        parts.append("A later day is already published: this run rebuilt its own only.")
    return " ".join(parts)


def _crm(summary: RunSummary) -> str:
    if not summary.sync:
        return "No CRM was written to."
    records = plural(summary.crm_written, "CRM record")
    refused = sum(counts["refused"] for counts in summary.sync.values())
    was = "was" if summary.crm_written == 1 else "were"
    if not summary.crm_written and not refused:
        return "The CRM was up to date already."
    if refused:
        return f"{records} {was} written, {number(refused)} refused."
    return f"{records} {was} written."
