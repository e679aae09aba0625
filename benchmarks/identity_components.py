"""Connected components of ten million links: both engines beside Splink's clustering.

    python benchmarks/identity_components.py [--quick]

The graph is made up, seeded: small trees as records of one person form them, chains to
100,000 nodes, stars to 50,000, links told twice, in no order; nodes are text. Each
method reads links from Parquet and leaves a table of nodes and components, in a process
of its own with two threads of DuckDB 1.5; its imports are not counted, its peak is that
of the whole process. Splink is given its nodes too, which ours find. The SQL engine is
measured on integer nodes. `--quick` takes a tenth.
"""

import argparse
import importlib
import json
import logging
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray
from strata.identity.engines import DuckSession
from strata.identity.fingerprints import table_fingerprint
from strata.identity.hook_contract import HookContract
from strata.identity.union_find import UnionFind

Ints = NDArray[np.int64]
Figures = dict[str, Any]
NAMED = "'phone:' || substr(md5(cast({} as varchar)), 1, 16)"
CHAIN = 3_000
THREADS = 2


def main() -> int:
    """Run the benchmark, print its figures as the last line; 1 where a check fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        method, folder = asked.measure
        if method.endswith("splink"):
            importlib.import_module("splink.clustering")
        print(json.dumps(measured(METHODS[method], Path(folder))))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        write_links(Path(folder), 0.1 if asked.quick else 1.0)
        write_chain(Path(folder), CHAIN // 10 if asked.quick else CHAIN)
        found = {name: in_a_process(name, folder) for name in METHODS}
    return report(asked.quick, found)


def report(quick: bool, found: dict[str, Figures]) -> int:
    """Print the figures and judge them."""
    ours = found["union_find"] | {
        f"sql_{k}": v for k, v in found["hook_contract"].items()
    }
    ours["chain_rounds"] = found["chain_hook_contract"]["rounds"]
    peer = found["splink"] | {"chain_rounds": found["chain_splink"]["rounds"]}
    ratio = {
        name: round(ours[name] / peer[name], 3)
        for name in ("cpu_s", "wall_s", "peak_mb", "chain_rounds")
    }
    partitions = {figures.pop("fingerprint") for figures in (ours, peer)}
    partitions.add(ours.pop("sql_fingerprint"))
    times = round(peer["cpu_s"] / ours["cpu_s"], 2)
    links, chain = ("1 M", 300) if quick else ("10 M", CHAIN)
    checks = {
        # What a call costs whatever the size weighs more on a tenth of it.
        f"times fewer CPU-s than Splink, {links} links": at_least(
            times, 4 if quick else 8
        ),
        "peak MB of union-find": at_most(ours["peak_mb"], 2_500),
        "CPU-s of SQL on integers": at_most(ours["sql_cpu_s"], 4 if quick else 40),
        f"rounds of SQL on an ordered chain of {chain}": at_most(
            ours["chain_rounds"], 15
        ),
        "partitions found by three": at_most(len(partitions), 1),
    }
    print(
        json.dumps(
            {
                "name": "identity_components",
                "quick": quick,
                "machine": f"{os.cpu_count()} cores, {platform.machine()}",
                "ours": ours,
                "peer": peer,
                "ratio": ratio,
                "checks": checks,
            }
        )
    )
    return 0 if all(check["holds"] for check in checks.values()) else 1


def at_most(value: float, bar: float) -> Figures:
    """A check that a figure stays under its bar."""
    return {"value": value, "bar": bar, "holds": value <= bar}


def at_least(value: float, bar: float) -> Figures:
    """A check that a figure reaches its bar."""
    return {"value": value, "bar": bar, "holds": value >= bar}


def links_made_up(scale: float, seed: int = 1) -> tuple[Ints, Ints, int, int]:
    """The ends of links between nodes 0 to n - 1, in no order, how many of the nodes
    are in trees of the size of persons, which come first, and n."""
    chance = np.random.default_rng(seed)
    people = chance.geometric(0.09, int(745_000 * scale)) + 1
    chains = np.repeat([100_000, 10_000, 1_000, 100], [5, 20, 200, 2_000])
    stars = np.repeat([50_000, 5_000, 500, 50], [5, 50, 500, 2_000])
    long, wide = (np.maximum(n * scale, 2).astype(np.int64) for n in (chains, stars))
    lefts, rights, base = [], [], 0
    for sizes, onto in ((people, "any"), (long, "last"), (wide, "first")):
        first = np.repeat(np.cumsum(sizes) - sizes, sizes)
        node = np.arange(len(first))
        before = node - first
        linked = before > 0
        drawn = (chance.random(len(node)) * before).astype(np.int64)
        step = {"any": drawn, "last": before - 1, "first": 0 * before}[onto]
        lefts.append(base + node[linked])
        rights.append(base + (first + step)[linked])
        base += len(node)
    left, right = np.concatenate(lefts), np.concatenate(rights)
    again = chance.choice(len(left), len(left) // 50, replace=False)
    left, right = np.append(left, right[again]), np.append(right, left[again])
    order, turned = chance.permutation(len(left)), chance.random(len(left)) < 0.5
    left, right = left[order], right[order]
    one, other = np.where(turned, right, left), np.where(turned, left, right)
    return one, other, int(people.sum()), base


def write_links(folder: Path, scale: float) -> tuple[int, int]:
    """Write links between texts and between integers, and the nodes, to Parquet; how
    many nodes are those of persons, which come first, and how many there are."""
    left, right, people, nodes = links_made_up(scale)
    with duckdb.connect() as con:
        con.register("links", {"l": left, "r": right})
        texts = f"{NAMED.format('l')} as left_node, {NAMED.format('r')} as right_node"
        con.execute(f"copy (select {texts} from links) to '{folder}/links.parquet'")
        integers = "l as left_node, r as right_node"
        con.execute(
            f"copy (select {integers} from links) to '{folder}/integers.parquet'"
        )
        named = f"select {NAMED.format('range')} as node from range({nodes})"
        con.execute(f"copy ({named}) to '{folder}/nodes.parquet'")
    return people, nodes


def write_chain(folder: Path, nodes: int) -> None:
    """Write a chain whose texts are in the order of its links."""
    with duckdb.connect() as con:
        name = "format('node-{:06}', %s)"
        con.execute(
            f"copy (select {name % 'range'} as left_node, {name % 'range + 1'} as"
            f" right_node from range({nodes - 1})) to '{folder}/chain.parquet'"
        )
        con.execute(
            f"copy (select {name % 'range'} as node from range({nodes}))"
            f" to '{folder}/chain_nodes.parquet'"
        )


def in_a_process(method: str, folder: str) -> Figures:
    """Measure a method by itself, so that its peak is its own."""
    done = subprocess.run(
        [sys.executable, sys.argv[0], "--measure", method, folder],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    print(f"{method}: {figures}", flush=True)
    return figures


def measured(
    method: Callable[[duckdb.DuckDBPyConnection, Path], tuple[int, str]], folder: Path
) -> Figures:
    """Figures of this process, and the partition that the method left in a table."""
    with duckdb.connect() as con:
        con.execute(f"set threads = {THREADS}")
        wall, cpu = time.perf_counter(), time.process_time()
        rounds, table = method(con, folder)
        figures = {
            "cpu_s": round(time.process_time() - cpu, 2),
            "wall_s": round(time.perf_counter() - wall, 2),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "rounds": rounds,
        }
        told = table_fingerprint(DuckSession(con), table)
    return figures | {"fingerprint": told}


def union_find(con: duckdb.DuckDBPyConnection, folder: Path) -> tuple[int, str]:
    links = f"read_parquet('{folder}/links.parquet')"
    return UnionFind(DuckSession(con)).solve(links, "solved").rounds, "solved"


def hook_contract(con: duckdb.DuckDBPyConnection, folder: Path) -> tuple[int, str]:
    links = f"read_parquet('{folder}/integers.parquet')"
    done = HookContract(DuckSession(con)).solve_integers(links, "solved")
    return (
        done.rounds,
        f"(select {NAMED.format('node')} as node, component from solved)",
    )


def splink(con: duckdb.DuckDBPyConnection, folder: Path) -> tuple[int, str]:
    return _splink(con, folder / "links.parquet", folder / "nodes.parquet")


def chain_hook_contract(
    con: duckdb.DuckDBPyConnection, folder: Path
) -> tuple[int, str]:
    links = f"read_parquet('{folder}/chain.parquet')"
    return HookContract(DuckSession(con)).solve(links, "solved").rounds, "solved"


def chain_splink(con: duckdb.DuckDBPyConnection, folder: Path) -> tuple[int, str]:
    return _splink(con, folder / "chain.parquet", folder / "chain_nodes.parquet")


def _splink(
    con: duckdb.DuckDBPyConnection, links: Path, nodes: Path
) -> tuple[int, str]:
    """Splink's clustering of links that all count; rounds are those that it logs."""
    from splink import DuckDBAPI
    from splink.clustering import cluster_pairwise_predictions_at_threshold

    told = _Told()
    log = logging.getLogger("splink.internals.connected_components")
    log.setLevel(logging.INFO)
    log.addHandler(told)
    con.execute(f"create table links as from '{links}'")
    con.execute(f"create table nodes as from '{nodes}'")
    api = DuckDBAPI(connection=con)
    found = cluster_pairwise_predictions_at_threshold(
        api.register("nodes"), api.register("links"), api, *COLUMNS
    )
    return told.rounds, (
        f"(select node, cluster_id as component from {found.physical_name})"
    )


COLUMNS = ("node", "left_node", "right_node")


class _Told(logging.Handler):
    """The number of the last round that Splink tells of."""

    rounds = 0

    def emit(self, record: logging.LogRecord) -> None:
        if said := re.match(r"Completed iteration (\d+)", record.getMessage()):
            self.rounds = int(said[1])


METHODS = {
    method.__name__: method
    for method in (union_find, hook_contract, splink, chain_hook_contract, chain_splink)
}

if __name__ == "__main__":
    sys.exit(main())
