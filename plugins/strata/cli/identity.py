"""``strata identity``: who is who, and why, and what people decide about it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import duckdb
import typer

from strata.cli.review import review_app
from strata.cli.terminal import (
    World,
    console,
    read_day,
    tenant_that_ran,
    told_plainly,
)

if TYPE_CHECKING:
    from strata.identity.decisions import Decision

identity_app = typer.Typer(help="Who is who, and why.", no_args_is_help=True)
identity_app.add_typer(review_app, name="review")

By = Annotated[str, typer.Option(help="Who decides; kept in the record.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the record.")]


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _warehouse(world: str | None, purpose: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """The tenant's warehouse with its rules and its key, by this version's tables."""
    with told_plainly():
        tenant = tenant_that_ran(world)
        tenant.warehouse.migrate()
        with tenant.warehouse.connection(purpose) as con:
            yield con


@identity_app.command()
def why(left: str, right: str, world: World = None) -> None:
    """Why two records are one person, or why they are not.

    LEFT and RIGHT are records (system/entity/key) or unified user ids. The chain is the
    shortest there is; for two people it is what ties them, and the rule against it.
    """
    from strata.identity import why as explain
    from strata.identity import why_not

    with _warehouse(world, "explain an identity") as con:
        steps = explain(con, left, right)
        if steps is None:
            steps = why_not(con, left, right)
            _say_decisions(con, left, right)
            _say(
                "They are two people, and nothing that they show ties them."
                if steps is None
                else "They are two people, because what is marked does not count:"
            )
        elif not steps:
            _say("They are one and the same record.")
        for number, step in enumerate(steps or [], start=1):
            what = (
                f"share {step.identifier_type} {step.masked_value} ({step.rule})"
                if step.identifier_type
                else f"are matched ({step.rule}, strength {step.strength})"
            )
            barred = f" [rejected by {', '.join(step.rejected_by)}]"
            _say(
                f"{number}. {step.left_record} and {step.right_record} {what}"
                f"{barred if step.rejected_by else ''}"
            )


@identity_app.command("show")
def show_identity(user: str, world: World = None) -> None:
    """A user's records, identifiers (masked), history, and decisions about them."""
    from strata.identity import show

    with _warehouse(world, "show an identity") as con:
        card = show(con, user)
        _say(
            f"{card.unified_user_id}: {card.status}, minted on {card.minted_on} from "
            f"{card.anchor}"
        )
        if card.redirects_to:
            _say(f"redirects to {card.redirects_to} since {card.redirected_on}")
        for other in card.redirected_here:
            _say(f"stands for {other} too")
        for shown in card.identifiers:
            _say(
                f"{shown.identifier_type} {shown.masked_value}: shown by "
                f"{shown.records} records"
            )
        for row in card.history:
            until = f" to {row.effective_to}" if row.effective_to else ""
            told = f" to {row.recorded_to}" if row.recorded_to else ""
            _say(
                f"{row.record}: {row.unified_user_id or 'nobody'} from "
                f"{row.effective_from}{until} ({row.cause}, recorded from "
                f"{row.recorded_from}{told})"
            )
        for decision in card.decisions:
            _say(_told(decision))


@identity_app.command("resolve")
def resolve_identity(
    user: str,
    as_of: Annotated[str, typer.Option(help="The day, YYYY-MM-DD.")],
    world: World = None,
) -> None:
    """The id that stood for a user on a day, redirects followed."""
    from strata.identity import resolve_id

    with _warehouse(world, "resolve an id") as con:
        day = read_day(as_of, "--as-of")
        _say(resolve_id(con, user, day) or f"nobody on {day}")


@identity_app.command()
def split(
    record: Annotated[str, typer.Argument(help="The record that leaves.")],
    apart_from: Annotated[str, typer.Argument(help="A record of the user, or its id.")],
    by: By,
    reason: Reason,
    world: World = None,
) -> None:
    """Two records are not one person: from the next day on they are kept apart.

    What ties RECORD to the rest counts for it no more; what hangs on RECORD alone goes
    with it. The part with the anchor keeps the id.
    """
    from strata.identity import decisions

    _decide(
        world,
        lambda con: decisions.split(con, record, apart_from, by=by, reason=reason),
    )


