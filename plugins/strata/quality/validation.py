"""Great Expectations inside DuckDB. Importing this module imports it: about 3 s.

Nothing that it returns or writes holds a value of a row: the engine below never
fetches one, and results are copied field by field from what is known to be a count,
a number, a date or a name of ours.
"""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Literal

import great_expectations as gx
from great_expectations.core.batch_definition import BatchDefinition
from great_expectations.datasource.fluent.sql_datasource import (
    SQLDatasource,
    TableAsset,
)
from great_expectations.execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.registry import get_expectation_impl
from sqlalchemy.dialects import registry

from strata.config.suites import Rule, Suite
from strata.quality.dialect import NAME
from strata.quality.rules import QUERY, Call

registry.register(NAME, "strata.quality.dialect", "GateDialect")
# It sets a level of its own, to tell at each gate of a folder that it never fills.
logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.NOTSET)

_VALUES_OF_ROWS = (
    ".unexpected_values",
    ".unexpected_index_list",
    ".unexpected_index_query",
    "unexpected_rows_query.table",
)
_COUNTS = (
    "element_count",
    "unexpected_count",
    "unexpected_percent",
    "missing_count",
    "missing_percent",
    "unexpected_percent_total",
    "unexpected_percent_nonmissing",
)
_RESULT_FORMAT = {
    "result_format": "SUMMARY",
    "exclude_unexpected_values": True,
    "partial_unexpected_count": 0,
}
_SEVERITY = {"fail": "critical", "quarantine": "warning", "warn": "info"}
_ABOUT_THE_STATEMENT = re.compile(
    r"\(_duckdb\.\w+\) ((?:Binder|Catalog|Parser) Error: [^\n]*)"
)
_NO_COLUMN = re.compile(r'The column "([^"]+)" in BatchData does not exist')
_ENGINE_ERROR = re.compile(r"\(_duckdb\.(\w+)\)")


@dataclass(frozen=True)
class Finding:
    """What one expectation found. ``error``: it raised, so nothing is known.

    ``observed``: an aggregate that may be shown; ``unexpected``: failing rows.
    """

    is_met: bool = False
    observed: Any = None
    unexpected: int | None = None
    error: str | None = None

    @property
    def told(self) -> str:
        """The observed aggregate for a person."""
        return _text(self.observed)


@dataclass(frozen=True)
class Validated:
    """One table: a finding a rule, in the suite's order, and GX's own document."""

    findings: tuple[Finding, ...]
    document: Mapping[str, Any]


class CountingEngine(SqlAlchemyExecutionEngine):  # type: ignore[misc]
    """Answers what a check counts, never what a row holds.

    For each check Great Expectations also asks for samples of failing values and
    their positions. They would be PII in results, and each is one more scan.
    """

    def resolve_metrics(
        self,
        metrics_to_resolve: Iterable[Any],
        metrics: dict[Any, Any] | None = None,
        runtime_configuration: dict[str, Any] | None = None,
    ) -> dict[Any, Any]:
        counted: list[Any] = []
        withheld: dict[Any, Any] = {}
        for metric in metrics_to_resolve:
            if metric.metric_name.endswith(_VALUES_OF_ROWS):
                withheld[metric.id] = None
            else:
                counted.append(metric)
        if not counted:
            return withheld
        found = super().resolve_metrics(counted, metrics, runtime_configuration)
        return {**found, **withheld}


class GateDatasource(SQLDatasource):  # type: ignore[misc]
    """One schema of the warehouse; its tables are looked up by the gate already."""

    type: Literal["strata_duckdb"] = "strata_duckdb"
    schema_name: str
    _EXTRA_EXCLUDED_EXEC_ENG_ARGS: ClassVar[set[str]] = {"schema_name"}

    @property
    def schema_(self) -> str:
        return self.schema_name

    @property
    def execution_engine_type(self) -> Any:
        return CountingEngine

    def test_connection(self, test_assets: bool = True) -> None:
        """Nothing to test: the gate holds a connection to the same file."""


class Validator:
    """One ephemeral context over one warehouse file, for all suites of a gate."""

    def __init__(self, database: Path, suites: Sequence[Suite], prefix: str) -> None:
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {
            "globally": False,
            "metric_calculations": False,
        }
        self._tables: dict[str, Any] = {}
        for schema in sorted({suite.table.split(".")[0] for suite in suites}):
            names = [s.table for s in suites if s.table.split(".")[0] == schema]
            source = context.data_sources.add_strata_duckdb(
                schema,
                connection_string=f"{NAME}:///{database}",
                schema_name=f"{prefix}{schema}",
                # All at once: each addition writes out the whole configuration.
                assets=[
                    TableAsset(name=name, table_name=name.split(".")[1])
                    for name in names
                ],
            )
            self._tables |= {name: source.get_asset(name) for name in names}

    def validate(self, suite: Suite, calls: Sequence[Call], rows: int) -> Validated:
        """``calls[i]`` asks rule ``i`` of one of the context's suites.

        ``rows`` is the size of the table: Great Expectations knows no ``mostly`` for
        queries.
        """
        results: dict[int, Any] = {}
        findings: dict[int, Finding] = {}
        expectations = []
        for number, call in enumerate(calls):
            try:
                expectations.append(_expectation(suite, number, call))
            except Exception as error:
                findings[number] = Finding(error=f"its arguments do not fit: {error}")
        definition = BatchDefinition(name="whole table")
        definition.set_data_asset(self._tables[suite.table])
        outcome = definition.get_batch().validate(
            gx.ExpectationSuite(suite.table, expectations=expectations),
            result_format=_RESULT_FORMAT,
        )
        for result in outcome.results:
            number = result.expectation_config.meta["rule"]
            results[number] = result
            findings[number] = _finding(suite, number, result, rows)
        unanswered = Finding(error="Great Expectations gave no result")
        ordered = tuple(findings.get(n, unanswered) for n in range(len(calls)))
        return Validated(ordered, _document(suite, results, ordered))


