"""The command line. Thin: each command calls the functions that the DAG calls."""

from strata.cli.main import app

__all__ = ["app"]
