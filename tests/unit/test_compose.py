"""docker-compose.yml and the Dockerfiles, held against the project they start.

No engine is needed: what a container would be given, mounted and told is compared with
the files, the options of Airflow and the programs that are there.
"""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text("utf-8")
COMPOSE = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
AIRFLOW = {n: s for n, s in SERVICES.items() if s["image"].startswith("strata:")}
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
BI_DOCKERFILE = (ROOT / "deploy" / "bi" / "Dockerfile").read_text("utf-8")


def words(service: dict[str, Any]) -> list[str]:
    """All that a service is told: its command, its health check, its environment."""
    told = [
        *service.get("command", []),
        *service.get("healthcheck", {}).get("test", []),
    ]
    return [*told, *service.get("environment", {}).values()]


def inside(service: dict[str, Any]) -> dict[str, str]:
    """Its mounts: path in the container, what is mounted there."""
    mounts = {}
    for mount in service["volumes"]:
        parts = re.sub(r"\$\{[^}]*\}", lambda m: m.group().replace(":", ";"), mount)
        what, where = parts.split(":")[:2]
        mounts[where] = what.replace(";", ":")
    return mounts


def test_every_service_is_there() -> None:
    assert set(AIRFLOW) == {
        *("init", "api-server", "scheduler", "dag-processor", "triggerer"),
    }
    assert set(SERVICES) - set(AIRFLOW) == {"postgres", "bi"}
    assert SERVICES["bi"]["profiles"] == ["bi"]
    assert not [n for n, s in SERVICES.items() if "profiles" in s and n != "bi"]


def test_every_variable_has_a_default_and_is_in_the_example_of_env() -> None:
    used = re.findall(r"\$\{(\w+)([^}]*)\}", TEXT)
    assert [name for name, rest in used if not re.fullmatch(r":-.+", rest)] == []
    defaults = {name: rest[2:] for name, rest in used}
    example = (ROOT / ".env.example").read_text("utf-8")
    said = dict(re.findall(r"^#(\w+)=(.*)$", example, re.MULTILINE))
    assert {n: said.get(n) for n in defaults} == defaults
    assert re.findall(r"\$(?!\{)\w", TEXT) == []


def test_ports_are_open_on_loopback_only_and_to_what_listens() -> None:
    published = {n: s["ports"] for n, s in SERVICES.items() if "ports" in s}
    assert published == {
        "api-server": ["127.0.0.1:${STRATA_PORT:-8080}:8080"],
        "bi": ["127.0.0.1:${STRATA_BI_PORT:-8088}:8088"],
    }
    command = SERVICES["api-server"]["command"]
    assert command[command.index("--port") + 1] == "8080"
    assert "0.0.0.0:8088" in BI_DOCKERFILE
    assert not [n for n, s in SERVICES.items() if "network_mode" in s or "expose" in s]
    assert SERVICES["postgres"]["networks"] == ["metadata"]
    assert COMPOSE["networks"]["metadata"] == {"internal": True}
    assert all("metadata" in s["networks"] for s in AIRFLOW.values())
    assert SERVICES["bi"]["networks"] == ["bi"], "it sees the published copy alone"


def test_images_have_pinned_tags() -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    version = re.search(r'^version = "(.+)"$', project, re.MULTILINE)
    assert version is not None
    assert {s["image"] for s in AIRFLOW.values()} == {f"strata:{version.group(1)}"}
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(set(bases)) == 1 and re.fullmatch(
        r"python:3\.11\.\d+-slim-\w+", bases[0]
    )
    (superset,) = re.findall(
        r"^FROM apache/superset:(\S+)", BI_DOCKERFILE, re.MULTILINE
    )
    assert SERVICES["bi"]["image"] == f"strata-bi:{superset}"
    # The version that tests/integration/test_deployment.py runs.
    assert re.fullmatch(r"postgres:15\.\d+-\w+", SERVICES["postgres"]["image"])
    assert all(re.search(r":\d+(\.\d+)+", s["image"]) for s in SERVICES.values())


