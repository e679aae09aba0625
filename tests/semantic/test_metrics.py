"""Metrics: what they answer is what a plain query answers, by view and by command."""

import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from sqlglot.lineage import lineage
from strata.cli import app
from strata.semantic import (
    Filter,
    MetricQuery,
    SemanticError,
    SemanticLayer,
    render,
    views,
)
from strata.semantic.groups import GRAINS, TIME, find, shared
from strata.semantic.views import column_of, formula
from typer.testing import CliRunner

from tests.semantic import company
from tests.semantic.hardest import HARDEST, Question

Answer = dict[tuple[Any, ...], tuple[Any, ...]]
LAYER = company.layer()


@pytest.fixture(scope="module")
def con() -> duckdb.DuckDBPyConnection:
    return company.published()


def question(metrics: str, by: str = "", **more: Any) -> MetricQuery:
    chosen = tuple(LAYER.metric(name) for name in metrics.split(","))
    groups = tuple(find(LAYER, chosen, text) for text in by.split(",") if text)
    return MetricQuery(chosen, groups, **more)


def ask(con: duckdb.DuckDBPyConnection, query: MetricQuery) -> Answer:
    made = render(LAYER, query)
    return keyed(con.execute(made.sql, made.values).fetchall(), len(query.groups))


def keyed(rows: Iterable[tuple[Any, ...]], groups: int) -> Answer:
    """By the groups; figures as floats to six digits, and no group twice."""
    found: Answer = {}
    for row in rows:
        assert row[:groups] not in found, "a group stands twice"
        found[row[:groups]] = tuple(map(figure, row[groups:]))
    return found


def figure(value: Any) -> float | None:
    return None if value is None else round(float(value), 6)


def told(answer: Answer) -> Answer:
    """Groups that have a figure: a plain query may leave out the others."""
    return {k: v for k, v in answer.items() if set(v) != {None}}


def more_than_nothing(answer: Answer) -> Answer:
    """A view counts nobody where a query knows of no row: there the figure is 0."""
    return {k: v for k, v in answer.items() if v not in [(None,), (0.0,)]}


@pytest.mark.parametrize("hard", HARDEST, ids=lambda q: q.name)
def test_a_hard_question_is_answered_as_by_hand(
    con: duckdb.DuckDBPyConnection, hard: Question
) -> None:
    query = question(hard.metrics, hard.by)
    by_hand = keyed(con.execute(hard.plain).fetchall(), len(query.groups))

    assert told(ask(con, query)) == told(by_hand)
    assert told(by_hand), "the company has nothing of it"


def test_there_are_two_hundred_combinations_and_each_can_be_asked() -> None:
    combinations = {
        (metric.name, group)
        for metric in LAYER.metrics
        for group in [TIME, *shared(LAYER, [metric])]
    }
    for name, group in combinations:
        assert render(LAYER, question(name, group)).sql

    assert len(combinations) >= 1_000
    assert len(LAYER.metrics) >= 40


@pytest.mark.parametrize("metric", LAYER.metrics, ids=lambda m: m.name)
def test_a_view_gives_what_the_query_gives(
    con: duckdb.DuckDBPyConnection, metric: Any
) -> None:
    """Its formula over its rows, by the day and one dimension of its own."""
    dimensions = [n for n, s in shared(LAYER, [metric]).items() if not s.is_time]
    group = dimensions[-1] if dimensions else ""
    models = {LAYER.measure(leaf)[0].primary for leaf in LAYER.leaves(metric)}
    own = models.pop() if len(models) == 1 else ""
    columns = ["metric_time", *([column_of(group, own)] if group else [])]
    viewed = con.execute(
        f"select {', '.join(columns)}, {formula(LAYER, metric)}"
        f" from metrics.{metric.name} group by {', '.join(columns)}"
    ).fetchall()

    asked = ask(con, question(metric.name, f"day,{group}"))
    answered = keyed(viewed, len(columns))
    assert more_than_nothing(answered) == more_than_nothing(asked)


