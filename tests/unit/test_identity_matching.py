"""Matching without a shared identifier: what holds whatever the records are."""

import csv
import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook
from strata.config.matching import MatchingConfig, TrainingRule, load_matching_config
from strata.identity import matching, resolve_days
from strata.identity.matching.candidates import find_pairs
from strata.identity.matching.comparing import comparisons_for
from strata.identity.matching.grouping import Apart, chain, group, within
from strata.identity.matching.model import Model
from strata.identity.matching.records import prepare, split_chinese
from strata.identity.matching.registry import active_model, enter_model
from strata.identity.matching.review import export_review, import_review
from strata.identity.matching.scoring import weights
from strata.identity.matching.sheets import SheetError
from strata.identity.matching.training import train
from strata.pseudonyms import register
from strata.run import Run

from tests.unit.test_identity import CONFIG, DAY_0, WORLD, Home, seen

RULES = MatchingConfig(
    enabled=True,
    accept=10,
    review=4,
    training=TrainingRule(random_pairs=5_000, least_records=100),
)
FAMILY = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜"
GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉萍红建春梅琳素云莲真环雪荣爱妹"
)
CITIES = ("Shanghai", "Hangzhou", "Suzhou", "Nanjing", "Wuhan", "Xiamen", "Dalian")
NUMBER = 160
People = list[dict[str, str | None]]


@pytest.fixture(autouse=True, scope="module")
def key() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STRATA_PSEUDONYM_KEY", "a key for tests and for nothing else")
        yield


def people(number: int = NUMBER) -> People:
    """Each in the CRM, every second one in the store too, a third with an error."""
    chance = random.Random(7)
    rows: People = []
    for n in range(number):
        name = chance.choice(FAMILY) + "".join(chance.sample(GIVEN, 2))
        born = date(1950, 1, 1) + timedelta(days=chance.randrange(20_000))
        person = {
            "full_name": name,
            "born_on": born.isoformat(),
            "place": chance.choice(CITIES),
            "phone": f"+86139{chance.randrange(10**8):08d}",
        }
        rows.append({"record": f"crm/customers/k{n:04d}", **person})
        if n % 2 == 0:
            other = person | {"phone": None}
            if n % 6 == 0:
                other["born_on"] = (born + timedelta(days=9)).isoformat()[:8] + "07"
            rows.append({"record": f"store/buyers/k{n:04d}", **other})
    return rows


def table(rows: People) -> pa.Table:
    names = ("record", "full_name", "born_on", "place", "phone")
    columns = {n: pa.array([r[n] for r in rows], pa.string()) for n in names}
    return pa.table({**columns, "source": pa.array(["all"] * len(rows), pa.string())})


def learn(con: duckdb.DuckDBPyConnection, rows: People) -> Model:
    fields = prepare(con, table(rows))
    find_pairs(con, 100)
    rules = RULES.training
    return train(
        con,
        comparisons_for(fields),
        random_pairs=rules.random_pairs,
        common_from=rules.common_from,
        seed=rules.seed,
    )


@pytest.fixture(scope="module")
def learned() -> tuple[Model, pa.Table]:
    with duckdb.connect() as con:
        model = learn(con, people())
        return model, weights(con, model, "pairs")


def test_neither_order_of_rows_nor_threads_change_a_model_or_a_weight(
    learned: tuple[Model, pa.Table],
) -> None:
    rows = people()
    random.Random(1).shuffle(rows)
    with duckdb.connect(config={"threads": 1}) as con:
        model = learn(con, rows)
        found = weights(con, model, "pairs")

    assert model.version == learned[0].version
    assert found.equals(learned[1])


def test_a_model_that_was_written_and_read_gives_the_same_weights(
    learned: tuple[Model, pa.Table],
) -> None:
    read = Model.from_json(learned[0].to_json())
    with duckdb.connect() as con:
        prepare(con, table(people()))
        find_pairs(con, 100)
        found = weights(con, read, "pairs")

    assert read.version == learned[0].version
    assert found.equals(learned[1])


