"""What is built for a day knows nothing of the days after it.

A small company is written by hand into the published tables that the features stage
reads; dbt builds it in this process, on a file of its own for every case.
"""

import functools
import shutil
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from strata.config.features import FeaturesConfig
from strata.config.loader import read_yaml
from strata.config.sources import SourcesConfig
from strata.dates import day_bounds
from strata.ingest.views import create_views

from tests.dbt import crowd

PROJECT = Path(__file__).parents[2] / "dbt_project"
ZONE = "Asia/Shanghai"
DS = date(2026, 10, 20)
NEXT_DS = DS + timedelta(days=1)
END = day_bounds(DS, ZONE)[1]
"""First moment after DS: whatever carries it is of the next day."""

PUBLISHED = """
create schema ops; create schema staging; create schema identity;
create schema features; create schema segments; create schema pii;
create schema marts; create schema activation;
create table ops.run_dates (ds date, starts_at timestamp, ends_at timestamp,
    is_newest boolean, timezone varchar, consent_default boolean, crm_system varchar,
    crm_entity varchar, _run_id varchar, known_until timestamp, recorded_until date);
create table identity.id_map (system varchar, entity varchar, record_key varchar,
    unified_user_id varchar, effective_from date, effective_to date,
    recorded_from date, recorded_to date, cause varchar, edge_id varchar,
    _run_id varchar);
create table staging.sightings (system varchar, entity varchar, record_key varchar,
    identifier_type varchar, value_hash varchar, key_version varchar,
    known_at timestamp, first_seen_at timestamp, last_seen_at timestamp,
    is_own boolean, _run_id varchar);
create table staging.stg_person_attributes (system varchar, entity varchar,
    record_key varchar, valid_from_at timestamp, gender varchar, city varchar,
    region varchar, birth_year integer, registered_at timestamp, known_at timestamp, _run_id varchar);
create table staging.devices (system varchar, device_key varchar,
    person_entity varchar, person_key varchar, device_model varchar, valid_from_at timestamp,
    known_at timestamp, _run_id varchar);
create table staging.consents (system varchar, person_entity varchar,
    person_key varchar, purpose varchar, is_granted boolean, valid_from_at timestamp,
    known_at timestamp, _run_id varchar);
create table staging.events (event_id varchar, system varchar, touchpoint varchar,
    person_entity varchar, person_key varchar, event_type varchar, event_at timestamp,
    known_at timestamp, "value" double, category varchar, campaign varchar,
    duration_seconds double, _run_id varchar);
create table staging.orders (order_id varchar, system varchar, touchpoint varchar,
    person_entity varchar, person_key varchar, ordered_at timestamp,
    known_at timestamp, status varchar, is_return boolean, currency varchar,
    gross_amount decimal(18,4), discount_amount decimal(18,4),
    refund_amount decimal(18,4), net_amount decimal(18,4), margin_amount decimal(18,4),
    units bigint, line_count bigint, campaign varchar, original_order_id varchar,
    cancelled_at timestamp, cancelled_known_at timestamp, head_known_at timestamp,
    _run_id varchar);
create table staging.order_lines (order_id varchar, line_no bigint, sku varchar,
    category varchar, quantity bigint, unit_price decimal(18,4),
    discount_amount decimal(18,4), refund_amount decimal(18,4),
    net_amount decimal(18,4), margin_amount decimal(18,4), ordered_at timestamp,
    system varchar, currency varchar, is_return boolean, known_at timestamp,
    _run_id varchar);
create table staging.touches (touch_id varchar, system varchar, touchpoint varchar,
    person_entity varchar, person_key varchar, campaign varchar, "cost" decimal(18,4),
    event_at timestamp, known_at timestamp, is_opened boolean, is_clicked boolean,
    opened_at timestamp, clicked_at timestamp, opened_known_at timestamp,
    clicked_known_at timestamp, _run_id varchar);
create table staging.tickets (ticket_id varchar, system varchar, touchpoint varchar,
    person_entity varchar, person_key varchar, category varchar, status varchar,
    opened_at timestamp, first_response_at timestamp,
    first_response_known_at timestamp, resolved_at timestamp,
    resolved_known_at timestamp, reopened_at timestamp, reopened_known_at timestamp,
    closed_at timestamp, satisfaction integer, satisfaction_at timestamp,
    satisfaction_known_at timestamp, order_id varchar, known_at timestamp, _run_id varchar);
create table staging.feedback (feedback_id varchar, system varchar, touchpoint varchar,
    person_entity varchar, person_key varchar, kind varchar, rating integer,
    nps integer, category varchar, sku varchar, order_id varchar, "language" varchar,
    answered_at timestamp, known_at timestamp, _run_id varchar);
create table staging.loyalty (entry_id varchar, system varchar, touchpoint varchar,
    person_entity varchar, person_key varchar, kind varchar, points bigint,
    reason varchar, amount decimal(18,4), currency varchar, campaign varchar,
    order_id varchar, counterpart_entity varchar, counterpart_key varchar,
    booked_at timestamp, known_at timestamp, _run_id varchar);
create table staging.ad_costs (system varchar, touchpoint varchar, campaign varchar,
    spent_on date, impressions bigint, clicks bigint, "cost" decimal(18,4),
    currency varchar, known_at timestamp, _run_id varchar);
create schema learned;
create table learned.models_in_force (ds date, model varchar, version varchar);
create table learned.scored_texts (source varchar, text_key varchar,
    system varchar, person_entity varchar, person_key varchar, written_at timestamp,
    known_at timestamp, score decimal(9,6), label varchar, topics varchar,
    model_version varchar, _text_check integer);
create table learned.category_weights (model_version varchar,
    category varchar, next_category varchar, weight double);
insert into learned.category_weights values
    ('taste-1', 'beauty', 'home', 0.5), ('taste-1', 'home', 'beauty', 0.25),
    ('taste-1', 'beauty', 'books', 0.75), ('taste-1', 'home', 'food', 0.125);
create table features.feat_users (unified_user_id varchar, ds date,
    consent_profiling boolean, consent_marketing boolean);
create table segments.user_tiers (unified_user_id varchar, ds date, tier varchar,
    rfm_segment varchar, lifecycle varchar, is_dormant boolean, is_at_risk boolean,
    value_rank double, valid_from date, next_action varchar);
create table segments.reasons (unified_user_id varchar, ds date, rank integer,
    text varchar);
"""

