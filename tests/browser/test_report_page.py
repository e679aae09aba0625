"""The run report as a browser shows it: whole, alone, and never on the network.

Needs Chromium (Debian's package ``chromium``); without it these tests skip.
"""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pytest
from strata.report import summarise, write_report
from strata.report.charts import DARK, LIGHT
from strata.run import Run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DAY = date(2026, 10, 31)
RUN_ID = "2026-10-31.1"
BROWSER_ITSELF = "not an origin"  # how the log names requests that no page made
TRACKER = "http://tracker.invalid/pixel.png"
SIX_FIGURES = {
    "tier-sizes",
    "value-shares",
    "tier-history",
    "rfm",
    "lifecycle",
    "gates",
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium here: apt-get install chromium"
    ),
]

# Every number below is drawn from a hash of the user, the day and a salt.
WORLD = """
create schema audit; create schema segments; create schema features;
create schema marts; create schema activation;

create macro chance(i, salt) as (hash(i, salt) % 1000003) / 1000003.0;

create table days as
select d::int as n, date '2026-10-31' - (9 - d::int) as ds, d::int = 9 as is_today
from range(10) as t(d);

create table people as
select
    i,
    'u_' || lpad(i::varchar, 24, 'a') as unified_user_id,
    chance(i, 'value') as value,
    greatest(0, floor((chance(i, 'arrival') - 0.93) * 140))::int as arrives,
    chance(i, 'growth') as growth,
    chance(i, 'consent') as consent,
    case when chance(i, 'buyer') < 0.72
        then exp(3.2 + 4.2 * chance(i, 'value') + 1.2 * chance(i, 'spend'))
    end as revenue
from range(12000) as t(i);

create table features.feat_users as
select
    unified_user_id, ds,
    case when consent < 0.84 then true when consent < 0.93 then false end
        as consent_profiling,
    case when revenue is not null then date '2026-10-01' end as last_order_on,
    case when revenue is not null then (chance(i, n) * 90)::int end as recency_days,
    revenue::decimal(18, 4) as net_amount_365d,
    case when chance(i, 'gap') < 0.7 then 3.5 end as median_gap_days,
    case when chance(i, 'margin') < 0.5 then 0.3 end as margin_rate_365d,
    case when revenue > 400 then revenue / 3 end as clv_mean_spend,
    (chance(i, 'active') * 30)::int as active_days_30d,
    '2026-10-31.1' as _run_id
from people, days where is_today;

create table features.catalog as select * from (values
    ('margin_rate_365d', 'No cost is known for what the user bought'),
    ('clv_mean_spend', 'Fewer than two order days'),
    ('median_gap_days', 'Fewer than three active days'),
    ('recency_days', 'No order yet'),
    ('consent_profiling', 'Never asked, or not recorded')
) as t(name, null_meaning);

create table ranked as
select
    *,
    percent_rank() over (
        partition by ds order by value + 0.03 * chance(i, 'noise' || (n // 2))
    ) as place
from people inner join days on arrives <= n
where consent < 0.84;

create table segments.user_tiers as
select
    unified_user_id, ds,
    case
        when place >= 0.97 then 'select'
        when place >= 0.80 then 'high'
        when growth + 0.01 * chance(i, n) > 0.86 then 'potential'
        when place >= 0.42 then 'mid'
        else 'low'
    end as tier,
    case when revenue is null then 'no_orders' else
        ['champions', 'loyal', 'loyal', 'potential_loyalists', 'promising',
         'needs_attention', 'about_to_sleep', 'at_risk', 'hibernating', 'hibernating'][
            1 + least(9, floor(10 * greatest(0,
                1 - place + 0.4 * (chance(i, 'rfm') - 0.5))))::int
        ] end as rfm_segment,
    case
        when arrives > n - 7 and arrives > 0 then 'new'
        when chance(i, 'life') < 0.17 then 'growing'
        when chance(i, 'life') < 0.62 then 'mature'
        when chance(i, 'life') < 0.66 then 'won_back'
        when chance(i, 'life') < 0.87 then 'dormant'
        else 'lost'
    end as lifecycle,
    chance(i, 'life') > 0.66 as is_dormant,
    chance(i, 'risk') < 0.11 as is_at_risk,
    ['send_welcome_benefit', 'offer_growth_path', 'invite_to_circle', 'call_by_owner',
     'win_back_coupon'][1 + floor(5 * chance(i, 'action') ^ 1.5)::int % 5] as next_action,
    ['automated', 'automated', 'scenario', 'human', 'automated'][
        1 + floor(5 * chance(i, 'action') ^ 1.5)::int % 5] as next_action_mode,
    case when is_today then '2026-10-31.1' else ds::varchar || '.1' end as _run_id
from ranked;

create table segments.scores as
select unified_user_id, ds, score_name, value, '2026-10-31.1' as _run_id from (
    select unified_user_id, ds, 'clv_365d' as score_name, revenue * (0.1 + chance(i, 'clv') ^ 2) as value
    from ranked where is_today
    union all
    select unified_user_id, ds, 'value_rank', place from ranked where is_today
);

create table segments.reasons as
select
    unified_user_id, ds, 1 as rank,
    ['net_amount_365d', 'order_count_365d', 'recency_days', 'active_days_30d'][
        1 + floor(4 * chance(i, 'reason') ^ 1.6)::int % 4] as feature,
    '2026-10-31.1' as _run_id
from ranked where is_today;

create table marts.fct_orders as select 'CNY' as currency;

create table activation.sync_ledger as
select 'crm' as target, i as record_key from range(9421) as t(i);
create table activation.dead_letters as
select 'crm' as target, i as record_key, case when i = 0 then 'dead' else 'retry' end as status
from range(4) as t(i);
create table activation.sync_log as
select
    'crm' as target, '2026-10-31.1' as run_id, i as record_key, 1 as attempt, 'update' as operation,
    case when i < 3 then 'refused' when i < 5 then 'unknown' else 'acked' end
        as outcome,
    case when i < 2 then 'the owner of the record is no longer active'
        when i = 2 then 'phone 13912345678 is locked by another session' end as reason,
    timestamp '2026-10-31 17:34:00' as _logged_at
from range(412) as t(i);

create table audit.runs as
select
    ds::varchar || '.1' as run_id, ds, 'sample' as world, 1 as attempt,
    (ds - 1)::varchar || '.1' as previous_run_id,
    case when n = 6 then 'failed' else 'succeeded' end as status,
    true as is_newest,
    sha256('manifest' || n) as manifest_hash, sha256('config') as config_hash,
    '0.1.0+9ca3a2c' as code_version,
    ds + interval '17 hours 30 minutes' as _started_at,
    ds + interval '17 hours 30 minutes' + to_seconds(47 + n) as _ended_at,
    null::varchar as failed_stage, null::varchar as error,
    '{"crm": {"created": 96, "updated": 302, "cleared": 9, "refused": 3,
      "unchanged": 9421}}' as sync_summary,
    '{"ingest": 6.1, "staging": 9.4, "identity": 5.2, "features": 14.8,
      "segments": 7.7, "publish": 6.3}' as stage_seconds,
    4.2::double as fixed_seconds, 812::double as peak_mb, null::varchar as paths
from days;

create table audit.stale_days (
    ds date, because_of_run_id varchar, _marked_at timestamp
);

create table audit.publications as
select
    stage, date '2026-10-31' as ds, '2026-10-31.1' as run_id,
    sha256(stage) as fingerprint, rows, now()::timestamp as _published_at
from (values ('ingest', 48210), ('staging', 121806), ('identity', 38140),
    ('features', 410377), ('segments', 141930), ('publish', 10080)) as t(stage, rows);

create table audit.stage_counts as
select '2026-10-31.1' as run_id, date '2026-10-31' as ds, * from (values
    ('ingest', 'raw.crm__customers', 1204, 1204, 0, 0),
    ('ingest', 'raw.store__orders', 3911, 3904, 0, 7),
    ('ingest', 'raw.store__order_lines', 8420, 8420, 0, 0),
    ('ingest', 'raw.pos__receipts', 5127, 5127, 0, 0),
    ('ingest', 'raw.app__events', 21480, 21479, 0, 1),
    ('ingest', 'raw.miniprogram__events', 8068, 8068, 0, 0),
    ('staging', 'pii.stg_crm__customers', 12980, 11201, 1779, 0),
    ('staging', 'staging.stg_store__orders', 40210, 36022, 4188, 0),
    ('staging', 'staging.stg_app__events', 61440, 61007, 421, 12),
    ('identity', 'identity.id_map', 38140, 38140, 0, 0),
    ('features', 'features.feat_users', 12000, 12000, 0, 0),
    ('features', 'marts.fct_orders', 36022, 36022, 0, 0),
    ('segments', 'segments.user_tiers', 10080, 10080, 0, 0)
) as t(stage, table_name, rows_in, rows_out, deduplicated, quarantined);

create table audit.gate_results as
select
    days.ds::varchar || '.1' as run_id, days.ds,
    stage, table_name, sha256(stage || table_name)[:16] as suite_version,
    'expect_column_values_to_not_be_null' as expectation, 'expectation' as kind,
    'column_' || k as column_name, 'fail' as severity,
    case when days.n = 6 and stage = 'identity' and k = 3 then 'failed'
        else 'passed' end as verdict,
    '0' as observed, '0' as threshold, 0 as unexpected_count, 12000 as checked_rows,
    null::varchar as sample_keys, 'data-engineering' as owner,
    'a row without it cannot be joined' as why, '' as fingerprint
from days, (values ('ingest', 'raw.store__orders', 16), ('staging', 'staging.stg_store__orders', 28),
    ('identity', 'id_map', 11), ('features', 'feat_users', 34),
    ('segments', 'user_tiers', 14), ('publish', 'desired', 6)
) as t(stage, table_name, checks), range(t.checks) as r(k);

insert into audit.gate_results
select '2026-10-31.1', date '2026-10-31', * from (values
    ('ingest', 'raw.store__orders', 'a41f09c2d7e1', 'expect_column_values_to_be_in_set',
     'expectation', 'status', 'quarantine', 'quarantined', 'refunding', 'paid, completed, cancelled',
     7, 3911, '[{"order_id": "T20261031-0077"}, {"order_id": "T20261031-0093"}]',
     'e-commerce', 'an unknown status would be counted as revenue', ''),
    ('staging', 'staging.stg_app__events', '77b0c2d4e6f8', 'event_at_not_after_known_at',
     'expectation', 'event_at', 'quarantine', 'quarantined', '12', '0',
     12, 61440, '["app:9f31", "app:a02c", "app:b771"]', 'app team',
     'a clock that runs ahead moves activity into days that have not been', ''),
    ('features', 'feat_users', '0d2b4f6a8c1e', 'expect_column_mean_to_be_between',
     'expectation', 'active_days_30d', 'warn', 'warned', '14.98', '8 to 14',
     null, 12000, null, 'analytics', 'a jump in activity is more often a fault than joy', ''),
    ('segments', 'user_tiers', '5e7c9a1b3d5f', 'share_of_tier_changes_below',
     'expectation', 'tier', 'warn', 'warned', '6.4 %', '5 %',
     646, 10080, '["u_0000a7", "u_0000c9"]', 'crm operations',
     'many changes in a day make the tiers hard to work with', '')
) as t;
"""

