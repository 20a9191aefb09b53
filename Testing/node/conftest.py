"""A node of its own for each test, who sends to it, and the archive that it delivers to."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "studies" / "faults"))

from parties import Archive, NodeProcess, write_scan


@pytest.fixture(scope="session")
def scan_folder(tmp_path_factory) -> Path:
    """Three slices; tests only read them."""
    return write_scan(tmp_path_factory.mktemp("scanner") / "scan")


@pytest.fixture
def archive():
    """Started; may be stopped and started again."""
    archive = Archive().start()
    yield archive
    archive.stop()


@pytest.fixture
def node(tmp_path, start, archive):
    """Configured and not started."""
    return NodeProcess(tmp_path, start, archive.port)
