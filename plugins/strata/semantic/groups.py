"""What a metric can be grouped by, and how these names are found.

A group is named as MetricFlow names it: ``metric_time`` for the day that a measure is
counted on, ``<entity>__<dimension>`` for a dimension of the model that the entity leads
to (or of the model itself), and ``<entity>`` for a key that models have in common.
People may leave the entity out where that is plain, and write ``month`` for
``metric_time__month``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from strata.semantic.layer import Metric, SemanticLayer, SemanticModel

GRAINS = ("day", "week", "month", "quarter", "year")
TIME = "metric_time"


class SemanticError(LookupError):
    """A question that the semantic layer cannot answer; says what it could."""


@dataclass(frozen=True)
class Group:
    """A grouping: ``name`` without a grain, and the grain of a time."""

    name: str
    grain: str | None = None

    @property
    def column(self) -> str:
        """The column of the answer."""
        return f"{self.name}__{self.grain}" if self.grain else self.name

    def truncated(self, sql: str) -> str:
        """The expression by the grain of the group, a date where it is a time."""
        if self.grain is None:
            return sql
        if self.grain == "day":
            return f"cast({sql} as date)"
        return f"cast(date_trunc('{self.grain}', {sql}) as date)"


@dataclass(frozen=True)
class Source:
    """Where a model finds a group: in itself, or by an entity in another model.

    ``sql`` is read from ``table``; the description of a shared key is its column's.
    """

    sql: str
    is_time: bool
    description: str
    table: str
    through: str | None = None


def sources(layer: SemanticLayer, model: SemanticModel) -> dict[str, Source]:
    """Every group of a model by its name, but for ``metric_time``."""
    table = layer.relation(model)
    found = {
        f"{model.primary}__{d.name}": Source(
            d.sql, d.type == "time", d.description, table
        )
        for d in model.dimensions
    }
    for entity in model.entities:
        if entity.type == "primary":
            continue
        owner = layer.owner_of(entity.name)
        if owner is None:
            found[entity.name] = Source(entity.sql, False, "", table)
            continue
        for d in owner.dimensions:
            found[f"{entity.name}__{d.name}"] = Source(
                d.sql,
                d.type == "time",
                d.description,
                layer.relation(owner),
                entity.name,
            )
    return found


def shared(layer: SemanticLayer, metrics: Sequence[Metric]) -> dict[str, Source]:
    """The groups that all these metrics can be grouped by, as the first one has them."""
    models = {
        layer.measure(leaf)[0].name: layer.measure(leaf)[0]
        for metric in metrics
        for leaf in layer.leaves(metric)
    }
    each = [sources(layer, model) for model in models.values()]
    return {n: s for n, s in each[0].items() if all(n in other for other in each[1:])}


def find(layer: SemanticLayer, metrics: Sequence[Metric], text: str) -> Group:
    """The group that people call ``text``, for these metrics together.

    Raises ``SemanticError`` where there is none, or where several are meant.
    """
    if text in GRAINS:
        return Group(TIME, text)
    name, grain = text, None
    if (parts := text.rpartition("__"))[2] in GRAINS:
        name, grain = parts[0], parts[2]
    if name == TIME:
        return Group(TIME, grain or "day")
    known = shared(layer, metrics)
    named = [name] if name in known else _meant(layer, metrics, known, name)
    if len(named) != 1:
        said = (
            f"it may be {' or '.join(named)}"
            if named
            else f"there are: {_listed(known)}"
        )
        asked = ", ".join(m.name for m in metrics)
        raise SemanticError(f"{asked} by {text!r}: {said}")
    is_time = known[named[0]].is_time
    if grain and not is_time:
        raise SemanticError(f"{named[0]} is no time: it has no {grain}")
    return Group(named[0], (grain or "day") if is_time else None)


def _meant(
    layer: SemanticLayer, metrics: Sequence[Metric], known: dict[str, Source], name: str
) -> list[str]:
    """By a name without its entity: the model's own dimension before others'."""
    models = {layer.measure(m)[0] for metric in metrics for m in layer.leaves(metric)}
    own = {f"{model.primary}__{name}" for model in models} & set(known)
    return sorted(own or {n for n in known if n.endswith(f"__{name}")})


def _listed(known: dict[str, Source]) -> str:
    return ", ".join([TIME, *known])