def _expectation(suite: Suite, number: int, call: Call) -> Any:
    rule = suite.expectations[number]
    return get_expectation_impl(call.type)(
        **call.kwargs,
        severity=_SEVERITY[rule.severity],
        notes=rule.why,
        meta={"rule": number},
    )


def _finding(suite: Suite, number: int, result: Any, rows: int) -> Finding:
    error = _error(result.exception_info)
    if error is not None:
        return Finding(error=error)
    rule = suite.expectations[number]
    # A quantile's verdict is a numpy bool, which JSON does not know.
    is_met = bool(result.success)
    observed = result.result.get("observed_value")
    if result.expectation_config.type == QUERY:
        failing, mostly = int(observed), float(rule.args.get("mostly", 1))
        is_met = failing == 0 or (rows - failing) / rows >= mostly
        return Finding(is_met, failing, failing)
    if rule.kind.is_rowwise:
        # Over no row at all, a sum that GX counts with is null.
        return Finding(is_met, unexpected=int(result.result["unexpected_count"] or 0))
    return Finding(is_met, _safe(suite, rule, observed))


def _safe(suite: Suite, rule: Rule, observed: Any) -> Any:
    """An observed aggregate, withheld where it could be a person's value.

    Numbers and dates pass, unless the column is PII; text passes only where the rule
    is about the shape of the table.
    """
    if rule.column in suite.pii:
        return "withheld: the column is PII"
    if isinstance(observed, dict):
        parts = {name: list(values) for name, values in observed.items()}
        numbers = all(_is_plain(v) for values in parts.values() for v in values)
        return parts if numbers else "withheld: text of rows"
    if isinstance(observed, list | set | tuple):
        if rule.kind.is_schema or all(_is_plain(v) for v in observed):
            return list(observed)
        return f"{len(observed)} distinct values"
    if observed is None and "value_set" in rule.args:
        return "withheld: text of rows"
    if observed is None or rule.kind.is_schema or _is_plain(observed):
        return observed
    return "withheld: text of a row"


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool | int | float | Decimal | date | datetime)


def _text(value: Any) -> str:
    if value is None:
        return "no value"
    if isinstance(value, float | Decimal):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return _text(value.get("values"))
    if isinstance(value, list):
        return ", ".join(_text(v) for v in value)
    return str(value)


def _error(info: Any) -> str | None:
    """Why an expectation raised, without what an engine may quote of a row."""
    faults = [info] if "raised_exception" in info else list(info.values())
    raised = [f for f in faults if dict(f).get("raised_exception")]
    if not raised:
        return None
    message = str(dict(raised[0]).get("exception_message"))
    if match := _NO_COLUMN.search(message):
        return f"there is no column {match.group(1)!r}"
    if match := _ABOUT_THE_STATEMENT.search(message):
        return match.group(1)
    match = _ENGINE_ERROR.search(message)
    return f"{match.group(1) if match else 'an error'} (text withheld: may quote a row)"


def _document(
    suite: Suite, results: Mapping[int, Any], findings: Sequence[Finding]
) -> dict[str, Any]:
    """The validation result as Great Expectations' renderers read it."""
    documents = [
        _result(results[number], findings[number]) for number in sorted(results)
    ]
    met = sum(d["success"] for d in documents)
    return {
        "suite_name": suite.table,
        "success": met == len(documents),
        "results": documents,
        "suite_parameters": {},
        "statistics": {
            "evaluated_expectations": len(documents),
            "successful_expectations": met,
            "unsuccessful_expectations": len(documents) - met,
            "success_percent": 100 * met / len(documents) if documents else None,
        },
        "meta": {
            "great_expectations_version": gx.__version__,
            "active_batch_definition": {
                "datasource_name": "warehouse",
                "data_connector_name": "fluent",
                "data_asset_name": suite.table,
                "batch_identifiers": {},
            },
        },
    }


def _result(result: Any, found: Finding) -> dict[str, Any]:
    config = result.expectation_config.to_json_dict()
    config["kwargs"].pop("batch_id", None)
    known = {k: result.result[k] for k in _COUNTS if k in result.result}
    if found.error is None and not known:
        known["observed_value"] = found.observed
    return {
        "success": found.is_met,
        "expectation_config": config,
        "result": known,
        "meta": {},
        "exception_info": {
            "raised_exception": found.error is not None,
            "exception_message": found.error,
            "exception_traceback": "",
        },
    }
