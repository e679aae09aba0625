"""The metrics as views, for tools that know SQL and nothing else.

There is one view a metric, ``metrics.<metric>``, with the day (``metric_time``), every
dimension that the metric can be grouped by, and its measures. What adds up stands as
sums by day and dimensions. What is counted distinct cannot be added up: the view holds
whom it counts, one row each. The comment on a view says how its figure is made of its
columns, so that a ratio becomes that of its sums. ``metrics.catalog`` lists them all.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from strata.semantic.groups import TIME, Group, Source, shared
from strata.semantic.layer import VIEWS, Measure, Metric, SemanticLayer
from strata.semantic.query import aggregate, figure, rows_of, substituted

CATALOG = "catalog"


@dataclass(frozen=True)
class View:
    """A view of the schema ``metrics``; ``columns`` are those that need words there."""

    name: str
    sql: str
    description: str
    columns: Mapping[str, str]


def views(layer: SemanticLayer) -> list[View]:
    """The views that models stand on, then one a metric, then their catalogue."""
    bases = [
        View(name, sql, _leading_words(sql), {}) for name, sql in layer.views.items()
    ]
    return [
        *bases,
        *(_view(layer, metric) for metric in layer.metrics),
        _catalog(layer),
    ]


def formula(layer: SemanticLayer, metric: Metric) -> str:
    """The figure as an aggregate over the columns of the metric's view."""
    made = {leaf: _aggregated(layer.measure(leaf)[1]) for leaf in layer.leaves(metric)}
    return substituted(figure(layer, metric), made)


def column_of(group: str, own: str) -> str:
    """The column of a view for a group: ``user__region`` is ``user_region``.

    A dimension of the metric's own model (``own``, its primary entity) has its bare
    name.
    """
    return group.removeprefix(f"{own}__").replace("__", "_")


def _aggregated(measure: Measure) -> str:
    if measure.agg == "count_distinct":
        return f"count(distinct {measure.name})"
    return f"sum({measure.name})"


def _view(layer: SemanticLayer, metric: Metric) -> View:
    groups = shared(layer, [metric])
    leaves = layer.leaves(metric)
    models = {layer.measure(leaf)[0].primary for leaf in leaves}
    own = models.pop() if len(models) == 1 else ""
    named = {group: column_of(group, own) for group in groups}
    branches = [_branch(layer, leaf, leaves, groups, named) for leaf in leaves]
    # Words on dimensions too would be most of what a run pays for these views: they
    # stand in dbt's docs.
    columns = {TIME: "The day that it is counted on."}
    columns |= {leaf: _told(layer, leaf) for leaf in leaves}
    return View(
        metric.name,
        "\nunion all\n".join(branches),
        f"{metric.description} {_use(layer, metric)}",
        columns,
    )


def _branch(
    layer: SemanticLayer,
    leaf: str,
    leaves: tuple[str, ...],
    groups: Mapping[str, Source],
    named: Mapping[str, str],
) -> str:
    """One measure by day and dimensions; the columns of the others are null."""
    model, measure = layer.measure(leaf)
    asked = [Group(name, "day" if s.is_time else None) for name, s in groups.items()]
    rows = rows_of(layer, model, model.time_of(measure).name, [measure], asked)
    keys = ["_counted_on", *(g.column for g in asked)]
    cells = [f"_counted_on as {TIME}"]
    cells += [f"{g.column} as {named[g.name]}" for g in asked]
    distinct = measure.agg == "count_distinct"
    for name in leaves:
        value = "null" if name != leaf else leaf if distinct else aggregate(measure)
        cells.append(f"{value} as {name}")
    by = [*keys, leaf] if distinct else keys
    listed = ",\n    ".join(cells)
    return (
        f"select\n    {listed}\nfrom (\n{rows.sql}\n) as counted\n"
        f"group by {', '.join(by)}"
    )


def _told(layer: SemanticLayer, leaf: str) -> str:
    _, measure = layer.measure(leaf)
    named = [m for m in layer.metrics if m.type == "simple" and leaf in layer.leaves(m)]
    words = named[0].description if named else leaf
    if measure.agg == "count_distinct":
        return f"Whom it counts: {words} Take count(distinct {leaf}), never a sum."
    return words


def _use(layer: SemanticLayer, metric: Metric) -> str:
    words = f"The figure is {formula(layer, metric)}."
    if any(layer.measure(m)[1].non_additive_dimension for m in layer.leaves(metric)):
        words += f" It does not add up over days: of a period take the last {TIME}."
    return words


def _catalog(layer: SemanticLayer) -> View:
    rows = [" union all ".join(_catalog_rows(layer))]
    return View(
        CATALOG,
        "\n".join(rows),
        "The metrics, one row each: what they mean, how they are made, and by what they "
        "can be grouped.",
        {
            "name": "The view of this schema, and its name for `strata metrics query`.",
            "label": "The name for people.",
            "description": "What it says.",
            "type": "simple, ratio or derived.",
            "formula": "The figure as an aggregate over the columns of the view.",
            "dimensions": "What it can be grouped by, beside metric_time.",
        },
    )


def _catalog_rows(layer: SemanticLayer) -> Iterator[str]:
    for metric in layer.metrics:
        told = {
            "name": metric.name,
            "label": metric.label,
            "description": metric.description,
            "type": metric.type,
            "formula": formula(layer, metric),
            "dimensions": ", ".join(shared(layer, [metric])),
        }
        cells = (f"{_text(value)} as {name}" for name, value in told.items())
        yield f"select {', '.join(cells)}"


def statements(view: View, *, commented: bool = True) -> Iterator[str]:
    """What makes the view in a schema ``metrics`` that is there.

    The first statement is one for DuckDB and Spark alike; the comments are DuckDB's.
    """
    yield f"create or replace view {VIEWS}.{view.name} as\n{view.sql}"
    if not commented:
        return
    yield f"comment on view {VIEWS}.{view.name} is {_text(view.description)}"
    for column, words in view.columns.items():
        yield f"comment on column {VIEWS}.{view.name}.{column} is {_text(words)}"


def _leading_words(sql: str) -> str:
    """What the comment at the top of a model says."""
    lines = []
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    return " ".join(lines)


def _text(value: str) -> str:
    quoted = value.replace("'", "''")
    return f"'{quoted}'"
