"""One day of identity: from identifiers to edges, ids and their history."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from strata.config.identity import IdentityConfig
from strata.identity import history, ledger, scope
from strata.identity.counts import (
    Changes,
    IdentityCounts,
    changes_of_day,
    count_found,
)
from strata.identity.evidence import NO_MATCHES, gathered, strongest_first
from strata.identity.known import days_known, evidence_given
from strata.identity.partition import (
    Bools,
    Graph,
    Verdicts,
    components,
    suspects,
)
from strata.identity.scope import narrow, relabel, same_record, widen
from strata.identity.tables import BUILD, STATE, TABLES
from strata.identity.weighing import weigh
from strata.run import Run

_TOO_FEW_TO_SHARE = 250_000
"""Rows below which threads do not help: DuckDB deals them out by 122,880."""

_DAYS_A_TRANSACTION = 10
"""Days that are led on in one transaction: what each leaves behind is freed with it.
Of a build that is broken off nothing is published, however far it came."""

_EDGES = f"""
    create or replace temp table identity_edges as
    select
        {history.EDGE_ID} as edge_id,
        uses.system,
        uses.entity,
        uses.record_key,
        lefts.identifier_type as left_type,
        lefts.value_hash as left_hash,
        lefts.period as left_period,
        uses.identifier_type as right_type,
        uses.value_hash as right_hash,
        uses.period as right_period,
        uses.key_version,
        links.rule,
        links.strength,
        links.first_seen_at,
        links.last_seen_at,
        if(rejected.rejected_by is null, 'accepted', 'rejected') as status,
        rejected.rejected_by,
        cast(
            links.first_seen_at at time zone 'UTC' at time zone $timezone as date
        ) as effective_from,
        $run_id as _run_id,
    from identity_links as links
    inner join identity_uses as uses using (use_no)
    inner join identity_nodes as lefts on links.left_no = lefts.node_no
    left join identity_rejected as rejected using (link_no)
"""

_PEOPLE = """
    create or replace temp table identity_people as
    select
        uses.system,
        uses.entity,
        uses.record_key,
        uses.node_no,
        uses.record_first_seen_at,
        placed.component,
        placed.is_user,
    from identity_uses as uses
    inner join identity_placed as placed using (node_no)
    where uses.use_no = uses.stands_no
"""

_RESOLUTION = f"""
    insert into {BUILD}.resolution by name
    select
        $ds as ds,
        $rules as rules_hash,
        (select count(*) from {BUILD}.id_map) as history_rows,
        (select count(*) from {BUILD}.id_ledger) as ids,
        (select count(*) from {BUILD}.edges) as edges,
        $run_id as _run_id,
"""

_IS_WHOLE = f"""
    select
        ds,
        rules_hash,
        history_rows = (select count(*) from {BUILD}.id_map)
        and ids = (select count(*) from {BUILD}.id_ledger)
        and edges = (select count(*) from {BUILD}.edges)
        and (select count(*) from {BUILD}.components) = (
            select count(*) from {BUILD}.id_map
            where recorded_to is null and effective_to is null
        ) as is_whole,
    from {BUILD}.resolution
"""


def resolve_days(
    con: duckdb.DuckDBPyConnection,
    run: Run,
    config: IdentityConfig,
    matches: str = NO_MATCHES,
) -> IdentityCounts:
    """Build ``build_identity.*`` for every day of ``run``, oldest first.

    Each day is resolved from the ``staging.sightings`` that it knew, less what people
    decided to take off, from the links between records that the query ``matches``
    gives for it (columns of ``NO_MATCHES``; it may read ``identity_day``), and from
    the state that the day before left, as if it had run alone. Only what may have
    changed since that day is resolved; the outcome is that of :func:`resolve` for each
    day. What changed is added up over the days. A run that is not the newest builds a
    copy of the state as it stands. Raises ``ValueError`` where the state is of a later
    day than the first of ``run``.
    """
    if not run.is_newest:
        _begin(con)
        return count_found(con, Changes())
    changes = Changes()
    with (
        _fit_threads(con, "staging.identifiers"),
        days_known(con, run, config, matches) as days,
        _one_transaction(con),
    ):
        for number, (day, rules) in enumerate(days, start=1):
            is_first = day.ds == run.days[0]
            if is_first:
                _begin(con)
                _refuse_newer_state(con, day.ds)
            if is_first and not _follows(con, day, config):
                changes += _resolve_all(con, day, rules)
            elif narrow(con, rules, day.bounds[1], is_first):
                changes += _resolve_scope(con, day, rules)
            if number % _DAYS_A_TRANSACTION == 0:
                con.commit()
                con.begin()
        _conclude(con, run.of_day(run.ds), config)
    return count_found(con, changes)


def resolve(
    con: duckdb.DuckDBPyConnection,
    run: Run,
    config: IdentityConfig,
    source: str = "staging.identifiers",
    *,
    matches: str | None = None,
) -> IdentityCounts:
    """Build ``build_identity.*`` for the day of ``run``, resolving every record.

    Reads the identifiers in ``source`` first seen by the end of the day, the links
    between records in ``matches`` (``evidence.gathered``), and the state of the days
    before; what an earlier attempt at the same day recorded is taken back first. The
    outcome depends on these and on ``config`` alone, not on the order of rows. A run
    that is not the newest builds a copy of the state as it stands. Raises
    ``ValueError`` where the state is of a later day than ``run``.
    """
    if not run.is_newest:
        _begin(con)
        return count_found(con, Changes())
    with (
        _fit_threads(con, source),
        evidence_given(con, source, matches or f"({NO_MATCHES})"),
        _one_transaction(con),
    ):
        _begin(con)
        _refuse_newer_state(con, run.ds)
        changes = _resolve_all(con, run, config)
        _conclude(con, run, config)
    return count_found(con, changes)


@contextmanager
def _fit_threads(con: duckdb.DuckDBPyConnection, source: str) -> Iterator[None]:
    """One thread while the evidence is small: others would only wait, and busily."""
    before, rows = con.execute(
        f"select current_setting('threads'), (select count(*) from {source})"
    ).fetchall()[0]
    if rows > _TOO_FEW_TO_SHARE:
        yield
        return
    con.execute("set threads = 1")
    try:
        yield
    finally:
        con.execute(f"set threads = {before}")


@contextmanager
def _one_transaction(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """What is built since the last commit in the block is built together or not at all."""
    con.begin()
    try:
        yield
        con.commit()
    except BaseException as error:
        con.rollback()
        # What clears up after a statement that failed fails too: tell the first cause.
        cause: BaseException = error
        while isinstance(cause, duckdb.TransactionException) and cause.__context__:
            cause = cause.__context__
        raise cause from None


def _begin(con: duckdb.DuckDBPyConnection) -> None:
    """Build a copy of the state, which the days then lead on."""
    con.execute(f"create schema if not exists {BUILD}")
    for table in TABLES:
        con.execute(
            f"create or replace table {BUILD}.{table} as select * from {STATE}.{table}"
        )


def _refuse_newer_state(con: duckdb.DuckDBPyConnection, ds: date) -> None:
    row = con.execute(f"select max(recorded_from) from {BUILD}.id_map").fetchone()
    if row and row[0] is not None and row[0] > ds:
        raise ValueError(
            f"identity is known up to {row[0]}, a run for {ds} cannot change it: "
            "backfills go forward in time"
        )


def _follows(con: duckdb.DuckDBPyConnection, day: Run, config: IdentityConfig) -> bool:
    """Whether the state is whole, of an earlier day, and made by the same rules."""
    row = con.execute(_IS_WHOLE).fetchone()
    return (
        row is not None and row[0] < day.ds and row[1:] == (_rules(day, config), True)
    )


def _rules(run: Run, config: IdentityConfig) -> str:
    """A hash of all that decides besides the evidence: rules, code, engine, tenant."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    for part in (config.model_dump_json(), duckdb.__version__, run.world, run.timezone):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


