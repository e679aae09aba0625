"""What a text is about, by words of the config."""

import re
from collections.abc import Mapping, Sequence

from strata.text.lexicon import either
from strata.text.ngrams import normalised


class Topics:
    """Topics of ``config/text.yml``; Latin words match whole, others anywhere."""

    def __init__(self, words: Mapping[str, Sequence[str]]) -> None:
        self._patterns = {
            name: re.compile(either(terms)) for name, terms in sorted(words.items())
        }

    def of(self, text: str) -> str:
        """The topics of a text as ``,delivery,price,``, by name; empty for none."""
        told = normalised(text)
        found = [name for name, p in self._patterns.items() if p.search(told)]
        return f",{','.join(found)}," if found else ""
