"""What people may read: the public tables, and what is said about them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

import duckdb

PUBLIC = (
    "identity.current_ids",
    "identity.guards",
    "identity.merge_impact",
    "identity.rejections",
    "identity.user_history",
    "marts.*",
    "features.feat_users",
    "features.catalog",
    "segments.user_tiers",
    "segments.user_tiers_current",
    "segments.reasons",
    "segments.scores",
    "segments.tier_history",
    "audit.runs",
    "audit.gate_results",
    "audit.stage_counts",
    "audit.publications",
    "audit.stale_days",
    "audit.waivers",
    "audit.late_rows",
    "audit.day_versions",
)
"""Names of public tables and views; ``*`` stands for all that there are."""

SNAPSHOTS = ("features.feat_users", "segments.reasons", "segments.scores")
"""Public tables of many days, published also as ``<name>_current``: the newest day, at
whose ids everything stands today."""

DAILY = {
    "features.feat_users": ("unified_user_id",),
    "segments.reasons": ("unified_user_id", "rank"),
    "segments.scores": ("unified_user_id", "score_name"),
    "segments.user_tiers": ("unified_user_id",),
}
"""Public tables whose days are never altered, only published anew by another run; with
the key of a row within its day (``ds``)."""

HISTORIES = ("marts.dim_users",)
"""Public tables of versions, published also as ``<name>_current``: those that hold."""

LEFT_OUT = {
    "audit.gate_results": frozenset({"sample_keys"}),
    "audit.waivers": frozenset({"granted_by"}),
    "audit.runs": frozenset({"decided_by"}),
}
"""Columns that are not copied: keys of rows, some of which are identifiers of people,
and names of people who work with Strata."""

PII_ZONE = frozenset({"raw", "staging", "pii", "quarantine"})
"""Schemas from which nothing is ever published."""


class PiiError(RuntimeError):
    """Something that belongs to the PII zone was about to be published."""


@dataclass(frozen=True)
class PublicTable:
    """A table or view to publish, with the words a BI client shows beside it.

    ``columns`` maps column to description; columns without one are published too.
    ``pii_columns`` are those flagged as PII: a table that has one is refused.
    ``part_of`` names the table of the same schema of which it has the rows ``where``.
    Columns ``left_out`` are not copied. Of a table of many days, which has the
    ``day_key`` of a row within its ``ds``, only the days are copied that another run
    published than those of the copy before.
    """

    schema: str
    name: str
    description: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    pii_columns: frozenset[str] = frozenset()
    part_of: str | None = None
    where: str = "true"
    left_out: frozenset[str] = frozenset()
    day_key: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """``schema.name``."""
        return f"{self.schema}.{self.name}"


def public_tables(
    con: duckdb.DuckDBPyConnection,
    described: Mapping[str, tuple[str, Mapping[str, str]]],
    pii_columns: Collection[str] = (),
) -> list[PublicTable]:
    """The public tables of a warehouse, by name.

    ``described`` maps ``schema.table`` to (description, column → description);
    ``pii_columns`` are written ``schema.table.column``. A public name without ``*``
    is listed even where the table is absent, so that publishing says what is missing.
    """
    there = {
        f"{schema}.{name}"
        for schema, name in con.execute(
            "select table_schema, table_name from information_schema.tables"
            " where table_catalog = current_database()"
        ).fetchall()
    }
    names = {p for p in PUBLIC if "*" not in p}
    names |= {n for n in there if any(fnmatchcase(n, p) for p in PUBLIC)}
    tables = []
    for full_name in sorted(names):
        schema, _, name = full_name.partition(".")
        description, columns = described.get(full_name, ("", {}))
        prefix = f"{full_name}."
        flagged = (c.removeprefix(prefix) for c in pii_columns if c.startswith(prefix))
        left_out = LEFT_OUT.get(full_name, frozenset())
        table = PublicTable(
            schema,
            name,
            description,
            columns,
            frozenset(flagged),
            left_out=left_out,
            day_key=DAILY.get(full_name, ()),
        )
        tables.append(table)
        if full_name in SNAPSHOTS:
            newest = f"ds = (select max(ds) from {full_name})"
            tables.append(_current(table, newest))
        if full_name in HISTORIES and full_name in there:
            tables.append(_current(table, "is_current"))
    return tables


def _current(table: PublicTable, where: str) -> PublicTable:
    """The rows of a table that tell how things are now, under a name of their own."""
    return replace(
        table,
        name=f"{table.name}_current",
        part_of=table.name,
        where=where,
        day_key=(),
    )
