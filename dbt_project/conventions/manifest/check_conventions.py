"""Conventions of this project that dbt-bouncer does not know; see dbt-bouncer.yml."""

import functools
import re
from pathlib import Path
from typing import Any

import yaml
from dbt_bouncer.check_framework.decorator import check, fail

_PROJECT = Path(__file__).parents[2]
_WORDS = 20
"""A docstring of fewer characters says no more than the macro's name."""


@check
def check_macros_say_what_they_do(macro: Any) -> None:
    """A macro, or the one that it implements for an engine, opens with a comment."""
    if re.match(r"(default|duckdb|spark)__", macro.name):
        return
    text = macro.macro_sql
    inside = re.search(r"{%-? *macro .*?%}\s*{#(.*?)#}", text, re.DOTALL)
    file = (_PROJECT / macro.original_file_path).read_text(encoding="utf-8")
    above = re.match(r"\s*{#(.*?)#}", file, re.DOTALL)
    for found in (inside, above):
        if found and len(found[1].strip(" \n-")) >= _WORDS:
            return
    fail(f"macro {macro.name} says nowhere what it does")


@check
def check_sql_opens_with_its_grain(model: Any) -> None:
    """The first line of a model is ``-- Grain: …``."""
    if not str(model.raw_code).startswith("-- Grain: "):
        fail(f"{model.name} does not open with `-- Grain: `")


@check
def check_names_tell_the_system(model: Any) -> None:
    """``stg_<system>__…``, ``int_<system>__…`` or ``<system>__<shape>``."""
    system = Path(model.original_file_path).parent.name
    if not re.match(rf"^(stg_|int_)?{system}__[a-z_]+$", model.name):
        fail(f"{model.name} is not named for its system, {system}")


@check
def check_reads_only_neighbours(
    model: Any,
    ctx: Any,
    *,
    sources: list[str],
    folders: list[str] | None = None,
    own_folder: bool = False,
) -> None:
    """A model reads models of these folders, or of its own, and these sources."""
    place = Path(model.original_file_path)
    for node in model.depends_on.nodes or []:
        kind, _, rest = node.partition(".")
        if kind == "source":
            name = rest.split(".")[1]
            if name not in sources:
                fail(f"{model.name} reads source {name}, past its neighbours")
        elif kind == "model":
            read = Path(ctx.models_by_unique_id[node].original_file_path)
            near = (
                read.parent == place.parent
                if own_folder
                else read.parts[1] in (folders or [])
            )
            if not near:
                fail(f"{model.name} reads {read.stem}, past its neighbours")


@check
def check_public_columns_are_described(model: Any) -> None:
    """Each column that people read has its words, and its type."""
    if str(getattr(model.access, "value", model.access)) != "public":
        return
    for name, column in model.columns.items():
        if not (column.description or "").strip() or not column.data_type:
            fail(f"{model.name}.{name} has no description or no type")


@check
def check_marts_are_public(model: Any) -> None:
    """All marts are for people; what is not belongs into features."""
    if str(getattr(model.access, "value", model.access)) != "public" or not model.group:
        fail(f"{model.name} is a mart and not public, or of no group")


@check
def check_model_is_tested(model: Any, ctx: Any, *, suites: str) -> None:
    """By a test or a suite of its own, or by that of what it is a part of.

    What does no more than type an entity of raw has the suite of the entity; what a
    shape unites has the tests of the shape.
    """
    tables = _tables_with_suite(suites)
    tested = _tested(ctx, tables)
    entity = model.name.removeprefix("stg_")
    read = [node.split(".") for node in model.depends_on.nodes or []]
    types_raw = read and all(
        n[0] == "source" and f"raw.{n[-1]}" in tables for n in read
    )
    if types_raw or f"raw.{entity}" in tables or _is_held(model, ctx, tested):
        return
    fail(f"{model.name} has no test: give it a unit test or a suite")


def _is_held(model: Any, ctx: Any, tested: set[str]) -> bool:
    """Tested itself, or in staging by a shape that it becomes a part of."""
    if model.unique_id in tested:
        return True
    return "models/staging/" in model.original_file_path and any(
        _is_held(reader, ctx, tested)
        for reader in ctx.models
        if model.unique_id in (reader.depends_on.nodes or [])
        and reader.original_file_path.startswith("models/staging/shapes/")
    )


def _tested(ctx: Any, tables: frozenset[str]) -> set[str]:
    nodes = (n for test in ctx.tests for n in test.depends_on.nodes or [])
    units = {unit.model for unit in ctx.unit_tests}
    own = {
        m.unique_id
        for m in ctx.models
        if m.name in units or f"{m.schema_.removeprefix('build_')}.{m.alias}" in tables
    }
    return {*nodes, *own}


@functools.cache
def _tables_with_suite(suites: str) -> frozenset[str]:
    files = (_PROJECT.parent / suites).glob("*/*.yml")
    return frozenset(yaml.safe_load(f.read_text("utf-8"))["table"] for f in files)