def test_the_weight_of_a_pair_depends_on_its_records_and_the_model_alone(
    learned: tuple[Model, pa.Table],
) -> None:
    some = [r for r in people() if str(r["record"])[-4:] < "0040"]
    with duckdb.connect() as con:
        prepare(con, table(some))
        find_pairs(con, 100)
        found = weights(con, learned[0], "pairs").to_pylist()

    whole = {(r["left_record"], r["right_record"]): r for r in learned[1].to_pylist()}
    assert found
    assert [whole[r["left_record"], r["right_record"]] for r in found] == found


def test_what_agrees_more_weighs_more(learned: tuple[Model, pa.Table]) -> None:
    for name, levels in learned[0].chances.items():
        best = {"other_names": "two shared"}.get(name, next(iter(levels)))
        worth = {k: c.match / c.other for k, c in levels.items()}
        assert worth["different"] < 1, name
        assert best in worth
    matched = {
        (r["left_record"], r["right_record"])
        for r in learned[1].to_pylist()
        if r["weight"] >= RULES.accept and not r["is_contradicted"]
    }
    truth = {
        (f"crm/customers/k{n:04d}", f"store/buyers/k{n:04d}")
        for n in range(0, NUMBER, 2)
    }
    assert matched <= truth
    assert len(matched) > len(truth) / 2


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("王伟明", ("王", "伟明")),
        ("欧阳娜娜", ("欧阳", "娜娜")),
        ("欧阳", ("欧", "阳")),
        ("王", ("王", None)),
        ("王伟 先生", ("王", "伟先生")),
    ],
)
def test_a_chinese_name_has_its_family_first(
    name: str, parts: tuple[str | None, str | None]
) -> None:
    assert split_chinese(name) == parts


def test_names_meet_by_sound_in_any_order_and_script() -> None:
    rows: People = [
        {"record": r, "full_name": n, "born_on": None, "place": None, "phone": None}
        for r, n in {"a": "张伟明", "b": "Weiming Zhang", "c": "ZHANG Weiming"}.items()
    ]
    with duckdb.connect() as con:
        prepare(con, table(rows))
        sounds = con.execute("select distinct words from records").fetchall()
        find_pairs(con, 100)
        pairs = con.execute("select left_record, right_record from pairs").fetchall()

    assert sounds == [(["weiming", "zhang"],)]
    assert sorted(pairs) == [("a", "b"), ("a", "c"), ("b", "c")]


LINKS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.floats(0.5, 30)), max_size=25
)


def arrays(links: list[tuple[int, int, float]]) -> tuple[Any, Any, Any]:
    unique = {(min(a, b), max(a, b)): w for a, b, w in links if a != b}
    left = np.array([a for a, _ in unique], np.int64)
    right = np.array([b for _, b in unique], np.int64)
    return left, right, np.array(list(unique.values()), np.float64)


@settings(max_examples=60, deadline=None)
@given(links=LINKS, kinds=st.lists(st.integers(0, 2), min_size=10, max_size=10))
def test_no_group_has_two_records_of_a_source_without_duplicates(
    links: list[tuple[int, int, float]], kinds: list[int]
) -> None:
    left, right, weight = arrays(links)
    apart = Apart(np.array(kinds))
    for label in (
        group(10, left, right, weight, 1.0, apart),
        chain(10, left, right, weight, apart),
    ):
        for number in set(label.tolist()):
            members = [kinds[n] for n in np.flatnonzero(label == number) if kinds[n]]
            assert len(members) == len(set(members))


