"""What a snapshot of every user costs: 100,000 users, 20 million events, one year.

    python benchmarks/features.py [--quick]

The events are drawn as visits of one to seven events, by users of whom some come often
and most seldom, each known on its own morning after, and lie as they came, day by day;
beside them stand five orders a user. They are written into the published tables of a
home that has run a day of a small sample world, and dbt builds `features.feat_users` and
all that it stands on, and publishes that: the full snapshot from nothing, then the next
day after one more day of events. What the same takes on the small world is the fixed
cost of dbt and is taken off. The peer is the floor: one statement over the same events that computes recency, counts
and sums for five windows. Each in a process of its own, two threads. The exponent of
growth compares a tenth of both with the whole. `--quick` takes a tenth, and a hundredth
to compare with.
"""

import argparse
import json
import math
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import duckdb
from daily_run import project

DS = date(2026, 10, 31)
EVENTS_A_USER = 200
DAYS = 365
STANDING = ("int_batches_counted", "int_event_days_counted")
PUBLISHED = ("feat_users", *STANDING)
Figures = dict[str, float]

VISITS = """
with visits as (
    select i, hash(i) as who, hash(i + 7) as day, hash(i + 13) as what
    from range({first}, {last}) as t (i)
),
placed as (
    select
        i,
        what,
        cast(floor(power(who % 1000003 / 1000003.0, 1.6) * {users}) as integer) as usr,
        {day} as day_no,
        cast(day // 1000 % 50000 as bigint) as begins
    from visits
),
steps as (
    select placed.*, k, hash(i * 8 + k + 99) as of_step
    from placed, (select unnest(range(7)) as k)
    where k <= what // 64 % 7
)
insert into staging.events by name
select
    'bench:' || i || ':' || k as event_id,
    ['app', 'web', 'miniprogram'][1 + cast((usr * 7 + what % 2) % 3 as integer)]
        as system,
    'app_ios' as touchpoint,
    'accounts' as person_entity,
    'A' || (usr * 3 + what % 2) as person_key,
    ['login', 'product_view', 'product_view', 'product_view', 'page_view',
        'add_to_cart', 'share', 'message_read'][1 + cast(of_step // 16 % 8 as integer)]
        as event_type,
    timestamp '{begin} 16:00:00' + to_days(day_no)
        + to_seconds(begins + k * 400 + cast(of_step % 300 as bigint)) as event_at,
    timestamp '{begin} 17:30:00' + to_days(day_no + 1) as known_at,
    ['food', 'books', 'home', 'baby', null][1 + cast(of_step // 64 % 5 as integer)]
        as category,
    cast(of_step // 1024 % 300 as double) as duration_seconds
from steps
order by known_at
"""
ORDERS = """
insert into staging.orders by name
select
    'bench:' || i as order_id,
    'store' as system,
    'buyers' as person_entity,
    'B' || i % {users} as person_key,
    timestamp '{begin} 16:00:00' + to_days(cast(hash(i) % 365 as integer)) as ordered_at,
    ordered_at + interval 1 day as known_at,
    ordered_at + interval 1 day as head_known_at,
    'completed' as status,
    'CNY' as currency
from range({users} * 5) as t (i);
insert into staging.order_lines by name
select
    order_id,
    1 as line_no,
    ['food', 'books', 'home', 'baby'][1 + cast(hash(order_id) % 4 as integer)]
        as category,
    1 as quantity,
    hash(order_id) % 500 + 1 as unit_price,
    0 as discount_amount,
    0 as refund_amount,
    unit_price as net_amount,
    unit_price / 4 as margin_amount,
    ordered_at,
    system,
    currency,
    false as is_return,
    known_at
from staging.orders
where order_id like 'bench:%'
"""
MAP = """
insert into identity.id_map by name
select distinct
    system,
    entity,
    record_key,
    'u_' || md5(cast(usr as varchar)) as unified_user_id,
    date '2025-01-01' as effective_from,
    date '2025-01-01' as recorded_from
from (
    select
        system,
        person_entity as entity,
        person_key as record_key,
        cast(substr(person_key, 2) as integer) // 3 as usr
    from staging.events
    where event_id like 'bench:%'
    union all
    select
        system,
        person_entity,
        person_key,
        cast(substr(person_key, 2) as integer)
    from staging.orders
    where order_id like 'bench:%'
)
"""
WINDOWS = (7, 30, 90, 180, 365)
FLOOR = """
create table main.floor as
select
    owners.unified_user_id,
    max(events.event_at) as last_at,
    {windows}
from staging.events as events
inner join identity.id_map as owners
    on
        events.system = owners.system
        and events.person_entity = owners.entity
        and events.person_key = owners.record_key
group by owners.unified_user_id
"""
A_WINDOW = """
    count(case when events.event_at >= timestamp '{since}' then 1 end) as count_{days},
    sum(case when events.event_at >= timestamp '{since}' then duration_seconds end)
        as sum_{days}"""


