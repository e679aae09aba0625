"""``config/text.yml``: how the mood and the topics of what people write are told."""

import hashlib
import json
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Words = Annotated[tuple[str, ...], Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class _Rules(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelRules(_Rules):
    """How a model of the mood is learned from rated reviews.

    Ratings of at least ``positive_from`` are praise, of at most ``negative_to`` blame,
    and what lies between teaches nothing. It takes ``least_texts`` of each, and the
    newest ``most_texts`` at most. A model holds for ``refit_days``. ``test_share`` of
    the texts, the newest, are kept to measure it by.
    """

    positive_from: int = Field(default=4, ge=2)
    negative_to: int = Field(default=2, ge=1)
    least_texts: int = Field(default=100, ge=10)
    refit_days: int = Field(default=30, ge=1)
    longest_gram: int = Field(default=4, ge=1, le=6)
    least_writers: int = Field(default=5, ge=2)
    most_grams: int = Field(default=20_000, ge=100)
    least_known: float = Field(default=0.5, ge=0, le=1)
    penalty: float = Field(default=1.0, gt=0)
    test_share: float = Field(default=0.2, gt=0, le=0.5)
    most_texts: int = Field(default=50_000, ge=1_000)

    @model_validator(mode="after")
    def _moods_lie_apart(self) -> Self:
        if self.negative_to >= self.positive_from:
            raise ValueError("negative_to must lie below positive_from")
        return self


class LexiconRules(_Rules):
    """Words that praise, words that blame, and words that turn either round."""

    positive: Words
    negative: Words
    negations: Words


class TextConfig(_Rules):
    """Scores lie from -1, blame, to 1, praise; within ``neutral_within`` of 0 neither."""

    neutral_within: float = Field(default=0.2, ge=0, lt=1)
    model: ModelRules = ModelRules()
    lexicon: LexiconRules
    topics: dict[Name, Words] = Field(min_length=1)

    def version_of_scores(self, model_version: str) -> str:
        """The version of a score: of the model, and of the words that stand beside it."""
        return f"{model_version}+{self._hash('neutral_within', 'lexicon', 'topics')}"

    def _hash(self, *parts: str) -> str:
        told = self.model_dump(mode="json", include=set(parts))
        text = json.dumps(told, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:8]
