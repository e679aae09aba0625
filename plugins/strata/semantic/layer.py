"""The semantic layer as dbt's YAML says it: semantic models and metrics.

The file is dbt's and MetricFlow's; this reads the part of their language that the
project uses, and refuses the rest rather than to answer otherwise than they would.
"""

import functools
import re
from collections import Counter
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

FOLDER = Path("models/metrics")
FILE = FOLDER / "_metrics__semantic.yml"
PUBLISHED = "marts"
"""Schema of models that have no view of their own in ``FOLDER``."""
VIEWS = "metrics"
"""Schema of the views: the models of ``FOLDER``, and one view a metric."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TimeParams(_Model):
    """Of a time dimension; days are the finest that metrics know."""

    time_granularity: Literal["day"]


class Dimension(_Model):
    """Something that rows are grouped by. ``expr`` is SQL over the model's columns."""

    name: str
    type: Literal["categorical", "time"]
    type_params: TimeParams | None = None
    expr: str | None = None
    description: str

    @property
    def sql(self) -> str:
        """The expression; a column of the same name where none is given."""
        return self.expr or self.name


class Entity(_Model):
    """A key. ``primary`` names the model's rows, ``foreign`` leads to another's."""

    name: str
    type: Literal["primary", "foreign"]
    expr: str | None = None

    @property
    def sql(self) -> str:
        """The expression; a column of the same name where none is given."""
        return self.expr or self.name


class NonAdditive(_Model):
    """The time over which a measure does not add up: a period has its last day's."""

    name: str
    window_choice: Literal["max"]


class MeasureMeta(_Model):
    """What dbt does not ask: what is counted, ``currency`` being money.

    ``data_type`` is the type of a sum of whole numbers, on every engine.
    """

    unit: str
    data_type: Literal["bigint"] | None = None


class MeasureConfig(_Model):
    """Where dbt keeps what is ours."""

    meta: MeasureMeta


class Measure(_Model):
    """An aggregate over the rows of a model."""

    name: str
    agg: Literal["sum", "count_distinct"]
    expr: str | None = None
    agg_time_dimension: str | None = None
    non_additive_dimension: NonAdditive | None = None
    config: MeasureConfig

    @property
    def sql(self) -> str:
        """The expression that is aggregated."""
        return self.expr or self.name


class Defaults(_Model):
    """What holds for measures that say nothing else."""

    agg_time_dimension: str


class SemanticModel(_Model):
    """A table or view with its keys, dimensions and measures."""

    name: str
    description: str
    model: str = Field(pattern=r"^ref\('[a-z_]+'\)$")
    defaults: Defaults
    primary_entity: str | None = None
    entities: tuple[Entity, ...]
    dimensions: tuple[Dimension, ...]
    measures: tuple[Measure, ...]

    @property
    def table(self) -> str:
        """Name of the dbt model that it stands on."""
        return self.model[len("ref('") : -len("')")]

    @property
    def primary(self) -> str:
        """The entity that its own dimensions are named by."""
        named = [e.name for e in self.entities if e.type == "primary"]
        return named[0] if named else self.primary_entity or self.name

    def dimension(self, name: str) -> Dimension:
        """Raises ``KeyError`` for a name that it does not have."""
        return {d.name: d for d in self.dimensions}[name]

    def time_of(self, measure: Measure) -> Dimension:
        """The time that a measure is counted by."""
        return self.dimension(
            measure.agg_time_dimension or self.defaults.agg_time_dimension
        )


class MetricParams(_Model):
    """What a metric is made of, by its type."""

    measure: str | None = None
    numerator: str | None = None
    denominator: str | None = None
    expr: str | None = None
    metrics: tuple[str, ...] = ()


class Metric(_Model):
    """A figure with a name.

    ``simple`` is a measure, ``ratio`` one metric over another (null over nothing),
    ``derived`` an expression over metrics.
    """

    name: str
    label: str
    description: str
    type: Literal["simple", "ratio", "derived"]
    type_params: MetricParams

    @property
    def inputs(self) -> tuple[str, ...]:
        """The metrics that it is made of; none for a simple one."""
        p = self.type_params
        if self.type == "ratio":
            return tuple(n for n in (p.numerator, p.denominator) if n)
        return p.metrics

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        p = self.type_params
        whole = {
            "simple": bool(p.measure),
            "ratio": bool(p.numerator and p.denominator),
            "derived": bool(p.expr and p.metrics),
        }
        if not whole[self.type]:
            raise ValueError(f"metric {self.name} lacks what a {self.type} one needs")
        return self


