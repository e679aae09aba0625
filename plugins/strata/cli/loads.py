"""``strata gate held``, ``take``, ``drop``: rows that only a refused load has."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from strata.cli.terminal import World, console, tenant_that_ran, told_plainly
from strata.ingest.manifest import Manifest
from strata.tenant import Tenant

By = Annotated[str, typer.Option(help="Who decides; kept in the manifest.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the manifest.")]


@contextmanager
def _raw(world: str | None, purpose: str) -> Iterator[tuple[Tenant, Manifest]]:
    """Raw, which no step of a run changes meanwhile."""
    with told_plainly():
        tenant = tenant_that_ran(world)
        with tenant.warehouse.hold(purpose):
            yield tenant, Manifest(tenant.home / "raw")


def gate_held(world: World = None) -> None:
    """Rows that the gate of ingest refused and that their source does not have any more.

    The others were read again. Values are not shown.
    """
    from strata.ingest.refused import held

    with _raw(world, "look for held loads") as (tenant, manifest):
        found = held(manifest, tenant.sources)
        for item in found:
            where = ", ".join(item.files) or "rows that are not in its table any more"
            console.print(
                f"{item.load.load_id} {item.entity}: {item.rows} rows: {where}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
        if not found:
            console.print("Nothing is held: what was refused has come again.")


def gate_take(
    load: str, entity: str, by: By, reason: Reason, world: World = None
) -> None:
    """Let held rows in: the next run judges them, and no number of bad ones stops it.

    LOAD and ENTITY are as `strata gate held` names them. Rows that break a rule go to
    quarantine.
    """
    from strata.ingest import refused

    with _raw(world, "take a held load") as (tenant, manifest):
        item = refused.find(manifest, tenant.sources, load, entity)
        made = refused.take(manifest, item, by=by, because=reason)
        console.print(f"{item.rows} rows: the next run takes them as {made.load_id}")


def gate_drop(
    load: str, entity: str, by: By, reason: Reason, world: World = None
) -> None:
    """Give held rows up: they never come in. Their files stay as evidence."""
    from strata.ingest import refused

    with _raw(world, "drop a held load") as (tenant, manifest):
        item = refused.find(manifest, tenant.sources, load, entity)
        refused.drop(manifest, item, by=by, because=reason)
        console.print(f"{item.rows} rows are given up: {item.load.load_id} {entity}")
