"""The fingerprint of a partition: one value for who is together with whom.

It does not depend on labels, nor on the order of rows. Each node is a number ``c``, a
hash of its text. With the primes ``p`` and ``q`` a component has the sums over its
nodes ``x = Σ (c mod p) mod p`` and ``y = Σ (c mod q) mod p``, and the partition the
sums over its components of ``m = x·y mod p`` and of ``x·m mod p``. The sums alone would
be the same for each partition of the same nodes; the products are not, but for one
chance in about 2⁶². All of it fits 64 bits, so any database computes it alike.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from strata.identity.engines import Session

Ints = npt.NDArray[np.int64]

P = 2_147_483_647
Q = 2_147_483_629

_QUERY = f"""
    with

    members as (
        select component, {{code}} as code
        from {{table}}
    ),

    components as (
        select
            count(*) as nodes,
            cast(sum(code % {P}) as bigint) % {P} as x,
            cast(sum(code % {Q}) as bigint) % {P} as y
        from members
        group by component
    ),

    multiplied as (
        select nodes, x, x * y % {P} as m
        from components
    )

    select
        cast(coalesce(sum(nodes), 0) as bigint) as nodes,
        count(*) as components,
        cast(coalesce(sum(m), 0) as bigint) as first_sum,
        cast(coalesce(sum(x * m % {P}), 0) as bigint) as second_sum
    from multiplied
"""


def partition_fingerprint(nodes: Sequence[str], labels: npt.ArrayLike) -> str:
    """The portable fingerprint of a partition in memory: a label for each node.

    Equals ``table_fingerprint`` of the same partition on any database.
    """
    if len(nodes) == 0:
        return _told(0, 0, 0, 0)
    _, numbers = np.unique(np.asarray(labels), return_inverse=True)
    codes = np.array([portable_code(node) for node in nodes], np.int64)
    return codes_fingerprint(codes, numbers.astype(np.int64))


def portable_code(node: str) -> int:
    """The first 60 bits of the MD5 of a node's text, which every database has."""
    return int(hashlib.md5(node.encode(), usedforsecurity=False).hexdigest()[:15], 16)


def codes_fingerprint(codes: Ints, components: Ints) -> str:
    """The fingerprint of a partition of codes; components are numbered from 0."""
    count = int(components.max(initial=-1)) + 1
    x = _sums(codes % P, components, count)
    y = _sums(codes % Q, components, count)
    m = x * y % P
    return _told(len(codes), count, int(m.sum()), int((x * m % P).sum()))


def table_fingerprint(session: Session, table: str) -> str:
    """The portable fingerprint of a table with ``node`` (text) and ``component``."""
    return coded_fingerprint(session, table, session.dialect.portable.format("node"))


def coded_fingerprint(session: Session, table: str, code: str) -> str:
    """The fingerprint of a table over another ``code`` of its nodes, an expression."""
    query = _QUERY.format(table=table, code=code)
    [(nodes, components, first, second)] = session.rows(query)
    return _told(nodes, components, first, second)


def sizes(fingerprint: str) -> tuple[int, int]:
    """The nodes and the components that a fingerprint is of."""
    nodes, components, _ = fingerprint.split("-")
    return int(nodes), int(components)


def _sums(values: Ints, components: Ints, count: int) -> Ints:
    sums = np.zeros(count, np.int64)
    np.add.at(sums, components, values)
    return sums % P


def _told(nodes: int, components: int, first: int, second: int) -> str:
    return f"{nodes}-{components}-{first:016x}{second:016x}"