def test_every_view_says_how_its_figure_is_made_of_its_columns(
    con: duckdb.DuckDBPyConnection,
) -> None:
    told = dict(
        con.execute(
            "select view_name, comment from duckdb_views() where schema_name = 'metrics'"
        ).fetchall()
    )
    for metric in LAYER.metrics:
        assert metric.description in told[metric.name]
        assert formula(LAYER, metric) in told[metric.name]
    assert con.execute("select count(*) from metrics.catalog").fetchall() == [
        (len(LAYER.metrics),)
    ]


def test_every_column_says_what_it_is_and_in_what_it_is_counted(
    con: duckdb.DuckDBPyConnection,
) -> None:
    told = words_on_views(con)
    of_users = "Null where no such user is known."

    assert [column for column, words in told.items() if not words] == []
    for metric in LAYER.metrics:
        for leaf in LAYER.leaves(metric):
            unit = LAYER.measure(leaf)[1].config.meta.unit.replace("currency", "money")
            assert f"Unit: {unit}" in told[metric.name, leaf]
    assert told["revenue", "revenue"] == (
        "Net amount of completed orders less what was taken back."
        " Unit: money, its currency in the column currency."
    )
    assert told["line_revenue", "line_revenue"].endswith(" order_document_currency.")
    assert told["revenue", "touchpoint"] == "Where it was bought."
    assert told["revenue", "user_city"] == (
        f"City of the user. City as the best record has it; null where not known. {of_users}"
    )
    assert told["arpu", "touchpoint"] == (
        "Of revenue: Where it was bought. Of active_users: Where it happened."
    )
    assert told["arpu", "active_users"] == (
        "What it counts, a row each: Known users with an event in the period. Take"
        " count(distinct active_users), never a sum. Unit: users."
        " Null in the rows of revenue."
    )


def test_a_column_has_the_words_on_the_column_that_it_reads(
    con: duckdb.DuckDBPyConnection,
) -> None:
    """What it reads is what the parser finds, through every CTE and join."""
    tables, told = company.described(), words_on_views(con)

    schema: dict[str, dict[str, dict[str, str]]] = {}
    for name, (_, columns) in tables.items():
        if columns:
            place, _, table = name.partition(".")
            schema.setdefault(place, {})[table] = dict.fromkeys(columns, "text")

    for view, sql in LAYER.views.items():
        own = tables[f"metrics.{view}"][1]
        for column in (c for v, c in told if v == view and c not in own):
            read = [
                (
                    f"{node.expression.db}.{node.expression.name}",
                    node.name.split(".")[1],
                )
                for node in lineage(column, sql, schema, dialect="duckdb").walk()
                if isinstance(node.expression, sqlglot.exp.Table)
            ]
            inherited = [tables[name][1][base] for name, base in read]
            assert inherited == [told[view, column]], f"{view}.{column}"


def words_on_views(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], str | None]:
    rows = con.execute(
        "select table_name, column_name, comment from duckdb_columns()"
        " where schema_name = 'metrics'"
    ).fetchall()
    return {(view, column): words for view, column, words in rows}


def test_a_sum_of_whole_numbers_is_a_bigint_and_one_of_money_a_decimal(
    con: duckdb.DuckDBPyConnection,
) -> None:
    """None is a hugeint: tools do not know it, and Parquet makes a double of it."""
    kinds = con.execute(
        "select table_name, column_name, data_type from duckdb_columns()"
        " where schema_name = 'metrics'"
    ).fetchall()
    summed = {
        name: kind
        for view, name, kind in kinds
        if view in {metric.name for metric in LAYER.metrics}
        and name in {leaf for metric in LAYER.metrics for leaf in LAYER.leaves(metric)}
        and LAYER.measure(name)[1].agg == "sum"
    }

    assert "HUGEINT" not in {kind for _, _, kind in kinds}
    assert {name for name, kind in summed.items() if kind != "BIGINT"} == {
        *("revenue", "gross_sales", "discounts", "refunds", "margin"),
        *("costed_revenue", "line_revenue", "revenue_365d", "ad_cost"),
        "expected_value",
    }
    assert {summed[name] for name in ("revenue", "ad_cost")} == {"DECIMAL(38,4)"}
    asked = render(LAYER, question("orders", "region"))
    assert con.execute(asked.sql).description[1][1] == "BIGINT"


