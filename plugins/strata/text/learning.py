"""Fit a model of the mood to the rated reviews that a day knew, and say how good it is."""

import hashlib
from datetime import date
from typing import Final

import duckdb
import numpy as np
import pandas as pd

from strata.config.text import ModelRules, TextConfig
from strata.registry import CONVERGED, StoredModel, version_of
from strata.text.judge import Judge
from strata.text.model import SentimentModel, quality, train

NAME: Final = "sentiment"
NOT_CONVERGED: Final = "not_converged"
UNPROVEN: Final = "unproven"
STATUSES: Final = (CONVERGED, NOT_CONVERGED, UNPROVEN)
"""Only a converged model scores; any of them is not fitted again for a while."""

_TELLING = 12


def fit(
    con: duckdb.DuckDBPyConnection, ds: date, rules: TextConfig
) -> StoredModel | None:
    """A model from what was written and known up to ``ds``; null with too few texts.

    ``ops.run_dates`` says what the day knew. It is `unproven` where it tells the newest
    texts apart no better than the lexicon does: then the lexicon goes on.
    """
    reviews = _rated(con, ds, rules.model)
    praises = reviews["praises"].to_numpy(dtype=bool)
    praise, blame = int(praises.sum()), int((~praises).sum())
    if min(praise, blame) < rules.model.least_texts:
        return None
    measured = _measured(reviews, rules)
    model = train(
        reviews["text"].tolist(), reviews["writer"].tolist(), praises, rules.model
    )
    is_better = "lexicon" in measured and (
        measured["model"]["balanced_accuracy"]
        > measured["lexicon"]["balanced_accuracy"]
    )
    fingerprint = hashlib.sha256("".join(sorted(reviews["record"])).encode())
    artefact = model.artefact()
    return StoredModel(
        model=NAME,
        version=version_of(NAME, ds, artefact, fingerprint.hexdigest()),
        trained_through=ds,
        status=_status(model, is_better),
        card={
            "what": "mood of a text, by character n-grams, from rated reviews",
            "texts": {"praise": praise, "blame": blame},
            "first_known_on": str(reviews["known_at"].min().date()),
            "last_known_on": str(reviews["known_at"].max().date()),
            "data_fingerprint": fingerprint.hexdigest(),
            "settings": rules.model.model_dump(),
            "features": len(model.idf),
            "telling": model.telling(_TELLING),
            "out_of_time": measured,
        },
        artefact=artefact,
    )


def _status(model: SentimentModel, is_better: bool) -> str:
    if not model.converged:
        return NOT_CONVERGED
    return CONVERGED if is_better else UNPROVEN


def _rated(con: duckdb.DuckDBPyConnection, ds: date, rules: ModelRules) -> pd.DataFrame:
    """Rated texts with their writers, the oldest first; ``record`` tells them apart."""
    rows = con.execute(
        """
        select
            feedback.feedback_id || feedback.rating as record,
            coalesce(
                feedback.system || feedback.person_entity || feedback.person_key,
                feedback.feedback_id
            ) as writer,
            texts.text,
            feedback.known_at,
            feedback.rating >= $positive_from as praises
        from pii.feedback_texts as texts
        inner join staging.feedback as feedback
            on texts.feedback_id = feedback.feedback_id
        inner join ops.run_dates as run_dates
            on feedback.known_at <= run_dates.known_until
            and feedback.answered_at < run_dates.ends_at
        where run_dates.ds = $ds
            and (feedback.rating >= $positive_from or feedback.rating <= $negative_to)
        order by feedback.known_at desc, feedback.feedback_id
        limit $most
        """,
        {
            "ds": ds,
            "positive_from": rules.positive_from,
            "negative_to": rules.negative_to,
            "most": rules.most_texts,
        },
    ).df()
    return rows[::-1].reset_index(drop=True)


def _measured(reviews: pd.DataFrame, rules: TextConfig) -> dict[str, dict[str, float]]:
    """Model and lexicon on the newest texts, by a model that has not seen them.

    Empty where older or newest texts lack a mood.
    """
    since = len(reviews) - int(len(reviews) * rules.model.test_share)
    before, after = reviews[:since], reviews[since:]
    kinds = [np.unique(part["praises"]).size for part in (before, after)]
    if min(kinds) < 2:
        return {}
    model = train(
        before["text"].tolist(),
        before["writer"].tolist(),
        before["praises"].to_numpy(dtype=bool),
        rules.model,
    )
    texts, praises = after["text"].tolist(), after["praises"].to_numpy(dtype=bool)
    return {
        "model": quality(Judge(rules, model).scores(texts), praises),
        "lexicon": quality(Judge(rules).scores(texts), praises),
    }
