"""The sample world: the same settings give the same world, however it is advanced."""

import signal
import sqlite3
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from strata.sample import (
    World,
    WorldMismatchError,
    advance,
    describe,
    files,
    last_day,
    world,
)
from strata.sample.devices import app_devices

from tests.unit.sample_place import SMALL, Place


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The content of the small world, written in one call."""
    place = Place(tmp_path_factory.mktemp("whole"))
    place.advance(SMALL, last_day(SMALL))
    return place.content()


@pytest.mark.parametrize("stops", [[29], [0, 1, 2, 26, 29], [20, 3, 29, 29]])
def test_bytes_do_not_depend_on_how_often_the_world_was_advanced(
    tmp_path: Path, whole: dict[str, str], stops: list[int]
) -> None:
    place = Place(tmp_path)
    days = [day for stop in stops for day in place.advance(SMALL, SMALL.day(stop)).days]
    assert place.content() == whole
    assert days == [SMALL.day(number) for number in range(30)]


def test_bytes_do_not_depend_on_the_steps_of_the_way(
    tmp_path: Path, whole: dict[str, str]
) -> None:
    place = Place(tmp_path)
    steps = (place.world, place.crm, SMALL, last_day(SMALL))
    on_the_way = World(*steps)
    reached = [on_the_way.reach(SMALL.day(n)).days for n in (0, 1, 4, 3, 29, 40)]
    assert place.content() == whole
    assert [len(days) for days in reached] == [1, 1, 3, 0, 25, 0]
    assert World(*steps).reach(last_day(SMALL)).days == ()


def test_a_day_reached_on_the_way_is_the_crm_of_that_day(tmp_path: Path) -> None:
    place, alone = Place(tmp_path / "way"), Place(tmp_path / "alone")
    on_the_way = World(place.world, place.crm, SMALL, last_day(SMALL))
    on_the_way.reach(SMALL.day(2))
    on_the_way.reach(SMALL.day(9))
    alone.advance(SMALL, SMALL.day(9))
    assert place.content() == alone.content()


def test_an_early_day_does_not_depend_on_how_far_the_world_goes(
    tmp_path: Path, whole: dict[str, str]
) -> None:
    place = Place(tmp_path)
    place.advance(SMALL, SMALL.day(12))
    early = {name: text for name, text in place.content().items() if "crm." not in name}
    assert early.items() <= whole.items()


def test_the_register_of_devices_moves_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: dict[str, str]
) -> None:
    others = tuple(s for s in world._SOURCES if s.rows is not app_devices)
    monkeypatch.setattr(world, "_SOURCES", others)
    place = Place(tmp_path)
    place.advance(SMALL, last_day(SMALL))
    without = place.content()

    # These two tell of all that came.
    told = {name for name in whole if name.startswith(("days/", "truth/faults/"))}
    register = {name for name in whole if name.startswith("landing/app/devices/")}
    assert register == whole.keys() - without.keys() - told
    assert {name for name in without if without[name] != whole.get(name)} <= told


@pytest.mark.parametrize("nth_write", [1, 4, 17, 160])
def test_a_write_that_fails_is_made_good_by_the_next_call(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    whole: dict[str, str],
    nth_write: int,
) -> None:
    place, real, count = Place(tmp_path), files.write_bytes, 0

    def failing(path: Path, content: bytes) -> None:
        nonlocal count
        count += 1
        if count == nth_write:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(f".{path.name}.part").write_bytes(content[:10])
            raise OSError("disk full")
        real(path, content)

    for module in (files, world):
        monkeypatch.setattr(module, "write_bytes", failing)
    with pytest.raises(OSError, match="disk full"):
        place.advance(SMALL, last_day(SMALL))
    place.advance(SMALL, last_day(SMALL))
    assert place.content() == whole


def test_a_call_stopped_between_days_is_taken_up_again(
    tmp_path: Path, whole: dict[str, str]
) -> None:
    place = Place(tmp_path)

    def stop(day: date) -> None:
        if day == SMALL.day(6):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        place.advance(SMALL, last_day(SMALL), stop)
    assert describe(place.world, SMALL)["written_until"] == "2025-11-07"
    assert place.advance(SMALL, last_day(SMALL)).days[0] == SMALL.day(7)
    assert place.content() == whole


_KILLED = """
import os, signal, sys
from pathlib import Path
from strata.sample import SampleConfig, advance, crm, world
folder, settings, what, nth = sys.argv[1:]
config, count = SampleConfig.model_validate_json(settings), 0
def dying(real, after):
    def call(*arguments):
        global count
        count += 1
        if after:
            real(*arguments)
        if count == int(nth):
            os.kill(os.getpid(), signal.SIGKILL)
        if not after:
            real(*arguments)
    return call
