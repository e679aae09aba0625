"""What the run reads of the published tables: features, and tiers of earlier days."""

from datetime import date, timedelta

import duckdb
import pandas as pd

from strata.registry import earlier

NUMBERS = (
    "recency_days",
    "days_since_active",
    "order_count_365d",
    "net_amount_365d",
    "order_count_total",
    "avg_order_value_365d",
    "median_gap_days",
    "active_days_90d",
    "active_days_prior_90d",
    "event_count_90d",
    "margin_rate_365d",
    "clv_x",
    "clv_t_x",
    "clv_T",
    "clv_mean_spend",
    "tenure_days",
)
"""Features that scores and tiers read, beside consent; all as double."""


def count_users(con: duckdb.DuckDBPyConnection, ds: date) -> int:
    """How many users ``features.feat_users`` has for the day, with consent or not."""
    row = con.execute(
        "select count(*) from features.feat_users where ds = ?", [ds]
    ).fetchone()
    return int(row[0]) if row else 0


def read_users(
    con: duckdb.DuckDBPyConnection, ds: date, won_back_days: int
) -> pd.DataFrame:
    """Users of ``ds`` who let themselves be profiled, sorted by id, one row each.

    Columns: unified_user_id, consent_marketing, the features of ``NUMBERS`` (null is
    NaN), and from days before ``ds`` previous_tier (null where there is none),
    previous_valid_from, and was_asleep: dormant or lost in the newest earlier tiers,
    or at any time within ``won_back_days``.
    """
    numbers = ", ".join(f'f."{name}"::double as "{name}"' for name in NUMBERS)
    known = _earlier(con)
    row = con.execute(f"select max(ds) from ({known})", {"ds": ds}).fetchone()
    newest = row[0] if row and row[0] else ds
    # The first day that matters is looked up before: the engine then skips all others.
    since = min(newest, ds - timedelta(days=won_back_days))
    return con.execute(
        f"""
        with earlier as (select * from ({known}) where ds >= $since::date),
        previous as (select * from earlier where ds = $newest::date),
        asleep as (
            select distinct unified_user_id
            from earlier
            where lifecycle in ('dormant', 'lost')
        )
        select
            f.unified_user_id,
            coalesce(f.consent_marketing, false) as consent_marketing,
            {numbers},
            p.tier as previous_tier,
            p.valid_from as previous_valid_from,
            a.unified_user_id is not null as was_asleep
        from features.feat_users as f
        left join previous as p on f.unified_user_id = p.unified_user_id
        left join asleep as a on f.unified_user_id = a.unified_user_id
        where f.ds = $ds::date and f.consent_profiling
        order by f.unified_user_id
        """,
        {"ds": ds, "since": since, "newest": newest},
    ).df()


def _earlier(con: duckdb.DuckDBPyConnection) -> str:
    """Tier rows of days before ``ds``: a later day says nothing about this one."""
    columns = "unified_user_id, ds, tier, lifecycle, valid_from"
    none = (
        "select null::varchar as unified_user_id, null::date as ds,"
        " null::varchar as tier, null::varchar as lifecycle, null::date as valid_from"
        " where false"
    )
    known = earlier(con, "segments", "user_tiers", columns, day="ds") or none
    return f"select * from ({known}) where ds < $ds::date"
