"""The segments stage on a warehouse: what it reads, what it writes, what it keeps."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from strata.config.loader import read_yaml
from strata.config.playbooks import PlaybooksConfig
from strata.config.tiers import TIERS, TiersConfig
from strata.registry import AlteredModelError
from strata.run import Run
from strata.scoring import SegmentCounts, score

CONFIG = Path(__file__).parents[2] / "config"
RULES = read_yaml(CONFIG / "tiers.yml", TiersConfig)
PLAYS = read_yaml(CONFIG / "playbooks.yml", PlaybooksConfig)
DAY = date(2026, 10, 31)

COLUMNS = {
    "build_segments.scores": {
        "unified_user_id": "VARCHAR",
        "ds": "DATE",
        "score_name": "VARCHAR",
        "value": "DOUBLE",
        "percentile": "DOUBLE",
        "model_version": "VARCHAR",
        "_run_id": "VARCHAR",
    },
    "build_segments.user_tiers": {
        "unified_user_id": "VARCHAR",
        "ds": "DATE",
        "tier": "VARCHAR",
        "rfm_segment": "VARCHAR",
        "lifecycle": "VARCHAR",
        "is_dormant": "BOOLEAN",
        "is_at_risk": "BOOLEAN",
        "is_value_alarm": "BOOLEAN",
        "value_rank": "DOUBLE",
        "previous_tier": "VARCHAR",
        "valid_from": "DATE",
        "next_action": "VARCHAR",
        "next_action_mode": "VARCHAR",
        "rules_version": "VARCHAR",
        "_run_id": "VARCHAR",
    },
    "build_segments.reasons": {
        "unified_user_id": "VARCHAR",
        "ds": "DATE",
        "rank": "INTEGER",
        "feature": "VARCHAR",
        "contribution": "DOUBLE",
        "text_key": "VARCHAR",
        "text": "VARCHAR",
        "_run_id": "VARCHAR",
    },
    "build_models.registry": {
        "model": "VARCHAR",
        "version": "VARCHAR",
        "trained_through": "DATE",
        "card": "VARCHAR",
        "artefact": "VARCHAR",
        "artefact_hash": "VARCHAR",
        "status": "VARCHAR",
        "_run_id": "VARCHAR",
    },
}


def features(ds: date, users: int = 300, seed: int = 4) -> pd.DataFrame:
    """A day's feat_users: two thirds buy, nine in ten let themselves be profiled."""
    chance = np.random.default_rng(seed)
    buys = chance.random(users) < 0.66
    known = chance.integers(10, 360, users)
    repeats = np.minimum(np.floor(chance.gamma(0.6, 4.0, users)), known - 1)
    last = np.where(repeats > 0, np.ceil(known * chance.uniform(0.1, 1, users)), 0)
    last = np.maximum(last, repeats)
    money = np.round(chance.gamma(3.0, 30.0, users), 2)

    def of_buyers(values: np.ndarray) -> np.ndarray:
        return np.where(buys, values, np.nan)

    return pd.DataFrame(
        {
            "unified_user_id": [f"u_{i:024}" for i in range(users)],
            "ds": ds,
            "consent_profiling": chance.random(users) < 0.9,
            "consent_marketing": chance.random(users) < 0.8,
            "recency_days": of_buyers(known - last),
            "days_since_active": np.minimum(
                chance.integers(0, 90, users), known - last
            ),
            "order_count_365d": np.where(buys, repeats + 1, 0),
            "net_amount_365d": np.where(buys, money * (repeats + 1), 0),
            "order_count_total": np.where(buys, repeats + 1, 0),
            "avg_order_value_365d": of_buyers(money),
            "median_gap_days": chance.uniform(1, 40, users),
            "active_days_90d": chance.integers(0, 40, users),
            "active_days_prior_90d": chance.integers(0, 40, users),
            "event_count_90d": chance.integers(0, 300, users),
            "margin_rate_365d": of_buyers(chance.uniform(0.1, 0.5, users)),
            "clv_x": of_buyers(repeats),
            "clv_t_x": of_buyers(last / 7),
            "clv_T": of_buyers(known / 7),
            "clv_mean_spend": np.where(buys & (repeats > 0), money, np.nan),
            "tenure_days": known,
        }
    )


@pytest.fixture
def con():
    with duckdb.connect() as connection:
        connection.execute("create schema features")
        yield connection


def publish_features(con: duckdb.DuckDBPyConnection, *days: pd.DataFrame) -> None:
    everything = pd.concat(days)
    con.register("incoming", everything)
    con.execute("create or replace table features.feat_users as from incoming")
    con.unregister("incoming")


