"""``config/identity.yml``: which identifiers make a person, and within which limits."""

import os
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

import phonenumbers
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from strata.config.guards import GuardRules
from strata.config.loader import KeyFaultError, read_yaml

Form = Literal["phone", "email", "number", "token", "device", "id_card"]


_UNCLAIMED, _UNCLAIMED_SHARE = 3, 0.25


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _source_entity(name: str) -> str:
    system, _, entity = name.partition("/")
    if not system or not entity or "/" in entity:
        raise ValueError(f"{name!r} names no entity: write system/entity")
    return name


SourceEntity = Annotated[str, AfterValidator(_source_entity)]


class IdentifierRule(_Model):
    """How one identifier type is normalised, and what it may join.

    ``values_of`` names the type whose values these are: an order's contact is a phone.
    Such a type brings a strength and a priority of its own; what the value is, and
    what it may join, is said by the type that it names.
    """

    form: Form | None = None
    values_of: str | None = None
    anchor: bool = True
    merges: bool = True
    strength: int = Field(ge=1, le=100)
    priority: int = Field(ge=1)
    max_users: int | None = Field(default=None, ge=1)
    window_days: int | None = Field(default=None, ge=1)
    when_shared: Literal["eldest", "nobody"] = "eldest"
    max_values: int | None = Field(default=None, ge=1)
    values_window_days: int | None = Field(default=None, ge=1)
    tells_apart: bool = False
    merged_by: tuple[SourceEntity, ...] = ()
    claimed_by: str | None = None
    unclaimed: int = Field(default=_UNCLAIMED, ge=1)
    unclaimed_share: float = Field(default=_UNCLAIMED_SHARE, gt=0, le=1)
    denylist: tuple[str, ...] = ()

    @property
    def is_telling(self) -> bool:
        """Whether two different values of it speak for two people."""
        return self.tells_apart or self.max_values == 1

    @model_validator(mode="after")
    def _borrows_all_or_nothing(self) -> Self:
        if self.values_of is None:
            if self.form is None:
                raise ValueError(f"form is missing: one of {', '.join(get_args(Form))}")
            return self
        own = {"values_of", "strength", "priority"}
        said = [
            name
            for name, field in type(self).model_fields.items()
            if name not in own and getattr(self, name) != field.default
        ]
        if said:
            raise ValueError(
                f"values_of is given: {', '.join(said)} belongs to "
                f"{self.values_of}; only strength and priority may be given here"
            )
        return self

    @model_validator(mode="after")
    def _anchors_merge(self) -> Self:
        if self.anchor and not self.merges:
            raise ValueError(
                "merges is false and anchor is true: a value that is a user by itself "
                "could never join another; set anchor to false"
            )
        return self

    @model_validator(mode="after")
    def _claims_have_a_claimant(self) -> Self:
        if self.claimed_by is None and (self.unclaimed, self.unclaimed_share) != (
            _UNCLAIMED,
            _UNCLAIMED_SHARE,
        ):
            raise ValueError(
                "unclaimed or unclaimed_share is given: it needs claimed_by, the type "
                "that these values are shown with"
            )
        return self

    @model_validator(mode="after")
    def _windows_have_a_limit(self) -> Self:
        if self.values_window_days is not None and (self.max_values or 0) < 2:
            raise ValueError(
                "values_window_days is given: it needs max_values of 2 or more, "
                "the number of values within so many days"
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


NAME = "name"
"""The type of what records call their person. It joins nobody, so it has no rule."""


class IdentityConfig(_Model):
    """The identity rules of one tenant.

    ``names_tell_apart``: two people are meant where records that share a value bear
    different names (type ``NAME``).
    """

    default_region: Annotated[str, AfterValidator(_known_region)] = "CN"
    email: EmailRule = EmailRule()
    placeholders: tuple[str, ...] = ()
    names_tell_apart: bool = False
    identifiers: dict[str, IdentifierRule] = Field(min_length=1)
    guards: GuardRules = GuardRules()

    @model_validator(mode="after")
    def _priorities_differ(self) -> Self:
        seen: dict[int, str] = {}
        for name, rule in self.identifiers.items():
            if rule.priority in seen:
                raise KeyFaultError(
                    ("identifiers", name, "priority"),
                    f"{name} and {seen[rule.priority]} both have priority "
                    f"{rule.priority}: each identifier type needs its own",
                )
            seen[rule.priority] = name
        if not any(rule.anchor for rule in self.identifiers.values()):
            raise ValueError("no identifier type is an anchor: nobody would be a user")
        return self

    @model_validator(mode="after")
    def _borrowed_types_exist(self) -> Self:
        for name, rule in self.identifiers.items():
            if rule.values_of is None:
                continue
            lender = self.identifiers.get(rule.values_of)
            if lender is None or lender.values_of is not None:
                raise KeyFaultError(
                    ("identifiers", name, "values_of"),
                    f"{name} has values_of {rule.values_of!r}: name an identifier type "
                    "with a form of its own",
                )
        return self

    @model_validator(mode="after")
    def _claimants_are_people(self) -> Self:
        for name, rule in self.identifiers.items():
            if rule.claimed_by is None:
                continue
            claimant = self.identifiers.get(rule.claimed_by)
            if claimant is None or not claimant.is_telling or rule.claimed_by == name:
                raise KeyFaultError(
                    ("identifiers", name, "claimed_by"),
                    f"{name} has claimed_by {rule.claimed_by!r}: name another "
                    "identifier type of which one person has one (max_values 1)",
                )
        return self

    @model_validator(mode="after")
    def _names_have_no_rule(self) -> Self:
        if NAME in self.identifiers:
            raise KeyFaultError(
                ("identifiers", NAME),
                f"{NAME} is no identifier, since many people bear one: it joins nobody; "
                "names_tell_apart says whether two of them are two people",
            )
        return self

    def type_of_values(self, name: str) -> str:
        """The type that says what the values of ``name`` are: mostly itself."""
        return self.identifiers[name].values_of or name


def identity_path() -> Path:
    """The rules of this project: ``config/identity.yml`` below ``STRATA_PROJECT``."""
    root = os.environ.get("STRATA_PROJECT") or Path(__file__).parents[3]
    return Path(root) / "config" / "identity.yml"


def load_identity_config(path: Path | None = None) -> IdentityConfig:
    """The identity rules at ``path``, or at :func:`identity_path`.

    Raises ``ConfigError`` naming file, line and key.
    """
    return read_yaml(path or identity_path(), IdentityConfig)
