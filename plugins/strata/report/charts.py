"""The figures of the page, each drawn once for a light and once for a dark screen.

Colours were chosen to stay apart for the common kinds of colour blindness; every
figure has its numbers as text beside it, so that colour is never the only carrier.
"""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import plotly.graph_objects as go

from strata.report.people import TierFacts
from strata.report.summary import VERDICTS, StageSummary
from strata.report.wording import number, share, short_date, words


@dataclass(frozen=True)
class Palette:
    """Colours of one scheme; ``on_verdicts`` is the ink on top of ``verdicts``."""

    ink: str
    muted: str
    grid: str
    accent: str
    second: str
    third: str
    tiers: Mapping[str, str]
    verdicts: Mapping[str, str]
    on_verdicts: Mapping[str, str]


LIGHT = Palette(
    ink="#1b2430",
    muted="#5b6775",
    grid="#e3e7ec",
    accent="#2a6f97",
    second="#b9c4cf",
    third="#d98324",
    tiers={
        "select": "#123f63",
        "high": "#2a6f97",
        "potential": "#d98324",
        "mid": "#7fb2cf",
        "low": "#b9c4cf",
    },
    verdicts={
        "passed": "#2f7d6b",
        "warned": "#e0a526",
        "quarantined": "#7d5ba6",
        "failed": "#c8372d",
        "errored": "#6d1f2f",
    },
    on_verdicts={**dict.fromkeys(VERDICTS, "#ffffff"), "warned": "#1b2430"},
)
DARK = Palette(
    ink="#e8edf3",
    muted="#a3b0be",
    grid="#2b3644",
    accent="#5aa9d6",
    second="#56636f",
    third="#f0a24a",
    tiers={
        "select": "#a9dcf7",
        "high": "#5aa9d6",
        "potential": "#f0a24a",
        "mid": "#3a7396",
        "low": "#56636f",
    },
    verdicts={
        "passed": "#57b8a1",
        "warned": "#f0c04f",
        "quarantined": "#b595dd",
        "failed": "#f2695e",
        "errored": "#d65a78",
    },
    on_verdicts=dict.fromkeys(VERDICTS, "#10161d"),
)

Draw = Callable[[Palette], go.Figure]

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"
_BAR = 34


def tier_sizes(tiers: Mapping[str, int]) -> Draw:
    """Users a tier, the top tier first."""
    everyone = sum(tiers.values())
    labels = [f"{number(n)}  ·  {share(n, everyone)}" for n in tiers.values()]

    def draw(palette: Palette) -> go.Figure:
        colours = [palette.tiers.get(tier, palette.second) for tier in tiers]
        bars = _bars(list(tiers), list(tiers.values()), labels, colours)
        return _figure(palette, [bars], 1.9 * len(tiers) + 1)

    return draw


def value_shares(tiers: Sequence[TierFacts]) -> Draw:
    """A tier's share of the users beside its share of revenue and of CLV."""
    names = [_plain(facts.tier) for facts in tiers]
    measures: list[tuple[str, list[float | None]]] = [
        ("users", [facts.users for facts in tiers]),
        ("revenue 365 d", [facts.revenue for facts in tiers]),
        ("CLV 365 d", [facts.clv for facts in tiers]),
    ]
    known = [(name, shares_of(values)) for name, values in measures]
    shown = [(name, shares) for name, shares in known if shares]

    def draw(palette: Palette) -> go.Figure:
        colours = (palette.second, palette.accent, palette.third)
        traces = [
            go.Bar(
                name=name,
                y=names,
                x=[100 * part for part in shares],
                orientation="h",
                marker={"color": colour},
                text=[share(part, 1) for part in shares],
                textposition="outside",
                textfont={"size": 12},
                constraintext="none",
                cliponaxis=False,
                hovertemplate=f"%{{y}}: %{{x:.1f}} % of {name}<extra></extra>",
            )
            for (name, shares), colour in zip(shown, colours, strict=False)
        ]
        figure = _figure(palette, traces, 1.9 * len(names), legend=True)
        return figure.update_layout(barmode="group", bargap=0.2)

    return draw


def shares_of(values: Sequence[float | None]) -> list[float]:
    """Each value's share of their sum; empty where nothing adds up to more than 0.

    A tier with more refunds than sales counts as 0: a share below 0 says nothing.
    """
    amounts = [max(float(value or 0), 0.0) for value in values]
    whole = sum(amounts)
    return [amount / whole for amount in amounts] if whole else []


