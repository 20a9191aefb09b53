"""Fixtures for all tests: small scans, and the command line run in this process or as its own."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line sets it: tests share the cores with processes
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # a core for each of the processes that run tests

REPOSITORY = Path(__file__).resolve().parents[1]

SECRETS = {
    "PatientName": "Secretname^Given",
    "PatientID": "SECRET-ID-1",
    "PatientBirthDate": "19501231",
    "StudyDate": "20190203",
    "AccessionNumber": "SECRET-ACC-1",
}
SECRET_FOLDER = "Secretfolder"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real CT scans (see docs/models.md for the layout); tests that need it are skipped without it."""
    folder = Path(os.environ.get("MVCTENHANCE_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real CT data at {folder}: set MVCTENHANCE_TEST_DATA to run this test")
    return folder


@pytest.fixture
def with_texts():
    """Function (folder, values by keyword): its DICOM files get them."""
    import pydicom

    def with_texts(folder, texts):
        for path in folder.iterdir():
            ds = pydicom.dcmread(path)
            for keyword, value in texts.items():
                setattr(ds, keyword, value)
            ds.save_as(path)

    return with_texts


@pytest.fixture(scope="session")
def mvct():
    """A Volume of four noisy head slices of 96 x 96 pixels: int16 HU, shape (4, 96, 96)."""
    import numpy as np
    from MVCTEnhanceLib.physics.phantom import head_neck_phantom

    phantom = head_neck_phantom(slices=4, shape=(96, 96), spacing_mm=(2.0, 2.0, 6.0))
    noise = np.random.default_rng(5).normal(0, 30, phantom.array.shape)
    return phantom.with_array(np.rint(phantom.array + noise).astype(np.int16))


@pytest.fixture(scope="session")
def patient():
    """Function (noise in HU, seed): a body of 240 x 180 mm in 12 slices, which differ in bone, lung and soft tissue; HU
    (k, j, i)."""

    import numpy as np
    from MVCTEnhanceLib.volume import Volume

    def patient(noise_hu=0.0, seed=0):
        z, y, x = np.meshgrid(
            np.arange(12) * 6.0 - 33, np.arange(96) * 3.0 - 142, np.arange(96) * 3.0 - 142, indexing="ij"
        )
        hu = np.where((x / 120) ** 2 + (y / 90) ** 2 < 1, 0.0, -1000.0)
        for cx, cy, cz, radius, value in [(0, 50, 0, 25, 350), (-60, 0, 20, 32, -500), (50, -20, -20, 30, 150)]:
            hu[(x - cx) ** 2 + (y - cy) ** 2 + (1.5 * (z - cz)) ** 2 < radius**2] = value
        hu += noise_hu * np.random.default_rng(seed).standard_normal(hu.shape)
        return Volume(np.rint(hu).astype(np.int16), (3.0, 3.0, 6.0), (-142.0, -142.0, -33.0))

    return patient


@pytest.fixture(scope="session")
def moved():
    """Function (scan, motion): the scan whose header lies where the motion brings it."""

    import numpy as np

    def moved(volume, motion):
        origin = motion.moved(np.array(volume.origin))
        return replace(volume, origin=tuple(origin.tolist()), direction=motion.rotation @ volume.direction)

    return moved


@pytest.fixture
def scan(tmp_path, mvct) -> Path:
    """The scan as a file."""
    from MVCTEnhanceLib.io import write_volume

    write_volume(mvct, tmp_path / "mvct.nrrd")
    return tmp_path / "mvct.nrrd"


@pytest.fixture
def dicom_scan(tmp_path, mvct, with_texts) -> Path:
    """The scan as a DICOM series with a patient who must not be told, in a folder of a telling name."""
    from MVCTEnhanceLib.io import write_dicom_series

    write_dicom_series(mvct, tmp_path / SECRET_FOLDER, description="test scan")
    with_texts(tmp_path / SECRET_FOLDER, SECRETS)
    return tmp_path / SECRET_FOLDER


@pytest.fixture
def files(tmp_path):
    """Function: all files and folders below tmp_path, hidden ones too, with what is in them."""

    def snapshot():
        return {
            str(path.relative_to(tmp_path)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
            for path in tmp_path.rglob("*")
        }

    return snapshot


@pytest.fixture
def main(capfd, monkeypatch, files):
    """Runs the command line in this process: main(*arguments) -> code, stdout, stderr, json(), before (the files)."""
    from MVCTEnhanceLib.cli import program

    monkeypatch.setenv("COLUMNS", "120")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(*arguments):
        before = files()
        capfd.readouterr()
        try:
            code = program.main([str(argument) for argument in arguments])
        except SystemExit as end:  # argparse
            code = end.code
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        out, err = capfd.readouterr()
        return SimpleNamespace(code=code, stdout=out, stderr=err, json=lambda: json.loads(out), before=before)

    return run


@pytest.fixture(scope="session")
def patiently() -> tuple[str, ...]:
    """Python's arguments for a command line that gives cancelled work minutes to end.

    Work that takes no notice is then still there when a test loses its patience, however busy the computer is.
    """
    code = (
        "from MVCTEnhanceLib.cli import program\n"
        "from MVCTEnhanceLib.runtime import cancel\n"
        "cancel.GRACE_S = 600.0\n"
        "program.command()\n"
    )
    return "-c", code


@pytest.fixture
def start():
    """Starts the command line as its own process: start(*arguments, **of Popen) -> Popen."""
    running = []

    def start(*arguments, python=("-m", "MVCTEnhanceLib"), env=(), **options):
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": ""} | dict(env)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "encoding": "utf-8"}
        command = [sys.executable, *python, *map(str, arguments)]
        running.append(subprocess.Popen(command, env=environment, **(pipes | options)))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def run(start, files):
    """Runs the command line as its own process: run(*arguments, **of Popen) -> code, stdout, stderr, before."""

    def run(*arguments, **options):
        before = files()
        process = start(*arguments, **options)
        out, err = process.communicate(timeout=600)
        return SimpleNamespace(code=process.returncode, stdout=out, stderr=err, before=before)

    return run


@pytest.fixture
def assert_one_sentence():
    """Checks that stderr has, after warnings on the scan, nothing but one line with an error that was foreseen."""

    def check(stderr: str):
        (error,) = (line for line in stderr.splitlines() if not line.startswith("Warning: "))
        assert error.startswith("mvct-enhance: ") and stderr.endswith(f"{error}\n") and error.endswith(".")
        assert "Unexpected" not in stderr

    return check


@pytest.fixture
def assert_refused(files, assert_one_sentence):
    """Checks that a run ended with one sentence and left every file as it was; the sentence holds `words`."""

    def check(result, *words):
        assert result.code == 1, result
        assert_one_sentence(result.stderr)
        for word in words:
            assert word in result.stderr
        assert result.stdout == ""
        assert files() == result.before

    return check
