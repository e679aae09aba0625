"""What every command shares: its terminal, its tenant, and how errors are told."""

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.progress import TimeElapsedColumn as Elapsed

from strata.config.loader import ConfigError
from strata.tenant import Tenant, last_world

console = Console()
errors = Console(stderr=True)

World = Annotated[
    str | None,
    typer.Option(
        "--world",
        envvar="STRATA_WORLD",
        help="Tenant: a file of config/worlds. Default: the world of the last run.",
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data", envvar="STRATA_DATA", help="Folder that file sources are read from."
    ),
]


def open_tenant(world: str | None, data: Path | None = None) -> Tenant:
    """The tenant of that world; without one, that of the last run."""
    return Tenant(world or last_world(), data_folder=data)


def tenant_that_ran(world: str | None) -> Tenant:
    """The tenant, for commands that read what a run left."""
    tenant = open_tenant(world)
    if not tenant.warehouse.path.exists():
        raise LookupError(
            f"world {tenant.world_name!r} has not run yet: start with `make run`"
        )
    return tenant


def read_day(text: str, name: str = "--ds") -> date:
    """A day as people type it. Raises ``typer.BadParameter`` naming the option."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a date: write YYYY-MM-DD") from None


@contextlib.contextmanager
def told_plainly() -> Iterator[None]:
    """Errors meant for people are printed as they are, without a traceback."""
    from strata.warehouse.lease import WarehouseBusyError

    try:
        yield
    except (ConfigError, WarehouseBusyError, LookupError, ValueError) as error:
        errors.print(f"[red]{type(error).__name__}[/red]", highlight=False)
        errors.print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None


def progress_bar() -> Progress:
    """On the terminal itself, where ``quietly`` does not reach."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description:<24}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        Elapsed(),
        console=Console(file=sys.__stderr__),
    )


@contextlib.contextmanager
def quietly(tenant: Tenant) -> Iterator[None]:
    """Send what libraries print to a log file of the tenant while the block runs."""
    place = tenant.home / "logs" / "run.log"
    place.parent.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "WARNING")
    warnings.simplefilter("ignore")
    logging.disable(logging.NOTSET)
    with (
        place.open("a", encoding="utf-8") as log,
        contextlib.redirect_stdout(log),
        contextlib.redirect_stderr(log),
    ):
        yield
