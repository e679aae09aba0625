"""The mood of texts: learned from ratings, told by words, and never the text itself."""

import json
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import minimize
from strata.config.features import FeaturesConfig
from strata.config.loader import read_yaml
from strata.config.text import TextConfig
from strata.registry import AlteredModelError
from strata.run import Run
from strata.sample.phrases import KINDS, written
from strata.text import judge_texts, logistic
from strata.text.judge import Judge
from strata.text.model import SentimentModel, quality, train
from strata.text.ngrams import familiarity, grams, learn_idf, weigh

ROOT = Path(__file__).parents[2]
RULES = read_yaml(ROOT / "config" / "text.yml", TextConfig)
DS = date(2026, 10, 31)
WORDS = st.text("好差不慢快 good bad,。1", min_size=1, max_size=12)


def reviews(size: int, seed: int) -> tuple[list[str], list[str], np.ndarray]:
    """Reviews of the sample world, the stars of a third of them out of politeness."""
    rng = np.random.default_rng(seed)
    kind, category = rng.integers(0, 3, size), rng.integers(0, 8, size)
    languages = ["en" if chance < 0.1 else "zh" for chance in rng.random(size)]
    texts = written(kind, category, languages, rng)
    stars = np.where(rng.random(size) < 0.3, 5, 1 + 2 * kind)
    return texts, [KINDS[k] for k in kind], stars


@pytest.fixture(scope="module")
def model() -> SentimentModel:
    texts, _, stars = reviews(1500, seed=1)
    kept = stars != 3
    return train(
        [text for text, keep in zip(texts, kept, strict=True) if keep],
        [f"buyer {n % 300}" for n in range(int(kept.sum()))],
        stars[kept] > 3,
        RULES.model,
    )


def test_the_model_tells_moods_better_than_the_lexicon(model: SentimentModel) -> None:
    texts, moods, _ = reviews(800, seed=2)
    told = [n for n, mood in enumerate(moods) if mood != "neutral"]
    praises = np.array([moods[n] == "positive" for n in told])

    by_model = Judge(RULES, model).scores([texts[n] for n in told])
    by_words = Judge(RULES).scores([texts[n] for n in told])

    learned, known = quality(by_model, praises), quality(by_words, praises)
    assert learned["balanced_accuracy"] > known["balanced_accuracy"]
    assert learned["auc"] > 0.97 and known["auc"] > 0.8


def test_a_model_scores_the_same_after_it_was_stored(model: SentimentModel) -> None:
    texts, _, _ = reviews(200, seed=3)
    stored = json.loads(json.dumps(model.artefact(), sort_keys=True))

    assert SentimentModel.from_artefact(stored).scores(texts) == model.scores(texts)


def test_neither_order_nor_company_changes_a_score(model: SentimentModel) -> None:
    texts, _, stars = reviews(300, seed=4)
    writers, praises = [str(n % 50) for n in range(300)], stars > 3
    mixed = np.random.default_rng(0).permutation(300)

    again = train(
        [texts[n] for n in mixed],
        [writers[n] for n in mixed],
        praises[mixed],
        RULES.model,
    )

    assert again == train(texts, writers, praises, RULES.model)
    assert model.scores(texts) == [model.scores([text])[0] for text in texts]


def test_the_optimum_is_that_of_another_method() -> None:
    rng = np.random.default_rng(7)
    rows = sparse.csr_array(rng.random((60, 5)) * (rng.random((60, 5)) < 0.5))
    praises = rng.random(60) < 0.7
    cost = np.where(praises, 30 / praises.sum(), 30 / (~praises).sum())

    def loss(point: np.ndarray) -> float:
        margin = (rows @ point[:5] + point[5]) * np.where(praises, 1, -1)
        return float(cost @ np.logaddexp(0, -margin) + point[:5] @ point[:5])

    found = logistic.fit(rows, praises, penalty=2.0)
    other = minimize(loss, np.zeros(6), method="BFGS", options={"gtol": 1e-8})

    assert found.converged
    assert np.append(found.weights, found.intercept) == pytest.approx(other.x, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("非常满意", 1),
        ("不满意", -1),
        ("质量不错", 1),
        ("很好，但是物流太慢", 0),
        ("I do not like it", -1),
        ("not bad", 1),
        ("badly likely", None),
        ("１３８００００１１１１", None),
    ],
)
def test_words_of_everybody_tell_a_mood(text: str, score: float | None) -> None:
    assert Judge(RULES).scores([text]) == [score]


