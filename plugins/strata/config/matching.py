"""``config/matching.yml``: when records that share no identifier are one person."""

import os
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from strata.config.loader import read_yaml


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TrainingRule(_Model):
    """How a model is learned."""

    random_pairs: int = Field(default=200_000, ge=1_000)
    common_from: int = Field(default=10, ge=2)
    least_records: int = Field(default=1_000, ge=10)
    seed: int = 1
    generation: int = Field(default=1, ge=1)


class MatchingConfig(_Model):
    """The matching rules of one tenant. Thresholds are match weights, log2 odds."""

    enabled: bool = False
    accept: float = Field(default=13.0, gt=0)
    review: float = Field(default=8.0, gt=0)
    strength: int = Field(default=50, ge=1, le=100)
    largest_block: int = Field(default=100, ge=2)
    without_duplicates: tuple[str, ...] = ()
    training: TrainingRule = TrainingRule()

    @model_validator(mode="after")
    def _review_lies_below(self) -> Self:
        if self.review > self.accept:
            raise ValueError(
                f"review is {self.review} and accept is {self.accept}: what is accepted "
                "is not reviewed, so review must not be above accept"
            )
        return self


def load_matching_config(path: Path | None = None) -> MatchingConfig:
    """The matching rules at ``path``, by default those of the project.

    Raises ``ConfigError`` naming file, line and key.
    """
    root = os.environ.get("STRATA_PROJECT") or Path(__file__).parents[3]
    return read_yaml(path or Path(root) / "config" / "matching.yml", MatchingConfig)
