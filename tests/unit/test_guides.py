"""README and guides tell what is there: commands, tables, columns, links, rules."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest
import typer.main
import yaml
from strata.cli.main import app
from strata.config.activation import ActivationConfig
from strata.config.loader import read_yaml
from strata.config.playbooks import PlaybooksConfig
from strata.config.sources import SourcesConfig
from strata.config.tiers import LIFECYCLES, TIERS
from strata.semantic import read_layer, views
from strata.semantic.views import definition
from strata.serving.tables import HISTORIES, PUBLIC, SNAPSHOTS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
GUIDES = ("data-engineer.md", "analyst.md", "auditor.md", "operator.md")
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TYPES = {"string": "varchar", "integer": "integer", None: "varchar"}


class Line(NamedTuple):
    """A command as a page gives it. ``is_whole``: to be typed as it stands."""

    page: str
    words: list[str]
    is_whole: bool


def _page(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


def _blocks(page: Path, language: str) -> list[str]:
    found = FENCE.findall(page.read_text("utf-8"))
    return [text for _, named, text in found if named == language]


def _lines() -> Iterator[Line]:
    """Every command line of ``sh`` blocks and of code within sentences."""
    for page in PAGES:
        if page.name == "STATUS.md":  # tells what is missing, too
            continue
        for block in _blocks(page, "sh"):
            for line in block.splitlines():
                for part in re.split(r"&&|\|", line):
                    yield Line(page.name, shlex.split(part, comments=True), True)
        prose = FENCE.sub("", page.read_text("utf-8"))
        for span in re.findall(r"`([^`]+)`", prose):
            for part in re.split(r"&&|\|", span):
                if re.match(r"(\S*/)?(strata|make)(\s|$)", part):
                    yield Line(page.name, shlex.split(part), False)


def _given(program: str) -> list[Line]:
    return [
        line for line in _lines() if line.words and Path(line.words[0]).name == program
    ]


def _shown(line: Line) -> str:
    return f"{line.page}: {' '.join(line.words)}"


@pytest.mark.parametrize("line", _given("strata"), ids=_shown)
def test_every_strata_command_is_there_with_its_options(line: Line) -> None:
    command: Any = typer.main.get_command(app)
    words = line.words[1:]
    while words and hasattr(command, "commands") and words[0][0] != "-":
        assert words[0] in command.commands, f"no command {words[0]!r}"
        command, words = command.commands[words[0]], words[1:]
    if line.is_whole and "--help" not in words:
        # Raises for an unknown option and for an argument too many or too few.
        command.make_context("strata", list(words))
        return
    known = {name for parameter in command.params for name in parameter.opts}
    named = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert named <= known | {"--help"}


@pytest.mark.parametrize("line", _given("make"), ids=_shown)
def test_every_make_target_and_variable_is_there(line: Line) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*?##", MAKEFILE, re.MULTILINE))
    variables = set(re.findall(r"^([A-Z]+) \?=", MAKEFILE, re.MULTILINE))
    words = [word for word in line.words[1:] if word.strip(".…")]
    assert {w.partition("=")[0] for w in words if "=" in w} <= variables
    assert {w for w in words if "=" not in w} <= targets


def test_commands_are_found_at_all() -> None:
    assert len(_given("strata")) > 30
    assert len(_given("make")) > 15


@pytest.fixture(scope="module")
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """Every documented table, empty: the models' YAML, and the migrations."""
    with duckdb.connect() as con:
        folder = ROOT / "plugins" / "strata" / "warehouse" / "migrations"
        for migration in sorted(folder.glob("*.sql")):
            con.execute(migration.read_text("utf-8"))
        for name, columns in _models():
            schema = name.partition(".")[0]
            con.execute(f"create schema if not exists {schema}")
            listed = ", ".join(f'"{c}" {kind}' for c, kind in columns.items())
            if schema != "metrics":
                con.execute(f"create table if not exists {name} ({listed})")
        for name in (*HISTORIES, *SNAPSHOTS):
            con.execute(f"create view {name}_current as select * from {name}")
        for view in views(read_layer(ROOT / "dbt_project")):
            con.execute(definition(view))
        yield con


