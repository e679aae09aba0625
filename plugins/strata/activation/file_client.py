"""Write-back into files, for a CRM that imports a folder."""

import csv
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from strata.activation.client import Outcome, Record
from strata.config.activation import FileClientConfig

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


class FileClient:
    """The ``file`` client: ``<target>.jsonl`` is exact, ``<target>.csv`` is for people.

    The JSONL file is a journal, one line a changed record (``fields`` is what the
    record holds from then on), safe on disk before a call answers. ``close`` rewrites
    it with one line a record, and the CSV beside it.
    """

    def __init__(
        self, config: FileClientConfig, name: str, fields: Sequence[str], home: Path
    ) -> None:
        self._folder = Path(config.folder.replace("{home}", str(home)))
        self._journal = self._folder / f"{name}.jsonl"
        self._table = self._folder / f"{name}.csv"
        self._fields = tuple(fields)
        self._records: dict[str, dict[str, str]] | None = None

    def upsert(self, records: Sequence[Record], idempotency_key: str) -> list[Outcome]:
        """See :class:`~strata.activation.client.CrmClient`."""
        present = self._loaded()
        self._write({r.key: {**present.get(r.key, {}), **r.fields} for r in records})
        return [Outcome(record.key) for record in records]

    def clear(self, keys: Sequence[str], idempotency_key: str) -> list[Outcome]:
        """See :class:`~strata.activation.client.CrmClient`."""
        present = self._loaded()
        self._write({key: {} for key in keys if key in present})
        return [Outcome(key) for key in keys]

    def read(self, keys: Sequence[str]) -> dict[str, dict[str, str]]:
        """See :class:`~strata.activation.client.CrmClient`."""
        present = self._loaded()
        return {key: dict(present[key]) for key in keys if key in present}

    def close(self) -> None:
        """Write the present state, one line a record, as JSONL and as CSV."""
        if self._records is None:
            return
        ordered = sorted(self._records.items())
        _replace(self._journal, (_line(key, fields) for key, fields in ordered))
        rows = ([key, *map(fields.get, self._fields)] for key, fields in ordered)
        header = ["record_key", *self._fields]
        _replace(self._table, _csv_lines([header, *rows]))
        self._records = None

    def _loaded(self) -> dict[str, dict[str, str]]:
        if self._records is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._records = _read_journal(self._journal)
        return self._records

    def _write(self, states: Mapping[str, dict[str, str]]) -> None:
        present = self._loaded()
        changed = {k: v for k, v in states.items() if present.get(k) != v}
        if not changed:
            return
        with self._journal.open("a", encoding="utf-8") as stream:
            stream.writelines(_line(key, fields) for key, fields in changed.items())
            stream.flush()
            os.fsync(stream.fileno())
        present.update(changed)


def safe_cell(value: str | None) -> str:
    """A CSV cell that no spreadsheet takes for a formula: a quote goes before it."""
    if value is None:
        return ""
    return f"'{value}" if value.startswith(_FORMULA_STARTS) else value


def _line(key: str, fields: Mapping[str, str]) -> str:
    content = {"record_key": key, "fields": dict(fields)}
    return json.dumps(content, ensure_ascii=False, sort_keys=True) + "\n"


def _read_journal(path: Path) -> dict[str, dict[str, str]]:
    """The state after the last whole line. A line that a kill cut off is cut away."""
    if not path.exists():
        return {}
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        with path.open("r+b") as stream:
            stream.truncate(len(whole))
    lines = whole.decode("utf-8").split("\n")
    entries = (json.loads(line) for line in lines if line)
    return {entry["record_key"]: entry["fields"] for entry in entries}


class _Lines:
    """The last line that a CSV writer wrote."""

    def __init__(self) -> None:
        self.last = ""

    def write(self, text: str) -> None:
        self.last = text


def _csv_lines(rows: Iterable[Sequence[str | None]]) -> Iterable[str]:
    lines = _Lines()
    writer = csv.writer(lines, lineterminator="\n")
    for row in rows:
        writer.writerow([safe_cell(value) for value in row])
        yield lines.last


def _replace(path: Path, lines: Iterable[str]) -> None:
    """Write a file beside ``path`` and put it in its place."""
    beside = path.with_name(f".{path.name}.new")
    with beside.open("w", encoding="utf-8", newline="") as stream:
        stream.writelines(lines)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(path)
