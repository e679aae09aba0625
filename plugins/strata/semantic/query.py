"""Metrics by groups, as one statement that DuckDB and Spark both read.

Each model answers for its own measures; the answers are put together by their groups,
null being a group like any other, and metrics are computed from the measures. So a ratio
is that of its sums, never a mean of ratios, and people are counted once a group.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from strata.semantic.groups import TIME, Group, Source, sources
from strata.semantic.layer import Measure, Metric, SemanticLayer, SemanticModel

_DIGITS = 9
"""Digits after the point of a quotient: the order of sums of doubles shows later."""


@dataclass(frozen=True)
class Filter:
    """Only rows whose group has this value; None stands for null."""

    group: Group
    value: str | None


@dataclass(frozen=True)
class MetricQuery:
    """Metrics, what they are grouped by, and which days and rows count."""

    metrics: tuple[Metric, ...]
    groups: tuple[Group, ...] = ()
    filters: tuple[Filter, ...] = ()
    since: date | None = None
    until: date | None = None


@dataclass
class Statement:
    """SQL with ``?`` for its values, in their order."""

    sql: str
    values: list[object] = field(default_factory=list)


@dataclass(frozen=True)
class _Part:
    """Measures of one model that are counted by the same time, in the same way."""

    model: SemanticModel
    time: str
    is_additive: bool
    measures: tuple[Measure, ...]


def render(layer: SemanticLayer, query: MetricQuery) -> Statement:
    """The statement that answers; its columns are the groups, then the metrics."""
    columns = [g.column for g in query.groups]
    leaves = list(dict.fromkeys(m for q in query.metrics for m in layer.leaves(q)))
    kinds = _parts(layer, leaves)
    parts = [_part_sql(layer, query, part) for part in kinds]
    together = parts[0].sql
    if len(parts) > 1:
        made = [{m.name for m in part.measures} for part in kinds]
        together = _together(columns, leaves, parts, made)
    figures = [f"{figure(layer, m)} as {m.name}" for m in query.metrics]
    order = f"\norder by {', '.join(columns)}" if columns else ""
    return Statement(
        f"select\n    {_lines(columns + figures)}\nfrom (\n{together}\n) as parts{order}",
        [value for part in parts for value in part.values],
    )


def figure(layer: SemanticLayer, metric: Metric) -> str:
    """A metric as an expression over columns named as its measures."""
    p = metric.type_params
    if metric.type == "simple":
        return str(p.measure)
    if metric.type == "ratio":
        top, bottom = (figure(layer, layer.metric(name)) for name in metric.inputs)
        quotient = f"cast({top} as double) / nullif(cast({bottom} as double), 0)"
        return f"round({quotient}, {_DIGITS})"
    made = {n: figure(layer, layer.metric(n)) for n in metric.inputs}
    return f"round({substituted(str(p.expr), made, 'cast({} as double)')}, {_DIGITS})"


def substituted(expr: str, made: Mapping[str, str], form: str = "{}") -> str:
    """``expr`` with each name of ``made`` replaced, whole words only."""
    names = "|".join(sorted(map(re.escape, made), key=len, reverse=True))
    return re.sub(rf"\b({names})\b", lambda m: form.format(made[m[1]]), expr)


def _parts(layer: SemanticLayer, leaves: Iterable[str]) -> list[_Part]:
    found: dict[tuple[str, str, bool], list[Measure]] = {}
    for leaf in leaves:
        model, measure = layer.measure(leaf)
        additive = measure.non_additive_dimension is None
        key = (model.name, model.time_of(measure).name, additive)
        found.setdefault(key, []).append(measure)
    return [
        _Part(layer.measure(measures[0].name)[0], time, additive, tuple(measures))
        for (_, time, additive), measures in found.items()
    ]


def _part_sql(layer: SemanticLayer, query: MetricQuery, part: _Part) -> Statement:
    """One model's measures by the groups."""
    columns = [g.column for g in query.groups]
    rows = rows_of(layer, part.model, part.time, part.measures, query.groups, query)
    last = ""
    if not part.is_additive:
        times = [g.column for g in query.groups if g.name == TIME]
        over = f"partition by {', '.join(times)}" if times else ""
        last = f",\n    max(_counted_on) over ({over}) as _last_on"
    aggregates = [f"{aggregate(m)} as {m.name}" for m in part.measures]
    tests, values = _tests(query.filters)
    if last:
        tests = [*tests, "_counted_on = _last_on"]
        rows = Statement(
            f"select\n    *{last}\nfrom (\n{rows.sql}\n) as dated", rows.values
        )
    where = f"\nwhere {' and '.join(tests)}" if tests else ""
    by = f"\ngroup by {', '.join(columns)}" if columns else ""
    return Statement(
        f"select\n    {_lines(columns + aggregates)}\nfrom (\n{rows.sql}\n) as counted"
        f"{where}{by}",
        rows.values + values,
    )


