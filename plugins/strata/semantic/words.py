"""What is said of the columns of views, so that who opens one need not look elsewhere.

A dimension says what its YAML says and, where it is a column of a described table, what
that column's description says; a measure what its metric says, its unit, and how to
count it. Where the measures of a view differ in it, each says its own.
"""

import re
from collections.abc import Mapping

from strata.semantic.groups import Source, sources
from strata.semantic.layer import VIEWS, Measure, SemanticLayer

Described = Mapping[str, tuple[str, Mapping[str, str]]]
"""``schema.table`` → (description, column → description)."""

Words = Mapping[str, Mapping[str, str]]
"""``schema.table`` → column → description."""

_READ = re.compile(r"\b(?:from|join) (\w+\.\w+)")


def known_words(
    layer: SemanticLayer, described: Described
) -> dict[str, dict[str, str]]:
    """The words on columns of described tables, and on those of the layer's own views.

    A column of such a view has the words of its namesake in the first table that the
    view names, unless the view's YAML has some. There may be words on columns too that
    the view leaves out.
    """
    words = {table: dict(columns) for table, (_, columns) in described.items()}
    for view, sql in layer.views.items():
        own = words.get(f"{VIEWS}.{view}", {})
        inherited: dict[str, str] = {}
        for table in reversed(_READ.findall(sql)):
            inherited |= words.get(table, {})
        words[f"{VIEWS}.{view}"] = inherited | own
    return words


def of_columns(
    layer: SemanticLayer,
    leaves: tuple[str, ...],
    time: str,
    named: Mapping[str, str],
    words: Words,
) -> dict[str, str]:
    """Words on the columns of a metric's view: the time, its groups, its measures.

    ``named`` maps a group to its column, ``leaves`` are the measures.
    """
    known = {leaf: sources(layer, layer.measure(leaf)[0]) for leaf in leaves}
    counted = {}
    for leaf in leaves:
        model, measure = layer.measure(leaf)
        counted[leaf] = model.time_of(measure).description
    said = {time: f"The day that it is counted on. {_of_each(counted)}"}
    for group, column in named.items():
        each = {leaf: _of_group(known[leaf][group], words) for leaf in leaves}
        said[column] = _of_each(each)
    money = next((c for g, c in named.items() if g.endswith("__currency")), None)
    for leaf in leaves:
        others = [other for other in leaves if other != leaf]
        beside = f" Null in the rows of {' and '.join(others)}." if others else ""
        said[leaf] = f"{_of_measure(layer, layer.measure(leaf)[1], money)}{beside}"
    return said


def _of_each(told: Mapping[str, str]) -> str:
    """What is told of all measures, or of each where that differs."""
    if len(set(told.values())) == 1:
        return next(iter(told.values()))
    by_words: dict[str, list[str]] = {}
    for leaf, words in told.items():
        by_words.setdefault(words, []).append(leaf)
    return " ".join(
        f"Of {' and '.join(leaves)}: {words}" for words, leaves in by_words.items()
    )


def _of_group(source: Source, words: Words) -> str:
    own = source.description
    inherited = words.get(source.table, {}).get(source.sql, "")
    if inherited.startswith(own.removesuffix(".")):
        own = ""
    told = [own, inherited]
    if source.through is not None:
        told.append(f"Null where no such {source.through.replace('_', ' ')} is known.")
    return " ".join(filter(None, told))


def _of_measure(layer: SemanticLayer, measure: Measure, money: str | None) -> str:
    """Its metric's description, its unit, and over what it does not add up."""
    told = [
        metric.description
        for metric in layer.metrics
        if metric.type == "simple" and measure.name in layer.leaves(metric)
    ][:1]
    if measure.agg == "count_distinct":
        told.insert(0, "What it counts, a row each:")
        told.append(f"Take count(distinct {measure.name}), never a sum.")
    if measure.non_additive_dimension:
        told.append("It does not add up over days.")
    unit = measure.config.meta.unit
    if unit == "currency":
        where = f"its currency in the column {money}" if money else "of any currency"
        unit = f"money, {where}"
    return " ".join([*told, f"Unit: {unit}."])
