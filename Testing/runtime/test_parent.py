"""The worker ends when the process it works for is gone; that process is a real one and is really killed."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import MVCTEnhanceLib
import numpy as np
import pytest
from MVCTEnhanceLib.io import write_volume
from MVCTEnhanceLib.runtime.parent import PARENT
from MVCTEnhanceLib.volume import Volume

pytestmark = pytest.mark.integration

PROGRAM = Path(MVCTEnhanceLib.__file__).parent / "__main__.py"
SECONDS_TO_END = 60


@pytest.fixture
def parent():
    """A process that does nothing; it and its launcher, which is another one, as with Slicer's Python."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def long_scan(tmp_path, mvct):
    """A scan that takes many seconds to enhance."""
    array = np.tile(np.pad(mvct.array, ((0, 0), (200, 200), (200, 200)), constant_values=-1000), (25, 1, 1))
    write_volume(Volume(array, (0.763, 0.763, 3.0)), tmp_path / "long.nrrd")
    return tmp_path / "long.nrrd"


def wait_for(process, wanted):
    for line in process.stdout:
        event = json.loads(line)
        if wanted(event):
            return event
    pytest.fail("the worker ended before")


@pytest.mark.parametrize("stage", ["read", "enhance"])
def test_worker_ends_with_its_parent_as_if_it_was_cancelled(
    start, patiently, parent, long_scan, tmp_path, files, stage
):
    """Also inside torch, which does the enhancement."""
    before = files()
    arguments = ("enhance", long_scan, "--output", tmp_path / "e.nrrd", "--progress", "jsonl")
    process = start(*arguments, python=patiently, env={PARENT: str(parent.pid)})
    event = "progress" if stage == "enhance" else "stage"
    wait_for(process, lambda told: (told["event"], told.get("stage")) == (event, stage))
    parent.kill()
    parent.wait()
    out, err = process.communicate(timeout=SECONDS_TO_END)
    assert (process.returncode, err) == (130, "mvct-enhance: Cancelled. No incomplete files were left.\n")
    assert json.loads(out.splitlines()[-1])["event"] == "error"
    assert files() == before


def test_worker_of_a_parent_that_is_killed_does_not_stay(long_scan, tmp_path, files):
    """The parent starts it, reads its events and dies with the pipes: nobody is left to read or to wait."""
    code = (
        "import os, subprocess, sys\n"
        f"os.environ[{PARENT!r}] = str(os.getpid())\n"
        "child = subprocess.Popen([sys.executable, *sys.argv[1:]], stdout=subprocess.PIPE, stderr=subprocess.PIPE)\n"
        "print(child.pid, flush=True)\n"
        "for line in child.stdout: print(line.decode(), end='', flush=True)\n"
    )
    before = files()
    arguments = [PROGRAM, "enhance", long_scan, "--output", tmp_path / "e.nrrd", "--progress", "jsonl"]
    command = [sys.executable, "-c", code, *map(str, arguments)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    child = int(parent.stdout.readline())
    wait_for(parent, lambda told: told["event"] == "progress")
    parent.kill()
    parent.communicate()
    assert ends_in_time(child)
    assert files() == before


def test_job_of_a_benchmark_that_is_killed_does_not_stay(long_scan, tmp_path):
    code = (
        "import subprocess, sys\n"
        "from pathlib import Path\n"
        "from MVCTEnhanceLib.benchmark.job import timed_job\n"
        "from MVCTEnhanceLib.io import read_volume\n"
        "from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model\n"
        "class Telling(subprocess.Popen):\n"
        "    def __init__(self, *arguments, **options):\n"
        "        super().__init__(*arguments, **options)\n"
        "        print(self.pid, flush=True)\n"
        "subprocess.Popen = Telling\n"
        "timed_job(read_volume(sys.argv[1]), Path(sys.argv[2]), find_model(DEFAULT_MODEL), 'cpu', 1)\n"
    )
    command = [sys.executable, "-c", code, str(long_scan), str(tmp_path / "job")]
    benchmark = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    job = int(benchmark.stdout.readline())
    benchmark.kill()
    benchmark.communicate()
    assert ends_in_time(job)
    assert not (tmp_path / "job" / "enhanced").exists()


def ends_in_time(pid: int) -> bool:
    deadline = time.monotonic() + SECONDS_TO_END
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not is_running(pid)


def is_running(pid: int) -> bool:
    """Whether a process that is no child of this one still works; a zombie does not."""
    if os.name == "nt":
        return str(pid) in subprocess.run(["tasklist", "/fi", f"pid eq {pid}"], capture_output=True, text=True).stdout
    if Path("/proc/self/stat").exists():  # Linux, where a small container has no ps
        file = Path(f"/proc/{pid}/stat")
        state = file.read_text().rpartition(")")[2].strip() if file.exists() else ""
    else:
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith("Z")


def test_worker_of_a_parent_that_is_gone_already_does_nothing(run, parent, scan, tmp_path):
    parent.kill()
    parent.wait()
    result = run("enhance", scan, "--output", tmp_path / "e.nrrd", env={PARENT: str(parent.pid)})
    assert result.code == 130
    assert result.stderr.splitlines()[-1] == "mvct-enhance: Cancelled. No incomplete files were left."
    assert not (tmp_path / "e.nrrd").exists()


def test_worker_of_a_parent_that_lives_does_its_work(run, parent, scan, tmp_path):
    result = run("enhance", scan, "--output", tmp_path / "e.nrrd", env={PARENT: str(parent.pid)})
    assert result.code == 0, result.stderr
    assert (tmp_path / "e.nrrd").exists()


@pytest.mark.parametrize("number", ["Slicer", "-1", "0", "1.5"])
def test_parent_that_is_no_process_number_is_refused(main, monkeypatch, assert_refused, number):
    monkeypatch.setenv(PARENT, number)
    assert_refused(main("models"), PARENT, f"'{number}'")
