"""What an engine says of an error helps; the value that it quotes may be a person's."""

import shutil
import traceback
from datetime import date
from pathlib import Path

import duckdb
import pytest
from strata import building, pipeline, transform
from strata.engine_errors import without_values
from strata.tenant import Tenant

ROOT = Path(__file__).parents[2]
MODELS = {
    "stg_absent": "select * from raw.app__devices",
    "stg_misspelt": "select user_idd from (select 1 as user_id) as t",
    "stg_person": "select cast(who as integer) as n from (select 'li@example.com' as who)",
}


def test_an_error_says_what_is_wrong_with_a_model_and_nothing_of_its_rows(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    project = tmp_path / "dbt_project"
    staging = project / "models" / "staging"
    staging.mkdir(parents=True)
    shutil.copytree(ROOT / "config", tmp_path / "config")
    shutil.copy(ROOT / "dbt_project" / "profiles.yml", project)
    (project / "dbt_project.yml").write_text(
        "name: strata\nprofile: strata\nmodels: {+materialized: table}\n"
    )
    for name, sql in MODELS.items():
        (staging / f"{name}.sql").write_text(sql)
    tenant = Tenant("sample", root=tmp_path, state=tmp_path / "state")
    tenant.warehouse.migrate()

    with pytest.raises(transform.TransformError) as caught:
        transform.build(tenant, "staging")

    told = str(caught.value)
    assert "stg_absent (Catalog Error: Table with name" in told
    assert 'stg_misspelt (Binder Error: Referenced column "user_idd" not' in told
    assert "stg_person (Conversion Error: Could not convert string '…' to INT32" in told
    log = (tenant.home / "dbt" / "logs" / "dbt.log").read_text("utf-8")
    assert "Could not convert string '…' to INT32" in log
    assert "3 of 3" in log
    said = capfd.readouterr()
    assert "example.com" not in told + log + said.out + said.err
    statement = tenant.home / "dbt/target/run/strata/models/staging/stg_person.sql"
    assert MODELS["stg_person"] in statement.read_text("utf-8")


@pytest.mark.parametrize(
    ("sql", "kept"),
    [
        ("select cast(w as date) from (select 'li''s \"x@e.com\n1' as w)", "'…'"),
        ("select cast(w::bigint as integer) from (select '13800138000' as w)", "INT32"),
        ("select strptime(w, '%Y') from (select 'x@e.com' as w)", "Could not parse"),
        ("insert into people values ('x@e.com')", "Duplicate key '…'"),
        ("select ask('x@e.com')", "executing the UDF: ValueError"),
        ("select phone from people", 'Referenced column "phone" not found'),
    ],
)
def test_a_stage_that_fails_says_what_failed_without_the_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str, kept: str
) -> None:
    """In the error, in what led to it, and in the record of the run."""
    tenant = Tenant("sample", state=tmp_path)
    tenant.warehouse.migrate()
    run_id = pipeline.start(tenant, date(2026, 2, 10))

    def ask(value: str) -> str:
        raise ValueError(value)

    def work(*_: object) -> None:
        with tenant.warehouse.connection("work") as con:
            con.execute("create table main.people (who varchar primary key)")
            con.execute("insert into main.people values ('x@e.com')")
            con.create_function("ask", ask, ["varchar"], "varchar")
            try:
                con.execute(sql).fetchall()
            except duckdb.Error as error:
                raise RuntimeError(f"the stage: {type(error).__name__}") from error

    monkeypatch.setattr(building, "build_stage", work)
    with pytest.raises((RuntimeError, duckdb.Error)) as caught:
        pipeline.build(tenant, run_id, "identity")

    printed = "".join(traceback.format_exception(caught.value))
    with tenant.warehouse.connection("look") as con:
        recorded = str(con.execute("from audit.runs").fetchall())
    assert kept in printed
    assert "the stage: " in recorded
    assert "x@e.com" not in printed + recorded
    assert "13800138000" not in printed + recorded


def test_the_words_of_spark_are_kept_without_the_value() -> None:
    words = (
        "Runtime Error in model stg_person (models/stg_person.sql)\n"
        "  [CAST_INVALID_INPUT] The value 'li@example.com' of the type \"STRING\" cannot be"
        ' cast to "INT" because it is malformed. SQLSTATE: 22018\n'
        "== SQL (line 3, position 8) ==\ncast('li@example.com' as integer)"
    )

    kept = without_values(words)

    assert kept.startswith("Runtime Error in model stg_person (models/stg_person.sql)")
    assert "[CAST_INVALID_INPUT] The value '…'" in kept
    assert "example.com" not in kept
