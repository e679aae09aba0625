"""Laws of the daily run, on a small world, through the functions the DAG calls."""

import csv
import gzip
import json
import shutil
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
import yaml
from strata import carrying, pipeline, runs
from strata.ingest import refused
from strata.ingest.manifest import Manifest
from strata.quality import GateFailed, release, waive
from strata.report import summarise
from strata.run import Decision
from strata.tenant import Tenant
from strata.warehouse import STAGES

from tests.integration.world import (
    DAY,
    after_a_day,
    contents,
    copy_of,
    crm_rows,
    rows,
    run_day,
    run_until,
    small_project,
    small_tenant,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    """A tenant after its first run. Tests that change it take a copy."""
    return after_a_day(tmp_path_factory, "finished")


@pytest.fixture
def tenant(finished: Tenant, tmp_path: Path) -> Tenant:
    return copy_of(finished, tmp_path)


def last_run(tenant: Tenant) -> str:
    found = rows(
        tenant, "select run_id from audit.runs order by _started_at desc limit 1"
    )
    return str(found[0][0])


def test_no_row_is_lost_in_silence(finished: Tenant) -> None:
    counts = rows(
        finished,
        "select table_name, rows_in, rows_out, deduplicated, quarantined"
        " from audit.stage_counts",
    )
    landed = {t: (i, o, d, q) for t, i, o, d, q in counts}

    assert {t for t, i, o, d, q in counts if i != o + d + q} == set()
    orders = landed["pii.stg_store__orders"]
    assert orders[2] > 0, "orders are sent again with a newer status"
    assert sum(q for *_, q in counts) > 0, "the world has rows that cannot be typed"
    assert landed["segments.user_tiers"][0] > 100
    held = rows(
        finished,
        "select count(distinct (load_id, file, row_number)) from quarantine.rows",
    )[0][0]
    assert sum(q for t, _, _, _, q in counts if t.startswith("raw.")) == held


def test_every_person_who_agreed_has_one_tier_with_reasons_and_an_action(
    finished: Tenant,
) -> None:
    agreed = {
        r[0]
        for r in rows(
            finished,
            "select unified_user_id from features.feat_users where consent_profiling",
        )
    }
    tiers = rows(
        finished, "select unified_user_id, tier, next_action from segments.user_tiers"
    )
    reasons = rows(
        finished,
        "select unified_user_id, count(*) from segments.reasons group by all",
    )

    assert sorted(t[0] for t in tiers) == sorted(agreed)
    assert {t[1] for t in tiers} <= {"select", "high", "potential", "mid", "low"}
    assert all(t[2] for t in tiers)
    assert {n for _, n in reasons} == {3}
    everybody = rows(finished, "select count(*) from features.feat_users")[0][0]
    assert 0 < len(agreed) < everybody, "some have not agreed: they have no tier"


def test_the_crm_holds_the_tiers_of_those_who_agreed_to_it(finished: Tenant) -> None:
    desired = rows(
        finished,
        "select record_key, fields ->> '$.tier' from activation.desired"
        " where not is_clear order by 1",
    )

    assert [(r[0], r[1]) for r in crm_rows(finished) if r[1]] == desired
    assert len(desired) > 50


def test_the_same_day_again_changes_and_sends_nothing(tenant: Tenant) -> None:
    before, crm = contents(tenant), crm_rows(tenant)

    run_id = run_day(tenant, DAY)

    assert contents(tenant) == before
    assert crm_rows(tenant) == crm
    with tenant.warehouse.connection("test") as con:
        sync = summarise(con, run_id).to_json()["sync"]["crm"]
    assert (sync["created"], sync["updated"], sync["cleared"]) == (0, 0, 0)
    assert sync["unchanged"] > 50
    carried = rows(
        tenant,
        "select count(distinct fingerprint), count(inputs) from audit.publications"
        " where stage = 'staging'",
    )
    assert carried == [(1, 2)], "staging stands under the name of both runs"
    told = rows(
        tenant,
        "select observed from audit.gate_results where run_id = ? and stage = 'staging'"
        " and table_name = 'staging'",
        run_id,
    )
    assert told[0][0].startswith("as run ")


def _release_a_row(tenant: Tenant) -> None:
    release_one = (
        "update quarantine.rows set status = 'released' where load_id = (select"
        " min(load_id) from quarantine.rows where status = 'held')"
    )
    rows(tenant, release_one)


def _waive_a_rule(tenant: Tenant) -> None:
    rows(
        tenant,
        "update audit.gate_results set waiver_id = 'w1' where stage = 'staging'",
    )


def _edit_a_table(tenant: Tenant) -> None:
    rows(tenant, "update staging.events set value = coalesce(value, 0) + 1")


def _drop_a_table(tenant: Tenant) -> None:
    rows(tenant, "drop table staging.touches")


def _lose_a_load(tenant: Tenant) -> None:
    rows(
        tenant,
        "delete from ops.load_manifest where load_id = (select min(load_id)"
        " from ops.load_manifest where system = 'pos')",
    )


@pytest.mark.parametrize(
    ("change", "is_altered"),
    [
        (_release_a_row, False),
        (_waive_a_rule, False),
        (_lose_a_load, False),
        (_edit_a_table, True),
        (_drop_a_table, True),
    ],
)
def test_staging_is_built_anew_where_anything_it_stands_on_has_changed(
    tenant: Tenant, change: Callable[[Tenant], None], is_altered: bool
) -> None:
    run = runs.get_run(tenant, last_run(tenant))
    assert carrying.decide(tenant, run, "staging").carried_from == run.run_id

    change(tenant)
    found = carrying.decide(tenant, run, "staging")

    assert found.carried_from is None
    assert (found.altered_since == run.run_id) is is_altered


def test_staging_is_built_anew_by_other_rules_or_another_key(
    tenant: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.get_run(tenant, last_run(tenant))
    edited = small_project(tmp_path / "edited")
    same = Tenant("sample", root=edited, state=tenant.state)
    assert carrying.decide(same, run, "staging").carried_from == run.run_id
    path = edited / "config" / "identity.yml"
    path.write_text(path.read_text("utf-8") + "\n# another rule\n", "utf-8")
    other = Tenant("sample", root=edited, state=tenant.state)

    assert carrying.decide(other, run, "staging").carried_from is None
    monkeypatch.setenv("STRATA_PSEUDONYM_KEY", "b" * 64)
    assert carrying.decide(tenant, run, "staging").carried_from is None


def test_a_fresh_home_over_the_same_raw_gives_the_same_tables(
    finished: Tenant, tmp_path: Path
) -> None:
    fresh = Tenant("sample", root=finished.root, state=tmp_path / "state")
    for part in ("raw", "world", "crm"):
        shutil.copytree(finished.home / part, fresh.home / part)

    run_until(fresh, DAY, "segments")

    assert contents(fresh) == contents(finished)


TOLD_LATER = (
    r"acquisition_cost|contact_cost.*|unanswered_ticket_count|first_response_hours_.*"
)
"""Features that rest on what sources tell later by their nature: bills are corrected,
and the answer to a ticket comes with the ticket's next version."""


def snapshot(
    tenant: Tenant, ds: date, but: Sequence[str] = ()
) -> list[tuple[object, ...]]:
    """The features of a day, but those told later, and the users named."""
    return rows(
        tenant,
        "select columns(c -> not starts_with(c, '_')"
        f" and not regexp_full_match(c, '{TOLD_LATER}'))"
        " from features.feat_users where ds = ?"
        " and not list_contains(?::varchar[], unified_user_id)"
        " order by unified_user_id",
        ds,
        list(but),
    )


def logins_come_late(tenant: Tenant, of: date, on: date) -> list[str]:
    """Five users of the app logged in on a day, and a file tells it on another."""
    users = rows(
        tenant,
        "select any_value(record_key), unified_user_id from identity.id_map_current"
        " where entity = 'accounts' and system = 'app' and unified_user_id is not null"
        " and record_key in (select app_user_id from staging.stg_app__events)"
        " group by 2 order by 2 limit 5",
    )
    place = tenant.home / "world" / "landing" / "app" / "events"
    with gzip.open(place / f"{on}-late.jsonl.gz", "wt", encoding="utf-8") as out:
        for number, (record, _) in enumerate(users):
            event = {
                "event_id": f"late-{number}",
                "app_user_id": record,
                "touchpoint": "app_ios",
                "event_type": "login",
                "event_at": f"{of}T04:00:00Z",
            }
            out.write(json.dumps(event) + "\n")
    return [user for _, user in users]


def logins(tenant: Tenant, ds: date, users: Sequence[str]) -> int:
    found = rows(
        tenant,
        "select sum(login_count_7d)::bigint from features.feat_users"
        " where ds = ? and list_contains(?, unified_user_id)",
        ds,
        list(users),
    )
    return int(found[0][0])


def orders_scored(tenant: Tenant, ds: date) -> list[tuple[object, ...]]:
    return rows(
        tenant,
        "select unified_user_id, score_name, value from segments.scores"
        " where ds = ? and score_name similar to '(rfm|clv)_.*' order by all",
        ds,
    )


def test_an_older_day_is_restated_with_what_came_late_and_nothing_else(
    tmp_path: Path,
) -> None:
    """What came too late is counted; later events and the rest of the world stay out."""
    punctual = small_project(tmp_path, late_rows=0.0, very_late_rows=0.0)
    tenant = small_tenant(tmp_path, punctual)
    early, late = DAY - timedelta(days=3), DAY
    run_day(tenant, early)
    happened = early - timedelta(days=1)
    users = logins_come_late(tenant, of=happened, on=late)
    told, before = snapshot(tenant, early, but=users), logins(tenant, early, users)
    of_orders = orders_scored(tenant, early)
    took_in = run_day(tenant, late)
    assert logins(tenant, early, users) == before, "a published day stays as it is"
    newest, crm = contents(tenant), crm_rows(tenant)
    newest |= contents(tenant, late)
    serving = (tenant.home / "serving" / "strata.duckdb").resolve()
    with tenant.warehouse.connection("test") as con:
        summary = summarise(con, took_in)
    assert [late.to_json() for late in summary.late_rows] == [
        {
            "relation": "events",
            "happened_on": str(happened),
            "known_on": str(late),
            "rows": 5,
        }
    ]
    assert "5 rows of " in next(
        w.observed for w in summary.warned if w.expectation.startswith("rows come")
    )
    # What is there for it to read, a restatement leaves to the run of a newest day.
    unread = tenant.home / "world" / "landing" / "app" / "events"
    (unread / f"{early}-unread.jsonl.gz").write_bytes(gzip.compress(b"{}\n"))

    run_id = pipeline.run_day(
        tenant, early, decision=Decision("A. Person", "a file of the app")
    )

    assert logins(tenant, early, users) == before + 5
    assert snapshot(tenant, early, but=users) == told, "later events change no past day"
    assert orders_scored(tenant, early) == of_orders
    assert contents(tenant) | contents(tenant, late) == newest
    assert crm_rows(tenant) == crm
    assert (tenant.home / "serving" / "strata.duckdb").resolve() == serving
    assert rows(tenant, "select max(ds) from segments.user_tiers_current") == [(late,)]
    assert rows(
        tenant,
        "select is_newest, status, decided_by, reason, manifest_hash ="
        " (select manifest_hash from audit.runs where run_id = ?)"
        " from audit.runs where run_id = ?",
        took_in,
        run_id,
    ) == [(False, "succeeded", "A. Person", "a file of the app", True)]
    assert rows(
        tenant,
        "select version, former_run_id, is_changed, is_restated, reason"
        " from audit.day_versions where run_id = ? and stage = 'features'",
        run_id,
    ) == [(2, f"{early}.1", True, True, "a file of the app")]
    assert rows(tenant, "select ds, because_of_run_id from audit.stale_days") == [
        (late, run_id)
    ]
    loads = "select count(*) from ops.load_manifest where _run_id = ?"
    assert rows(tenant, loads, run_id) == [(0,)]


def test_ids_survive_a_rebuild_of_everything_derived(tenant: Tenant) -> None:
    before = contents(tenant)
    with tenant.warehouse.connection("test") as con:
        for schema in ("staging", "pii", "features", "marts"):
            con.execute(f"drop schema {schema} cascade")

    run_until(tenant, DAY, "segments")

    assert contents(tenant) == before


def test_a_broken_file_warns_and_its_rows_come_once_mended(tenant: Tenant) -> None:
    landing = tenant.home / "world" / "landing" / "store" / "orders"
    nextday = DAY + timedelta(days=1)
    pipeline.build(tenant, pipeline.start(tenant, nextday), "ingest")
    path = landing / f"{nextday}.csv"
    whole = path.read_bytes()
    shutil.rmtree(tenant.home / "raw" / "store" / "orders" / f"load={nextday}.1-store")
    for entry in (tenant.home / "raw" / "_manifest").glob(f"{nextday}.1-*"):
        entry.unlink()
    path.write_bytes(whole[: len(whole) // 2])

    run_id = run_until(tenant, nextday, "staging")
    told = rows(
        tenant,
        "select table_name, verdict, observed from audit.gate_results"
        " where run_id = ? and verdict = 'warned' and kind = 'law'",
        run_id,
    )
    path.write_bytes(whole)
    run_until(tenant, nextday, "staging")

    assert [(t, v) for t, v, _ in told] == [("store.orders", "warned")]
    assert f"store/orders/{nextday}.csv: it ends within line" in told[0][2]
    with path.open(encoding="utf-8") as file:
        sent = {r["order_id"] for r in csv.DictReader(file)}
    there = {r[0] for r in rows(tenant, "select order_id from pii.stg_store__orders")}
    assert sent <= there


def test_a_refused_load_does_not_stop_the_runs_after_it(tenant: Tenant) -> None:
    """Mended it is judged anew; withdrawn it waits for a person, and stops nothing."""
    nextday = DAY + timedelta(days=1)
    resent = tenant.home / "world" / "landing" / "web" / "events"
    resent = resent / f"{nextday}-resent.jsonl.gz"

    def send(moment: str) -> None:
        lines = (
            f'{{"event_id": "resent-{n}", "cookie_id": "c", "event_at": "{moment}"}}\n'
            for n in range(40)
        )
        resent.write_bytes(gzip.compress("".join(lines).encode()))

    def ingest() -> tuple[dict[str, int], tuple[int, ...]]:
        run_id = pipeline.start(tenant, nextday)
        pipeline.build(tenant, run_id, "ingest")
        verdicts = pipeline.gate(tenant, run_id, "ingest")
        pipeline.promote(tenant, run_id, "ingest")
        return verdicts, *rows(
            tenant,
            "select rows_in, rows_out, quarantined from audit.stage_counts"
            " where run_id = ? and table_name = 'raw.web__events'",
            run_id,
        )

    send("soon")
    with pytest.raises(GateFailed, match=r"40 rows in all are over"):
        ingest()
    with pytest.raises(GateFailed, match=r"40 rows in all are over"):
        ingest()
    resent.unlink()
    verdicts, (_, others, _) = ingest()
    assert verdicts["warned"] >= 1 and verdicts["failed"] == 0
    manifest = Manifest(tenant.home / "raw")
    held = refused.held(manifest, tenant.sources)
    assert [(item.name, item.rows) for item in held] == [("web.events", 40)]
    refused.take(manifest, held[0], by="an owner", because="their times are lost")
    assert ingest()[1] == (40, 0, 40), "none of them can be typed"
    send(f"{nextday} 10:00:00")
    assert ingest()[1] == (40, 40, 0), "mended, they come in beside what was held"
    assert refused.held(manifest, tenant.sources) == []
    shown = rows(
        tenant,
        "select count(*) from raw.web__events where _load_id like ?",
        f"{nextday}%",
    )
    assert others > 0 and shown == [(others + 40,)]


def test_a_failed_gate_stops_before_anything_is_published(
    tenant: Tenant, tmp_path: Path
) -> None:
    root = tmp_path / "strict"
    root.mkdir()
    for item in tenant.root.iterdir():
        if item.name != "expectations":
            (root / item.name).symlink_to(item)
    shutil.copytree(tenant.root / "expectations", root / "expectations")
    path = root / "expectations" / "features" / "feat_users.yml"
    suite = yaml.safe_load(path.read_text("utf-8"))
    suite["expectations"].append(
        {
            "expectation": "rows_where",
            "name": "nobody exists",
            "args": {"where": "t.unified_user_id is not null"},
            "severity": "fail",
            "why": "a rule that every row breaks",
        }
    )
    path.write_text(yaml.safe_dump(suite), "utf-8")
    strict = Tenant("sample", root=root, state=tenant.state)
    before, crm = contents(tenant), crm_rows(tenant)

    with pytest.raises(GateFailed) as caught:
        run_day(strict, DAY + timedelta(days=1))

    told = str(caught.value)
    users = rows(tenant, "select count(*) from build_features.feat_users")[0][0]
    assert "features.feat_users" in told and "nobody exists" in told
    assert f"{users} of {users}" in told and "gates/features.json" in told
    after = contents(tenant)
    published = [t for t in before if t.split(".")[0] in ("features", "marts")]
    assert {t: after[t] for t in published} == {t: before[t] for t in published}
    assert crm_rows(tenant) == crm
    with tenant.warehouse.connection("test") as con:
        summary = summarise(con).to_json()
    assert summary["stages"]["features"]["gate"]["failed"] == 1
    assert rows(
        tenant,
        "select status, failed_stage from audit.runs order by _started_at desc limit 1",
    ) == [("failed", "features")]

    with tenant.warehouse.connection("test") as con:
        rule = ("features.feat_users", "nobody exists")
        decided = {
            "until": DAY + timedelta(days=1),
            "by": "an owner",
            "reason": "known",
        }
        waive(con, root / "expectations", STAGES, *rule, **decided)
    newest = "select run_id from audit.runs order by _started_at desc limit 1"
    attempt = str(rows(tenant, newest)[0][0])
    assert pipeline.gate(strict, attempt, "features")["warned"] == 1
    pipeline.promote(strict, attempt, "features")
    run_day(tenant, DAY + timedelta(days=1))


def test_a_released_row_comes_back_with_the_next_run(tenant: Tenant) -> None:
    system, entity, rule = rows(
        tenant,
        "select system, entity, expectation from quarantine.rows"
        " where system = 'app' and expectation like 'value %' limit 1",
    )[0]
    staged = "select sum(_versions) from staging.stg_app__events"
    before = rows(tenant, staged)[0][0]
    with tenant.warehouse.connection("test") as con:
        released = release(con, system, entity, by="an owner", expectation=rule)

    run_until(tenant, DAY, "staging")

    assert released > 0
    assert rows(tenant, staged)[0][0] == before + released
    assert rows(
        tenant,
        "select distinct released_by from quarantine.rows where status = 'released'",
    ) == [("an owner",)]


def test_no_contact_value_leaves_the_pii_zone(finished: Tenant) -> None:
    secrets = {
        str(v)
        for row in rows(
            finished,
            "select full_name, phone_e164, email_normalised from pii.persons"
            " where phone_e164 is not null and email_normalised is not null",
        )
        for v in row
        if v and len(str(v)) > 5
    }
    secrets |= {s.removeprefix("+86") for s in secrets}
    assert len(secrets) > 100
    seen = 0
    zone = finished.home
    outside = [
        p
        for part in ("reports", "serving", "dbt", "logs")
        for p in (zone / part).rglob("*")
        if p.is_file() and not p.is_symlink()
    ]
    for path in outside:
        if path.suffix in (".duckdb", ".parquet"):
            continue
        text = path.read_bytes().decode("utf-8", errors="ignore")
        seen += 1
        found = [s for s in secrets if s in text]
        assert found == [], f"{len(found)} contact values in {path.name}"
    assert seen > 10
    con = duckdb.connect(str(zone / "serving" / "strata.duckdb"), read_only=True)
    for schema, table in con.execute(
        "select schema_name, table_name from duckdb_tables()"
    ).fetchall():
        for (text,) in con.execute(
            f'select t::varchar from "{schema}"."{table}" t'
        ).fetchall():
            assert not any(s in text for s in secrets if s in text), table


def test_a_row_is_told_by_its_key_and_never_by_its_values(finished: Tenant) -> None:
    keys = rows(
        finished,
        "select sample_keys from audit.gate_results where verdict = 'quarantined'",
    )
    assert keys
    for (text,) in keys:
        for key in json.loads(text):
            assert set(key) <= {"_load_id", "_file", "_row"}


def test_events_of_the_future_do_not_move_a_day(tenant: Tenant) -> None:
    """A file that arrives today may speak of tomorrow; today must not know."""
    before = {
        t: c
        for t, c in contents(tenant).items()
        if t.startswith(("features.", "marts.", "segments."))
        and not t.startswith("features.int_")  # counts of all days there are
    }
    place = tenant.home / "world" / "landing" / "app" / "events"
    users = rows(
        tenant,
        "select distinct app_user_id from staging.stg_app__events"
        " where app_user_id is not null order by 1 limit 20",
    )
    tomorrow = DAY + timedelta(days=1)
    lines = [
        json.dumps(
            {
                "event_id": f"future-{n}",
                "app_user_id": user,
                "device_id": f"d-future-{n}",
                "touchpoint": "app_ios",
                "event_type": "login",
                "event_at": f"{tomorrow}T08:00:00Z",
            }
        )
        for n, (user,) in enumerate(users)
    ]
    with gzip.open(place / f"{DAY}-extra.jsonl.gz", "wt", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")

    run_until(tenant, DAY, "segments")

    assert rows(
        tenant, "select count(*) from staging.events where event_id like 'app:future-%'"
    ) == [(20,)]
    after = contents(tenant)
    assert {t: after[t] for t in before} == before
    run_until(tenant, tomorrow, "features")
    assert rows(
        tenant,
        "select count(*) from marts.fct_events where event_id like 'app:future-%'",
    ) == [(20,)]
