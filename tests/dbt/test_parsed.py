"""The parsed project is kept between processes, and never outlives what it was made of."""

import shutil
from pathlib import Path

import pytest
from strata import parsed, transform
from strata.tenant import Tenant

from tests.integration.world import ROOT, small_project

pytestmark = pytest.mark.slow


def test_what_is_parsed_is_kept_until_a_file_of_it_changes(tmp_path: Path) -> None:
    root = small_project(tmp_path)
    (root / "dbt_project").unlink()
    ours = root / "dbt_project"
    shutil.copytree(
        ROOT / "dbt_project", ours, ignore=shutil.ignore_patterns("target", "logs")
    )
    tenant = Tenant("sample", root=root, state=tmp_path / "state")

    def described() -> str:
        transform._manifests.clear()
        return transform.descriptions(tenant)["marts.fct_touches"][0]

    first = described()
    kept = parsed.load(ours, tenant.state / "dbt")
    assert kept is not None, "it was kept"
    assert kept.nodes["model.strata.fct_touches"].description == first

    models = ours / "models" / "marts" / "_marts__models.yml"
    text = models.read_text("utf-8")
    models.write_text(text.replace(first.split("\n")[0], "Edited words.", 1), "utf-8")
    changed = parsed.load(ours, tenant.state / "dbt")
    assert changed is None, "with a changed file it is another project"
    assert described().startswith("Edited words.")

    for place in (ours / "target").glob("*.msgpack"):
        place.write_bytes(b"half a file")
    assert described().startswith("Edited words.")
    transform._manifests.clear()


def test_a_project_that_cannot_be_written_to_keeps_it_in_the_home(
    tmp_path: Path,
) -> None:
    project, spare, made = tmp_path / "project", tmp_path / "home", tmp_path / "made"
    project.mkdir()
    (project / "target").write_text("no folder can be here")
    made.write_bytes(b"parsed")

    parsed.keep(project, spare, made)

    assert [f.read_bytes() for f in spare.iterdir()] == [b"parsed"]
