"""``expectations/<stage>/<table>.yml``: what a gate checks, as data.

The vocabulary holds the expectations of Great Expectations that run inside DuckDB, and
a few of our own for what it has no SQL for there. Everything a suite may say is known
here, so that a suite is refused when it is read, not when its rows are checked.
"""

import difflib
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from strata.config.loader import ConfigError, read_yaml

Severity = Literal["fail", "warn", "quarantine"]

TABLE_NAME = re.compile(r"[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*")
_RANGE = ("min_value", "max_value", "strict_min", "strict_max")


@dataclass(frozen=True)
class Kind:
    """What one expectation asks for.

    ``is_rowwise``: it judges each row by itself, so that the failing rows can be
    named and set aside. ``is_schema``: what it observes is the shape of the table,
    never a value of a row.
    """

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    has_column: bool = True
    is_rowwise: bool = False
    is_schema: bool = False
    needs_name: bool = False


def _rows(*required: str, optional: tuple[str, ...] = ("mostly",)) -> Kind:
    return Kind(required, optional, is_rowwise=True)


def _columns(*required: str) -> Kind:
    return Kind(required, ("mostly",), has_column=False, is_rowwise=True)


_AGGREGATE = Kind(optional=_RANGE)

KINDS: Mapping[str, Kind] = {
    # Ours: the failing rows are found by a condition in SQL.
    "rows_where": Kind(
        ("where",), ("mostly",), has_column=False, is_rowwise=True, needs_name=True
    ),
    "parseable": _rows("as"),
    "matches_regex": _rows("pattern"),
    "matches_like": _rows("pattern"),
    "references": _rows("table", "to"),
    # Ours: rows of another table (those that meet `where`) that have none here.
    "covers": Kind(("table", "by"), ("where",), has_column=False, needs_name=True),
    # Ours: the number of rows beside the table's own history.
    "row_count_like_before": Kind(
        (), ("min_ratio", "max_ratio", "at_least_runs"), has_column=False
    ),
    # Great Expectations, row by row.
    "expect_column_values_to_not_be_null": _rows(),
    "expect_column_values_to_be_null": _rows(),
    "expect_column_values_to_be_unique": _rows(),
    "expect_column_values_to_be_in_set": _rows("value_set"),
    "expect_column_values_to_not_be_in_set": _rows("value_set"),
    "expect_column_values_to_be_between": _rows(optional=("mostly", *_RANGE)),
    "expect_column_value_lengths_to_be_between": _rows(optional=("mostly", *_RANGE)),
    "expect_column_value_lengths_to_equal": _rows("value"),
    "expect_column_pair_values_to_be_equal": _columns("column_A", "column_B"),
    "expect_column_pair_values_a_to_be_greater_than_b": Kind(
        ("column_A", "column_B"),
        ("mostly", "or_equal"),
        has_column=False,
        is_rowwise=True,
    ),
    "expect_compound_columns_to_be_unique": _columns("column_list"),
    # Great Expectations, over the whole column or table.
    "expect_column_min_to_be_between": _AGGREGATE,
    "expect_column_max_to_be_between": _AGGREGATE,
    "expect_column_mean_to_be_between": _AGGREGATE,
    "expect_column_median_to_be_between": _AGGREGATE,
    "expect_column_stdev_to_be_between": _AGGREGATE,
    "expect_column_sum_to_be_between": _AGGREGATE,
    "expect_column_unique_value_count_to_be_between": _AGGREGATE,
    "expect_column_proportion_of_unique_values_to_be_between": _AGGREGATE,
    "expect_column_proportion_of_non_null_values_to_be_between": _AGGREGATE,
    "expect_column_quantile_values_to_be_between": Kind(("quantile_ranges",)),
    "expect_column_distinct_values_to_be_in_set": Kind(("value_set",)),
    "expect_column_distinct_values_to_contain_set": Kind(("value_set",)),
    "expect_column_distinct_values_to_equal_set": Kind(("value_set",)),
    "expect_column_most_common_value_to_be_in_set": Kind(
        ("value_set",), ("ties_okay",)
    ),
    "expect_column_to_exist": Kind(optional=("column_index",), is_schema=True),
    "expect_table_row_count_to_be_between": Kind(optional=_RANGE, has_column=False),
    "expect_table_row_count_to_equal": Kind(("value",), has_column=False),
    "expect_table_column_count_to_equal": Kind(
        ("value",), has_column=False, is_schema=True
    ),
    "expect_table_columns_to_match_set": Kind(
        ("column_set",), ("exact_match",), has_column=False, is_schema=True
    ),
}

