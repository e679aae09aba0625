"""``strata identity``: who is who, and why."""

import typer

from strata.cli.terminal import World, console, tenant_that_ran, told_plainly

identity_app = typer.Typer(help="Who is who, and why.", no_args_is_help=True)


@identity_app.command()
def why(left: str, right: str, world: World = None) -> None:
    """The shortest chain of edges that makes two records one person.

    LEFT and RIGHT are records (system/entity/key) or unified user ids.
    """
    from strata.identity import why as explain

    with (
        told_plainly(),
        tenant_that_ran(world).warehouse.connection("explain an identity") as con,
    ):
        steps = explain(con, left, right)
        if steps is None:
            console.print("No chain of accepted edges joins them: two people.")
        elif not steps:
            console.print("They are one and the same record.")
        for number, step in enumerate(steps or [], start=1):
            console.print(
                f"{number}. {step.left_record} and {step.right_record} share "
                f"{step.identifier_type} {step.masked_value}… ({step.rule})",
                markup=False,
                highlight=False,
            )


@identity_app.command("show")
def show_identity(user: str, world: World = None) -> None:
    """A user's records and history; identifiers are masked."""
    from strata.identity import show

    with (
        told_plainly(),
        tenant_that_ran(world).warehouse.connection("show an identity") as con,
    ):
        card = show(con, user)
        console.print(
            f"{card.unified_user_id}: {card.status}, minted on {card.minted_on} from "
            f"{card.anchor}",
            highlight=False,
        )
        if card.redirects_to:
            console.print(
                f"redirects to {card.redirects_to} since {card.redirected_on}"
            )
        for other in card.redirected_here:
            console.print(f"stands for {other} too", highlight=False)
        for row in card.history:
            until = f" to {row.effective_to}" if row.effective_to else ""
            told = f" to {row.recorded_to}" if row.recorded_to else ""
            console.print(
                f"{row.record}: {row.unified_user_id or 'nobody'} from "
                f"{row.effective_from}{until} ({row.cause}, recorded from "
                f"{row.recorded_from}{told})",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
