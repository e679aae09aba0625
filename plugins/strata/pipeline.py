"""The daily run, step by step. DAG, command line and tests call these functions.

A step finds what it needs by the run's id, takes the warehouse for as long as it
works, and can be called again: what this attempt has published already is skipped,
and what a killed attempt left half built is dropped.
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import duckdb

from strata import (
    building,
    carrying,
    clock,
    engine_errors,
    laws,
    runs,
    secrets,
    stopping,
)
from strata.building import Progress
from strata.config.loader import read_yaml
from strata.ingest.manifest import manifest_hash
from strata.run import Decision, Run
from strata.tenant import Tenant
from strata.warehouse.tables import STAGES


def _quiet(_: str) -> None:
    return None


@contextlib.contextmanager
def _timed(
    tenant: Tenant,
    run_id: str,
    stage: str,
    look_up: Callable[[Tenant, str], Run] = runs.take_up,
    *,
    is_open: bool = True,
) -> Iterator[Run]:
    """The run, its time in the stage recorded; a failure is noted with its stage.

    ``is_open``: the warehouse is open all the while, since each opening reads its whole
    catalogue. Not where dbt works, which opens it with settings of its own.
    """
    watch, purpose = clock.Stopwatch(), f"{stage} of {run_id}"
    warehouse = tenant.warehouse
    with warehouse.connection(purpose) if is_open else warehouse.hold(purpose):
        run = look_up(tenant, run_id)
        try:
            yield run
        except (Exception, stopping.StoppedError) as error:
            engine_errors.redact(error)
            told = stopping.cause(f"{type(error).__name__}: {error}")
            fail(tenant, run_id, stage, told)
            raise
        finally:
            with tenant.warehouse.connection("record the time taken") as con:
                runs.add_seconds(con, run, stage, watch.seconds)


def start(
    tenant: Tenant,
    ds: date,
    external_id: str | None = None,
    since: date | None = None,
    decision: Decision | None = None,
) -> str:
    """Open an attempt at ``ds``, or at the days ``since`` to ``ds``, and give its id.

    ``decision``: who has these older days restated, and why. Raises ``ConfigError`` before that where a rule cannot be read, and where there is
    nothing to run for on these days.
    """
    tenant.check_rules()
    tenant.check_days(since or ds, ds)
    tenant.ensure_pseudonym_key()
    run = runs.open_run(tenant, ds, external_id, since, decision)
    tenant.remember()
    with tenant.warehouse.connection("set the day of the run") as con:
        building.set_run_dates(con, tenant, run)
        if not run.is_newest:
            accepted = building.accepted_loads(con, tenant)
            runs.note(con, run, manifest_hash=manifest_hash(accepted))
    return run.run_id


def build(tenant: Tenant, run_id: str, stage: str, progress: Progress = _quiet) -> None:
    """Build one stage's tables beside the published ones."""
    with _timed(tenant, run_id, stage, is_open=False) as run:
        with tenant.warehouse.connection(f"prepare {stage}"):
            if _is_done(tenant, run, stage):
                return
            tenant.warehouse.start_build(stage)
            if stage in carrying.STAGES:
                decision = carrying.decide(tenant, run, stage)
                if decision.carried_from is not None:
                    return
        building.build_stage(stage, tenant, run, progress)


def gate(tenant: Tenant, run_id: str, stage: str) -> dict[str, int]:
    """Check what was built; the verdicts by count. Raises where the run must stop."""
    from strata.quality import GateFailed, record, run_gate, under_waivers

    with _timed(tenant, run_id, stage) as run:
        if _is_done(tenant, run, stage):
            return {}
        outcome = run_gate(
            stage,
            run,
            tenant.warehouse.path,
            tenant.root / "expectations",
            tables=_tables_to_check(tenant, run, stage),
            excused=building.taken_loads(tenant) if stage == "ingest" else (),
        )
        with tenant.warehouse.connection(f"record the gate of {stage}") as con:
            outcome = under_waivers(con, laws.told(con, outcome))
            record(con, outcome)
            outcome = outcome.with_results(laws.check(con, tenant, run, stage))
            record(con, outcome)
        if outcome.stops:
            raise GateFailed(stage, outcome)
        return dict(outcome.counts)


def promote(tenant: Tenant, run_id: str, stage: str) -> int:
    """Publish a stage that passed its gate, in one transaction; the rows published."""
    with _timed(tenant, run_id, stage) as run:
        if _is_done(tenant, run, stage):
            return 0
        if stage == "ingest":
            return _accept_loads(tenant, run)
        if (before := _carried_from(run, stage)) is not None:
            return carrying.publish(tenant, run, stage, before)
        done = tenant.warehouse.promote(stage, run, building.table_specs(tenant, stage))
        carrying.remember(tenant, run, stage)
        if stage == "features":
            _mark_stale_days(tenant, run)
            _thin_snapshots(tenant, run)
        return sum(p.rows for p in done)


