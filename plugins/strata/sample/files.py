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
from typing import TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from strata.sample.entities import Row

Rows: TypeAlias = Sequence[Row]


def write_rows(path: Path, suffix: str, names: Sequence[str], rows: Rows) -> None:
    """Write rows under their column names, in the format of the suffix."""
    match suffix:
        case "csv":
            content = _csv(names, rows)
        case "jsonl":
            content = _jsonl(names, rows)
        case "jsonl.gz":
            content = gzip.compress(_jsonl(names, rows), compresslevel=1, mtime=0)
        case "parquet":
            content = parquet_bytes(
                pa.table(
                    {
                        name: pa.array(column, pa.string())
                        for name, column in zip(
                            names, zip(*rows, strict=True), strict=True
                        )
                    }
                )
            )
        case other:
            raise ValueError(f"{path.name}: there is no writer for .{other} files")
    write_bytes(path, content)


def write_bytes(path: Path, content: bytes) -> None:
    """Put a complete file in place."""
    unfinished = path.with_name(f".{path.name}.part")
    try:
        unfinished.write_bytes(content)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(content)
    unfinished.replace(path)


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as one Parquet file; small ones are not worth compressing."""
    sink = io.BytesIO()
    is_large = table.num_rows > 1000
    pq.write_table(
        table,
        sink,
        compression="zstd" if is_large else "none",
        use_dictionary=is_large,
        write_statistics=False,
    )
    return sink.getvalue()


def _csv(names: Sequence[str], rows: Rows) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue().encode()


def _jsonl(names: Sequence[str], rows: Rows) -> bytes:
    """All rows are encoded in one call, and the brackets between them taken out.

    A quote within a value is escaped, so that the text between two rows is found
    nowhere else.
    """
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    start = f'{{"{names[0]}":'
    text = encode([dict(zip(names, row, strict=True)) for row in rows])
    lines = text[1:-1].replace("}," + start, "}\n" + start)
    return f"{lines}\n".encode()