@settings(max_examples=60, deadline=None)
@given(links=LINKS, data=st.data())
def test_refused_pairs_never_meet_and_the_order_of_pairs_is_nothing(
    links: list[tuple[int, int, float]], data: st.DataObject
) -> None:
    left, right, weight = arrays(links)
    order = np.array(data.draw(st.permutations(range(len(left)))), np.int64)
    refused = frozenset(zip(left[:3].tolist(), right[:3].tolist(), strict=True))
    apart = Apart(pairs=refused)

    label = chain(10, left, right, weight, apart)

    shuffled = chain(10, left[order], right[order], weight[order], apart)
    assert label.tolist() == shuffled.tolist()
    assert not within(label, left[:3], right[:3]).any()


def test_one_bridge_does_not_join_two_people_of_many_records() -> None:
    inside = [(a, b, 8.0) for a in range(4) for b in range(a)]
    other = [(a + 4, b + 4, 8.0) for a, b, _ in inside]
    left, right, weight = arrays([*inside, *other, (3, 4, 7.0)])

    label = group(8, left, right, weight, 1.0, Apart())

    assert len(set(chain(8, left, right, weight, Apart()).tolist())) == 1
    assert sorted(np.bincount(label)[np.unique(label)].tolist()) == [4, 4]


class Tenant(Home):
    """A warehouse whose records share no identifier."""

    def __init__(self, rows: People, rules: MatchingConfig = RULES) -> None:
        super().__init__()
        register(self.con, CONFIG)
        self.rules = rules
        self.con.execute(
            "create schema pii; create schema ops; create schema audit;"
            " create schema models;"
            " create table audit.publications (stage varchar, ds date,"
            " is_newest boolean);"
            " create table models.registry (model varchar, version varchar,"
            " trained_through date, card varchar, artefact varchar,"
            " artefact_hash varchar, status varchar, _run_id varchar);"
            " create table pii.persons (system varchar, entity varchar,"
            " record_key varchar, full_name varchar, birth_on date, gender varchar,"
            " city varchar, phone_e164 varchar, email_normalised varchar,"
            " known_at timestamp)"
        )
        self.tell(rows)

    def tell(self, rows: People, day: int = 0) -> None:
        """Give the warehouse these records, first seen on the day."""
        at = datetime(2026, 1, 1, 4) + timedelta(days=day)
        for row in rows:
            key = str(row["record"]).split("/")
            self.con.execute(
                "insert into pii.persons values (?, ?, ?, ?, ?, null, ?, ?, null, ?)",
                [
                    *key,
                    row["full_name"],
                    row["born_on"],
                    row["place"],
                    row["phone"],
                    at,
                ],
            )
        known = getattr(self, "known", [])
        self.known = [*known, *(seen(str(r["record"]), day) for r in rows)]

    def live(self, day: int) -> matching.Matched:
        """Match, resolve and publish a day."""
        ds = DAY_0 + timedelta(days=day)
        run = Run(f"{ds}.1", ds, WORLD, Path(), "Asia/Shanghai")
        self.stage([row for r in self.known if r.day <= day for row in r.rows()])
        self.con.execute(
            "create or replace table staging.sightings as"
            " select *, first_seen_at as known_at from staging.identifiers"
        )
        self.con.execute(
            "create or replace table ops.run_dates as"
            " select ?::date as ds, ?::timestamp as known_until",
            [ds, run.bounds[1]],
        )
        matched = matching.match(self.con, run, self.rules)
        resolve_days(self.con, run, self.config, matched.query)
        matching.record(self.con, run, matched)
        self.publish()
        self.con.execute(
            "insert into audit.publications values ('identity', ?, true)", [ds]
        )
        return matched

    def are_one(self, left: str, right: str) -> bool:
        ids = self.ids()
        return ids[left] == ids[right]

    def pair(self, status: str) -> tuple[str, str]:
        """The records of the first pair in that state, which are of one person."""
        found = self.rows(
            "select concat_ws('/', left_system, left_entity, left_record_key),"
            " concat_ws('/', right_system, right_entity, right_record_key)"
            f" from identity.match_review where status = '{status}'"
            " and left_record_key = right_record_key order by all"
        )
        return found[0][0], found[0][1]

    def decide(self, folder: Path, pair: tuple[str, str], decision: str) -> None:
        """A person's word on a pair, through a file."""
        file = folder / "decisions.csv"
        export_review(self.con, file, decided=True)
        self.con.execute("update identity.match_review set status = status")
        rows = self.rows(
            "select left(sha256(concat_ws(chr(31), left_system, left_entity,"
            " left_record_key, right_system, right_entity, right_record_key)), 16)"
            " from identity.match_review where"
            f" concat_ws('/', left_system, left_entity, left_record_key) = '{pair[0]}'"
            " and concat_ws('/', right_system, right_entity, right_record_key)"
            f" = '{pair[1]}'"
        )
        file.write_text(f"pair,decision\n{rows[0][0]},{decision}\n", "utf-8")
        assert import_review(self.con, file, by="an operator").decided == 1