def _thin_snapshots(tenant: Tenant, run: Run) -> None:
    from strata.config.features import FeaturesConfig
    from strata.features import thinning

    rules = read_yaml(tenant.config_dir / "features.yml", FeaturesConfig)
    if run.is_newest:
        with tenant.warehouse.connection("thin old snapshots") as con:
            thinning.thin(con, run.ds, rules.history.daily_days)


def sync(
    tenant: Tenant, run_id: str, *, dry_run: bool = False, accept: bool = False
) -> dict[str, dict[str, int]]:
    """Write the difference back to every CRM target; what was done, by target.

    ``accept``: a person has seen the difference and lets more records change than
    the breaker would. A run older than the newest published day sends nothing.
    """
    from strata.activation import SyncError, open_client
    from strata.activation import sync as send
    from strata.config.activation import ActivationConfig

    config = read_yaml(tenant.config_dir / "activation.yml", ActivationConfig)
    done: dict[str, dict[str, int]] = {}
    with _timed(tenant, run_id, "publish") as run:
        if not run.is_newest:
            return done
        for target in config.targets:
            with (
                tenant.warehouse.connection(f"sync to {target.name}") as con,
                open_client(target, run.home) as client,
            ):
                try:
                    summary = send(
                        con, run, target, client, dry_run=dry_run, accept_changes=accept
                    )
                except SyncError as error:
                    if error.summary is not None and not dry_run:
                        runs.note(
                            con, run, sync_summary={target.name: error.summary.counts()}
                        )
                    raise
                done[target.name] = _added(con, run, target.name, summary.counts())
                if not dry_run:
                    runs.note(con, run, sync_summary=done)
    return done


def _added(
    con: duckdb.DuckDBPyConnection, run: Run, target: str, counts: dict[str, int]
) -> dict[str, int]:
    """The counts with those of an earlier call of this attempt, which sent the rest."""
    row = con.execute(
        "select sync_summary from audit.runs where run_id = ?", [run.run_id]
    ).fetchone()
    before = json.loads(row[0]).get(target, {}) if row and row[0] else {}
    sent = {k: before.get(k, 0) for k in ("created", "updated", "cleared")}
    unchanged = max(counts["unchanged"] - sum(sent.values()), 0)
    return {**counts, **{k: counts[k] + v for k, v in sent.items()}} | {
        "unchanged": unchanged
    }


def serve(tenant: Tenant, run_id: str) -> None:
    """Swap in the read-only copy of the public tables, and call the run a success.

    A run older than the newest published day leaves the copy as it is.
    """
    from strata import transform
    from strata.semantic import read_layer, views
    from strata.serving import public_tables, publish_copy

    with _timed(tenant, run_id, "publish") as run:
        described = transform.descriptions(tenant)
        with tenant.warehouse.connection("publish the copy") as con:
            described |= _comments(con)
            runs.close_run(con, run, "succeeded")
            if run.is_newest:
                metrics = views(read_layer(tenant.root / "dbt_project"), described)
                publish_copy(con, run, public_tables(con, described), metrics)


def _comments(
    con: duckdb.DuckDBPyConnection,
) -> dict[str, tuple[str, dict[str, str]]]:
    """The words on state tables, which no dbt model describes."""
    tables = con.execute(
        "select schema_name || '.' || table_name, comment from duckdb_tables()"
        " where comment is not null union all"
        " select schema_name || '.' || view_name, comment from duckdb_views()"
        " where comment is not null"
    ).fetchall()
    columns = con.execute(
        "select schema_name || '.' || table_name, column_name, comment"
        " from duckdb_columns() where comment is not null"
    ).fetchall()
    found = {
        str(table): (str(words), {c: w for t, c, w in columns if t == table})
        for table, words in tables
    }
    return found | {f"{name}_current": words for name, words in found.items()}


def report(tenant: Tenant, run_id: str) -> Path:
    """Write the report page and the Data Docs of a run, any run; the page's path.

    Once both are there, the evidence of the run is sealed.
    """
    from strata.documentation import build_site
    from strata.quality import build_data_docs, evidence
    from strata.report import summarise, write_report

    with _timed(tenant, run_id, "publish", runs.get_run) as run:
        build_data_docs(run)
        build_site(tenant)
        with tenant.warehouse.connection("write the report") as con:
            runs.note(con, run, paths=runs.default_paths(tenant, run))
            runs.note_fixed_cost(con, run, None)
            page = write_report(con, run, summarise(con, run_id))
            evidence.seal(con, run, tenant.root)
            return page


