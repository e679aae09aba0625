"""The daily run, step by step. DAG, command line and tests call these functions.

A step finds what it needs by the run's id, takes the warehouse for as long as it
works, and can be called again: what this attempt has published already is skipped,
and what a killed attempt left half built is dropped.
"""

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb

from strata import clock, counts, runs, secrets
from strata.config.loader import read_yaml
from strata.dates import known_on
from strata.ingest.manifest import Load, Manifest, SetAside, manifest_hash
from strata.run import Run
from strata.tenant import Tenant
from strata.warehouse.tables import BUILD_PREFIX, PYTHON_TABLES, STAGES, TableSpec

Progress = Callable[[str], None]
_DAYS_AT_ONCE = 10
"""Days that features build in one pass: their rows lie in memory together."""


def _quiet(_: str) -> None:
    return None


@contextlib.contextmanager
def _timed(
    tenant: Tenant,
    run_id: str,
    stage: str,
    look_up: Callable[[Tenant, str], Run] = runs.take_up,
) -> Iterator[Run]:
    """The run, its time in the stage recorded; a failure is noted with its stage."""
    watch = clock.Stopwatch()
    with tenant.warehouse.hold(f"{stage} of {run_id}"):
        run = look_up(tenant, run_id)
        try:
            yield run
        except Exception as error:
            fail(tenant, run_id, stage, f"{type(error).__name__}: {error}")
            raise
        finally:
            with tenant.warehouse.connection("record the time taken") as con:
                runs.add_seconds(con, run, stage, watch.seconds)


def start(
    tenant: Tenant,
    ds: date,
    external_id: str | None = None,
    since: date | None = None,
) -> str:
    """Open an attempt at ``ds``, or at the days ``since`` to ``ds``, and give its id.

    Raises ``ConfigError`` before that where a rule cannot be read.
    """
    tenant.check_rules()
    tenant.ensure_pseudonym_key()
    run = runs.open_run(tenant, ds, external_id, since)
    tenant.remember()
    with tenant.warehouse.connection("set the day of the run") as con:
        _set_run_dates(con, tenant, run)
    return run.run_id


def build(tenant: Tenant, run_id: str, stage: str, progress: Progress = _quiet) -> None:
    """Build one stage's tables beside the published ones."""
    with _timed(tenant, run_id, stage) as run:
        if _is_done(tenant, run, stage):
            return
        tenant.warehouse.start_build(stage)
        _BUILDERS[stage](tenant, run, progress)


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
        )
        with tenant.warehouse.connection(f"record the gate of {stage}") as con:
            outcome = under_waivers(con, outcome)
            record(con, outcome)
            outcome = outcome.with_results(_conservation(con, tenant, run, stage))
            outcome = outcome.with_results(_files_set_aside(tenant, run, stage))
            outcome = outcome.with_results(_ids_kept(run, stage))
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
        done = tenant.warehouse.promote(stage, run, _specs(tenant, stage))
        if stage == "features":
            _mark_stale_days(tenant, run)
        return sum(p.rows for p in done)


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
    from strata.serving import public_tables, publish_copy

    with _timed(tenant, run_id, "publish") as run:
        described = transform.descriptions(tenant)
        with tenant.warehouse.connection("publish the copy") as con:
            described |= _comments(con)
            runs.close_run(con, run, "succeeded")
            if run.is_newest:
                publish_copy(con, run, public_tables(con, described))


