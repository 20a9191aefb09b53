"""Fixtures for all tests."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line sets it: tests share the cores with processes
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # a core for each of the processes that run tests

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real CT scans (see docs/models.md for the layout); tests that need it are skipped without it."""
    folder = Path(os.environ.get("MVCTENHANCE_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real CT data at {folder}: set MVCTENHANCE_TEST_DATA to run this test")
    return folder