def test_each_service_has_a_health_check_and_waits_for_what_it_needs() -> None:
    lasting = {n for n, s in SERVICES.items() if s["restart"] == "unless-stopped"}
    assert set(SERVICES) - lasting == {"init"}, "which ends, and others wait for that"
    assert all(SERVICES[name]["healthcheck"]["test"][0] == "CMD" for name in lasting)
    needs = {
        name: {on: how["condition"] for on, how in service["depends_on"].items()}
        for name, service in SERVICES.items()
        if "depends_on" in service
    }
    after_api = {"api-server": "service_healthy"}
    assert needs == {
        "init": {"postgres": "service_healthy"},
        "api-server": {"init": "service_completed_successfully"},
        **dict.fromkeys(("scheduler", "dag-processor", "triggerer"), after_api),
    }
    asked = {
        name: service["healthcheck"]["test"][3]
        for name, service in AIRFLOW.items()
        if name != "init"
    }
    assert asked == {
        "api-server": "metadatabase",
        "scheduler": "scheduler",
        "dag-processor": "dag_processor",
        "triggerer": "triggerer",
    }
    from airflow.api_fastapi.core_api.datamodels.monitor import HealthInfoResponse

    assert set(asked.values()) <= set(HealthInfoResponse.model_fields)


@pytest.mark.parametrize("name", AIRFLOW)
def test_commands_are_of_programs_that_are_there(name: str) -> None:
    from airflow.cli.cli_parser import get_parser

    program, *rest = AIRFLOW[name]["command"]
    if program == "python" and rest[0] == "-m":
        assert callable(import_module(rest[1]).main)
        program, rest = "airflow", ["scheduler", *rest[2:]]
    if program == "airflow":
        get_parser().parse_args(rest)
    else:
        assert program == "python"
        assert (ROOT / Path(rest[0]).relative_to("/opt/strata")).is_file()


@pytest.mark.parametrize("name", AIRFLOW)
def test_settings_are_options_of_airflow_and_secret_ones_come_from_files(
    name: str,
) -> None:
    from airflow.configuration import conf

    known = conf.configuration_description
    for variable, value in AIRFLOW[name]["environment"].items():
        if not variable.startswith("AIRFLOW__"):
            continue
        section, option = variable.removeprefix("AIRFLOW__").lower().split("__")
        is_command = option.endswith("_cmd")
        option = option.removesuffix("_cmd")
        assert option in known[section]["options"], variable
        is_sensitive = (section, option) in conf.sensitive_config_values
        if option != "backend_kwargs":  # names a file
            assert is_sensitive == is_command, variable
        assert not is_command or re.fullmatch(r"cat /run/secrets/\w+", value)
    for option in ("AUTH_MANAGER", "EXECUTOR"):
        assert AIRFLOW[name]["environment"][f"AIRFLOW__CORE__{option}"]
    assert AIRFLOW[name]["environment"]["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"


def test_classes_that_settings_name_can_be_imported() -> None:
    environment = SERVICES["scheduler"]["environment"]
    for option in ("CORE__AUTH_MANAGER", "SECRETS__BACKEND"):
        module, _, name = environment[f"AIRFLOW__{option}"].rpartition(".")
        assert getattr(import_module(module), name)


def test_a_service_has_the_secrets_it_reads_and_no_others(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, str(ROOT / "deploy" / "prepare.py"), "secrets", "state"],
        check=True,
        capture_output=True,
        cwd=tmp_path,
    )
    made = {place.name for place in (tmp_path / "secrets").iterdir()}
    assert set(COMPOSE["secrets"]) == made
    for name, told in COMPOSE["secrets"].items():
        assert told == {"file": f"${{STRATA_SECRETS:-./secrets}}/{name}"}
    for name, service in SERVICES.items():
        read = set(re.findall(r"/run/secrets/([\w.]+)", " ".join(words(service))))
        assert read == set(service["secrets"]), name
    holders = {n for n, s in SERVICES.items() if "connections.yml" in s["secrets"]}
    assert holders == {"scheduler", "dag-processor"}, "those that run the tenant's code"


def test_no_secret_is_written_in_the_file() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            secret = re.search("PASSWORD|SECRET|KEY|TOKEN", name)
            ours = ("/run/secrets/", "cat /run/secrets/")
            if secret and name != "AIRFLOW__SECRETS__BACKEND":
                assert value.startswith(ours) or "/run/secrets/" in value, name
    assert re.findall(r"://[^/\s]*:[^/\s@$]*@", TEXT) == []


