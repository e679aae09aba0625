"""Publish on Spark, and be killed in between: steps of a test, each its own process.

python spark_promote.py <folder> killed|after <query>...

The queries are asked at the end: Spark takes ten seconds to start.
"""

import json
import os
import signal
import sys
from datetime import date
from pathlib import Path
from typing import Any

from strata.config.identity import IdentityConfig
from strata.config.loader import read_yaml
from strata.run import Run
from strata.warehouse import TableSpec, publications
from strata.warehouse.spark import SparkWarehouse
from strata.warehouse.spark_session import session

ROOT = Path(__file__).parents[2]
SPECS = [
    TableSpec("features", "days", "by_ds"),
    TableSpec("features", "names", "by_key", ("name",)),
    TableSpec("features", "notes", "append"),
    TableSpec("features", "counts", "by_batch", ("name",), ("kept", "facts")),
    TableSpec("marts", "facts", "replace"),
]


def publish(warehouse: SparkWarehouse, number: int) -> None:
    """The run of a day: a row in each table, on top of the day before."""
    ds = date(2026, 1, number)
    run = Run(f"{ds}.1", ds, "sample", warehouse.folder, "UTC")
    warehouse.start_build("features")
    warehouse.spark.sql(
        "create table build_features.kept using parquet as select 'facts' as"
        f" relation_name, 'a' as name where {number} > 1"
    )
    for spec in SPECS:
        more = ", 'x' as added" if number > 1 else ""
        name = "b" if number > 1 else "a"
        warehouse.spark.sql(
            f"create table build_{spec.schema}.{spec.name} using parquet as select"
            f" date '{ds}' as ds, '{name}' as name, {number} as n{more}"
            f" union all select date '{ds}', 'c', {number}{more}"
        )
    warehouse.promote("features", run, SPECS)


def told(warehouse: SparkWarehouse) -> dict[str, Any]:
    """What readers see, and the folders that hold it."""
    return {
        "tables": {
            f"{spec.schema}.{spec.name}": sorted(
                f"{row.ds} {row.name} {row.n}"
                for row in warehouse.spark.table(f"{spec.schema}.{spec.name}").collect()
            )
            for spec in SPECS
        },
        "columns": warehouse.spark.table("features.days").columns,
        "places": sorted(p.stem for p in warehouse.folder.glob("features__*.db")),
        "newest": str(warehouse.newest_published()),
    }


def main(folder: Path, step: str, *queries: str) -> None:
    rules = read_yaml(ROOT / "config" / "identity.yml", IdentityConfig)
    with session(folder, rules, small=True) as spark:
        warehouse = SparkWarehouse(folder, spark)
        if step == "killed":
            publish(warehouse, 1)

            def die(self: Path, target: Path) -> Path:
                os.kill(os.getpid(), signal.SIGKILL)
                return target

            publications.Path.replace = die  # type: ignore[method-assign]
            publish(warehouse, 2)
        warehouse.open()
        said = [told(warehouse)]
        publish(warehouse, 2)
        said.append(told(warehouse))
        publish(warehouse, 2)
        said.append(told(warehouse))
        answers = [
            [tuple(row) for row in spark.sql(query).collect()] for query in queries
        ]
    print(json.dumps([*said, answers]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
