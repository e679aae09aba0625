"""``strata run`` and ``strata restate``: the DAG for some days, in this process."""

from datetime import date, timedelta
from typing import Annotated, Any

import typer

from strata.cli.terminal import (
    Data,
    World,
    console,
    errors,
    open_tenant,
    progress_bar,
    quietly,
    read_day,
    tenant_that_ran,
    told_plainly,
)
from strata.config.loader import ConfigError
from strata.run import Decision
from strata.tenant import Tenant

Day = Annotated[str | None, typer.Option("--ds", help="The day, YYYY-MM-DD.")]
_STEPS = 20


def run(
    ds: Day = None,
    world: Annotated[
        str, typer.Option(envvar="STRATA_WORLD", help="A file of config/worlds.")
    ] = "sample",
    data: Data = None,
    until: Annotated[
        str | None, typer.Option(help="Run every day from --ds to this one.")
    ] = None,
    take_over: Annotated[
        bool,
        typer.Option(
            "--take-over",
            help="End a scheduled run that is dead or is not to go on, and run.",
        ),
    ] = False,
) -> None:
    """Run the DAG daily_segments for a day (or a range) in this process.

    Days of a range are built together, ninety at most, to the same tables as one by one;
    the CRM and the published copy get the last of them.

    Without --ds the day is the world's last_day. At the end: rows in and out of each
    stage, gate verdicts, tiers, what was written to the CRM, and where it all lies.
    """
    with told_plainly():
        tenant = open_tenant(world, data)
        first = read_day(ds) if ds else tenant.world.last_day
        if first is None:
            raise ConfigError(f"world {world!r} has no last_day: give --ds YYYY-MM-DD")
        last = read_day(until, "--until") if until else first
        if last < first:
            raise ConfigError(
                f"the range ends ({last}) before it starts ({first}): backfills go "
                "forward in time"
            )
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        assert tenant.data is not None
        _run_days(tenant, days, take_over)


def restate(
    first: Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD.")],
    last: Annotated[str, typer.Option("--to", help="Last day, YYYY-MM-DD.")],
    by: Annotated[str, typer.Option(help="Who decides; kept in the record.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the record.")],
    world: World = None,
) -> None:
    """Build published days again with all that is known by now, as their new version.

    For days older than the newest published one, whose rows came too late. Nothing is
    taken in, nothing goes to the CRM, and what is current stays. Days of the range that
    have no snapshot are left out.
    """
    with told_plainly():
        tenant = tenant_that_ran(world)
        decision = Decision(by, reason)
        begins, ends = read_day(first, "--from"), read_day(last, "--to")
        with tenant.warehouse.connection("look for snapshots") as con:
            found = con.execute(
                "select distinct ds from features.feat_users where ds between ? and ?"
                " order by ds",
                [begins, ends],
            ).fetchall()
        if not found:
            raise LookupError(f"no day from {begins} to {ends} has a snapshot")
        _run_days(tenant, [ds for (ds,) in found], decision=decision)


def _run_days(
    tenant: Tenant,
    days: list[date],
    take_over: bool = False,
    decision: Decision | None = None,
) -> None:
    from strata import stopping
    from strata.orchestration import RunFailedError, run_days

    with progress_bar() as bar, quietly(tenant):
        task = bar.add_task("start Airflow", total=None)

        def plan(count: int) -> None:
            bar.update(task, total=count * _STEPS)

        def listen(stage: str, action: str, state: str) -> None:
            if state == "start":
                bar.update(task, description=f"{stage}: {action}")
            elif state == "done":
                bar.advance(task)

        failure: RunFailedError | stopping.StoppedError | None = None
        try:
            run_days(tenant, days, listen, plan, take_over=take_over, decision=decision)
        except (RunFailedError, stopping.StoppedError) as error:
            failure = error
    if failure is not None:
        said = str(failure)
        if isinstance(failure, RunFailedError) and failure.run_id is not None:
            _print_summary(tenant, failure.run_id)
            said = failure.told
        errors.print(said, style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(stopping.exit_code(1))
    _print_summary(tenant, None)


def _print_summary(tenant: Tenant, run_id: str | None) -> None:
    from strata.report import render_summary

    render_summary(summary_of(tenant, run_id, None), console)


def summary_of(tenant: Tenant, run_id: str | None, ds: date | None) -> Any:
    """What a run did, in numbers: a ``RunSummary``."""
    from strata.report import summarise

    with tenant.warehouse.connection("read the report") as con:
        return summarise(con, run_id, ds)
