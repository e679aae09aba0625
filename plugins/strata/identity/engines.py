"""One interface to the engines that resolve connected components.

An engine takes links between nodes and writes which component each node belongs to.
Nodes are text. An engine gives each a code, a hash of its text, before any label is
compared: labels of ordered ids travel one link a round, those of hashes do not. A
component's label is the smallest code in it, so it depends neither on the order of
links nor on the engine, and two engines on one database give the same labels.
"""

from dataclasses import dataclass, replace
from typing import Any, Protocol

import duckdb

LEFT, RIGHT = "left_node", "right_node"
ATTEMPTS = 3
"""How often nodes are coded anew, with another salt, after two had the same code."""


class EngineError(RuntimeError):
    """An engine cannot vouch for its result. Nothing of it may be used."""


class NotConvergedError(EngineError):
    """Labels still differ across a link, or links did not become fewer in a round."""


class CodeCollisionError(EngineError):
    """Different nodes had the same code, with each salt that was tried."""


class FingerprintError(EngineError):
    """The table that was written does not hold the partition that was found."""


class UnnamedNodeError(EngineError):
    """A link has no node at one of its ends."""


@dataclass(frozen=True)
class Solution:
    """What an engine found and wrote.

    ``rounds`` counts how often all remaining links were worked through. The
    ``fingerprint`` tells partitions apart whatever their labels and the order of rows;
    it is that of the engine's own codes, so it compares engines on one database. For
    a value that holds anywhere see ``strata.identity.fingerprints``.
    """

    engine: str
    links: int
    nodes: int
    components: int
    rounds: int
    fingerprint: str


class Engine(Protocol):
    """Connected components over links between text nodes."""

    @property
    def name(self) -> str:
        """How reports call the engine."""

    def solve(self, links: str, into: str) -> Solution:
        """Write the table ``into`` (``node``, ``component``), one row a node.

        ``links`` is a relation with ``left_node`` and ``right_node``: the name of a
        table or view, or a call such as ``read_parquet('…')``. A link from a node to
        itself makes it known and links nothing. A component is the smallest code of
        its nodes. Raises ``EngineError`` where the result could not be vouched for;
        the table ``into`` is then not to be read.
        """


@dataclass(frozen=True)
class Dialect:
    """The names in which databases differ. All else is the same statements.

    ``result`` and ``work`` begin a table that stays and one that does not. ``hashed``
    gives 63 bits for a text, ``scattered`` 31 bits for an integer, and ``portable`` 60
    bits for a text that are the same on each database.
    """

    name: str
    result: str
    work: str
    hashed: str
    scattered: str
    portable: str

    def code(self, text: str, attempt: int = 0) -> str:
        """The code of a node as an expression; each attempt salts it otherwise."""
        salted = text if attempt == 0 else f"concat('{attempt}:', {text})"
        return self.hashed.format(salted)


DUCKDB = Dialect(
    name="duckdb",
    result="create or replace table {} as",
    work="create or replace temp table {} as",
    hashed="cast(hash({}) >> 1 as bigint)",
    scattered="cast(hash({}) >> 33 as bigint)",
    portable="cast('0x' || substr(md5({}), 1, 15) as bigint)",
)
TEMPORARY = replace(DUCKDB, result=DUCKDB.work)
"""DuckDB, where results go with the connection too."""

SPARK = Dialect(
    name="spark",
    result="create table {} using parquet as",
    work="create table {} using parquet as",
    hashed="(xxhash64({}) & 9223372036854775807)",
    scattered="(xxhash64({}) & 2147483647)",
    portable="cast(conv(substr(md5({}), 1, 15), 16, 10) as bigint)",
)


class Session(Protocol):
    """A database that runs statements."""

    @property
    def dialect(self) -> Dialect:
        """The names that it knows."""

    def run(self, statement: str) -> None:
        """Run a statement that gives no rows."""

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""


@dataclass(frozen=True)
class DuckSession:
    """A connection to DuckDB."""

    con: duckdb.DuckDBPyConnection
    dialect: Dialect = DUCKDB

    def run(self, statement: str) -> None:
        """Run a statement that gives no rows."""
        self.con.execute(statement)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.con.execute(query).fetchall()


@dataclass(frozen=True)
class SparkSession:
    """A ``pyspark.sql.SparkSession``, which this package does not import."""

    spark: Any
    dialect: Dialect = SPARK

    def run(self, statement: str) -> None:
        """Run a statement that gives no rows."""
        self.spark.sql(statement)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return [tuple(row) for row in self.spark.sql(query).collect()]


def create(session: Session, table: str, query: str, *, work: bool = True) -> None:
    """Make a table of a query in place of one that may be there."""
    begun = session.dialect.work if work else session.dialect.result
    session.run(f"drop table if exists {table}")
    session.run(f"{begun.format(table)} {query}")


def count_links(session: Session, links: str) -> int:
    """How many links there are; raises ``UnnamedNodeError`` where an end is null."""
    [(all_links, lefts, rights)] = session.rows(
        f"select count(*), count({LEFT}), count({RIGHT}) from {links}"
    )
    unnamed = int(2 * all_links - lefts - rights)
    if unnamed:
        raise UnnamedNodeError(f"{unnamed} ends of {all_links} links have no node")
    return int(all_links)