def _comments(
    con: duckdb.DuckDBPyConnection,
) -> dict[str, tuple[str, dict[str, str]]]:
    """The words on state tables, which no dbt model describes."""
    tables = con.execute(
        "select schema_name || '.' || table_name, comment from duckdb_tables()"
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
    """Write the report page and the Data Docs of a run, any run; the page's path."""
    from strata.quality import build_data_docs
    from strata.report import summarise, write_report

    with _timed(tenant, run_id, "publish", runs.get_run) as run:
        build_data_docs(run)
        with tenant.warehouse.connection("write the report") as con:
            runs.note(con, run, paths=runs.default_paths(tenant, run))
            runs.note_fixed_cost(con, run, None)
            return write_report(con, run, summarise(con, run_id))


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
        fail(tenant, run_id, stage, "the process of a task ended before it could")


def run_day(
    tenant: Tenant, ds: date, progress: Progress = _quiet, *, is_synced: bool = True
) -> str:
    """The whole run of one day in this process, without a scheduler; its id."""
    with runs.hold(tenant, f"run of {ds}"):
        run_id = start(tenant, ds)
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
    """Published by this attempt, or not for a run that is older than the newest."""
    if not run.is_newest and stage in ("identity", "publish"):
        return True
    return tenant.warehouse.is_published(stage, run)


def _specs(tenant: Tenant, stage: str) -> list[TableSpec]:
    if stage in PYTHON_TABLES:
        return list(PYTHON_TABLES[stage])
    from strata import transform

    return transform.table_specs(tenant, stage)


def _tables_to_check(tenant: Tenant, run: Run, stage: str) -> list[str] | None:
    """For ingest the entities that brought something; otherwise every suite."""
    if stage != "ingest":
        return None
    return sorted(
        {
            f"raw.{load.system}__{name}"
            for load in _new_loads(tenant)
            for name in load.entities
        }
    )


def _set_run_dates(
    con: duckdb.DuckDBPyConnection,
    tenant: Tenant,
    run: Run,
    days: Sequence[date] | None = None,
) -> None:
    """Tell SQL which days to build (all of the run), and what each of them may know.

    Of the newest days each knows what its own morning after did: the loads of earlier
    days' runs, and what arrived up to then. A past day takes all that is known by now.
    """
    record = tenant.world.crm_record
    row = con.execute(
        "select max(loads.known_at) from ops.load_manifest as loads"
        " inner join audit.runs as runs on loads._run_id = runs.run_id"
        " where runs.ds < ?",
        [run.days[0]],
    ).fetchone()
    before = row[0] if row and row[0] else datetime.min
    con.execute("delete from ops.run_dates")
    for ds in days or run.days:
        starts_at, ends_at = run.of_day(ds).bounds
        known_until, recorded_until = datetime.max, date.max
        if run.is_newest:
            known_until = max(known_on(ds, run.timezone), before)
            recorded_until = ds
        con.execute(
            "insert into ops.run_dates (ds, starts_at, ends_at, is_newest, timezone,"
            " consent_default, crm_system, crm_entity, _run_id, known_until,"
            " recorded_until) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                ds,
                starts_at,
                ends_at,
                run.is_newest,
                run.timezone,
                tenant.world.consent_default,
                record.system,
                record.entity,
                run.run_id,
                known_until,
                recorded_until,
            ],
        )


def _all_loads(tenant: Tenant) -> list[Load]:
    return Manifest(tenant.home / "raw").loads()


def _new_loads(tenant: Tenant) -> list[Load]:
    """Loads in the manifest that no gate has accepted yet."""
    from strata.ingest import views

    with tenant.warehouse.connection("look up accepted loads") as con:
        known = views.accepted_ids(con)
    return [load for load in _all_loads(tenant) if load.load_id not in known]


def _build_ingest(tenant: Tenant, run: Run, progress: Progress) -> None:
    from strata.ingest import views
    from strata.ingest.land import land

    def advance(ds: date) -> None:
        _advance_world(tenant, run.of_day(ds), progress)

    landing = land(
        run,
        tenant.world,
        tenant.sources,
        tenant.data,
        progress,
        advance if tenant.world.generated else None,
    )
    _keep_set_aside(run, landing.set_aside)
    with tenant.warehouse.connection("show the new loads") as con:
        views.create_views(
            con,
            "build_raw",
            tenant.sources,
            tenant.home / "raw",
            _new_loads(tenant),
            without_quarantined=False,
        )


def _set_aside_file(run: Run) -> Path:
    return run.report_dir / "gates" / "ingest.set_aside.json"


