"""A small invented company in the shape of the published copy, the same at each call.

Tables come from the contracts of the marts, so that a column that a contract loses
breaks the metrics that stand on it here.
"""

import functools
import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import yaml
from strata.semantic import SemanticLayer, read_layer, views
from strata.semantic.views import write

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "dbt_project"
FIRST = date(2026, 1, 1)
SNAPSHOTS = [date(2026, 1, 31), date(2026, 2, 27), date(2026, 3, 30), date(2026, 3, 31)]
REGIONS = ["north", "south", None]
TOUCHPOINTS = ["web_store", "tmall", "pos_store"]
CAMPAIGNS = ["spring", "summer", None]
TIERS = ["select", "mid", "low"]
_USER_DAY = {"unified_user_id": "varchar", "ds": "date"}
SEGMENTS = {
    "user_tiers": {**_USER_DAY, "tier": "varchar", "lifecycle": "varchar"},
    "scores": {**_USER_DAY, "score_name": "varchar", "value": "double"},
}
USERS = [f"u_{n:02}" for n in range(40)]

Row = dict[str, Any]


def layer() -> SemanticLayer:
    return read_layer(PROJECT)


def published() -> duckdb.DuckDBPyConnection:
    """The company's tables with the views of metrics over them."""
    con = duckdb.connect()
    chance = random.Random(20260331)
    for schema in ("marts", "features", "segments", "metrics"):
        con.execute(f"create schema {schema}")
    for table, columns in _contracts().items():
        listed = ", ".join(f'"{name}" {kind}' for name, kind in columns)
        con.execute(f"create table {table} ({listed})")
    for table, columns in SEGMENTS.items():
        listed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        con.execute(f"create table segments.{table} ({listed})")
    for table, rows in _facts(chance).items():
        _insert(con, table, rows)
    con.begin()
    write(con, views(layer(), described()))
    con.commit()
    return con


def described() -> dict[str, tuple[str, dict[str, str]]]:
    """The words on tables and their columns, those on the tiers and scores invented."""
    found = {
        name: (
            model["description"],
            {c["name"]: c["description"].strip() for c in model.get("columns", [])},
        )
        for name, model in _models().items()
    }
    for table, columns in SEGMENTS.items():
        words = {name: f"{name} of {table}." for name in columns}
        found[f"segments.{table}"] = ("", words)
    return found


def _contracts() -> dict[str, list[tuple[str, str]]]:
    return {
        name: [(c["name"], c["data_type"]) for c in model["columns"]]
        for name, model in _models().items()
        if "columns" in model and all("data_type" in c for c in model["columns"])
    }


@functools.cache
def _models() -> dict[str, dict[str, Any]]:
    """Models that the YAML describes, by ``schema.table``."""
    files = {
        "marts": "marts/_marts__models.yml",
        "features": "features/_features__generated.yml",
        "metrics": "metrics/_metrics__models.yml",
    }
    return {
        f"{schema}.{model['name']}": model
        for schema, file in files.items()
        for model in yaml.safe_load((PROJECT / "models" / file).read_text("utf-8"))[
            "models"
        ]
    }


def _insert(con: duckdb.DuckDBPyConnection, table: str, rows: list[Row]) -> None:
    con.register("given", pa.Table.from_pylist(rows))
    con.execute(f"insert into {table} by name from given")
    con.unregister("given")