NO_CONSENT = """
update features.feat_users
set consent_profiling = null, margin_rate_365d = null, clv_mean_spend = null;
delete from segments.user_tiers where ds < date '2026-10-31';
update audit.runs set sync_summary = null; update audit.runs set previous_run_id = null;
delete from audit.runs where ds < date '2026-10-31';
delete from activation.sync_log; delete from segments.scores;
delete from features.catalog; update marts.fct_orders set currency = 'GBP';
"""

STOPPED = """
drop schema segments cascade; drop schema activation cascade;
delete from features.feat_users; delete from audit.publications
where stage not in ('ingest', 'staging');
delete from audit.stage_counts where stage not in ('ingest', 'staging', 'identity');
delete from audit.gate_results
where run_id = '2026-10-31.1' and stage not in ('ingest', 'staging', 'identity');
update audit.runs set
    status = 'failed', failed_stage = 'identity', sync_summary = null,
    error = 'GateFailed: 1 expectation of identity failed',
    stage_seconds = '{"ingest": 6.1, "staging": 9.4, "identity": 5.2}'
where run_id = '2026-10-31.1';
update audit.gate_results set
    verdict = 'failed', expectation = 'largest_profile_below', observed = '8,412 records',
    threshold = '500 records', unexpected_count = 1, sample_keys = '["u_0000f1"]',
    why = 'a profile this large is a shared value, not a person'
where run_id = '2026-10-31.1' and stage = 'identity' and column_name = 'column_4';
"""