def test_who_knows_no_word_says_nothing(model: SentimentModel) -> None:
    (said,) = Judge(RULES, model).judge(["Очень хорошо"])

    assert (said.score, said.label, said.topics) == (None, None, "")


def test_a_text_has_every_topic_that_it_names() -> None:
    (said,) = Judge(RULES).judge(["快递很快，价格便宜, great Packaging"])

    assert said.topics == ",delivery,packaging,price,"
    assert said.label == "positive"


def test_topics_are_those_that_features_count() -> None:
    features = read_yaml(ROOT / "config" / "features.yml", FeaturesConfig)

    assert sorted(RULES.topics) == list(features.topics)


@given(st.lists(st.tuples(WORDS, st.sampled_from("abc")), min_size=1, max_size=20))
def test_what_too_few_have_written_is_in_no_model(pairs: list[tuple[str, str]]) -> None:
    texts, writers = [t for t, _ in pairs], [w for _, w in pairs]

    known = learn_idf(texts, writers, longest=3, least_writers=2, most_grams=50)

    for gram in known:
        assert len({w for t, w in pairs if gram in grams(t, 3)}) >= 2
        assert not any(digit in gram for digit in "123456789")
    rows = weigh(texts, known, longest=3)
    assert np.allclose(np.sqrt((rows * rows).sum(axis=1))[np.diff(rows.indptr) > 0], 1)


@given(WORDS)
def test_a_text_is_familiar_to_itself(text: str) -> None:
    assert familiarity(text, {}, 4) == 0
    assert 0 <= familiarity(text, set(grams(text, 4)), 4) <= 1


TABLES = """
create schema ops; create schema pii; create schema staging; create schema features;
create schema models; create schema build_features; create schema build_models;
create table ops.run_dates (ds date, ends_at timestamp, known_until timestamp);
create table staging.feedback (feedback_id varchar, system varchar, kind varchar,
    person_entity varchar, person_key varchar, rating integer, answered_at timestamp,
    known_at timestamp);
create table staging.tickets (ticket_id varchar, system varchar, person_entity varchar,
    person_key varchar, opened_at timestamp, known_at timestamp);
create table pii.feedback_texts (feedback_id varchar, text varchar);
create table pii.ticket_texts (ticket_id varchar, text varchar);
create table models.registry (model varchar, version varchar, trained_through date,
    card varchar, artefact varchar, artefact_hash varchar, status varchar,
    _run_id varchar);
"""


