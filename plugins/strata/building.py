"""How each stage's tables are built beside the published ones.

The pipeline calls ``build_stage`` under the warehouse's lease; a builder opens and
closes the connections that it needs, since dbt brings its own.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import date, datetime
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any

import duckdb

from strata.config.loader import read_yaml
from strata.dates import known_on
from strata.ingest.manifest import Load, Manifest, SetAside
from strata.run import Run
from strata.tenant import Tenant
from strata.warehouse.tables import BUILD_PREFIX, PYTHON_TABLES, TableSpec

Progress = Callable[[str], None]
_SNAPSHOTS_AT_ONCE = 150_000
"""Users times days that features build in one pass, a day at least: each pass starts dbt
anew, and more rows do not lie side by side in the memory that dbt's engine may take."""


def build_stage(stage: str, tenant: Tenant, run: Run, progress: Progress) -> None:
    """Build the tables of ``stage`` for the days of ``run``."""
    _BUILDERS[stage](tenant, run, progress)


def table_specs(tenant: Tenant, stage: str) -> list[TableSpec]:
    of_python = list(PYTHON_TABLES.get(stage, ()))
    if stage in ("identity", "segments"):
        return of_python
    from strata import transform

    return [*of_python, *transform.table_specs(tenant, stage)]


def set_run_dates(
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


def all_loads(tenant: Tenant) -> list[Load]:
    return Manifest(tenant.home / "raw").loads()


def new_loads(tenant: Tenant) -> list[Load]:
    """Loads in the manifest that no gate has accepted yet."""
    from strata.ingest import views

    with tenant.warehouse.connection("look up accepted loads") as con:
        known = views.accepted_ids(con)
    return [load for load in all_loads(tenant) if load.load_id not in known]


def taken_loads(tenant: Tenant) -> list[str]:
    """Those among them that a person let in although a gate had refused their rows."""
    return [load.load_id for load in new_loads(tenant) if load.decided_by]


def accepted_loads(con: duckdb.DuckDBPyConnection, tenant: Tenant) -> list[Load]:
    from strata.ingest import views

    known = views.accepted_ids(con)
    return [load for load in all_loads(tenant) if load.load_id in known]


def _build_ingest(tenant: Tenant, run: Run, progress: Progress) -> None:
    from strata.ingest import refused, views
    from strata.ingest.land import land

    with tenant.warehouse.connection("look for refused loads") as con:
        refused.refuse(con, Manifest(tenant.home / "raw"))

    landing = land(
        run,
        tenant.world,
        tenant.sources,
        tenant.data,
        progress,
        _world(tenant, run, progress).reach if tenant.world.generated else None,
    )
    _keep_set_aside(run, landing.set_aside)
    with tenant.warehouse.connection("show the new loads") as con:
        views.create_views(
            con,
            "build_raw",
            tenant.sources,
            tenant.home / "raw",
            new_loads(tenant),
            without_quarantined=False,
        )


def set_aside_file(run: Run) -> Path:
    return run.report_dir / "gates" / "ingest.set_aside.json"


def _keep_set_aside(run: Run, found: Sequence[SetAside]) -> None:
    """For the gate, which may be another process: files that wait where they lie."""
    place = set_aside_file(run)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps([asdict(item) for item in found]), encoding="utf-8")


def _world(tenant: Tenant, run: Run, progress: Progress) -> Any:
    """The sample world, which goes on to the end of the run day by day."""
    from strata.config.sample import SampleConfig
    from strata.sample import World

    return World(
        tenant.home / "world",
        tenant.home / "crm" / "crm.db",
        read_yaml(tenant.config_dir / "sample.yml", SampleConfig),
        run.ds,
        lambda day: progress(f"the world reaches {day}"),
    )


