"""The metrics as views, for tools that know SQL and nothing else.

There is one view a metric, ``metrics.<metric>``, with the day (``metric_time``), every
dimension that the metric can be grouped by, and its measures. What adds up stands as
sums by day and dimensions. What is counted distinct cannot be added up: the view holds
whom it counts, one row each. The comment on a view says how its figure is made of its
columns, so that a ratio becomes that of its sums, and the comments on these say what
each is. ``metrics.catalog`` lists them all.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from strata.semantic.groups import TIME, Group, Source, shared
from strata.semantic.layer import VIEWS, Measure, Metric, SemanticLayer
from strata.semantic.query import aggregate, figure, rows_of, substituted
from strata.semantic.words import Described, Words, known_words, of_columns

CATALOG = "catalog"


@dataclass(frozen=True)
class View:
    """A view of the schema ``metrics``; ``columns`` are the words on them.

    Of a view that models stand on there may be words on columns that it has not.
    """

    name: str
    sql: str
    description: str
    columns: Mapping[str, str]


def views(layer: SemanticLayer, described: Described | None = None) -> list[View]:
    """The views that models stand on, then one a metric, then their catalogue.

    Columns inherit the words of those that they read, of the tables ``described``.
    """
    words = known_words(layer, described or {})
    bases = [
        View(name, sql, _leading_words(sql), words[f"{VIEWS}.{name}"])
        for name, sql in layer.views.items()
    ]
    return [
        *bases,
        *(_view(layer, metric, words) for metric in layer.metrics),
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


def _view(layer: SemanticLayer, metric: Metric, words: Words) -> View:
    groups = shared(layer, [metric])
    leaves = layer.leaves(metric)
    models = {layer.measure(leaf)[0].primary for leaf in leaves}
    own = models.pop() if len(models) == 1 else ""
    named = {group: column_of(group, own) for group in groups}
    branches = [_branch(layer, leaf, leaves, groups, named) for leaf in leaves]
    return View(
        metric.name,
        "\nunion all\n".join(branches),
        f"{metric.description} {_use(layer, metric)}",
        of_columns(layer, leaves, TIME, named, words),
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


def definition(view: View) -> str:
    """What makes the view in a schema ``metrics`` that is there, on DuckDB and Spark."""
    return f"create or replace view {VIEWS}.{view.name} as\n{view.sql}"


def write(con: duckdb.DuckDBPyConnection, made: Sequence[View]) -> None:
    """Make the views in the schema ``metrics`` of the database in use, with their words.

    Let it be one transaction: each of two thousand comments would else be one.
    """
    for view in made:
        con.execute(definition(view))
    columns = dict(
        con.execute(
            "select table_name, list(column_name order by column_index)"
            " from duckdb_columns() where schema_name = ?"
            " and database_name = current_database() group by table_name",
            [VIEWS],
        ).fetchall()
    )
    for view in made:
        con.execute(";\n".join(_comments(view, columns[view.name])))


def _comments(view: View, columns: Sequence[str]) -> Iterator[str]:
    yield f"comment on view {VIEWS}.{view.name} is {_text(view.description)}"
    for column in columns:
        if words := view.columns.get(column):
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