def run_of(ds: date, attempt: int = 1) -> Run:
    return Run(f"{ds}.{attempt}", ds, "test", Path("none"), "Asia/Shanghai")


def stage(con: duckdb.DuckDBPyConnection, ds: date = DAY, rules=RULES) -> SegmentCounts:
    """Into an empty build, as a run begins it."""
    for schema in ("build_segments", "build_models"):
        con.execute(f"drop schema if exists {schema} cascade")
    return score(con, run_of(ds), rules, PLAYS)


def publish_segments(con: duckdb.DuckDBPyConnection) -> None:
    """What promotion does: this day's rows, and models by their key."""
    con.execute("create schema if not exists segments")
    con.execute("create schema if not exists models")
    for table in ("segments.user_tiers", "models.registry"):
        con.execute(
            f"create table if not exists {table} as from build_{table} limit 0;"
            f"insert into {table} from build_{table}"
        )


def rows(con: duckdb.DuckDBPyConnection, query: str) -> list[tuple]:
    return con.execute(query).fetchall()


def content(con: duckdb.DuckDBPyConnection) -> dict[str, list[tuple]]:
    """Every row written to build_segments, in an order of its own."""
    return {
        table: rows(con, f"select * exclude _run_id from {table} order by all")
        for table in COLUMNS
        if table.startswith("build_segments")
    }


def test_tables_have_the_columns_agreed_on(con) -> None:
    publish_features(con, features(DAY))
    stage(con)

    for table, columns in COLUMNS.items():
        described = rows(con, f"describe {table}")
        assert {name: kind for name, kind, *_ in described} == columns, table


def test_who_has_not_consented_to_profiling_appears_nowhere(con) -> None:
    table = features(DAY)
    publish_features(con, table)
    counts = stage(con)

    consented = set(table.loc[table["consent_profiling"], "unified_user_id"])
    for written in ("user_tiers", "scores", "reasons"):
        ids = f"select distinct unified_user_id from build_segments.{written}"
        assert {user for (user,) in rows(con, ids)} == consented, written
    assert (counts.users, counts.tiered) == (300, len(consented))
    assert counts.without_consent == 300 - len(consented)
    assert sum(counts.tiers.values()) == len(consented)
    assert tuple(counts.tiers) == TIERS
    assert rows(con, "select count(*) from build_segments.user_tiers") == [
        (len(consented),)
    ]
    per_user = (
        "select count(*) as n from build_segments.reasons group by unified_user_id"
    )
    assert rows(con, f"select distinct n from ({per_user})") == [(3,)]


def test_the_histories_of_others_do_not_train_the_model(con) -> None:
    table = features(DAY)
    publish_features(con, table)
    version = stage(con).clv_version
    publish_features(con, table[table["consent_profiling"]])
    assert stage(con).clv_version == version


def test_a_rerun_gives_the_same_rows_whatever_the_order(con) -> None:
    table = features(DAY)
    publish_features(con, table)
    stage(con)
    first = content(con)
    publish_features(con, table.sample(frac=1, random_state=8))
    stage(con)
    assert content(con) == first, "fitted anew"

    publish_segments(con)
    again = stage(con)
    assert content(con) == first, "with the model of the same day"
    assert again.models_fitted == 0


def test_nothing_later_than_the_day_is_read(con) -> None:
    later = DAY + timedelta(days=1)
    publish_features(con, features(DAY))
    stage(con)
    alone = content(con)
    publish_features(con, features(DAY), features(later, seed=5))
    stage(con, later)
    publish_segments(con)
    counts = stage(con, DAY)

    assert content(con) == alone
    assert counts.models_fitted == 1, "a model that has seen later days is not used"


def test_a_model_is_used_until_it_is_older_than_the_rules_say(con) -> None:
    days = [DAY, DAY + timedelta(days=30), DAY + timedelta(days=31)]
    publish_features(con, *(features(day, seed=4 + i) for i, day in enumerate(days)))
    versions = []
    for day in days:
        counts = stage(con, day)
        publish_segments(con)
        versions.append((counts.models_fitted, counts.clv_version[:21]))

    assert versions == [
        (1, "clv_mbgnbd-2026-10-31"),
        (0, "clv_mbgnbd-2026-10-31"),
        (1, "clv_mbgnbd-2026-12-01"),
    ]
    assert rows(con, "select count(distinct version) from models.registry") == [(2,)]


