"""The documentation is one page: whole, without a network, and up to date."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from strata.config.features import FeaturesConfig
from strata.config.loader import read_yaml
from strata.documentation import build_site, catalogue
from strata.tenant import Tenant

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    place = tmp_path_factory.mktemp("documented")
    for name in ("dbt_project", "expectations"):
        (place / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "config", place / "config")
    return Tenant("sample", root=place, state=place / "state")


@pytest.fixture(scope="module")
def page(tenant: Tenant) -> str:
    return build_site(tenant).read_text("utf-8")


@pytest.fixture(scope="module")
def manifest(page: str) -> dict[str, Any]:
    """What the page embeds, read as a browser would."""
    start = page.index("var n={manifest:") + len("var n={manifest:")
    found: dict[str, Any] = json.JSONDecoder().raw_decode(page[start:])[0]
    return found


def test_the_page_loads_nothing_and_tells_nothing_of_the_machine(
    page: str, tenant: Tenant
) -> None:
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=.?(https?:)?//", page)
    assert str(ROOT) not in page and str(tenant.state) not in page
    assert "INLINE DATA" not in page


def test_tables_stand_under_the_names_that_people_read(
    manifest: dict[str, Any],
) -> None:
    orders = manifest["nodes"]["model.strata.fct_orders"]
    assert orders["relation_name"] == "marts.fct_orders"
    assert "build_" not in json.dumps([n["schema"] for n in manifest["nodes"].values()])
    assert "metric.strata.ltv" in manifest["metrics"]


def test_the_catalogue_has_every_feature(manifest: dict[str, Any]) -> None:
    config = read_yaml(ROOT / "config" / "features.yml", FeaturesConfig)
    told = manifest["docs"]["doc.strata.__strata__"]["block_contents"]
    assert told == catalogue(config)
    named = re.findall(r"^\| `(\w+)` \|", told, re.MULTILINE)
    assert named == [f.name for f in config.catalogue]
    assert {line.count(" | ") for line in told.splitlines() if line[:3] == "| `"} == {5}


def test_it_is_written_anew_where_its_words_change_and_only_there(
    tenant: Tenant, page: str
) -> None:
    place = build_site(tenant)
    before = place.stat().st_mtime_ns, place.stat().st_ino
    build_site(tenant)
    assert (place.stat().st_mtime_ns, place.stat().st_ino) == before

    rules = tenant.config_dir / "features.yml"
    content = yaml.safe_load(rules.read_text("utf-8")) | {"owner": "somebody else"}
    rules.write_text(yaml.safe_dump(content), "utf-8")
    assert "owner: somebody else" in build_site(tenant).read_text("utf-8")
