"""The segments stage: from a day's features to scores, tiers and reasons."""

import hashlib
from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from strata.config.playbooks import PlaybooksConfig
from strata.config.tiers import TIERS, TiersConfig
from strata.registry import StoredModel, newest_model, write_models
from strata.run import Run
from strata.scoring.clv import FittedClv, fit_clv, model_name, use
from strata.scoring.published import count_users, read_users
from strata.scoring.reasons import reasons
from strata.scoring.scores import SCORES
from strata.scoring.snapshot import Snapshot
from strata.scoring.tiers import assign_tiers

_INCOMING = "scoring_incoming"


@dataclass(frozen=True)
class SegmentCounts:
    """What the stage read and wrote; nothing in it is about a single user.

    ``users`` are rows of feat_users for the day, ``tiered`` those of them with
    consent to be profiled. ``clv_scored`` of the ``clv_histories`` users with a
    history of purchases got a lifetime value; all or none, by ``clv_status``.
    """

    users: int
    tiered: int
    tiers: dict[str, int]
    scores: int
    reasons: int
    models_fitted: int
    clv_version: str
    clv_status: str
    clv_histories: int
    clv_scored: int

    @property
    def without_consent(self) -> int:
        """Users who are left out because they do not let themselves be profiled."""
        return self.users - self.tiered


def score(
    con: duckdb.DuckDBPyConnection,
    run: Run,
    tiers: TiersConfig,
    playbooks: PlaybooksConfig,
) -> SegmentCounts:
    """Score the users of ``run.ds`` into ``build_segments`` and ``build_models``.

    Reads features.feat_users of the day, and tiers of earlier days and the registry of
    models as far as a run of that day may know them: published, or built by this run
    for its earlier days. The same content gives the same rows, however often it is done and in
    whatever order the rows lie.
    """
    users = read_users(con, run.ds, tiers.activity.won_back_days)
    clv, fitted = _clv(con, run, users, tiers)
    snapshot = Snapshot(run.ds, users, tiers, clv)
    con.execute("create schema if not exists build_segments")
    write_models(con, run, fitted)
    scores = _write_scores(con, run, snapshot)
    assigned = assign_tiers(snapshot, playbooks)
    _write_tiers(con, run, assigned, rules_version(tiers, playbooks))
    sizes = assigned["tier"].value_counts()
    return SegmentCounts(
        users=count_users(con, run.ds),
        tiered=len(users),
        tiers={tier: int(sizes.get(tier, 0)) for tier in TIERS},
        scores=sum(rows for rows, _ in scores.values()),
        reasons=_write_reasons(con, run, snapshot),
        models_fitted=len(fitted),
        clv_version=clv.version,
        clv_status=clv.status,
        clv_histories=scores["clv_365d"][0],
        clv_scored=scores["clv_365d"][1],
    )


def rules_version(tiers: TiersConfig, playbooks: PlaybooksConfig) -> str:
    """The version a person gave the tiers, and a hash of all rules behind a row."""
    both = f"{tiers.fingerprint} {playbooks.fingerprint}"
    return f"{tiers.version}-{hashlib.sha256(both.encode()).hexdigest()[:8]}"


def _clv(
    con: duckdb.DuckDBPyConnection, run: Run, users: pd.DataFrame, tiers: TiersConfig
) -> tuple[FittedClv, list[StoredModel]]:
    """The model to use, and what had to be fitted for it."""
    rules = tiers.clv
    stored = newest_model(con, model_name(rules), run.ds, rules.refit_days)
    if stored is not None:
        return use(stored), []
    fresh = fit_clv(users, rules, run.ds)
    return use(fresh), [fresh]


def _write_scores(
    con: duckdb.DuckDBPyConnection, run: Run, snapshot: Snapshot
) -> dict[str, tuple[int, int]]:
    """Write the scores; how many rows each has, and how many of them a value."""
    con.execute(
        """
        create table if not exists build_segments.scores (
            unified_user_id varchar, ds date, score_name varchar, value double,
            percentile double, model_version varchar, _run_id varchar
        )
        """
    )
    ids = pa.array(snapshot.users["unified_user_id"], pa.string())
    parts, written = [], {}
    for item in SCORES:
        scored = item.function(snapshot)
        values = scored.values[scored.has]
        columns = {
            "unified_user_id": ids.filter(pa.array(scored.has)),
            "score_name": pa.repeat(item.name, values.size),
            "value": pa.array(values, pa.float64(), from_pandas=True),
            "percentile": pa.array(
                scored.percentiles[scored.has], pa.float64(), from_pandas=True
            ),
            "model_version": pa.repeat(item.version(snapshot), values.size),
        }
        parts.append(pa.table(columns))
        written[item.name] = (values.size, int(np.sum(~np.isnan(values))))
    _write(con, run, "scores", pa.concat_tables(parts))
    return written


def _write_tiers(
    con: duckdb.DuckDBPyConnection, run: Run, assigned: pd.DataFrame, version: str
) -> None:
    con.execute(
        """
        create table if not exists build_segments.user_tiers (
            unified_user_id varchar, ds date, tier varchar, rfm_segment varchar,
            lifecycle varchar, is_dormant boolean, is_at_risk boolean,
            is_value_alarm boolean, value_rank double, previous_tier varchar,
            valid_from date, next_action varchar, next_action_mode varchar,
            rules_version varchar, _run_id varchar
        )
        """
    )
    columns = {
        name: pa.array(assigned[name], from_pandas=True) for name in assigned.columns
    }
    columns["rules_version"] = pa.repeat(version, len(assigned))
    _write(con, run, "user_tiers", pa.table(columns))


def _write_reasons(con: duckdb.DuckDBPyConnection, run: Run, snapshot: Snapshot) -> int:
    con.execute(
        """
        create table if not exists build_segments.reasons (
            unified_user_id varchar, ds date, rank integer, feature varchar,
            contribution double, text_key varchar, text varchar, _run_id varchar
        )
        """
    )
    ids = pa.array(snapshot.users["unified_user_id"], pa.string())
    written = pa.concat_tables(
        pa.table(
            {
                "unified_user_id": ids,
                "rank": pa.repeat(reason.rank, len(ids)),
                "feature": pa.array(reason.feature, pa.string()),
                "contribution": pa.array(reason.contribution),
                "text_key": pa.array(reason.text_key, pa.string()),
                "text": pa.array(reason.text, pa.string()),
            }
        )
        for reason in reasons(snapshot.value)
    )
    _write(con, run, "reasons", written)
    return int(written.num_rows)


def _write(
    con: duckdb.DuckDBPyConnection, run: Run, table: str, rows: pa.Table
) -> None:
    """Let ``rows`` stand for what ``build_segments`` has of the day; by column name.

    Each statement costs the engine some milliseconds, so a day is one of them.
    """
    con.register(_INCOMING, rows)
    try:
        con.execute(f"delete from build_segments.{table} where ds = ?", [run.ds])
        con.execute(
            f"insert into build_segments.{table} by name"
            f" select *, ?::date as ds, ? as _run_id from {_INCOMING}",
            [run.ds, run.run_id],
        )
    finally:
        con.unregister(_INCOMING)