def test_another_kind_of_model_is_fitted_anew(con) -> None:
    publish_features(con, features(DAY))
    stage(con)
    publish_segments(con)
    other = RULES.model_copy(
        update={"clv": RULES.clv.model_copy(update={"purchase_model": "bgnbd"})}
    )
    assert stage(con, rules=other).clv_version.startswith("clv_bgnbd-2026-10-31-")


def test_without_convergence_the_run_goes_on_and_says_so(con) -> None:
    publish_features(con, features(DAY))
    hasty = RULES.model_copy(
        update={"clv": RULES.clv.model_copy(update={"max_iterations": 1})}
    )
    counts = stage(con, rules=hasty)

    assert (counts.clv_status, counts.clv_scored) == ("not_converged", 0)
    assert counts.clv_histories > 0
    found = rows(
        con,
        "select score_name, count(value), count(*), any_value(model_version)"
        " from build_segments.scores where score_name like 'clv%' group by 1 order by 1",
    )
    assert found == [
        ("clv_365d", 0, counts.clv_histories, counts.clv_version),
        ("clv_90d", 0, counts.clv_histories, counts.clv_version),
    ]
    recorded = rows(con, "select version, status, artefact from build_models.registry")
    assert recorded == [(counts.clv_version, "not_converged", "{}")]
    assert sum(counts.tiers.values()) == counts.tiered

    publish_segments(con)
    assert stage(con).clv_status == "converged", "what failed is not used again"


def test_an_altered_model_stops_the_run(con) -> None:
    publish_features(con, features(DAY))
    stage(con)
    publish_segments(con)
    con.execute("update models.registry set artefact = replace(artefact, '0.', '1.')")

    with pytest.raises(AlteredModelError, match="does not match its hash"):
        stage(con)


def test_tiers_of_the_day_before_are_remembered(con) -> None:
    next_day = DAY + timedelta(days=1)
    today = features(DAY)
    publish_features(con, today, features(next_day, seed=9))
    stage(con)
    publish_segments(con)
    before = dict(rows(con, "select unified_user_id, tier from segments.user_tiers"))
    stage(con, next_day)

    moved = 0
    for user, tier, previous, valid_from in rows(
        con,
        "select unified_user_id, tier, previous_tier, valid_from"
        " from build_segments.user_tiers",
    ):
        assert previous == before.get(user)
        assert valid_from == (DAY if tier == previous else next_day)
        moved += tier != previous
    assert moved > 0


@pytest.mark.parametrize(
    ("days_after", "lifecycle"),
    [
        ([1, 15, 30, 31, 33], ["won_back", "won_back", "won_back", "mature", "mature"]),
        ([45, 46], ["won_back", "mature"]),
    ],
    ids=["for 30 days from the last day asleep", "however long no run was made"],
)
def test_a_return_is_remembered(
    con, days_after: list[int], lifecycle: list[str]
) -> None:
    """Asleep on the first day; then active shortly before each run."""
    asleep = features(DAY, users=80).assign(
        consent_profiling=True,
        days_since_active=100.0,
        recency_days=100.0,
        active_days_90d=0,
        active_days_prior_90d=9,
    )
    awake = asleep.assign(days_since_active=1.0)
    days = [DAY + timedelta(days=after) for after in days_after]
    publish_features(con, asleep, *(awake.assign(ds=day) for day in days))
    seen = []
    for day in [DAY, *days]:
        stage(con, day)
        publish_segments(con)
        query = "select distinct lifecycle from build_segments.user_tiers"
        seen += [name for (name,) in rows(con, query)]

    assert seen == ["dormant", *lifecycle]


def test_a_day_without_users_writes_empty_tables(con) -> None:
    publish_features(con, features(DAY))
    counts = stage(con, DAY - timedelta(days=1))

    assert counts == replace(
        counts, users=0, tiered=0, tiers=dict.fromkeys(TIERS, 0), scores=0, reasons=0
    )
    assert counts.clv_status == "too_few_customers"
    assert rows(con, "select count(*) from build_segments.user_tiers") == [(0,)]


def test_a_row_names_the_rules_behind_it(con) -> None:
    publish_features(con, features(DAY, users=20))
    other_cut = RULES.model_copy(
        update={"cuts": RULES.cuts.model_copy(update={"select_share": 0.05})}
    )
    other_play = PLAYS.model_copy(update={"version": "2"})
    seen = []
    for rules, plays in ((RULES, PLAYS), (other_cut, PLAYS), (RULES, other_play)):
        score(con, run_of(DAY), rules, plays)
        query = "select distinct rules_version from build_segments.user_tiers"
        seen += [version for (version,) in rows(con, query)]

    assert len(set(seen)) == 3
    assert all(version.startswith(f"{RULES.version}-") for version in seen)
