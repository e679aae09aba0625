"""``config/identity.yml``: which identifiers make a person, and within which limits."""

import os
from pathlib import Path
from typing import Annotated, Literal, Self

import phonenumbers
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from strata.config.guards import GuardRules
from strata.config.loader import read_yaml

Form = Literal["phone", "email", "number", "token"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class IdentifierRule(_Model):
    """How one identifier type is normalised, and what it may join."""

    form: Form
    anchor: bool = True
    merges: bool = True
    strength: int = Field(ge=1, le=100)
    priority: int = Field(ge=1)
    max_users: int | None = Field(default=None, ge=1)
    max_values: int | None = Field(default=None, ge=1)
    window_days: int | None = Field(default=None, ge=1)
    denylist: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _anchors_merge(self) -> Self:
        if self.anchor and not self.merges:
            raise ValueError(
                "merges is false and anchor is true: a value that is a user by itself "
                "could never join another; set anchor to false"
            )
        return self


class EmailRule(_Model):
    """Which providers treat different spellings as one mailbox."""

    ignore_dots: tuple[str, ...] = ()
    ignore_tags: tuple[str, ...] = ()
    same_domain: dict[str, str] = Field(default_factory=dict)


def _known_region(region: str) -> str:
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"{region!r} is no region that phonenumbers knows, like CN")
    return region


class IdentityConfig(_Model):
    """The identity rules of one tenant."""

    default_region: Annotated[str, AfterValidator(_known_region)] = "CN"
    email: EmailRule = EmailRule()
    placeholders: tuple[str, ...] = ()
    identifiers: dict[str, IdentifierRule] = Field(min_length=1)
    guards: GuardRules = GuardRules()

    @model_validator(mode="after")
    def _priorities_differ(self) -> Self:
        seen: dict[int, str] = {}
        for name, rule in self.identifiers.items():
            if rule.priority in seen:
                raise ValueError(
                    f"{name} and {seen[rule.priority]} both have priority "
                    f"{rule.priority}: each identifier type needs its own"
                )
            seen[rule.priority] = name
        if not any(rule.anchor for rule in self.identifiers.values()):
            raise ValueError("no identifier type is an anchor: nobody would be a user")
        return self


def identity_path() -> Path:
    """The rules of this project: ``config/identity.yml`` below ``STRATA_PROJECT``."""
    root = os.environ.get("STRATA_PROJECT") or Path(__file__).parents[3]
    return Path(root) / "config" / "identity.yml"


def load_identity_config(path: Path | None = None) -> IdentityConfig:
    """The identity rules at ``path``, or at :func:`identity_path`.

    Raises ``ConfigError`` naming file, line and key.
    """
    return read_yaml(path or identity_path(), IdentityConfig)