BUILT = (
    "features.feat_users",
    "features.text_scores",
    "features.daily_activity",
    "marts.dim_users",
    "marts.fct_orders",
    "marts.fct_order_lines",
    "marts.fct_events",
    "marts.fct_touches",
    "marts.fct_tickets",
    "marts.fct_feedback",
    "marts.fct_loyalty",
    "marts.fct_ad_costs",
    "marts.fct_conversion_touches",
    "marts.mart_funnels",
    "marts.mart_cohorts",
    "marts.mart_channels",
)
MORNING = timedelta(hours=1, minutes=30)
"""After the end of a day, when the last of its rows are known."""

LATE = timedelta(days=91)
"""By so much later than they happened come rows that are late; all are after DS."""

KNOWN_THEN = (
    "features.feat_users",
    "features.text_scores",
    "features.daily_activity",
    "marts.dim_users",
    "marts.fct_conversion_touches",
    "marts.mart_funnels",
    "marts.mart_cohorts",
    "marts.mart_channels",
)
"""Tables that tell a day by what was known on it; facts tell what is known now."""

START = DS - timedelta(days=400)
"""Day from which records belong to their users."""

Tables = dict[str, list[tuple[Any, ...]]]
Record = tuple[str, str, str]

CRM_OF_ANN: Record = ("crm", "customers", "C1")
APP_OF_ANN: Record = ("app", "accounts", "A1")
STORE_OF_BEN: Record = ("store", "buyers", "B1")
MINI_OF_BEN: Record = ("miniprogram", "users", "M1")
DEVICE: Record = ("app", "devices", "D1")
TICKET_OF_ANN: Record = ("support", "tickets", "T1")
MEMBER_ANN: Record = ("loyalty", "members", "N1")
INVITEE: Record = ("loyalty", "invitees", "R1")
USERS = {
    CRM_OF_ANN: "u_ann",
    APP_OF_ANN: "u_ann",
    STORE_OF_BEN: "u_ben",
    MINI_OF_BEN: "u_ben",
    DEVICE: None,
    TICKET_OF_ANN: "u_ann",
    MEMBER_ANN: "u_ann",
    INVITEE: "u_ben",
}


