"""A SQL database as a source: rows whose cursor has moved since the last load."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from strata.config.sources import Entity
from strata.ingest.files import BadFileError, check_columns, undeclared

_CHUNK_ROWS = 50_000


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
    last value; the caller leaves out what it has already (:func:`row_hashes`). The
    database itself writes each value as text, so no type is looked up or guessed.
    """
    query = _query(entity, names, since, until)
    listed = list(query.selected_columns.keys())
    with engine.connect() as connection:
        found = connection.execution_options(yield_per=_CHUNK_ROWS).execute(query)
        for rows in found.partitions():
            columns = zip(*rows, strict=True)
            yield pa.table(
                {
                    name: pa.array(values, pa.string())
                    for name, values in zip(listed, columns, strict=True)
                }
            )


def _query(entity: Entity, names: Sequence[str], since: str | None, until: str) -> Any:
    import sqlalchemy as sa

    extra = undeclared(names, entity) if entity.contract.new_column == "keep" else []
    table = sa.table(str(entity.table), *(sa.column(name) for name in names))

    def column(name: str) -> Any:
        for candidate in (name, *entity.columns[name].header):
            if candidate in table.c:
                return sa.cast(table.c[candidate], sa.Text).label(name)
        return sa.cast(sa.null(), sa.Text).label(name)

    listed = [column(name) for name in entity.columns]
    listed += [sa.cast(table.c[n], sa.Text).label(f"_extra_{n}") for n in extra]
    cursor = table.c[str(entity.cursor)]
    picked = sa.select(*listed).where(sa.cast(cursor, sa.Text) < until)
    if since is not None:
        picked = picked.where(sa.cast(cursor, sa.Text) >= since)
    return picked.order_by(cursor, *(table.c[k] for k in entity.primary_key))


def row_hashes(part: pa.Table, names: Sequence[str]) -> list[str]:
    """One hash a row over its declared columns, to know a row when it comes again."""
    rows = zip(*(part.column(n).to_pylist() for n in names), strict=True)
    return [hashlib.sha256(repr(row).encode()).hexdigest() for row in rows]
