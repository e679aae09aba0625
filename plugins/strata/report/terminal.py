"""The summary of a run in the terminal."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from strata.report.summary import OPERATIONS, VERDICTS, GateCounts, RunSummary
from strata.report.verdict import judge
from strata.report.wording import duration, number, plural, share

_MOST_WARNED = 12
_TONES = {"good": "green", "warn": "yellow", "bad": "red", "busy": "blue"}
_VERDICT_STYLES = {
    "passed": "green",
    "warned": "yellow",
    "quarantined": "magenta",
    "failed": "red",
    "errored": "red",
}


def render_summary(summary: RunSummary, console: Console) -> None:
    """Print what a run did and where its results lie; values are never markup."""
    verdict = judge(summary)
    console.print()
    console.print(
        Text.assemble(
            (f"{summary.world} {summary.ds}", "bold"),
            ("  run ", "dim"),
            summary.run_id,
            ("  took ", "dim"),
            duration(summary.seconds),
        )
    )
    console.print(Text(verdict.title, style=f"bold {_TONES[verdict.tone]}"))
    console.print(Text(verdict.text))
    if summary.error and summary.status != "succeeded":
        console.print(Text(summary.error, style="red"), soft_wrap=True)
    console.print()
    console.print(_stages(summary))
    for table in summary.not_conserved:
        lost = f"{table.stage} {table.table}: {number(table.missing)} rows unaccounted"
        console.print(Text(lost, style="bold red"))
    _warned(summary, console)
    _late(summary, console)
    _stale(summary, console)
    if summary.tiers:
        console.print(_tiers(summary))
    if summary.sync:
        console.print(_sync(summary))
    _places(summary, console)


def _table(title: str, first: str, numbers: list[str]) -> Table:
    table = Table(
        title=title,
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        title_justify="left",
        title_style="bold",
    )
    table.add_column(first, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _stages(summary: RunSummary) -> Table:
    table = _table(
        "Stages", "stage", ["took", "rows in", "rows out", "dedup.", "quar."]
    )
    table.add_column("gate")
    for name, stage in summary.stages.items():
        table.add_row(
            Text(name),
            duration(stage.seconds),
            number(stage.rows_in),
            number(stage.rows_out),
            number(stage.deduplicated),
            number(stage.quarantined),
            _gate(stage.gate),
        )
    return table


def _gate(gate: GateCounts) -> Text:
    """``18 passed, 1 warned``: what did not occur is left out."""
    found = [(v, getattr(gate, v)) for v in VERDICTS if getattr(gate, v)]
    if not found:
        return Text("not checked", style="dim")
    parts = [Text(f"{n:,} {verdict}", _VERDICT_STYLES[verdict]) for verdict, n in found]
    return Text(", ").join(parts)


def _warned(summary: RunSummary, console: Console) -> None:
    """What was not met and did not stop the run, one line each."""
    for one in summary.warned[:_MOST_WARNED]:
        line = Text.assemble(
            (one.verdict, _VERDICT_STYLES[one.verdict]),
            f" {one.table}: {one.observed}  ",
            (one.expectation, "dim"),
        )
        console.print(line, soft_wrap=True)
    left = len(summary.warned) - _MOST_WARNED
    if left > 0:
        console.print(f"and {number(left)} more: `strata gate results` lists them")
    if summary.warned:
        console.print()


def _late(summary: RunSummary, console: Console) -> None:
    """Rows that are missing in days that are published, and how to take them in."""
    if summary.late_remedy is None:
        return
    line = Text.assemble(
        (f"{plural(summary.late_count, 'row')} came too late", "yellow"),
        " for days that are published without them. To take them in: ",
        (summary.late_remedy, "bold"),
    )
    console.print(line, soft_wrap=True)
    console.print()


def _stale(summary: RunSummary, console: Console) -> None:
    """Days that rest on an older one rebuilt since, and what to run."""
    if summary.stale_remedy is None:
        return
    line = Text.assemble(
        (f"{plural(len(summary.stale_days), 'published day')} stale", "yellow"),
        ", since an older day was rebuilt. To bring them up to date: ",
        (summary.stale_remedy, "bold"),
    )
    console.print(line, soft_wrap=True)
    console.print()


def _tiers(summary: RunSummary) -> Table:
    table = _table("Tiers", "tier", ["users", "share"])
    everyone = sum(summary.tiers.values())
    for tier, users in summary.tiers.items():
        table.add_row(Text(tier), number(users), share(users, everyone))
    return table


def _sync(summary: RunSummary) -> Table:
    table = _table("Written to the CRM", "target", list(OPERATIONS))
    for target, counts in summary.sync.items():
        table.add_row(Text(target), *(number(counts[o]) for o in OPERATIONS))
    return table


def _places(summary: RunSummary, console: Console) -> None:
    names = {
        "report": "Report",
        "data_docs": "Data Docs",
        "serving": "Published tables",
        "crm": "CRM",
    }
    for key, path in summary.paths.items():
        where = path or "not there for this run"
        line = Text.assemble((f"{names.get(key, key):<18}", "dim"), where)
        console.print(line, soft_wrap=True)
