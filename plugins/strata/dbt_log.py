"""dbt's log, kept without the values of rows that an engine quotes in its errors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from strata.engine_errors import without_values

QUIET = ("--quiet", "--log-level", "none", "--log-level-file", "none")
"""dbt itself prints nothing and writes no log: its words would hold such values."""
_KEPT = ("info", "warn", "error")
_BYTES = 10 * 1024 * 1024


def written_to(path: Path) -> Callable[[Any], None]:
    """A callback for dbt's runner that adds what it says to the log at ``path``.

    A line an event, from the level info on. A log of ten megabytes becomes
    ``<name>.1``, in the place of the one before, and another is begun.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > _BYTES:
        path.replace(path.with_name(f"{path.name}.1"))

    def hear(event: Any) -> None:
        if event.info.level not in _KEPT:
            return
        if words := without_values(event.info.msg).strip():
            moment = event.info.ts.ToDatetime().isoformat(" ", "milliseconds")
            with path.open("a", encoding="utf-8") as log:
                log.write(f"{moment} [{event.info.level}] {words}\n")

    return hear
