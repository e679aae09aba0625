"""What is published on an engine without transactions: one file says it all."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strata.warehouse.publications import (
    Part,
    Publication,
    Publications,
    all_columns,
    without_days,
)

DAY = date(2026, 1, 1)
DAYS = [DAY + timedelta(days=n) for n in range(5)]


def part(place: str, *days: date, columns: tuple[str, ...] = ("ds",)) -> Part:
    return Part(place, "t", tuple((name, "date") for name in columns), days or None)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    said = Publications().with_parts("a.t", [part("a__1", *DAYS), part("a__2")])
    said = said.with_run(Publication("a", DAY, "r.1", True, {"a.t": 2}, {"a.t": "x"}))

    said.write(tmp_path / "deep" / "publications.json")

    assert Publications.read(tmp_path / "deep" / "publications.json") == said
    assert said.has("a", "r.1") and not said.has("a", "r.2")
    assert said.places() == {"a__1", "a__2"}
    assert Publications.read(tmp_path / "none.json") == Publications()


def test_killed_before_the_rename_nothing_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "publications.json"
    before = Publications().with_parts("a.t", [part("a__1")])
    before.write(file)

    def killed(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        before.with_parts("a.t", [part("a__2")]).write(file)

    assert Publications.read(file) == before


@given(st.lists(st.lists(st.sampled_from(DAYS), min_size=1, unique=True), max_size=6))
def test_each_day_has_the_part_that_published_it_last(
    published: list[list[date]],
) -> None:
    parts: list[Part] = []
    newest: dict[date, str] = {}
    for number, days in enumerate(published):
        parts = [*without_days(parts, days), part(f"a__{number}", *days)]
        newest |= dict.fromkeys(days, f"a__{number}")

    assert {day: p.place for p in parts for day in p.days or ()} == newest
    assert sum(len(p.days or ()) for p in parts) == len(newest)


def test_columns_are_the_newest_parts_and_then_what_older_ones_had() -> None:
    parts = [part("a__1", columns=("ds", "old")), part("a__2", columns=("new", "ds"))]

    assert list(all_columns(parts)) == ["new", "ds", "old"]
