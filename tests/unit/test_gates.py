"""Gates: verdicts by severity, rows set aside, evidence without a value of a row."""

import json
import re
import shutil
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import date, timedelta
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

import duckdb
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from strata.config.suites import KINDS
from strata.quality import (
    GateFailed,
    GateOutcome,
    GateResult,
    build_data_docs,
    dialect,
    law_result,
    record,
    release,
    run_gate,
    under_waivers,
    waive,
)
from strata.quality.rules import Failing
from strata.run import Run

DAY = date(2026, 10, 31)
CANARY = "13812345678"

Check = Callable[..., GateOutcome]


class Bench:
    """A small warehouse with one built table, and suites written for it."""

    def __init__(self, folder: Path, warehouse: Path) -> None:
        self.folder = folder
        self.database = folder / "strata.duckdb"
        self.expectations = folder / "expectations"
        shutil.copy(warehouse, self.database)
        self.con = duckdb.connect(str(self.database))

    def run(self, attempt: int = 1, ds: date = DAY) -> Run:
        return Run(f"{ds}.{attempt}", ds, "test", self.folder / "home", "UTC")

    def table(self, name: str, rows: str) -> None:
        self.con.execute(f"create or replace table {name} as {rows}")

    def check(
        self,
        *rules: dict[str, Any],
        table: str = "staging.orders",
        stage: str = "staging",
        run: Run | None = None,
        **suite: Any,
    ) -> GateOutcome:
        self.write(*rules, table=table, stage=stage, **suite)
        run = run or self.run()
        return run_gate(stage, run, self.database, self.expectations, tables=[table])

    def write(
        self, *rules: dict[str, Any], table: str, stage: str, **suite: Any
    ) -> None:
        path = self.expectations / stage / f"{table.split('.')[1]}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {"table": table, "key": ["id"], "owner": "o", **suite}
        content["expectations"] = [
            {"severity": "fail", "why": "because it must hold", **rule}
            for rule in rules
        ]
        path.write_text(yaml.safe_dump(content), encoding="utf-8")

    def held(self) -> list[tuple[Any, ...]]:
        return self.con.execute(
            "select load_id, file, row_number, expectation, status, source_row"
            " from quarantine.rows order by all"
        ).fetchall()


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated warehouse without rows, to be copied."""
    path = tmp_path_factory.mktemp("warehouse") / "strata.duckdb"
    migrations = resources.files("strata.warehouse") / "migrations"
    with duckdb.connect(str(path)) as con:
        for file in sorted(migrations.iterdir(), key=lambda f: f.name):
            con.execute(file.read_text(encoding="utf-8"))
        con.execute("create schema build_staging; create schema build_raw")
    return path


@pytest.fixture
def bench(tmp_path: Path, warehouse: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, warehouse)
    yield made
    made.con.close()


def where(condition: str, **fields: Any) -> dict[str, Any]:
    name = fields.pop("name", f"not {condition}")
    return {
        "expectation": "rows_where",
        "name": name,
        "args": {"where": condition},
        **fields,
    }


def verdicts(outcome: GateOutcome) -> list[str]:
    return [result.verdict for result in outcome.results]


def keys(result: GateResult) -> list[Any]:
    return [next(iter(key.values())) for key in json.loads(result.sample_keys or "[]")]


ORDERS = """
    select * from (values (1, 10.0, 'paid'), (2, -5.0, 'paid'), (3, null, 'lost'))
        as t (id, amount, status)