class Shop:
    """Two reviews an hour of a hundred buyers, and what runs make of them."""

    def __init__(self, size: int = 900) -> None:
        self.con = duckdb.connect()
        self.con.execute(TABLES)
        self.size = 0
        self.write(size, seed=5)

    def write(
        self,
        size: int,
        seed: int,
        text: str | None = None,
        late: timedelta = timedelta(),
    ) -> None:
        """Reviews, or the praise ``text``; who is late has written them long before."""
        texts, _, stars = reviews(size, seed)
        start, numbers = datetime(2026, 9, 1), range(self.size, self.size + size)
        self.size += size
        rows = pd.DataFrame(
            {
                "feedback_id": [f"review:{n}" for n in numbers],
                "system": "feedback",
                "kind": "review",
                "person_entity": "buyers",
                "person_key": [f"b{n % 100}" for n in numbers],
                "rating": 5 if text else stars,
                "answered_at": [
                    start + (n + 1) * timedelta(hours=2) - late for n in numbers
                ],
                "known_at": [start + (n + 1) * timedelta(hours=2) for n in numbers],
                "text": [text or each for each in texts],
            }
        )
        self.con.register("incoming", rows)
        self.con.execute(
            "insert into staging.feedback by name select * exclude (text) from incoming;"
            " insert into pii.feedback_texts by name"
            " select feedback_id, text from incoming"
        )

    def run(self, *days: date) -> dict[date, list[tuple[object, ...]]]:
        """What is said of each text on each of the days, which one run builds."""
        self.con.execute("delete from ops.run_dates")
        for ds in days:
            end = datetime.combine(ds + timedelta(days=1), datetime.min.time())
            self.con.execute(
                "insert into ops.run_dates values (?, ?, ?)",
                [ds, end, end + timedelta(hours=1)],
            )
        run = Run("run", days[-1], "shop", Path(), "UTC", since=days[0])
        judge_texts(self.con, run, RULES)
        found = {
            ds: self.con.execute(
                "select text_key, score, label, topics from learned.scored_texts"
                " inner join learned.models_in_force on model_version = version"
                " inner join ops.run_dates using (ds)"
                " where ds = ? and known_at <= known_until and written_at < ends_at"
                " order by all",
                [ds],
            ).fetchall()
            for ds in days
        }
        self.con.execute(
            "insert into models.registry by name from build_models.registry;"
            " drop table build_models.registry;"
            " create or replace table features.text_scores as"
            " select distinct on (source, text_key) * from learned.scored_texts"
            " order by source, text_key, model_version desc"
        )
        return found

    def models(self) -> list[tuple[object, ...]]:
        return self.con.execute(
            "select trained_through, status from models.registry order by 1"
        ).fetchall()


def test_days_together_are_the_days_one_by_one() -> None:
    days = [DS + timedelta(days=n) for n in range(0, 36, 5)]
    together, alone = Shop(), Shop()

    built = together.run(*days)

    assert {ds: alone.run(ds)[ds] for ds in days} == built
    assert together.models() == alone.models()
    assert [status for _, status in together.models()] == ["converged"] * 2


def test_a_later_review_changes_no_score_of_an_earlier_day() -> None:
    shop, other = Shop(), Shop()
    other.write(200, seed=9)
    other.write(50, seed=10, late=timedelta(days=60))
    other.run(DS + timedelta(days=40))

    assert other.run(DS)[DS] == shop.run(DS)[DS]


def test_a_day_reads_only_what_is_new_or_edited() -> None:
    shop = Shop()
    shop.run(DS)
    shop.con.execute(
        "update features.text_scores set score = 0.123 where text_key = 'review:7';"
        " update pii.feedback_texts set text = '太失望了' where feedback_id = 'review:8'"
    )

    told = {
        row[0]: row[1:] for row in shop.run(DS + timedelta(days=1))[DS + timedelta(1)]
    }

    assert float(told["review:7"][0]) == 0.123, "taken over, not scored again"
    assert told["review:8"][1] == "negative"
    assert len(told) == len(shop.run(DS)[DS]) + 12


def test_words_decide_while_there_are_too_few_reviews() -> None:
    shop = Shop(size=150)

    rows = shop.run(DS)[DS]

    assert shop.models() == []
    assert {"positive", "negative"} <= {row[2] for row in rows}
    assert shop.con.execute(
        "select distinct version like 'lexicon+%' from learned.models_in_force"
    ).fetchall() == [(True,)]


def test_no_text_leaves_the_zone() -> None:
    shop = Shop()
    secret = "我叫欧阳修，电话13912345678，非常满意"
    shop.write(1, seed=1, text=secret)
    shop.run(DS + timedelta(days=60))

    told = shop.con.execute("from learned.scored_texts").fetchall()
    (artefact, card) = shop.con.execute(
        "select artefact, card from models.registry"
    ).fetchall()[0]
    known = {*json.loads(artefact)["grams"], *json.loads(card)["telling"]["praise"]}
    assert not [gram for gram in known if set(gram) & set("欧阳修123456789")]
    assert not [
        row for row in told if "欧阳修" in str(row) or "13912345678" in str(row)
    ]


def test_an_altered_model_is_refused() -> None:
    shop = Shop()
    shop.run(DS)
    shop.con.execute("update models.registry set artefact = '{}'")

    with pytest.raises(AlteredModelError, match="sentiment"):
        shop.run(DS + timedelta(days=1))