_INSTEAD = (
    ("like_pattern", "matches_like, or rows_where"),
    ("regex", "matches_regex, or rows_where"),
    ("parseable", "parseable"),
    ("strftime", "parseable"),
    ("json_schema", "rows_where"),
    ("type", "rows_where with typeof(t.column)"),
    ("creasing", "rows_where"),
    ("unexpected_rows", "rows_where"),
)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(_Model):
    """One expectation about one table, what its failure means, and why it stands."""

    expectation: str
    name: str | None = Field(default=None, description="the rule in words")
    column: str | None = None
    args: dict[str, Any] = Field(default_factory=dict)
    severity: Severity
    why: str = Field(min_length=10)
    owner: str | None = None

    @field_validator("expectation")
    @classmethod
    def _known(cls, given: str) -> str:
        name = _snake(given)
        if name in KINDS:
            return name
        for part, instead in _INSTEAD:
            if part in name:
                raise ValueError(
                    f"{given!r} does not run inside DuckDB: use {instead} instead"
                )
        near = difflib.get_close_matches(name, KINDS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(KINDS)}"
        raise ValueError(f"{given!r} is no known expectation; {hint}")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        kind = self.kind
        if kind.has_column and not self.column:
            raise ValueError(f"{self.expectation} needs a column")
        if not kind.has_column and self.column:
            raise ValueError(f"{self.expectation} takes no column: leave it out")
        if kind.needs_name and not self.name:
            raise ValueError(f"{self.expectation} needs a name: the rule in words")
        missing = [a for a in kind.required if a not in self.args]
        if missing:
            raise ValueError(f"{self.expectation} lacks the argument {missing[0]!r}")
        unknown = [a for a in self.args if a not in (*kind.required, *kind.optional)]
        if unknown:
            allowed = ", ".join((*kind.required, *kind.optional)) or "none"
            raise ValueError(
                f"{self.expectation} knows no argument {unknown[0]!r}: it takes {allowed}"
            )
        if "table" in self.args and not TABLE_NAME.fullmatch(str(self.args["table"])):
            raise ValueError("table is written schema.table, as published")
        if self.severity == "quarantine":
            self._can_be_set_aside()
        return self

    def _can_be_set_aside(self) -> None:
        if not self.kind.is_rowwise:
            raise ValueError(
                f"{self.expectation} names no rows, so it has none to quarantine: "
                "make it fail or warn"
            )
        if "mostly" in self.args:
            raise ValueError(
                "a rule that quarantines takes no mostly: every failing row is set "
                "aside, and quarantine_limit bounds their share"
            )

    @property
    def kind(self) -> Kind:
        """What this rule's expectation asks for."""
        return KINDS[self.expectation]

    @property
    def label(self) -> str:
        """What the rule is called in results: its name, else what it says."""
        if self.name:
            return self.name
        said = [self.column] if self.column else []
        said += [f"{name}={value}" for name, value in sorted(self.args.items())]
        return f"{self.expectation}({', '.join(said)})" if said else self.expectation


class LaterRule(Rule):
    """A rule of a stage after ingest, where no row may be set aside any more."""

    @field_validator("severity")
    @classmethod
    def _no_quarantine(cls, severity: Severity) -> Severity:
        if severity == "quarantine":
            raise ValueError(
                "quarantine belongs to stage ingest, where a row enters: behind it "
                "other rows already build on this one; use fail or warn"
            )
        return severity


class Suite(_Model):
    """The rules of one table; ``table`` is its published name.

    ``key``: the columns that name a row in results, never PII. ``pii``: the columns
    of which not even an aggregate is shown. Above ``quarantine_limit`` (share of the
    rows) the run stops instead of setting rows aside; up to
    ``quarantine_allowance`` rows never stop it, however small the delivery.
    """

    table: str
    key: tuple[str, ...] = Field(min_length=1)
    owner: str = Field(min_length=1)
    pii: tuple[str, ...] = ()
    quarantine_limit: float = Field(default=0.05, ge=0, le=1)
    quarantine_allowance: int = Field(default=0, ge=0)
    expectations: tuple[Rule, ...] = Field(min_length=1)

    @field_validator("table")
    @classmethod
    def _qualified(cls, table: str) -> str:
        if not TABLE_NAME.fullmatch(table):
            raise ValueError("table is written schema.table, as published")
        return table

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        exposed = sorted(set(self.key) & set(self.pii))
        if exposed:
            raise ValueError(f"key names PII columns: {exposed}; a key is shown")
        seen: set[tuple[str, str | None]] = set()
        for rule in self.expectations:
            if (rule.label, rule.column) in seen:
                raise ValueError(
                    f"the rule {rule.label!r} stands twice: drop one, or name them apart"
                )
            seen.add((rule.label, rule.column))
        return self

    @property
    def version(self) -> str:
        """A hash of what the suite says; layout, comments and order do not count."""
        content = self.model_dump(mode="json")
        content["expectations"] = sorted(
            content["expectations"], key=lambda rule: json.dumps(rule, sort_keys=True)
        )
        text = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class LaterSuite(Suite):
    """The suite of a stage after ingest."""

    expectations: tuple[LaterRule, ...] = Field(min_length=1)


def read_suite(path: Path) -> Suite:
    """The suite in ``<stage>/<table>.yml``; its folder says the stage.

    Raises ``ConfigError`` naming file, line and key.
    """
    suite = read_yaml(path, Suite if path.parent.name == "ingest" else LaterSuite)
    if suite.table.split(".")[1] != path.stem:
        raise ConfigError(
            f"{path}: line {_line_of_table(path)}: table: {suite.table} belongs into a "
            f"file named {suite.table.split('.')[1]}.yml"
        )
    return suite


def read_suites(expectations: Path, stage: str) -> tuple[Suite, ...]:
    """All suites of a stage, by table name. Raises ``ConfigError``; see above."""
    folder = expectations / stage
    if not folder.is_dir():
        raise ConfigError(f"{folder}: stage {stage} has no folder of suites")
    suites = [read_suite(path) for path in sorted(folder.glob("*.yml"))]
    return tuple(sorted(suites, key=lambda suite: suite.table))


def _snake(name: str) -> str:
    """``ExpectColumnMinToBeBetween`` as ``expect_column_min_to_be_between``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _line_of_table(path: Path) -> int:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((n for n, t in enumerate(lines, 1) if t.startswith("table:")), 1)
