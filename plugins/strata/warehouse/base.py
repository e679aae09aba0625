"""What a warehouse can do, whichever engine stands behind it."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from typing import Protocol, TypeVar

from strata.run import Run
from strata.warehouse.tables import TableSpec

C = TypeVar("C", covariant=True)


@dataclass(frozen=True)
class Promotion:
    """One table as it was published: rows of this run and their content hash."""

    table: str
    rows: int
    fingerprint: str


class Warehouse(Protocol[C]):
    """The store of one tenant. ``C`` is the engine's connection.

    Everything transactional goes through :meth:`promote`; readers never see a stage
    half published.
    """

    def connection(self, purpose: str) -> AbstractContextManager[C]:
        """A connection under the lease, closed when the block ends."""
        ...

    def migrate(self) -> list[str]:
        """Bring the state tables to this version; the migrations applied now."""
        ...

    def start_build(self, stage: str) -> None:
        """Drop what an earlier attempt left in the stage's build schemas."""
        ...

    def promote(
        self, stage: str, run: Run, tables: Sequence[TableSpec]
    ) -> list[Promotion]:
        """Publish the build of ``stage`` in one transaction."""
        ...

    def is_published(self, stage: str, run: Run) -> bool:
        """Whether this very attempt has published ``stage`` already."""
        ...

    def newest_published(self) -> date | None:
        """The newest day whose features are published."""
        ...