def main() -> int:
    """Run the benchmark, print its figures as the last line; 1 where a check fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        what, root, users = asked.measure
        print(json.dumps(_MEASURES[what](Path(root), int(users))))
        return 0
    users = 10_000 if asked.quick else 100_000
    with tempfile.TemporaryDirectory() as folder:
        tenth = of_size(Path(folder) / "tenth", users // 10, with_floor=False)
        whole = of_size(Path(folder) / "whole", users, with_floor=True)
    return report(asked.quick, users, tenth, whole)


def of_size(folder: Path, users: int, *, with_floor: bool) -> dict[str, Figures]:
    """The figures of one world, measured over one home."""
    folder.mkdir()
    project(folder, 50)
    steps = ["a_small_day", "fixed", "written", "full", "next_day"]
    return {
        step: in_a_process(step, folder, users)
        for step in (*steps, *(["floor"] if with_floor else []))
    }


def in_a_process(step: str, folder: Path, users: int) -> Figures:
    done = subprocess.run(
        [sys.executable, __file__, "--measure", step, str(folder), str(users)],
        env={
            **os.environ,
            "STRATA_PROJECT": str(folder / "project"),
            "STRATA_HOME": str(folder / "home"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"{step}\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    print(f"{step}: {figures}", file=sys.stderr)
    return figures


def a_small_day(folder: Path, users: int) -> Figures:
    """A day of a small sample world, which makes every table there is."""
    from strata import pipeline
    from strata.tenant import Tenant

    pipeline.run_day(Tenant("sample"), DS - timedelta(days=1))
    return {}


def snapshot(ds: date, *, from_nothing: bool) -> Figures:
    """Build and publish the snapshot of a day; nothing else of the stage."""
    from strata import carried_counts, pipeline, runs, transform
    from strata.tenant import Tenant

    tenant = Tenant("sample")
    with runs.hold(tenant, "a benchmark"):
        run = runs.get_run(tenant, pipeline.start(tenant, ds))
        specs = [
            spec
            for spec in transform.table_specs(tenant, "features")
            if spec.name in PUBLISHED
        ]
        if from_nothing:
            with tenant.warehouse.connection("forget what was counted") as con:
                for spec in specs:
                    con.execute(f"delete from {spec.published}")
        before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        tenant.warehouse.start_build("features")
        with tenant.warehouse.connection("look at what earlier runs counted") as con:
            carried_counts.prepare(con, tenant, run, "features")
        transform.build(tenant, "features", snapshots_only=True)
        tenant.warehouse.promote("features", run, specs)
        after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {
        "cpu_s": round(cpu, 2),
        "wall_s": round(time.perf_counter() - started, 2),
        "peak_mb": round(after.ru_maxrss / 1024),
    }


def fixed(folder: Path, users: int) -> Figures:
    return snapshot(DS, from_nothing=True)


def full(folder: Path, users: int) -> Figures:
    return snapshot(DS, from_nothing=True)


def next_day(folder: Path, users: int) -> Figures:
    """After one more day of events."""
    visits = users * EVENTS_A_USER // 4
    with connected(folder) as con:
        con.execute(
            VISITS.format(
                first=visits,
                last=visits + visits // DAYS,
                users=users,
                day=f"{DAYS}::integer",
                begin=DS - timedelta(days=DAYS),
            )
        )
    return snapshot(DS + timedelta(days=1), from_nothing=False)


def written(folder: Path, users: int) -> Figures:
    """The events of the year, in the place of the small world's."""
    visits = users * EVENTS_A_USER // 4
    begin = DS - timedelta(days=DAYS)
    with connected(folder) as con:
        for table in ("events", "orders", "order_lines"):
            con.execute(f"delete from staging.{table}")
        con.execute("delete from identity.id_map")
        con.execute(
            VISITS.format(
                first=0,
                last=visits,
                users=users,
                day="cast(power(day % 1000003 / 1000003.0, 0.9) * 364 as integer)",
                begin=begin,
            )
        )
        con.execute(ORDERS.format(users=users, begin=begin))
        con.execute(MAP)
        row = con.execute(
            "select count(*), (select count(distinct unified_user_id)"
            " from identity.id_map) from staging.events"
        ).fetchone()
    assert row is not None
    return {"events": row[0], "users": row[1]}


