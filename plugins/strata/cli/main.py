"""``strata``: run a day, look at identities, gates, the sync, reports, the sample."""

import json
from typing import Annotated

import typer

from strata.cli.audit import audit_app
from strata.cli.features import features_app
from strata.cli.identity import identity_app
from strata.cli.loads import gate_drop, gate_held, gate_take
from strata.cli.metrics import metrics_app
from strata.cli.parity import parity
from strata.cli.running import Day, restate, run, summary_of
from strata.cli.terminal import (
    Data,
    World,
    console,
    errors,
    open_tenant,
    progress_bar,
    read_day,
    tenant_that_ran,
    told_plainly,
)
from strata.config.loader import read_yaml

app = typer.Typer(
    help="One stable user id, a feature warehouse and explained tiers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
gate_app = typer.Typer(help="Quality gates and quarantine.", no_args_is_help=True)
gate_app.command("held")(gate_held)
gate_app.command("take")(gate_take)
gate_app.command("drop")(gate_drop)
sample_app = typer.Typer(help="The invented company.", no_args_is_help=True)
app.add_typer(identity_app, name="identity")
app.add_typer(gate_app, name="gate")
app.add_typer(audit_app, name="audit")
app.add_typer(sample_app, name="sample")
app.command()(parity)
app.add_typer(features_app, name="features")
app.add_typer(metrics_app, name="metrics")

app.command()(run)
app.command()(restate)


@app.command()
def report(
    world: World = None,
    ds: Day = None,
    run_id: Annotated[str | None, typer.Option(help="One attempt.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="As one JSON object.")
    ] = False,
) -> None:
    """The last run (or another): rows, gates, tiers, sync, and where things lie."""
    with told_plainly():
        tenant = tenant_that_ran(world)
        summary = summary_of(tenant, run_id, read_day(ds) if ds else None)
        if as_json:
            typer.echo(json.dumps(summary.to_json(), indent=2, default=str))
        else:
            from strata.report import render_summary

            render_summary(summary, console)


@app.command()
def docs(world: World = None) -> None:
    """Write the documentation of tables, features and metrics; one page, no network."""
    from strata.documentation import build_site

    with told_plainly():
        page = build_site(open_tenant(world))
        console.print(str(page), markup=False, highlight=False, soft_wrap=True)


@app.command()
def sync(
    world: World = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the difference, send nothing.")
    ] = False,
    accept_changes: Annotated[
        bool,
        typer.Option(
            help="You have seen the dry run: let more change than the breaker."
        ),
    ] = False,
    replay: Annotated[
        list[str] | None,
        typer.Option(help="CRM record whose refused change is to be tried again."),
    ] = None,
) -> None:
    """Send the difference between the desired state and what the CRM acknowledged."""
    from strata.activation import SyncError, open_client
    from strata.activation import replay as replay_records
    from strata.activation import sync as send
    from strata.config.activation import ActivationConfig
    from strata.runs import get_run, newest_run_id

    with told_plainly():
        tenant = tenant_that_ran(world)
        config = read_yaml(tenant.config_dir / "activation.yml", ActivationConfig)
        with tenant.warehouse.connection("sync") as con:
            run_id = newest_run_id(con)
            if run_id is None:
                raise LookupError("there is no run yet: start with `make run`")
            current = get_run(tenant, run_id)
            for target in config.targets:
                if replay:
                    replay_records(con, target.name, replay)
                with open_client(target, tenant.home) as client:
                    try:
                        done = send(
                            con,
                            current,
                            target,
                            client,
                            dry_run=dry_run,
                            accept_changes=accept_changes,
                        )
                    except SyncError as error:
                        raise ValueError(str(error)) from error
                console.print_json(data=done.to_json())


@gate_app.command("results")
def gate_results(
    world: World = None,
    stage: Annotated[str | None, typer.Option(help="One stage only.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Passed ones too.")] = False,
    keys: Annotated[
        bool, typer.Option("--keys", help="Keys of failing rows; some are personal.")
    ] = False,
) -> None:
    """The verdicts of the last run's gates."""
    with (
        told_plainly(),
        tenant_that_ran(world).warehouse.connection("read gate results") as con,
    ):
        rows = con.execute(
            "select stage, verdict, table_name, expectation, observed, threshold, owner,"
            " if(?, sample_keys, null)"
            " from audit.gate_results where run_id = (select run_id from audit.runs"
            " order by _started_at desc limit 1)"
            " and stage = coalesce(?, stage) and (? or verdict <> 'passed')"
            " order by all",
            [keys, stage, all_],
        ).fetchall()
        for at, verdict, table, rule, observed, threshold, owner, failing in rows:
            console.print(
                f"{at} {verdict}: {table}: {rule}: {observed} (allowed: {threshold}; "
                f"owner: {owner})" + (f"\n  {failing}" if failing else ""),
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
        if not rows:
            console.print("Every check of the last run passed.")


@gate_app.command("run")
def gate_run(stage: str, run_id: str, world: World = None) -> None:
    """Check what a stage has built (before it is published) once more."""
    from strata.pipeline import gate

    with told_plainly():
        console.print_json(data=gate(tenant_that_ran(world), run_id, stage))


@gate_app.command("quarantine")
def gate_quarantine(world: World = None) -> None:
    """How many rows are set aside, by table and rule. Values are not shown."""
    from rich.table import Table

    with (
        told_plainly(),
        tenant_that_ran(world).warehouse.connection("read quarantine") as con,
    ):
        rows = con.execute(
            "select system, entity, expectation, status, count(*) from quarantine.rows"
            " group by all order by all"
        ).fetchall()
        table = Table("system", "entity", "rule", "status", "rows")
        for row in rows:
            table.add_row(*(str(v) for v in row))
        console.print(table if rows else "Quarantine is empty.")


@gate_app.command("release")
def gate_release(
    system: str,
    entity: str,
    by: Annotated[str, typer.Option(help="Who decides; kept in the record.")],
    expectation: Annotated[
        str | None, typer.Option(help="Only rows held by this rule.")
    ] = None,
    world: World = None,
) -> None:
    """Let rows that were set aside back in: the next run takes them."""
    from strata.quality import release

    with (
        told_plainly(),
        tenant_that_ran(world).warehouse.connection("release quarantine") as con,
    ):
        count = release(con, system, entity, by=by, expectation=expectation)
        console.print(f"{count} rows released; the next run takes them in.")


@gate_app.command("waive")
def gate_waive(
    table: str,
    expectation: str,
    until: Annotated[str, typer.Option(help="Last day of data it holds for.")],
    by: Annotated[str, typer.Option(help="Who decides; kept in the record.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the record.")],
    world: World = None,
) -> None:
    """Let a rule that fails warn for a while: the run goes on, and the record says so.

    TABLE and EXPECTATION are as `strata gate results` names them. An earlier --until
    takes it back.
    """
    from strata.quality import waive
    from strata.warehouse.tables import STAGES

    with told_plainly():
        tenant = tenant_that_ran(world)
        tenant.warehouse.migrate()
        with tenant.warehouse.connection("waive a rule") as con:
            waiver = waive(
                con,
                tenant.root / "expectations",
                STAGES,
                table,
                expectation,
                until=read_day(until, "--until"),
                by=by,
                reason=reason,
            )
        console.print(f"{waiver}: {table}: {expectation}: warns until {until}")


@gate_app.command("waivers")
def gate_waivers(world: World = None) -> None:
    """All waivers that were ever granted, the newest first."""
    with (
        told_plainly(),
        tenant_that_ran(world).warehouse.connection("read waivers") as con,
    ):
        rows = con.execute(
            "select waiver_id, table_name, expectation, valid_until, granted_by, reason"
            " from audit.waivers order by _granted_at desc"
        ).fetchall()
        for waiver, table, rule, until, by, reason in rows:
            console.print(
                f"{waiver}: {table}: {rule}: until {until}, by {by}: {reason}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
        if not rows:
            console.print("No rule was ever waived.")


@sample_app.command()
def advance(until: str, world: World = "sample") -> None:
    """Write the sample world up to a day (YYYY-MM-DD)."""
    from strata.config.sample import SampleConfig
    from strata.sample import advance as write

    with told_plainly(), progress_bar() as bar:
        tenant = open_tenant(world)
        config = read_yaml(tenant.config_dir / "sample.yml", SampleConfig)
        task = bar.add_task("the world", total=None)
        write(
            tenant.home / "world",
            tenant.home / "crm" / "crm.db",
            config,
            read_day(until, "UNTIL"),
            lambda day: bar.update(task, description=f"the world reaches {day}"),
        )


@sample_app.command("describe")
def describe_sample(
    world: World = "sample",
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show the sample world against its settings: a page, and a summary."""
    from strata.config.sample import SampleConfig
    from strata.sample.page import for_machines, summary, write_page

    with told_plainly():
        tenant = open_tenant(world)
        config = read_yaml(tenant.config_dir / "sample.yml", SampleConfig)
        page = tenant.home / "sample_world.html"
        shown = write_page(page, tenant.home / "world", config)
        if as_json:
            told = for_machines(shown) | {"page": str(page)}
            console.print_json(data=told, default=str)
        else:
            lines = [*summary(shown), f"page: {page}"]
            console.print(
                *lines, sep="\n", markup=False, highlight=False, soft_wrap=True
            )


@app.command()
def up(
    world: Annotated[
        str, typer.Option(envvar="STRATA_WORLD", help="A file of config/worlds.")
    ] = "sample",
    data: Data = None,
    port: Annotated[
        int, typer.Option(envvar="STRATA_PORT", help="Port of the page, on loopback.")
    ] = 8080,
) -> None:
    """Start Airflow with its page on loopback and the DAG scheduled; Ctrl-C stops."""
    from strata.orchestration import RunFailedError
    from strata.standing import stand

    with told_plainly():
        tenant = open_tenant(world, data)
        assert tenant.data is not None
        tenant.ensure_pseudonym_key()
        tenant.remember()
        try:
            code = stand(tenant, port, lambda line: console.print(line, soft_wrap=True))
        except RunFailedError as error:
            errors.print(str(error), style="red", markup=False, highlight=False)
            code = 1
        raise typer.Exit(code)
