"""The page of the sample world: what was set against what came, without a network."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from strata.sample import last_day
from strata.sample.findings import findings
from strata.sample.page import for_machines, summary, write_page

from tests.unit.sample_place import RICH, Place


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("rich"))
    place.advance(RICH, last_day(RICH))
    return place


class _Tags(HTMLParser):
    """Every tag with its attributes; ``open`` are those not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_shows_every_finding(
    tmp_path: Path, rich: Place
) -> None:
    page = tmp_path / "page.html"
    shown = write_page(page, rich.world, RICH)
    text = page.read_text(encoding="utf-8")
    tags = _Tags()
    tags.feed(text)
    assert tags.open == []
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in tags.seen}
    assert not re.search(r"https?://|url\(|@import", text)
    sections = {attrs.get("id") for tag, attrs in tags.seen if tag == "section"}
    assert sections == {*(finding.name for finding in shown.found), "rows"}
    names = {tag for tag, _ in tags.seen}
    assert {"svg", "rect", "polyline"} <= names
    for place in (float(v) for v in re.findall(r' [xy][12]?="(-?[\d.]+)"', text)):
        assert -1 <= place <= 521


def test_what_came_lies_near_what_was_set(rich: Place) -> None:
    found = {finding.name: finding for finding in findings(rich.world, RICH)}
    assert {pair.label for pair in found["systems"].pairs} == {
        *RICH.systems.model_dump()
    }
    for name in ("dirt", "channels", "moods"):
        assert found[name].pairs
        for pair in found[name].pairs:
            spread = max(pair.error or 0, 0.02 * pair.was_set)
            assert abs(pair.came - pair.was_set) < 5 * spread, pair
    shares = [y for _, y in found["concentration"].lines[0].points]
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1)


def test_the_summary_and_the_json_tell_the_same(tmp_path: Path, rich: Place) -> None:
    shown = write_page(tmp_path / "page.html", rich.world, RICH)
    machines = for_machines(shown)
    pairs = [pair for one in machines["findings"].values() for pair in one["pairs"]]
    lines = summary(shown)
    assert lines[0].startswith("200 persons, 45 days up to 2025-12-03")
    assert len(lines) == 1 + len(pairs)
    assert machines["persons"] == 200 and machines["days"] == 45


def test_there_is_no_page_of_a_world_that_has_not_begun(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has not begun"):
        write_page(tmp_path / "page.html", tmp_path / "world", RICH)
    assert not (tmp_path / "page.html").exists()
