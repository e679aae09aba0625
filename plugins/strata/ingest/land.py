"""Pull what is new from every source of a tenant into raw, and commit it."""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from strata import clock
from strata.config.sources import Entity, SourcesConfig
from strata.config.world import WorldConfig
from strata.ingest import files, sql
from strata.ingest.files import BadFileError, NewFile
from strata.ingest.manifest import EntityLoad, Load, Manifest, SetAside, SourceFile
from strata.ingest.pending import (
    Landing,
    Pending,
    known_text,
    load_id_of,
    seen_of,
    systems_of,
)
from strata.ingest.refused import held
from strata.run import Run


class IngestStoppedError(RuntimeError):
    """A source broke its contract in a way that stops the run; nothing was taken."""

    def __init__(self, faults: Sequence[SetAside]) -> None:
        told = "\n".join(f"  {f.path}: {f.reason}" for f in faults)
        super().__init__(
            "ingest stopped before it took anything, since the contract in "
            f"config/sources.yml says stop:\n{told}\nMend or remove these files (or "
            "change the contract), then run the day again."
        )
        self.faults = tuple(faults)


def land(
    run: Run,
    world: WorldConfig,
    sources: SourcesConfig,
    data: Path | None,
    progress: Callable[[str], None] = lambda _: None,
    day_by_day: Callable[[date], object] | None = None,
) -> Landing:
    """Bring what is new up to the end of ``run.ds`` into raw.

    Grain: one load a system. What does not say when it came (a database, a file
    without a date) is known from the first day of the run on. ``day_by_day`` brings
    the sources to the end of a day where they can be brought there: databases are
    then read as of each day of the run. A load exists once its manifest entry does; whatever an
    earlier attempt left without one is swept away first. What the gate refused is
    looked for again in its source; what is not there any more is told as set aside,
    until a person decides. Raises ``IngestStoppedError`` where a contract says stop.
    """
    manifest = Manifest(run.home / "raw")
    incoming = run.home / "raw" / "_incoming"
    shutil.rmtree(incoming, ignore_errors=True)
    history = manifest.loads()
    _sweep(manifest)
    landing = Landing()
    pending: list[Pending] = []
    days = [run] if day_by_day is None else [run.of_day(ds) for ds in run.days]
    with closing(sql.Databases(world, sources, history)) as databases:
        for day in days:
            if day_by_day is not None:
                day_by_day(day.ds)
            databases.read(day, pending, landing)
    for name, system, entities in systems_of(world, sources):
        if system.kind == "sql":
            continue
        progress(f"look for new data of {name}")
        for entity_name in entities:
            entity = system.entities[entity_name]
            seen = seen_of(history, name, entity_name)
            found = _new_files(days[-1], name, entity_name, entity, data, seen, landing)
            if found is not None:
                pending.append(found)
    _stop_if_told(landing.set_aside, sources)
    if pending:
        _load_with_dlt(pending, incoming, progress)
        _commit(run, pending, incoming, manifest, landing)
    shutil.rmtree(incoming, ignore_errors=True)
    landing.set_aside += [item.told for item in held(manifest, sources)]
    return landing


def _sweep(manifest: Manifest) -> None:
    """Remove load folders that no manifest entry names: a killed run left them."""
    committed = manifest.all_ids()
    for folder in manifest.raw.glob("*/*/load=*"):
        if folder.name.removeprefix("load=") not in committed:
            shutil.rmtree(folder)


def _new_files(
    run: Run,
    system: str,
    name: str,
    entity: Entity,
    data: Path | None,
    seen: Sequence[EntityLoad],
    landing: Landing,
) -> Pending | None:
    if data is None:
        raise ValueError(
            f"world {run.world} needs a data folder: run it with DATA=<folder>"
        )
    known = {s.path: s for load in seen for s in load.sources}
    fresh: list[NewFile] = []
    for path in sorted(data.glob(entity.path or "")):
        relative = path.relative_to(data).as_posix()
        try:
            arrived_on = files.arrival_day(path, entity)
            if arrived_on is not None and arrived_on > run.ds:
                continue
            stat, before = path.stat(), known.get(relative)
            if (
                before is not None
                and before.bytes == stat.st_size
                and before.mtime_ns == stat.st_mtime_ns
            ):
                continue
            digest, header = files.inspect(path, entity)
        except BadFileError as fault:
            if fault.fault == "empty" and entity.contract.empty_file == "accept":
                continue
            landing.set_aside.append(
                SetAside(f"{system}.{name}", relative, fault.fault, fault.reason)
            )
            continue
        if before is None or before.sha256 != digest:
            kind = files.file_format(path, entity)
            fresh.append(NewFile(path, relative, arrived_on, digest, kind, header))
    if not fresh:
        return None
    stamps = {
        f.relative: known_text(f.arrived_on or run.days[0], run.timezone) for f in fresh
    }
    pending = Pending(system, name, entity, lambda: iter(()), sources=fresh)
    pending.known_at = max(stamps.values())
    readable = _readable(fresh, pending, landing)
    if not readable:
        return None
    pending.sources = readable
    load_id = load_id_of(run, system)

    def batches() -> Iterator[pa.Table]:
        for _, group in groupby(readable, key=lambda f: f.shape):
            for batch in files.read(list(group), entity, stamps, load_id):
                yield pa.Table.from_batches([batch])

    pending.batches = batches
    return pending


