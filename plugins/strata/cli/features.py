"""``strata features``: what is measured about a user, and in which words."""

import json
from typing import Annotated

import typer
from rich.table import Table

from strata.cli.terminal import console, told_plainly
from strata.config.features import FeaturesConfig
from strata.config.loader import read_yaml
from strata.config.measures import Feature
from strata.tenant import project_root

features_app = typer.Typer(help="The catalogue of features.", no_args_is_help=True)


@features_app.callback()
def features() -> None:
    """The catalogue of features."""


@features_app.command("list")
def features_list(
    family: Annotated[
        list[str] | None, typer.Option(help="Only this family; may be repeated.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="As a JSON list, one object a feature.")
    ] = False,
) -> None:
    """The features of features.feat_users, as config/features.yml defines them.

    The JSON has what the table features.catalog has: name, family, description,
    data_type, unit, window_days, source_models, pii_class, null_meaning, owner.
    """
    with told_plainly():
        config = read_yaml(project_root() / "config" / "features.yml", FeaturesConfig)
        chosen = _of_families(config, family or [])
    if as_json:
        rows = [f.model_dump(mode="json") | {"owner": config.owner} for f in chosen]
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    table = Table()
    for heading in ("feature", "family", "type", "unit", "days", "what it says"):
        table.add_column(heading, no_wrap=heading == "feature")
    for f in chosen:
        days = "" if f.window_days is None else str(f.window_days)
        table.add_row(f.name, f.family, f.data_type, f.unit, days, f.description)
    console.print(table)
    console.print(f"{len(chosen)} features, owner: {config.owner}", highlight=False)


def _of_families(config: FeaturesConfig, wanted: list[str]) -> list[Feature]:
    """Raises ``LookupError`` for a family that has no feature."""
    known = list(dict.fromkeys(f.family for f in config.catalogue))
    for name in wanted:
        if name not in known:
            raise LookupError(
                f"there is no family {name!r}; known: {', '.join(map(str, known))}"
            )
    return [f for f in config.catalogue if not wanted or f.family in wanted]
