"""Verifying the evidence: the chain of bundles, and what each of them says is there."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from strata.quality.evidence import (
    WAIVERS,
    Link,
    Row,
    canonical,
    in_order,
    links,
    read,
    rows_of,
    sha256_of,
)

_KEYS = (
    "stage",
    "table_name",
    "expectation",
    "waiver_id",
    "relation",
    "happened_on",
    "known_on",
)


@dataclass(frozen=True)
class Finding:
    """Something that is not as it was sealed: of which run, where, and what."""

    run_id: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"run {self.run_id}: {self.where}: {self.what}"


@dataclass(frozen=True)
class Verification:
    """What verifying found; ``head`` is the hash that stands for the whole chain."""

    bundles: int
    head: str | None
    findings: tuple[Finding, ...]


def verify(
    con: duckdb.DuckDBPyConnection, home: Path, expected: str | None = None
) -> Verification:
    """Recompute the chain and compare what it tells with tables and files.

    ``expected``: a head that was written down; it must be in the chain, or the end of
    the chain was cut off and made anew. Reads only.
    """
    chain = links(con)
    findings = [
        *_chained(chain, home),
        *_strangers(chain, home),
        *_unsealed(con, chain),
    ]
    newest = {link.run_id: link for link in chain}
    for link in chain:
        bundle = _bundle(link, home)
        if bundle is None:
            continue
        findings += _named(link, bundle)
        # An attempt that failed and went on wrote its rows anew: its last bundle tells.
        if newest[link.run_id] is link:
            findings += _content(con, link, bundle, home)
    if expected is not None and expected not in {link.sha256 for link in chain}:
        findings.append(
            Finding("?", "the chain", f"no bundle has the SHA-256 {expected}")
        )
    head = chain[-1].sha256 if chain else None
    return Verification(len(chain), head, tuple(findings))


def _chained(chain: Sequence[Link], home: Path) -> Iterator[Finding]:
    """Each link names the one before, and its file is what was sealed."""
    before: Link | None = None
    for link in chain:
        expected = before.sequence + 1 if before else 1
        if link.sequence != expected:
            gone = f"{expected}" + (
                f" to {link.sequence - 1}" if link.sequence - 1 > expected else ""
            )
            yield Finding(
                link.run_id, "the chain", f"bundle {gone} before it was dropped"
            )
        elif link.previous_sha256 != (before.sha256 if before else None):
            yield Finding(
                link.run_id,
                "the chain",
                f"bundle {link.sequence} does not follow the one that stands before it: "
                "a bundle was altered, exchanged or put in another place",
            )
        place = home / link.path
        if not place.exists():
            yield Finding(link.run_id, link.path, "the bundle is gone")
        elif sha256_of(place) != link.sha256:
            yield Finding(link.run_id, link.path, "the bundle was altered")
        before = link


def _named(link: Link, bundle: Mapping[str, Any]) -> Iterator[Finding]:
    """The bundle tells of itself what the chain tells of it."""
    previous = (bundle.get("previous") or {}).get("sha256")
    told = (bundle.get("sequence"), bundle.get("run_id"), previous)
    if told != (link.sequence, link.run_id, link.previous_sha256):
        yield Finding(
            link.run_id,
            "audit.evidence",
            f"bundle {link.sequence} says of itself that it is number {told[0]}, of run "
            f"{told[1]}: the chain was put in another order, or lost a run",
        )


def _strangers(chain: Sequence[Link], home: Path) -> Iterator[Finding]:
    known = {link.path for link in chain}
    for place in sorted(home.glob("reports/*/*/evidence/*.json")):
        path = place.relative_to(home).as_posix()
        if path not in known:
            yield Finding(
                place.parts[-3],
                path,
                "this bundle is not in the chain: it was dropped from it, or its run "
                "was killed while it wrote it (the next run then removes it)",
            )


def _unsealed(
    con: duckdb.DuckDBPyConnection, chain: Sequence[Link]
) -> Iterator[Finding]:
    """A run that ended after the first bundle has one of its own."""
    if not chain:
        return
    rows = con.execute(
        "select run_id from audit.runs where status in ('succeeded', 'failed')"
        " and _started_at > (select _started_at from audit.runs where run_id = ?)"
        " order by _started_at",
        [chain[0].run_id],
    ).fetchall()
    sealed = {link.run_id for link in chain}
    for (run_id,) in rows:
        if run_id not in sealed:
            yield Finding(
                run_id,
                "the chain",
                "this run ended and has no bundle: it was dropped, or its report could "
                "not be written",
            )


def _bundle(link: Link, home: Path) -> Mapping[str, Any] | None:
    try:
        found = json.loads((home / link.path).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _content(
    con: duckdb.DuckDBPyConnection, link: Link, bundle: Mapping[str, Any], home: Path
) -> Iterator[Finding]:
    """Tables and files as the bundle has them."""
    state = con.execute(
        "select status from audit.runs where run_id = ?", [link.run_id]
    ).fetchone()
    if state is not None and state[0] == "running":
        return  # a failed attempt that goes on: it will be sealed anew
    for table, sealed in bundle.get("tables", {}).items():
        there = rows_of(con, table, link.run_id, sealed[0] if sealed else None)
        for what in _differences(sealed, there):
            yield Finding(link.run_id, table, what)
    granted = {canonical(row) for row in read(con, WAIVERS)}
    for row in bundle.get("waivers", ()):
        if canonical(row) not in granted:
            yield Finding(
                link.run_id, "audit.waivers", f"{_key(row)} was altered or removed"
            )
    for path, digest in bundle.get("files", {}).items():
        place = home / path
        if not place.exists():
            yield Finding(link.run_id, path, "the file is gone")
        elif sha256_of(place) != digest:
            yield Finding(link.run_id, path, "the file was altered")


def _differences(sealed: Sequence[Row], there: Sequence[Row]) -> Iterator[str]:
    """Rows that are gone, new or altered, each by its key; no value is told."""
    before = {canonical(row): row for row in in_order(sealed)}
    now = {canonical(row): row for row in in_order(there)}
    gone = [row for text, row in before.items() if text not in now]
    new = [row for text, row in now.items() if text not in before]
    for row in gone:
        twin = next((other for other in new if _key(other) == _key(row)), None)
        if twin is None:
            yield f"{_key(row)} is gone"
        else:
            new.remove(twin)
            columns = ", ".join(c for c in row if row[c] != twin.get(c))
            yield f"{_key(row)} was altered in {columns}"
    for row in new:
        yield f"{_key(row)} was added"
    if len(sealed) != len(there) and not gone and not new:
        yield f"{len(sealed)} rows were sealed and {len(there)} are there"


def _key(row: Row) -> str:
    """A row as a person would name it."""
    found = [str(row[name]) for name in _KEYS if row.get(name)]
    return " / ".join(found) or "the row"
