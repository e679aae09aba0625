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


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data; a test that needs it skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"real data is not at {SHARED}: see the README for where to get it")
    return SHARED
