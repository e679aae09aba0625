"""Spark's Python workers, forked from one that knows our functions already.

Every worker imports what a function needs: for the pseudonyms seconds each time.
"""

from pyspark.daemon import manager

import strata.pseudonyms  # noqa: F401 - imported once, before any worker is forked

if __name__ == "__main__":
    manager()
