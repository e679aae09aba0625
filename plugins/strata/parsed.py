"""The parsed dbt project, kept between processes: parsing it costs seconds each time.

What is kept is dbt's own form of a parsed project. It is found again by a hash of every
file that is parsed and of dbt's version; it can be deleted at any time, and what cannot
be read is parsed anew.
"""

import hashlib
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


def load(project: Path) -> Any | None:
    """The parsed project as it is now, None where it was not kept."""
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    place = _place(project)
    if not place.exists():
        return None
    try:
        content = place.read_bytes()
        manifest = Manifest.from_msgpack(content, decoder=extended_mashumuro_decoder)
    except Exception:  # dbt names no error for a form that it does not know
        place.unlink(missing_ok=True)
        return None
    manifest.rebuild_ref_lookup()
    return manifest


def keep(project: Path, target: Path) -> None:
    """Keep what dbt has just parsed into ``target``; without a place, keep nothing."""
    made = target / "partial_parse.msgpack"
    place = _place(project)
    try:
        place.parent.mkdir(exist_ok=True)
        temporary = place.with_suffix(
            f".{hashlib.sha256(str(target).encode()).hexdigest()[:8]}"
        )
        temporary.write_bytes(made.read_bytes())
        for old in place.parent.glob("strata-*.msgpack"):
            old.unlink(missing_ok=True)
        temporary.replace(place)
    except OSError:
        return


def _place(project: Path) -> Path:
    """In the folder that dbt uses for what it makes, which is no part of the project."""
    return project / "target" / f"strata-{key(project)}.msgpack"
