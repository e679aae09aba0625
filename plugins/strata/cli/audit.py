"""``strata audit``: whether the evidence is what it was."""

from typing import Annotated

import typer

from strata.cli.terminal import World, console, errors, tenant_that_ran, told_plainly

audit_app = typer.Typer(help="The evidence of all runs.", no_args_is_help=True)


@audit_app.callback()
def audit() -> None:
    """The evidence of all runs."""


@audit_app.command("verify")
def audit_verify(
    world: World = None,
    expect: Annotated[
        str | None,
        typer.Option(help="A head that you wrote down: it must still be in the chain."),
    ] = None,
) -> None:
    """Recompute the chain of evidence bundles; say what was altered, and exit with 1.

    Compares each run's results, counts, publications, waivers, report and raw loads
    with what was sealed when it ended.
    """
    from strata.quality.verifying import verify

    with told_plainly():
        tenant = tenant_that_ran(world)
        tenant.warehouse.migrate()
        with tenant.warehouse.connection("verify the evidence") as con:
            found = verify(con, tenant.home, expect)
    for finding in found.findings:
        errors.print(str(finding), markup=False, highlight=False, soft_wrap=True)
    if found.findings:
        errors.print(f"{len(found.findings)} differences in {found.bundles} bundles")
        raise typer.Exit(1)
    console.print(
        f"{found.bundles} bundles, unbroken and as they were sealed. Head: {found.head}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
