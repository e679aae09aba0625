"""Clients and configuration of the write-back, against what they really write to."""

import csv
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strata.activation import (
    BatchRefusedError,
    ClientUnavailableError,
    Record,
    open_client,
)
from strata.activation.file_client import FileClient, safe_cell
from strata.config.activation import (
    ActivationConfig,
    FileClientConfig,
    Target,
)
from strata.config.loader import ConfigError, read_yaml

CONFIG = Path(__file__).parents[2] / "config" / "activation.yml"
FIELDS = ("tier", "reason_1", "updated_on")

COUNTING_CRM = """
create table strata_segments (
    customer_id text primary key, tier text, reason_1 text, updated_on text,
    owner text
);
insert into strata_segments (customer_id, owner) values ('c1', 'Wang'), ('c2', 'Li');
create table changes (customer_id text, what text);
create trigger counted_update after update on strata_segments
begin insert into changes values (new.customer_id, 'update'); end;
create trigger counted_insert after insert on strata_segments
begin insert into changes values (new.customer_id, 'insert'); end;
create trigger refused before insert on strata_segments
when new.customer_id = 'bad'
begin select raise(abort, 'mail to li.na@example.com is not allowed'); end;
"""


def sql_target(options: str = "") -> Target:
    return Target.model_validate(
        {
            "name": "crm",
            "client": {
                "kind": "sql",
                "url": f"sqlite:///{{home}}/crm/crm.db{options}",
                "table": "strata_segments",
                "key_column": "customer_id",
            },
            "purpose": "marketing",
            "fields": FIELDS,
            "stamp_field": "updated_on",
        }
    )


def file_target() -> Target:
    return Target.model_validate(
        {
            "name": "crm",
            "client": {"kind": "file", "folder": "{home}/out"},
            "purpose": "marketing",
            "fields": FIELDS,
        }
    )


def query(home: Path, sql: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(home / "crm" / "crm.db") as connection:
        return connection.execute(sql).fetchall()


@pytest.mark.parametrize("target", [sql_target(), file_target()], ids=["sql", "file"])
@settings(max_examples=15, deadline=None)
@given(
    writes=st.lists(
        st.lists(
            st.tuples(
                st.sampled_from("abc"),
                st.none()
                | st.dictionaries(st.sampled_from(FIELDS[:2]), st.text(max_size=3)),
            ),
            min_size=1,
            unique_by=lambda pair: pair[0],
        ),
        max_size=4,
    )
)
def test_a_client_holds_what_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    target: Target,
    writes: list[list[tuple[str, dict[str, str] | None]]],
) -> None:
    """And another client, opened later, reads the same."""
    home = tmp_path_factory.mktemp("home")
    expected: dict[str, dict[str, str]] = {}
    for batch in writes:
        with open_client(target, home) as client:
            for key, fields in batch:
                if fields is None:
                    assert client.clear([key], "k")[0].is_acknowledged
                    if key in expected:
                        expected[key] = {}
            written = [Record(k, f) for k, f in batch if f is not None]
            assert all(o.is_acknowledged for o in client.upsert(written, "k"))
            for record in written:
                expected[record.key] = {
                    **expected.get(record.key, {}),
                    **record.fields,
                }
            assert client.read(["a", "b", "c", "unknown"]) == expected
    with open_client(target, home) as client:
        assert client.read(["a", "b", "c", "unknown"]) == expected


def test_sql_writes_only_what_differs_and_only_what_is_ours(tmp_path: Path) -> None:
    (tmp_path / "crm").mkdir()
    with sqlite3.connect(tmp_path / "crm" / "crm.db") as connection:
        connection.executescript(COUNTING_CRM)
    with open_client(sql_target(), tmp_path) as client:
        first = [
            Record("c1", {"tier": "mid", "updated_on": "2026-10-31"}),
            Record("c3", {"tier": "low", "updated_on": "2026-10-31"}),
        ]
        client.upsert(first, "k")
        again = [Record(r.key, {**r.fields, "updated_on": "2026-11-01"}) for r in first]
        client.upsert(again, "k")
        client.clear(["c2", "c3", "unknown"], "k")
        client.clear(["c3"], "k")
    assert query(tmp_path, "select * from strata_segments order by 1") == [
        ("c1", "mid", None, "2026-10-31", "Wang"),
        ("c2", None, None, None, "Li"),
        ("c3", None, None, None, None),
    ]
    assert query(tmp_path, "select * from changes") == [
        ("c3", "insert"),
        ("c1", "update"),
        ("c3", "update"),
    ]


