"""Raw holds what came, once: bad files wait where they lie, nothing is lost."""

import gzip
import json
import re
import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strata.config.sources import SourcesConfig
from strata.config.world import WorldConfig
from strata.ingest.land import IngestStoppedError, Landing, land
from strata.ingest.manifest import Manifest
from strata.ingest.views import create_views
from strata.run import Run

DAY = date(2026, 10, 31)
COLUMNS = {"id": {"required": True}, "name": {"pii": True}, "amount": {}}


def sources(**contract: object) -> SourcesConfig:
    def entity(path: str, **more: object) -> dict[str, object]:
        return {
            "path": path,
            "primary_key": ["id"],
            "columns": COLUMNS,
            "contract": contract,
            **more,
        }

    return SourcesConfig.model_validate(
        {
            "systems": {
                "shop": {
                    "kind": "files",
                    "timezone": "UTC",
                    "owner": "o",
                    "purpose": "p",
                    "entities": {
                        "orders": entity("orders/*.csv*", arrival="file_name"),
                        "visits": entity("visits/*.jsonl", arrival="file_name"),
                        "absent": entity("absent/*.csv"),
                    },
                },
                "crm": {
                    "kind": "sql",
                    "url": "sqlite:///{home}/crm.db",
                    "timezone": "UTC",
                    "owner": "o",
                    "purpose": "p",
                    "entities": {
                        "people": {
                            "table": "people",
                            "cursor": "moved_at",
                            "primary_key": ["id"],
                            "columns": {**COLUMNS, "moved_at": {}},
                        }
                    },
                },
            }
        }
    )


WORLD = WorldConfig.model_validate(
    {
        "name": "test",
        "description": "d",
        "timezone": "UTC",
        "systems": {"shop": "all"},
        "consent_default": True,
        "crm_record": {"system": "shop", "entity": "orders"},
    }
)
CRM_WORLD = WORLD.model_copy(update={"systems": {"crm": "all"}})


class Place:
    """A tenant's home and data folder, and what raw shows of them."""

    def __init__(self, folder: Path) -> None:
        self.home, self.data = folder / "home", folder / "data"
        self.attempt = 0
        (self.data / "orders").mkdir(parents=True)
        (self.data / "visits").mkdir()
        self.home.mkdir()

    def land(
        self,
        config: SourcesConfig | None = None,
        ds: date = DAY,
        world: WorldConfig = WORLD,
    ) -> Landing:
        self.attempt += 1
        run = Run(f"{ds}.{self.attempt}", ds, "test", self.home, "UTC")
        return land(run, world, config or sources(), self.data)

    def orders(self, day: str, text: str | bytes, ending: str = "csv") -> Path:
        path = self.data / "orders" / f"{day}.{ending}"
        content = text.encode() if isinstance(text, str) else text
        path.write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
        return path

    def raw(self, table: str, columns: str = "id, name, amount") -> list[tuple]:  # type: ignore[type-arg]
        con = duckdb.connect()
        con.execute("set timezone = 'Asia/Shanghai'")  # the machine's changes nothing
        con.execute(
            "create schema quarantine; create table quarantine.rows (system varchar,"
            " entity varchar, status varchar, load_id varchar, file varchar,"
            " row_number bigint)"
        )
        loads = Manifest(self.home / "raw").loads()
        create_views(
            con,
            "raw",
            sources(),
            self.home / "raw",
            loads,
            without_quarantined=True,
        )
        return con.execute(
            f"select {columns} from raw.{table} order by _load_id, _file, _row"
        ).fetchall()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_every_declared_entity_exists_empty_where_nothing_came(place: Place) -> None:
    place.land()

    assert place.raw("shop__absent") == []
    assert place.raw("crm__people") == []


def test_text_comes_as_it_was_with_its_file_row_and_day(place: Place) -> None:
    place.orders("2026-10-30", 'id,name,amount\n1,"Li, Na",007.50\n2,,n/a\n')
    place.orders("2026-10-31", "amount,id,name\n3,3,Bo\n", "csv.gz")

    place.land()

    assert place.raw(
        "shop__orders", "id, name, amount, _file, _row, _known_at::text"
    ) == [
        ("1", "Li, Na", "007.50", "2026-10-30.csv", 1, "2026-10-31 01:30:00"),
        ("2", None, "n/a", "2026-10-30.csv", 2, "2026-10-31 01:30:00"),
        ("3", "Bo", "3", "2026-10-31.csv.gz", 1, "2026-11-01 01:30:00"),
    ]


