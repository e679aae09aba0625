"""The views of the metrics on both engines, over the tables that each has."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from strata.parity.building import Listener
from strata.parity.comparing import Comparison, compare
from strata.semantic import read_layer, views
from strata.semantic.layer import VIEWS
from strata.semantic.views import CATALOG, View, definition


class UnknownMetricError(LookupError):
    """No metric of the project has that name."""


def chosen(project: Path, names: Collection[str]) -> list[View]:
    """The views of these metrics, of all without names, after those they stand on.

    Raises ``UnknownMetricError``.
    """
    layer = read_layer(project)
    known = {metric.name for metric in layer.metrics}
    if unknown := set(names) - known:
        raise UnknownMetricError(f"there is no metric {min(unknown)!r}")
    left_out = {CATALOG} | (known - set(names) if names else set())
    return [view for view in views(layer) if view.name not in left_out]


def write(
    spark: Any, made: Sequence[View], folder: Path, listen: Listener
) -> dict[str, str]:
    """Make the views on Spark and write their rows, a folder a view.

    Gives for each that could not be made or read the class of Spark's error.
    """
    from pyspark.errors import PySparkException

    missing = {}
    spark.sql(f"create schema if not exists {VIEWS}")
    for number, view in enumerate(made, 1):
        name = f"{VIEWS}.{view.name}"
        try:
            spark.sql(definition(view))
            spark.table(name).write.parquet(str(folder / view.name))
        except PySparkException as error:
            missing[name] = str(error.getCondition() or type(error).__name__)
        listen("metrics", number, len(made))
    return missing


def compared(
    tables: Mapping[str, Path], made: Sequence[View], folder: Path
) -> dict[str, Comparison]:
    """The rows of each view that DuckDB makes of ``tables``, beside those in ``folder``.

    ``tables``: the files of what the views read, by ``schema.table``.
    """
    found = {}
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        for name, file in tables.items():
            con.execute(f"create schema if not exists {name.partition('.')[0]}")
            con.execute(f"create view {name} as from read_parquet('{file}')")
        con.execute(f"create schema if not exists {VIEWS}")
        for view in made:
            if not (folder / view.name).is_dir():
                continue
            con.execute(definition(view))
            ours = folder / f"{view.name}.parquet"
            con.execute(f"copy (from {VIEWS}.{view.name}) to '{ours}' (format parquet)")
            name = f"{VIEWS}.{view.name}"
            found[name] = compare(con, ours, [folder / view.name], ())
    return found
