"""Build the stage ``staging`` on Spark from Parquet, as a person with a cluster would.

    python spark_staging.py <project> <folder>

Runs in the environment of ``requirements/spark.lock``. Reads
``<folder>/{raw,ops,graph}/*.parquet``; what was built lies in ``<folder>/warehouse``, and
``<folder>/components.json`` tells of the partition of ``graph.links``.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from dbt.cli.main import dbtRunner
from pyspark.sql import SparkSession
from strata.config.identity import IdentityConfig
from strata.config.loader import read_yaml
from strata.identity import engines
from strata.identity.fingerprints import table_fingerprint
from strata.identity.hook_contract import HookContract
from strata.pseudonyms import Normaliser, PseudonymKey, pseudonym

SETTINGS = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "false",
    # A few rows: what is compiled or spread would cost more than it saves.
    "spark.default.parallelism": "1",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
}
Function = Callable[[str, str | None], str | None]


def functions(project: Path) -> dict[str, Function | Callable[[], str]]:
    """The functions of the pseudonyms, under the names that the macros call."""
    key = PseudonymKey.from_environment()
    rules = read_yaml(project / "config" / "identity.yml", IdentityConfig)
    normalise = Normaliser(rules)

    def normalised(identifier_type: str, value: str | None) -> str | None:
        return None if value is None else normalise(identifier_type, value)

    def hashed(identifier_type: str, value: str | None) -> str | None:
        normal = normalised(identifier_type, value)
        if normal is None:
            return None
        return pseudonym(key, rules.type_of_values(identifier_type), normal)

    return {
        "strata_pseudonym": hashed,
        "strata_normalise": normalised,
        "strata_key_version": lambda: key.version,
    }


def components(session: engines.SparkSession) -> dict[str, object]:
    """What hook and contract found, and its fingerprint that holds on any database."""
    found = HookContract(session).solve("graph.links", "graph.components")
    return {
        "solution": asdict(found),
        "fingerprint": table_fingerprint(session, "graph.components"),
        "tables_left": session.rows("show tables"),
    }


def main(project: Path, folder: Path) -> bool:
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master("local[2]")
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    session = builder.config(
        "spark.sql.warehouse.dir", str(folder / "warehouse")
    ).getOrCreate()
    for name, function in functions(project).items():
        session.udf.register(name, function)
    for file in sorted(folder.glob("*/*.parquet")):
        schema = file.parent.name
        session.sql(f"create schema if not exists {schema}")
        session.sql(
            f"create table {schema}.{file.stem} using parquet location '{file}'"
        )
    told = components(engines.SparkSession(session))
    (folder / "components.json").write_text(json.dumps(told), "utf-8")
    dbt = project / "dbt_project"
    options = {
        "--select": "path:models/staging",
        "--target": "spark",
        "--project-dir": dbt,
        "--profiles-dir": dbt,
        "--target-path": folder / "target",
        "--log-path": folder / "logs",
    }
    said = [str(part) for pair in options.items() for part in pair]
    done = dbtRunner().invoke(["run", "--no-version-check", *said])
    session.stop()
    return bool(done.success)


if __name__ == "__main__":
    sys.exit(0 if main(Path(sys.argv[1]), Path(sys.argv[2])) else 1)