def _keep_set_aside(run: Run, found: Sequence[SetAside]) -> None:
    """For the gate, which may be another process: files that wait where they lie."""
    place = _set_aside_file(run)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps([asdict(item) for item in found]), encoding="utf-8")


def _advance_world(tenant: Tenant, run: Run, progress: Progress) -> None:
    from strata.config.sample import SampleConfig
    from strata.sample import advance

    config = read_yaml(tenant.config_dir / "sample.yml", SampleConfig)
    advance(
        tenant.home / "world",
        tenant.home / "crm" / "crm.db",
        config,
        run.ds,
        lambda day: progress(f"the world reaches {day}"),
    )


def _accept_loads(tenant: Tenant, run: Run) -> int:
    """What ingest publishes: its loads in the manifest table, and raw's views."""
    from strata.ingest import views

    loads = _all_loads(tenant)
    new = _new_loads(tenant)
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


def _build_features(tenant: Tenant, run: Run, progress: Progress) -> None:
    """Some days at a time, or memory would grow with the days of the run."""
    from strata import transform

    parts = [
        run.days[n : n + _DAYS_AT_ONCE] for n in range(0, len(run.days), _DAYS_AT_ONCE)
    ]
    snapshots = [s for s in _specs(tenant, "features") if s.mode == "by_ds"]
    for number, part in enumerate(parts):
        progress(f"features of {part[0]} to {part[-1]}")
        with tenant.warehouse.connection("set the days to build") as con:
            _set_run_dates(con, tenant, run, part)
        is_last = part is parts[-1]
        transform.build(
            tenant, "features", snapshots_only=not is_last, again=number > 0
        )
        with tenant.warehouse.connection("put the days together") as con:
            for spec in snapshots:
                _put_together(con, spec, is_last=is_last)
            if is_last:
                _set_run_dates(con, tenant, run)


def _put_together(
    con: duckdb.DuckDBPyConnection, spec: TableSpec, *, is_last: bool
) -> None:
    """Keep the days just built beside those before, and at the last take all back."""
    kept = spec.build[:-1] + '__days"'
    if not is_last:
        con.execute(f"create table if not exists {kept} as from {spec.build} limit 0")
        con.execute(f"insert into {kept} by name from {spec.build}")
    elif con.execute(
        "select 1 from duckdb_tables() where schema_name = ? and table_name = ?",
        [f"{BUILD_PREFIX}{spec.schema}", f"{spec.name}__days"],
    ).fetchone():
        con.execute(f"insert into {spec.build} by name from {kept}")
        con.execute(f"drop table {kept}")


def _build_with_dbt(stage: str) -> Callable[[Tenant, Run, Progress], None]:
    def built(tenant: Tenant, run: Run, progress: Progress) -> None:
        from strata import transform

        if stage == "staging":
            _show_raw(tenant)
        transform.build(tenant, stage)

    return built


def _show_raw(tenant: Tenant) -> None:
    """Raw's views anew: a row released from quarantine, or a moved home, shows."""
    from strata.ingest import views

    with tenant.warehouse.connection("show raw") as con:
        accepted = views.accepted_ids(con)
        views.create_views(
            con,
            "raw",
            tenant.sources,
            tenant.home / "raw",
            [load for load in _all_loads(tenant) if load.load_id in accepted],
            without_quarantined=True,
        )


def _build_identity(tenant: Tenant, run: Run, progress: Progress) -> None:
    from strata.config.identity import IdentityConfig
    from strata.identity import resolve_days

    config = read_yaml(tenant.config_dir / "identity.yml", IdentityConfig)
    with tenant.warehouse.connection("resolve identities") as con:
        found = resolve_days(con, run, config)
    place = _identity_file(run)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(asdict(found)), encoding="utf-8")


def _identity_file(run: Run) -> Path:
    """What the resolution found and changed, for the gate and the evidence."""
    return run.report_dir / "gates" / "identity.counts.json"