class Company:
    """Writes published rows; a time is days and hours before the end of DS."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, late: timedelta = timedelta()
    ) -> None:
        self.con = con
        self.late = late
        self.written = 0

    def known(self, at: datetime) -> datetime:
        """When a row is known: at once, or as late as this company's rows come."""
        return at + self.late

    def insert(self, table: str, **values: Any) -> None:
        columns = ", ".join(f'"{c}"' for c in values)
        marks = ", ".join("?" for _ in values)
        self.con.execute(
            f"insert into {table} ({columns}) values ({marks})", [*values.values()]
        )
        self.written += 1

    def maps(self, record: Record, user: str | None, since: date) -> None:
        system, entity, key = record
        self.insert(
            "identity.id_map",
            system=system,
            entity=entity,
            record_key=key,
            unified_user_id=user,
            effective_from=since,
            recorded_from=since,
        )

    def registers(self, record: Record, at: datetime, **attributes: Any) -> None:
        system, entity, key = record
        whose = {"system": system, "entity": entity, "record_key": key}
        seen = {"first_seen_at": at, "last_seen_at": at, "known_at": self.known(at)}
        self.insert("staging.sightings", **whose, **seen)
        self.insert(
            "staging.stg_person_attributes",
            **whose,
            valid_from_at=at,
            known_at=self.known(at),
            registered_at=at,
            **attributes,
        )

    def uses(self, record: Record, device: str, model: str, at: datetime) -> None:
        system, entity, key = record
        self.insert(
            "staging.devices",
            system=system,
            device_key=device,
            person_entity=entity,
            person_key=key,
            device_model=model,
            valid_from_at=at,
            known_at=self.known(at),
        )

    def changes(self, record: Record, at: datetime, **attributes: Any) -> None:
        """A further version of a record; what it does not say is as it was."""
        system, entity, key = record
        columns = ("gender", "city", "region", "birth_year", "registered_at")
        newest = self.con.execute(
            f"select {', '.join(columns)} from staging.stg_person_attributes"
            " where system = ? and record_key = ? order by valid_from_at desc",
            [system, key],
        ).fetchone()
        assert newest is not None
        self.insert(
            "staging.stg_person_attributes",
            system=system,
            entity=entity,
            record_key=key,
            valid_from_at=at,
            known_at=self.known(at),
            **(dict(zip(columns, newest, strict=True)) | attributes),
        )

    def decides(
        self, record: Record, purpose: str, granted: bool, at: datetime
    ) -> None:
        system, entity, key = record
        self.insert(
            "staging.consents",
            system=system,
            person_entity=entity,
            person_key=key,
            purpose=purpose,
            is_granted=granted,
            valid_from_at=at,
            known_at=self.known(at),
        )

    def does(
        self, record: Record, event_type: str, at: datetime, value: float | None = None
    ) -> None:
        system, entity, key = record
        row = {
            "system": system,
            "touchpoint": f"{system}_somewhere",
            "person_entity": entity,
            "person_key": key,
            "campaign": f"campaign of {event_type}",
            "event_at": at,
            "known_at": self.known(at),
        }
        name = f"{system}:{self.written}"
        unread = {"is_opened": False, "is_clicked": False}
        self.insert("staging.touches", touch_id=name, **unread, **row)
        self.insert(
            "staging.events",
            event_id=name,
            event_type=event_type,
            value=value,
            category="food" if self.written % 2 else "books",
            duration_seconds=12.5,
            **row,
        )

    def buys(self, record: Record, amount: float, at: datetime) -> None:
        """Or gives back, where the amount is negative."""
        system, entity, key = record
        name = f"{system}:order:{at}:{self.written}"
        amounts = {
            "discount_amount": 0,
            "refund_amount": max(-amount, 0),
            "net_amount": amount,
            "margin_amount": amount / 2,
            "ordered_at": at,
            "known_at": self.known(at),
            "system": system,
            "currency": "CNY",
            "is_return": amount < 0,
        }
        self.insert(
            "staging.orders",
            order_id=name,
            person_entity=entity,
            person_key=key,
            status="completed",
            head_known_at=self.known(at),
            gross_amount=max(amount, 0),
            units=1,
            line_count=1,
            **amounts,
        )
        self.insert(
            "staging.order_lines",
            order_id=name,
            line_no=1,
            category="beauty" if self.written % 3 else "home",
            quantity=1,
            **amounts,
        )

    def judges(self, record: Record, nps: int, at: datetime) -> None:
        system, entity, key = record
        self.insert(
            "staging.feedback",
            feedback_id=f"feedback:{self.written}",
            system=system,
            person_entity=entity,
            person_key=key,
            kind="nps",
            nps=nps,
            answered_at=at,
            known_at=self.known(at),
        )

    def invites(
        self, record: Record, invitee: Record, at: datetime, *, joined: bool = False
    ) -> None:
        system, entity, key = record
        self.insert(
            "staging.loyalty",
            entry_id=f"loyalty:{self.written}",
            system=system,
            person_entity=entity,
            person_key=key,
            kind="referral_joined" if joined else "referral_sent",
            counterpart_entity=invitee[1],
            counterpart_key=invitee[2],
            booked_at=at,
            known_at=self.known(at),
        )

    def books(self, record: Record, kind: str, at: datetime, points: int = 0) -> None:
        """An entry of the loyalty programme: points, or a coupon of 5."""
        system, entity, key = record
        reason = ("earn" if points > 0 else "burn") if kind == "points" else None
        self.insert(
            "staging.loyalty",
            entry_id=f"loyalty:{self.written}",
            system=system,
            person_entity=entity,
            person_key=key,
            kind=kind,
            points=points or None,
            reason=reason,
            amount=None if points else 5,
            booked_at=at,
            known_at=self.known(at),
        )

    def writes(self, record: Record, score: float, at: datetime) -> None:
        """A review, as the models of two months judge it."""
        system, entity, key = record
        for version, milder in (("mood-1", 1.0), ("mood-2", 0.5)):
            self.insert(
                "learned.scored_texts",
                source="review",
                text_key=f"review:{at}",
                system=system,
                person_entity=entity,
                person_key=key,
                written_at=at,
                known_at=self.known(at),
                score=score * milder,
                label="positive" if score > 0 else "negative",
                topics=",delivery,price,",
                model_version=version,
            )

    def asks(self, ticket: Record, at: datetime) -> None:
        system, entity, key = ticket
        self.insert(
            "staging.tickets",
            ticket_id=f"{system}:{key}",
            system=system,
            person_entity=entity,
            person_key=key,
            status="open",
            category="quality",
            opened_at=at,
            known_at=self.known(at),
        )

    def reads_all(self, at: datetime) -> None:
        """Every message, as its newest version says."""
        self.con.execute(
            "update staging.touches set is_opened = true, is_clicked = true,"
            " opened_at = $at, clicked_at = $at, opened_known_at = $known,"
            " clicked_known_at = $known where event_at < $at",
            {"at": at, "known": self.known(at)},
        )

    def is_answered(self, at: datetime) -> None:
        """Every ticket, as its newest version says."""
        self.con.execute(
            "update staging.tickets set status = 'closed', satisfaction = 5,"
            " first_response_at = $at, resolved_at = $at, closed_at = $at,"
            " satisfaction_at = $at, first_response_known_at = $known,"
            " resolved_known_at = $known, satisfaction_known_at = $known",
            {"at": at, "known": self.known(at)},
        )

    def advertises(self, day: date) -> None:
        known = self.known(day_bounds(day, ZONE)[1])
        self.insert(
            "staging.ad_costs",
            **{"system": "app", "touchpoint": "app_somewhere"},
            **{"campaign": "campaign of product_view", "spent_on": day},
            **{"cost": 100, "known_at": known},
        )

    def cancels(self, at: datetime, *, ordered_after: datetime) -> None:
        """Every document of the shop since then, as its newest version says."""
        self.con.execute(
            "update staging.orders set status = 'cancelled', cancelled_at = $at,"
            " cancelled_known_at = $known where system = 'store'"
            " and ordered_at >= $since and cancelled_at is null",
            {"at": at, "known": self.known(at), "since": ordered_after},
        )


