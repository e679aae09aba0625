"""What a newcomer meets at `make`: its targets, and mistakes that cost no run.

`make backfill` and `make run DS=…` run in test_command_line.py, `make run WORLD=… DATA=…`
in test_real_invoices.py.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.integration.world import FIRST, ROOT, make, small_project

DAY = FIRST + timedelta(days=19)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A project over a company of 40 people that nobody has run."""
    yield small_project(tmp_path, users=40, days=20)


def words(text: str) -> str:
    return " ".join(text.split())


def test_a_fault_in_any_rule_is_told_before_anything_runs(
    root: Path, tmp_path: Path
) -> None:
    """All of them at once, with file, line and key."""
    for name, was, fault in (
        ("tiers", "version:", "versoin:"),
        ("sources", "    owner: e-commerce", "    ownr: e-commerce"),
    ):
        place = root / "config" / f"{name}.yml"
        text = place.read_text("utf-8")
        assert was in text
        place.write_text(text.replace(was, fault, 1), "utf-8")

    told = make(root, tmp_path / "state", "run", code=2).stderr

    assert "tiers.yml: line 3: versoin: Extra inputs are not permitted" in told
    assert "sources.yml: line " in told and "systems.store.ownr" in told
    assert "Traceback" not in told
    assert not (tmp_path / "state" / "sample" / "warehouse").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "WORLD=nowhere"], "known worlds: online_retail, sample"),
        (["run", "WORLD=online_retail"], "needs a data folder: give DATA=<folder>"),
        (["run", "WORLD=online_retail", "DATA=/no/where"], "is not there: check DATA="),
        (
            ["run", "DS=2020-01-01"],
            f"world 'sample' begins on {FIRST} (first_day in config/sample.yml): nobody "
            f"is known on 2020-01-01. Give a day from {FIRST} on",
        ),
        (
            ["run", "WORLD=online_retail", "DATA=.", "DS=2062-11-22"],
            "2062-11-22 has not come yet: today is",
        ),
        (["run", "DS=tomorrow"], "'tomorrow' is not a date: write YYYY-MM-DD"),
        (["backfill", f"FROM={DAY}"], "give FROM=YYYY-MM-DD TO=YYYY-MM-DD"),
        (
            ["backfill", f"FROM={DAY}", f"TO={DAY - timedelta(days=1)}"],
            "backfills go forward in time",
        ),
    ],
)
def test_a_mistake_on_the_command_line_says_what_to_write(
    root: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    told = make(root, tmp_path / "state", *arguments, code=2).stderr

    assert said in words(told)
    assert "Traceback" not in told


def test_make_alone_names_every_target(root: Path, tmp_path: Path) -> None:
    told = make(root, tmp_path / "state").stdout

    written = (ROOT / "Makefile").read_text("utf-8").split(".PHONY:")[1].split("\n")[0]
    for target in written.split():
        assert f"make {target} " in told
