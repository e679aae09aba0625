"""Airflow's scheduler with all that a task imports imported before.

``python -m strata.scheduler [options]`` is ``airflow scheduler [options]``. Every task
is forked from it: what it has imported, none imports again.
"""

import sys
from importlib import import_module

_IMPORTED_BY_TASKS = (
    "dbt.cli.main",
    "dlt",
    "great_expectations",
    "strata.activation",
    "strata.identity",
    "strata.ingest.land",
    "strata.pipeline",
    "strata.quality.validation",
    "strata.report",
    "strata.scoring",
    "strata.serving",
    "strata.transform",
)


def main() -> None:
    """Import, then be the scheduler until it is told to end."""
    for name in _IMPORTED_BY_TASKS:
        import_module(name)
    from airflow.__main__ import main as airflow

    sys.argv = ["airflow", "scheduler", *sys.argv[1:]]
    airflow()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
