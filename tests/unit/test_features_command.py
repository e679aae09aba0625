"""`strata features list` gives the catalogue, whole or by family."""

import json
from itertools import chain
from pathlib import Path

import pytest
import yaml
from strata.cli import app
from strata.config.features import FeaturesConfig
from strata.config.loader import read_yaml
from typer.testing import CliRunner

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATA_PROJECT", str(ROOT))


def listed(*arguments: str) -> list[dict[str, object]]:
    done = CliRunner().invoke(app, ["features", "list", "--json", *arguments])
    assert done.exit_code == 0, done.output
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def test_the_catalogue_has_every_feature_with_all_that_the_table_tells() -> None:
    config = read_yaml(ROOT / "config/features.yml", FeaturesConfig)
    models = yaml.safe_load(
        (ROOT / "dbt_project/models/features/_features__models.yml").read_text("utf-8")
    )["models"]
    columns = {
        column["name"]
        for model in models
        if model["name"] == "catalog"
        for column in model["columns"]
        if not column["name"].startswith("_")
    }

    assert [row["name"] for row in listed()] == [f.name for f in config.catalogue]
    assert all(set(row) == columns for row in listed())


def test_the_families_part_the_catalogue() -> None:
    everything = listed()
    families = list(dict.fromkeys(str(row["family"]) for row in everything))
    parts = [listed("--family", family) for family in families]

    assert list(chain.from_iterable(parts)) == everything
    assert listed("--family", families[0], "--family", families[1]) == (
        parts[0] + parts[1]
    )


def test_a_family_that_is_not_there_is_told_with_those_that_are() -> None:
    done = CliRunner().invoke(app, ["features", "list", "--family", "horoscope"])

    assert done.exit_code == 1
    assert "no family 'horoscope'; known: profile" in done.output