def tell_the_past(company: Company) -> None:
    """A year of two people and one stranger, up to the last second of DS."""
    for record, user in USERS.items():
        company.maps(record, user, START)
    company.registers(CRM_OF_ANN, END - timedelta(days=399), gender="female")
    company.registers(APP_OF_ANN, END - timedelta(days=90), city="Hangzhou")
    company.registers(STORE_OF_BEN, END - timedelta(days=300), birth_year=1990)
    company.registers(MINI_OF_BEN, END - timedelta(days=300))
    company.uses(APP_OF_ANN, "P1", "iPhone 17", END - timedelta(days=90))
    company.uses(MINI_OF_BEN, "P2", "HONOR 90", END - timedelta(seconds=1))
    company.decides(CRM_OF_ANN, "profiling", True, END - timedelta(days=200))
    company.decides(CRM_OF_ANN, "marketing", True, END - timedelta(days=200))
    types = ("login", "share", "add_to_cart", "message_read", "comment")
    for step, days in enumerate((0, 1, 5, 29, 30, 60, 89, 90, 170, 364, 365)):
        moment = END - timedelta(days=days, seconds=1)
        company.does(APP_OF_ANN, types[step % 5], moment)
        company.does(APP_OF_ANN, "product_view", moment - timedelta(minutes=10))
        company.does(MINI_OF_BEN, types[-step % 5], moment - timedelta(hours=9))
        company.does(DEVICE, "page_view", moment)
        company.buys(STORE_OF_BEN, 100 + step, moment)
    company.buys(STORE_OF_BEN, -50, END - timedelta(days=3))
    company.buys(STORE_OF_BEN, 70, END - timedelta(days=2))
    company.cancels(END - timedelta(hours=1), ordered_after=END - timedelta(days=2))
    company.buys(STORE_OF_BEN, 80, END - timedelta(hours=2))
    company.changes(CRM_OF_ANN, END - timedelta(days=10), city="Ningbo")
    company.asks(TICKET_OF_ANN, END - timedelta(days=1))
    company.judges(MINI_OF_BEN, 9, END - timedelta(seconds=1))
    company.invites(MEMBER_ANN, INVITEE, END - timedelta(seconds=1))
    company.invites(MEMBER_ANN, INVITEE, END - timedelta(seconds=1), joined=True)
    company.advertises(DS)
    for days in (0, 100, 364):
        moment = END - timedelta(days=days, seconds=1)
        company.does(APP_OF_ANN, "chat_message", moment)
        company.does(MINI_OF_BEN, "group_join", moment)
        company.books(MEMBER_ANN, "points", moment, points=100)
        company.books(MEMBER_ANN, "coupon_issued", moment)
        company.writes(STORE_OF_BEN, 0.5, moment)
    company.books(MEMBER_ANN, "points", END - timedelta(days=3), points=-30)
    company.books(MEMBER_ANN, "coupon_redeemed", END - timedelta(days=2))
    crowd.enlist(company, START)
    crowd.tell(company, crowd.acts(END))


