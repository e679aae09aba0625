"""Write the rows of one entity and day to a file, whole or not at all.

A file gets its name only when it is complete: it is written beside it under a hidden
name and renamed. The same rows give the same bytes. (Safe when the process is killed;
a power failure may lose the last day, since nothing is synced to disk.)
"""

import csv
import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from strata.sample.entities import Entity, Row


def write_rows(path: Path, entity: Entity, rows: Sequence[Row]) -> None:
    """Write rows in the entity's format."""
    match entity.suffix:
        case "csv":
            content = _csv(entity, rows)
        case "jsonl":
            content = _jsonl(entity, rows)
        case "jsonl.gz":
            content = gzip.compress(_jsonl(entity, rows), compresslevel=6, mtime=0)
        case "parquet":
            columns = {
                name: pa.array([row[number] for row in rows], pa.string())
                for number, name in enumerate(entity.columns)
            }
            content = parquet_bytes(pa.table(columns))
        case other:
            raise ValueError(f"{entity.title}: no writer for .{other} files")
    write_bytes(path, content)


def write_bytes(path: Path, content: bytes) -> None:
    """Put a complete file in place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_bytes(content)
    unfinished.replace(path)


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as one Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _csv(entity: Entity, rows: Sequence[Row]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(entity.columns)
    writer.writerows(rows)
    return text.getvalue().encode()


def _jsonl(entity: Entity, rows: Sequence[Row]) -> bytes:
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    lines = [encode(dict(zip(entity.columns, row, strict=True))) for row in rows]
    return "".join(f"{line}\n" for line in lines).encode()