def _facts(chance: random.Random) -> dict[str, list[Row]]:
    orders = _orders(chance)
    first: dict[str, date] = {}
    for order in orders:
        user = order["unified_user_id"]
        if user and order["status"] == "completed" and not order["is_return"]:
            first[user] = min(first.get(user, order["ordered_on"]), order["ordered_on"])
    snapshots = _snapshots(chance, first)
    return {
        "marts.fct_orders": orders,
        "marts.fct_order_lines": _lines(chance, orders),
        "marts.dim_users": _users(chance),
        "marts.fct_events": _events(chance),
        "marts.fct_ad_costs": _ad_costs(chance),
        "marts.fct_feedback": _feedback(chance),
        "marts.fct_tickets": _tickets(chance),
        "marts.fct_touches": _touches(chance),
        "marts.fct_loyalty": _loyalty(chance),
        "features.feat_users": snapshots,
        "segments.user_tiers": [
            _of(row) | {"tier": chance.choice(TIERS), "lifecycle": "mature"}
            for row in snapshots
            if chance.random() < 0.8
        ],
        "segments.scores": [
            _of(row) | {"score_name": "clv_365d", "value": chance.uniform(10, 900)}
            for row in snapshots
            if row["order_count_365d"]
        ],
    }


def _of(row: Row) -> Row:
    return {name: row[name] for name in ("unified_user_id", "ds")}


def _day(chance: random.Random) -> date:
    return FIRST + timedelta(days=chance.randrange(90))


def _who(chance: random.Random) -> str | None:
    return chance.choice([*USERS[:30], None])


def _users(chance: random.Random) -> list[Row]:
    """Each user, and of each a version that no longer holds."""
    return [
        {
            "unified_user_id": user,
            "is_current": is_current,
            "first_seen_on": _day(chance),
            "registered_on": chance.choice([_day(chance), None]),
            "gender": chance.choice(["f", "m", None]),
            "age_band": chance.choice(["18-24", "25-34"]),
            "device_band": None,
            "region": chance.choice(REGIONS),
            "city": None,
            "has_crm_record": chance.random() < 0.5,
            "consent_profiling": True,
            "consent_marketing": chance.random() < 0.5,
        }
        for user in USERS[:36]
        for is_current in (True, False)
    ]


def _orders(chance: random.Random) -> list[Row]:
    rows = []
    for n in range(200):
        is_return = chance.random() < 0.1
        net = round(chance.uniform(-80, -5) if is_return else chance.uniform(0, 300), 2)
        day = _day(chance)
        rows.append(
            {
                "order_id": f"o_{n:03}",
                "unified_user_id": _who(chance),
                "system": "store",
                "touchpoint": chance.choice(TOUCHPOINTS),
                "campaign": chance.choice(CAMPAIGNS),
                "currency": "CNY",
                "ordered_on": day,
                "ordered_at": day,
                "status": "cancelled" if chance.random() < 0.1 else "completed",
                "is_return": is_return,
                "gross_amount": max(net, 0) + 10,
                "discount_amount": 10,
                "refund_amount": max(-net, 0),
                "net_amount": net,
                "margin_amount": round(net * 0.3, 2) if chance.random() < 0.7 else None,
                "units": chance.randrange(1, 5),
            }
        )
    return rows


def _lines(chance: random.Random, orders: list[Row]) -> list[Row]:
    shared = (
        "order_id",
        "unified_user_id",
        "touchpoint",
        "system",
        "ordered_on",
        "status",
        "is_return",
    )
    return [
        {name: order[name] for name in shared}
        | {
            "line_no": line,
            "category": chance.choice(["tea", "cups", None]),
            "sku": f"s_{chance.randrange(6)}",
            "quantity": chance.randrange(1, 4),
            "net_amount": round(chance.uniform(1, 90), 2),
        }
        for order in orders
        for line in range(chance.randrange(1, 4))
    ]


def _events(chance: random.Random) -> list[Row]:
    kinds = ["login", "product_view", "add_to_cart", "checkout"]
    return [
        {
            "event_id": f"e_{n:03}",
            "unified_user_id": _who(chance),
            "system": "app",
            "touchpoint": chance.choice([*TOUCHPOINTS, "app_ios"]),
            "campaign": chance.choice(CAMPAIGNS),
            "category": chance.choice(["tea", "cups", None]),
            "event_type": chance.choice(kinds),
            "event_on": _day(chance),
        }
        for n in range(300)
    ]


