"""The run report: one HTML page that needs neither a network nor a server."""

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from strata.report import charts, wording
from strata.report.detail import Check, Detail, PastRun, read_detail
from strata.report.reading import Reader
from strata.report.summarising import PATHS
from strata.report.summary import VERDICTS, RunSummary
from strata.report.verdict import judge
from strata.run import Run
from strata.warehouse.tables import STAGES

_HERE = Path(__file__).parent
_LISTED_CHECKS = 60
_LISTED_KEYS = 3


def write_report(con: duckdb.DuckDBPyConnection, run: Run, summary: RunSummary) -> Path:
    """Write ``report.html`` into the run's report folder and return its path.

    The file appears whole or not at all. The same summary over the same tables gives
    the same bytes: the page reads no clock.
    """
    target = run.report_dir / "report.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    detail = read_detail(Reader(con), summary)
    _write_atomically(target, render_page(run, summary, detail))
    return target


def render_page(run: Run, summary: RunSummary, detail: Detail) -> str:
    """The page as text; every value in it is escaped, every script known by its hash."""
    stopping = _stopping(summary, detail)
    others = [c for c in detail.checks if c.verdict != "passed" and c not in stopping]
    page = _environment().get_template("page.html.j2")
    return page.render(
        run=run,
        s=summary,
        d=detail,
        verdict=judge(summary),
        cards=_cards(summary, detail),
        stages=STAGES,
        verdicts=VERDICTS,
        stopping=stopping,
        others=others,
        listed_checks=_LISTED_CHECKS,
        listed_keys=_LISTED_KEYS,
        data_docs=_there(run, PATHS["data_docs"]),
        documentation=_there(run, "../../../docs/index.html"),
        document=partial(_document, run),
        places=_places(run, summary),
        past_link={past.run_id: _link_to(run, past) for past in detail.runs},
        style=Markup(_own("page.css")),
        **_drawing(_figures(summary, detail)),
    )