def counts(users: Mapping[str, int]) -> Draw:
    """Users a category, in the order given."""
    everyone = sum(users.values())
    labels = [f"{number(n)}  ·  {share(n, everyone)}" for n in users.values()]

    def draw(palette: Palette) -> go.Figure:
        names = [words(name) for name in users]
        colours = [palette.accent] * len(names)
        bars = _bars(names, list(users.values()), labels, colours)
        return _figure(palette, [bars], len(names))

    return draw


def tier_history(days: Mapping[date, Mapping[str, int]], tiers: Sequence[str]) -> Draw:
    """Users by tier, a bar a published day."""

    def draw(palette: Palette) -> go.Figure:
        traces = [
            go.Bar(
                name=_plain(tier),
                x=[short_date(day) for day in days],
                y=[users.get(tier, 0) for users in days.values()],
                marker={"color": palette.tiers.get(tier, palette.second)},
                hovertemplate=f"%{{x}}: %{{y:,}} {_plain(tier)}<extra></extra>",
            )
            for tier in reversed(tiers)
        ]
        figure = _figure(palette, traces, 6.5, legend=True)
        figure.update_layout(barmode="stack", bargap=0.25, margin_r=8)
        figure.update_legends(traceorder="reversed")
        figure.update_xaxes(
            type="category", showticklabels=True, tickangle=0, automargin=True, nticks=7
        )
        return figure.update_yaxes(
            autorange=True, tickformat=",", gridcolor=palette.grid, showgrid=True
        )

    return draw


def gates(stages: Mapping[str, StageSummary]) -> Draw:
    """Expectations by verdict, a bar a stage, in the order of the flow."""
    patterns = {"failed": "/", "errored": "x"}

    def draw(palette: Palette) -> go.Figure:
        traces = []
        for verdict in VERDICTS:
            found = [getattr(stage.gate, verdict) for stage in stages.values()]
            traces.append(
                go.Bar(
                    name=verdict,
                    y=[_plain(name) for name in stages],
                    x=found,
                    orientation="h",
                    marker={
                        "color": palette.verdicts[verdict],
                        "pattern": {
                            "shape": patterns.get(verdict, ""),
                            "fillmode": "overlay",
                            "solidity": 0.15,
                            "fgopacity": 0.35,
                        },
                    },
                    text=[number(n) if n else "" for n in found],
                    textposition="inside",
                    insidetextanchor="middle",
                    insidetextfont={"color": palette.on_verdicts[verdict]},
                    textangle=0,
                    constraintext="none",
                    hovertemplate=f"%{{y}}: %{{x:,}} {verdict}<extra></extra>",
                    visible=True if any(found) else "legendonly",
                    showlegend=any(found),
                )
            )
        figure = _figure(palette, traces, len(stages), legend=True)
        return figure.update_layout(barmode="stack", legend_traceorder="normal")

    return draw


def _bars(
    names: list[str], values: list[int], labels: list[str], colours: list[str]
) -> go.Bar:
    return go.Bar(
        y=[_plain(name) for name in names],
        x=values,
        orientation="h",
        marker={"color": colours},
        text=labels,
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{text}<extra></extra>",
    )


def _plain(label: str) -> str:
    """A label in which plotly finds no markup of its own."""
    return html.escape(label)


def _figure(
    palette: Palette, traces: Sequence[go.Bar], rows: float, legend: bool = False
) -> go.Figure:
    """A quiet frame for horizontal bars: no grid, the first category on top."""
    figure = go.Figure(
        list(traces),
        layout={
            "template": go.layout.Template(),
            "height": round(_BAR * rows) + (64 if legend else 24),
            "margin": {"l": 8, "r": 96, "t": 36 if legend else 4, "b": 12},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": _FONT, "size": 13, "color": palette.ink},
            "bargap": 0.32,
            "showlegend": legend,
            "legend": {
                "orientation": "h",
                "x": 0,
                "y": 1,
                "yanchor": "bottom",
                "font": {"color": palette.muted, "size": 12},
                "itemclick": False,
                "itemdoubleclick": False,
            },
            "hoverlabel": {"font": {"family": _FONT}},
            "dragmode": False,
        },
    )
    figure.update_xaxes(
        showgrid=False, zeroline=False, showticklabels=False, fixedrange=True
    )
    return figure.update_yaxes(
        autorange="reversed", automargin=True, ticklabelstandoff=8, fixedrange=True
    )