def _conclude(con: duckdb.DuckDBPyConnection, run: Run, config: IdentityConfig) -> None:
    """Say from which day and by which rules the build is, and how much it holds."""
    con.execute(f"delete from {BUILD}.resolution")
    con.execute(
        _RESOLUTION,
        {"ds": run.ds, "rules": _rules(run, config), "run_id": run.run_id},
    )


def _resolve_all(
    con: duckdb.DuckDBPyConnection, run: Run, config: IdentityConfig
) -> Changes:
    history.take_back(con, run)
    ledger.take_back(con, run)
    for table in ("edges", "components"):
        con.execute(f"delete from {BUILD}.{table}")
    widen(con)
    return _resolve_scope(con, run, config)


def _resolve_scope(
    con: duckdb.DuckDBPyConnection, run: Run, config: IdentityConfig
) -> Changes:
    """Resolve the records of ``identity_scope`` and lead the build on by them."""
    until = run.bounds[1]
    with gathered(con, config, until, "identity_scoped", "identity_matches") as graph:
        doubtful = strongest_first(con, np.flatnonzero(suspects(graph)))
        verdicts = weigh(graph, doubtful)
        try:
            _place(con, graph, verdicts)
            con.execute(_PEOPLE)
            ledger.assign(con, run)
            history.compare(con)
            _link(con, run)
            history.remember(con, run)
            ledger.enter(con, run)
            relabel(con, config, graph, doubtful, run)
            return changes_of_day(con, run.ds)
        finally:
            _clear(con)


def _link(con: duckdb.DuckDBPyConnection, run: Run) -> None:
    """Replace the edges of the records in scope."""
    con.execute(_EDGES, {"timezone": run.timezone, "run_id": run.run_id})
    con.execute(
        f"delete from {BUILD}.edges as edges using identity_scope as scope"
        f" where {same_record('edges', 'scope')}"
    )
    con.execute(f"insert into {BUILD}.edges by name from identity_edges")


def _place(con: duckdb.DuckDBPyConnection, graph: Graph, verdicts: Verdicts) -> None:
    """Say for each node where it belongs, and for each rejected link why."""
    kept = np.ones(len(graph.left), np.bool_)
    kept[list(verdicts.rejected)] = False
    component = components(graph, kept)
    carries = _carriers(graph, verdicts)
    is_user = np.zeros(len(graph.kind), np.bool_)
    is_user[component[carries]] = True
    con.register(
        "identity_placed",
        pa.table(
            {
                "node_no": np.arange(len(graph.kind)),
                "component": component,
                "carries_user": carries,
                "is_user": is_user[component],
            }
        ),
    )
    con.register(
        "identity_rejected",
        pa.table(
            {
                "link_no": pa.array(verdicts.rejected.keys(), pa.int64()),
                "rejected_by": pa.array(verdicts.rejected.values(), pa.string()),
            }
        ),
    )


def _carriers(graph: Graph, verdicts: Verdicts) -> Bools:
    """The nodes on which a user may stand: of an anchoring type, and not public."""
    carries = graph.anchors[graph.kind]
    carries[list(verdicts.public)] = False
    return carries


def _clear(con: duckdb.DuckDBPyConnection) -> None:
    for table in (
        "people",
        "edges",
        *scope.WORKING_TABLES,
        *ledger.WORKING_TABLES,
        *history.WORKING_TABLES,
    ):
        con.execute(f"drop table if exists temp.identity_{table}")
    con.unregister("identity_placed")
    con.unregister("identity_rejected")