"""


# --- severities and verdicts


def test_a_failed_rule_stops_or_warns_by_its_severity(bench: Bench) -> None:
    bench.table("build_staging.orders", ORDERS)
    outcome = bench.check(
        {"expectation": "expect_column_values_to_be_unique", "column": "id"},
        where("t.amount < 0", severity="warn", name="no negative amount"),
        {
            "expectation": "ExpectColumnValuesToBeInSet",
            "column": "status",
            "args": {"value_set": ["paid"]},
        },
    )
    assert verdicts(outcome) == ["passed", "warned", "failed"]
    assert [keys(r) for r in outcome.results] == [[], [2], [3]]
    assert [r.observed for r in outcome.results] == [
        "0 of 3 rows",
        "1 of 3 rows",
        "1 of 3 rows",
    ]
    assert outcome.stops
    assert outcome.counts == {
        "passed": 1,
        "warned": 1,
        "failed": 1,
        "quarantined": 0,
        "errored": 0,
    }


def test_warnings_alone_let_the_run_go_on(bench: Bench) -> None:
    bench.table("build_staging.orders", ORDERS)
    outcome = bench.check(where("t.amount < 0", severity="warn"))
    assert verdicts(outcome) == ["warned"]
    assert not outcome.stops
    outcome.raise_if_stopped()


def test_the_error_names_table_rule_count_and_place_but_no_value(bench: Bench) -> None:
    bench.table("build_staging.orders", ORDERS)
    outcome = bench.check(where("t.status = 'lost'", name="nothing is lost"))
    with pytest.raises(GateFailed) as caught:
        outcome.raise_if_stopped()
    told = str(caught.value)
    for part in (
        "stage staging stops run 2026-10-31.1",
        "failed: staging.orders: nothing is lost: 1 of 3 rows",
        "reports/2026-10-31/2026-10-31.1/gates/staging.json",
    ):
        assert part in told
    assert str(bench.folder) not in told
    assert (caught.value.stage, caught.value.outcome) == ("staging", outcome)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (
            {"expectation": "expect_column_values_to_not_be_null", "column": "no"},
            "there is no column 'no'",
        ),
        (
            where("t.no > 1"),
            'Binder Error: Values list "t" does not have a column named "no"',
        ),
        (where("t.status::int > 1"), "ConversionException (text withheld"),
        (
            where("exists (select 1 from {staging.nowhere})"),
            "Catalog Error: Table with",
        ),
        (
            {
                "expectation": "expect_column_mean_to_be_between",
                "column": "amount",
                "args": {"min_value": [1]},
            },
            "its arguments do not fit",
        ),
    ],
)
def test_an_expectation_that_raises_is_errored_whatever_its_severity(
    bench: Bench, rule: dict[str, Any], told: str
) -> None:
    bench.table("build_staging.orders", ORDERS)
    outcome = bench.check(
        {**rule, "severity": "warn"},
        {"expectation": "expect_column_values_to_not_be_null", "column": "id"},
    )
    assert verdicts(outcome) == ["errored", "passed"]
    assert outcome.results[0].observed.startswith(told)
    assert "lost" not in outcome.results[0].observed
    assert outcome.stops


@pytest.mark.parametrize(
    ("rows", "key", "told"),
    [
        (None, ["id"], "the table was not built"),
        (ORDERS, ["order_id"], "the key 'order_id' is no column"),
        ("select 1 as id, error('boom') as x", ["id"], "the check raised"),
    ],
)
def test_a_table_that_cannot_be_checked_is_errored_not_passed(
    bench: Bench, rows: str | None, key: list[str], told: str
) -> None:
    if rows:
        bench.con.execute(f"create view build_staging.orders as {rows}")
    outcome = bench.check(where("t.id > 1"), where("t.id > 2"), key=key)
    assert verdicts(outcome) == ["errored", "errored"]
    assert {r.observed[: len(told)] for r in outcome.results} == {told}
    assert "boom" not in outcome.results[0].observed
    assert outcome.stops


def test_a_share_of_failing_rows_may_be_allowed(bench: Bench) -> None:
    bench.table("build_staging.orders", "select i as id, i as x from range(100) t(i)")
    rules = [
        {**where("t.x < 10"), "args": {"where": "t.x < 10", "mostly": mostly}}
        for mostly in (0.9, 0.91)
    ]
    outcome = bench.check(*({**r, "name": str(n)} for n, r in enumerate(rules)))
    assert verdicts(outcome) == ["passed", "failed"]
    assert [r.unexpected_count for r in outcome.results] == [10, 10]


# --- rows and keys


def test_the_sample_is_capped_but_the_count_is_whole(bench: Bench) -> None:
    bench.table("build_staging.orders", "select i as id, 0 as x from range(500) t(i)")
    (result,) = bench.check(where("t.id >= 100")).results
    assert result.unexpected_count == 400
    assert keys(result) == list(range(100, 120))


nullable = st.none() | st.integers(0, 3)
tables = st.lists(st.tuples(nullable, nullable), max_size=8)


def failing(rows: Sequence[tuple[int | None, int | None]]) -> dict[str, set[int]]:
    """The rows (by number) that fail each rule below, found the plain way."""
    a, b = [r[0] for r in rows], [r[1] for r in rows]
    often, pairs = Counter(a), Counter(rows)
    tests: dict[str, Callable[[int], bool]] = {
        "expect_column_values_to_not_be_null": lambda i: a[i] is None,
        "expect_column_values_to_be_null": lambda i: a[i] is not None,
        "expect_column_values_to_be_unique": lambda i: (
            a[i] is not None and often[a[i]] > 1
        ),
        "expect_column_values_to_be_in_set": lambda i: (
            a[i] is not None and a[i] not in (0, 2)
        ),
        "expect_column_values_to_not_be_in_set": lambda i: a[i] in (0, 2),
        "expect_column_values_to_be_between": lambda i: (
            a[i] is not None and not 1 <= a[i] < 3
        ),
        "expect_column_pair_values_to_be_equal": lambda i: a[i] != b[i],
        "expect_column_pair_values_a_to_be_greater_than_b": lambda i: (
            None not in rows[i] and a[i] < b[i]
        ),
        "expect_compound_columns_to_be_unique": lambda i: (
            None not in rows[i] and pairs[rows[i]] > 1
        ),
        "rows_where": lambda i: None not in rows[i] and a[i] + b[i] > 3,
        "references": lambda i: a[i] is not None and a[i] not in (0, 1),
    }
    return {k: {i for i in range(len(rows)) if t(i)} for k, t in tests.items()}


ROWWISE: list[dict[str, Any]] = [
    {"expectation": "expect_column_values_to_not_be_null", "column": "a"},
    {"expectation": "expect_column_values_to_be_null", "column": "a"},
    {"expectation": "expect_column_values_to_be_unique", "column": "a"},
    {
        "expectation": "expect_column_values_to_be_in_set",
        "column": "a",
        "args": {"value_set": [0, 2]},
    },
    {
        "expectation": "expect_column_values_to_not_be_in_set",
        "column": "a",
        "args": {"value_set": [0, 2]},
    },
    {
        "expectation": "expect_column_values_to_be_between",
        "column": "a",
        "args": {"min_value": 1, "max_value": 3, "strict_max": True},
    },
    {
        "expectation": "expect_column_pair_values_to_be_equal",
        "args": {"column_A": "a", "column_B": "b"},
    },
    {
        "expectation": "expect_column_pair_values_a_to_be_greater_than_b",
        "args": {"column_A": "a", "column_B": "b", "or_equal": True},
    },
    {
        "expectation": "expect_compound_columns_to_be_unique",
        "args": {"column_list": ["a", "b"]},
    },
    {"expectation": "rows_where", "name": "sum", "args": {"where": "t.a + t.b > 3"}},
    {
        "expectation": "references",
        "column": "a",
        "args": {"table": "staging.known", "to": "a"},
    },
]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, warehouse: Path) -> Iterator[Bench]:
    """One bench for all examples of a property."""
    made = Bench(tmp_path_factory.mktemp("gates"), warehouse)
    made.table("build_staging.known", "select unnest([0, 1]) as a")
    yield made
    made.con.close()


@settings(max_examples=20)
@given(rows=tables)
def test_counts_and_keys_are_those_of_the_plain_count(
    shelf: Bench, rows: list[tuple[int | None, int | None]]
) -> None:
    columns = [list(range(len(rows))), [r[0] for r in rows], [r[1] for r in rows]]
    listed = ", ".join(
        f"unnest({str(values).replace('None', 'null')}::int[]) as {name}"
        for name, values in zip(("id", "a", "b"), columns, strict=True)
    )
    shelf.table("build_staging.orders", f"select {listed}")
    expected = failing(rows)
    outcome = shelf.check(*ROWWISE)
    assert set(expected) == {rule["expectation"] for rule in ROWWISE}
    for result in outcome.results:
        bad = expected[result.kind]
        assert (result.kind, set(keys(result))) == (result.kind, bad)
        assert result.unexpected_count == len(bad)
        assert result.checked_rows == len(rows)
        assert result.verdict == ("failed" if bad else "passed")


def test_rows_counted_and_rows_found_by_key_must_be_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.table("build_staging.orders", ORDERS)
    other = Failing('"build_staging"."orders"', "t.id = 1")
    monkeypatch.setattr("strata.quality.gate.failing_rows", lambda *_: other)
    (result,) = bench.check(where("t.id > 1", severity="warn")).results
    assert result.verdict == "errored"
    assert result.observed == "2 rows were counted to fail, 1 found by key"


def test_text_in_a_rule_is_taken_as_it_stands(bench: Bench) -> None:
    texts = ["{batch}", ":name", "100 %", "it's", "a{2}", "b::int", "$1"]
    bench.table(
        "build_staging.orders",
        f"select unnest(range({len(texts)})) as id, unnest({texts!r}) as x".replace(
            '"it\'s"', "'it''s'"
        ),
    )
    rules = [
        where("t.x = '" + text.replace("'", "''") + "'", name=text) for text in texts
    ]
    pattern = {
        "expectation": "matches_regex",
        "column": "x",
        "args": {"pattern": r"[^{]{1,5}|\{batch\}|b::int"},
    }
    like = {"expectation": "matches_like", "column": "x", "args": {"pattern": "%a%"}}
    outcome = bench.check(*rules, pattern, like)
    assert [keys(r) for r in outcome.results[: len(texts)]] == [
        [n] for n in range(len(texts))
    ]
    assert keys(outcome.results[-2]) == [4]
    assert keys(outcome.results[-1]) == [2, 3, 5, 6]


def test_a_rule_reads_this_runs_build_before_what_is_published(bench: Bench) -> None:
    bench.con.execute("create schema staging")
    bench.table("build_staging.orders", "select unnest([1, 2, 3]) as id")
    bench.table("staging.orders", "select unnest([1, 2, 3, 4]) as id")
    bench.table("staging.customers", "select unnest([1, 2]) as id")
    known = {
        "expectation": "references",
        "column": "id",
        "args": {"table": "staging.customers", "to": "id"},
    }
    itself = where("(select count(*) from {staging.orders}) <> 3", name="itself")
    covered = {
        "expectation": "covers",
        "name": "customers",
        "args": {"table": "staging.customers", "by": ["id"], "where": "t.id > 0"},
    }
    outcome = bench.check(known, itself, covered)
    assert [keys(r) for r in outcome.results] == [[3], [], []]
    bench.table("build_staging.customers", "select unnest([1, 2, 3, 4, 5]) as id")
    outcome = bench.check(known, itself, covered)
    assert [keys(r) for r in outcome.results] == [[], [], [4, 5]]
    assert outcome.results[2].observed == "2 of staging.customers"


EXAMPLES: dict[str, dict[str, Any]] = {
    "rows_where": {"where": "t.n > 2"},
    "parseable": {"as": "date"},
    "matches_regex": {"pattern": "x+"},
    "matches_like": {"pattern": "x%"},
    "references": {"table": "staging.orders", "to": "s"},
    "covers": {"table": "staging.orders", "by": ["id"]},
    "row_count_like_before": {"min_ratio": 0.5, "max_ratio": 2, "at_least_runs": 3},
    "expect_column_value_lengths_to_equal": {"value": 1},
    "expect_column_pair_values_to_be_equal": {"column_A": "n", "column_B": "id"},
    "expect_column_pair_values_a_to_be_greater_than_b": {
        "column_A": "n",
        "column_B": "id",
    },
    "expect_compound_columns_to_be_unique": {"column_list": ["n", "s"]},
    "expect_column_quantile_values_to_be_between": {
        "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[3, 4]]}
    },
    "expect_column_to_exist": {},
    "expect_table_row_count_to_equal": {"value": 7},
    "expect_table_column_count_to_equal": {"value": 7},
    "expect_table_columns_to_match_set": {"column_set": ["id", "other"]},
}
NUMERIC = re.compile("between|mean|stdev|sum|quantile")


def example(kind: str) -> dict[str, Any]:
    """A rule of every kind, with arguments that the table below breaks."""
    args = EXAMPLES.get(kind)
    if args is None and "value_set" in KINDS[kind].required:
        args = {"value_set": ["y"]}
    if args is None and NUMERIC.search(kind):
        args = {"min_value": 90, "max_value": 99}
    rule: dict[str, Any] = {"expectation": kind, "args": args or {}}
    if KINDS[kind].has_column:
        on_text = not NUMERIC.search(kind) or "length" in kind
        rule["column"] = "s" if on_text else "n"
    if KINDS[kind].needs_name:
        rule["name"] = f"an example of {kind}"
    return rule


def test_every_kind_runs_inside_the_engine_and_shows_in_the_docs(
    bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    bench.table(
        "build_staging.orders",
        "select * from (values (1, 2, 'opal'), (2, 3, 'ruby'), (3, null, null))"
        " as t (id, n, s)",
    )
    outcome = bench.check(*(example(kind) for kind in KINDS))
    told = {r.kind: (r.verdict, r.observed) for r in outcome.results}
    assert set(told) == set(KINDS)
    assert {k: t for k, t in told.items() if t[0] == "errored"} == {}
    assert told["expect_column_mean_to_be_between"] == ("failed", "2.5")
    assert told["expect_column_quantile_values_to_be_between"] == ("failed", "2")
    assert told["expect_table_columns_to_match_set"] == ("failed", "id, n, s")
    index = build_data_docs(bench.run())
    page = (index.parent / "staging" / "staging.orders.html").read_text()
    # Text of rows is never shown, not even that of an aggregate.
    assert not re.search("opal|ruby", page + str(told))
    assert "could not render" not in page
    assert page.count("quantiles must be within") == 1
    assert capfd.readouterr().err == ""


# --- quarantine

RAW = """
    select 'load-1' as _load_id, 'a.csv' as _file, i as _row,
        case when i < {bad} then 'oops' else '10' end as amount,
        case when i < 2 then null else 'c' || i end as customer,
        null::varchar as _extra
    from range({rows}) t(i)