@pytest.fixture
def tenant(learned: tuple[Model, pa.Table]) -> Tenant:
    """Its model is learned already."""
    home = Tenant(people())
    run = Run(f"{DAY_0}.0", DAY_0, WORLD, Path(), "Asia/Shanghai")
    enter_model(home.con, run, learned[0], 240, generation=1)
    return home


def test_accepted_pairs_are_one_person_and_edges_say_so(tenant: Tenant) -> None:
    matched = tenant.live(0)

    left, right = tenant.pair("accepted")
    assert matched.accepted > 20
    assert tenant.are_one(left, right)
    edges = tenant.rows(
        "select count(*), min(strength) from identity.edges"
        " where rule = 'matched' and status = 'accepted'"
    )
    assert edges == [(matched.accepted, RULES.strength)]


def test_a_model_is_trained_once_and_again_when_asked() -> None:
    home = Tenant(people())
    home.live(0)
    home.live(1)
    model = active_model(home.con, DAY_0, 1)
    assert model is not None
    assert home.rows("select model, version, artefact_hash from models.registry") == [
        ("matching", model.version, model.content_hash)
    ]
    home.con.execute(
        "update models.registry set artefact = replace(artefact, '1', '2')"
    )
    with pytest.raises(ValueError, match="does not match its hash"):
        active_model(home.con, DAY_0, 1)

    training = home.rules.training.model_copy(update={"generation": 2, "seed": 5})
    home.rules = home.rules.model_copy(update={"training": training})
    home.tell([people()[0] | {"record": "store/buyers/new"}], day=2)
    home.live(2)

    assert home.rows("select count(*) from models.registry") == [(2,)]
    assert active_model(home.con, DAY_0 + timedelta(days=2), 2) is not None


def test_a_day_again_gives_the_same_and_a_day_without_news_compares_nothing(
    tenant: Tenant,
) -> None:
    review = "select * exclude (_run_id) from identity.match_review order by all"
    first = tenant.live(0)
    kept, ids = tenant.rows(review), tenant.ids()

    again = tenant.live(0)
    assert (tenant.rows(review), tenant.ids()) == (kept, ids)
    next_day = tenant.live(1)

    assert (tenant.rows(review), tenant.ids()) == (kept, ids)
    assert (first.compared, again.compared, next_day.compared) == (240, 240, 0)


def test_what_came_before_there_was_enough_to_learn_from_is_compared_later() -> None:
    few = people()[:60]
    home = Tenant(few)
    assert home.live(0).compared == 0
    assert home.rows("from models.registry") == []
    home.tell(people()[60:], day=1)

    matched = home.live(1)

    assert matched.compared == 240
    assert home.are_one("crm/customers/k0002", "store/buyers/k0002")


def test_a_new_record_is_compared_with_all_that_are_known(tenant: Tenant) -> None:
    tenant.live(0)
    twin = next(r for r in people() if r["record"] == "crm/customers/k0001")
    tenant.tell([twin | {"record": "store/buyers/k0001"}], day=1)

    matched = tenant.live(1)

    assert matched.compared == 1
    assert tenant.are_one("crm/customers/k0001", "store/buyers/k0001")


