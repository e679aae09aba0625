"""Lifetime value: published estimates, future value captured, and what a fit costs.

    python benchmarks/clv.py [--quick]

Needs the folder of real data (STRATA_SHARED_DATA, by default ../shared/data). The
peers are plain methods on the same data: a customer's own rate going on, and the
RFM value rank. `--quick` leaves out Online Retail II and costs 100,000 customers
instead of a million.
"""

import argparse
import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from strata.config.loader import read_yaml
from strata.config.tiers import TiersConfig
from strata.scoring.purchases import (
    collapse,
    expected_purchases,
    fit_bgnbd,
    fit_mbgnbd,
    fit_purchases,
)
from strata.scoring.rfm import rfm
from strata.scoring.spend import expected_spend, fit_gamma_gamma
from strata.scoring.value import value

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("STRATA_SHARED_DATA", ROOT.parent / "shared/data"))
RULES = read_yaml(ROOT / "config/tiers.yml", TiersConfig)
Floats = NDArray[np.float64]
Check = dict[str, Any]


def main() -> int:
    """Run the benchmark, print its figures as the last line; 1 where a check fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    ours: dict[str, float] = {}
    peer: dict[str, float] = {}
    checks: dict[str, Check] = {}
    cdnow(ours, peer, checks)
    if not quick:
        online_retail(ours, peer, checks)
    costs(100_000 if quick else 1_000_000, ours, checks)
    ratio = {name: ours[name] / figure for name, figure in peer.items()}
    print(
        json.dumps(
            {
                "name": "clv",
                "quick": quick,
                "machine": f"{platform.machine()}, {os.cpu_count()} cores",
                "ours": rounded(ours),
                "peer": rounded(peer),
                "ratio": rounded(ratio),
                "checks": checks,
            }
        )
    )
    return 0 if all(check["holds"] for check in checks.values()) else 1


def cdnow(
    ours: dict[str, float], peer: dict[str, float], checks: dict[str, Check]
) -> None:
    """The 1-in-10 sample: fit on weeks 1 to 39, forecast weeks 40 to 78."""
    names = ["master_id", "customer", "day", "cds", "spend"]
    path = SHARED / "cdnow/CDNOW_sample.txt"
    rows = pd.read_csv(path, sep=r"\s+", header=None, names=names)
    rows["day"] = pd.to_datetime(rows["day"].astype(str))
    days = rows.groupby(["customer", "day"])["spend"].sum().reset_index()
    past, future = split(days, pd.Timestamp("1997-09-30"), least=0.0)
    days_later = future.groupby("customer")["day"].count()
    bought = days_later.reindex(past.index, fill_value=0).to_numpy()
    history = (past["clv_x"], past["clv_t_x"], past["clv_T"])
    paper = fit_bgnbd(*history)
    modified = fit_mbgnbd(*history)
    repeats = past[(past["clv_x"] > 0) & (past["clv_mean_spend"] > 0)]
    spend = fit_gamma_gamma(repeats["clv_x"], repeats["clv_mean_spend"])

    bgnbd, money = paper.model, spend.model
    found = [round(v, 3) for v in (bgnbd.r, bgnbd.alpha, bgnbd.a, bgnbd.b)]
    equal(checks, "BG/NBD r, alpha, a, b", found, [0.243, 4.414, 0.793, 2.426])
    equal(checks, "BG/NBD log-likelihood", round(paper.log_likelihood, 1), -9582.4)
    found = [round(v, 2) for v in (money.p, money.q, money.gamma)]
    equal(checks, "Gamma-Gamma p, q, gamma", found, [6.25, 3.74, 15.44])
    for name, fit, bar in (
        ("bgnbd_mae", paper, 0.7855),
        ("mbgnbd_mae", modified, 0.7648),
    ):
        forecast = expected_purchases(fit.model, *history, [39.0])[:, 0]
        ours[name] = float(np.abs(forecast - bought).mean())
        equal(checks, f"hold-out {name}", round(ours[name], 4), bar)
    rate = np.where(past["clv_T"] > 0, past["clv_x"] / past["clv_T"], 0.0)
    peer["mbgnbd_mae"] = float(np.abs(rate * 39 - bought).mean())


def online_retail(
    ours: dict[str, float], peer: dict[str, float], checks: dict[str, Check]
) -> None:
    """Online Retail II: who of the past is worth most in the last six months."""
    days = retail_days()
    past, future = split(days, days["day"].max() - pd.Timedelta(days=183), least=0.01)
    spent = future.groupby("customer")["spend"].sum().reindex(past.index, fill_value=0)
    worth = np.maximum(spent.to_numpy(dtype=float), 0.0)
    history = (past["clv_x"], past["clv_t_x"], past["clv_T"])
    repeats = past[(past["clv_x"] > 0) & (past["clv_mean_spend"] > 0)]
    purchases = fit_purchases(RULES.clv.purchase_model, collapse(*history))
    spend = fit_gamma_gamma(repeats["clv_x"], repeats["clv_mean_spend"])
    forecast = expected_purchases(purchases.model, *history, [26.0])[:, 0]
    forecast = forecast * expected_spend(
        spend.model, past["clv_x"], past["clv_mean_spend"]
    )
    for figures, ranking in (
        (ours, forecast),
        (peer, value(past, rfm(past, RULES.rfm), RULES).rank),
    ):
        for share in (0.03, 0.10, 0.20):
            name = f"retail_capture_top_{round(share * 100)}"
            figures[name] = captured(ranking, worth, share)
        figures["retail_gini"] = gini(ranking, worth) / gini(worth, worth)
    for name, bar in (
        ("retail_capture_top_3", 0.446),
        ("retail_capture_top_10", 0.631),
        ("retail_capture_top_20", 0.760),
        ("retail_gini", 0.858),
    ):
        at_least(checks, f"{name} of BG/NBD x Gamma-Gamma", ours[name], bar - 0.002)


def costs(customers: int, ours: dict[str, float], checks: dict[str, Check]) -> None:
    """CPU seconds for made-up customers: fit both models, value each customer."""
    x, t_x, known, mean = made_up(customers)
    repeats = x > 0
    ours["collapse_cpu_s"], histories = timed(lambda: collapse(x, t_x, known))
    ours["purchases_cpu_s"], fit = timed(lambda: fit_purchases("mbgnbd", histories))
    ours["spend_cpu_s"], spend = timed(
        lambda: fit_gamma_gamma(x[repeats], mean[repeats])
    )
    horizons = [13.0, 26.0, 39.0, 52.0]
    ours["forecast_cpu_s"], _ = timed(
        lambda: (
            expected_purchases(fit.model, x, t_x, known, horizons),
            expected_spend(spend.model, x, mean),
        )
    )
    spent = sum(figure for name, figure in ours.items() if name.endswith("_cpu_s"))
    ours["all_cpu_s"] = spent
    checks[f"CPU seconds for {customers:,} customers"] = {
        "value": round(spent, 2),
        "bar": 6.0,
        "holds": spent <= 6.0,
    }
    ours["customers"], ours["histories"] = customers, histories.weight.size
    equal(checks, "both fits converged", [fit.converged, spend.converged], [True] * 2)


def made_up(customers: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Two years of days drawn from MBG/NBD and Gamma-Gamma, seeded."""
    chance = np.random.default_rng(1)
    wait = 8 * 7 / chance.gamma(0.6, 1.0, customers)
    lost = chance.beta(0.8, 2.5, customers)
    known = chance.integers(2, 730, customers).astype(float)
    x, last, at = np.zeros((3, customers))
    alive = np.flatnonzero(chance.random(customers) > lost)
    while alive.size:
        at[alive] += np.ceil(chance.exponential(wait[alive]))
        alive = alive[at[alive] <= known[alive]]
        x[alive] += 1
        last[alive] = at[alive]
        alive = alive[chance.random(alive.size) > lost[alive]]
    shape = 6 * np.maximum(x, 1)
    mean = chance.gamma(shape) / shape * 60 / chance.gamma(4.0, 1.0, customers)
    return x, last / 7, known / 7, np.where(x > 0, mean, np.nan)


