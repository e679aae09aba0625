"""What a stage's gate checks beside its suites: laws that hold for every tenant."""

import json
from dataclasses import replace

import duckdb

from strata import building, carrying, counts, lateness
from strata.ingest.manifest import SetAside
from strata.quality import GateOutcome, GateResult, law_result
from strata.run import Run
from strata.tenant import Tenant

_SET_ASIDE = "a file that breaks its contract is set aside and read once mended"
_HELD = "rows that a gate refused come again from their source, or a person decides"


def check(
    con: duckdb.DuckDBPyConnection, tenant: Tenant, run: Run, stage: str
) -> list[GateResult]:
    """The laws of ``stage``: no row lost in silence, no id changed without cause."""
    return [
        *carrying.check(con, run, stage),
        *_conservation(con, tenant, run, stage),
        *lateness.check(con, tenant, run, stage),
        *_files_set_aside(run, stage),
        *_ids_kept(run, stage),
        *_of_identity(con, run, stage),
    ]


def told(con: duckdb.DuckDBPyConnection, outcome: GateOutcome) -> GateOutcome:
    """The outcome, where a guard of identity that is broken says what is to blame."""
    from strata.identity import guards

    if outcome.stage != "identity":
        return outcome
    words = guards.told(con)
    return replace(
        outcome,
        results=tuple(
            replace(r, observed=words[guards.RULES[r.expectation]])
            if r.verdict == "failed" and guards.RULES.get(r.expectation) in words
            else r
            for r in outcome.results
        ),
    )


def _conservation(
    con: duckdb.DuckDBPyConnection, tenant: Tenant, run: Run, stage: str
) -> list[GateResult]:
    """Count the stage's tables, and a gate result for each: no row lost in silence."""
    found: list[counts.TableCount] = []
    if stage == "ingest":
        found = counts.count_ingest(con, building.new_loads(tenant))
    elif stage == "staging":
        accepted = building.accepted_loads(con, tenant)
        decision = carrying.decided(run, stage)
        prefix = "" if decision and decision.carried_from else "build_"
        found = counts.count_staging(con, tenant, accepted, prefix)
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


def _files_set_aside(run: Run, stage: str) -> list[GateResult]:
    """A warning for each source file that waits where it lies."""
    place = building.set_aside_file(run)
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
            why=_SET_ASIDE if item.fault != "held" else _HELD,
            unexpected=1,
            checked=1,
            severity="warn",
        )
        for item in found
    ]


def somebody_known(
    con: duckdb.DuckDBPyConnection, run: Run, stage: str
) -> list[GateResult]:
    """A day on which nobody is known has no use: mostly it lies before all data."""
    if stage != "features":
        return []
    row = con.execute(
        "select count(*), (select count(*) from staging.identifiers),"
        " (select min(first_seen_at)::date from staging.identifiers)"
        " from build_features.feat_users where ds = ?",
        [run.ds],
    ).fetchone()
    users, records, first = row or (0, 0, None)
    told = (
        f"; the first of {records} identifiers was seen on {first}"
        if first
        else ("; no source has brought an identifier")
    )
    return [
        law_result(
            run,
            stage,
            "features.feat_users",
            holds=users > 0,
            observed=f"{users} users on {run.ds}" + ("" if users else told),
            why="somebody is known by the end of the day",
            unexpected=int(users == 0),
            checked=users,
        )
    ]


def _ids_kept(run: Run, stage: str) -> list[GateResult]:
    """The law of stable ids: none changes while its records stay the same."""
    if stage != "identity":
        return []
    found = json.loads(building.identity_file(run).read_text("utf-8"))
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


def _of_identity(
    con: duckdb.DuckDBPyConnection, run: Run, stage: str
) -> list[GateResult]:
    """One partition whichever engine finds it, and what was split stays apart."""
    from strata.identity import guards

    if stage != "identity":
        return []
    return [
        law_result(
            run,
            stage,
            law.table,
            holds=law.unexpected == 0,
            observed=law.observed,
            why=law.why,
            unexpected=law.unexpected,
            checked=law.checked,
        )
        for law in guards.laws(con, run)
    ]
