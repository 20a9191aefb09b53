"""A node of its own for each test, who sends to it, and the archive that it delivers to."""

import shutil
import subprocess
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


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """Of an authority, and of one who is unknown to it."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    for name in ("node", "stranger"):
        command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
        files = [
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            folder / f"{name}.key",
            "-out",
            folder / f"{name}.pem",
        ]
        subprocess.run([*command.split(), *map(str, files)], check=True, capture_output=True)
    return folder
