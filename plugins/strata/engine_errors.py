"""What an engine says of an error, without the values that it met in rows.

DuckDB and Spark quote the value that they could not read, which may be a person's.
Errors of a statement itself quote its own words alone, and are kept as they are.
"""

import re

import duckdb

_KIND = re.compile(r"\[[A-Z][A-Z_.]+\]|\b(?:[A-Z][A-Za-z]* )+Error:")
_OF_THE_STATEMENT = ("Catalog", "Binder", "Parser", "IO", "Out of Memory", "Connection")
_QUOTED = re.compile(r"'.*'|\".*\"|`.*`", re.DOTALL)
_NUMBER = re.compile(r"\d[\d.:\-]{3,}")
_OF_PYTHON = re.compile(r"(executing the UDF: \w+).*", re.DOTALL)


def without_values(words: str) -> str:
    """An engine's ``words``, or dbt's of them, with every value of a row as ``…``.

    Of an error about rows that is its first line up to what the engine quotes, and
    what follows that. Words that are no engine's stay.
    """
    kind = _KIND.search(words)
    if kind is None:
        return words
    before, told = words[: kind.start()], words[kind.start() :]
    if told.startswith(_OF_THE_STATEMENT):
        return before + told
    told, _, place = told.partition("\n\nLINE ")
    if not place:
        told, _, place = told.partition("\n  \n  LINE ")
    told = _OF_PYTHON.sub(r"\1", _QUOTED.sub("'…'", told))
    told = _NUMBER.sub("…", told).split("\n")[0].rstrip()
    line = re.match(r"\d+", place)
    return f"{before}{told}{f' (line {line.group()} of the statement)' if line else ''}"


def named(words: str) -> str | None:
    """The first line of what the engine itself says in ``words``, without values.

    ``None`` where no engine's words are among them.
    """
    kept = without_values(words)
    kind = _KIND.search(kept)
    return kept[kind.start() :].split("\n")[0].strip() if kind else None


def redact(error: BaseException) -> None:
    """Take the values out of ``error`` and of all that led to it, where they are DuckDB's."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        found = waiting.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, duckdb.Error):
            found.args = (without_values(str(found)),)
        waiting += [found.__cause__, found.__context__]