def test_a_refused_pair_stays_apart_and_a_confirmed_one_together(
    tenant: Tenant, tmp_path: Path
) -> None:
    tenant.live(0)
    linked, waits = tenant.pair("accepted"), tenant.pair("waiting")
    assert tenant.are_one(*linked) and not tenant.are_one(*waits)
    tenant.decide(tmp_path, linked, "different")
    tenant.decide(tmp_path, waits, "same")

    tenant.live(0)
    assert tenant.are_one(*linked) and not tenant.are_one(*waits), (
        "a day is what it was"
    )
    for day in (1, 2):
        tenant.live(day)
        assert not tenant.are_one(*linked)
        assert tenant.are_one(*waits)

    tenant.decide(tmp_path, linked, "undecided")
    tenant.live(3)
    assert tenant.are_one(*linked)


def test_a_source_without_duplicates_has_no_two_records_in_a_match() -> None:
    rows = people()
    twin = next(r for r in rows if r["record"] == "crm/customers/k0000")
    rows.append(twin | {"record": "crm/customers/k9998"})
    open_to_all = Tenant(rows)
    strict = Tenant(
        rows, RULES.model_copy(update={"without_duplicates": ("crm/customers",)})
    )

    for home in (open_to_all, strict):
        home.live(0)

    between = (
        "select status from identity.match_review where left_system = 'crm' and"
        " right_system = 'crm' and right_record_key = 'k9998' and"
        " left_record_key = 'k0000'"
    )
    assert open_to_all.rows(between) == [("accepted",)]
    assert strict.rows(between) == [("waiting",)]


def test_a_name_that_many_have_is_left_to_people() -> None:
    rows = people()
    for n in range(12):
        rows.append(
            {
                "record": f"store/buyers/m{n:03d}",
                "full_name": "王小明",
                "born_on": None,
                "place": "Dalian",
                "phone": "+8613912345678",
            }
        )
    home = Tenant(rows)
    home.live(0)

    found = home.rows(
        "select distinct status from identity.match_review"
        " where left_record_key >= 'm' and right_record_key >= 'm'"
    )
    assert found == [("doubtful",)]


def test_off_or_without_names_nothing_is_done() -> None:
    named = Tenant(people(), RULES.model_copy(update={"enabled": False}))
    nameless = Tenant([r | {"full_name": None} for r in people()])

    for home in (named, nameless):
        assert home.live(0) == matching.Matched()
        assert home.rows("from identity.match_review") == []
        assert home.rows("from models.registry") == []


def test_state_and_models_hold_no_plain_value(tenant: Tenant) -> None:
    tenant.live(0)

    kept = str(
        tenant.rows("from identity.match_review")
        + tenant.rows("from identity.match_records")
    )
    model = str(tenant.rows("select artefact from models.registry"))
    rows = people()
    for row in rows[::20]:
        assert str(row["full_name"]) not in kept + model
        assert row["phone"] is None or row["phone"] not in kept + model
    births = [r["born_on"] for r in rows]
    assert not [b for b in births if births.count(b) < 10 and str(b) in kept + model]


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_what_is_exported_is_read_back_as_it_was(
    tenant: Tenant, tmp_path: Path, suffix: str
) -> None:
    tenant.live(0)
    file = tmp_path / "zone" / f"review{suffix}"

    count = export_review(tenant.con, file)

    assert count > 0
    assert file.stat().st_mode & 0o077 == 0
    found = import_review(tenant.con, file, by="an operator")
    assert (found.decided, found.changed) == (0, 0)


