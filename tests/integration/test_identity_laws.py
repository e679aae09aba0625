"""Identity within whole stages: what stops a day, and what a split and a merge leave.

Only identity is resolved anew here; what a user did is as it was on the first day.
"""

import sqlite3
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from strata import pipeline
from strata.cli import app
from strata.identity import decisions
from strata.quality import GateFailed, waive
from strata.tenant import Tenant
from strata.warehouse import STAGES
from typer.testing import CliRunner

from tests.integration.world import (
    FIRST,
    copy_of,
    crm_rows,
    rows,
    small_project,
    small_tenant,
)

pytestmark = pytest.mark.slow
DAYS = 6
DAY = FIRST + timedelta(days=DAYS - 1)
HUB = "5" * 64
BY = {"by": "an operator", "reason": "a test"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    """A tenant after its first run, whose next source brings an id without limits."""
    folder = tmp_path_factory.mktemp("identity")
    root = small_project(folder, users=80, days=DAYS, broken_rows=0.0)
    path = root / "config" / "identity.yml"
    rules = yaml.safe_load(path.read_text("utf-8"))
    rules["identifiers"]["partner_id"] = {
        "form": "token",
        "strength": 99,
        "priority": 99,
    }
    for rule in rules["identifiers"].values():
        rule.pop("max_values", None)
        rule.pop("tells_apart", None)
        rule.pop("values_window_days", None)
        for name in ("claimed_by", "unclaimed", "unclaimed_share"):
            rule.pop(name, None)
    rules["names_tell_apart"] = False
    rules["guards"] |= {"merged_users": 3, "merged_share": 0.01}
    path.write_text(yaml.safe_dump(rules), "utf-8")
    tenant = small_tenant(folder, root)
    run_id = pipeline.start(tenant, DAY)
    for stage in STAGES:
        pipeline.build(tenant, run_id, stage)
        pipeline.promote(tenant, run_id, stage)
    pipeline.sync(tenant, run_id)
    return tenant


@pytest.fixture
def tenant(finished: Tenant, tmp_path: Path) -> Tenant:
    return copy_of(finished, tmp_path)


def ids(tenant: Tenant) -> dict[str, str]:
    return dict(
        rows(
            tenant,
            "select concat_ws('/', system, entity, record_key), unified_user_id"
            " from identity.id_map_current where unified_user_id is not null",
        )
    )


def crm_users(tenant: Tenant, count: int) -> list[tuple[str, str]]:
    """CRM records whose tier the CRM has, each with its user."""
    return rows(
        tenant,
        "select 'crm/customers/' || record_key, unified_user_id"
        " from activation.desired where not is_clear order by record_key limit ?",
        count,
    )


def strata(tenant: Tenant, *words: str) -> str:
    """What a command of ``strata identity`` prints, on one line."""
    place = {
        "STRATA_HOME": str(tenant.state),
        "STRATA_PROJECT": str(tenant.root),
        "STRATA_WORLD": tenant.world_name,
    }
    done = CliRunner().invoke(app, ["identity", *words], env=place)
    assert done.exit_code == 0, done.output
    return done.output


def show(tenant: Tenant, records: Sequence[str], days: int) -> None:
    """Let records show the hub value, so many days after the first run."""
    for table, known in (("identifiers", "first_known_at"), ("sightings", "known_at")):
        for record in records:
            rows(
                tenant,
                f"insert into staging.{table} by name select system, entity,"
                " record_key, 'partner_id' as identifier_type, ? as value_hash,"
                " key_version, ?::timestamp as first_seen_at,"
                " first_seen_at as last_seen_at, false as is_own,"
                f" first_seen_at as {known}, 'test' as _run_id"
                f" from staging.{table}"
                " where concat_ws('/', system, entity, record_key) = ? limit 1",
                HUB,
                DAY + timedelta(days=days),
                record,
            )


def resolve(tenant: Tenant, days: int) -> str:
    """Start a run so many days after the first, and build its identities."""
    run_id = pipeline.start(tenant, DAY + timedelta(days=days))
    pipeline.build(tenant, run_id, "identity")
    return run_id


def publish(tenant: Tenant, run_id: str, days: int) -> dict[str, int]:
    """Publish identities, then tiers and the CRM, on features as they were."""
    pipeline.promote(tenant, run_id, "identity")
    ds = DAY + timedelta(days=days)
    rows(
        tenant,
        "insert into features.feat_users select * replace (?::date as ds)"
        " from features.feat_users where ds = ? and unified_user_id in"
        " (select unified_user_id from identity.id_map_current)",
        ds,
        DAY,
    )
    rows(tenant, "create table if not exists test_users as from marts.dim_users")
    rows(
        tenant,
        "create or replace table marts.dim_users as from test_users where"
        " unified_user_id in (select unified_user_id from identity.id_map_current)",
    )
    for stage in ("segments", "publish"):
        pipeline.build(tenant, run_id, stage)
        pipeline.promote(tenant, run_id, stage)
    return pipeline.sync(tenant, run_id)["crm"]


def test_a_hub_value_stops_the_day_and_is_named_by_its_key(tenant: Tenant) -> None:
    before = ids(tenant)
    chosen = [record for record, _ in crm_users(tenant, 15)]
    show(tenant, chosen, 1)
    merged = len({before[record] for record in chosen}) - 1
    users = len(set(before.values()))

    run_id = resolve(tenant, 1)
    with pytest.raises(GateFailed) as caught:
        pipeline.gate(tenant, run_id, "identity")

    told = str(caught.value)
    assert "few users merge in a day" in told
    assert f"{merged} of {users} users would be merged with others" in told
    assert f"To blame: partner_id {HUB[:8]}… (without it {merged} fewer" in told
    assert f"shown by {len(chosen)} crm/customers" in told
    assert not any(record in told for record in (*chosen, HUB))
    assert ids(tenant) == before, "nothing of it is published"
    with tenant.warehouse.connection("test") as con:
        day = DAY + timedelta(days=1)
        guard = ("identity.guards", "few users merge in a day")
        waive(con, tenant.root / "expectations", STAGES, *guard, until=day, **BY)
    assert pipeline.gate(tenant, run_id, "identity")["failed"] == 0, "waived by name"

    with tenant.warehouse.connection("test") as con:
        decisions.forget(con, "partner_id", HUB[:8], **BY)
    run_id = resolve(tenant, 1)
    assert pipeline.gate(tenant, run_id, "identity")["failed"] == 0, (
        "denied by a person"
    )
    pipeline.promote(tenant, run_id, "identity")
    assert ids(tenant) == before


def test_a_merge_and_a_split_lose_and_double_nothing(tenant: Tenant) -> None:
    crm = tenant.home / "crm" / "crm.db"
    with sqlite3.connect(crm) as con:
        con.execute("create table writes (key text)")
        for event in ("insert", "update", "delete"):
            con.execute(
                f"create trigger count_{event} after {event} on strata_segments begin"
                f" insert into writes values ({'old' if event == 'delete' else 'new'}"
                ".customer_id); end"
            )
    before, held = ids(tenant), crm_rows(tenant)
    (one, elder), (other, younger) = two_tiers(tenant)
    show(tenant, [one, other], 1)

    merge = publish(tenant, resolve(tenant, 1), 1)
    merged = ids(tenant)
    assert "1. " in strata(tenant, "why", one, other)
    decided = strata(tenant, "split", other, one, "--by", "me", "--reason", "two")
    assert f"{other} is not {one} (without partner_id {HUB[:8]}…)" in decided
    split = publish(tenant, resolve(tenant, 2), 2)
    apart = strata(tenant, "why", one, other) + strata(tenant, "show", younger)
    assert "two people" in apart and "split, recorded from" in apart
    assert decided.strip() in apart and HUB not in apart
    day = str(DAY + timedelta(days=1))
    assert elder in strata(tenant, "resolve", younger, "--as-of", day)
    assert {merged[one], merged[other]} == {elder}
    assert merged == {r: elder if u == younger else u for r, u in before.items()}
    with sqlite3.connect(crm) as con:
        writes = [key for (key,) in con.execute("select key from writes")]
    key = other.rsplit("/", 1)[1]
    sent = [
        sum(s[n] for n in ("created", "updated", "cleared")) for s in (merge, split)
    ]
    assert writes.count(key) <= 2 and len(writes) == sum(sent), "each change once"
    assert [r[0] for r in crm_rows(tenant)] == [r[0] for r in held], (
        "no row more or less"
    )
    assert rows(
        tenant,
        "select ds - ?::date, old_id, new_id, cause, crm_records"
        " from identity.merge_impact where ? in (old_id, new_id) order by ds",
        DAY,
        younger,
    ) == [
        (1, younger, elder, "merged", 2),
        (2, elder, younger, "split", 2),
    ]
    tiers = rows(
        tenant,
        "select count(*), sum(ids_of_day)::bigint, count(distinct (unified_user_id, ds)),"
        " (select count(*) from segments.user_tiers) from segments.tier_history",
    )[0]
    assert tiers[0] == tiers[2] and tiers[1] == tiers[3]
    assert tiers[3] == tiers[0], "each is who they were"
    assert rows(
        tenant,
        "select current_id from identity.current_ids where unified_user_id = ?",
        younger,
    ) == [(younger,)]
    assert ids(tenant) == before


def two_tiers(tenant: Tenant) -> list[tuple[str, str]]:
    """CRM records of two users with another tier each, the elder first."""
    found = rows(
        tenant,
        "select 'crm/customers/' || record_key, unified_user_id, fields ->> '$.tier'"
        " from activation.desired inner join identity.id_ledger using (unified_user_id)"
        " where not is_clear order by minted_on, anchor_first_seen_at",
    )
    other = next(row for row in found if row[2] != found[0][2])
    return [found[0][:2], other[:2]]
