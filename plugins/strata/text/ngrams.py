"""Texts as weighted character n-grams, which need no words: Chinese has no blanks."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float64]

_BLANKS = re.compile(r"\s+")
_DIGITS = re.compile(r"\d")


def normalised(text: str) -> str:
    """One writing of a text: NFKC, lower case, single blanks, every digit a 0.

    So no number that somebody wrote (a phone, an order) can become a feature.
    """
    plain = unicodedata.normalize("NFKC", text).lower()
    return _BLANKS.sub(" ", _DIGITS.sub("0", plain)).strip()


def grams(text: str, longest: int) -> Counter[str]:
    """How often each n-gram of 1 to ``longest`` characters occurs, blanks apart."""
    told = normalised(text)
    return Counter(
        told[start : start + size]
        for size in range(1, longest + 1)
        for start in range(len(told) - size + 1)
        if not told[start : start + size].isspace()
    )


def familiarity(text: str, known: Container[str], longest: int) -> float:
    """Share of the characters, blanks apart, that stand in a known part of a word.

    That is an n-gram of two characters, or of four where it begins with a Latin letter:
    single letters and their pairs occur in every text.
    """
    told = normalised(text)
    covered = [False] * len(told)
    for start, character in enumerate(told):
        size = min(4 if character.isascii() else 2, longest)
        gram = told[start : start + size]
        if len(gram) == size and gram in known:
            covered[start : start + size] = [True] * size
    places = [c for c, character in zip(covered, told, strict=True) if character != " "]
    return sum(places) / len(places) if places else 0.0


def learn_idf(
    texts: Sequence[str],
    writers: Sequence[str],
    longest: int,
    least_writers: int,
    most_grams: int,
) -> dict[str, float]:
    """The n-grams to know, each with its inverse document frequency.

    ``ln((1 + n) / (1 + df)) + 1`` over ``n`` texts. Only what ``least_writers``
    different people have written is known: what is one person's own, such as a name,
    must not leave in a model. Of these the ``most_grams`` most frequent, then by name.
    """
    texts_of: Counter[str] = Counter()
    writers_of: defaultdict[str, set[str]] = defaultdict(set)
    for text, writer in zip(texts, writers, strict=True):
        for gram in grams(text, longest):
            texts_of[gram] += 1
            if len(writers_of[gram]) < least_writers:
                writers_of[gram].add(writer)
    shared = [
        (gram, count)
        for gram, count in texts_of.items()
        if len(writers_of[gram]) >= least_writers
    ]
    kept = sorted(shared, key=lambda item: (-item[1], item[0]))[:most_grams]
    return {
        gram: float(np.log((1 + len(texts)) / (1 + count)) + 1)
        for gram, count in sorted(kept)
    }


def weigh(
    texts: Iterable[str], idf: Mapping[str, float], longest: int
) -> sparse.csr_array:
    """TF-IDF of the texts, one row a text, columns in the order of ``idf``.

    Frequencies are damped (``1 + ln tf``) and rows have length 1; a text without a
    known n-gram is an empty row.
    """
    column = {gram: number for number, gram in enumerate(idf)}
    factors = np.fromiter(idf.values(), float, len(idf))
    ends: list[int] = [0]
    columns: list[int] = []
    counts: list[int] = []
    for text in texts:
        known = sorted(
            (column[gram], count)
            for gram, count in grams(text, longest).items()
            if gram in column
        )
        columns.extend(number for number, _ in known)
        counts.extend(count for _, count in known)
        ends.append(len(columns))
    places = np.asarray(columns, dtype=np.intp)
    values = (1 + np.log(np.array(counts, dtype=np.float64))) * factors[places]
    rows = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    lengths = np.sqrt(np.bincount(rows, values**2, len(ends) - 1))
    return sparse.csr_array(
        (values / lengths[rows], places, np.asarray(ends)),
        shape=(len(ends) - 1, len(idf)),
    )