@dataclass(frozen=True)
class Visit:
    """What Chromium made of a page: its final DOM, its complaints, its requests."""

    dom: str
    complaints: list[str]
    requests: list[str]


def report(home: Path, *changes: str) -> Path:
    con = duckdb.connect()
    for sql in (WORLD, *changes):
        con.execute(sql)
    run = Run(RUN_ID, DAY, home.name, home, "Asia/Shanghai")
    return write_report(con, run, summarise(con, RUN_ID, home=home))


def chromium(profile: Path, page: Path, *arguments: str) -> subprocess.CompletedProcess:
    assert CHROMIUM is not None
    return subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={profile}",
            "--virtual-time-budget=5000",
            "--window-size=1280,900",
            *arguments,
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


def visit(folder: Path, page: Path, *arguments: str) -> Visit:
    log = folder / "net-log.json"
    done = chromium(
        folder / "profile",
        page,
        "--dump-dom",
        "--enable-logging=stderr",
        f"--log-net-log={log}",
        *arguments,
    )
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    started = [
        event["params"]
        for event in json.loads(log.read_text())["events"]
        if {"url", "initiator"} <= event.get("params", {}).keys()
    ]
    return Visit(
        dom=done.stdout,
        complaints=complaints,
        requests=[p["url"] for p in started if p["initiator"] != BROWSER_ITSELF],
    )