def test_sql_takes_a_batch_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "crm").mkdir()
    with sqlite3.connect(tmp_path / "crm" / "crm.db") as connection:
        connection.executescript(COUNTING_CRM)
    with open_client(sql_target(), tmp_path) as client:
        batch = [Record(key, {"tier": "mid"}) for key in ("c1", "good", "bad")]
        with pytest.raises(BatchRefusedError) as caught:
            client.upsert(batch, "k")
        assert client.read(["c1", "good", "bad"]) == {"c1": {}}
    assert str(caught.value) == "IntegrityError: mail to <address> is not allowed"


def test_sql_tells_a_missing_answer_from_a_refusal(tmp_path: Path) -> None:
    target = sql_target("?timeout=0")
    with open_client(target, tmp_path) as client:
        client.upsert([Record("a", {"tier": "mid"})], "k")
        with sqlite3.connect(tmp_path / "crm" / "crm.db") as other:
            other.execute("begin exclusive")
            with pytest.raises(ClientUnavailableError, match="database is locked"):
                client.upsert([Record("a", {"tier": "low"})], "k")
            other.execute("rollback")
        assert client.read(["a"]) == {"a": {"tier": "mid"}}


def test_sql_says_which_column_a_foreign_table_lacks(tmp_path: Path) -> None:
    (tmp_path / "crm").mkdir()
    with sqlite3.connect(tmp_path / "crm" / "crm.db") as connection:
        connection.execute("create table strata_segments (customer_id text, tier text)")
    with (
        open_client(sql_target(), tmp_path) as client,
        pytest.raises(RuntimeError, match="lacks reason_1, updated_on"),
    ):
        client.read(["a"])


def test_a_url_with_a_password_is_refused_and_not_told(tmp_path: Path) -> None:
    leaky = CONFIG.read_text(encoding="utf-8").replace(
        "sqlite:///{home}", "postgresql://strata:hunter2@db"
    )
    path = tmp_path / "activation.yml"
    path.write_text(leaky, encoding="utf-8")
    with pytest.raises(ConfigError, match="name a connection instead") as caught:
        read_yaml(path, ActivationConfig)
    assert "hunter2" not in str(caught.value)


def test_the_shipped_configuration_is_the_sample_crm() -> None:
    target = read_yaml(CONFIG, ActivationConfig).target("crm")
    assert (target.client.kind, target.purpose) == ("sql", "marketing")
    assert target.stamp_field not in target.compared_fields
    assert len(target.compared_fields) == 11


def test_file_survives_a_line_cut_off_by_a_kill(tmp_path: Path) -> None:
    config = FileClientConfig(kind="file", folder="{home}/out")
    client = FileClient(config, "crm", FIELDS, tmp_path)
    client.upsert([Record("a", {"tier": "mid"}), Record("b", {"tier": "low"})], "k")
    journal = tmp_path / "out" / "crm.jsonl"
    journal.write_bytes(journal.read_bytes()[:-5])
    again = FileClient(config, "crm", FIELDS, tmp_path)
    assert again.read(["a", "b"]) == {"a": {"tier": "mid"}}
    again.upsert([Record("b", {"tier": "low"})], "k")  # killed before it closes
    third = FileClient(config, "crm", FIELDS, tmp_path)
    assert third.read(["a", "b"]) == {"a": {"tier": "mid"}, "b": {"tier": "low"}}
    third.close()
    assert journal.read_text(encoding="utf-8").splitlines() == [
        '{"fields": {"tier": "mid"}, "record_key": "a"}',
        '{"fields": {"tier": "low"}, "record_key": "b"}',
    ]


@given(st.text())
def test_no_csv_cell_is_a_formula(value: str) -> None:
    cell = safe_cell(value)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert cell in (value, f"'{value}")


def test_file_writes_a_table_for_people(tmp_path: Path) -> None:
    with open_client(file_target(), tmp_path) as client:
        client.upsert([Record("=cmd", {"tier": '=1+1, "x"', "reason_1": "a\nb"})], "k")
    text = (tmp_path / "out" / "crm.csv").read_text(encoding="utf-8")
    assert list(csv.reader(text.splitlines(keepends=True))) == [
        ["record_key", "tier", "reason_1", "updated_on"],
        ["'=cmd", '\'=1+1, "x"', "a\nb", ""],
    ]