def _readable(
    fresh: list[NewFile],
    pending: Pending,
    landing: Landing,
) -> list[NewFile]:
    """Count every file's rows, by halves where a group of files cannot be read."""
    good: list[NewFile] = []
    for _, group in groupby(fresh, key=lambda f: f.shape):
        stack = [list(group)]
        while stack:
            some = stack.pop()
            try:
                counts = files.count(some)
            except duckdb.Error:
                if len(some) == 1:
                    fault = files.first_fault(some[0])
                    landing.set_aside.append(
                        SetAside(
                            f"{pending.system}.{pending.name}",
                            some[0].relative,
                            fault.fault,
                            fault.reason,
                            some[0].sha256,
                        )
                    )
                else:
                    half = len(some) // 2
                    stack += [some[half:], some[:half]]
            else:
                pending.rows_by_file.update(counts)
                good += some
    return sorted(good, key=lambda f: f.relative)


def _stop_if_told(set_aside: Sequence[SetAside], sources: SourcesConfig) -> None:
    def action(item: SetAside) -> str:
        system, name = item.entity.split(".", 1)
        contract = sources.systems[system].entities[name].contract
        return {
            "empty": contract.empty_file,
            "missing_column": contract.missing_column,
            "missing_table": contract.missing_column,
            "new_column": contract.new_column,
        }.get(item.fault, contract.bad_file)

    stopping = [item for item in set_aside if action(item) == "stop"]
    if stopping:
        raise IngestStoppedError(stopping)


def _load_with_dlt(
    pending: Sequence[Pending], incoming: Path, progress: Callable[[str], None]
) -> None:
    """One dlt pipeline for all sources: Arrow in, Parquet out, into ``incoming``.

    Its working folder lives and dies with this call, so that nothing pending from a
    killed attempt is ever drained into a later load.
    """
    import dlt
    from dlt.destinations import filesystem

    def resource(item: Pending) -> Any:
        def rows() -> Iterator[pa.Table]:
            progress(f"load {item.system}.{item.name}")
            for batch in item.batches():
                item.rows += batch.num_rows
                yield batch

        return dlt.resource(
            rows,
            name=item.table,
            write_disposition="append",
            schema_contract={"columns": "evolve", "data_type": "freeze"},
        )()

    pipeline = dlt.pipeline(
        "strata",
        pipelines_dir=str(incoming / "_work"),
        destination=filesystem(
            bucket_url=(incoming / "loaded").absolute().as_uri(),
            layout="{table_name}/{file_id}.{ext}",
        ),
        dataset_name="raw",
    )
    info = pipeline.run(
        [resource(item) for item in pending], loader_file_format="parquet"
    )
    info.raise_on_failed_jobs()


def _commit(
    run: Run,
    pending: Sequence[Pending],
    incoming: Path,
    manifest: Manifest,
    landing: Landing,
) -> None:
    by_system: dict[str, dict[str, EntityLoad]] = {}
    for item in pending:
        landed = _move(run, item, incoming / "loaded" / "raw" / item.table)
        expected = item.counted
        if not landed.rows == item.rows == expected:
            raise RuntimeError(
                f"{item.system}.{item.name}: {expected} rows were counted, "
                f"{item.rows} read and {landed.rows} landed; nothing was committed"
            )
        by_system.setdefault(item.system, {})[item.name] = landed
        landing.rows[item.table] = landed.rows
    refused = manifest.loads("refused")
    for system, entities in by_system.items():
        load = Load(
            load_id=load_id_of(run, system),
            system=system,
            run_id=run.run_id,
            ds=run.ds.isoformat(),
            entities=entities,
            set_aside=tuple(
                s for s in landing.set_aside if s.entity.startswith(f"{system}.")
            ),
            loaded_at=clock.now().isoformat(),
            supersedes=tuple(r.load_id for r in refused if r.system == system),
        )
        manifest.commit(load)
        landing.loads.append(load)


def _move(run: Run, item: Pending, folder: Path) -> EntityLoad:
    """Move what dlt wrote to its place in raw; not part of anything until committed."""
    target = run.home / "raw" / item.system / item.name
    target = target / f"load={load_id_of(run, item.system)}"
    target.mkdir(parents=True)
    parts, rows = [], 0
    for number, part in enumerate(sorted(folder.glob("*.parquet"), key=_first_row)):
        place = target / f"part-{number:05d}.parquet"
        part.replace(place)
        parts.append(place.relative_to(run.home / "raw").as_posix())
        rows += pq.read_metadata(place).num_rows
    content = hashlib.sha256()
    sources: list[SourceFile] = []
    for file in item.sources:
        sources.append(file.source(item.rows_by_file[file.relative]))
        content.update(f"{file.relative} {file.sha256}\n".encode())
    for row in item.cursor_rows:
        content.update(f"{item.cursor} {row}\n".encode())
    return EntityLoad(
        parts=tuple(parts),
        rows=rows,
        known_at=item.known_at,
        content_hash=content.hexdigest(),
        sources=tuple(sources),
        cursor=item.cursor,
        cursor_rows=tuple(item.cursor_rows),
    )


def _first_row(part: Path) -> tuple[str, int]:
    first = (
        pq.ParquetFile(part).read_row_group(0, columns=["_file", "_row"]).slice(0, 1)
    )
    row = first.to_pylist()
    return (row[0]["_file"], row[0]["_row"]) if row else ("", 0)