def test_only_what_is_new_is_read(place: Place) -> None:
    place.orders("2026-10-30", "id,name,amount\n1,a,1\n")
    assert place.land().rows == {"shop__orders": 1}
    assert place.land().rows == {}
    place.orders("2026-10-31", "id,name,amount\n2,b,2\n")
    assert place.land().rows == {"shop__orders": 1}
    place.orders("2026-10-31", "id,name,amount\n2,b,3\n3,c,3\n")
    assert place.land().rows == {"shop__orders": 2}, "a changed file comes again"

    assert [r[0] for r in place.raw("shop__orders")] == ["1", "2", "2", "3"]


def test_files_of_later_days_wait_for_their_day(place: Place) -> None:
    place.orders("2026-10-30", "id,name,amount\n1,a,1\n")
    place.orders("2026-10-31", "id,name,amount\n2,b,2\n")

    place.land(ds=DAY - timedelta(days=1))
    assert [r[0] for r in place.raw("shop__orders")] == ["1"]
    place.land(ds=DAY)
    assert [r[0] for r in place.raw("shop__orders")] == ["1", "2"]


Write = Callable[[Place], object]
BAD_FILES: dict[str, tuple[Write, str, str]] = {
    "empty": (lambda p: p.orders("2026-10-31", ""), "empty", "the file is empty"),
    "blank": (
        lambda p: p.orders("2026-10-31", "\n\n"),
        "empty",
        "no row and no header",
    ),
    "truncated within a line": (
        lambda p: p.orders("2026-10-31", "id,name,amount\n8,x,1\n9,secret"),
        "truncated",
        "ends within line 3",
    ),
    "truncated gzip": (
        lambda p: p.orders("2026-10-31", b"", "csv.gz").write_bytes(
            gzip.compress(b"id,name,amount\n" + b"8,secret,1\n" * 999)[:-9]
        ),
        "truncated",
        "compressed stream ends",
    ),
    "no gzip at all": (
        lambda p: p.orders("2026-10-31", b"", "csv.gz").write_bytes(b"id,name\n"),
        "format",
        "not readable as gzip",
    ),
    "wrong header": (
        lambda p: p.orders("2026-10-31", "key,name,amount\n8,secret,1\n"),
        "missing_column",
        r"columns are missing: \['id'\]",
    ),
    "too many fields": (
        lambda p: p.orders("2026-10-31", "id,name,amount\n8,secret,1\n9,a,b,c,d\n"),
        "columns",
        "line 3 has 5 fields where the header has 3",
    ),
    "mixed encodings": (
        lambda p: p.orders(
            "2026-10-31",
            "id,name,amount\n7,好,1\n".encode() + "8,secret 好,1\n".encode("gb18030"),
        ),
        "encoding",
        "not UTF-8 throughout",
    ),
    "no day in the name": (
        lambda p: p.orders("latest", "id,name,amount\n8,secret,1\n"),
        "name",
        "holds no arrival day",
    ),
    "half a JSON line": (
        lambda p: (p.data / "visits" / "2026-10-31.jsonl").write_text(
            '{"id": "8"}\n{"id": "9", "na\n'
        ),
        "format",
        "line 2 is no JSON object",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_set_aside_and_the_rest_goes_on(place: Place, case: str) -> None:
    write, fault, told = BAD_FILES[case]
    place.orders("2026-10-30", "id,name,amount\n1,a,1\n")
    write(place)
    config = sources(final_newline=True)

    landing = place.land(config)

    assert [(s.fault) for s in landing.set_aside] == [fault]
    reason = landing.set_aside[0].reason
    assert re.search(told, reason), reason
    assert "secret" not in json.dumps([s.__dict__ for s in landing.set_aside])
    assert [r[0] for r in place.raw("shop__orders")] == ["1"]
    assert place.raw("shop__visits") == []

    for path in [*place.data.glob("*/2026-10-31*"), *place.data.glob("*/latest*")]:
        path.unlink()
    place.orders("2026-10-31", "id,name,amount\n8,x,1\n9,y,1\n")
    assert place.land(config).set_aside == []
    assert [r[0] for r in place.raw("shop__orders")] == ["1", "8", "9"]


@pytest.mark.parametrize("case", ["mixed encodings", "wrong header", "empty"])
def test_where_the_contract_says_stop_nothing_is_taken(place: Place, case: str) -> None:
    place.orders("2026-10-30", "id,name,amount\n1,a,1\n")
    BAD_FILES[case][0](place)
    stop = sources(bad_file="stop", missing_column="stop", empty_file="stop")

    with pytest.raises(IngestStoppedError, match=r"orders/2026-10-31\.csv"):
        place.land(stop)

    assert Manifest(place.home / "raw").loads() == []


def test_an_undeclared_column_is_kept_dropped_or_set_aside(place: Place) -> None:
    place.orders("2026-10-31", "id,name,amount,hue\n1,a,1,red\n")
    (place.data / "visits" / "2026-10-31.jsonl").write_text(
        '{"id": "1", "hue": "red", "size": 3}\n{"id": "2"}\n'
    )
    place.land(sources(new_column="keep"))

    assert place.raw("shop__orders", "_extra") == [('{"hue":"red"}',)]
    kept = [r[0] and json.loads(r[0]) for r in place.raw("shop__visits", "_extra")]
    assert kept == [{"hue": "red", "size": "3"}, None]

    shutil.rmtree(place.home / "raw")
    assert [s.fault for s in place.land(sources(new_column="set_aside")).set_aside] == [
        "new_column"
    ]
    shutil.rmtree(place.home / "raw")
    place.land(sources(new_column="drop"))
    assert place.raw("shop__orders", "_extra") == [(None,)]


def test_what_a_killed_load_left_is_swept_and_loaded_once(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.orders("2026-10-31", "id,name,amount\n1,a,1\n2,b,2\n")
    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "commit", lambda *_: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            place.land()
    assert place.raw("shop__orders") == [], "without a manifest entry it does not exist"

    place.land()

    assert [r[0] for r in place.raw("shop__orders")] == ["1", "2"]
    folders = list((place.home / "raw" / "shop" / "orders").iterdir())
    assert [f.name for f in folders] == ["load=2026-10-31.2-shop"]


def people(place: Place, rows: list[tuple[str, str, str]]) -> None:
    engine = sa.create_engine(f"sqlite:///{place.home}/crm.db")
    with engine.begin() as con:
        con.execute(
            sa.text(
                "create table if not exists people"
                " (id integer primary key, name text, amount real, moved_at text)"
            )
        )
        for key, name, moved_at in rows:
            con.execute(
                sa.text("insert or replace into people values (:k, :n, 1.5, :m)"),
                {"k": key, "n": name, "m": moved_at},
            )
    engine.dispose()


def test_a_database_gives_what_moved_and_a_late_commit_is_not_missed(
    place: Place,
) -> None:
    people(
        place, [("1", "a", "2026-10-30 10:00:00"), ("2", "b", "2026-10-31 09:00:00")]
    )
    assert place.land(world=CRM_WORLD).rows == {"crm__people": 2}
    assert place.land(world=CRM_WORLD).rows == {}

    people(place, [("3", "late", "2026-10-31 09:00:00")])
    people(place, [("4", "tomorrow", "2026-11-01 09:00:00")])
    assert place.land(world=CRM_WORLD).rows == {"crm__people": 1}
    people(place, [("1", "moved", "2026-11-01 08:00:00")])
    assert place.land(world=CRM_WORLD, ds=date(2026, 11, 1)).rows == {"crm__people": 2}

    assert place.raw("crm__people", "id, name, amount") == [
        ("1", "a", "1.5"),
        ("2", "b", "1.5"),
        ("3", "late", "1.5"),
        ("1", "moved", "1.5"),
        ("4", "tomorrow", "1.5"),
    ]


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    days=st.lists(
        st.lists(
            st.tuples(st.integers(0, 5), st.text("a,\"' \n好", max_size=4)), max_size=5
        ),
        min_size=1,
        max_size=3,
    )
)
def test_every_row_of_every_file_is_in_raw_once(
    tmp_path_factory: pytest.TempPathFactory, days: list[list[tuple[int, str]]]
) -> None:
    import csv
    import io

    place = Place(tmp_path_factory.mktemp("law"))
    expected = []
    for number, rows in enumerate(days):
        out = io.StringIO()
        writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(["id", "name", "amount"])
        writer.writerows([(key, name, "1") for key, name in rows])
        place.orders(f"2026-10-{number + 1:02d}", out.getvalue())
        expected += [(str(key), name or None, "1") for key, name in rows]

    place.land()
    place.land()

    assert sorted(place.raw("shop__orders"), key=repr) == sorted(expected, key=repr)
