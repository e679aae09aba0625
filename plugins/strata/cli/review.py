"""``strata identity review``: pairs that a person is to decide about."""

from pathlib import Path
from typing import Annotated

import typer

from strata.cli.terminal import World, console, tenant_that_ran, told_plainly

review_app = typer.Typer(
    help="Pairs of records that may be one person: write them out, read decisions back.",
    no_args_is_help=True,
)

_Target = Annotated[
    Path | None,
    typer.Argument(help="A .csv or .xlsx file. Default: review/ of the PII zone."),
]


@review_app.command("export")
def export_pairs(
    path: _Target = None,
    decided: Annotated[
        bool, typer.Option("--decided", help="Also pairs that have a decision.")
    ] = False,
    world: World = None,
) -> None:
    """Write the pairs that wait, the most probable first, masked, side by side."""
    from strata.identity.matching.review import export_review

    with told_plainly():
        tenant = tenant_that_ran(world)
        tenant.warehouse.migrate()
        target = path or tenant.home / "raw" / "review" / "match_review.xlsx"
        with tenant.warehouse.connection("export pairs for review") as con:
            count = export_review(con, target, decided=decided)
        console.print(f"{count} pairs in {target}", highlight=False, soft_wrap=True)


@review_app.command("import")
def import_decisions(
    path: Annotated[Path, typer.Argument(help="The file with decisions.")],
    by: Annotated[str, typer.Option("--by", help="Who decided.")],
    world: World = None,
) -> None:
    """Read decisions back: same, different or undecided. All rows count, or none."""
    from strata.identity.matching.review import import_review

    with told_plainly():
        tenant = tenant_that_ran(world)
        tenant.warehouse.migrate()
        with tenant.warehouse.connection("read decisions on pairs") as con:
            found = import_review(con, path, by=by)
        console.print(
            f"{found.decided} decisions read, {found.changed} of them new; they hold "
            "from the next day that is run",
            highlight=False,
        )
