"""``config/activation.yml``: where tiers are written back to, and within what bounds."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from strata.config.urls import ConnectionName, DatabaseUrl

Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=63)]


class _Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,  # a rejected URL may hold a password
    )


class SqlClientConfig(_Section):
    """A table of ours in any database that SQLAlchemy reaches; made if absent."""

    kind: Literal["sql"]
    url: DatabaseUrl | None = None
    connection: ConnectionName | None = None
    table: Name
    key_column: Name

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.url is None) == (self.connection is None):
            raise ValueError("a sql client needs a url or a connection, and not both")
        return self


class FileClientConfig(_Section):
    """A folder with the present state as JSONL and CSV, for whoever imports files."""

    kind: Literal["file"]
    folder: str = Field(description="{home} is the tenant's home")


class RetryConfig(_Section):
    """What happens when the CRM does not answer.

    The wait before retry ``n`` (from 0) is a random share, between one half and one,
    of ``min(max_seconds, base_seconds * 2**n)``.
    """

    max_attempts: int = Field(default=5, ge=1)
    base_seconds: float = Field(default=0.5, gt=0)
    max_seconds: float = Field(default=30.0, gt=0)


class BreakerConfig(_Section):
    """Bounds beyond which a send stops, since something upstream must be wrong.

    ``max_changed_share`` is of a day; a run of several days may change more. Shares of
    fewer than ``min_records`` changed or refused records are not judged.
    """

    max_changed_share: Share = 0.8
    max_refused_share: Share = 0.05
    min_records: int = Field(default=100, ge=1)


class ReadBackConfig(_Section):
    """How many records are read back after a send, and what a difference does."""

    sample_size: int = Field(default=50, ge=0)
    on_mismatch: Literal["error", "warn"] = "error"


class Target(_Section):
    """One CRM: how to reach it, which of its fields are ours, and the bounds."""

    name: Name
    client: Annotated[SqlClientConfig | FileClientConfig, Field(discriminator="kind")]
    purpose: Name = Field(description="the consent purpose that a send needs")
    fields: tuple[Name, ...] = Field(
        min_length=1, description="fields of the CRM that are ours, and no others"
    )
    stamp_field: Name | None = Field(
        default=None,
        description="of these, the one that gets the day of the last change; "
        "it is never compared",
    )
    batch_size: int = Field(default=500, ge=1, le=10_000)
    requests_per_second: float | None = Field(default=None, gt=0)
    refusal_limit: int = Field(
        default=3,
        ge=1,
        description="runs that try a refused record again by themselves",
    )
    retry: RetryConfig = RetryConfig()
    breakers: BreakerConfig = BreakerConfig()
    read_back: ReadBackConfig = ReadBackConfig()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.fields)) != len(self.fields):
            raise ValueError("fields names a field twice")
        if self.stamp_field is not None and self.stamp_field not in self.fields:
            raise ValueError(f"stamp_field {self.stamp_field!r} is not among fields")
        if self.client.kind == "sql" and self.client.key_column in self.fields:
            raise ValueError("key_column is the CRM's own: it cannot be among fields")
        return self

    @property
    def compared_fields(self) -> tuple[str, ...]:
        """The owned fields that decide whether a record differs."""
        return tuple(name for name in self.fields if name != self.stamp_field)


class ActivationConfig(_Section):
    """Every target that the publish stage writes to."""

    targets: tuple[Target, ...]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [target.name for target in self.targets]
        if len(set(names)) != len(names):
            raise ValueError("two targets have the same name")
        return self

    def target(self, name: str) -> Target:
        """The target called ``name``; ``KeyError`` naming those there are."""
        for target in self.targets:
            if target.name == name:
                return target
        known = ", ".join(target.name for target in self.targets) or "none"
        raise KeyError(f"no activation target {name!r} (there are: {known})")
