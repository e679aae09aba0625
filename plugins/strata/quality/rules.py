"""Rules in SQL: which rows fail one, and how Great Expectations is asked about it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from strata.config.suites import Rule

_PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*)\.([a-z_][a-z0-9_]*)\}")
_BATCH = "<batch>"
_BIND = re.compile(r"(?<![:\w\\]):(?=\w+(?!:))")

QUERY = "unexpected_rows_expectation"
"""The expectation that our own kinds become."""

Resolve = Callable[[str, str], str]
"""The relation that stands for a published table: this run's build, else itself."""


@dataclass(frozen=True)
class Call:
    """One question to Great Expectations: its snake-case type and its arguments."""

    type: str
    kwargs: Mapping[str, Any]


@dataclass(frozen=True)
class Failing:
    """The rows that fail a rule: those of ``relation``, called ``t``, that meet
    ``condition``. ``key`` names them where it is not the suite's key."""

    relation: str
    condition: str
    key: tuple[str, ...] | None = None


def failing_rows(rule: Rule, relation: str, resolve: Resolve) -> Failing | None:
    """Where the rows are that fail ``rule`` on the table ``relation``.

    None where the rule judges the whole column or table. A row whose value is unknown
    (null) does not fail, except where the rule is about nulls.
    """
    if rule.expectation == "covers":
        return _uncovered(rule, relation, resolve)
    write = _CONDITIONS.get(rule.expectation)
    if write is None:
        return None
    return Failing(relation, _resolved(write(rule, relation), resolve))


def call(rule: Rule, resolve: Resolve) -> Call:
    """How Great Expectations is asked; our own kinds become a query for bad rows."""
    if rule.expectation.startswith("expect_"):
        column = {"column": rule.column} if rule.column else {}
        return Call(rule.expectation, {**column, **rule.args})
    batch = "(select * from {batch})"
    failing = failing_rows(rule, _BATCH, resolve)
    if failing is None:
        raise ValueError(f"{rule.expectation} is answered by the gate, not by a query")
    query = f"select 1 as is_bad from {failing.relation} as t where {failing.condition}"
    # GX formats the text ({batch}), and SQLAlchemy reads :name as a parameter.
    escaped = _BIND.sub(r"\\:", query.replace("{", "{{").replace("}", "}}"))
    return Call(QUERY, {"unexpected_rows_query": escaped.replace(_BATCH, batch)})


def quoted(name: str) -> str:
    """A name as a DuckDB identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: Any) -> str:
    """A scalar of a suite as SQL."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return "'" + str(value).replace("'", "''") + "'"


def _resolved(condition: str, resolve: Resolve) -> str:
    return _PLACEHOLDER.sub(lambda m: resolve(m.group(1), m.group(2)), condition)


def _column(rule: Rule) -> str:
    return f"t.{quoted(str(rule.column))}"


def _listed(values: Any) -> str:
    return ", ".join(literal(v) for v in values)


def _outside(value: str, args: Mapping[str, Any]) -> str:
    """Not within the bounds that are given."""
    low, high = args.get("min_value"), args.get("max_value")
    bounds = []
    if low is not None:
        bounds.append(
            f"{value} {'>' if args.get('strict_min') else '>='} {literal(low)}"
        )
    if high is not None:
        bounds.append(
            f"{value} {'<' if args.get('strict_max') else '<='} {literal(high)}"
        )
    return f"not ({' and '.join(bounds) or 'true'})"


def _repeated(rule: Rule, relation: str) -> str:
    column = quoted(str(rule.column))
    return (
        f"t.{column} in (select {column} from {relation}"
        f" where {column} is not null group by 1 having count(*) > 1)"
    )


def _repeated_together(rule: Rule, relation: str) -> str:
    """Rows alike in all columns; one with a null among them is like no other."""
    names = [quoted(c) for c in rule.args["column_list"]]
    there = " and ".join(f"{c} is not null" for c in names)
    return (
        f"({', '.join(f't.{c}' for c in names)}) in (select ({', '.join(names)})"
        f" from {relation} where {there} group by {', '.join(names)}"
        " having count(*) > 1)"
    )


def _unequal(rule: Rule, _: str) -> str:
    a, b = (f"t.{quoted(rule.args[c])}" for c in ("column_A", "column_B"))
    return f"{a} is distinct from {b}"


def _not_greater(rule: Rule, _: str) -> str:
    a, b = (f"t.{quoted(rule.args[c])}" for c in ("column_A", "column_B"))
    return f"not ({a} {'>=' if rule.args.get('or_equal') else '>'} {b})"


def _uncovered(rule: Rule, relation: str, resolve: Resolve) -> Failing:
    """Rows of another table that have no row here."""
    schema, table = str(rule.args["table"]).split(".")
    key = tuple(str(column) for column in rule.args["by"])
    same = " and ".join(f"b.{quoted(k)} = t.{quoted(k)}" for k in key)
    condition = (
        f"({rule.args.get('where', 'true')})"
        f" and not exists (select 1 from {relation} as b where {same})"
    )
    return Failing(resolve(schema, table), _resolved(condition, resolve), key)


def _unmatched(rule: Rule, _: str) -> str:
    table, to = rule.args["table"], quoted(str(rule.args["to"]))
    return (
        f"{_column(rule)} is not null and not exists (select 1 from {{{table}}} as o"
        f" where o.{to} = {_column(rule)})"
    )


def _of_another_length(rule: Rule, _: str) -> str:
    return f"length({_column(rule)}) <> {literal(rule.args['value'])}"


_CONDITIONS: Mapping[str, Callable[[Rule, str], str]] = {
    "rows_where": lambda rule, _: f"({rule.args['where']})",
    "parseable": lambda rule, _: (
        f"{_column(rule)} is not null and"
        f" try_cast({_column(rule)} as {rule.args['as']}) is null"
    ),
    "matches_regex": lambda rule, _: (
        f"not regexp_full_match({_column(rule)}, {literal(rule.args['pattern'])})"
    ),
    "matches_like": lambda rule, _: (
        f"{_column(rule)} not like {literal(rule.args['pattern'])}"
    ),
    "references": _unmatched,
    "expect_column_values_to_not_be_null": lambda rule, _: f"{_column(rule)} is null",
    "expect_column_values_to_be_null": lambda rule, _: f"{_column(rule)} is not null",
    "expect_column_values_to_be_unique": _repeated,
    "expect_column_values_to_be_in_set": lambda rule, _: (
        f"{_column(rule)} not in ({_listed(rule.args['value_set'])})"
    ),
    "expect_column_values_to_not_be_in_set": lambda rule, _: (
        f"{_column(rule)} in ({_listed(rule.args['value_set'])})"
    ),
    "expect_column_values_to_be_between": lambda rule, _: _outside(
        _column(rule), rule.args
    ),
    "expect_column_value_lengths_to_be_between": lambda rule, _: _outside(
        f"length({_column(rule)})", rule.args
    ),
    "expect_column_value_lengths_to_equal": _of_another_length,
    "expect_column_pair_values_to_be_equal": _unequal,
    "expect_column_pair_values_a_to_be_greater_than_b": _not_greater,
    "expect_compound_columns_to_be_unique": _repeated_together,
}