def tell_what_came_late(company: Company) -> None:
    """More of the same past, known only after the morning of DS."""
    for days in (1, 30, 89):
        moment = END - timedelta(days=days, seconds=2)
        company.does(APP_OF_ANN, "share", moment)
        company.buys(STORE_OF_BEN, 77.0, moment)
        company.buys(STORE_OF_BEN, -7.0, moment)
        company.invites(MEMBER_ANN, INVITEE, moment, joined=True)
        company.advertises(DS - timedelta(days=days))
        crowd.tell(company, crowd.acts(moment, days=1, seed=days))
        company.books(MEMBER_ANN, "points", moment, points=7)
        company.writes(STORE_OF_BEN, -0.9, moment)
    company.is_answered(END - timedelta(hours=3))
    company.decides(CRM_OF_ANN, "profiling", False, END - timedelta(days=1))
    company.changes(CRM_OF_ANN, END - timedelta(days=1), city="Lhasa")
    company.registers(APP_OF_ANN, END - timedelta(days=90), city="Lhasa")
    company.uses(APP_OF_ANN, "P1", "Redmi 12C", END - timedelta(days=1))
    company.cancels(END - timedelta(days=1), ordered_after=END - timedelta(days=90))


def tell_the_future(company: Company) -> None:
    """From the first moment after DS: everything that could leak, for everybody."""
    company.cancels(END, ordered_after=END - timedelta(days=4))
    company.is_answered(END)
    company.reads_all(END)
    company.judges(MINI_OF_BEN, 0, END)
    company.invites(MEMBER_ANN, DEVICE, END)
    company.invites(MEMBER_ANN, DEVICE, END, joined=True)
    crowd.tell(company, crowd.acts(END + timedelta(days=2), days=2, seed=3))
    company.advertises(NEXT_DS)
    company.uses(APP_OF_ANN, "P2", "SM-A15", END)
    company.changes(CRM_OF_ANN, END, gender="other", city="Lhasa", birth_year=1930)
    for at in (END, END + timedelta(hours=30)):
        company.does(APP_OF_ANN, "login", at)
        company.does(MINI_OF_BEN, "share", at)
        company.does(DEVICE, "referral", at)
        company.buys(STORE_OF_BEN, 9999, at)
        company.buys(STORE_OF_BEN, -777, at)
        company.books(MEMBER_ANN, "points", at, points=-55)
        company.books(MEMBER_ANN, "coupon_redeemed", at)
        company.writes(STORE_OF_BEN, -1.0, at)
        company.decides(CRM_OF_ANN, "profiling", False, at)
        company.decides(CRM_OF_ANN, "marketing", False, at)
    for record in (("crm", "customers", "C2"), ("store", "buyers", "B2")):
        company.maps(record, "u_ben", NEXT_DS)
        company.registers(record, END, gender="male", city="Beijing", birth_year=1950)
    company.registers(("crm", "customers", "C3"), END, gender="male")
    company.maps(("crm", "customers", "C3"), "u_new", NEXT_DS)
    # The stranger's device turns out to be Ann's.
    company.con.execute(
        "update identity.id_map set effective_to = ? where record_key = 'D1'", [NEXT_DS]
    )
    company.maps(DEVICE, "u_ann", NEXT_DS)


