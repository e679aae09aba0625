"""Write-back into a table of our own in any database that SQLAlchemy reaches."""

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    create_engine,
    inspect,
    or_,
    select,
    update,
)
from sqlalchemy.exc import (
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)

from strata import secrets
from strata.activation.client import (
    BatchRefusedError,
    ClientUnavailableError,
    Outcome,
    Record,
)
from strata.config.activation import SqlClientConfig

_KEY_PARAMETER = "strata_key"


class SqlClient:
    """The ``sql`` client: one row a CRM record, a batch in one transaction.

    A row is written only where it differs, so that triggers and change feeds of the
    CRM see true changes only. The table is made where it is absent; other columns it
    may have are never named in a statement.
    """

    def __init__(
        self,
        config: SqlClientConfig,
        fields: Sequence[str],
        stamp_field: str | None,
        home: Path,
    ) -> None:
        self._fields = tuple(fields)
        self._stamp = stamp_field
        place = secrets.database_url(config.url, config.connection, home)
        self._engine = create_engine(place, hide_parameters=True)
        self._table = Table(
            config.table,
            MetaData(),
            Column(config.key_column, String(255), primary_key=True),
            *(Column(name, Text, nullable=True) for name in self._fields),
        )
        self._key = self._table.c[config.key_column]
        self._is_ready = False

    def upsert(self, records: Sequence[Record], idempotency_key: str) -> list[Outcome]:
        """See :class:`~strata.activation.client.CrmClient`."""
        with _translated(), self._begin() as connection:
            present = self._rows(connection, [record.key for record in records])
            self._insert(connection, [r for r in records if r.key not in present])
            self._update(connection, records, present)
        return [Outcome(record.key) for record in records]

    def clear(self, keys: Sequence[str], idempotency_key: str) -> list[Outcome]:
        """See :class:`~strata.activation.client.CrmClient`."""
        holds_something = or_(*(self._table.c[f].is_not(None) for f in self._fields))
        with _translated(), self._begin() as connection:
            connection.execute(
                update(self._table)
                .where(self._key.in_(keys), holds_something)
                .values(dict.fromkeys(self._fields))
            )
        return [Outcome(key) for key in keys]

    def read(self, keys: Sequence[str]) -> dict[str, dict[str, str]]:
        """See :class:`~strata.activation.client.CrmClient`."""
        with _translated(), self._begin() as connection:
            return self._rows(connection, keys)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    @contextlib.contextmanager
    def _begin(self) -> Iterator[Connection]:
        if not self._is_ready:
            self._prepare()
            self._is_ready = True
        with self._engine.begin() as connection:
            yield connection

    def _prepare(self) -> None:
        """Make the table, or see that the one there has what is needed."""
        url = self._engine.url
        if url.get_backend_name() == "sqlite" and url.database:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        self._table.create(self._engine, checkfirst=True)
        there = {c["name"] for c in inspect(self._engine).get_columns(self._table.name)}
        missing = [c.name for c in self._table.columns if c.name not in there]
        if missing:
            raise RuntimeError(
                f"table {self._table.name} of the CRM lacks {', '.join(missing)}: "
                "add them, or take them out of fields in config/activation.yml"
            )

    def _rows(
        self, connection: Connection, keys: Sequence[str]
    ) -> dict[str, dict[str, str]]:
        rows = connection.execute(select(self._table).where(self._key.in_(keys)))
        return {
            str(row[self._key.name]): {
                name: str(row[name]) for name in self._fields if row[name] is not None
            }
            for row in rows.mappings()
        }

    def _insert(self, connection: Connection, records: Sequence[Record]) -> None:
        blank: dict[str, str | None] = dict.fromkeys(self._fields)
        rows = [blank | dict(r.fields) | {self._key.name: r.key} for r in records]
        if rows:
            connection.execute(self._table.insert(), rows)

    def _update(
        self,
        connection: Connection,
        records: Sequence[Record],
        present: Mapping[str, Mapping[str, str]],
    ) -> None:
        """Set the differing fields, one statement for each set of such fields."""
        groups: dict[tuple[str, ...], list[dict[str, str]]] = defaultdict(list)
        for record in records:
            if record.key not in present:
                continue
            changed = self._differing(record.fields, present[record.key])
            if changed:
                parameters = {name: record.fields[name] for name in changed}
                groups[changed].append(parameters | {_KEY_PARAMETER: record.key})
        statement = update(self._table).where(self._key == bindparam(_KEY_PARAMETER))
        for rows in groups.values():
            connection.execute(statement, rows)

    def _differing(
        self, wanted: Mapping[str, str], present: Mapping[str, str]
    ) -> tuple[str, ...]:
        """The fields to set. The stamp follows a change and is none by itself."""
        names = {name for name in wanted if present.get(name) != wanted[name]}
        if names <= {self._stamp}:
            return ()
        return tuple(sorted(names))


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Driver errors as the two that a sync understands, without SQL or values."""
    try:
        yield
    except (IntegrityError, DataError) as error:
        raise BatchRefusedError(_message(error)) from None
    except (OperationalError, InterfaceError) as error:
        raise ClientUnavailableError(_message(error)) from None


def _message(error: SQLAlchemyError) -> str:
    cause = getattr(error, "orig", None) or error
    return secrets.hide(f"{type(cause).__name__}: {cause}")
