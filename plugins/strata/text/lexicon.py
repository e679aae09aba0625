"""The mood of a text by words that everybody knows, until there is something to learn."""

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Final

from strata.config.text import LexiconRules
from strata.text.ngrams import normalised

_BETWEEN_WORDS: Final = 2
_BETWEEN_SIGNS: Final = 2


class Lexicon:
    """Words of praise and of blame; a negation shortly before one turns it round.

    Latin terms match whole words, others wherever they stand; of two terms at a place
    the longer is meant, so that 不错 is praise and no negation of 错.
    """

    def __init__(self, rules: LexiconRules) -> None:
        self.rules = rules

    def score(self, text: str) -> float | None:
        """Praise less blame over both, -1 to 1; null where no term is found."""
        told = normalised(text)
        moods = [
            self._sign(match["plain"])
            if match["plain"]
            else -self._sign(match["turned"])
            for match in self._pattern.finditer(told)
        ]
        return sum(moods) / len(moods) if moods else None

    def _sign(self, term: str) -> int:
        return 1 if term in self._praise else -1

    @cached_property
    def _praise(self) -> frozenset[str]:
        return frozenset(normalised(term) for term in self.rules.positive)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        rules = self.rules
        terms = either([*rules.positive, *rules.negative])
        no, not_ = _parts(rules.negations)
        latin = rf"\b(?:{no})\s(?:\w+\s){{0,{_BETWEEN_WORDS}}}?"
        other = rf"(?:{not_})\w{{0,{_BETWEEN_SIGNS}}}?"
        return re.compile(rf"(?P<plain>{terms})|(?:{latin}|{other})(?P<turned>{terms})")


def either(terms: Sequence[str]) -> str:
    """Any of the terms, the longest first; whole words of those that have some."""
    latin, other = _parts(terms)
    return rf"\b(?:{latin})\b|{other}"


def _parts(terms: Sequence[str]) -> tuple[str, str]:
    known = sorted({normalised(t) for t in terms}, key=lambda t: (-len(t), t))
    latin = "|".join(re.escape(t) for t in known if t.isascii())
    other = "|".join(re.escape(t) for t in known if not t.isascii())
    return latin or r"(?!)", other or r"(?!)"