"""
QUARANTINE = [
    {
        "expectation": "parseable",
        "column": "amount",
        "args": {"as": "decimal(18, 4)"},
        "severity": "quarantine",
    },
    {
        "expectation": "expect_column_values_to_not_be_null",
        "column": "customer",
        "severity": "quarantine",
    },
]


def ingest(bench: Bench, *rules: dict[str, Any], **fields: Any) -> GateOutcome:
    return bench.check(
        *(rules or QUARANTINE),
        table="raw.shop__orders",
        stage="ingest",
        key=["_load_id", "_file", "_row"],
        **fields,
    )


def test_bad_rows_are_set_aside_whole_and_once(bench: Bench) -> None:
    bench.table("build_raw.shop__orders", RAW.format(bad=3, rows=100))
    outcome = ingest(bench)
    assert verdicts(outcome) == ["quarantined", "quarantined"]
    assert not outcome.stops
    assert outcome.quarantined_rows == 3
    record(bench.con, outcome)
    first, second, third = bench.held()
    assert first[:3] == ("load-1", "a.csv", 0)
    both = "parseable(amount, as=decimal(18, 4)); " + QUARANTINE[1]["expectation"]
    assert first[3] == second[3] == f"{both}(customer)"
    assert third[3] == "parseable(amount, as=decimal(18, 4))"
    assert json.loads(third[5])["customer"] == "c2"
    assert {row[4] for row in (first, second, third)} == {"held"}


@pytest.mark.parametrize(
    ("bad", "rows", "suite", "verdict"),
    [
        (5, 100, {}, "quarantined"),
        (6, 100, {}, "failed"),
        (6, 100, {"quarantine_limit": 0.06}, "quarantined"),
        (2, 3, {}, "failed"),
        (2, 3, {"quarantine_allowance": 2}, "quarantined"),
    ],
)
def test_too_many_bad_rows_stop_the_run_and_none_is_set_aside(
    bench: Bench, bad: int, rows: int, suite: dict[str, Any], verdict: str
) -> None:
    bench.table("build_raw.shop__orders", RAW.format(bad=bad, rows=rows))
    outcome = ingest(bench, QUARANTINE[0], **suite)
    assert verdicts(outcome) == [verdict]
    record(bench.con, outcome)
    assert outcome.stops == (verdict == "failed")
    assert (
        len(bench.held()) == outcome.quarantined_rows == (0 if outcome.stops else bad)
    )


def test_a_gate_that_stops_for_another_reason_sets_nothing_aside(bench: Bench) -> None:
    bench.table("build_raw.shop__orders", RAW.format(bad=3, rows=100))
    outcome = ingest(bench, *QUARANTINE, where("t._row = 50"))
    assert verdicts(outcome) == ["quarantined", "quarantined", "failed"]
    record(bench.con, outcome)
    assert bench.held() == []


def test_doing_it_again_changes_nothing_and_what_was_released_stays_so(
    bench: Bench,
) -> None:
    bench.table("build_raw.shop__orders", RAW.format(bad=3, rows=100))
    record(bench.con, ingest(bench))
    before = bench.held()
    for attempt in (1, 2):
        record(bench.con, ingest(bench, run=bench.run(attempt)))
        assert bench.held() == before
    alone = "parseable(amount, as=decimal(18, 4))"
    assert release(bench.con, "shop", "orders", by="Ada", expectation=alone) == 1
    record(bench.con, ingest(bench, run=bench.run(3)))
    assert [row[4] for row in bench.held()] == ["held", "held", "released"]
    assert release(bench.con, "shop", "orders", by="Ada") == 2
    assert release(bench.con, "shop", "orders", by="Ada") == 0
    with pytest.raises(ValueError, match="needs the name of the person"):
        release(bench.con, "shop", "orders", by=" ")


# --- evidence


def test_results_are_written_even_where_the_gate_stops(bench: Bench) -> None:
    bench.table("build_staging.orders", ORDERS)
    outcome = bench.check(where("t.amount < 0"), where("t.id > 5"))
    path = bench.run().report_dir / "gates" / "staging.json"
    written = json.loads(path.read_text())
    assert (written["stops"], written["counts"]) == (True, outcome.counts)
    assert [r["verdict"] for r in written["results"]] == ["failed", "passed"]
    assert [p.name for p in path.parent.iterdir() if p.suffix == ".tmp"] == []
    for attempt in range(2):
        record(bench.con, outcome)
        rows = bench.con.execute("select * from audit.gate_results").fetchall()
        names = [d[0] for d in bench.con.description or []]
        assert [dict(zip(names, row, strict=True)) for row in rows] == [
            asdict(r) for r in outcome.results
        ], attempt
    result = outcome.results[0]
    assert (result.fingerprint, result.checked_rows) != (None, None)
    assert result.suite_version == outcome.results[1].suite_version


@pytest.mark.parametrize(
    ("key", "is_told"), [(["openid"], False), (["_file", "_row"], True)]
)
def test_a_key_that_a_source_made_stays_in_the_warehouse(
    bench: Bench, key: list[str], is_told: bool
) -> None:
    bench.table("build_staging.orders", f"select '{CANARY}' as openid, * from (select"
                " 'part-0' as _file, 7 as _row, 1 as id)")  # fmt: skip
    outcome = bench.check(where("t.id < 5"), key=key)
    record(bench.con, outcome)
    build_data_docs(bench.run())
    with pytest.raises(GateFailed) as caught:
        outcome.raise_if_stopped()
    files = [p for p in (bench.folder / "home").rglob("*") if p.is_file()]
    told = " ".join([str(caught.value), *(p.read_text() for p in files)])
    kept = bench.con.execute("select sample_keys from audit.gate_results").fetchall()
    assert (CANARY in str(kept), "part-0" in str(kept)) == (not is_told, is_told)
    assert (CANARY in told, "part-0" in told) == (False, is_told)


def test_laws_checked_elsewhere_count_like_any_other_result(bench: Bench) -> None:
    bench.table("build_staging.orders", ORDERS)
    outcome = bench.check(where("t.id > 5"))
    law = law_result(
        bench.run(),
        "staging",
        "staging/stg_shop__orders",
        holds=False,
        observed="3 in, 2 out",
        why="rows in = rows out",
        unexpected=1,
        checked=3,
    )
    more = outcome.with_results([law])
    record(bench.con, more)
    assert (outcome.stops, more.stops) == (False, True)
    path = bench.run().report_dir / "gates" / "staging.json"
    assert len(json.loads(path.read_text())["results"]) == 2
    page = build_data_docs(bench.run()).parent / "staging/staging.stg_shop__orders.html"
    assert "3 in, 2 out" in page.read_text()


def test_a_volume_beyond_the_tables_own_history_warns(bench: Bench) -> None:
    rule = {"expectation": "row_count_like_before", "severity": "warn"}

    def day(number: int, rows: int) -> GateOutcome:
        bench.table("build_staging.orders", f"select i as id from range({rows}) t(i)")
        run = bench.run(ds=DAY + timedelta(days=number))
        outcome = bench.check(rule, run=run)
        record(bench.con, outcome)
        return outcome

    # The first days have no history yet; the first delivery is large.
    sizes = [5000, 100, 104, 98, 101, 99, 102]
    days = [day(number, rows) for number, rows in enumerate(sizes)]
    assert {d.results[0].verdict for d in days} == {"passed"}
    assert days[-1].results[0].threshold == "none yet: 6 of 7 earlier days known"
    assert verdicts(day(7, 110)) == ["passed"]
    alarm = day(8, 1000)
    assert verdicts(alarm) == ["warned"]
    assert alarm.results[0].threshold.startswith("0 to 340 rows (median of 8 days: 102")
    # What alarmed is no part of the baseline of the next day.
    assert day(9, 100).results[0].threshold.startswith("0 to 340 rows (median of 8 ")


def test_no_value_of_a_pii_column_reaches_any_result_log_or_page(
    bench: Bench, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    bench.table(
        "build_staging.orders",
        f"select i as id, '{CANARY}' as phone, {CANARY} as number,"
        " date '1977-07-07' as birth_on from range(5) t(i)",
    )
    column = {"column": "phone"}
    rules = [
        {"expectation": "expect_column_values_to_be_unique", **column},
        {"expectation": "expect_column_values_to_be_null", **column},
        {
            "expectation": "expect_column_values_to_be_in_set",
            **column,
            "args": {"value_set": ["none"]},
        },
        {"expectation": "matches_regex", **column, "args": {"pattern": "[a-z]+"}},
        {
            "expectation": "expect_column_distinct_values_to_equal_set",
            **column,
            "args": {"value_set": ["none"]},
        },
        {
            "expectation": "expect_column_most_common_value_to_be_in_set",
            **column,
            "args": {"value_set": ["none"]},
        },
        {
            "expectation": "expect_column_max_to_be_between",
            "column": "number",
            "args": {"max_value": 1},
        },
        {
            "expectation": "expect_column_min_to_be_between",
            "column": "birth_on",
            "args": {"min_value": date(2000, 1, 1)},
        },
        {
            "expectation": "expect_column_values_to_be_in_set",
            **column,
            "args": {"value_set": [1, 2]},
        },
        where("t.phone::tinyint > 1", name="raises and quotes"),
        where("('x' || t.phone)::date > date '2000-01-01'", name="raises too"),
    ]
    outcome = bench.check(*rules, pii=["phone", "number", "birth_on"])
    assert verdicts(outcome) == ["failed"] * 8 + ["errored"] * 3
    record(bench.con, outcome)
    build_data_docs(bench.run())
    with pytest.raises(GateFailed) as caught:
        outcome.raise_if_stopped()
    audit = bench.con.execute("select * from audit.gate_results").fetchall()
    seen = [str(caught.value), str(audit), caplog.text, *capfd.readouterr()]
    files = [p for p in (bench.folder / "home").rglob("*") if p.is_file()]
    seen += [path.read_text() for path in files]
    assert {p.suffix for p in files} == {".json", ".html"}
    for text in seen:
        assert CANARY not in text
        assert "1977" not in text


def test_the_engine_is_never_asked_for_a_value_of_a_failing_row(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[object] = []

    class Overheard(dialect.FullyBufferedCursorFetchStrategy):
        def __init__(self, cursor: Any) -> None:
            super().__init__(cursor)
            fetched.extend(self._rowbuffer)

    monkeypatch.setattr(dialect, "FullyBufferedCursorFetchStrategy", Overheard)
    bench.table("build_staging.orders", f"select 1 as id, '{CANARY}' as phone")
    outcome = bench.check(
        {"expectation": "expect_column_values_to_be_null", "column": "phone"},
        {
            "expectation": "expect_column_values_to_be_in_set",
            "column": "phone",
            "args": {"value_set": ["none"]},
        },
        where("t.phone is not null"),
        key=["id"],
    )
    assert verdicts(outcome) == ["failed"] * 3
    assert fetched and CANARY not in str(fetched)


def test_a_page_that_cannot_be_rendered_does_not_fail_the_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> NoReturn:
        raise KeyError(CANARY)

    monkeypatch.setattr("strata.quality.rendering.sections", broken)
    bench.table("build_staging.orders", ORDERS)
    bench.check(where("t.id > 5", name="ids are small"))
    index = build_data_docs(bench.run())
    page = (index.parent / "staging" / "staging.orders.html").read_text()
    assert "could not render this suite: KeyError" in page
    assert "ids are small" in page
    assert CANARY not in page


def test_data_docs_need_no_web_and_tell_of_every_stage_that_was_checked(
    bench: Bench,
) -> None:
    bench.table("build_staging.orders", ORDERS)
    bench.table("build_raw.shop__orders", RAW.format(bad=3, rows=100))
    ingest(bench)
    bench.check(where("t.amount < 0", name="nothing <b>negative</b>"))
    index = build_data_docs(bench.run())
    assert index == bench.run().report_dir / "data_docs" / "index.html"
    pages = {p.name: p.read_text() for p in index.parent.rglob("*.html")}
    assert set(pages) == {
        "index.html",
        "raw.shop__orders.html",
        "staging.orders.html",
    }
    links = re.findall(r'href="([^"]+)"', pages["index.html"])
    assert links == ["ingest/raw.shop__orders.html", "staging/staging.orders.html"]
    assert all((index.parent / link).is_file() for link in links)
    for text in pages.values():
        assert not re.search(r'https?:|<script|<link|src="', text)
        assert str(bench.folder) not in text
    assert "nothing &lt;b&gt;negative" in pages["staging.orders.html"]
    assert "<b>negative" not in pages["staging.orders.html"]


def test_a_gate_is_silent_calls_nobody_and_lives_beside_other_connections(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError("a gate must not use the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    bench.table("build_staging.orders", ORDERS)
    caplog.set_level("INFO")
    with duckdb.connect(str(bench.database)) as other:
        other.begin()
        other.execute("create table notes as select 1 as n")
        assert verdicts(bench.check(where("t.id > 5"))) == ["passed"]
        other.rollback()
    assert [r.name for r in caplog.records if r.name.startswith("great_exp")] == []
    bench.con.close()
    # No lock stays: the file can be opened with another configuration.
    duckdb.connect(str(bench.database), config={"threads": 1}).close()


def test_only_tables_that_have_a_suite_can_be_asked_for(bench: Bench) -> None:
    bench.write(where("t.id > 5"), table="staging.orders", stage="staging")
    arguments = ("staging", bench.run(), bench.database, bench.expectations)
    with pytest.raises(ValueError, match=r"no suite for \['staging.nothing'\]"):
        run_gate(*arguments, tables=["staging.nothing"])
    assert run_gate(*arguments, tables=[]).results == ()


# --- waivers

ANY_ORDER = ("staging.orders", "no negative amount")


def waived(bench: Bench, until: date, name: str = ANY_ORDER[1], **told: str) -> str:
    decided = {"by": "Ada", "reason": "refunds are booked twice until May", **told}
    return waive(
        bench.con,
        bench.expectations,
        ["staging"],
        ANY_ORDER[0],
        name,
        until=until,
        **decided,
    )


@pytest.fixture
def gated(bench: Bench) -> Callable[[date], GateOutcome]:
    """The gate of a table of which one rule fails, one errs, and one would stop."""
    bench.table("build_staging.orders", ORDERS)

    def check(ds: date) -> GateOutcome:
        outcome = bench.check(
            where("t.amount < 0", name="no negative amount"),
            where("t.status = 'lost'", name="nothing is lost"),
            where("t.no > 1", name="broken"),
            where("t.id = 1", name="only a hint", severity="warn"),
            run=bench.run(ds=ds),
        )
        return under_waivers(bench.con, outcome)

    return check


def test_a_waived_rule_warns_up_to_its_day_and_says_so(
    bench: Bench, gated: Callable[[date], GateOutcome]
) -> None:
    before = gated(DAY)
    assert verdicts(before) == ["failed", "failed", "errored", "warned"]

    assert waived(bench, DAY) == "w1"
    last, next_day = gated(DAY), gated(DAY + timedelta(days=1))

    assert verdicts(last) == ["warned", "failed", "errored", "warned"]
    assert [r.waiver_id for r in last.results] == ["w1", None, None, None]
    assert last.results[0].observed == (
        "1 of 3 rows; waived until 2026-10-31 (w1): refunds are booked twice until May"
    )
    assert last.results[0].severity == "fail"
    assert keys(last.results[0]) == [2], "which rows fail is told as before"
    assert last.results[1:] == tuple(
        # A check takes its own time.
        GateResult(
            **{**asdict(was), "_started_at": r._started_at, "_ended_at": r._ended_at}
        )
        for was, r in zip(before.results[1:], last.results[1:], strict=True)
    )
    assert verdicts(next_day) == verdicts(before)


def test_the_newest_waiver_of_a_rule_decides(
    bench: Bench, gated: Callable[[date], GateOutcome]
) -> None:
    gated(DAY)
    waived(bench, DAY - timedelta(days=1))
    assert verdicts(gated(DAY))[0] == "failed"
    waived(bench, DAY + timedelta(days=9))
    assert verdicts(gated(DAY))[0] == "warned"
    waived(bench, DAY - timedelta(days=1), reason="they are mended")
    assert verdicts(gated(DAY))[0] == "failed"
    assert bench.con.execute(
        "select waiver_id, stage, granted_by from audit.waivers order by waiver_id"
    ).fetchall() == [(f"w{n}", "staging", "Ada") for n in (1, 2, 3)]


def test_only_a_known_rule_that_stops_is_waived_and_by_somebody(
    bench: Bench, gated: Callable[[date], GateOutcome]
) -> None:
    gated(DAY)
    with pytest.raises(LookupError, match="'no negative amount'"):
        waived(bench, DAY, "no negativ amount")
    with pytest.raises(LookupError, match="no rule 'only a hint' that stops a run"):
        waived(bench, DAY, "only a hint")
    for told in ({"by": " "}, {"reason": ""}):
        with pytest.raises(ValueError, match="needs the name of who decides it"):
            waived(bench, DAY, **told)
    assert bench.con.execute("select count(*) from audit.waivers").fetchall() == [(0,)]


def test_a_waived_result_keeps_its_waiver_in_the_audit(
    bench: Bench, gated: Callable[[date], GateOutcome]
) -> None:
    gated(DAY)
    waived(bench, DAY)
    record(bench.con, gated(DAY))
    assert bench.con.execute(
        "select expectation, severity, verdict, waiver_id from audit.gate_results"
        " where waiver_id is not null"
    ).fetchall() == [("no negative amount", "fail", "warned", "w1")]


def test_a_law_of_the_pipeline_is_never_waived(bench: Bench) -> None:
    law = law_result(
        *(bench.run(), "staging", "staging.orders"),
        holds=False,
        observed="3 in, 2 out",
        why="no negative amount",
        unexpected=1,
        checked=3,
    )
    bench.table("build_staging.orders", ORDERS)
    outcome = bench.check(where("t.amount < 0", name="no negative amount"))
    waived(bench, DAY)
    found = under_waivers(bench.con, outcome.with_results([law]))
    assert verdicts(found) == ["warned", "failed"]