@pytest.fixture(scope="module")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., bool]]:
    """Calls dbt on a warehouse file; the project is parsed once."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    place = tmp_path_factory.mktemp("dbt")
    manifests: list[Any] = []

    def invoke(warehouse: Path, *arguments: str) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("STRATA_WAREHOUSE", str(warehouse))
            patch.setenv("STRATA_PSEUDONYM_KEY", "0123456789abcdef" * 2)
            runner = dbtRunner(manifest=manifests[0].deepcopy() if manifests else None)
            try:
                return runner.invoke(
                    [
                        *("--quiet", "--log-path", str(place), arguments[0]),
                        *("--project-dir", str(PROJECT)),
                        *("--profiles-dir", str(PROJECT), "--target", "duckdb"),
                        *("--target-path", str(place / "target")),
                        *arguments[1:],
                    ]
                )
            finally:
                DuckDBConnectionManager.close_all_connections()

    manifests.append(invoke(place / "strata.duckdb", "parse").result)
    yield lambda *arguments: bool(invoke(*arguments).success)


STANDING = ("int_batches_counted", "int_event_days_counted")
"""What features count once and keep."""


def nothing_stands(con: duckdb.DuckDBPyConnection) -> None:
    """No earlier run has counted anything."""
    con.execute("create schema standing")
    folder = PROJECT / "models" / "features"
    for name in ("_features__models.yml", "_features__generated.yml"):
        for model in yaml.safe_load((folder / name).read_text("utf-8"))["models"]:
            if model["name"] in STANDING:
                listed = ", ".join(
                    f"{column['name']} {column['data_type']}"
                    for column in model["columns"]
                )
                con.execute(f"create table standing.{model['name']} ({listed})")


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse whose published tables end with DS; its sources brought nothing."""
    place = tmp_path_factory.mktemp("past")
    sources = read_yaml(PROJECT.parent / "config" / "sources.yml", SourcesConfig)
    with duckdb.connect(str(place / "strata.duckdb")) as con:
        con.execute(PUBLISHED)
        nothing_stands(con)
        con.begin()
        tell_the_past(Company(con))
        con.commit()
        create_views(con, "raw", sources, place, [], without_quarantined=False)
    return place / "strata.duckdb"