def aggregate(measure: Measure) -> str:
    """The measure over rows that have it as a column.

    A sum of whole numbers is cast: DuckDB widens it to hugeint, which Parquet keeps as
    double.
    """
    if measure.agg == "count_distinct":
        return f"count(distinct {measure.name})"
    kind = measure.config.meta.data_type
    return f"cast(sum({measure.name}) as {kind})" if kind else f"sum({measure.name})"


def rows_of(
    layer: SemanticLayer,
    model: SemanticModel,
    time: str,
    measures: Sequence[Measure],
    groups: Sequence[Group],
    query: MetricQuery | None = None,
) -> Statement:
    """The rows of a model with groups and measures as columns, and ``_counted_on``.

    With ``query``: only its days, and its filters' groups as columns beside. A row that
    is counted on no day is not counted.
    """
    filtered = [f.group for f in query.filters] if query else []
    wanted = dict.fromkeys([*groups, *filtered])
    known = sources(layer, model)
    counted_on = model.dimension(time).sql
    own, joins, selected = [f"{counted_on} as _counted_on"], [], []
    on_time = Source(counted_on, True, "", layer.relation(model))
    for group in wanted:
        source = known.get(group.name, on_time)
        if source.through is None:
            own.append(f"{group.truncated(source.sql)} as {group.column}")
        selected.append(group.column)
    for entity in model.entities:
        reached = [g for g in wanted if _through(known, g) == entity.name]
        if reached:
            own.append(f"{entity.sql} as _key_{entity.name}")
            joins.append(_join(layer, entity.name, reached, known))
    own += [f"{m.sql} as {m.name}" for m in measures]
    tests, values = _days(counted_on, query)
    facts = f"    select\n        {_lines(own, 8)}\n    from {layer.relation(model)}"
    facts += f"\n    where {' and '.join(tests)}"
    names = ["_counted_on", *selected, *(m.name for m in measures)]
    return Statement(
        f"select\n    {_lines(names)}\nfrom (\n{facts}\n) as facts" + "".join(joins),
        values,
    )


def _through(known: Mapping[str, Source], group: Group) -> str | None:
    return known[group.name].through if group.name in known else None


def _join(
    layer: SemanticLayer,
    entity: str,
    groups: Sequence[Group],
    known: Mapping[str, Source],
) -> str:
    """One row a key at most, since the entity is the other model's primary one."""
    owner = layer.owner_of(entity)
    assert owner is not None
    key = next(e.sql for e in owner.entities if e.name == entity)
    columns = [f"{key} as _of_{entity}"]
    columns += [f"{g.truncated(known[g.name].sql)} as {g.column}" for g in groups]
    return (
        f"\nleft join (\n    select\n        {_lines(columns, 8)}\n"
        f"    from {layer.relation(owner)}\n) as by_{entity}"
        f"\n    on facts._key_{entity} = by_{entity}._of_{entity}"
    )


def _days(counted_on: str, query: MetricQuery | None) -> tuple[list[str], list[object]]:
    tests = [f"{counted_on} is not null"]
    values: list[object] = []
    if query is not None:
        for sign, day in ((">=", query.since), ("<=", query.until)):
            if day is not None:
                tests.append(f"{counted_on} {sign} ?")
                values.append(day)
    return tests, values


def _tests(filters: Sequence[Filter]) -> tuple[list[str], list[object]]:
    tests = [
        f"{f.group.column} is null"
        if f.value is None
        else f"cast({f.group.column} as string) = ?"
        for f in filters
    ]
    return tests, [f.value for f in filters if f.value is not None]


def _together(
    columns: Sequence[str],
    leaves: Sequence[str],
    parts: Sequence[Statement],
    made: Sequence[Collection[str]],
) -> str:
    """The parts side by side: one row a group, whichever of them have it."""
    each = []
    for part, names in zip(parts, made, strict=True):
        cells = [*columns, *(n if n in names else f"null as {n}" for n in leaves)]
        each.append(f"select\n    {_lines(cells)}\nfrom (\n{part.sql}\n) as part")
    figures = [f"max({leaf}) as {leaf}" for leaf in leaves]
    by = f"\ngroup by {', '.join(columns)}" if columns else ""
    return (
        f"select\n    {_lines([*columns, *figures])}\nfrom (\n"
        + "\nunion all\n".join(each)
        + f"\n) as stacked{by}"
    )


def _lines(items: Sequence[str], indent: int = 4) -> str:
    return (",\n" + " " * indent).join(items)