def split(
    days: pd.DataFrame, end: pd.Timestamp, least: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The features of customers up to ``end``, and the days of spend after it.

    Days with a spend of ``least`` count as orders; the paper counts free CDs too.
    """
    seen, later = days[days["day"] <= end], days[days["day"] > end]
    bought = seen[seen["spend"] >= least]
    first = bought.groupby("customer")["day"].min()
    last = bought.groupby("customer")["day"].max()
    recent = bought[bought["day"] > end - pd.Timedelta(days=365)]
    repeat = bought[bought["day"] > bought["customer"].map(first)]
    count = bought.groupby("customer").size()
    past = pd.DataFrame(
        {
            "clv_x": count - 1.0,
            "clv_t_x": (last - first).dt.days / 7,
            "clv_T": (end - first).dt.days / 7,
            "clv_mean_spend": repeat.groupby("customer")["spend"].mean(),
            "recency_days": (end - last).dt.days,
            "order_count_total": count,
            "order_count_365d": recent.groupby("customer").size(),
            "net_amount_365d": recent.groupby("customer")["spend"].sum(),
        },
        index=first.index,
    )
    unused = dict.fromkeys(
        ("active_days_90d", "event_count_90d", "days_since_active"), np.nan
    )
    return past.assign(**unused), later


def retail_days() -> pd.DataFrame:
    """Net spend of each customer on each day; the days both files share count once."""
    lines = """
        select
            "CustomerID"::double::bigint as customer,
            "InvoiceDate"::timestamp as invoiced_at,
            "Quantity"::double * "UnitPrice"::double as spend
        from {file}
    """
    folder = SHARED / "online_retail"
    older = lines.format(file=f"'{folder}/year_2009_2010.parquet'")
    newer = lines.format(
        file=f"read_csv('{folder}/year_2010_2011.csv.gz', all_varchar = true)"
    )
    with duckdb.connect() as con:
        days = con.execute(
            f"""
            with older as ({older}), newer as ({newer}),
            both_years as (
                select * from older
                union all
                select * from newer
                where invoiced_at > (select max(invoiced_at) from older)
            )
            select customer, invoiced_at::date as day, sum(spend) as spend
            from both_years
            where customer is not null
            group by all
            order by all
            """
        ).df()
    return days.assign(day=pd.to_datetime(days["day"]))


def captured(ranking: Floats, worth: Floats, share: float) -> float:
    """Share of the worth that the top ``share`` of a ranking holds."""
    first = np.argsort(-ranking, kind="stable")[: math.ceil(share * worth.size)]
    return float(worth[first].sum() / worth.sum())


def gini(ranking: Floats, worth: Floats) -> float:
    """Area between the curve of captured worth and the diagonal, a mean a customer."""
    curve = np.cumsum(worth[np.argsort(-ranking, kind="stable")]) / worth.sum()
    return float(np.mean(curve - np.arange(1, worth.size + 1) / worth.size))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of this process for ``work``, and what it gave."""
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def equal(checks: dict[str, Check], text: str, found: Any, bar: Any) -> None:
    """Check that a figure is the published one."""
    checks[text] = {"value": found, "bar": bar, "holds": found == bar}


def at_least(checks: dict[str, Check], text: str, found: float, bar: float) -> None:
    """Check that a figure reaches a bar."""
    checks[text] = {"value": round(found, 4), "bar": bar, "holds": found >= bar}


def rounded(figures: dict[str, float]) -> dict[str, float]:
    """Figures to four digits behind the point."""
    return {name: round(figure, 4) for name, figure in figures.items()}


if __name__ == "__main__":
    sys.exit(main())
