"""A tenant as the pipeline sees it: its home, its configuration, its warehouse."""

import functools
import hashlib
import os
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path

from strata import clock, secrets
from strata.config.check import check_rules
from strata.config.loader import ConfigError, read_yaml
from strata.config.sample import SampleConfig
from strata.config.sources import SourcesConfig
from strata.config.world import WorldConfig
from strata.dates import local_date
from strata.warehouse import DuckDBWarehouse

DEVELOPMENT_KEY = "strata-development-key-for-invented-or-published-data-only"
_VERSION = "0.1.0"


def project_root() -> Path:
    """The folder that holds ``config/`` and ``dbt_project/`` (``STRATA_PROJECT``)."""
    return Path(os.environ.get("STRATA_PROJECT") or Path(__file__).parents[2]).resolve()


def state_root() -> Path:
    """The folder under which every tenant has its home (``STRATA_HOME``)."""
    return Path(os.environ.get("STRATA_HOME") or project_root() / "var").resolve()


def last_world() -> str:
    """The world of the newest run on this machine; ``sample`` before the first."""
    marker = state_root() / "last_world"
    return marker.read_text(encoding="utf-8").strip() if marker.exists() else "sample"


@dataclass(frozen=True)
class Tenant:
    """One tenant: one home, one configuration, one warehouse."""

    world_name: str
    root: Path = field(default_factory=project_root)
    state: Path = field(default_factory=state_root)
    data_folder: Path | None = None

    @cached_property
    def home(self) -> Path:
        return self.state / self.world_name

    @cached_property
    def config_dir(self) -> Path:
        return self.root / "config"

    @cached_property
    def world(self) -> WorldConfig:
        path = self.config_dir / "worlds" / f"{self.world_name}.yml"
        if not path.exists():
            known = sorted(p.stem for p in path.parent.glob("*.yml"))
            raise ConfigError(
                f"there is no world {self.world_name!r}: {path} is missing; "
                f"known worlds: {', '.join(known)}"
            )
        return read_yaml(path, WorldConfig)

    @cached_property
    def sources(self) -> SourcesConfig:
        return read_yaml(self.config_dir / "sources.yml", SourcesConfig)

    @cached_property
    def warehouse(self) -> DuckDBWarehouse:
        return DuckDBWarehouse(self.home)

    @cached_property
    def data(self) -> Path:
        """The folder that file sources are read from.

        ``DATA=`` on the command line, else the world's own, else the one that the
        last run was given. Raises ``ConfigError`` where none is known or it is not
        there.
        """
        remembered = self.home / "data_folder"
        if self.data_folder is not None:
            chosen = self.data_folder.resolve()
        elif self.world.data is not None:
            chosen = Path(self.world.data.format(home=self.home))
        elif remembered.exists():
            chosen = Path(remembered.read_text(encoding="utf-8").strip())
        else:
            raise ConfigError(
                f"world {self.world_name!r} needs a data folder: give DATA=<folder> "
                "(or --data); the README says where to get it"
            )
        if not chosen.is_dir() and not self.world.generated:
            raise ConfigError(f"the data folder {chosen} is not there: check DATA=")
        return chosen

    def remember(self) -> None:
        """Keep what the next command may leave out: the world and the data folder."""
        self.home.mkdir(parents=True, exist_ok=True)
        if self.data_folder is not None:
            _write(self.home / "data_folder", str(self.data_folder.resolve()))
        _write(self.state / "last_world", self.world_name)

    def ensure_pseudonym_key(self) -> None:
        """Give invented and published data the known key; others must bring one."""
        if secrets.value("STRATA_PSEUDONYM_KEY"):
            return
        if self.world.public_data:
            os.environ["STRATA_PSEUDONYM_KEY"] = DEVELOPMENT_KEY
            return
        raise ConfigError(
            f"world {self.world_name!r} holds real people: set STRATA_PSEUDONYM_KEY in "
            ".env, or STRATA_PSEUDONYM_KEY_FILE to a file that holds it. Make one with: python -c "
            '"import secrets; print(secrets.token_hex(32))" and keep it safe: '
            "losing it changes every pseudonym"
        )

    @cached_property
    def config_hash(self) -> str:
        """A hash of every rule: ``config/`` and ``expectations/``."""
        world = self.config_dir / "worlds" / f"{self.world_name}.yml"
        files = [*self.config_dir.glob("*.yml"), world]
        files += (self.root / "expectations").rglob("*.yml")
        return _hash_files(self.root, files)

    def check_rules(self) -> None:
        """Read every rule there is. Raises ``ConfigError`` with all faults."""
        _check_rules(self, self.config_hash)

    @cached_property
    def begins_on(self) -> date | None:
        """The first day with data, where the rules say it."""
        if not self.world.generated:
            return self.world.first_day
        return read_yaml(self.config_dir / "sample.yml", SampleConfig).first_day

    def check_days(self, first: date, last: date) -> None:
        """Raise ``ConfigError`` where there is nothing to run for on one of the days.

        A day that has not come would make every day before it an older one, which goes
        to no CRM. An invented company may live in days to come.
        """
        begins = self.begins_on
        if begins is not None and first < begins:
            place = (
                "sample.yml"
                if self.world.generated
                else f"worlds/{self.world_name}.yml"
            )
            raise ConfigError(
                f"world {self.world_name!r} begins on {begins} (first_day in config/"
                f"{place}): nobody is known on {first}. Give a day from {begins} on"
            )
        today = local_date(clock.now(), self.world.timezone)
        if not self.world.generated and last > today:
            raise ConfigError(
                f"{last} has not come yet: today is {today} in {self.world.timezone}. "
                "A run for it would make each day before it an older one, of which "
                f"nothing goes to a CRM. Give a day up to {today}"
            )

    @cached_property
    def code_version(self) -> str:
        """The release and a hash of the code that makes rows."""
        files = [
            *(self.root / "plugins" / "strata").rglob("*.py"),
            *(self.root / "plugins" / "strata").rglob("*.sql"),
            *(self.root / "dbt_project" / "models").rglob("*.*"),
            *(self.root / "dbt_project" / "macros").rglob("*.sql"),
            self.root / "dbt_project" / "dbt_project.yml",
        ]
        return f"{_VERSION}+{_hash_files(self.root, files)[:12]}"


@functools.cache
def _check_rules(tenant: Tenant, config_hash: str) -> None:
    """Once a process for the same content; what raised is read again."""
    check_rules(tenant.root, tenant.world)


def _hash_files(root: Path, files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(set(files)):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(path)