def fail(tenant: Tenant, run_id: str, stage: str, error: str) -> None:
    """Keep what stopped the attempt; the words hold no value of any row."""
    run = runs.get_run(tenant, run_id)
    with tenant.warehouse.connection("record a failure") as con:
        told = secrets.hide(error)[:2000]
        runs.close_run(con, run, "failed", failed_stage=stage, error=told)


def give_up(tenant: Tenant, run_id: str, stage: str) -> None:
    """Call an attempt failed whose task was killed and could not say so itself."""
    with tenant.warehouse.connection("record a failure") as con:
        row = con.execute(
            "select 1 from audit.runs where run_id = ? and status = 'running'",
            [run_id],
        ).fetchone()
    if row is not None:
        told = stopping.cause("the process of a task ended before it could")
        fail(tenant, run_id, stage, told)


def run_day(
    tenant: Tenant,
    ds: date,
    progress: Progress = _quiet,
    *,
    is_synced: bool = True,
    decision: Decision | None = None,
) -> str:
    """The whole run of one day in this process, without a scheduler; its id."""
    with runs.hold(tenant, f"run of {ds}"):
        run_id = start(tenant, ds, decision=decision)
        for stage in STAGES:
            progress(stage)
            build(tenant, run_id, stage)
            gate(tenant, run_id, stage)
            promote(tenant, run_id, stage)
        if is_synced:
            progress("write back to the CRM")
            sync(tenant, run_id)
        serve(tenant, run_id)
        progress("report")
        report(tenant, run_id)
        return run_id


def _is_done(tenant: Tenant, run: Run, stage: str) -> bool:
    """Published by this attempt, or not for a run that is older than the newest.

    Such a run takes nothing in: what came without a date would count as known on its
    day, and what is staged and resolved belongs to the newest.
    """
    if not run.is_newest and stage not in ("features", "segments"):
        return True
    return tenant.warehouse.is_published(stage, run)


def _carried_from(run: Run, stage: str) -> str | None:
    """The run whose tables of the stage stand for this one."""
    decision = carrying.decided(run, stage)
    return decision.carried_from if decision else None


def _tables_to_check(tenant: Tenant, run: Run, stage: str) -> list[str] | None:
    """Of ingest the entities that brought something, of what is carried over none."""
    if _carried_from(run, stage) is not None:
        return []
    if stage != "ingest":
        return None
    return sorted(
        {
            f"raw.{load.system}__{name}"
            for load in building.new_loads(tenant)
            for name in load.entities
        }
    )


def _accept_loads(tenant: Tenant, run: Run) -> int:
    """What ingest publishes: its loads in the manifest table, and raw's views."""
    from strata.ingest import views

    loads = building.all_loads(tenant)
    new = building.new_loads(tenant)
    with tenant.warehouse.connection("accept loads") as con:
        con.begin()
        try:
            views.accept(con, run, new)
            views.create_views(
                con,
                "raw",
                tenant.sources,
                tenant.home / "raw",
                loads,
                without_quarantined=True,
            )
            con.execute(
                "delete from audit.publications where stage = 'ingest' and run_id = ?",
                [run.run_id],
            )
            con.execute(
                "insert into audit.publications (stage, ds, run_id, fingerprint, rows,"
                " is_newest, _published_at) values ('ingest', ?, ?, ?, ?, ?, ?)",
                [
                    run.ds,
                    run.run_id,
                    manifest_hash(loads),
                    sum(e.rows for load in new for e in load.entities.values()),
                    run.is_newest,
                    clock.now_naive(),
                ],
            )
            runs.note(con, run, manifest_hash=manifest_hash(loads))
            con.commit()
        except BaseException:
            con.rollback()
            raise
        con.execute("drop schema if exists build_raw cascade")
    return sum(e.rows for load in new for e in load.entities.values())


def _mark_stale_days(tenant: Tenant, run: Run) -> None:
    """Later published days are stale once an older day's content has changed."""
    with tenant.warehouse.connection("mark stale days") as con:
        days = [run.days[0], run.ds]
        con.execute("delete from audit.stale_days where ds between ? and ?", days)
        changed = con.execute(
            "select ds from (select ds, coalesce(snapshots, run_id) as content"
            " from audit.publications"
            " where stage = 'features' and ds between ? and ?"
            " qualify row_number() over (partition by ds"
            " order by _published_at desc) <= 2)"
            " group by ds having count(*) < 2 or count(distinct content) > 1",
            days,
        ).fetchall()
        if run.is_newest or not changed:
            return
        con.execute(
            "insert or replace into audit.stale_days"
            " select distinct ds, ?, ?::timestamp from audit.publications"
            " where stage = 'features' and ds > ?",
            [run.run_id, clock.now_naive(), run.ds],
        )
