"""A Spark session in this process, as dbt's statements and ours need it.

Spark is an extra: this module is imported everywhere, pyspark only where a session is
started.
"""

import contextlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from strata.config.identity import IdentityConfig
from strata.pseudonyms import Normaliser, PseudonymKey, hashing

SETTINGS = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "3g",
    # Each sort and join of a query holds a page at least, and wide queries have dozens.
    "spark.buffer.pageSize": "4m",
    # One machine shuffles into a few parts; the 200 that clusters need cost it more than
    # its work.
    "spark.sql.shuffle.partitions": "8",
    "spark.ui.enabled": "false",
    # Times are instants there, and naive UTC here: in this zone they read the same.
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "false",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # A cast or a sum that cannot be done is an error, as on DuckDB.
    "spark.sql.ansi.enabled": "true",
    "spark.python.daemon.module": "strata.warehouse.spark_daemon",
}
SMALL = {
    "spark.default.parallelism": "1",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.constraintPropagation.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}
"""For a few rows: what is compiled or spread would cost more than it saves."""

Function = Callable[[str | None, str | None], str | None]


class SparkMissingError(RuntimeError):
    """Spark, which is an extra, or the Java that it runs on is not there."""


def check_installed() -> None:
    """Raise ``SparkMissingError`` saying what to install, where something is missing."""
    for module in ("pyspark", "dbt.adapters.spark"):
        try:
            found = importlib.util.find_spec(module)
        except ModuleNotFoundError:
            found = None
        if found is None:
            raise SparkMissingError(
                f"{module} is not installed in {sys.prefix}: Spark is an extra with an "
                "environment of its own. `make parity` makes it (.venv-spark) and "
                "runs there"
            )
    if not os.environ.get("JAVA_HOME") and shutil.which("java") is None:
        raise SparkMissingError(
            "Spark runs on Java 17 or newer, and no `java` is found: install "
            "openjdk-17-jre-headless, or set JAVA_HOME"
        )


@contextlib.contextmanager
def session(folder: Path, rules: IdentityConfig, *, small: bool) -> Iterator[Any]:
    """A session that keeps its tables below ``folder``; it ends with the block.

    The functions of the pseudonyms are registered. ``small``: settings for few rows.
    Raises ``SparkMissingError``.
    """
    check_installed()
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ.setdefault("SPARK_LOCAL_DIRS", str(folder / "scratch"))
    builder = SparkSession.builder.master("local[2]").appName("strata")
    for name, value in (SETTINGS | (SMALL if small else {})).items():
        builder = builder.config(name, value)
    builder = builder.config("spark.sql.warehouse.dir", str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    with _said_to(folder / "spark.log"):
        spark = builder.getOrCreate()
    try:
        spark.sparkContext.setLogLevel("ERROR")
        for name, function in _functions(rules).items():
            spark.udf.register(name, function)
        yield spark
    finally:
        spark.stop()


@contextlib.contextmanager
def _said_to(file: Path) -> Iterator[None]:
    """Let processes that the block starts say to ``file`` what they would print."""
    kept = [os.dup(1), os.dup(2)]
    with file.open("ab") as log:
        try:
            for descriptor in (1, 2):
                os.dup2(log.fileno(), descriptor)
            yield
        finally:
            for descriptor, old in zip((1, 2), kept, strict=True):
                os.dup2(old, descriptor)
                os.close(old)


def _functions(rules: IdentityConfig) -> dict[str, Function | Callable[[], str]]:
    """The functions of the pseudonyms, under the names that the macros call."""
    key = PseudonymKey.from_environment()
    normalise = Normaliser(rules)
    return {
        "strata_pseudonym": _of_nothing_nothing(hashing(key, rules, normalise)),
        "strata_normalise": _of_nothing_nothing(normalise),
        "strata_key_version": lambda: key.version,
    }


def _of_nothing_nothing(one: Callable[[str, str], str | None]) -> Function:
    """``one``, and null where the type or the value is."""

    def made(identifier_type: str | None, value: str | None) -> str | None:
        if identifier_type is None or value is None:
            return None
        return one(identifier_type, value)

    return made
