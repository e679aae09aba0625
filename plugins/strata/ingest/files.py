"""Files as a source: which are new, whether each keeps its contract, and its rows."""

import codecs
import csv
import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO, cast

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from strata.config.sources import Entity
from strata.ingest.manifest import SourceFile

_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})")
_CHUNK = 1 << 20
_BATCH_ROWS = 122_880


class BadFileError(ValueError):
    """A file that breaks its contract. Never carries a value of the file."""

    def __init__(self, fault: str, reason: str) -> None:
        super().__init__(reason)
        self.fault = fault
        self.reason = reason


@dataclass(frozen=True)
class NewFile:
    """A source file not read before, as inspected: readable, with these columns."""

    path: Path
    relative: str
    arrived_on: date | None
    sha256: str
    kind: str
    header: tuple[str, ...]

    @property
    def shape(self) -> tuple[str, tuple[str, ...]]:
        """Format and header: files alike in both are read in one go."""
        return self.kind, self.header

    def source(self, rows: int) -> SourceFile:
        stat = self.path.stat()
        return SourceFile(
            self.relative, stat.st_size, stat.st_mtime_ns, self.sha256, rows
        )


def arrival_day(path: Path, entity: Entity) -> date | None:
    """The arrival day in the file's name, None where the entity has no such rule."""
    if entity.arrival == "now":
        return None
    match = _DATE.search(path.name)
    if match is None:
        raise BadFileError(
            "name", "its name holds no arrival day: expected YYYY-MM-DD in it"
        )
    try:
        return date.fromisoformat(match.group(1))
    except ValueError:
        raise BadFileError("name", f"{match.group(1)} in its name is no date") from None


def file_format(path: Path, entity: Entity) -> str:
    """``csv``, ``jsonl`` or ``parquet``: as declared, else by the file's ending."""
    if entity.format != "auto":
        return entity.format
    suffixes = [s for s in path.suffixes if s != ".gz"]
    kind = suffixes[-1].removeprefix(".") if suffixes else ""
    if kind not in ("csv", "jsonl", "parquet"):
        raise BadFileError("format", f"its ending {path.suffix!r} is no known format")
    return kind


def inspect(path: Path, entity: Entity) -> tuple[str, tuple[str, ...]]:
    """The file's SHA-256 and its column names.

    Raises ``BadFileError`` for a file that is empty, truncated, not UTF-8, not of its
    format, or whose columns break the contract.
    """
    if path.stat().st_size == 0:
        raise BadFileError("empty", "the file is empty")
    kind = file_format(path, entity)
    with path.open("rb") as raw:
        digest = hashlib.file_digest(raw, "sha256").hexdigest()
    if kind == "parquet":
        header = _parquet_header(path)
    else:
        first = _check_text(path, entity)
        header = _csv_header(first) if kind == "csv" else ()
    if kind != "jsonl":
        check_columns(header, entity)
    return digest, header


def check_columns(header: Sequence[str], entity: Entity) -> None:
    """Raise ``BadFileError`` where the columns of a file break the contract."""
    names = set(header)
    missing = [
        name
        for name, column in entity.columns.items()
        if column.required and not names & {name, *column.header}
    ]
    if missing and entity.contract.missing_column != "null":
        raise BadFileError("missing_column", f"columns are missing: {missing}")
    extra = undeclared(header, entity)
    if extra and entity.contract.new_column in ("set_aside", "stop"):
        raise BadFileError("new_column", f"undeclared columns: {extra}")


def undeclared(header: Sequence[str], entity: Entity) -> list[str]:
    """The columns of a file that the entity does not declare."""
    known = {n for name, c in entity.columns.items() for n in (name, *c.header)}
    return [name for name in header if name not in known]


def _open(path: Path) -> IO[bytes]:
    return cast(
        IO[bytes], gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")
    )