def test_the_views_that_are_printed_read_as_spark_sql(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STRATA_PROJECT", str(company.ROOT))
    printed = CliRunner().invoke(app, ["metrics", "views"]).stdout

    found = [s for s in sqlglot.parse(printed, dialect="spark") if s is not None]
    assert [s.find(sqlglot.exp.Table).name for s in found] == [
        view.name for view in views(LAYER)
    ]


def test_filters_and_days_leave_out_rows_and_nothing_else(
    con: duckdb.DuckDBPyConnection,
) -> None:
    february = {"since": date(2026, 2, 1), "until": date(2026, 2, 28)}
    query = question("revenue", "touchpoint", **february)
    region = find(LAYER, query.metrics, "region")
    parts = [
        ask(
            con,
            question("revenue", "touchpoint", filters=(Filter(region, v),), **february),
        )
        for v in company.REGIONS
    ]
    summed = {
        key: (figure(sum(part[key][0] or 0 for part in parts if key in part)),)
        for key in ask(con, query)
    }

    assert summed == ask(con, query)
    by_month = ask(con, question("revenue", "touchpoint,month"))
    assert ask(con, query) == {
        key[:1]: value for key, value in by_month.items() if key[1] == date(2026, 2, 1)
    }


def test_a_value_of_a_filter_is_never_sql(con: duckdb.DuckDBPyConnection) -> None:
    query = question("orders")
    evil = Filter(find(LAYER, query.metrics, "touchpoint"), "x' or 'a' = 'a")
    assert told(ask(con, question("orders", filters=(evil,)))) == {}


def test_a_group_that_is_not_there_or_not_plain_is_told() -> None:
    cac, orders = LAYER.metric("cac"), LAYER.metric("orders")

    with pytest.raises(SemanticError, match=r"cac by 'region'.*metric_time"):
        find(LAYER, [cac], "region")
    with pytest.raises(SemanticError, match="is no time"):
        find(LAYER, [orders], "user__region__month")
    with pytest.raises(LookupError, match="no metric 'horoscope'"):
        LAYER.metric("horoscope")
    assert {find(LAYER, [orders], grain).column for grain in GRAINS} == {
        f"metric_time__{grain}" for grain in GRAINS
    }


def test_what_the_layer_does_not_know_is_refused() -> None:
    content = LAYER.model_dump()
    content["metrics"][0]["type_params"]["measure"] = "horoscope"
    with pytest.raises(ValueError, match="unknown"):
        SemanticLayer.model_validate(content)


def test_the_command_answers_from_the_published_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, con: duckdb.DuckDBPyConnection
) -> None:
    place = tmp_path / "sample" / "serving" / "strata.duckdb"
    place.parent.mkdir(parents=True)
    con.execute(f"attach '{place}' as copied")
    con.execute("copy from database memory to copied")
    con.execute("detach copied")
    monkeypatch.setenv("STRATA_PROJECT", str(company.ROOT))
    monkeypatch.setenv("STRATA_HOME", str(tmp_path))

    done = CliRunner().invoke(
        app, ["metrics", "query", "revenue", "--by", "region,month", "--json"]
    )

    rows = json.loads(done.stdout)
    assert [list(row.values())[:2] for row in rows[:2]] == [
        ["north", "2026-01-01"],
        ["north", "2026-02-01"],
    ]
    assert keyed(
        (
            (
                r["user__region"],
                date.fromisoformat(r["metric_time__month"]),
                r["revenue"],
            )
            for r in rows
        ),
        2,
    ) == ask(con, question("revenue", "region,month"))
