"""Small tables that people edit: CSV, or the first sheet of an XLSX workbook."""

import csv
import os
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_MOST_ROWS: Final = 100_000


class SheetError(ValueError):
    """A table that cannot be read or written as asked, with where and why."""


def write_sheet(
    path: Path, names: Sequence[str], rows: Iterable[Sequence[str]]
) -> None:
    """Write a table for its owner's eyes, as CSV or XLSX by the ending of ``path``.

    A text that a spreadsheet would run as a formula gets an apostrophe before it.
    Raises ``SheetError`` for another ending.
    """
    kind = _kind(path)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.partial")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    safe = ([_harmless(text) for text in row] for row in rows)
    if kind == ".csv":
        with os.fdopen(descriptor, "w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(names)
            writer.writerows(safe)
    else:
        os.close(descriptor)
        _write_workbook(temporary, names, safe)
    temporary.replace(path)


def read_sheet(path: Path, needed: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """The rows of a table with their numbers, the first below the header being 2.

    Columns are found by their names, in any order and case. Raises ``SheetError`` where
    the file is missing, broken or no such table, or has not the ``needed`` columns.
    """
    kind = _kind(path)
    try:
        table = _read_csv(path) if kind == ".csv" else _read_workbook(path)
    except FileNotFoundError:
        raise SheetError(f"{path}: the file is missing") from None
    except UnicodeDecodeError:
        raise SheetError(f"{path}: not UTF-8 text; save it as CSV UTF-8") from None
    except (csv.Error, zipfile.BadZipFile, KeyError, OSError) as error:
        raise SheetError(
            f"{path}: not a readable {kind[1:].upper()} file ({type(error).__name__})"
        ) from None
    if not table:
        raise SheetError(f"{path}: the file is empty")
    if len(table) > _MOST_ROWS:
        raise SheetError(f"{path}: more than {_MOST_ROWS} rows")
    header = [name.strip().lower() for name in table[0]]
    missing = [name for name in needed if header.count(name) != 1]
    if missing:
        raise SheetError(
            f"{path}: the header needs one column {' and one '.join(missing)}"
        )
    for number, row in enumerate(table[1:], start=2):
        if len(row) > len(header) and any(row[len(header) :]):
            raise SheetError(f"{path}: row {number} has more cells than the header")
    places = {name: header.index(name) for name in needed}
    return [
        (number, {n: row[at] if at < len(row) else "" for n, at in places.items()})
        for number, row in enumerate(table[1:], start=2)
    ]


def _kind(path: Path) -> str:
    kind = path.suffix.lower()
    if kind not in (".csv", ".xlsx"):
        raise SheetError(f"{path}: name a file that ends in .csv or .xlsx")
    return kind


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _read_csv(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        file.seek(0)
        delimiter = max(",;\t", key=first.count)
        return list(csv.reader(file, delimiter=delimiter, strict=True))


def _read_workbook(path: Path) -> list[list[str]]:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except (InvalidFileException, ValueError, TypeError) as error:
        raise zipfile.BadZipFile from error
    try:
        rows = book.worksheets[0].iter_rows(values_only=True, max_row=_MOST_ROWS + 1)
        return [[_text(value) for value in row] for row in rows]
    finally:
        book.close()


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _write_workbook(
    path: Path, names: Sequence[str], rows: Iterable[Sequence[str]]
) -> None:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("review")
    sheet.freeze_panes = "A2"
    sheet.append(list(names))
    for row in rows:
        sheet.append(list(row))
    book.save(path)