@pytest.fixture(scope="module")
def build(
    dbt: Callable[..., bool], past: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Tables]:
    """Builds features and marts of some days, with or without what came later.

    What is ``late`` may come in time, too; ``restated`` days take all that is known.
    """

    @functools.cache
    def build_days(
        *days: date,
        future: bool = False,
        late: timedelta | None = None,
        restated: bool = False,
    ) -> Tables:
        path = tmp_path_factory.mktemp("built") / "strata.duckdb"
        shutil.copy(past, path)
        with duckdb.connect(str(path)) as con:
            con.begin()
            if future:
                tell_the_future(Company(con))
            if late is not None:
                tell_what_came_late(Company(con, late=late))
            for day in days:
                starts_at, ends_at = day_bounds(day, ZONE)
                con.execute(
                    "insert into ops.run_dates values"
                    " (?, ?, ?, true, ?, false, 'crm', 'customers', 'run', ?, ?)",
                    [
                        *(day, starts_at, ends_at, ZONE),
                        *(
                            (datetime.max, date.max)
                            if restated
                            else (ends_at + MORNING, day)
                        ),
                    ],
                )
                mood = "mood-1" if day <= DS else "mood-2"
                con.execute(
                    "insert into learned.models_in_force values"
                    " ($day, 'sentiment', $mood), ($day, 'next_category', 'taste-1')",
                    {"day": day, "mood": mood},
                )
            con.commit()
        selected = ("models/features", "models/marts", "tests/features")
        # The invariants hold facts to features, and facts have what came late.
        assert dbt(
            path,
            "build",
            "--exclude-resource-type=unit_test",
            *(["--exclude-resource-type=test"] if late is not None else []),
            "--select",
            *(f"path:{folder}" for folder in selected),
        )
        with duckdb.connect(str(path)) as con:
            return {
                table: con.execute(f"from build_{table} order by all").fetchall()
                for table in BUILT
            }

    return build_days


def test_no_value_of_a_day_moves_when_later_days_are_appended(
    build: Callable[..., Tables],
) -> None:
    assert build(DS, future=True) == build(DS)


def test_what_was_appended_would_show_on_the_day_after(
    build: Callable[..., Tables],
) -> None:
    """The guard of the test above: the future has something to leak, everywhere."""
    without, told = build(NEXT_DS), build(NEXT_DS, future=True)

    unmoved = [table for table in BUILT if without[table] == told[table]]

    assert unmoved == []


def test_what_comes_late_changes_no_day_before_it_was_known(
    build: Callable[..., Tables],
) -> None:
    told, without = build(DS, late=LATE), build(DS)

    assert [t for t in KNOWN_THEN if told[t] != without[t]] == []
    later = END + LATE
    day = (later + timedelta(days=1)).date()
    assert build(day, late=LATE) != build(day)


def test_a_restated_day_is_the_day_in_which_all_had_come_in_time(
    build: Callable[..., Tables],
) -> None:
    """Of every family of facts something comes late; whose records are is as it was."""
    restated = build(DS, late=LATE, restated=True)
    in_time = build(DS, late=timedelta())

    told = [t for t in KNOWN_THEN if t != "features.text_scores"]  # has known_at
    assert [t for t in told if restated[t] != in_time[t]] == []
    assert [t for t in told if restated[t] == build(DS)[t]] == []


