"""``config/sources.yml``: the systems, their entities, and what each promises."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from strata.config.urls import ConnectionName, DatabaseUrl


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,  # a rejected URL may hold a password
    )


class Column(_Model):
    """One column of an entity, as raw keeps it: text, exactly as it came."""

    header: tuple[str, ...] = Field(
        default=(), description="names the column may carry in the source"
    )
    pii: bool = False
    identifier: str | None = Field(
        default=None, description="identifier type of config/identity.yml"
    )
    required: bool = Field(
        default=False, description="its absence from a file breaks the contract"
    )


class Contract(_Model):
    """What a source's change of shape does to the run.

    ``keep``: an undeclared column is kept as JSON in ``_extra``; ``drop``: left out;
    ``set_aside``: the file waits where it lies and the rest goes on; ``stop``: the
    run stops before anything is published.
    """

    new_column: Literal["keep", "drop", "set_aside", "stop"] = "keep"
    missing_column: Literal["null", "set_aside", "stop"] = "set_aside"
    bad_file: Literal["set_aside", "stop"] = "set_aside"
    empty_file: Literal["accept", "set_aside", "stop"] = "set_aside"
    final_newline: bool = Field(
        default=False, description="a text file that ends within a line is truncated"
    )


class Entity(_Model):
    """One table of a system."""

    columns: dict[str, Column]
    primary_key: tuple[str, ...] = Field(min_length=1)
    keyless: bool = Field(
        default=False,
        description="the source has no key: rows alike within a file are numbered",
    )
    cursor: str | None = Field(default=None, description="column that grows (SQL)")
    table: str | None = Field(default=None, description="table name (SQL)")
    path: str | None = Field(default=None, description="glob below the data folder")
    format: Literal["csv", "jsonl", "parquet", "auto"] = "auto"
    arrival: Literal["file_name", "now"] = Field(
        default="now", description="where the arrival day of a file is read from"
    )
    contract: Contract = Contract()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        unknown = [k for k in self.primary_key if k not in self.columns]
        if unknown:
            raise ValueError(
                f"primary_key names columns that are not declared: {unknown}"
            )
        if self.cursor and self.cursor not in self.columns:
            raise ValueError(f"cursor {self.cursor!r} is not a declared column")
        return self


class System(_Model):
    """One source system."""

    kind: Literal["files", "sql"]
    timezone: str
    owner: str
    purpose: str = Field(description="what its records may be used for, in words")
    freshness_days: int = Field(default=2, ge=0)
    url: DatabaseUrl | None = None
    connection: ConnectionName | None = None
    entities: dict[str, Entity]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.kind == "sql" and (self.url is None) == (self.connection is None):
            raise ValueError("a sql system needs a url or a connection, and not both")
        for name, entity in self.entities.items():
            if self.kind == "sql" and not (entity.table and entity.cursor):
                raise ValueError(f"entity {name}: a sql entity needs table and cursor")
            if self.kind == "files" and not entity.path:
                raise ValueError(f"entity {name}: a files entity needs a path")
        return self


class SourcesConfig(_Model):
    """All systems that the project knows; a world says which of them it has."""

    systems: dict[str, System]
