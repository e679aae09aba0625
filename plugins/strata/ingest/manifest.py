"""The load manifest: what is not in it does not exist.

A load lands Parquet files first and commits last, by renaming one JSON file into
``raw/_manifest/``. The files are the truth; ``ops.load_manifest`` mirrors the loads
that passed the gate. So ingest needs no hold on the warehouse.

What the gate refused lies under ``refused/`` beside them, and what a person then gave
up under ``dropped/``: evidence, and no part of raw.
"""

import hashlib
import json
import os
from collections.abc import Collection
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

Place = Literal["", "refused", "dropped"]


@dataclass(frozen=True)
class SourceFile:
    """A file that a load has read, so that it is not read again."""

    path: str
    bytes: int
    mtime_ns: int
    sha256: str
    rows: int


@dataclass(frozen=True)
class SetAside:
    """A source file or table that could not be taken; it stays where it lies."""

    entity: str
    path: str
    fault: str
    reason: str
    sha256: str | None = None


@dataclass(frozen=True)
class EntityLoad:
    """What one load brought of one entity."""

    parts: tuple[str, ...]
    rows: int
    known_at: str
    content_hash: str
    sources: tuple[SourceFile, ...] = ()
    cursor: str | None = None
    cursor_rows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Load:
    """One system's load by one run; ``load_id`` is ``<run_id>-<system>``.

    ``supersedes``: the refused loads of the system that were there when it was read,
    whose files and rows it brings again as far as the source still has them.
    ``decided_by`` and ``decided_because``: who took what came no more, or dropped it.
    """

    load_id: str
    system: str
    run_id: str
    ds: str
    entities: dict[str, EntityLoad]
    set_aside: tuple[SetAside, ...] = ()
    loaded_at: str = field(default="", compare=False)
    supersedes: tuple[str, ...] = ()
    decided_by: str | None = None
    decided_because: str | None = None


class Manifest:
    """All committed loads of a tenant, oldest first."""

    def __init__(self, raw: Path) -> None:
        self.raw = raw
        self.folder = raw / "_manifest"

    def loads(self, place: Place = "") -> list[Load]:
        """The committed loads in the order of their ids' runs.

        With ``place``: what was refused or dropped instead.
        """
        folder = self.folder / place
        if not folder.is_dir():
            return []
        found = [_load(p) for p in folder.glob("*.json")]
        return sorted(found, key=lambda load: (load.ds, _attempt(load), load.system))

    def all_ids(self) -> set[str]:
        """Every load whose files are kept, whatever became of it."""
        return {p.stem for p in self.folder.glob("**/*.json")}

    def has(self, load_id: str) -> bool:
        """Whether a load of that name was ever committed."""
        places = ("", "refused", "dropped")
        return any((self.folder / p / f"{load_id}.json").exists() for p in places)

    def commit(self, load: Load) -> None:
        """Make ``load`` exist: one rename, after its files are on disk."""
        target = self.folder / f"{load.load_id}.json"
        if target.exists():
            raise FileExistsError(f"load {load.load_id} is committed already")
        self._write(target, load)

    def move(
        self,
        load: Load,
        entities: Collection[str],
        source: Place,
        target: Place,
        by: str | None = None,
        because: str | None = None,
    ) -> None:
        """Move some entities of ``load`` to another place; the others stay.

        ``by`` and ``because``: whose decision it is. Killed between its two steps it
        leaves them in both places; done again, in one.
        """
        there = self.folder / target / f"{load.load_id}.json"
        kept = _load(there).entities if there.exists() else {}
        gone = {n: e for n, e in load.entities.items() if n in entities}
        left = {n: e for n, e in load.entities.items() if n not in entities}
        moved = replace(load, decided_by=by, decided_because=because)
        self._write(there, replace(moved, entities={**kept, **gone}))
        here = self.folder / source / f"{load.load_id}.json"
        if left:
            self._write(here, replace(load, entities=left))
        else:
            here.unlink()

    @staticmethod
    def _write(target: Path, load: Load) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_suffix(".tmp")
        with temporary.open("w", encoding="utf-8") as out:
            json.dump(asdict(load), out, indent=1, sort_keys=True)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(target)


def manifest_hash(loads: list[Load]) -> str:
    """A hash of what raw holds: contents only, whatever the loads are called."""
    parts = sorted(
        f"{load.system}/{name}/{entity.content_hash}/{entity.rows}"
        for load in loads
        for name, entity in load.entities.items()
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _attempt(load: Load) -> int:
    return int(load.run_id.rsplit(".", 1)[-1])


def _load(path: Path) -> Load:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        entities = {
            name: EntityLoad(
                parts=tuple(e["parts"]),
                rows=e["rows"],
                known_at=e["known_at"],
                content_hash=e["content_hash"],
                sources=tuple(SourceFile(**s) for s in e["sources"]),
                cursor=e["cursor"],
                cursor_rows=tuple(e["cursor_rows"]),
            )
            for name, e in content.pop("entities").items()
        }
        aside = tuple(SetAside(**s) for s in content.pop("set_aside"))
        earlier = tuple(content.pop("supersedes", ()))
        return Load(entities=entities, set_aside=aside, supersedes=earlier, **content)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path}: the manifest of this load cannot be read "
            f"({type(error).__name__}); restore it from a backup: without it the "
            "load's rows do not exist"
        ) from None
