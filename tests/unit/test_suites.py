"""Suites are data: what they may say, how they are told to be wrong, when they change."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from strata.config.loader import ConfigError, read_yaml
from strata.config.sources import SourcesConfig
from strata.config.suites import KINDS, Rule, Suite, read_suite, read_suites
from strata.quality.rules import failing_rows
from strata.warehouse.tables import STAGE_SCHEMAS, STAGES

ROOT = Path(__file__).parents[2]
SUITES = [
    (stage, suite)
    for stage in STAGES
    for suite in read_suites(ROOT / "expectations", stage)
]
RULES = [(suite, rule) for _, suite in SUITES for rule in suite.expectations]
SUITE: dict[str, Any] = {
    "table": "staging.orders",
    "key": ["order_id"],
    "owner": "data engineering",
    "expectations": [
        {
            "expectation": "expect_column_values_to_be_unique",
            "column": "order_id",
            "severity": "fail",
            "why": "An order counts once.",
        },
        {
            "expectation": "rows_where",
            "name": "no negative amount",
            "args": {"where": "t.amount < 0"},
            "severity": "warn",
            "why": "Refunds are rows of their own.",
        },
    ],
}


def write(folder: Path, content: Any, stage: str = "staging") -> Path:
    path = folder / stage / "orders.yml"
    path.parent.mkdir(exist_ok=True)
    is_text = isinstance(content, str)
    path.write_text(content if is_text else yaml.safe_dump(content, sort_keys=False))
    return path


def with_rule(**fields: Any) -> dict[str, Any]:
    """The suite with one rule alone: the first, with some fields changed."""
    rule = {**SUITE["expectations"][0], **fields}
    return {**SUITE, "expectations": [{k: v for k, v in rule.items() if v is not None}]}


# --- the suites of the project


def test_every_stage_has_suites_for_tables_of_its_own_schemas() -> None:
    assert {stage for stage, _ in SUITES} == set(STAGES)
    foreign = [
        suite.table
        for stage, suite in SUITES
        if suite.table.split(".")[0] not in STAGE_SCHEMAS[stage]
    ]
    assert foreign == []


def test_every_declared_entity_has_an_ingest_suite_that_knows_its_columns_and_pii() -> (
    None
):
    sources = read_yaml(ROOT / "config" / "sources.yml", SourcesConfig)
    entities = {
        f"raw.{system}__{name}": entity.columns
        for system, config in sources.systems.items()
        for name, entity in config.entities.items()
    }
    ingest = {suite.table: suite for stage, suite in SUITES if stage == "ingest"}
    assert set(ingest) == set(entities)
    operational = {"_load_id", "_file", "_row", "_occurrence", "_known_at", "_extra"}
    for table, suite in ingest.items():
        columns = entities[table]
        assert set(suite.pii) == {name for name, c in columns.items() if c.pii}, table
        for rule in suite.expectations:
            said = {rule.column} if rule.column else set()
            said |= set(re.findall(r"\bt\.(\w+)", str(rule.args.get("where", ""))))
            assert said <= set(columns) | operational, (table, rule.label)
        assert suite.key == ("_load_id", "_file", "_row"), table
        assert any(rule.severity == "quarantine" for rule in suite.expectations), table


def test_no_rule_behind_staging_lists_the_systems() -> None:
    """Adding a source is one entry, one staging folder and one suite."""
    systems = set(read_yaml(ROOT / "config" / "sources.yml", SourcesConfig).systems)
    listed = [
        (suite.table, rule.label)
        for stage, suite in SUITES
        for rule in suite.expectations
        if stage not in ("ingest", "staging")
        and len(systems & set(rule.args.get("value_set", ()))) > 1
    ]
    assert listed == []


def test_every_suite_is_meaningful_and_says_why() -> None:
    sizes = {suite.table: len(suite.expectations) for _, suite in SUITES}
    assert {table: n for table, n in sizes.items() if not 4 <= n <= 10} == {}
    # One reason may stand for many tables, but not for rules that differ in kind.
    reasons: dict[str, set[str]] = {}
    for _, rule in RULES:
        reasons.setdefault(rule.why, set()).add(rule.expectation)
    assert [why for why, kinds in reasons.items() if len(kinds) > 2] == []


def test_tables_that_rules_refer_to_belong_to_a_stage() -> None:
    schemas = {s for names in STAGE_SCHEMAS.values() for s in names} | {"ops"}
    for suite, rule in RULES:
        text = f"{rule.args.get('where', '')} {{{rule.args.get('table', '')}}}"
        for schema in re.findall(r"\{(\w+)\.\w+\}", text):
            assert schema in schemas, (suite.table, rule.label)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_names_its_failing_rows_exactly_if_it_judges_rows(kind: str) -> None:
    wanted = KINDS[kind]
    args = {name: "x.y" if name == "table" else ["a"] for name in wanted.required}
    rule = Rule(
        expectation=kind,
        name="a name" if wanted.needs_name else None,
        column="a" if wanted.has_column else None,
        args={**args, **({"column_A": "a"} if "column_A" in args else {})},
        severity="warn",
        why="because it must hold",
    )
    if "column_A" in args:
        rule = rule.model_copy(update={"args": {"column_A": "a", "column_B": "b"}})
    found = failing_rows(rule, "x.z", lambda schema, table: f"{schema}.{table}")
    assert (found is not None) == (wanted.is_rowwise or kind == "covers")


# --- what a suite may not say


@pytest.mark.parametrize(
    ("content", "line", "told"),
    [
        (with_rule(expectation="expect_column_values_to_be_uniqe"), 6, "did you mean"),
        (with_rule(expectation="ExpectColumnValuesToMatchRegex"), 6, "matches_regex"),
        (with_rule(expectation="expect_column_values_to_be_increasing"), 6, "rows_wh"),
        (with_rule(column=None), 6, "needs a column"),
        (with_rule(args={"max": 3}), 6, "knows no argument 'max'"),
        (with_rule(expectation="parseable"), 6, "lacks the argument 'as'"),
        (with_rule(severity="error"), 8, "'fail', 'warn' or 'quarantine'"),
        (with_rule(severity="quarantine"), 8, "belongs to stage ingest"),
        (with_rule(why=None), 6, "Field required"),
        ({**SUITE, "table": "orders"}, 1, "schema.table"),
        ({**SUITE, "pii": ["order_id"]}, 1, "a key is shown"),
        ({**SUITE, "expectations": SUITE["expectations"][:1] * 2}, 1, "stands twice"),
        ({**SUITE, "severity": "fail"}, 16, "Extra inputs"),
    ],
)
def test_a_wrong_suite_is_refused_with_file_line_and_remedy(
    tmp_path: Path, content: dict[str, Any], line: int, told: str
) -> None:
    path = write(tmp_path, content)
    with pytest.raises(ConfigError) as caught:
        read_suite(path)
    first = str(caught.value).splitlines()[0]
    assert first.startswith(f"{path}: line {line}: ")
    assert told in first


def test_only_rows_can_be_quarantined_and_all_that_fail(tmp_path: Path) -> None:
    aggregate = with_rule(expectation="expect_column_sum_to_be_between")
    for content, told in [
        (aggregate, "names no rows"),
        (with_rule(args={"mostly": 0.9}), "takes no mostly"),
    ]:
        content["expectations"][0]["severity"] = "quarantine"
        content["table"] = "raw.orders"
        with pytest.raises(ConfigError, match=told):
            read_suite(write(tmp_path, content, "ingest"))


def test_a_suite_lies_in_a_file_named_for_its_table(tmp_path: Path) -> None:
    path = write(tmp_path, {**SUITE, "table": "staging.order_lines"})
    with pytest.raises(
        ConfigError, match=r"belongs into a file named order_lines\.yml"
    ):
        read_suite(path)


def test_a_stage_without_suites_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="stage features has no folder of suites"):
        read_suites(tmp_path, "features")


# --- the version


def test_layout_comments_and_order_do_not_change_the_version(tmp_path: Path) -> None:
    version = read_suite(write(tmp_path, SUITE)).version
    turned = {**SUITE, "expectations": SUITE["expectations"][::-1]}
    flow = yaml.safe_dump(turned, default_flow_style=True, width=40)
    assert read_suite(write(tmp_path, f"# why\n\n{flow}")).version == version
    # The class name and the snake name are one expectation.
    renamed = with_rule(expectation="ExpectColumnValuesToBeUnique")
    plain = with_rule()
    assert Suite.model_validate(renamed).version == Suite.model_validate(plain).version


def leaves(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(content, dict):
        return [leaf for k, v in content.items() for leaf in leaves(v, (*path, k))]
    if isinstance(content, list):
        return [leaf for i, v in enumerate(content) for leaf in leaves(v, (*path, i))]
    return [path]


@given(data=st.data())
def test_any_other_content_is_another_version(data: st.DataObject) -> None:
    content = yaml.safe_load(yaml.safe_dump(SUITE))
    # That a rule is one in SQL cannot change alone: its arguments are of its kind.
    free = [way for way in leaves(content) if way != ("expectations", 1, "expectation")]
    *way, last = data.draw(st.sampled_from(free))
    place = content
    for step in way:
        place = place[step]
    other = {
        "severity": "warn" if place[last] == "fail" else "fail",
        "expectation": "expect_column_values_to_not_be_null",
        "table": "staging.others",
    }.get(str(last), f"{place[last]} indeed")
    place[last] = other
    assert Suite.model_validate(content).version != Suite.model_validate(SUITE).version