def _drawing(figures: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The figures, the library that draws them, and the policy that allows no more."""
    library, drawing = _script(get_plotlyjs()), _script(_own("page.js"))
    return {
        "figures": set(figures),
        "figures_json": _embedded(figures),
        "library": library,
        "drawing": drawing,
        "script_sources": f"{_hash(library)} {_hash(drawing)}",
    }


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in (
        "number",
        "signed",
        "share",
        "duration",
        "long_date",
        "local_time",
        "plural",
        "words",
        "masked",
    ):
        environment.filters[name] = getattr(wording, name)
    return environment


def _own(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _script(text: str) -> Markup:
    """A script that may stand inside the page as it is."""
    if "</script" in text.lower() or "<!--" in text:
        raise ValueError("a script that ends its own element cannot be embedded")
    return Markup(text)


def _hash(script: Markup) -> str:
    """The source expression by which the page's policy lets ``script`` run."""
    digest = hashlib.sha256(str(script).encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _embedded(figures: Mapping[str, Mapping[str, Any]]) -> Markup:
    """Figures as JSON that cannot end the element it stands in."""
    text = json.dumps(figures, separators=(",", ":"), ensure_ascii=True)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _figures(summary: RunSummary, detail: Detail) -> dict[str, dict[str, Any]]:
    """What can be drawn of this run, by the id of its place in the page."""
    draws: dict[str, charts.Draw] = {}
    if summary.tiers:
        draws["tier-sizes"] = charts.tier_sizes(summary.tiers)
        draws["rfm"] = charts.counts(detail.people.rfm)
        draws["lifecycle"] = charts.counts(detail.people.lifecycle)
    if any(charts.shares_of([t.revenue, t.clv]) for t in detail.people.tiers):
        draws["value-shares"] = charts.value_shares(detail.people.tiers)
    if len(detail.people.history) > 1:
        draws["tier-history"] = charts.tier_history(
            detail.people.history, list(summary.tiers)
        )
    if summary.gate.total:
        gated = {name: s for name, s in summary.stages.items() if s.gate.total}
        draws["gates"] = charts.gates(gated)
    return {
        name: {
            "light": draw(charts.LIGHT).to_plotly_json(),
            "dark": draw(charts.DARK).to_plotly_json(),
        }
        for name, draw in draws.items()
    }


def _cards(summary: RunSummary, detail: Detail) -> list[tuple[str, str, str]]:
    """Key figures: name, value, what to compare it with."""
    cards: list[tuple[str, str, str]] = []
    if summary.tiers:
        cards += _tier_cards(summary, detail)
    gate = summary.gate
    cards.append(
        (
            "Checks passed",
            f"{gate.passed:,} of {gate.total:,}",
            f"{gate.warned + gate.quarantined:,} warned, "
            f"{gate.failed + gate.errored:,} failed or errored",
        )
    )
    ingest = summary.stages.get("ingest")
    if ingest and ingest.rows_in is not None:
        cards.append(
            (
                "Rows read",
                wording.number(ingest.rows_in),
                f"{ingest.quarantined:,} quarantined at ingest",
            )
        )
    if summary.sync:
        refused = sum(counts["refused"] for counts in summary.sync.values())
        cards.append(
            (
                "CRM records written",
                wording.number(summary.crm_written),
                f"{refused:,} refused",
            )
        )
    return cards


def _tier_cards(summary: RunSummary, detail: Detail) -> list[tuple[str, str, str]]:
    tiered = sum(summary.tiers.values())
    befores = [t.before for t in detail.people.tiers if t.before is not None]
    change = f"{wording.signed(tiered - sum(befores))} since {summary.previous_ds}"
    at_risk = sum(facts.at_risk for facts in detail.people.tiers)
    dormant = sum(facts.dormant for facts in detail.people.tiers)
    cards = [
        (
            "Users with a tier",
            wording.number(tiered),
            change if befores else "the first published day",
        ),
        (
            "At risk",
            wording.number(at_risk),
            f"{wording.share(at_risk, tiered)} of users; "
            f"{wording.number(dormant)} dormant",
        ),
    ]
    revenue = charts.shares_of([facts.revenue for facts in detail.people.tiers])
    top = [i for i, t in enumerate(detail.people.tiers) if t.tier in ("select", "high")]
    if revenue:
        held = sum(revenue[i] for i in top)
        users = sum(detail.people.tiers[i].users for i in top)
        cards.append(
            (
                "Held by select and high",
                wording.share(held, 1),
                f"of revenue over 365 days, by {wording.share(users, tiered)} of users",
            )
        )
    return cards


def _stopping(summary: RunSummary, detail: Detail) -> list[Check]:
    """The checks that stopped a failed run."""
    if summary.status != "failed":
        return []
    return [c for c in detail.checks if c.verdict in ("failed", "errored")]


def _there(run: Run, relative: str) -> str | None:
    """A file beside the page as a link from it; None where there is no such file."""
    return quote(relative) if (run.report_dir / relative).exists() else None


def _document(run: Run, check: Check) -> str | None:
    """The page of the Data Docs that holds ``check``."""
    return _there(run, f"data_docs/{check.stage}/{check.table}.html")


def _places(run: Run, summary: RunSummary) -> list[tuple[str, str, str]]:
    """Where things lie: name, path below STRATA_HOME, for whom."""
    world = run.home.resolve().name
    report = f"{world}/reports/{summary.ds}/{summary.run_id}"
    return [
        ("Published tables", f"{world}/serving/strata.duckdb", "read-only copy for BI"),
        (
            "The same as Parquet",
            f"{world}/serving/parquet/",
            "a file a table, or a day",
        ),
        ("CRM", f"{world}/crm/crm.db", "the embedded CRM, if this world has one"),
        ("Gate results", f"{report}/gates/", "one JSON file a gate, also on failure"),
        ("Data Docs", f"{report}/data_docs/", "every check as the library shows it"),
        ("Documentation", f"{world}/docs/", "tables, columns, features and metrics"),
        (
            "Warehouse",
            f"{world}/warehouse/strata.duckdb",
            "locked while a run writes: read the copy",
        ),
        ("Raw loads", f"{world}/raw/", "append-only files; holds personal data"),
    ]


def _link_to(run: Run, past: PastRun) -> str | None:
    """The report of another run as seen from this one's folder, if it is there."""
    if past.run_id == run.run_id:
        return None
    day = past.ds.isoformat()
    report = run.home / "reports" / day / past.run_id / "report.html"
    if not report.exists():
        return None
    return quote(f"../../{day}/{past.run_id}/report.html")


def _write_atomically(target: Path, text: str) -> None:
    partial = target.with_name(f".{target.name}.partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(target)