if what == "file":
    Path.replace = dying(Path.replace, after=False)
elif what == "crm":
    crm._write = dying(crm._write, after=True)
else:
    world._write_marker = dying(world._write_marker, after=False)
place = Path(folder)
advance(place / "world", place / "crm" / "crm.db", config, config.day(config.days - 1))
"""


@pytest.mark.parametrize(
    ("what", "nth", "days_in_crm"),
    [
        pytest.param("file", 90, 5, id="with a file written but not yet in place"),
        pytest.param("crm", 6, 5, id="within the transaction of the CRM"),
        pytest.param("marker", 9, 9, id="after the CRM, before the day is complete"),
    ],
)
def test_a_killed_process_leaves_a_world_that_goes_on_as_if_nothing_had_been(
    tmp_path: Path, whole: dict[str, str], what: str, nth: int, days_in_crm: int
) -> None:
    place = Place(tmp_path)
    ended = subprocess.run(
        [
            *(sys.executable, "-c", _KILLED),
            *(str(tmp_path), SMALL.model_dump_json(), what, str(nth)),
        ],
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    assert len(place.table("_world_days")) == days_in_crm
    visible = {
        name: text
        for name, text in place.content().items()
        if not name.endswith(".part") and "crm." not in name
    }
    assert visible.items() <= whole.items()
    place.advance(SMALL, last_day(SMALL))
    assert place.content() == whole


def test_a_lost_crm_or_a_lost_world_is_made_again_as_it_was(
    tmp_path: Path, whole: dict[str, str]
) -> None:
    place = Place(tmp_path)
    place.advance(SMALL, last_day(SMALL))
    place.crm.unlink()
    assert place.advance(SMALL, last_day(SMALL)).rows == {}
    for path in sorted(place.world.rglob("2025-11-0*")):
        path.unlink()
    assert place.advance(SMALL, last_day(SMALL)).days[-1] == SMALL.day(8)
    assert place.content() == whole


def test_another_seed_is_another_world(tmp_path: Path, whole: dict[str, str]) -> None:
    place = Place(tmp_path)
    place.advance(SMALL.model_copy(update={"seed": 12}), last_day(SMALL))
    other = place.content()
    same = {name for name in whole if other.get(name) == whole[name]}
    # The table of segments is empty in both, and what is set needs no chance.
    assert {name.rpartition("/")[0] or name for name in same} <= {
        "crm.strata_segments",
        *(f"truth/{name}" for name in ("calendar", "campaigns", "channels")),
        "truth/incidents",
        "landing/ads/costs",  # a day without a click costs nothing
    }


def test_a_world_keeps_the_settings_it_was_begun_with(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.advance(SMALL, SMALL.day(1))
    other = SMALL.model_copy(update={"users": 61})
    with pytest.raises(WorldMismatchError, match="other settings"):
        place.advance(other, SMALL.day(2))
    with pytest.raises(WorldMismatchError, match=r"crm\.db"):
        advance(tmp_path / "elsewhere", place.crm, other, SMALL.day(2))


def test_what_strata_wrote_into_the_crm_is_left_alone(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.advance(SMALL, SMALL.day(3))
    connection = sqlite3.connect(place.crm)
    with connection:
        connection.execute(
            "insert into strata_segments (customer_id, tier) values ('C1', 'select')"
        )
    connection.close()
    place.advance(SMALL, SMALL.day(5))
    assert [row["tier"] for row in place.table("strata_segments")] == ["select"]


def test_the_world_goes_on_with_new_people_after_its_last_day(tmp_path: Path) -> None:
    place = Place(tmp_path)
    persons = []
    for number in (0, 29, 70):
        place.advance(SMALL, SMALL.day(number))
        persons.append(describe(place.world, SMALL)["persons"])
    assert persons[:2] == [24, 60]
    assert persons[2] > 100
    assert len(place.rows("truth/persons")) == persons[2]


def test_nothing_is_told_of_a_world_that_has_not_begun(tmp_path: Path) -> None:
    told = describe(tmp_path / "world", SMALL)
    assert (told["days"], told["persons"], told["rows"]) == (0, 0, 0)
    assert told["written_until"] is None