def test_secrets_are_made_once_private_and_agree(tmp_path: Path) -> None:
    def prepare() -> dict[str, str]:
        subprocess.run(
            [sys.executable, str(ROOT / "deploy" / "prepare.py"), "s", "state", "acme"],
            check=True,
            capture_output=True,
            cwd=tmp_path,
        )
        assert {p.stat().st_mode & 0o777 for p in (tmp_path / "s").iterdir()} == {0o600}
        assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700
        return {p.name: p.read_text("utf-8") for p in (tmp_path / "s").iterdir()}

    made = prepare()
    assert prepare() == made
    assert len(set(made.values())) == len(made)
    assert made["postgres_password"] in made["metadata_url"]
    assert "@postgres:5432/airflow" in made["metadata_url"]
    postgres = SERVICES["postgres"]["environment"]
    assert f"//{postgres['POSTGRES_USER']}:" in made["metadata_url"]
    assert made["metadata_url"].endswith(f"/{postgres['POSTGRES_DB']}")
    assert yaml.safe_load(made["connections.yml"]) == {}
    from cryptography.fernet import Fernet

    Fernet(made["fernet_key"])
    assert (tmp_path / "state" / "acme" / "serving").is_dir()


def test_state_is_on_volumes_and_the_rest_is_read_only() -> None:
    for name, service in AIRFLOW.items():
        mounts, told = inside(service), service["environment"]
        assert told["AIRFLOW__LOGGING__BASE_LOG_FOLDER"] in mounts, name
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name
        assert service["tmpfs"] == ["/tmp"]
        assert told["AIRFLOW_HOME"].startswith("/tmp/"), "settings only, made anew"
        assert "/opt/strata/config" in mounts
    for name in ("scheduler", "dag-processor"):
        mounts = inside(SERVICES[name])
        home = SERVICES[name]["environment"]["STRATA_HOME"]
        assert mounts[home] == "${STRATA_HOME:-./var}"
    bi = inside(SERVICES["bi"])["/serving"]
    assert bi == "${STRATA_HOME:-./var}/${STRATA_WORLD:-sample}/serving"
    assert f"{bi}:/serving:ro" in SERVICES["bi"]["volumes"]
    assert "/var/lib/postgresql/data" in inside(SERVICES["postgres"])
    named = {
        what
        for service in SERVICES.values()
        for what in inside(service).values()
        if re.fullmatch(r"\w+", what)
    }
    assert named == set(COMPOSE["volumes"])


def test_the_image_holds_what_its_services_name() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    copied = [name for line in copied for name in line.split()]
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert {"config", "dags", "dbt_project", "deploy", "expectations", "plugins"} <= {
        *copied
    }
    admitted = re.findall(
        r"^!(.+)$", (ROOT / ".dockerignore").read_text("utf-8"), re.MULTILINE
    )
    assert {name.split("/")[0] for name in copied} == set(admitted)
    assert (
        re.findall(r"^WORKDIR (.+)$", DOCKERFILE, re.MULTILINE) == ["/opt/strata"] * 2
    )
    locks = re.findall(r"-r (\S+)", DOCKERFILE)
    assert locks == ["requirements/uv.lock", "requirements/deploy.lock"]
    assert DOCKERFILE.count("--require-hashes") == len(locks)
    assert all((ROOT / lock).is_file() for lock in locks)
    folder = ROOT / "deploy" / "bi"
    (listed,) = re.findall(r"^COPY (.+) /app/strata/$", BI_DOCKERFILE, re.MULTILINE)
    assert [name for name in listed.split() if not (folder / name).is_file()] == []
    assert "--require-hashes" in BI_DOCKERFILE


def test_the_engine_that_reads_the_copy_is_the_one_that_writes_it() -> None:
    ours = (ROOT / "requirements" / "deploy.lock").read_text("utf-8")
    bi = (ROOT / "deploy" / "bi" / "requirements.lock").read_text("utf-8")
    found = [re.findall(r"^duckdb==(\S+)", text, re.MULTILINE) for text in (ours, bi)]
    assert found[0] == found[1] != []
