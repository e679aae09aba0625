"""Hash-coded union-find: DuckDB reads and writes, arrays are solved in between.

Each end of a link becomes a 63-bit code in the one place and, by its rank among all
codes, a small integer. Linear union-find over those (scipy's, in C++) gives the
components. The texts are read once more to be written beside them, and are never
kept, joined or compared.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from strata.identity.engines import (
    ATTEMPTS,
    LEFT,
    RIGHT,
    CodeCollisionError,
    DuckSession,
    FingerprintError,
    NotConvergedError,
    Solution,
    count_links,
    create,
)
from strata.identity.fingerprints import coded_fingerprint, codes_fingerprint

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
_COPY, _ENDS = "union_find_links", "union_find_ends"


def components(left: npt.ArrayLike, right: npt.ArrayLike, nodes: int) -> Ints:
    """A component number for each of the nodes 0 to ``nodes`` - 1.

    ``left`` and ``right`` are the ends of the links. The numbers begin at 0, in the
    order of the smallest node of each component. Raises ``NotConvergedError`` where a
    link's ends are apart in the end, and ``ValueError`` for a node out of range.
    """
    one, other = np.asarray(left), np.asarray(right)
    if nodes == 0 and len(one) == 0:
        return np.empty(0, np.int64)
    links = coo_array((np.ones(len(one), np.int8), (one, other)), (nodes, nodes))
    found = np.asarray(connected_components(links, directed=False)[1], np.int64)
    apart = int(np.count_nonzero(found[one] != found[other]))
    if apart:
        raise NotConvergedError(f"{apart} links join nodes of different components")
    return found


@dataclass(frozen=True)
class _Coded:
    """Both ends of all links, lefts before rights.

    ``node`` numbers the end's text, ``is_first`` marks one end of each text, and
    ``codes`` are the codes of the nodes, ascending.
    """

    node: npt.NDArray[np.int32]
    is_first: Bools
    codes: Ints


class UnionFind:
    """The engine for one machine."""

    name = "union_find"

    def __init__(self, session: DuckSession) -> None:
        self._session = session
        self._con = session.con

    def solve(self, links: str, into: str) -> Solution:
        """See ``strata.identity.engines.Engine``.

        Reads ``links`` twice. What is not a table or a Parquet file is copied first,
        since a view may give its rows in another order the next time.
        """
        if not self._is_stored(links):
            self._con.execute(f"create or replace temp table {_COPY} as from {links}")
            links = _COPY
        try:
            return self._solve(links, into)
        finally:
            self._con.execute(f"drop table if exists {_COPY}")

    def _solve(self, links: str, into: str) -> Solution:
        count = count_links(self._session, links)
        coded, attempt = self._coded(links, count)
        one, other = coded.node[:count], coded.node[count:]
        found = components(one, other, len(coded.codes))
        labels = _smallest(coded.codes, found)
        fingerprint = codes_fingerprint(coded.codes, found)
        self._write(links, into, coded, labels)
        code = self._session.dialect.code("node", attempt)
        written = coded_fingerprint(self._session, into, code)
        if written != fingerprint:
            raise FingerprintError(f"{into} holds {written}, {fingerprint} was found")
        parts = int(found.max(initial=-1)) + 1
        return Solution(self.name, count, len(coded.codes), parts, 1, fingerprint)

    def _is_stored(self, links: str) -> bool:
        if links.startswith("read_parquet("):
            return True
        query = "select count(*) from duckdb_tables() where table_name = $name"
        name = links.rpartition(".")[2].strip('"')
        row = self._con.execute(query, {"name": name}).fetchone()
        return row is not None and row[0] == 1

    def _coded(self, links: str, count: int) -> tuple[_Coded, int]:
        for attempt in range(ATTEMPTS):
            hashes, seals = self._hashes(links, count, attempt)
            order = np.argsort(hashes)
            ranked = hashes[order]
            is_new = np.ones(2 * count, np.bool_)
            np.not_equal(ranked[1:], ranked[:-1], out=is_new[1:])
            seals = seals[order]
            if not np.any((seals[1:] != seals[:-1]) & ~is_new[1:]):
                return _numbered(order, ranked, is_new), attempt
        raise CodeCollisionError(f"two nodes had one code with {ATTEMPTS} salts")

    def _hashes(
        self, links: str, count: int, attempt: int
    ) -> tuple[Ints, npt.NDArray[np.int32]]:
        """Codes of all ends, and 31 bits of another hash that would tell apart two
        texts of one code."""
        dialect = self._session.dialect
        columns = [dialect.code(end, attempt) for end in (LEFT, RIGHT)]
        for end in (LEFT, RIGHT):
            seal = dialect.hashed.format(f"concat('#', {end})")
            columns.append(f"cast({seal} >> 32 as integer)")
        hashes, seals = np.empty(2 * count, np.int64), np.empty(2 * count, np.int32)
        reader = self._con.execute(f"select {', '.join(columns)} from {links}")
        at = 0
        for batch in reader.to_arrow_reader(1_000_000):
            end = at + batch.num_rows
            for side in (0, count):
                hashes[side + at : side + end] = batch.column(side > 0)
                seals[side + at : side + end] = batch.column(2 + (side > 0))
            at = end
        return hashes, seals

    def _write(self, links: str, into: str, coded: _Coded, labels: Ints) -> None:
        """Write each text beside its label, from the place where it came first."""
        nothing = "select '' as node, cast(0 as bigint) as component where false"
        create(self._session, into, nothing, work=False)
        count = len(coded.node) // 2
        for column, side in ((LEFT, slice(count)), (RIGHT, slice(count, None))):
            ends = {
                "is_first": coded.is_first[side],
                "component": labels[coded.node[side]],
            }
            self._con.register(_ENDS, ends)
            try:
                self._con.execute(
                    f"""
                    insert into {into}
                    select links.{column}, ends.component
                    from (select {column} from {links}) as links
                    positional join {_ENDS} as ends
                    where ends.is_first
                    """
                )
            finally:
                self._con.unregister(_ENDS)


def _numbered(order: Ints, ranked: Ints, is_new: Bools) -> _Coded:
    """Number the texts by rank of their codes."""
    node = np.empty(len(order), np.int32)
    node[order] = np.cumsum(is_new, dtype=np.int32) - 1
    is_first = np.zeros(len(order), np.bool_)
    is_first[order[is_new]] = True
    return _Coded(node, is_first, ranked[is_new])


def _smallest(codes: Ints, found: Ints) -> Ints:
    """For each node the smallest code of its component; ``codes`` ascend."""
    smallest = np.empty(int(found.max(initial=-1)) + 1, np.int64)
    smallest[found[::-1]] = codes[::-1]
    return smallest[found]
