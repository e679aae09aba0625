"""A day of links onto known components: 100,000 new ones onto 10.9 million nodes.

    python benchmarks/identity_delta.py [--quick]

Known nodes lie with their components in a table of a DuckDB file, as union-find wrote
them for the graph of `identity_components.py`. Of the new links two in five join two known nodes
of the size of persons, so that most of them merge two; two in five join any known node,
be it of a star of 50,000, and a new one; the others join two new ones. Counted is all
from the new links in Parquet to the changed rows applied to the table and committed: the
look-up of ends among all known nodes, the components that change, the update. Opening
the file is not. The peer solves all links from the start. Each in a process of its own,
two threads. `--quick` takes a tenth of both.
"""

import argparse
import json
import os
import platform
import resource
import sys
import tempfile
import time
from pathlib import Path

import duckdb
from identity_components import (
    NAMED,
    THREADS,
    Figures,
    at_most,
    in_a_process,
    write_links,
)
from strata.identity.engines import DuckSession
from strata.identity.extension import apply_extension, extend
from strata.identity.fingerprints import table_fingerprint
from strata.identity.union_find import UnionFind


def main() -> int:
    """Run the benchmark, print its figures as the last line; 1 where a check fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        method, place = asked.measure
        measure = {"extended": extended, "at_once": at_once}[method]
        print(json.dumps(measure(Path(place))))
        return 0
    new = 10_000 if asked.quick else 100_000
    with tempfile.TemporaryDirectory() as place:
        known = prepared(Path(place), 0.1 if asked.quick else 1.0, new)
        ours, peer = (in_a_process(name, place) for name in ("extended", "at_once"))
    return report(asked.quick, known, new, ours, peer)


def report(quick: bool, known: int, new: int, ours: Figures, peer: Figures) -> int:
    """Print the figures and judge them."""
    partitions = {ours.pop("fingerprint"), peer.pop("fingerprint")}
    checks = {
        f"CPU-s of {new:,} links onto {known:,} nodes": at_most(
            ours["cpu_s"], 0.6 if quick else 3
        ),
        "partitions, extended and solved at once": at_most(len(partitions), 1),
    }
    print(
        json.dumps(
            {
                "name": "identity_delta",
                "quick": quick,
                "machine": f"{os.cpu_count()} cores, {platform.machine()}",
                "ours": ours,
                "peer": peer,
                "ratio": {
                    name: round(ours[name] / peer[name], 3)
                    for name in ("cpu_s", "wall_s", "peak_mb")
                },
                "checks": checks,
            }
        )
    )
    return 0 if all(check["holds"] for check in checks.values()) else 1


def prepared(place: Path, scale: float, new: int) -> int:
    """Write the known nodes, and new links drawn by hash; how many are known."""
    people, known = write_links(place, scale)
    with duckdb.connect(str(place / "known.duckdb")) as con:
        con.execute(f"set threads = {THREADS}")
        links = f"read_parquet('{place}/links.parquet')"
        UnionFind(DuckSession(con)).solve(links, "known")
        con.execute(
            f"""
            copy (
                with drawn as (
                    select
                        range % 5 as kind,
                        hash('left' || range) % {people} as person,
                        hash('right' || range) % {people} as other_person,
                        hash('left' || range) % {known} as anybody,
                        {known} + range as unknown,
                        {known} + {new} + range as other_unknown
                    from range({new})
                ),

                ends as (
                    select
                        case
                            when kind < 2 then person
                            when kind < 4 then anybody
                            else other_unknown
                        end as l,
                        if(kind < 2, other_person, unknown) as r
                    from drawn
                )

                select
                    {NAMED.format("l")} as left_node,
                    {NAMED.format("r")} as right_node
                from ends
            ) to '{place}/new.parquet'
            """
        )
    return known


def extended(place: Path) -> Figures:
    """Extend the known components by the new links, in the file."""
    with duckdb.connect(str(place / "known.duckdb")) as con:
        con.execute(f"set threads = {THREADS}")
        started = time.perf_counter(), time.process_time()
        con.execute("begin")
        links = f"read_parquet('{place}/new.parquet')"
        told = extend(con, "known", links, "changed")
        apply_extension(con, "known", "changed")
        con.execute("drop table changed")
        con.execute("commit")
        changed = {
            "new_nodes": told.new_nodes,
            "moved_nodes": told.moved_nodes,
            "merged_components": told.merged_components,
        }
        return figures(con, "known", *started) | changed


def at_once(place: Path) -> Figures:
    """Solve the known links and the new ones together."""
    with duckdb.connect() as con:
        con.execute(f"set threads = {THREADS}")
        started = time.perf_counter(), time.process_time()
        links = f"read_parquet(['{place}/links.parquet', '{place}/new.parquet'])"
        UnionFind(DuckSession(con)).solve(links, "solved")
        return figures(con, "solved", *started)


def figures(
    con: duckdb.DuckDBPyConnection, table: str, wall: float, cpu: float
) -> Figures:
    """What this process took, and the partition in a table."""
    return {
        "cpu_s": round(time.process_time() - cpu, 2),
        "wall_s": round(time.perf_counter() - wall, 2),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "fingerprint": table_fingerprint(DuckSession(con), table),
    }


if __name__ == "__main__":
    sys.exit(main())
