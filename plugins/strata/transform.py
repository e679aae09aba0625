"""dbt in this process: one invocation a stage, the project parsed where it changed."""

import os
from pathlib import Path
from typing import Any

from strata import dbt_log, parsed
from strata.engine_errors import named, without_values
from strata.tenant import Tenant
from strata.warehouse.tables import BUILD_PREFIX, STAGE_SCHEMAS, TableSpec

SELECTED = {
    "staging": "path:models/staging",
    "features": "path:models/features path:models/marts",
    "publish": "path:models/activation",
}
STANDING = "standing"
"""The schema in which a stage finds what stands of its own tables."""
_manifests: dict[Path, Any] = {}


class TransformError(RuntimeError):
    """dbt could not build a stage; says which model and where its log lies."""


def build(
    tenant: Tenant, stage: str, *, snapshots_only: bool = False, again: bool = False
) -> None:
    """Build the models of ``stage`` into its build schemas.

    ``snapshots_only`` builds what is published by day and what that stands on;
    ``again`` keeps what an earlier call built whatever the days (``tag:any_day``).
    The caller holds the warehouse. Raises ``TransformError`` naming the models that
    failed, and of what the engine said all but the values of rows.
    """
    wanted = SELECTED[stage].split()
    if snapshots_only:
        wanted = [
            f"+{spec.name},{place}"
            for spec in table_specs(tenant, stage)
            if spec.mode in ("by_ds", "history")
            for place in wanted
        ]
    kept = ["--exclude", "tag:any_day"] if again else []
    result = _invoke(tenant, ["run", "--no-version-check", "--select", *wanted, *kept])
    if not result.success:
        raise TransformError(_explain(tenant, stage, result))


def table_specs(tenant: Tenant, stage: str) -> list[TableSpec]:
    """The models of ``stage`` that are published, as their YAML says how."""
    specs = []
    for node in _manifest(tenant).nodes.values():
        if node.resource_type != "model" or "publish" not in node.config.meta:
            continue
        schema = node.schema.removeprefix(BUILD_PREFIX)
        if schema in STAGE_SCHEMAS[stage]:
            meta = node.config.meta
            key = tuple(meta.get("publish_key", ()))
            kept = next(iter(meta.get("publish_kept", {}).items()), None)
            specs.append(TableSpec(schema, node.alias, meta["publish"], key, kept))
    return sorted(specs, key=lambda s: (s.schema, s.name))


def own_tables(tenant: Tenant, stage: str) -> dict[TableSpec, dict[str, str]]:
    """The tables of ``stage`` that it reads in ``STANDING``, as earlier runs left them.

    Each with the types of its columns by name, as its contract has them.
    """
    read = source_names(tenant)
    nodes = {
        f"{node.schema.removeprefix(BUILD_PREFIX)}.{node.alias}": node
        for node in _manifest(tenant).nodes.values()
        if node.resource_type == "model"
    }
    own = [s for s in table_specs(tenant, stage) if f"{STANDING}.{s.name}" in read]
    return {
        spec: {
            column.name: column.data_type
            for column in nodes[f"{spec.schema}.{spec.name}"].columns.values()
        }
        for spec in own
    }


def descriptions(tenant: Tenant) -> dict[str, tuple[str, dict[str, str]]]:
    """``schema.table`` → (description, column → description), from the models' YAML."""
    found = {}
    for node in _manifest(tenant).nodes.values():
        if node.resource_type == "model":
            name = f"{node.schema.removeprefix(BUILD_PREFIX)}.{node.alias}"
            columns = {c: v.description.strip() for c, v in node.columns.items()}
            found[name] = (node.description.strip(), columns)
    return found


def source_names(tenant: Tenant) -> set[str]:
    """``schema.table`` of what models read and none of them builds in this stage."""
    return {f"{s.schema}.{s.identifier}" for s in _manifest(tenant).sources.values()}


def written_manifest(tenant: Tenant) -> dict[str, Any]:
    """The parsed project as dbt writes it to ``manifest.json``."""
    from dbt.flags import get_flags

    # dbt asks this of its flags, which are empty until a first command.
    if not hasattr(get_flags(), "SEND_ANONYMOUS_USAGE_STATS"):
        get_flags().SEND_ANONYMOUS_USAGE_STATS = False
    found: dict[str, Any] = (
        _manifest(tenant).writable_manifest().to_dict(omit_none=False)
    )
    return found


def _project(tenant: Tenant) -> Path:
    """Where the project lies, so that tenants that share one parse it once."""
    return (tenant.root / "dbt_project").resolve()


def _manifest(tenant: Tenant) -> Any:
    project = _project(tenant)
    if project not in _manifests and (
        known := parsed.load(project, tenant.state / "dbt")
    ):
        _manifests[project] = known
    if project not in _manifests:
        result = _invoke(tenant, ["parse", "--no-version-check"], is_parsed=False)
        if not result.success:
            raise TransformError(_explain(tenant, "the project", result))
        _manifests[project] = result.result
        made = tenant.home / "dbt" / "target" / "partial_parse.msgpack"
        parsed.keep(project, tenant.state / "dbt", made)
    return _manifests[project]


def _invoke(tenant: Tenant, arguments: list[str], *, is_parsed: bool = True) -> Any:
    """Call dbt; its connections are closed when it ends, so that no lock stays."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    project = _project(tenant)
    place = tenant.home / "dbt"
    tenant.ensure_pseudonym_key()
    os.environ["STRATA_WAREHOUSE"] = str(tenant.warehouse.path)
    os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
    # Two models are built at a time, and a wide table written by two threads costs
    # twice the processor time of one.
    os.environ.setdefault(
        "STRATA_DUCKDB_THREADS", str(max((os.cpu_count() or 2) // 2, 1))
    )
    # A copy: compiling leaves its marks on ephemeral models, and a second run of the
    # same stage would then miss them.
    runner = dbtRunner(
        manifest=_manifest(tenant).deepcopy() if is_parsed else None,
        callbacks=[dbt_log.written_to(place / "logs" / "dbt.log")],
    )
    try:
        return runner.invoke(
            [
                *dbt_log.QUIET,
                "--no-write-json",
                "--log-path",
                str(place / "logs"),
                arguments[0],
                "--project-dir",
                str(project),
                "--profiles-dir",
                str(project),
                "--target",
                "duckdb",
                "--target-path",
                str(place / "target"),
                *arguments[1:],
            ]
        )
    finally:
        DuckDBConnectionManager.close_all_connections()


def _explain(tenant: Tenant, stage: str, result: Any) -> str:
    failed = [
        f"{r.node.name} ({named(r.message or '') or r.status})"
        for r in getattr(result.result, "results", None) or []
        if str(r.status) in ("error", "fail")
    ]
    what = ", ".join(failed) or without_values(str(result.exception))
    place = tenant.home / "dbt"
    return (
        f"dbt could not build {stage}: {what}. The statement is below {place / 'target'}"
        f", dbt's words are at the end of {place / 'logs' / 'dbt.log'}, both without the"
        " values of rows; nothing was published. Mend it and run the day again."
    )