def test_an_export_masks_and_runs_no_formula(tenant: Tenant, tmp_path: Path) -> None:
    tenant.live(0)
    left, right = tenant.pair("waiting")
    tenant.con.execute(
        "update pii.persons set full_name = '=HYPERLINK(1)', city = '@SUM(A1)'"
        f" where concat_ws('/', system, entity, record_key) = '{left}'"
    )
    for suffix in (".csv", ".xlsx"):
        file = tmp_path / f"review{suffix}"
        export_review(tenant.con, file)
        if suffix == ".csv":
            with file.open(encoding="utf-8-sig", newline="") as text:
                cells = [cell for row in csv.reader(text) for cell in row]
        else:
            sheet = load_workbook(file).worksheets[0]
            assert not [c for r in sheet.rows for c in r if c.data_type == "f"]
            cells = [str(c.value or "") for r in sheet.rows for c in r]
        assert "'@SUM(A1)" in cells and left in cells and right in cells
        assert not [c for c in cells if c.startswith(("=", "+", "@", "-"))]
        names = {str(r["full_name"]) for r in people()} | {"=HYPERLINK(1)"}
        phones = {str(r["phone"]) for r in people() if r["phone"]}
        assert not (names | phones) & {c.removeprefix("'") for c in cells}


def test_a_faulty_file_is_refused_in_full(tenant: Tenant, tmp_path: Path) -> None:
    tenant.live(0)
    good = tmp_path / "good.csv"
    export_review(tenant.con, good)
    with good.open(encoding="utf-8-sig", newline="") as text:
        pairs = [row["pair"] for row in csv.DictReader(text)]
    faulty = {
        "no such pair": f"pair,decision\n{pairs[0]},same\nabc,same\n",
        "no such word": f"pair,decision\n{pairs[0]},same\n{pairs[1]},perhaps\n",
        "two minds": f"pair,decision\n{pairs[0]},same\n{pairs[0]},different\n",
        "no column": f"pair,verdict\n{pairs[0]},same\n",
        "too wide": f"pair,decision\n{pairs[0]},same,different\n",
        "empty": "",
    }
    before = tenant.rows("from identity.match_review order by all")
    for name, text_ in faulty.items():
        file = tmp_path / f"{name}.csv"
        file.write_text(text_, "utf-8")
        with pytest.raises(SheetError, match=name):
            import_review(tenant.con, file, by="an operator")
    broken = tmp_path / "broken.xlsx"
    broken.write_bytes(b"PK\x03\x04 and no more")
    latin = tmp_path / "latin.csv"
    latin.write_bytes("pair,decision\nä,same\n".encode("latin-1"))
    for file in (broken, latin, tmp_path / "missing.csv", tmp_path / "table.ods"):
        with pytest.raises(SheetError, match=file.name):
            import_review(tenant.con, file, by="an operator")
    with pytest.raises(SheetError, match="who"):
        import_review(tenant.con, good, by=" ")
    assert tenant.rows("from identity.match_review order by all") == before


def test_decisions_in_a_workbook_count_once(tenant: Tenant, tmp_path: Path) -> None:
    tenant.live(0)
    exported = tmp_path / "review.csv"
    export_review(tenant.con, exported)
    with exported.open(encoding="utf-8-sig", newline="") as text:
        pairs = [row["pair"] for row in csv.DictReader(text)]
    book = Workbook()
    sheet = book.worksheets[0]
    for row in (
        [" Decision ", "PAIR"],
        ["Same", pairs[0]],
        ["different", pairs[1]],
        [],
    ):
        sheet.append(row)
    file = tmp_path / "decided.xlsx"
    book.save(file)

    first = import_review(tenant.con, file, by="an operator")
    again = import_review(tenant.con, file, by="another")

    assert (first.decided, first.changed) == (2, 2)
    assert (again.decided, again.changed) == (2, 0)
    assert tenant.rows(
        "select decision, decided_by, applies_from from identity.match_review"
        " where decision is not null order by decision"
    ) == [(d, "an operator", DAY_0 + timedelta(days=1)) for d in ("different", "same")]


def test_the_project_comes_with_rules_that_can_be_read() -> None:
    rules = load_matching_config()

    assert rules.review < rules.accept
    with pytest.raises(ValueError, match="review is 9"):
        MatchingConfig(review=9, accept=8)
