"""How each table is published: which schema belongs to which stage, and by what mode.

dbt models say it themselves (``meta.publish`` in their YAML); the tables that Python
builds are listed here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

PublishMode = Literal["replace", "by_ds", "by_key", "by_batch", "append", "history"]

STAGES: tuple[str, ...] = (
    "ingest",
    "staging",
    "identity",
    "features",
    "segments",
    "publish",
)

STAGE_SCHEMAS: Mapping[str, tuple[str, ...]] = {
    "ingest": ("raw",),
    "staging": ("staging", "pii"),
    "identity": ("identity",),
    "features": ("features", "marts", "models"),
    "segments": ("segments", "models"),
    "publish": ("activation",),
}

BUILD_PREFIX = "build_"

BESIDE = "__build"
"""What a table is called that is built beside the published one it will replace."""

# A model that an older day had to fit is kept: its scores name it.
SNAPSHOT_MODES: tuple[PublishMode, ...] = ("by_ds", "by_key", "history")


@dataclass(frozen=True)
class TableSpec:
    """One published table: where it lives and how a run's rows get into it.

    ``by_batch`` keeps the rows whose key stands in the built table ``kept``, of the
    relation named beside it, and puts the built rows in place of all others.
    """

    schema: str
    name: str
    mode: PublishMode
    key: tuple[str, ...] = ()
    kept: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        if self.mode in ("by_key", "by_batch", "history") and not self.key:
            raise ValueError(f"{self.schema}.{self.name}: {self.mode} needs a key")
        if self.mode == "by_batch" and self.kept is None:
            raise ValueError(f"{self.schema}.{self.name}: by_batch needs what is kept")

    @property
    def published(self) -> str:
        return f'"{self.schema}"."{self.name}"'

    @property
    def build(self) -> str:
        return f'"{BUILD_PREFIX}{self.schema}"."{self.name}"'


PYTHON_TABLES: Mapping[str, tuple[TableSpec, ...]] = {
    "identity": (
        TableSpec("identity", "components", "replace"),
        TableSpec("identity", "edges", "replace"),
        TableSpec("identity", "id_ledger", "replace"),
        TableSpec("identity", "id_map", "replace"),
        TableSpec("identity", "match_records", "replace"),
        TableSpec("identity", "match_review", "replace"),
        TableSpec("identity", "resolution", "replace"),
        TableSpec("identity", "guards", "by_ds"),
    ),
    "features": (TableSpec("models", "registry", "by_key", ("model", "version")),),
    "segments": (
        TableSpec("segments", "scores", "by_ds"),
        TableSpec("segments", "user_tiers", "by_ds"),
        TableSpec("segments", "reasons", "by_ds"),
        TableSpec("models", "registry", "by_key", ("model", "version")),
    ),
}
