"""The evidence bundle of a run: what was checked, by which rules, on which data.

A bundle is one canonical JSON file in the run's report folder. It holds the rows of the
audit that the run wrote and the SHA-256 of every file that they stand on, and it names
the SHA-256 of the bundle before it: whoever changes one has to change all that follow,
and the hash that an auditor wrote down. It holds no PII: gate results are words about
rows, and of their keys and of an error only the hash.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from strata import clock
from strata.run import Run

RULES = ("config/**/*.yml", "expectations/**/*.yml")
MODELS = (
    "dbt_project/dbt_project.yml",
    "dbt_project/m*/**/*.sql",
    "dbt_project/m*/**/*.yml",
)
TABLES: Mapping[str, str] = {
    "audit.runs": "run_id, ds, world, attempt, since, previous_run_id, status,"
    " is_newest, manifest_hash, config_hash, code_version, failed_stage,"
    " sha256(error) as error_sha256, sync_summary, external_id, _started_at, _ended_at,"
    " case when coalesce(decided_by, reason) is not null"
    " then sha256(concat_ws('/', decided_by, reason)) end as decision_sha256",
    "audit.gate_results": "* exclude (sample_keys),"
    " sha256(sample_keys) as sample_keys_sha256",
    "audit.stage_counts": "*",
    "audit.publications": "*",
    "audit.late_rows": "*",
}
"""The run's own rows of these tables, with these columns, are in its bundle."""
WAIVERS = (
    "select waiver_id, stage, table_name, expectation, valid_until, _granted_at,"
    " sha256(concat_ws('/', granted_by, reason)) as decision_sha256"
    " from audit.waivers"
)
CARDS = (
    "select model, version, trained_through, artefact_hash, sha256(card) as card_sha256"
    " from models.registry where _run_id = ?"
)
Row = dict[str, Any]


@dataclass(frozen=True)
class Link:
    """A bundle's place in the chain; ``path`` is below the tenant's home."""

    sequence: int
    run_id: str
    path: str
    sha256: str
    previous_sha256: str | None


def seal(con: duckdb.DuckDBPyConnection, run: Run, root: Path) -> Link:
    """Write the bundle of ``run`` as it stands, and add it to the chain.

    ``root`` is the project, whose rules and models are told by their hashes. Where
    nothing has changed since the run's last bundle, and none followed, that one stays.
    """
    content = _content(con, run, root)
    chain = links(con)
    last = chain[-1] if chain else None
    if last is not None and last.run_id == run.run_id:
        there = run.home / last.path
        if there.exists() and _same(there, content):
            return last
    sequence = last.sequence + 1 if last else 1
    bundle = {
        "sequence": sequence,
        "run_id": run.run_id,
        "previous": {"run_id": last.run_id, "sha256": last.sha256} if last else None,
        **content,
    }
    text = canonical(bundle)
    place = run.report_dir / "evidence" / f"{sequence:06d}.json"
    _write(run.home, place, text)
    link = Link(
        sequence,
        run.run_id,
        place.relative_to(run.home).as_posix(),
        hashlib.sha256(text).hexdigest(),
        last.sha256 if last else None,
    )
    con.execute(
        "insert into audit.evidence values (?, ?, ?, ?, ?, ?)",
        [*vars(link).values(), clock.now_naive()],
    )
    return link


def links(con: duckdb.DuckDBPyConnection) -> list[Link]:
    """The chain as the audit has it, the first bundle first."""
    rows = con.execute(
        "select sequence, run_id, path, sha256, previous_sha256 from audit.evidence"
        " order by sequence"
    ).fetchall()
    return [Link(*row) for row in rows]


def rows_of(
    con: duckdb.DuckDBPyConnection,
    table: str,
    run_id: str,
    columns: Iterable[str] | None = None,
) -> list[Row]:
    """The run's rows of one of ``TABLES``, in an order of their own."""
    found = read(con, f"select {TABLES[table]} from {table} where run_id = ?", run_id)
    if columns is None:
        return found
    # Later migrations add columns that the bundle could not know.
    wanted = list(columns)
    return in_order({c: row.get(c) for c in wanted} for row in found)


def read(con: duckdb.DuckDBPyConnection, sql: str, *values: object) -> list[Row]:
    """Rows as JSON has them, in an order of their own."""
    found = con.execute(sql, list(values))
    names = [column[0] for column in found.description]
    return in_order(
        dict(zip(names, map(_plain, row), strict=True)) for row in found.fetchall()
    )


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Rows sorted by their content."""
    return sorted(rows, key=canonical)


def canonical(content: Any) -> bytes:
    """The one way to write ``content`` as JSON: sorted keys, no blanks, UTF-8."""
    text = json.dumps(
        content,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )
    return text.encode()


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _content(con: duckdb.DuckDBPyConnection, run: Run, root: Path) -> dict[str, Any]:
    """What a bundle tells of a run, but for its place in the chain."""
    return {
        "tables": {name: rows_of(con, name, run.run_id) for name in TABLES},
        "waivers": read(con, WAIVERS),
        "models": read(con, CARDS, run.run_id),
        "rules": _hashes(root, RULES),
        "dbt": _hashes(root, MODELS),
        "files": _files(con, run),
    }


def _write(home: Path, place: Path, text: bytes) -> None:
    """The bundle's file, whole or not at all."""
    for left in home.glob(f"reports/*/*/evidence/{place.name}"):
        left.unlink()  # of a run that was killed before it could add it to the chain
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = place.with_suffix(".tmp")
    temporary.write_bytes(text)
    temporary.replace(place)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return repr(value) if isinstance(value, float) else str(value)


def _same(place: Path, content: Mapping[str, Any]) -> bool:
    there = json.loads(place.read_bytes())
    return canonical({name: there.get(name) for name in content}) == canonical(content)


def _hashes(root: Path, patterns: Iterable[str]) -> dict[str, str]:
    found = {path for pattern in patterns for path in root.glob(pattern)}
    return {
        path.relative_to(root).as_posix(): sha256_of(path)
        for path in sorted(found)
        if path.is_file()
    }


def _files(con: duckdb.DuckDBPyConnection, run: Run) -> dict[str, str]:
    """The run's report and gate results, and the loads that it accepted."""
    loads = con.execute(
        "select distinct load_id from ops.load_manifest where _run_id = ?", [run.run_id]
    ).fetchall()
    raw = run.home / "raw"
    manifests = [raw / "_manifest" / f"{load_id}.json" for (load_id,) in loads]
    parts = [
        part
        for (load_id,) in loads
        for part in raw.glob(f"*/*/load={load_id}/*.parquet")
    ]
    written = [run.report_dir / "report.html", *run.report_dir.glob("gates/*.json")]
    return {
        path.relative_to(run.home).as_posix(): sha256_of(path)
        for path in sorted([*manifests, *parts, *written])
        if path.exists()
    }
