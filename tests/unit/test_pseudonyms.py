"""Identifiers become keyed hashes: one spelling, one key, nothing that leaks."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import phonenumbers
import pytest
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.environments.local import LocalEnvironment
from hypothesis import given
from hypothesis import strategies as st
from strata.config.identity import EmailRule, IdentifierRule, IdentityConfig
from strata.config.loader import ConfigError, read_yaml
from strata.pseudonyms import (
    Normaliser,
    PhoneForm,
    PseudonymKey,
    PseudonymKeyError,
    register,
)

KEY = "a key for tests and for nothing else"

CONFIG = IdentityConfig(
    email=EmailRule(
        ignore_dots=("gmail.com",),
        ignore_tags=("gmail.com",),
        same_domain={"googlemail.com": "gmail.com"},
    ),
    placeholders=("none", "无"),
    identifiers={
        "crm_id": IdentifierRule(form="token", strength=100, priority=1),
        "customer_no": IdentifierRule(form="number", strength=100, priority=2),
        "phone": IdentifierRule(
            form="phone", strength=80, priority=3, denylist=("138 0000 0000",)
        ),
        "email": IdentifierRule(
            form="email", strength=60, priority=4, denylist=("test@*", "no?@x.cn")
        ),
    },
)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATA_PSEUDONYM_KEY", KEY)
    monkeypatch.delenv("STRATA_PSEUDONYM_KEY_VERSION", raising=False)


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        register(connection, CONFIG)
        yield connection


@pytest.mark.parametrize(
    ("identifier_type", "value", "normalised"),
    [
        ("phone", "13912345679", "+8613912345679"),
        ("phone", " +86 139-1234-5679 ", "+8613912345679"),
        ("phone", "008613912345679", "+8613912345679"),
        ("phone", "8613912345679", "+8613912345679"),
        ("phone", "１３９１２３４５６７９", "+8613912345679"),
        ("phone", "(021) 6123-4567", "+862161234567"),
        ("phone", "+44 20 7946 0958", "+442079460958"),
        ("name", "刘涛华", "aahilotuu"),
        ("name", "LIU, Tao-Hua", "aahilotuu"),
        ("name", " Taohua  Liu", "aahilotuu"),
        ("name", "Zoë Müller", "eellmoruz"),
        ("name", "Müller", None),
        ("name", "刘", None),
        ("name", "无", None),
        ("phone", "139****5679", None),
        ("phone", "139XXXX5679", None),
        ("phone", "139WXYZ5679", None),
        ("phone", "14112345679", None),
        ("phone", "12345", None),
        ("phone", "+86 138 0000 0000", None),
        ("email", " Ann.Lee+shop@GoogleMail.com", "annlee@gmail.com"),
        ("email", "Ann.Lee+shop@qq.com", "ann.lee+shop@qq.com"),
        ("email", "ann lee @qq.com", "annlee@qq.com"),
        ("email", "ann＠qq.com", "ann@qq.com"),
        ("email", "ann@qq", None),
        ("email", "ann@@qq.com", None),
        ("email", "TEST@qq.com", None),
        ("email", "not@x.cn", None),
        ("email", "noted@x.cn", "noted@x.cn"),
        ("customer_no", "17850.0", "17850"),
        ("customer_no", "017850", "17850"),
        ("customer_no", "17850.5", None),
        ("crm_id", "  C-01 ", "C-01"),
        ("crm_id", "00000000-0000", None),
        ("crm_id", "None", None),
        ("crm_id", "无", None),
        ("crm_id", "", None),
        ("crm_id", None, None),
    ],
)
def test_a_value_has_one_spelling_or_is_none(
    identifier_type: str, value: str | None, normalised: str | None
) -> None:
    assert Normaliser(CONFIG)(identifier_type, value) == normalised


@given(
    st.from_regex(
        r"(\+86|0086|86|0)? ?1[0-9]{2}[- ]?[0-9]{4}[- ]?[0-9]{3,5}", fullmatch=True
    )
)
def test_the_short_way_for_mobiles_says_what_the_parser_says(value: str) -> None:
    form = PhoneForm("CN")
    assert form(value) == form.parsed(value)


def test_every_mobile_prefix_goes_the_short_way_where_it_is_valid() -> None:
    form = PhoneForm("CN")
    for prefix in range(1000, 2000):
        number = f"{prefix}0123456"
        parsed = phonenumbers.parse(number, "CN")
        valid = phonenumbers.is_valid_number(parsed)
        assert form(number) == (f"+86{number}" if valid else None)


def test_a_mobile_without_its_country_is_read_in_the_default_region() -> None:
    assert PhoneForm("GB")("07400 123456") == "+447400123456"
    assert PhoneForm("GB")("13912345679") is None
    assert PhoneForm("GB")("+8613912345679") == "+8613912345679"


def test_sql_gives_a_value_and_its_pseudonym(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "create table seen as select * from (values"
        " ('phone', '139 1234 5679'), ('phone', '+8613912345679'), ('phone', 'x'),"
        " ('email', 'A@qq.com'), ('crm_id', null), (null, 'A')) as t (kind, value)"
    )

    rows = con.execute(
        "select strata_normalise(kind, value), length(strata_pseudonym(kind, value)),"
        " count(distinct strata_pseudonym(kind, value)) over ()"
        " from seen order by kind, value"
    ).fetchall()

    assert rows == [
        (None, None, 2),  # a null crm_id
        ("a@qq.com", 64, 2),
        ("+8613912345679", 64, 2),
        ("+8613912345679", 64, 2),
        (None, None, 2),  # no phone
        (None, None, 2),  # no type
    ]


def test_a_pseudonym_depends_on_key_type_and_value_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def pseudonyms() -> tuple[str, ...]:
        with duckdb.connect() as fresh:
            register(fresh, CONFIG)
            row = fresh.execute(
                "select strata_pseudonym('crm_id', '17850'),"
                " strata_pseudonym('customer_no', '17850'), strata_key_version()"
            ).fetchone()
        assert row is not None
        return tuple(row)

    first = pseudonyms()
    assert pseudonyms() == first
    assert first[0] != first[1]

    monkeypatch.setenv("STRATA_PSEUDONYM_KEY", KEY + ", the next")
    monkeypatch.setenv("STRATA_PSEUDONYM_KEY_VERSION", "2")
    second = pseudonyms()
    assert first[2] == "1"
    assert second[2] == "2"
    assert not set(first) & set(second)


def test_registering_again_changes_nothing_on_any_connection(tmp_path: Path) -> None:
    path = str(tmp_path / "strata.duckdb")
    ask = "select strata_pseudonym('crm_id', 'C-01')"
    first = duckdb.connect(path)
    register(first, CONFIG)
    register(first, CONFIG)
    second = duckdb.connect(path)
    register(second.cursor(), CONFIG)
    before = first.execute(ask).fetchone()

    first.close()

    assert second.execute(ask).fetchone() == before
    second.close()
    with duckdb.connect(path) as third:
        register(third, CONFIG)
        assert third.execute(ask).fetchone() == before


def test_dbt_registers_them_when_it_opens_the_file(tmp_path: Path) -> None:
    credentials = DuckDBCredentials.from_dict(
        {
            "path": str(tmp_path / "strata.duckdb"),
            "database": "strata",
            "schema": "main",
            "plugins": [{"module": "strata.warehouse.functions"}],
        }
    )
    for _ in range(2):  # dbt opens the file anew for every stage
        environment = LocalEnvironment(credentials)
        one, other = environment.handle(), environment.handle()
        rows = [
            handle.cursor().execute("select strata_normalise('crm_id', ' C ')")
            for handle in (one, other)
        ]
        assert [row.fetchone() for row in rows] == [("C",), ("C",)]
        one.close()
        other.close()


def test_two_keys_never_meet_in_one_database(
    con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRATA_PSEUDONYM_KEY", KEY + ", the next")
    with pytest.raises(RuntimeError, match="another key"):
        register(con, CONFIG)


@pytest.mark.parametrize("value", [None, "", "short"])
def test_a_missing_key_says_how_to_make_one(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv("STRATA_PSEUDONYM_KEY")
    else:
        monkeypatch.setenv("STRATA_PSEUDONYM_KEY", value)
    with pytest.raises(PseudonymKeyError, match="token_hex") as caught:
        register(duckdb.connect(), CONFIG)
    assert "short" not in str(caught.value).replace("too short", "")


def test_neither_key_nor_value_shows_in_text_or_errors(
    con: duckdb.DuckDBPyConnection,
) -> None:
    assert KEY not in repr(PseudonymKey.from_environment())
    with pytest.raises(duckdb.InvalidInputException) as swapped:
        con.execute("select strata_pseudonym('13912345679', 'phone')").fetchall()
    assert "not declared in config/identity.yml" in str(swapped.value)
    assert "13912345679" not in str(swapped.value)
    definitions = con.execute(
        "select * from duckdb_functions() where function_name like 'strata%'"
    ).fetchall()
    assert len(definitions) == 4
    assert KEY not in str(definitions)


@pytest.mark.parametrize(
    ("text", "line", "fault"),
    [
        ("default_region: China", 1, "no region"),
        ("identifiers: {}", 1, "at least 1 item"),
        (
            "identifiers:\n  name: {form: token, strength: 1, priority: 1}",
            2,
            "name is no identifier",
        ),
        (
            "identifiers:\n"
            "  a: {form: token, strength: 1, priority: 1, claimed_by: b}\n"
            "  b: {form: token, strength: 1, priority: 2}",
            2,
            "name another identifier type of which one person has one",
        ),
        (
            "identifiers:\n  a: {form: token, strength: 1, priority: 1, unclaimed: 2}",
            2,
            "it needs claimed_by",
        ),
        (
            "identifiers:\n"
            "  a: {form: token, strength: 1, priority: 1}\n"
            "  b: {form: token, strength: 1, priority: 1}",
            3,
            "b and a both have priority 1",
        ),
        (
            "identifiers:\n"
            "  a: {form: token, strength: 1, priority: 1}\n"
            "  b: {form: token, strength: 1, priority: 2, merges: false}",
            3,
            "set anchor to false",
        ),
        (
            "identifiers:\n  a: {form: token, strength: 1, priority: 1, anchor: false}",
            1,
            "nobody would be a user",
        ),
        ("identifiers:\n  a: {strength: 1, priority: 1}", 2, "form is missing"),
        (
            "identifiers:\n"
            "  a: {form: phone, strength: 1, priority: 1}\n"
            "  b:\n"
            "    values_of: a\n"
            "    strength: 1\n"
            "    priority: 2\n"
            "    max_users: 3",
            3,
            "max_users belongs to a",
        ),
        (
            "identifiers:\n"
            "  a: {form: phone, strength: 1, priority: 1}\n"
            "  b: {values_of: c, strength: 1, priority: 2}",
            3,
            "identifier type with a form of its own",
        ),
        (
            "identifiers:\n"
            "  a:\n"
            "    form: phone\n"
            "    strength: 1\n"
            "    priority: 1\n"
            "    values_window_days: 30",
            2,
            "needs max_values of 2 or more",
        ),
        (
            "identifiers:\n"
            "  a:\n"
            "    form: token\n"
            "    strength: 1\n"
            "    priority: 1\n"
            "    merged_by: [crm/merges, merges]",
            6,
            "write system/entity",
        ),
        ("identifiers:\n  a: {form: fax, strength: 1, priority: 1}", 2, "'token'"),
        ("identifiers:\n  a: {form: token, strength: 101, priority: 1}", 2, "100"),
    ],
)
def test_a_wrong_rule_is_named_with_its_line(
    tmp_path: Path, text: str, line: int, fault: str
) -> None:
    path = tmp_path / "identity.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_yaml(path, IdentityConfig)
    assert f"identity.yml: line {line}:" in str(caught.value)
    assert fault in str(caught.value)


def test_identity_cards_devices_and_roles_have_one_spelling_too() -> None:
    rules = IdentityConfig(
        identifiers={
            "id_card": IdentifierRule(form="id_card", strength=98, priority=1),
            "device_id": IdentifierRule(form="device", strength=20, priority=2),
            "phone": IdentifierRule(
                form="phone", strength=80, priority=3, denylist=("13800000000",)
            ),
            "order_contact": IdentifierRule(values_of="phone", strength=50, priority=4),
        }
    )
    normalise = Normaliser(rules)
    # The first two are the examples of GB 11643-1999; the others break it.
    assert normalise("id_card", " 11010519491231002x") == "11010519491231002X"
    assert normalise("id_card", "440524-18800101-0014") == "440524188001010014"
    assert normalise("id_card", "110105194912310021") is None, "the check is wrong"
    assert normalise("id_card", "110105491231002") is None, "void since 2013"
    assert normalise("device_id", "{AB12-CD34}") == normalise("device_id", "ab12cd34")
    assert normalise("device_id", "00000000-0000-0000") is None
    assert normalise("order_contact", "139 0000 0001") == "+8613900000001"
    assert normalise("order_contact", "138-0000-0000") is None, "denied as a phone is"
    with duckdb.connect() as con:
        register(con, rules)
        ((same, other),) = con.execute(
            "select strata_pseudonym('order_contact', '13900000001')"
            " = strata_pseudonym('phone', '+86 13900000001'),"
            " strata_pseudonym('order_contact', '13900000001')"
            " = strata_pseudonym('device_id', '13900000001')"
        ).fetchall()
    assert (same, other) == (True, False)
