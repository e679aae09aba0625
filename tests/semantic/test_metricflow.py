"""MetricFlow reads the same YAML: its answers are ours."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from metricflow.data_table.mf_table import MetricFlowDataTable
from metricflow.engine.metricflow_engine import MetricFlowEngine, MetricFlowQueryRequest
from metricflow.protocols.sql_client import SqlEngine
from metricflow.sql.render.duckdb_renderer import DuckDbSqlPlanRenderer
from metricflow_semantic_interfaces.implementations.semantic_manifest import (
    PydanticSemanticManifest,
)
from metricflow_semantic_interfaces.transformations.semantic_manifest_transformer import (
    PydanticSemanticManifestTransformer,
)
from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup
from strata import parsed, transform
from strata.semantic import MetricQuery
from strata.semantic.groups import find, shared
from strata.tenant import Tenant
from strata.warehouse.tables import BUILD_PREFIX

from tests.semantic import company
from tests.semantic.hardest import HARDEST
from tests.semantic.test_metrics import LAYER, Answer, ask, keyed, question, told


class Client:
    """DuckDB as MetricFlow asks for it; keeps the rows of the last answer."""

    sql_engine_type = SqlEngine.DUCKDB
    sql_plan_renderer = DuckDbSqlPlanRenderer()

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con = con
        self.rows: list[dict[str, Any]] = []

    def query(self, stmt: str, **_: Any) -> MetricFlowDataTable:
        cursor = self.con.execute(stmt)
        names = [column[0] for column in cursor.description or []]
        rows = cursor.fetchall()
        self.rows = [dict(zip(names, row, strict=True)) for row in rows]
        return MetricFlowDataTable.create_from_rows(names, rows)

    def execute(self, stmt: str, **_: Any) -> None:
        self.con.execute(stmt)

    dry_run = execute

    def close(self) -> None:
        self.con.close()

    def render_bind_parameter_key(self, bind_parameter_key: str) -> str:
        return f"${bind_parameter_key}"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> tuple[MetricFlowEngine, Client]:
    client = Client(company.published())
    manifest = PydanticSemanticManifest.parse_obj(
        _of_published(_manifest(tmp_path_factory.mktemp("dbt")))
    )
    whole = PydanticSemanticManifestTransformer.transform(manifest)
    return MetricFlowEngine(SemanticManifestLookup(whole), client), client


def _manifest(place: Path) -> dict[str, Any]:
    """What dbt writes for MetricFlow of the project as it is."""
    from dbt.contracts.graph.semantic_manifest import SemanticManifest

    tenant = Tenant("sample", root=company.ROOT, state=place)
    transform.table_specs(tenant, "features")
    known = parsed.load(company.PROJECT, tenant.state / "dbt")
    assert known is not None, "the parsed project was not kept"
    made = SemanticManifest(known)._get_pydantic_semantic_manifest()
    found: dict[str, Any] = json.loads(made.json())
    return found


def _of_published(manifest: dict[str, Any]) -> dict[str, Any]:
    """The relations of the published copy in place of those of a build."""
    spines = manifest["project_configuration"]["time_spines"]
    for holder in [*manifest["semantic_models"], *spines]:
        relation = holder["node_relation"]
        relation["database"] = None
        relation["schema_name"] = relation["schema_name"].removeprefix(BUILD_PREFIX)
        relation["relation_name"] = f"{relation['schema_name']}.{relation['alias']}"
    return manifest


def flows(engine: tuple[MetricFlowEngine, Client], query: MetricQuery) -> Answer:
    flow, client = engine
    columns = [g.column for g in query.groups]
    figures = [m.name for m in query.metrics]
    flow.query(
        MetricFlowQueryRequest.create(metric_names=figures, group_by_names=columns)
    )
    rows = [
        tuple(_day(row[c]) for c in columns) + tuple(row[f] for f in figures)
        for row in client.rows
    ]
    return keyed(rows, len(columns))


def _day(value: Any) -> Any:
    return value.date() if hasattr(value, "date") else value


QUESTIONS = [question(q.metrics, q.by) for q in HARDEST] + [
    MetricQuery(
        (metric,), tuple(find(LAYER, [metric], name) for name in ("month", *chosen))
    )
    for metric in LAYER.metrics
    if metric.type != "simple"
    for chosen in [
        [n for n, s in shared(LAYER, [metric]).items() if not s.is_time][-1:]
    ]
]


@pytest.mark.parametrize(
    "query",
    QUESTIONS,
    ids=lambda q: "-".join(
        [*(m.name for m in q.metrics), *(g.column for g in q.groups)]
    ),
)
def test_metricflow_answers_the_same(
    engine: tuple[MetricFlowEngine, Client], query: MetricQuery
) -> None:
    assert told(flows(engine, query)) == told(ask(engine[1].con, query))
