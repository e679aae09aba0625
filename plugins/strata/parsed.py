"""The parsed dbt project, kept between processes: parsing it costs seconds each time.

What is kept is dbt's own form of a parsed project. It is found again by a hash of every
file that is parsed and of dbt's version; it can be deleted at any time, and what cannot
be read is parsed anew.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

_PARSED = ("dbt_project.yml", "profiles.yml", "models", "macros", "tests")
_SUFFIXES = {".sql", ".yml", ".md", ".csv"}


def key(project: Path) -> str:
    """A hash of what dbt parses below ``project``, and of dbt itself."""
    from importlib.metadata import version

    digest = hashlib.sha256(str(project).encode())
    for package in ("dbt-core", "dbt-adapters", "dbt-duckdb"):
        digest.update(version(package).encode())
    for name in _PARSED:
        place = project / name
        files = [place] if place.is_file() else sorted(place.rglob("*"))
        for file in files:
            if file.suffix in _SUFFIXES:
                digest.update(file.relative_to(project).as_posix().encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:32]


def load(project: Path, spare: Path) -> Any | None:
    """The parsed project as it is now, None where it was not kept."""
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    name = _name(project)
    for place in (project / "target" / name, spare / name):
        if not place.exists():
            continue
        try:
            content = place.read_bytes()
            found = Manifest.from_msgpack(content, decoder=extended_mashumuro_decoder)
        except Exception:  # dbt names no error for a form that it does not know
            continue
        found.rebuild_ref_lookup()
        return found
    return None


def keep(project: Path, spare: Path, made: Path) -> None:
    """Keep ``made``, what dbt has just written of the parsed project.

    It lies where dbt puts what it makes; where that cannot be written to, in ``spare``.
    """
    name = _name(project)
    for folder in (project / "target", spare):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            temporary = folder / f"{name}.{os.getpid()}"
            temporary.write_bytes(made.read_bytes())
            for old in folder.glob("strata-*.msgpack"):
                old.unlink(missing_ok=True)
            temporary.replace(folder / name)
        except OSError:
            continue
        return


def _name(project: Path) -> str:
    return f"strata-{key(project)}.msgpack"