class SemanticLayer(_Model):
    """All models and metrics. Raises ``ValueError`` where they do not fit together."""

    semantic_models: tuple[SemanticModel, ...]
    metrics: tuple[Metric, ...]
    views: dict[str, str] = Field(default_factory=dict)
    """Views that models stand on, name → SQL over published tables."""

    def metric(self, name: str) -> Metric:
        """Raises ``LookupError`` for a name that is not there."""
        if name not in self._metrics:
            raise LookupError(f"there is no metric {name!r}: see `strata metrics list`")
        return self._metrics[name]

    def measure(self, name: str) -> tuple[SemanticModel, Measure]:
        """A measure with the model that it belongs to."""
        return self._measures[name]

    def leaves(self, metric: Metric) -> tuple[str, ...]:
        """The measures that a metric comes down to, each once, in their order."""
        if metric.type == "simple":
            assert metric.type_params.measure is not None
            return (metric.type_params.measure,)
        found = (m for name in metric.inputs for m in self.leaves(self.metric(name)))
        return tuple(dict.fromkeys(found))

    def owner_of(self, entity: str) -> SemanticModel | None:
        """The model whose rows an entity names; none for one that is only shared."""
        return self._owners.get(entity)

    def relation(self, model: SemanticModel) -> str:
        """Where the model's rows are read from."""
        return f"{VIEWS if model.table in self.views else PUBLISHED}.{model.table}"

    @functools.cached_property
    def _metrics(self) -> dict[str, Metric]:
        return {m.name: m for m in self.metrics}

    @functools.cached_property
    def _measures(self) -> dict[str, tuple[SemanticModel, Measure]]:
        return {
            m.name: (model, m) for model in self.semantic_models for m in model.measures
        }

    @functools.cached_property
    def _owners(self) -> dict[str, SemanticModel]:
        return {
            e.name: model
            for model in self.semantic_models
            for e in model.entities
            if e.type == "primary"
        }

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        measures = [m.name for model in self.semantic_models for m in model.measures]
        names = Counter([m.name for m in self.metrics])
        twice = [
            n
            for n, count in (names + Counter(set(measures) - set(names))).items()
            if count > 1
        ]
        twice += [n for n, count in Counter(measures).items() if count > 1]
        if twice:
            raise ValueError(f"named more than once: {sorted(twice)}")
        for metric in self.metrics:
            wanted = {metric.type_params.measure} if metric.type == "simple" else set()
            unknown = (wanted - set(measures)) | (set(metric.inputs) - set(names))
            if unknown:
                raise ValueError(
                    f"metric {metric.name}: unknown {sorted(map(str, unknown))}"
                )
        self._come_to_an_end()
        return self

    def _come_to_an_end(self) -> None:
        known = {m.name for m in self.metrics if m.type == "simple"}
        left = [m for m in self.metrics if m.name not in known]
        while left:
            done = {m.name for m in left if set(m.inputs) <= known}
            if not done:
                raise ValueError(
                    f"metrics made of themselves: {sorted(m.name for m in left)}"
                )
            known |= done
            left = [m for m in left if m.name not in done]


def read_layer(dbt_project: Path) -> SemanticLayer:
    """The layer of a dbt project: ``FILE``, and the views beside it."""
    text = (dbt_project / FILE).read_text(encoding="utf-8")
    content = yaml.load(text, Loader=yaml.CSafeLoader)
    return SemanticLayer.model_validate(content | {"views": _views(dbt_project)})


def _views(dbt_project: Path) -> dict[str, str]:
    files = sorted((dbt_project / FOLDER).glob("*.sql"))
    return {file.stem: _rendered(file.read_text(encoding="utf-8")) for file in files}


_SOURCE = re.compile(r"""\{\{\s*source\("([a-z_]+)",\s*"([a-z_]+)"\)\s*\}\}""")
_REF = re.compile(r"""\{\{\s*ref\("([a-z_]+)"\)\s*\}\}""")


def _rendered(sql: str) -> str:
    """The SQL of a view over published tables. These models use no other Jinja."""
    text = _REF.sub(rf"{VIEWS}.\1", _SOURCE.sub(r"\1.\2", sql)).strip()
    if "{{" in text or "{%" in text:
        raise ValueError(f"a view of metrics may only name tables: {text[:200]}")
    return text
