"""Loads that the gate refused: read again from their source, and what came no more.

A refused load blocks nothing: the next ingest takes it out of raw, and since raw then
does not know its files and rows, it reads them again, mended or not. What the source
does not have any more lies in the refused load alone. It is *held*: told with each
run, until a person takes it in or drops it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from strata.config.sources import SourcesConfig
from strata.ingest import views
from strata.ingest.manifest import EntityLoad, Load, Manifest, SetAside


class UnknownHeldError(LookupError):
    """No rows of that load and entity are held."""


@dataclass(frozen=True)
class Held:
    """Rows of one entity that only a refused load has. ``files``: where they came in.

    ``condition`` tells them from the load's other rows, in SQL over a row ``r``.
    """

    load: Load
    entity: str
    rows: int
    files: tuple[str, ...]
    condition: str

    @property
    def name(self) -> str:
        """``system.entity``."""
        return f"{self.load.system}.{self.entity}"

    @property
    def told(self) -> SetAside:
        """What to say of them with each run."""
        files = ", ".join(self.files) or "its table"
        return SetAside(
            self.name,
            f"load {self.load.load_id}",
            "held",
            f"{self.rows} rows of {files} were refused by the gate and have not come "
            "again: `strata gate held` lists them, `strata gate take` lets them in, "
            "`strata gate drop` gives them up",
        )


def refuse(con: duckdb.DuckDBPyConnection, manifest: Manifest) -> list[str]:
    """Take out of raw what the last gate of ingest stopped; names of what was refused.

    Only the entities at fault: the rest of a load stays, to be judged again. A load
    that came after that gate, or that a gate has accepted, is left alone.
    """
    judged = con.execute(
        "select g.run_id, min(r._started_at) from audit.gate_results as g"
        " inner join audit.runs as r on g.run_id = r.run_id where g.stage = 'ingest'"
        " group by g.run_id order by min(r._started_at) desc limit 1"
    ).fetchone()
    if judged is None:
        return []
    failed = {
        str(row[0])
        for row in con.execute(
            "select distinct table_name from audit.gate_results"
            " where stage = 'ingest' and run_id = ? and verdict = 'failed'",
            [judged[0]],
        ).fetchall()
    }
    seen = {
        str(row[0])
        for row in con.execute(
            "select run_id from audit.runs where _started_at <= ?", [judged[1]]
        ).fetchall()
    }
    accepted = views.accepted_ids(con)
    refused = []
    for load in manifest.loads():
        if load.load_id in accepted or load.run_id not in seen:
            continue
        at_fault = [n for n in load.entities if f"raw.{load.system}__{n}" in failed]
        if at_fault:
            manifest.move(load, at_fault, "", "refused")
            refused += [f"{load.load_id}/{name}" for name in at_fault]
    return refused


def held(manifest: Manifest, sources: SourcesConfig) -> list[Held]:
    """What only refused loads have, oldest first.

    Of files: those that no later load brought again. Of a database: the rows whose key
    no later load has.
    """
    refused = manifest.loads("refused")
    everything = [*manifest.loads(), *refused, *manifest.loads("dropped")]
    found = []
    for load in refused:
        later = [other for other in everything if load.load_id in other.supersedes]
        for name, brought in load.entities.items():
            again = [o.entities[name] for o in later if name in o.entities]
            if brought.sources:
                waiting = _held_files(load, name, brought, again)
            else:
                entity = sources.systems[load.system].entities[name]
                waiting = _held_rows(
                    manifest.raw, load, name, entity.primary_key, again
                )
            if waiting.rows:
                found.append(waiting)
    return found


def _held_files(
    load: Load, name: str, brought: EntityLoad, again: Sequence[EntityLoad]
) -> Held:
    came = {source.path for entity in again for source in entity.sources}
    left = [source for source in brought.sources if source.path not in came]
    names = ", ".join(_text(Path(source.path).name) for source in left)
    return Held(
        load,
        name,
        sum(source.rows for source in left),
        tuple(source.path for source in left),
        f"r._file in ({names})",
    )


def _held_rows(
    raw: Path,
    load: Load,
    name: str,
    key: Sequence[str],
    again: Sequence[EntityLoad],
) -> Held:
    condition = "true"
    parts = [part for entity in again for part in entity.parts]
    if parts:
        same = " and ".join(f'r."{k}" is not distinct from n."{k}"' for k in key)
        condition = f"not exists (select 1 from {_rows(raw, parts)} as n where {same})"
    with duckdb.connect() as con:
        row = con.execute(
            f"select count(*) from {_rows(raw, load.entities[name].parts)} as r"
            f" where {condition}"
        ).fetchone()
    return Held(load, name, int(row[0]) if row else 0, (), condition)


def find(manifest: Manifest, sources: SourcesConfig, load_id: str, entity: str) -> Held:
    """The held rows of that load and entity. Raises ``UnknownHeldError``."""
    for item in held(manifest, sources):
        if (item.load.load_id, item.entity) == (load_id, entity):
            return item
    raise UnknownHeldError(
        f"no rows of {entity!r} are held from load {load_id!r}: `strata gate held` "
        "lists what is"
    )


def take(manifest: Manifest, item: Held, *, by: str, because: str) -> Load:
    """Make a load of the held rows, by a person's decision; the next run judges it.

    Their number stops no gate then: those that break a rule go to quarantine.
    """
    _ask(by, because)
    load, brought = item.load, item.load.entities[item.entity]
    load_id = f"{load.load_id}-{item.entity}"
    folder = manifest.raw / load.system / item.entity / f"load={load_id}"
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "part-00000.parquet"
    with duckdb.connect() as con:
        con.execute("set preserve_insertion_order = true")
        row = con.execute(
            f"copy (select r.* replace ({_text(load_id)} as _load_id)"
            f" from {_rows(manifest.raw, brought.parts)} as r where {item.condition})"
            f" to {_text(str(part))} (format parquet)"
        ).fetchone()
    if row is None or int(row[0]) != item.rows:
        raise RuntimeError(
            f"{item.name}: {item.rows} rows are held and {row and row[0]} were found; "
            "nothing was taken"
        )
    files = tuple(s for s in brought.sources if s.path in item.files)
    content = "".join(f"{s.path} {s.sha256}\n" for s in files) or (
        f"{brought.content_hash} {item.rows} taken\n"
    )
    taken = EntityLoad(
        parts=(part.relative_to(manifest.raw).as_posix(),),
        rows=item.rows,
        known_at=brought.known_at,
        content_hash=hashlib.sha256(content.encode()).hexdigest(),
        sources=files,
    )
    made = replace(
        load,
        load_id=load_id,
        entities={item.entity: taken},
        set_aside=(),
        supersedes=(load.load_id,),
        decided_by=by,
        decided_because=because,
    )
    manifest.commit(made)
    return made


def drop(manifest: Manifest, item: Held, *, by: str, because: str) -> None:
    """Give held rows up, by a person's decision. Their files stay as evidence."""
    _ask(by, because)
    manifest.move(item.load, [item.entity], "refused", "dropped", by, because)


def _ask(by: str, because: str) -> None:
    if not by.strip() or not because.strip():
        raise ValueError("a decision needs the name of who decides it, and why")


def _rows(raw: Path, parts: Sequence[str]) -> str:
    listed = ", ".join(_text(str(raw / part)) for part in parts)
    return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