def floor(folder: Path, users: int) -> Figures:
    """One pass over the events, as an analyst would write it by hand."""
    windows = ",".join(
        A_WINDOW.format(since=f"{DS - timedelta(days=days)} 16:00:00", days=days)
        for days in WINDOWS
    )
    with connected(folder) as con:
        before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        con.execute(FLOOR.format(windows=windows))
        after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {
        "cpu_s": round(cpu, 2),
        "wall_s": round(time.perf_counter() - started, 2),
        "peak_mb": round(after.ru_maxrss / 1024),
    }


def connected(folder: Path) -> duckdb.DuckDBPyConnection:
    path = folder / "home" / "sample" / "warehouse" / "strata.duckdb"
    return duckdb.connect(str(path), config={"threads": 2, "memory_limit": "4GB"})


_MEASURES = {
    measure.__name__: measure
    for measure in (a_small_day, fixed, written, full, next_day, floor)
}


def report(
    quick: bool, users: int, tenth: dict[str, Figures], whole: dict[str, Figures]
) -> int:
    """Print the figures and judge them."""

    def net(world: dict[str, Figures], step: str) -> float:
        return world[step]["cpu_s"] - world["fixed"]["cpu_s"]

    full_cpu, next_cpu = net(whole, "full"), net(whole, "next_day")
    exponent = math.log10(full_cpu / max(net(tenth, "full"), 0.01))
    peak = max(whole["full"]["peak_mb"], whole["next_day"]["peak_mb"])
    ours = {
        "full_cpu_s": round(full_cpu, 2),
        "next_day_cpu_s": round(next_cpu, 2),
        "fixed_cpu_s": whole["fixed"]["cpu_s"],
        "full_wall_s": whole["full"]["wall_s"],
        "next_day_wall_s": whole["next_day"]["wall_s"],
        "peak_mb": peak,
        "growth_exponent": round(exponent, 3),
    }
    peer = whole["floor"]
    checks = {
        f"full snapshot of {users:,} users, in floors": at_most(
            full_cpu / peer["cpu_s"], 10
        ),
        "the next day, as a share of the full snapshot": at_most(
            next_cpu / full_cpu, 0.15
        ),
        "peak memory in MB": at_most(peak, 4096),
        "exponent of growth": at_most(exponent, 1.05),
    }
    print(
        json.dumps(
            {
                "name": "features",
                "quick": quick,
                "machine": f"{os.cpu_count()} cores, {platform.machine()}",
                "ours": ours,
                "peer": peer,
                "ratio": {"cpu_s": round(full_cpu / peer["cpu_s"], 3)},
                "checks": checks,
            }
        )
    )
    return 0 if all(check["holds"] for check in checks.values()) else 1


def at_most(value: float, bar: float) -> dict[str, float | bool]:
    return {"value": round(value, 3), "bar": bar, "holds": value <= bar}


if __name__ == "__main__":
    sys.exit(main())
