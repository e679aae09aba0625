"""The documentation of the dbt project as one page that needs no network.

It is dbt's own site (``dbt docs generate --static`` embeds the same two files into the
same page), made from the parsed project that a run has anyway: no second parse, no
question to the warehouse. It shows what is published, under the schemas that people
know, with two pages of ours: the start, and the catalogue of features from
``config/features.yml``.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from strata import parsed, transform
from strata.config.features import FeaturesConfig
from strata.config.loader import read_yaml
from strata.config.measures import Feature
from strata.tenant import Tenant
from strata.warehouse.tables import BUILD_PREFIX

PAGE = Path("docs") / "index.html"
"""Where the site lies, below a tenant's home."""

_KEY = "strata-docs-key:"
_START = """\
# The warehouse in words

Every model, column, source, test, exposure and metric of the dbt project, with what it
is made of and what is made of it.

| layer | what is in it |
|---|---|
| staging | each system's records, typed, deduplicated and free of PII |
| features | what was known of a user on a day: [the catalogue](#!/overview/strata) |
| marts | facts and users for people and BI tools: public, with contracts |
| metrics | views that metrics stand on, and the metrics |
| activation | what the CRM is to hold |

People read the published copy (`serving/strata.duckdb`, or Parquet): the marts,
`features.feat_users`, tiers, scores, and a view for each metric.
"""


def build_site(tenant: Tenant) -> Path:
    """Write the site where it is not up to date with the project; its page.

    Costs a hash of the project where it is. Raises ``TransformError`` where dbt cannot
    parse the project.
    """
    config = tenant.config_dir / "features.yml"
    digest = hashlib.sha256(config.read_bytes())
    digest.update(parsed.key((tenant.root / "dbt_project").resolve()).encode())
    digest.update(Path(__file__).read_bytes())
    key = f"<!-- {_KEY}{digest.hexdigest()} -->"
    page = tenant.home / PAGE
    if page.exists() and _last_line(page) == key:
        return page
    features = read_yaml(config, FeaturesConfig)
    manifest = described(transform.written_manifest(tenant), features)
    page.parent.mkdir(parents=True, exist_ok=True)
    partial = page.with_name(f".{page.name}.partial")
    partial.write_text(f"{_embedded(manifest)}\n{key}", encoding="utf-8")
    partial.replace(page)
    return page


def described(manifest: dict[str, Any], features: FeaturesConfig) -> dict[str, Any]:
    """The manifest with our pages, schemas as published, and nothing of the machine."""
    for node in (*manifest["nodes"].values(), *manifest["semantic_models"].values()):
        holder = node.get("node_relation") or node
        for name in ("schema", "schema_name"):
            if holder.get(name):
                holder[name] = holder[name].removeprefix(BUILD_PREFIX)
        if node.get("relation_name"):
            node["relation_name"] = f"{node['schema']}.{node['alias']}"
    kept = ("dbt_schema_version", "dbt_version", "project_name", "adapter_type")
    manifest["metadata"] = {k: manifest["metadata"].get(k) for k in kept}
    pages = {"__overview__": _START, "__strata__": catalogue(features)}
    for name, text in pages.items():
        manifest["docs"][f"doc.strata.{name}"] = {
            "name": name,
            "resource_type": "doc",
            "package_name": "strata",
            "path": "config/features.yml",
            "original_file_path": "config/features.yml",
            "unique_id": f"doc.strata.{name}",
            "block_contents": text,
        }
    return manifest


def catalogue(features: FeaturesConfig) -> str:
    """The catalogue of features as Markdown, family by family."""
    return "\n".join(_catalogue_lines(features))


def _catalogue_lines(features: FeaturesConfig) -> Iterator[str]:
    families = dict.fromkeys(f.family for f in features.catalogue)
    yield "# The catalogue of features\n"
    yield (
        f"{len(features.catalogue)} features of `features.feat_users`, owner:"
        f" {features.owner}. The same as the table `features.catalog`, and as"
        " `strata features list`.\n"
    )
    for family in families:
        yield f"\n## {family}\n"
        yield "| feature | what it says | type, unit | days | PII | made of |"
        yield "|---|---|---|---|---|---|"
        for feature in features.catalogue:
            if feature.family == family:
                yield f"| {' | '.join(_cells(feature))} |"


def _cells(feature: Feature) -> Iterator[str]:
    yield f"`{feature.name}`"
    words = f"{feature.description} Null: {feature.null_meaning}."
    yield words.replace("|", "\\|")
    yield ", ".join(filter(None, (feature.data_type, feature.unit)))
    yield str(feature.window_days or "")
    yield feature.pii_class
    yield ", ".join(feature.source_models)


def _embedded(manifest: Mapping[str, Any]) -> str:
    from dbt.task.docs import DOCS_INDEX_FILE_PATH

    page = Path(DOCS_INDEX_FILE_PATH).read_text(encoding="utf-8")
    for name, data in (("MANIFEST", manifest), ("CATALOG", _columns(manifest))):
        text = json.dumps(data, default=str, sort_keys=True).replace("</", "<\\/")
        page = page.replace(f'"{name}.JSON INLINE DATA"', text)
    return page


def _columns(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The types of columns, as the contracts promise them, in dbt's form."""
    return {
        "metadata": {},
        "errors": None,
        "sources": {},
        "nodes": {
            unique_id: {
                "unique_id": unique_id,
                "metadata": {
                    "type": node["config"]["materialized"],
                    "schema": node["schema"],
                    "name": node["alias"],
                    "database": node["database"],
                    "comment": None,
                    "owner": None,
                },
                "columns": {
                    name: {"type": c["data_type"], "index": n, "name": name}
                    for n, (name, c) in enumerate(node["columns"].items(), start=1)
                },
                "stats": {},
            }
            for unique_id, node in manifest["nodes"].items()
            if node["resource_type"] == "model"
            and node["columns"]
            and all(c["data_type"] for c in node["columns"].values())
        },
    }


def _last_line(page: Path) -> str:
    with page.open("rb") as file:
        file.seek(-min(page.stat().st_size, 200), 2)
        return file.read().decode("utf-8", "replace").rpartition("\n")[2]