def _ad_costs(chance: random.Random) -> list[Row]:
    return [
        {
            "system": "ads",
            "touchpoint": touchpoint,
            "campaign": campaign,
            "spent_on": FIRST + timedelta(days=9 * n),
            "impressions": chance.randrange(1000),
            "clicks": chance.randrange(50),
            "cost": round(chance.uniform(1, 60), 2),
            "currency": "CNY",
        }
        for n in range(10)
        for touchpoint, campaign in (("search_ad", "spring"), ("kol", "autumn"))
    ]


def _feedback(chance: random.Random) -> list[Row]:
    rows = []
    for n in range(60):
        kind = chance.choice(["nps", "review"])
        rows.append(
            {
                "feedback_id": f"f_{n:02}",
                "unified_user_id": _who(chance),
                "system": "feedback",
                "touchpoint": "survey",
                "kind": kind,
                "nps": chance.randrange(11) if kind == "nps" else None,
                "rating": chance.randrange(1, 6) if kind == "review" else None,
                "answered_on": _day(chance),
            }
        )
    return rows


def _tickets(chance: random.Random) -> list[Row]:
    return [
        {
            "ticket_id": f"t_{n:02}",
            "unified_user_id": _who(chance),
            "system": "support",
            "touchpoint": chance.choice(["hotline", "live_chat"]),
            "category": chance.choice(["quality", "delivery"]),
            "status": "resolved",
            "opened_on": (day := _day(chance)),
            "resolved_at": chance.choice([day, None]),
            "satisfaction": chance.choice([1, 4, 5, None]),
        }
        for n in range(50)
    ]


def _touches(chance: random.Random) -> list[Row]:
    return [
        {
            "touch_id": f"m_{n:03}",
            "unified_user_id": _who(chance),
            "system": "loyalty",
            "touchpoint": chance.choice(["sms", "email"]),
            "campaign": chance.choice(CAMPAIGNS),
            "event_on": _day(chance),
            "is_opened": chance.choice([True, False, None]),
            "is_clicked": chance.choice([False, False, True]),
        }
        for n in range(120)
    ]


def _loyalty(chance: random.Random) -> list[Row]:
    kinds = [
        "points",
        "coupon_issued",
        "coupon_redeemed",
        "referral_sent",
        "referral_joined",
    ]
    rows = []
    for n in range(120):
        kind = chance.choice(kinds)
        is_points = kind == "points"
        rows.append(
            {
                "entry_id": f"l_{n:03}",
                "unified_user_id": _who(chance),
                "system": "loyalty",
                "touchpoint": "points",
                "kind": kind,
                "reason": (reason := chance.choice(["earn", "burn"]))
                if is_points
                else None,
                "points": (9 if reason == "earn" else -4) if is_points else None,
                "booked_on": _day(chance),
            }
        )
    return rows


def _snapshots(chance: random.Random, first: dict[str, date]) -> list[Row]:
    rows = []
    for number, ds in enumerate(SNAPSHOTS):
        for user in USERS[: 24 + 4 * number]:
            bought = first.get(user, date.max) <= ds
            active = chance.randrange(4)
            rows.append(
                {
                    "unified_user_id": user,
                    "ds": ds,
                    "region": chance.choice(REGIONS),
                    "gender": chance.choice(["f", "m"]),
                    "age_band": "18-24",
                    "device_band": None,
                    "consent_profiling": True,
                    "consent_marketing": chance.random() < 0.6,
                    "active_days_7d": active // 2,
                    "active_days_30d": active,
                    "active_days_90d": active + chance.randrange(2),
                    "active_days_prior_90d": chance.randrange(3),
                    "order_count_365d": chance.randrange(1, 4) if bought else 0,
                    "net_amount_365d": round(chance.uniform(1, 900), 2)
                    if bought
                    else 0,
                    "first_order_on": first.get(user) if bought else None,
                }
            )
    return rows