def _check_text(path: Path, entity: Entity) -> str:
    """Read the whole text once; its first line. Faults are told by line number."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    first, last, lines = "", b"", 1
    try:
        with _open(path) as stream:
            while chunk := stream.read(_CHUNK):
                text = decoder.decode(chunk)
                if "\n" not in first:
                    first += text
                lines += chunk.count(b"\n")
                last = chunk[-1:]
            decoder.decode(b"", final=True)
    except EOFError:
        raise BadFileError(
            "truncated", "the compressed stream ends before its end mark"
        ) from None
    except (gzip.BadGzipFile, zlib.error):
        raise BadFileError("format", "it is not readable as gzip") from None
    except UnicodeDecodeError:
        raise BadFileError(
            "encoding", f"it is not UTF-8 throughout (near line {lines})"
        ) from None
    if not first.strip():
        raise BadFileError("empty", "the file holds no row and no header")
    if entity.contract.final_newline and last != b"\n":
        raise BadFileError(
            "truncated", f"it ends within line {lines}, without a line break"
        )
    return first


def _csv_header(text: str) -> tuple[str, ...]:
    try:
        return tuple(next(csv.reader(io.StringIO(text.removeprefix("\ufeff")))))
    except (StopIteration, csv.Error):
        raise BadFileError("format", "its first line is no CSV header") from None


def _parquet_header(path: Path) -> tuple[str, ...]:
    try:
        return tuple(pq.read_schema(path).names)
    except (pa.ArrowInvalid, OSError):
        raise BadFileError(
            "truncated", "it is no whole Parquet file: its footer cannot be read"
        ) from None


def read(
    files: Sequence[NewFile], entity: Entity, stamps: dict[str, str], load_id: str
) -> Iterator[pa.RecordBatch]:
    """The rows of files with one header, in their order, as text columns.

    ``stamps`` gives the ``known_at`` of each file by relative path. Raises
    ``BadFileError`` where a file has changed since it was counted; the engine's own
    words are kept out, since they quote the file.
    """
    con = duckdb.connect(config={"threads": 2})
    try:
        known = pa.table(
            {
                "path": [str(f.path) for f in files],
                "known_at": [stamps[f.relative] for f in files],
            }
        )
        con.register("stamps", known)
        yield from con.execute(_query(files, entity, load_id)).to_arrow_reader(
            _BATCH_ROWS
        )
    except duckdb.Error:
        raise BadFileError(
            "changed", "a file cannot be read any more as it could a moment ago"
        ) from None
    finally:
        con.close()


def count(files: Sequence[NewFile]) -> dict[str, int]:
    """Rows of each file (by relative path), read to the end but not kept.

    Raises ``duckdb.Error`` where a row does not fit its file's header.
    """
    con = duckdb.connect(config={"threads": 2})
    try:
        # The last column is touched too: a mere count skips the check of the fields.
        column = "json" if files[0].kind == "jsonl" else f'"{files[0].header[-1]}"'
        rows = con.execute(
            f"select filename, count(*), count({column}) from {_source(files)}"
            " group by 1"
        ).fetchall()
    finally:
        con.close()
    found = {str(name): int(number) for name, number, _ in rows}
    return {f.relative: found.get(str(f.path), 0) for f in files}


def _source(files: Sequence[NewFile]) -> str:
    names = "[" + ", ".join(_text(str(f.path)) for f in files) + "]"
    if files[0].kind == "jsonl":
        return f"read_ndjson_objects({names}, filename = true)"
    if files[0].kind == "parquet":
        return f"read_parquet({names}, filename = true)"
    columns = ", ".join(f"{_text(name)}: 'VARCHAR'" for name in files[0].header)
    # Nothing is guessed: a sniffer that meets a broken line may call it the header.
    return (
        f"read_csv({names}, auto_detect = false, columns = {{{columns}}},"
        " header = true, delim = ',', quote = '\"', escape = '\"', nullstr = '',"
        " null_padding = false, strict_mode = true, filename = true)"
    )


def _query(files: Sequence[NewFile], entity: Entity, load_id: str) -> str:
    header, source = files[0].header, _source(files)
    if files[0].kind == "jsonl":
        picked = {c: _json_column(c, entity) for c in entity.columns}
        extra = _json_extra(entity)
    else:
        picked = {c: _header_column(c, entity, header) for c in entity.columns}
        extra = _header_extra(header, entity)
    columns = ", ".join(f'{expr} as "{name}"' for name, expr in picked.items())
    key = ", ".join(f'"{k}"' for k in entity.primary_key)
    occurrence = (
        f"row_number() over (partition by filename, {key} order by _row)"
        if entity.keyless
        else "1::bigint"
    )
    listed = ", ".join(f'"{name}"' for name in entity.columns)
    return f"""
        with rows as (
            select {columns}, {extra} as _extra, filename,
                row_number() over () as _ordinal
            from {source}
        ),
        numbered as (
            select *, _ordinal - min(_ordinal) over (partition by filename) + 1 as _row
            from rows
        )
        select {listed}, {_text(load_id)} as _load_id,
            parse_filename(filename) as _file, _row, {occurrence} as _occurrence,
            stamps.known_at::timestamp as _known_at, _extra
        from numbered inner join stamps on stamps.path = numbered.filename
        order by _ordinal
    """


def _header_column(name: str, entity: Entity, header: Sequence[str]) -> str:
    for candidate in (name, *entity.columns[name].header):
        if candidate in header:
            return f'"{candidate}"::varchar'
    return "null::varchar"


def _json_column(name: str, entity: Entity) -> str:
    candidates = (name, *entity.columns[name].header)
    found = [f"json ->> {_text('$.' + _quoted(c))}" for c in candidates]
    return f"coalesce({', '.join(found)})" if len(found) > 1 else found[0]


def _header_extra(header: Sequence[str], entity: Entity) -> str:
    extra = undeclared(header, entity)
    if not extra or entity.contract.new_column == "drop":
        return "null::varchar"
    pairs = ", ".join(f'{_text(c)}, "{c}"::varchar' for c in extra)
    return f"json_object({pairs})::varchar"


def _json_extra(entity: Entity) -> str:
    if entity.contract.new_column == "drop":
        return "null::varchar"
    known = ", ".join(
        _text(n) for name, c in entity.columns.items() for n in (name, *c.header)
    )
    return (
        f"case when len(list_filter(json_keys(json), lambda k: k not in ({known}))) > 0"
        f" then to_json(map_from_entries(list_transform(list_filter(json_keys(json),"
        f" lambda k: k not in ({known})), lambda k: {{'k': k,"
        " 'v': json ->> ('$.\"' || k || '\"')})))::varchar end"
    )


def first_fault(file: NewFile) -> BadFileError:
    """Why the engine could not read ``file``: the first line that does not fit."""
    kind = file.kind
    if kind == "parquet":
        return BadFileError("truncated", "its row groups cannot be read to the end")
    with io.TextIOWrapper(_open(file.path), encoding="utf-8", newline="") as text:
        if kind == "csv":
            reader = csv.reader(text, strict=True)
            try:
                for row in reader:
                    if row and len(row) != len(file.header):
                        return BadFileError(
                            "columns",
                            f"line {reader.line_num} has {len(row)} fields where the "
                            f"header has {len(file.header)}",
                        )
            except csv.Error:
                return BadFileError(
                    "format", f"line {reader.line_num} is no readable CSV"
                )
        else:
            probe = duckdb.connect()
            for number, line in enumerate(text, start=1):
                valid = probe.execute("select json_valid(?)", [line]).fetchone()
                if line.strip() and not (valid and valid[0]):
                    return BadFileError("format", f"line {number} is no JSON object")
    return BadFileError("format", f"it cannot be read as {kind}")


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name + '"'
