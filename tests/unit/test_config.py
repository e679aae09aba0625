"""A mistake in a configuration file is told with the file, the line and the key."""

import shutil
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel, ConfigDict
from strata.config.check import check_rules
from strata.config.loader import ConfigError, read_yaml
from strata.config.sources import SourcesConfig
from strata.config.world import WorldConfig

ROOT = Path(__file__).parents[2]


class Item(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    share: float = 0.5


class Rules(BaseModel):
    model_config = ConfigDict(extra="forbid")

    items: list[Item]


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("items:\n- name: a\n  share: lots\n", 3, "items.0.share"),
        ("items:\n- name: a\n- shape: b\n", 3, "items.1.name"),
        ("items:\n- name: a\n  sahre: 1\n", 3, "items.0.sahre"),
        ("items: [\n", 2, "not valid YAML"),
        ("", 1, "items"),
    ],
)
def test_an_error_names_file_line_and_key(
    tmp_path: Path, text: str, line: int, told: str
) -> None:
    path = tmp_path / "rules.yml"
    path.write_text(text)

    with pytest.raises(ConfigError) as caught:
        read_yaml(path, Rules)

    assert f"{path}: line {line}: " in str(caught.value)
    assert told in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"rules\.yml: the file is missing"):
        read_yaml(tmp_path / "rules.yml", Rules)


def test_the_project_s_own_files_are_valid_and_agree() -> None:
    sources = read_yaml(ROOT / "config" / "sources.yml", SourcesConfig)

    for path in (ROOT / "config" / "worlds").glob("*.yml"):
        world = read_yaml(path, WorldConfig)
        assert world.name == path.stem
        for system, entities in world.systems.items():
            known = sources.systems[system].entities
            assert entities == "all" or set(entities) <= set(known)


def test_a_key_that_no_column_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sources.yml"
    path.write_text(
        "systems:\n"
        "  shop:\n"
        "    kind: files\n"
        "    timezone: UTC\n"
        "    owner: o\n"
        "    purpose: p\n"
        "    entities:\n"
        "      orders: {path: '*.csv', primary_key: [id], columns: {order_id: {}}}\n"
    )

    with pytest.raises(ConfigError, match=r"line 8: .*not declared: \['id'\]"):
        read_yaml(path, SourcesConfig)


def test_an_entity_that_staging_reads_has_to_be_declared(tmp_path: Path) -> None:
    """A release brings one, and the rules of a project are its own."""
    for folder in ("config", "expectations", "dbt_project/models/staging"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    world = read_yaml(ROOT / "config" / "worlds" / "sample.yml", WorldConfig)
    check_rules(tmp_path, world)
    rules = tmp_path / "config" / "sources.yml"
    content = yaml.safe_load(rules.read_text("utf-8"))
    del content["systems"]["app"]["entities"]["devices"]
    del content["systems"]["pos"]
    rules.write_text(yaml.safe_dump(content))

    with pytest.raises(ConfigError) as caught:
        check_rules(tmp_path, world)

    told = str(caught.value).splitlines()
    assert {line.split(": ")[1] for line in told} >= {
        "systems.app.entities.devices",
        "systems.pos.entities.receipts",
    }
    assert all("_app__sources.yml" in t or "_pos__sources.yml" in t for t in told)

    broken = tmp_path / "dbt_project/models/staging/web/_web__sources.yml"
    broken.write_text("sources:\n  - name: [\n")
    with pytest.raises(
        ConfigError, match=r"_web__sources\.yml: line 3: not valid YAML"
    ):
        check_rules(tmp_path, world)
