"""The mood of a text as its tenant's own reviews teach it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from strata.config.text import ModelRules
from strata.text import logistic
from strata.text.ngrams import familiarity, learn_idf, weigh

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

DECIMALS = 6
"""Of weights and scores: what is stored is what scored."""


@dataclass(frozen=True)
class SentimentModel:
    """Weights of n-grams: the log-odds that a text praises.

    ``least_known`` is the familiarity that a text needs to have a score.
    """

    longest_gram: int
    least_known: float
    intercept: float
    idf: Mapping[str, float]
    weights: Mapping[str, float]
    converged: bool = True

    def scores(self, texts: Sequence[str]) -> list[float | None]:
        """From -1, blame, to 1, praise; null for a text that is not much like any known.

        It is twice the probability of praise less 1, had both been as frequent. A
        text has the same score whichever others are asked about with it.
        """
        rows = weigh(texts, self.idf, self.longest_gram)
        factors = np.fromiter((self.weights[g] for g in self.idf), float, len(self.idf))
        chance = expit(rows @ factors + self.intercept)
        return [
            round(2 * float(c) - 1, DECIMALS)
            if familiarity(text, self.idf, self.longest_gram) >= self.least_known
            else None
            for text, c in zip(texts, chance, strict=True)
        ]

    def artefact(self) -> dict[str, Any]:
        """What is stored; `from_artefact` reads it back to the same scores."""
        return {
            "longest_gram": self.longest_gram,
            "least_known": self.least_known,
            "intercept": self.intercept,
            "grams": {g: [self.idf[g], self.weights[g]] for g in self.idf},
        }

    @classmethod
    def from_artefact(cls, stored: Mapping[str, Any]) -> "SentimentModel":
        """The model of a stored artefact."""
        grams = dict(sorted(stored["grams"].items()))
        return cls(
            longest_gram=stored["longest_gram"],
            least_known=stored["least_known"],
            intercept=stored["intercept"],
            idf={gram: idf for gram, (idf, _) in grams.items()},
            weights={gram: weight for gram, (_, weight) in grams.items()},
        )

    def telling(self, most: int) -> dict[str, list[str]]:
        """The n-grams that speak most for praise and for blame."""
        by_weight = sorted(self.weights, key=lambda g: (self.weights[g], g))
        return {"blame": by_weight[:most], "praise": by_weight[::-1][:most]}


def train(
    texts: Sequence[str],
    writers: Sequence[str],
    praises: Flags,
    rules: ModelRules,
) -> SentimentModel:
    """A model from texts of both kinds. Raises ``ValueError`` where a kind is missing.

    The order of the texts does not matter beyond the last bit: they are sorted first.
    """
    order = sorted(range(len(texts)), key=lambda n: (texts[n], writers[n], praises[n]))
    sorted_texts = [texts[n] for n in order]
    idf = learn_idf(
        sorted_texts,
        [writers[n] for n in order],
        rules.longest_gram,
        rules.least_writers,
        rules.most_grams,
    )
    idf = {gram: round(factor, DECIMALS) for gram, factor in idf.items()}
    rows = weigh(sorted_texts, idf, rules.longest_gram)
    fit = logistic.fit(rows, praises[order], rules.penalty)
    rounded = np.round(fit.weights, DECIMALS)
    return SentimentModel(
        longest_gram=rules.longest_gram,
        least_known=rules.least_known,
        intercept=round(fit.intercept, DECIMALS),
        idf=idf,
        weights=dict(zip(idf, rounded.tolist(), strict=True)),
        converged=fit.converged,
    )


def quality(scores: Sequence[float | None], praises: Flags) -> dict[str, float]:
    """How well scores tell praise from blame: AUC, accuracy of both kinds, coverage.

    A text without a score counts as 0, which is neither. ``balanced_accuracy`` is the
    mean of the shares of praise and of blame that are told as such.
    """
    known = np.array([np.nan if s is None else s for s in scores], dtype=float)
    values = np.nan_to_num(known)
    right = np.where(values == 0, 0.5, (values > 0) == praises)
    ranks = _mid_ranks(values)
    up, down = int(np.sum(praises)), int(np.sum(~praises))
    area = (np.sum(ranks[praises]) - up * (up + 1) / 2) / (up * down)
    accuracy = (np.mean(right[praises]) + np.mean(right[~praises])) / 2
    return {
        "auc": round(float(area), DECIMALS),
        "balanced_accuracy": round(float(accuracy), DECIMALS),
        "coverage": round(float(np.mean(~np.isnan(known))), DECIMALS),
        "texts": len(values),
    }


def _mid_ranks(values: Floats) -> Floats:
    """Ranks from 1, equals sharing theirs."""
    _, code, count = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    return np.asarray((ends - (count - 1) / 2)[code], dtype=float)
