"""Every rule of a tenant read before a run begins, so that none stops it half way."""

from pathlib import Path

from pydantic import BaseModel

from strata.config.activation import ActivationConfig
from strata.config.identity import IdentityConfig
from strata.config.loader import ConfigError, read_yaml
from strata.config.matching import MatchingConfig
from strata.config.playbooks import PlaybooksConfig
from strata.config.sample import SampleConfig
from strata.config.sources import SourcesConfig
from strata.config.suites import read_suites
from strata.config.text import TextConfig
from strata.config.tiers import TiersConfig
from strata.config.world import WorldConfig

_FILES: dict[str, type[BaseModel]] = {
    "activation": ActivationConfig,
    "identity": IdentityConfig,
    "matching": MatchingConfig,
    "playbooks": PlaybooksConfig,
    "sources": SourcesConfig,
    "text": TextConfig,
    "tiers": TiersConfig,
}


class _DbtTable(BaseModel):
    name: str


class _DbtSource(BaseModel):
    name: str
    tables: tuple[_DbtTable, ...] = ()


class _DbtFile(BaseModel):
    """What is read here of a YAML file of dbt; the rest is dbt's to check."""

    sources: tuple[_DbtSource, ...] = ()


def check_rules(root: Path, world: WorldConfig) -> None:
    """Read ``config/`` and ``expectations/`` of the project at ``root``.

    Raises ``ConfigError`` with the faults of all files together.
    """
    files = dict(_FILES)
    if world.generated:
        files["sample"] = SampleConfig
    faults = []
    for name, model in files.items():
        try:
            read_yaml(root / "config" / f"{name}.yml", model)
        except ConfigError as error:
            faults.append(str(error))
    expectations = root / "expectations"
    for folder in sorted(p for p in expectations.iterdir() if p.is_dir()):
        try:
            read_suites(expectations, folder.name)
        except ConfigError as error:
            faults.append(str(error))
    faults += faults or _not_declared(root)
    if faults:
        raise ConfigError("\n".join(faults))


def _not_declared(root: Path) -> list[str]:
    """The entities that staging reads and ``config/sources.yml`` does not have.

    A project that keeps rules of its own meets one where a release brings an entity.
    """
    rules = root / "config" / "sources.yml"
    systems = read_yaml(rules, SourcesConfig).systems
    faults = []
    staging = root / "dbt_project" / "models" / "staging"
    for path in sorted(staging.rglob("*__sources.yml")):
        try:
            sources = read_yaml(path, _DbtFile).sources
        except ConfigError as error:
            faults.append(str(error))
            continue
        for table in (t for s in sources if s.name == "raw" for t in s.tables):
            system, _, name = table.name.partition("__")
            known = systems[system].entities if system in systems else {}
            if name not in known:
                faults.append(
                    f"{rules}: systems.{system}.entities.{name}: not declared, but"
                    f" {path.relative_to(root)} reads it: declare it (the file of"
                    " this release has it), or take it out there with its models"
                )
    return faults
