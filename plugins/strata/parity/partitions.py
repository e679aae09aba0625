"""Who is one person: the components of the accepted links, solved by Spark too."""

from pathlib import Path
from typing import Any

import duckdb

from strata.identity import engines, fingerprints
from strata.identity.hook_contract import HookContract
from strata.identity.parity import ACCEPTED
from strata.identity.union_find import UnionFind
from strata.parity.comparing import Comparison

NAME = "identity.components"
_LINKS = "partition.links"
_SOLVED = "partition.components"


def take(con: duckdb.DuckDBPyConnection, file: Path) -> str:
    """Write the accepted links to ``file``; the fingerprint of what union-find makes."""
    session = engines.DuckSession(con, engines.TEMPORARY)
    con.execute(f"copy (from {ACCEPTED}) to '{file}' (format parquet)")
    UnionFind(session).solve(f"read_parquet('{file}')", "solved_partition")
    return fingerprints.table_fingerprint(session, "solved_partition")


def solve(spark: Any, file: Path) -> str:
    """The fingerprint of what hook and contract makes of the links on Spark."""
    session = engines.SparkSession(spark)
    session.run("create schema if not exists partition")
    session.run(f"create table {_LINKS} using parquet location '{file}'")
    HookContract(session).solve(_LINKS, _SOLVED)
    return fingerprints.table_fingerprint(session, _SOLVED)


def compared(ours: str, theirs: str) -> Comparison:
    """The two partitions, by their nodes and whether they are the same."""
    return Comparison(
        fingerprints.sizes(ours)[0],
        fingerprints.sizes(theirs)[0],
        shape=() if ours == theirs else ("people are put together otherwise",),
    )