def test_days_built_together_are_the_days_built_alone(
    build: Callable[..., Tables], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few events are counted at a time."""
    days = [DS - timedelta(days=30), DS, NEXT_DS]

    with monkeypatch.context() as patch:
        patch.setenv("STRATA_SLICE_ROWS", "50")
        together = build(*days, future=True)
    alone = [build(day, future=True) for day in days]

    snapshots = [row for tables in alone for row in tables["features.feat_users"]]
    assert together["features.feat_users"] == sorted(snapshots, key=lambda r: r[:2])
    with_days = ("features.feat_users", "marts.dim_users")
    others = [table for table in BUILT if table not in with_days]
    assert {t: together[t] for t in others} == {t: alone[-1][t] for t in others}


def test_journeys_are_those_of_a_plain_count(build: Callable[..., Tables]) -> None:
    """Steps, carts and paths of a crowd, against all their moments one by one."""
    config = read_yaml(PROJECT.parent / "config" / "features.yml", FeaturesConfig)
    names = ["unified_user_id", "ds", *(f.name for f in config.catalogue)]
    tables, done = build(DS), crowd.acts(END)

    told = {
        row[0]: dict(zip(names, row, strict=False))
        for row in tables["features.feat_users"]
    }
    expected = crowd.features(done, DS, END)

    assert {u: {n: told[u][n] for n in of} for u, of in expected.items()} == expected
    shown = {
        (period, start, step, users, conversions)
        for period, start, _, channel, _, step, users, conversions, *_ in tables[
            "marts.mart_funnels"
        ]
        if channel == "web"
    }
    assert shown == crowd.funnel_rows(done)


def test_what_was_counted_once_is_kept_until_its_batch_is_another(
    dbt: Callable[..., bool], past: Path, tmp_path: Path
) -> None:
    """A day after others gives the rows that it gives from nothing."""

    def built(path: Path, day: date) -> Tables:
        starts_at, ends_at = day_bounds(day, ZONE)
        with duckdb.connect(str(path)) as con:
            con.execute("delete from ops.run_dates")
            con.execute(
                "insert into ops.run_dates values"
                " (?, ?, ?, true, ?, false, 'crm', 'customers', 'run', ?, ?)",
                [day, starts_at, ends_at, ZONE, ends_at + MORNING, day],
            )
            con.execute("delete from learned.models_in_force")
            con.execute(
                "insert into learned.models_in_force values"
                " ($day, 'sentiment', 'mood-1'), ($day, 'next_category', 'taste-1')",
                {"day": day},
            )
        assert dbt(path, "run", "--select", "path:models/features")
        with duckdb.connect(str(path)) as con:
            return {
                table: con.execute(
                    f"from build_features.{table} order by all"
                ).fetchall()
                for table in ("feat_users", "daily_activity", *STANDING)
            }

    stands, anew = tmp_path / "one" / past.name, tmp_path / "other" / past.name
    stands.parent.mkdir()
    anew.parent.mkdir()
    shutil.copy(past, stands)
    before = built(stands, DS)
    with duckdb.connect(str(stands)) as con:
        for table in STANDING:
            con.execute(f"insert into standing.{table} from build_features.{table}")
        con.execute("drop schema build_features cascade")
        resent = con.execute(
            "update staging.events set event_type = 'share' where event_id ="
            " (select min(event_id) from staging.events where event_type = 'login')"
            " returning known_at"
        ).fetchone()
        tell_the_future(Company(con))
    shutil.copy(stands, anew)
    with duckdb.connect(str(anew)) as con:
        for table in STANDING:
            con.execute(f"delete from standing.{table}")

    after, from_nothing = built(stands, NEXT_DS), built(anew, NEXT_DS)

    for table in ("feat_users", "daily_activity", "int_batches_counted"):
        assert after[table] == from_nothing[table] != before[table]
    counted, everything = (
        {row[4] for row in tables["int_event_days_counted"]}
        for tables in (after, from_nothing)
    )
    stood = {row[4] for row in before["int_event_days_counted"]}
    assert resent is not None
    assert counted == everything - stood | {resent[0]}


def test_the_unit_tests_of_the_models_hold(
    dbt: Callable[..., bool], past: Path
) -> None:
    folders = ("staging", "features", "marts", "activation")
    models = [f"path:models/{folder}" for folder in folders]

    assert dbt(past, "run", "--empty", "--select", *models)
    assert dbt(past, "test", "--select", *(f"test_type:unit,{m}" for m in models))