def _models() -> Iterator[tuple[str, dict[str, str]]]:
    """Models that the YAML describes: ``schema.table``, and column to type."""
    for file in sorted((ROOT / "dbt_project" / "models").rglob("*.yml")):
        stage = file.relative_to(ROOT / "dbt_project" / "models").parts[0]
        content = yaml.safe_load(file.read_text("utf-8")) or {}
        for model in content.get("models", []):
            columns = {
                c["name"]: TYPES.get(c.get("data_type"), c.get("data_type"))
                for c in model.get("columns", [])
            }
            if columns:
                yield f"{stage}.{model['name']}", columns


def _statements() -> list[tuple[str, str]]:
    return [(page.name, text) for page in PAGES for text in _blocks(page, "sql")]


@pytest.mark.parametrize(("page", "sql"), _statements())
def test_every_sql_example_names_tables_and_columns_that_are_there(
    warehouse: duckdb.DuckDBPyConnection,
    page: str,
    sql: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _lay_out_raw(warehouse, sql, tmp_path)
    monkeypatch.chdir(tmp_path)
    warehouse.execute(sql)


def _lay_out_raw(con: duckdb.DuckDBPyConnection, sql: str, place: Path) -> None:
    """An empty file of raw for each entity that ``sql`` reads as Parquet."""
    sources = read_yaml(ROOT / "config" / "sources.yml", SourcesConfig)
    pattern = r"read_parquet\('(var/\w+/raw/(\w+)/(\w+))/load=\*/\*\.parquet'\)"
    for folder, system, entity in re.findall(pattern, sql):
        columns = [*sources.systems[system].entities[entity].columns, "_file"]
        listed = ", ".join(f"null::varchar as {name}" for name in columns)
        file = place / folder / "load=1" / "part.parquet"
        file.parent.mkdir(parents=True)
        con.execute(f"copy (select {listed}, null::bigint as _row limit 0) to '{file}'")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    prose = FENCE.sub("", page.read_text("utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, heading = link.partition("#")
        goal = (page.parent / path).resolve() if path else page
        assert goal.exists(), link
        assert not heading or heading in _headings(goal), link


def _headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as a Git host makes them."""
    prose = FENCE.sub("", page.read_text("utf-8"))
    titles = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")
        for title in titles
    }


def test_readme_and_guides_lead_to_each_guide() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    for guide in GUIDES:
        assert f"](docs/{guide})" in readme
        assert any(f"]({guide})" in _page(other) for other in GUIDES if other != guide)


def test_the_analyst_is_told_of_every_public_table() -> None:
    marts = {name for name, _ in _models() if name.startswith("marts.")}
    public = {name for name in PUBLIC if "*" not in name} | marts
    told = set(re.findall(r"`([a-z]+\.[a-z_]+)`", _page("analyst.md")))
    assert public <= told


def test_what_a_dashboard_is_said_to_read_is_published() -> None:
    named = {name.split(".")[1]: name for name, _ in _models()}
    public = {name for name in PUBLIC if "*" not in name}
    for page in (ROOT / "dbt_project" / "models").rglob("*.yml"):
        for exposure in yaml.safe_load(page.read_text("utf-8")).get("exposures", ()):
            if exposure["type"] != "dashboard":
                continue
            read = {named[ref.split('"')[1]] for ref in exposure["depends_on"]}
            assert {n for n in read if not n.startswith("marts.")} <= public


def test_the_operator_is_told_of_every_field_tier_lifecycle_and_action() -> None:
    told = set(re.findall(r"`(\w+)`", _page("operator.md"))) | {"reason_2"}
    config = ROOT / "config"
    activation = read_yaml(config / "activation.yml", ActivationConfig)
    fields = {name for target in activation.targets for name in target.fields}
    playbooks = read_yaml(config / "playbooks.yml", PlaybooksConfig)
    actions = {play.action for play in playbooks.actions}
    assert fields | {*TIERS, *LIFECYCLES} | actions <= told