def test_a_page_that_calls_home_is_caught_by_this_way_of_looking(tmp_path):
    page = tmp_path / "tracked.html"
    page.write_text(f'<!doctype html><img src="{TRACKER}">')

    assert visit(tmp_path, page).requests == [TRACKER]


@pytest.mark.parametrize(
    ("world", "changes", "figures"),
    [
        ("sample", [], SIX_FIGURES),
        ("online_retail", [NO_CONSENT], SIX_FIGURES - {"tier-history"}),
        ("stopped", [STOPPED], {"gates"}),
    ],
)
def test_every_page_draws_its_figures_and_asks_no_network(
    tmp_path, world, changes, figures
):
    page = report(tmp_path / world, *changes)

    seen = visit(tmp_path, page)

    assert seen.requests == []
    assert seen.complaints == []
    assert drawn(seen.dom) == figures


@pytest.mark.parametrize(
    ("preferred", "shown", "hidden"),
    [(1, LIGHT, DARK), (0, DARK, LIGHT)],
    ids=["light", "dark"],
)
def test_figures_follow_the_colours_of_the_screen(tmp_path, preferred, shown, hidden):
    page = report(tmp_path / "sample")

    seen = visit(tmp_path, page, f"--blink-settings=preferredColorScheme={preferred}")

    fills = set(re.findall(r"fill: (rgb\([^)]*\))", seen.dom))
    assert as_rgb(shown.tiers["select"]) in fills
    assert as_rgb(hidden.tiers["select"]) not in fills


def test_what_a_source_planted_neither_runs_nor_reaches_the_network(tmp_path):
    planted = (
        f"<img src={TRACKER}><a href={TRACKER}>x</a>"
        "<script>document.title = 1 + 1 + ''taken''</script></script>"
    )
    page = report(
        tmp_path / "sample",
        f"update segments.user_tiers set rfm_segment = '{planted}' where is_at_risk",
        f"update audit.gate_results set why = '{planted}', owner = '{planted}'",
        f"update audit.runs set error = '{planted}', code_version = '{planted}'",
        f"update audit.stage_counts set table_name = '{planted}'",
    )

    seen = visit(tmp_path, page)

    assert seen.requests == []
    assert "2taken" not in seen.dom
    assert "<img" not in seen.dom
    assert f'href="{TRACKER}"' not in seen.dom
    assert drawn(seen.dom) == SIX_FIGURES


def drawn(dom: str) -> set[str]:
    """Ids of the places in which plotly drew something."""
    return set(re.findall(r'<div class="figure js-plotly-plot" id="([\w-]+)"', dom))


def as_rgb(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgb({red}, {green}, {blue})"
