"""One declaration of a source, and everything that must follow it.

``config/sources.yml`` says what each system sends. dbt, the suites and the rules of
identity say more about the same columns in places of their own: here they agree.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from strata.config.identity import NAME, load_identity_config
from strata.config.loader import read_yaml
from strata.config.sources import Entity, SourcesConfig
from strata.config.suites import Suite, read_suites
from strata.quality.rules import failing_rows

ROOT = Path(__file__).parents[2]
SOURCES = read_yaml(ROOT / "config" / "sources.yml", SourcesConfig)
PROJECT: dict[str, Any] = yaml.safe_load(
    (ROOT / "dbt_project" / "dbt_project.yml").read_text("utf-8")
)
STAGING = ROOT / "dbt_project" / "models" / "staging"
SUITES = {s.table: s for s in read_suites(ROOT / "expectations", "ingest")}
ENTITIES = [
    (system, name, entity)
    for system, config in SOURCES.systems.items()
    for name, entity in config.entities.items()
]
TOUCHPOINTS = {
    "store.orders": ("web_store", "tmall", "jd", "pinduoduo", "douyin_shop"),
    "pos.receipts": ("pos_store", "pop_up", "kiosk"),
    "app.events": ("app_ios", "app_android"),
    "app.pushes": ("push",),
    "web.events": ("web_pc", "web_h5"),
    "miniprogram.events": ("wechat_mini", "alipay_mini", "douyin_mini"),
    "wecom.messages": ("wecom_chat", "wecom_group"),
    "wecom.memberships": ("wecom_group", "qq_group"),
    "wecom.reads": ("official_account",),
    "social.actions": (
        "weibo",
        "douyin_live",
        "kuaishou_live",
        "xiaohongshu",
        "bilibili",
    ),
    "ads.clicks": ("search_ad", "feed_ad", "display_ad", "kol"),
    "ads.costs": ("search_ad", "feed_ad", "display_ad", "kol"),
    "support.tickets": ("hotline", "live_chat", "ticket"),
    "feedback.surveys": ("survey",),
    "feedback.reviews": ("review",),
    "feedback.attendances": ("offline_event",),
    "loyalty.points": ("points",),
    "loyalty.coupons": ("coupon",),
    "loyalty.referrals": ("referral",),
    "loyalty.messages": ("email", "sms"),
}
"""Where each of the touchpoints arrives. ``crm_record`` is the CRM's own, and in no
column."""


def documented(folder: Path, key: str) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.rglob("*.yml")):
        yield from yaml.safe_load(path.read_text("utf-8")).get(key, [])


def stg(system: str, name: str) -> Path:
    return STAGING / system / f"stg_{system}__{name}.sql"


def test_the_twelve_systems_are_declared() -> None:
    assert set(SOURCES.systems) == {
        *("crm", "store", "pos", "app", "web", "miniprogram"),
        *("wecom", "social", "ads", "support", "feedback", "loyalty"),
    }
    assert set(PROJECT["vars"]["systems"]) == set(SOURCES.systems)


def test_dbt_reads_local_times_in_the_zones_that_the_sources_write_them() -> None:
    zones: dict[str, str] = PROJECT["vars"]["source_timezones"]
    of_entities = {name: zone for name, zone in zones.items() if "__" in name}

    declared = {name: system.timezone for name, system in SOURCES.systems.items()}

    assert {n: z for n, z in zones.items() if n not in of_entities} == declared
    # An entity of another zone than its system's says so here, and nowhere else.
    assert of_entities == {"store__invoices": "Europe/London"}


def test_every_entity_is_a_source_of_dbt_and_no_other_is() -> None:
    tables = {
        table["name"]
        for source in documented(STAGING, "sources")
        if source["name"] == "raw"
        for table in source["tables"]
    }

    assert tables == {f"{system}__{name}" for system, name, _ in ENTITIES}


@pytest.mark.parametrize(
    ("system", "name", "entity"), ENTITIES, ids=[f"{s}.{n}" for s, n, _ in ENTITIES]
)
def test_every_entity_is_staged_whole(system: str, name: str, entity: Entity) -> None:
    """Its staging model reads each declared column, and is in the PII zone if it must."""
    sql = stg(system, name).read_text("utf-8")
    for versions in re.findall(r'ref\("(int_\w+_versions)"\)', sql):
        sql += (STAGING / system / f"{versions}.sql").read_text("utf-8")
    typed = re.sub(r"\{\{ newest_version\(.*?\) \}\}", "", sql, flags=re.DOTALL)

    unread = {c for c in entity.columns if not re.search(rf"\b{c}\b", typed)}

    assert f'source("raw", "{system}__{name}")' in sql
    assert unread == set()
    holds_pii = any(column.pii for column in entity.columns.values())
    assert ('schema="pii"' in sql) == holds_pii


def test_every_staged_column_is_described_and_pii_is_called_so() -> None:
    models = {m["name"]: m for m in documented(STAGING, "models")}
    for system, name, entity in ENTITIES:
        described = {
            column["name"]: column.get("description", "")
            for column in models[f"stg_{system}__{name}"]["columns"]
        }
        silent = [column for column, text in described.items() if not text]
        assert silent == [], (system, name)
        for column in (c for c in entity.columns if c in described):
            says_pii = "PII" in described[column]
            assert says_pii == entity.columns[column].pii, (system, name, column)


def test_every_entity_has_an_ingest_suite() -> None:
    assert set(SUITES) == {f"raw.{system}__{name}" for system, name, _ in ENTITIES}


def test_every_identifier_of_a_source_has_a_rule_of_identity() -> None:
    declared = {
        column.identifier
        for _, _, entity in ENTITIES
        for column in entity.columns.values()
        if column.identifier
    }

    assert set(load_identity_config().identifiers) - declared == {"id_card"}
    assert declared <= {*load_identity_config().identifiers, NAME}


def test_the_touchpoints_are_forty_one() -> None:
    arriving = {point for points in TOUCHPOINTS.values() for point in points}

    assert len({*arriving, "crm_record"}) == 41
    having_one = {f"{s}.{n}" for s, n, e in ENTITIES if "touchpoint" in e.columns}
    assert set(TOUCHPOINTS) == having_one


@pytest.mark.parametrize("entity", TOUCHPOINTS)
def test_the_suites_accept_every_touchpoint_and_tell_any_other(entity: str) -> None:
    system, name = entity.split(".")
    suite = SUITES[f"raw.{system}__{name}"]

    assert strangers(suite, TOUCHPOINTS[entity]) == []
    assert strangers(suite, ("elsewhere",)) == ["elsewhere"]


def strangers(suite: Suite, points: tuple[str, ...]) -> list[str]:
    """The values that the suite's rule about touchpoints does not know."""
    (rule,) = [r for r in suite.expectations if r.name == "touchpoint is one we know"]
    failing = failing_rows(rule, "landed", lambda schema, table: f"{schema}.{table}")
    assert failing is not None
    with duckdb.connect() as con:
        con.execute("create table landed as select unnest($1) as touchpoint", [points])
        return [
            str(row[0])
            for row in con.execute(
                f"select touchpoint from {failing.relation} as t"
                f" where {failing.condition}"
            ).fetchall()
        ]
