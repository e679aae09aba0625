"""Data Docs of a run: every check, readable without a network and without a server.

Great Expectations renders each suite; the frame around it is ours, since its own pulls
styles and scripts from the web. One site a run: its builder slows down with every run
that it keeps.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from strata.quality.outcome import document_file, gate_file
from strata.run import Run
from strata.warehouse.tables import STAGES

_HERE = Path(__file__).parent
_NOT_OURS = re.compile(r"<script.*?</script>|<link[^>]*>|</?a\b[^>]*>", re.DOTALL)


@dataclass(frozen=True)
class _Table:
    """One table of a stage with its results, and where its page lies."""

    stage: str
    name: str
    results: Sequence[Mapping[str, Any]]
    link: str

    @property
    def counts(self) -> dict[str, int]:
        return dict(Counter(result["verdict"] for result in self.results))


@dataclass(frozen=True)
class _Stage:
    name: str
    tables: Sequence[_Table]


def build_data_docs(run: Run) -> Path:
    """Write the site of a run from the results that its gates left; its index.

    Stages that did not get to their gate are left out, so that a run that was stopped
    has its Data Docs too.
    """
    site = run.report_dir / "data_docs"
    site.mkdir(parents=True, exist_ok=True)
    page = _template()
    stages = []
    for name in STAGES:
        results = _read(gate_file(run, name), {"results": []})["results"]
        documents = {d["suite_name"]: d for d in _read(document_file(run, name), [])}
        if not results:
            continue
        tables = [
            _Table(
                name,
                table,
                [r for r in results if r["table_name"] == table],
                f"{name}/{table.replace('/', '.')}.html",
            )
            for table in dict.fromkeys(r["table_name"] for r in results)
        ]
        stages.append(_Stage(name, tables))
        for table in tables:
            # A law checked outside a suite has results, but no document.
            document = documents.get(table.name)
            body = _rendered(document) if document else None
            text = page.render(
                title=table.name, table=table, body=body, run_id=run.run_id
            )
            _write(site / table.link, text)
    index = site / "index.html"
    title = f"Data Docs of run {run.run_id}"
    _write(index, page.render(title=title, table=None, ds=run.ds, stages=stages))
    return index


def _rendered(document: Mapping[str, Any]) -> Markup:
    """Great Expectations' sections of one suite, without scripts and outside links.

    Where it cannot render a suite the page says so: its own table above is whole, and
    a run must not fail for a view.
    """
    from strata.quality import rendering

    try:
        parts = [_NOT_OURS.sub("", part) for part in rendering.sections(document)]
    except Exception as error:
        told = f"Great Expectations could not render this suite: {type(error).__name__}"
        return Markup("<p>{}</p>").format(told)
    return Markup("\n".join(parts))


def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["style"] = Markup((_HERE / "page.css").read_text("utf-8"))
    return environment.get_template("page.html.j2")


def _read(path: Path, absent: Any) -> Any:
    return json.loads(path.read_text("utf-8")) if path.exists() else absent


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
