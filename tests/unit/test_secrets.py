"""A secret is found by its name in three places, and never told from any of them."""

import logging
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError
from strata import secrets
from strata.config.activation import SqlClientConfig
from strata.config.loader import ConfigError, read_yaml
from strata.config.sources import SourcesConfig
from strata.tenant import Tenant

SOURCES = Path(__file__).parents[2] / "config" / "sources.yml"
URL = "postgresql+psycopg://strata:p%40ss-canary@db:5432/crm"


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("STRATA_CONNECTION_CRM", "STRATA_PSEUDONYM_KEY", "AIRFLOW_HOME"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name + "_FILE", raising=False)
    monkeypatch.setattr(secrets, "_known", set())
    yield


def test_the_environment_comes_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "crm"
    place.write_text(URL + "\n", encoding="utf-8")
    monkeypatch.setenv("STRATA_CONNECTION_CRM_FILE", str(place))
    assert secrets.connection_url("crm").host == "db"
    assert secrets.connection_url("crm").password == "p@ss-canary"

    monkeypatch.setenv("STRATA_CONNECTION_CRM", URL.replace("@db", "@other"))
    assert secrets.connection_url("crm").host == "other"


@pytest.mark.parametrize("content", [None, "", b"\xff\xfe"])
def test_a_file_that_cannot_be_used_is_named(
    content: str | bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "key"
    if content is not None:
        place.write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.setenv("STRATA_PSEUDONYM_KEY_FILE", str(place))
    with pytest.raises(ConfigError, match=f"STRATA_PSEUDONYM_KEY_FILE names {place}"):
        secrets.value("STRATA_PSEUDONYM_KEY")


def test_the_key_of_real_people_may_lie_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = Tenant("private", root=tmp_path, state=tmp_path)
    world = tmp_path / "config" / "worlds" / "private.yml"
    world.parent.mkdir(parents=True)
    world.write_text(
        "{name: private, description: d, timezone: UTC, public_data: false,"
        " consent_default: false, systems: {crm: all},"
        " crm_record: {system: crm, entity: customers}}",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError, match="STRATA_PSEUDONYM_KEY_FILE"):
        tenant.ensure_pseudonym_key()

    place = tmp_path / "key"
    place.write_text("a key of thirty-two characters ok", encoding="utf-8")
    monkeypatch.setenv("STRATA_PSEUDONYM_KEY_FILE", str(place))
    tenant.ensure_pseudonym_key()


def test_a_connection_that_is_nowhere_is_told_with_what_to_do() -> None:
    with pytest.raises(ConfigError) as caught:
        secrets.connection_url("crm")
    told = str(caught.value)
    assert "there is no connection 'crm'" in told
    assert "STRATA_CONNECTION_CRM to its URL" in told
    assert "STRATA_CONNECTION_CRM_FILE" in told


@pytest.mark.parametrize(
    "malformed",
    [
        "canary-without-a-scheme",
        "postgresql://strata:pass@word:canary/crm",  # an @ that was not written as %40
        "postgresql://strata:hash#canary@db:x/crm",
    ],
)
def test_a_malformed_url_is_told_without_its_value(
    malformed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRATA_CONNECTION_CRM", malformed)
    with pytest.raises(ConfigError, match="STRATA_CONNECTION_CRM holds no URL") as told:
        secrets.connection_url("crm")
    assert "canary" not in "".join(traceback.format_exception(told.value))


def test_the_words_of_a_driver_lose_what_was_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STRATA_CONNECTION_CRM", URL)
    url = secrets.connection_url("crm")
    for leak in (URL, "p@ss-canary", url.render_as_string(hide_password=False)):
        assert secrets.hide(f"cannot reach {leak}!") == "cannot reach ***!"
    assert "canary" not in f"{url} {url!r}"
    assert secrets.hide("the host db does not answer") == "the host db does not answer"


def test_airflows_connection_is_the_last_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from airflow.sdk import BaseHook, Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    def found(name: str) -> Connection:
        if name != "crm":
            raise AirflowNotFoundException(name)
        return Connection(
            conn_id=name,
            conn_type="postgres",
            host="db",
            login="strata",
            password="p@ss-canary",
            schema="crm",
            port=5432,
        )

    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setattr(BaseHook, "get_connection", found)
    with caplog.at_level(logging.DEBUG):
        url = secrets.connection_url("crm")
        with pytest.raises(ConfigError, match="no connection 'absent'"):
            secrets.connection_url("absent")
    assert url.render_as_string(hide_password=False) == URL.replace("+psycopg", "")
    assert "canary" not in caplog.text


def test_a_database_is_given_by_url_or_by_connection_and_not_both() -> None:
    one = {"kind": "sql", "table": "t", "key_column": "k"}
    for wrong in ({}, {"url": "sqlite:///a.db", "connection": "crm"}):
        with pytest.raises(ValidationError, match="a url or a connection"):
            SqlClientConfig.model_validate(one | wrong)
    assert SqlClientConfig.model_validate(one | {"connection": "crm"}).url is None


def test_a_source_with_a_password_in_its_url_is_refused_and_not_told(
    tmp_path: Path,
) -> None:
    sources = yaml.safe_load(SOURCES.read_text(encoding="utf-8"))
    sources["systems"]["crm"]["url"] = "postgresql://strata:hunter2@db/crm"
    place = tmp_path / "sources.yml"
    place.write_text(yaml.safe_dump(sources), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"systems\.crm\.url") as caught:
        read_yaml(place, SourcesConfig)
    assert "hunter2" not in str(caught.value)