def _build_features(tenant: Tenant, run: Run, progress: Progress) -> None:
    """Some days at a time, or memory would grow with the days of the run."""
    from strata import carried_counts, transform
    from strata.config.features import FeaturesConfig
    from strata.config.text import TextConfig
    from strata.interest import learn_categories
    from strata.text import judge_texts

    rules = read_yaml(tenant.config_dir / "features.yml", FeaturesConfig)
    with tenant.warehouse.connection("ask what models say") as con:
        set_run_dates(con, tenant, run)
        judge_texts(con, run, read_yaml(tenant.config_dir / "text.yml", TextConfig))
        learn_categories(con, run, rules.next_category)
    parts = passes(run.days, tenant.warehouse.users_on(run.days))
    specs = table_specs(tenant, "features")
    snapshots = [s for s in specs if s.mode in ("by_ds", "history")]
    with tenant.warehouse.connection("look at what earlier runs counted") as con:
        carried_counts.prepare(con, tenant, run, "features")
    for number, part in enumerate(parts):
        progress(f"features of {part[0]} to {part[-1]}")
        with tenant.warehouse.connection("set the days to build") as con:
            set_run_dates(con, tenant, run, part)
        transform.build(
            tenant,
            "features",
            snapshots_only=part is not parts[-1],
            again=number > 0,
        )
        if len(parts) > 1:
            with tenant.warehouse.connection("put the days aside") as con:
                for spec in snapshots:
                    _put_aside(con, spec, number)
    if len(parts) > 1:
        with tenant.warehouse.connection("put the days together") as con:
            for spec in snapshots:
                _put_together(con, spec, len(parts))
            set_run_dates(con, tenant, run)


def passes(days: Sequence[date], users: Sequence[int]) -> list[Sequence[date]]:
    """The days in parts of about as many snapshots each, as many as are built at once."""
    size = max(sum(users) / (-(-sum(users) // _SNAPSHOTS_AT_ONCE) or 1), 1)
    middles = (
        end - of_day / 2 for end, of_day in zip(accumulate(users), users, strict=True)
    )
    placed = zip(days, middles, strict=True)
    return [
        [day for day, _ in part]
        for _, part in groupby(placed, key=lambda place: int(place[1] / size))
    ]


def _put_aside(con: duckdb.DuckDBPyConnection, spec: TableSpec, number: int) -> None:
    """Keep the days just built beside those to come."""
    con.execute(f'alter table {spec.build} rename to "{_part(spec, number)}"')


def _put_together(con: duckdb.DuckDBPyConnection, spec: TableSpec, parts: int) -> None:
    """Make all the days the build; nothing is written a second time."""
    schema = f"{BUILD_PREFIX}{spec.schema}"
    among = " union all by name ".join(
        f'from "{schema}"."{_part(spec, number)}"' for number in range(parts)
    )
    con.execute(f"create view {spec.build} as {among}")


def _part(spec: TableSpec, number: int) -> str:
    return f"{spec.name}__days_{number}"


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
            [load for load in all_loads(tenant) if load.load_id in accepted],
            without_quarantined=True,
        )


def _build_identity(tenant: Tenant, run: Run, progress: Progress) -> None:
    from strata.config.identity import IdentityConfig
    from strata.config.matching import MatchingConfig
    from strata.identity import matching, resolve_days, write_guards

    config = read_yaml(tenant.config_dir / "identity.yml", IdentityConfig)
    rules = tenant.config_dir / "matching.yml"
    match = read_yaml(rules, MatchingConfig) if rules.exists() else MatchingConfig()
    tenant.ensure_pseudonym_key()
    with tenant.warehouse.connection("resolve identities") as con:
        matched = matching.match(con, run, match)
        found = resolve_days(con, run, config, matched.query)
        matching.record(con, run, matched)
        if run.is_newest:
            write_guards(con, run, config.guards)
    place = identity_file(run)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(asdict(found)), encoding="utf-8")


def identity_file(run: Run) -> Path:
    """What the resolution found and changed, for the gate and the evidence."""
    return run.report_dir / "gates" / "identity.counts.json"


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
