"""A SQL database as a source: rows whose cursor has moved since the last load."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from strata.config.sources import Entity
from strata.ingest.files import BadFileError, check_columns, undeclared


def columns_of(engine: Any, entity: Entity) -> list[str]:
    """The table's columns, checked against the contract.

    Raises ``BadFileError`` where the table or a required column is missing.
    """
    import sqlalchemy as sa

    inspector = sa.inspect(engine)
    if not inspector.has_table(entity.table or ""):
        raise BadFileError("missing_table", f"there is no table {entity.table!r}")
    names = [str(c["name"]) for c in inspector.get_columns(entity.table or "")]
    check_columns(names, entity)
    return names


def read(
    engine: Any, entity: Entity, names: Sequence[str], since: str | None, until: str
) -> Iterator[pa.Table]:
    """Rows with ``since <= cursor < until`` as text columns, oldest first.

    The lower bound is closed, since a row may be committed late with the cursor's
    last value; the caller leaves out what it has already (:func:`row_hashes`).
    """
    import sqlalchemy as sa
    from dlt.sources.sql_database import sql_table

    cursor = str(entity.cursor)
    extra = undeclared(names, entity) if entity.contract.new_column == "keep" else []

    def only_new(query: Any, table: Any) -> Any:
        def column(name: str) -> Any:
            for candidate in (name, *entity.columns[name].header):
                if candidate in table.c:
                    return sa.cast(table.c[candidate], sa.Text).label(name)
            return sa.cast(sa.null(), sa.Text).label(name)

        listed = [column(name) for name in entity.columns]
        listed += [sa.cast(table.c[n], sa.Text).label(f"_extra_{n}") for n in extra]
        picked = sa.select(*listed).where(sa.cast(table.c[cursor], sa.Text) < until)
        if since is not None:
            picked = picked.where(sa.cast(table.c[cursor], sa.Text) >= since)
        key = [table.c[k] for k in entity.primary_key]
        return picked.order_by(table.c[cursor], *key)

    rows = sql_table(
        credentials=engine,
        table=entity.table or "",
        backend="pyarrow",
        chunk_size=50_000,
        query_adapter_callback=only_new,
    )
    for part in rows:
        yield _as_text(part, [*entity.columns, *(f"_extra_{n}" for n in extra)])


def _as_text(part: pa.Table, names: Sequence[str]) -> pa.Table:
    def column(name: str) -> Any:
        if name not in part.column_names:
            return pa.nulls(part.num_rows, pa.string())
        return pc.cast(part.column(name), pa.string())

    return pa.table({name: column(name) for name in names})


def row_hashes(part: pa.Table, names: Sequence[str]) -> list[str]:
    """One hash a row over its declared columns, to know a row when it comes again."""
    rows = zip(*(part.column(n).to_pylist() for n in names), strict=True)
    return [hashlib.sha256(repr(row).encode()).hexdigest() for row in rows]