def _ids_kept(run: Run, stage: str) -> list[Any]:
    """The law of stable ids: none changes while its records stay the same."""
    from strata.quality import law_result

    if stage != "identity":
        return []
    found = json.loads(_identity_file(run).read_text("utf-8"))
    told = ", ".join(f"{found[k]} {k}" for k in ("minted", "merged", "split"))
    return [
        law_result(
            run,
            stage,
            "identity.id_map",
            holds=found["changed_without_members"] == 0,
            observed=f"{found['users']} users, largest of {found['largest_profile']} "
            f"records; {told}",
            why="no id changes while its records stay the same",
            unexpected=found["changed_without_members"],
            checked=found["users"],
        )
    ]


def _build_segments(tenant: Tenant, run: Run, progress: Progress) -> None:
    from strata.config.playbooks import PlaybooksConfig
    from strata.config.tiers import TiersConfig
    from strata.scoring import score

    tiers = read_yaml(tenant.config_dir / "tiers.yml", TiersConfig)
    playbooks = read_yaml(tenant.config_dir / "playbooks.yml", PlaybooksConfig)
    with tenant.warehouse.connection("score") as con:
        for ds in run.days:
            score(con, run.of_day(ds), tiers, playbooks)


_BUILDERS: dict[str, Callable[[Tenant, Run, Progress], None]] = {
    "ingest": _build_ingest,
    "staging": _build_with_dbt("staging"),
    "identity": _build_identity,
    "features": _build_features,
    "segments": _build_segments,
    "publish": _build_with_dbt("publish"),
}


def _conservation(
    con: duckdb.DuckDBPyConnection, tenant: Tenant, run: Run, stage: str
) -> list[Any]:
    """Count the stage's tables, and a gate result for each: no row lost in silence."""
    from strata.quality import law_result

    found: list[counts.TableCount] = []
    if stage == "ingest":
        found = counts.count_ingest(con, _new_loads(tenant))
    elif stage == "staging":
        accepted = _accepted(con, tenant)
        found = counts.count_staging(con, tenant, accepted)
    elif stage == "identity":
        found = counts.count_identity(con, run)
    elif stage == "features":
        found = counts.count_features(con, run)
    elif stage == "segments":
        found = counts.count_segments(con, run)
    counts.record(con, run, stage, found)
    return [
        law_result(
            run,
            stage,
            c.table,
            holds=c.missing == 0,
            observed=f"{c.rows_in} in, {c.rows_out} out, {c.deduplicated} "
            f"deduplicated, {c.quarantined} quarantined",
            why="rows read = rows out + deduplicated + quarantined",
            unexpected=abs(c.missing),
            checked=c.rows_in,
        )
        for c in found
    ]


def _accepted(con: duckdb.DuckDBPyConnection, tenant: Tenant) -> list[Load]:
    from strata.ingest import views

    known = views.accepted_ids(con)
    return [load for load in _all_loads(tenant) if load.load_id in known]


def _files_set_aside(tenant: Tenant, run: Run, stage: str) -> list[Any]:
    """A warning for each source file that waits where it lies."""
    from strata.quality import law_result

    place = _set_aside_file(run)
    if stage != "ingest" or not place.exists():
        return []
    found = [SetAside(**item) for item in json.loads(place.read_text("utf-8"))]
    return [
        law_result(
            run,
            stage,
            item.entity,
            holds=False,
            observed=f"{item.path}: {item.reason}",
            why="a file that breaks its contract is set aside and read once mended",
            unexpected=1,
            checked=1,
            severity="warn",
        )
        for item in found
    ]


def _mark_stale_days(tenant: Tenant, run: Run) -> None:
    """Later published days are stale once an older day's content has changed."""
    with tenant.warehouse.connection("mark stale days") as con:
        days = [run.days[0], run.ds]
        con.execute("delete from audit.stale_days where ds between ? and ?", days)
        changed = con.execute(
            "select ds from (select ds, fingerprint from audit.publications"
            " where stage = 'features' and ds between ? and ?"
            " qualify row_number() over (partition by ds"
            " order by _published_at desc) <= 2)"
            " group by ds having count(*) < 2 or count(distinct fingerprint) > 1",
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