@identity_app.command()
def forget(
    identifier_type: Annotated[
        str, typer.Argument(help="As config/identity.yml has it.")
    ],
    by: By,
    reason: Reason,
    key: Annotated[
        str | None,
        typer.Option(
            help="First characters of its keyed hash, as gates and why show it."
        ),
    ] = None,
    world: World = None,
) -> None:
    """An identifier value joins nobody any more, and nobody stands on it.

    Without --key the value is asked for, unseen, so that it lies in no shell history.
    """
    from strata.identity import decisions

    def decided(con: duckdb.DuckDBPyConnection) -> decisions.Decision:
        meant = key.rstrip("…") if key else _hashed(world, con, identifier_type)
        return decisions.forget(con, identifier_type, meant, by=by, reason=reason)

    _decide(world, decided)


@identity_app.command()
def withdraw(record: str, by: By, reason: Reason, world: World = None) -> None:
    """A record may not be linked: it stands for itself alone.

    For consent withdrawn outside the systems; what these tell needs no decision.
    """
    from strata.identity import decisions

    _decide(world, lambda con: decisions.withdraw(con, record, by=by, reason=reason))


@identity_app.command()
def restore(decision: str, by: By, reason: Reason, world: World = None) -> None:
    """End a decision: from the next day on all is as if it had not been taken."""
    from strata.identity import decisions

    _decide(world, lambda con: decisions.restore(con, decision, by=by, reason=reason))


@identity_app.command("decisions")
def list_decisions(world: World = None) -> None:
    """All decisions that were ever taken, the oldest first."""
    from strata.identity import decisions

    with _warehouse(world, "read decisions") as con:
        found = decisions.decisions(con)
        for decision in found:
            _say(_told(decision))
        if not found:
            _say("Nothing was ever decided.")


def _say_decisions(con: duckdb.DuckDBPyConnection, left: str, right: str) -> None:
    """The decisions in force that keep the two apart."""
    from strata.identity.decisions import decisions_between

    for decision in decisions_between(con, left, right):
        _say(_told(decision))


def _decide(
    world: str | None,
    decide: Callable[[duckdb.DuckDBPyConnection], "Decision"],
) -> None:
    with _warehouse(world, "decide about an identity") as con:
        _say(_told(decide(con)))


def _told(decision: "Decision") -> str:
    about = {
        "split": f"{decision.record} is not {decision.apart_from}",
        "forget": f"{', '.join(decision.values)} joins nobody",
        "withdraw": f"{decision.record} is not linked",
        "restore": f"{decision.restores} holds no more",
    }[decision.kind]
    without = (
        f" (without {', '.join(decision.values)})"
        if decision.kind == "split" and decision.values
        else ""
    )
    ended = "" if decision.is_in_force or decision.kind == "restore" else "; ended"
    return (
        f"{decision.decision_id}: {about}{without}, for days from "
        f"{decision.applies_from}{ended}. By {decision.decided_by}: {decision.reason}"
    )


def _hashed(
    world: str | None, con: duckdb.DuckDBPyConnection, identifier_type: str
) -> str:
    """The keyed hash of a value that is typed unseen."""
    from strata import pseudonyms
    from strata.config.identity import IdentityConfig
    from strata.config.loader import read_yaml

    tenant = tenant_that_ran(world)
    tenant.ensure_pseudonym_key()
    pseudonyms.register(
        con, read_yaml(tenant.config_dir / "identity.yml", IdentityConfig)
    )
    value = typer.prompt(identifier_type, hide_input=True)
    row = con.execute(
        "select strata_pseudonym(?, ?)", [identifier_type, value]
    ).fetchone()
    if row is None or row[0] is None:
        raise ValueError(f"this is no {identifier_type}, or means none")
    return str(row[0])
