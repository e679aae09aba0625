"""The mood and the topics of every text, for the days of a run.

What leaves here are scores by the key of a text, never a text.
"""

from collections.abc import Sequence
from datetime import date

import duckdb
import pyarrow as pa

from strata.config.text import TextConfig
from strata.registry import (
    CONVERGED,
    StoredModel,
    earlier,
    newest_model,
    put_in_force,
    write_models,
)
from strata.run import Run
from strata.text.judge import Judge
from strata.text.learning import NAME, STATUSES, fit
from strata.text.model import SentimentModel

_INCOMING = "text_incoming"
_TEXTS = """
    select
        feedback.kind as source, feedback.feedback_id as text_key, feedback.system,
        feedback.person_entity, feedback.person_key, feedback.answered_at as written_at,
        feedback.known_at, texts.text
    from pii.feedback_texts as texts
    inner join staging.feedback as feedback on texts.feedback_id = feedback.feedback_id
    union all
    select
        'ticket', tickets.ticket_id, tickets.system, tickets.person_entity,
        tickets.person_key, tickets.opened_at, tickets.known_at, texts.text
    from pii.ticket_texts as texts
    inner join staging.tickets as tickets on texts.ticket_id = tickets.ticket_id
"""
# Two bytes tell a text that was edited, and nothing of what it says.
_CHECK = "(hash(text) % 65536)::integer"


def judge_texts(con: duckdb.DuckDBPyConnection, run: Run, rules: TextConfig) -> None:
    """Write ``learned.scored_texts`` for the days in ``ops.run_dates``.

    One row a text and version in force on one of the days; a text that was scored by
    the version before is not read again. Models fitted for it are in
    ``build_models.registry``, and ``learned.models_in_force`` has a day's
    version. The score is null where nothing is known of any word.
    """
    con.execute(
        """
        create schema if not exists learned;
        create or replace table learned.scored_texts (
            source varchar, text_key varchar, system varchar, person_entity varchar,
            person_key varchar, written_at timestamp, known_at timestamp,
            score decimal(9, 6), label varchar, topics varchar, model_version varchar,
            _text_check integer
        )
        """
    )
    days = con.execute("select ds from ops.run_dates order by ds").fetchall()
    write_models(con, run, [])
    versions: dict[date, str] = {}
    judges: dict[str, Judge] = {}
    for (ds,) in days:
        stored = _in_force(con, run, ds, rules)
        version = rules.version_of_scores(stored.version if stored else "lexicon")
        versions[ds] = version
        if version not in judges:
            judges[version] = _judge(stored, rules)
    put_in_force(con, NAME, versions)
    con.execute(
        f"create or replace temp view text_rows as"
        f" select *, {_CHECK} as _text_check from ({_TEXTS})"
    )
    for version, judge in judges.items():
        last = max(ds for ds, named in versions.items() if named == version)
        _keep(con, version, last)
        _score(con, version, last, judge)
    con.execute("drop view text_rows")


def _in_force(
    con: duckdb.DuckDBPyConnection, run: Run, ds: date, rules: TextConfig
) -> StoredModel | None:
    """The model that scores on ``ds``, fitted now where it is time; null: the lexicon."""
    stored = newest_model(con, NAME, ds, rules.model.refit_days, STATUSES)
    if stored is None:
        stored = fit(con, ds, rules)
        if stored is not None:
            write_models(con, run, [stored])
    return stored if stored is not None and stored.status == CONVERGED else None


def _judge(stored: StoredModel | None, rules: TextConfig) -> Judge:
    model = SentimentModel.from_artefact(stored.artefact) if stored else None
    return Judge(rules, model)


def _known(ds: date) -> str:
    """The texts that a day knew of."""
    return (
        "select text_rows.* from text_rows inner join ops.run_dates as run_dates"
        " on text_rows.known_at <= run_dates.known_until"
        f" where run_dates.ds = date '{ds}' and text_rows.written_at < run_dates.ends_at"
    )


def _keep(con: duckdb.DuckDBPyConnection, version: str, ds: date) -> None:
    """Take over what the same version said of the same text in an earlier run."""
    columns = "source, text_key, score, label, topics, model_version, _text_check"
    known = earlier(con, "features", "text_scores", columns)
    if known is None:
        return
    con.execute(
        f"""
        insert into learned.scored_texts by name
        select
            texts.* exclude (text), kept.score, kept.label, kept.topics,
            kept.model_version
        from ({_known(ds)}) as texts
        inner join ({known}) as kept
            using (source, text_key, _text_check)
        where kept.model_version = ?
        """,
        [version],
    )


def _score(
    con: duckdb.DuckDBPyConnection, version: str, ds: date, judge: Judge
) -> None:
    """Score what this version has not seen; the same words are read once."""
    new = f"""
        select texts.* from ({_known(ds)}) as texts
        anti join (
            select source, text_key from learned.scored_texts
            where model_version = '{version}'
        ) using (source, text_key)
    """
    found = con.execute(f"select distinct text from ({new}) order by text").fetchall()
    if not found:
        return
    con.register(_INCOMING, _judged([text for (text,) in found], judge))
    try:
        con.execute(
            f"""
            insert into learned.scored_texts by name
            select
                texts.* exclude (text), judged.score, judged.label, judged.topics,
                '{version}' as model_version
            from ({new}) as texts
            inner join {_INCOMING} as judged on texts.text = judged.text
            """
        )
    finally:
        con.unregister(_INCOMING)


def _judged(texts: Sequence[str], judge: Judge) -> pa.Table:
    said = judge.judge(texts)
    return pa.table(
        {
            "text": pa.array(texts, pa.string()),
            "score": pa.array([j.score for j in said], pa.float64()),
            "label": pa.array([j.label for j in said], pa.string()),
            "topics": pa.array([j.topics for j in said], pa.string()),
        }
    )
