"""What is said of a text: its score by model or lexicon, its label, its topics."""

from collections.abc import Sequence
from dataclasses import dataclass

from strata.config.text import TextConfig
from strata.text.lexicon import Lexicon
from strata.text.model import SentimentModel
from strata.text.topics import Topics


@dataclass(frozen=True)
class Judgement:
    """Of one text: score and label are null where nobody knows its words."""

    score: float | None
    label: str | None
    topics: str


class Judge:
    """Asks the model; and the lexicon where there is none, or it does not know a text."""

    def __init__(self, rules: TextConfig, model: SentimentModel | None = None) -> None:
        self._within = rules.neutral_within
        self._model = model
        self._lexicon = Lexicon(rules.lexicon)
        self._topics = Topics(rules.topics)

    def scores(self, texts: Sequence[str]) -> list[float | None]:
        """From -1, blame, to 1, praise."""
        told = self._model.scores(texts) if self._model else [None] * len(texts)
        return [
            self._lexicon.score(text) if score is None else score
            for text, score in zip(texts, told, strict=True)
        ]

    def judge(self, texts: Sequence[str]) -> list[Judgement]:
        """What is said of each text, whichever others are asked about with it."""
        return [
            Judgement(score, self._label(score), self._topics.of(text))
            for text, score in zip(texts, self.scores(texts), strict=True)
        ]

    def _label(self, score: float | None) -> str | None:
        if score is None:
            return None
        if abs(score) <= self._within:
            return "neutral"
        return "positive" if score > 0 else "negative"
