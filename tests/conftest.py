"""Shared ground of the tests: where real data lies, and how much hypothesis tries."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("STRATA_SHARED_DATA") or ROOT.parent / "shared" / "data")

# No deadline: machines are noisy, and no test asserts on time.
settings.register_profile("strata", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("strata")

LONGEST = (
    "faults/test_killed_run.py",
    "integration/test_laws.py",
    "dbt/test_spark.py",
    "integration/test_ranges.py",
    "integration/test_deployment.py",
    "integration/test_command_line.py",
    "integration/test_standing.py",
    "integration/test_real_invoices.py",
    "dbt/test_point_in_time.py",
    "integration/test_identity_laws.py",
    "integration/test_from_nothing.py",
)
"""The files that take half a minute or more, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Longest first: a worker that came to one at the end would work there alone."""
    places = {ROOT / "tests" / name: n for n, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data; a test that needs it skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"real data is not at {SHARED}: see the README for where to get it")
    return SHARED
