"""The trained model: what agreement is worth, as a text with a content hash."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from strata.identity.matching.comparing import COMPARISONS, Comparison


@dataclass(frozen=True)
class Chance:
    """How probable a level is among records of one person, and of two."""

    match: float
    other: float


@dataclass(frozen=True)
class Model:
    """What was learned from one set of records.

    ``share`` is the probability that two random records are of one person;
    ``chances`` a comparison and level; ``frequencies`` the shares of common values of a
    column, and ``rarest`` the share that stands for all others. ``converged`` is whether
    training had come to rest.
    """

    share: float
    chances: Mapping[str, Mapping[str, Chance]]
    frequencies: Mapping[str, Mapping[str, float]]
    rarest: Mapping[str, float]
    converged: bool = True

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """The comparisons that the model knows."""
        return tuple(c for c in COMPARISONS if c.name in self.chances)

    def to_json(self) -> str:
        """The model as text; equal models give equal texts."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, indent=1)

    @property
    def version(self) -> str:
        """The first characters of the hash of its text."""
        return self.content_hash[:16]

    @property
    def content_hash(self) -> str:
        """SHA-256 of its text."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @classmethod
    def from_json(cls, text: str) -> "Model":
        """The model in ``text``."""
        content = json.loads(text)
        return cls(
            share=content["share"],
            chances={
                name: {level: Chance(**chance) for level, chance in levels.items()}
                for name, levels in content["chances"].items()
            },
            frequencies=content["frequencies"],
            rarest=content["rarest"],
            converged=content["converged"],
        )
