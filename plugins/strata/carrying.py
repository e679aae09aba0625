"""Staging that would come out as it stands is carried over, not built again.

Its rows are a function of the accepted loads, the rows held in quarantine, the rules,
the code, the key of the pseudonyms and the engine. A run over the same inputs as the
last publication proves by their content that its tables are still what was published,
and publishes them under its own name. Anything else builds and judges them anew.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb

from strata import building, clock
from strata.ingest.manifest import manifest_hash
from strata.pseudonyms import PseudonymKey, pseudonym
from strata.quality import GateResult, law_result
from strata.run import Run
from strata.tenant import Tenant
from strata.warehouse import published_content

STAGES = ("staging",)
_LAW = "what was published is what still stands, and nothing it is made of has changed"


@dataclass(frozen=True)
class Decision:
    """How this attempt comes by a stage.

    ``carried_from`` is the run whose tables stand; None where they are built, be it
    because the ``inputs`` differ or because the tables were ``altered`` since.
    """

    inputs: str
    carried_from: str | None = None
    altered_since: str | None = None


def decide(tenant: Tenant, run: Run, stage: str) -> Decision:
    """Whether ``stage`` may stand as it is; kept for the later steps of the attempt."""
    tenant.ensure_pseudonym_key()
    with tenant.warehouse.connection(f"look for what changed in {stage}") as con:
        made = _decide(con, tenant, stage)
    place = _file(run, stage)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(asdict(made)), encoding="utf-8")
    return made


def decided(run: Run, stage: str) -> Decision | None:
    """What :func:`decide` found for this attempt; None for a stage always built."""
    place = _file(run, stage)
    if stage not in STAGES or not place.exists():
        return None
    return Decision(**json.loads(place.read_text("utf-8")))


def _file(run: Run, stage: str) -> Path:
    return run.report_dir / "gates" / f"{stage}.inputs.json"


def _decide(con: duckdb.DuckDBPyConnection, tenant: Tenant, stage: str) -> Decision:
    made_of = inputs(con, tenant)
    row = con.execute(
        "select run_id, inputs, fingerprint from audit.publications"
        " where stage = ? and is_newest order by _published_at desc, ds desc limit 1",
        [stage],
    ).fetchone()
    if row is None or row[1] != made_of or _went_under_waiver(con, stage, row[0]):
        return Decision(made_of)
    try:
        _, content = published_content(con, building.table_specs(tenant, stage))
    except ValueError:  # a table is missing
        return Decision(made_of, altered_since=row[0])
    if content != row[2]:
        return Decision(made_of, altered_since=row[0])
    return Decision(made_of, carried_from=row[0])


def inputs(con: duckdb.DuckDBPyConnection, tenant: Tenant) -> str:
    """A hash of all that the rows of staging depend on."""
    accepted = building.accepted_loads(con, tenant)
    held = con.execute(
        "select count(*), coalesce(sum(hash(load_id, file, row_number)::hugeint), 0)"
        " from (select distinct load_id, file, row_number from quarantine.rows"
        " where status = 'held')"
    ).fetchone()
    parts = [
        *sorted(load.load_id for load in accepted),
        manifest_hash(accepted),
        str(held),
        tenant.config_hash,
        tenant.code_version,
        pseudonym(PseudonymKey.from_environment(), "inputs", "of staging"),
        duckdb.__version__,
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _went_under_waiver(con: duckdb.DuckDBPyConnection, stage: str, run_id: str) -> bool:
    """A waiver ends some day: what passed under one is judged again each time."""
    found = con.execute(
        "select 1 from audit.gate_results"
        " where run_id = ? and stage = ? and waiver_id is not null limit 1",
        [run_id, stage],
    ).fetchone()
    return found is not None


def check(con: duckdb.DuckDBPyConnection, run: Run, stage: str) -> list[GateResult]:
    """The law of what stands: a result where it is carried, a warning where altered."""
    made = decided(run, stage)
    if made is None or not (made.carried_from or made.altered_since):
        return []
    if made.altered_since:
        told = f"altered after run {made.altered_since} published it; built anew"
        warned = 0
    else:
        row = con.execute(
            "select count(*), count(*) filter (verdict = 'warned')"
            " from audit.gate_results where run_id = ? and stage = ?",
            [made.carried_from, stage],
        ).fetchone()
        checks, warned = row or (0, 0)
        told = f"as run {made.carried_from} left it ({checks} checks, {warned} warned)"
    return [
        law_result(
            run,
            stage,
            stage,
            holds=made.altered_since is None and not warned,
            observed=told,
            why=_LAW,
            unexpected=warned or int(made.altered_since is not None),
            checked=1,
            severity="warn",
        )
    ]


def publish(tenant: Tenant, run: Run, stage: str, carried_from: str) -> int:
    """Publish what stands under the name of ``run``; its rows."""
    with tenant.warehouse.connection(f"carry {stage} over to {run.ds}") as con:
        con.execute(
            "insert into audit.publications (stage, ds, run_id, fingerprint, rows,"
            " is_newest, _published_at, inputs)"
            " select stage, ?, ?, fingerprint, rows, ?, ?, inputs"
            " from audit.publications where stage = ? and run_id = ? and is_newest"
            " order by ds desc limit 1",
            [run.ds, run.run_id, run.is_newest, clock.now_naive(), stage, carried_from],
        )
        row = con.execute(
            "select rows from audit.publications where stage = ? and run_id = ?",
            [stage, run.run_id],
        ).fetchone()
    return int(row[0]) if row else 0


def remember(tenant: Tenant, run: Run, stage: str) -> None:
    """Note what a stage that was just published is made of."""
    made = decided(run, stage)
    if made is None:
        return
    with tenant.warehouse.connection(f"note what {stage} is made of") as con:
        con.execute(
            "update audit.publications set inputs = ?"
            " where stage = ? and run_id = ? and ds = ?",
            [made.inputs, stage, run.run_id, run.ds],
        )
