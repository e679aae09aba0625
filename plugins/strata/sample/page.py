"""The page that shows the world against its parameters; it opens without a network."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup, escape

from strata.config.sample import SampleConfig
from strata.sample.files import write_bytes
from strata.sample.findings import Finding, Line, Pair, findings
from strata.sample.world import describe

_WIDTH, _HEIGHT = 520, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 10, 8, 34


@dataclass(frozen=True)
class Shown:
    """What a page shows: counts of the world, and its findings."""

    told: dict[str, Any]
    found: tuple[Finding, ...]


def write_page(path: Path, world_dir: Path, config: SampleConfig) -> Shown:
    """Write the page of a world and return what it shows.

    Raises ``ValueError`` where no day of the world has been written.
    """
    shown = Shown(describe(world_dir, config), tuple(findings(world_dir, config)))
    environment = Environment(
        loader=PackageLoader("strata.sample", "."),
        autoescape=select_autoescape(default=True, default_for_string=True),
    )
    environment.filters["number"] = number
    text = environment.get_template("page.html.j2").render(
        told=shown.told,
        figures=[{"finding": one, "plot": _plot(one)} for one in shown.found],
    )
    write_bytes(path, text.encode())
    return shown


def number(value: float | None) -> str:
    """Four digits, or nothing."""
    return "" if value is None else f"{value:.4g}"


def _plot(finding: Finding) -> Markup:
    body = _curves(finding.lines) if finding.lines else _bars(finding.pairs)
    return Markup(
        '<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}</svg>'
    ).format(_WIDTH, _HEIGHT, finding.title, Markup("").join(body), _x(finding))


def _x(finding: Finding) -> Markup:
    return _text(_WIDTH / 2, _HEIGHT - 2, finding.x_title, "middle")


def _bars(pairs: Sequence[Pair]) -> list[Markup]:
    """Two bars a pair, with the whisker of what came."""
    ends = [p.came + 2 * (p.error or 0) for p in pairs] + [p.was_set for p in pairs]
    lows = [p.came - 2 * (p.error or 0) for p in pairs] + [p.was_set for p in pairs]
    scale = _Scale(min([0.0, *lows]), max([1e-9, *ends]))
    parts = scale.grid()
    step = (_WIDTH - _LEFT - _RIGHT) / max(len(pairs), 1)
    for place, pair in enumerate(pairs):
        left = _LEFT + place * step
        for side, kind, value in (
            (0.15, "set", pair.was_set),
            (0.5, "came", pair.came),
        ):
            top, bottom = sorted((scale.y(value), scale.y(0.0)))
            parts.append(
                Markup(
                    '<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>'
                ).format(kind, _at(left + side * step), _at(top), _at(step * 0.33),
                         _at(max(bottom - top, 0.5)))
            )  # fmt: skip
        if pair.error:
            middle = left + 0.665 * step
            parts.append(
                Markup('<line class="whisker" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>')
                .format(_at(middle), _at(scale.y(pair.came - 2 * pair.error)),
                        _at(scale.y(pair.came + 2 * pair.error)))
            )  # fmt: skip
        parts.append(_text(left + step / 2, _HEIGHT - 18, pair.label, "middle"))
    return parts


def _curves(lines: Sequence[Line]) -> list[Markup]:
    """A curve each: the first orange where there are two, the last blue."""
    points = [point for line in lines for point in line.points]
    if not points:
        return []
    scale = _Scale(0.0, max([1e-9, *(y for _, y in points)]))
    first, last = min(x for x, _ in points), max(x for x, _ in points)
    width = (_WIDTH - _LEFT - _RIGHT) / max(last - first, 1e-9)
    parts = scale.grid()
    for line in lines:
        kind = "came" if line is lines[-1] else "set"
        path = " ".join(
            f"{_at(_LEFT + (x - first) * width)},{_at(scale.y(y))}"
            for x, y in line.points
        )
        parts.append(
            Markup('<polyline class="{}" points="{}"><title>{}</title></polyline>')
            .format(kind, path, line.label)
        )  # fmt: skip
    parts.append(_text(_LEFT, _HEIGHT - 18, number(first), "middle"))
    parts.append(_text(_WIDTH - _RIGHT - 8, _HEIGHT - 18, number(last), "middle"))
    return parts


class _Scale:
    """Values on the vertical axis."""

    def __init__(self, low: float, high: float) -> None:
        self._low, self._high = low, high

    def y(self, value: float) -> float:
        share = (value - self._low) / (self._high - self._low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    def grid(self) -> list[Markup]:
        parts = []
        for step in range(5):
            value = self._low + step * (self._high - self._low) / 4
            y = self.y(value)
            parts.append(
                Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>')
                .format(_LEFT, _WIDTH - _RIGHT, _at(y), _at(y))
            )  # fmt: skip
            parts.append(_text(_LEFT - 4, y + 4, f"{value:.3g}", "end"))
        return parts


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(
        _at(x), _at(y), anchor, escape(text)
    )


def _at(value: float) -> str:
    return f"{value:.1f}"


def summary(shown: Shown) -> list[str]:
    """The page in lines for a terminal."""
    told = shown.told
    lines = [
        f"{told['persons']} persons, {told['days']} days up to "
        f"{told['written_until']}, {told['rows']} rows"
    ]
    for finding in shown.found:
        lines.extend(
            f"{finding.name:<14} {pair.label:<26} set {number(pair.was_set):>8}"
            f"  came {number(pair.came):>8}"
            + (f"  ± {number(pair.error)}" if pair.error else "")
            for pair in finding.pairs
        )
    return lines


def for_machines(shown: Shown) -> dict[str, Any]:
    """The counts, and each finding by its name."""
    found = {finding.name: asdict(finding) for finding in shown.found}
    return {**shown.told, "findings": found}
