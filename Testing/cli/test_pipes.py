"""A program that does not read what the command tells: nothing is lost by it, and it holds up no wish to end."""

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from MVCTEnhanceLib.io import read_volume

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.name == "nt", reason="POSIX signals and pipes"),
]
SECONDS_TO_END = 60  # on a busy computer; without a limit of its own it would be minutes or never
LAST_WORDS = "mvct-enhance: Cancelled. No incomplete files were left.\n"


@pytest.fixture
def full_pipe():
    """The reading and the writing end of a pipe that takes not one byte more."""
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    with suppress(BlockingIOError):
        while True:
            os.write(theirs, b"\n" * 4096)
    with suppress(BlockingIOError):
        while True:
            os.write(theirs, b"\n")
    os.set_blocking(theirs, True)
    yield ours, theirs
    for end in (ours, theirs):
        with suppress(OSError):
            os.close(end)


def read_all(end: int) -> list[dict]:
    with os.fdopen(end, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def wait_until(condition, process):
    until = time.monotonic() + 60
    while not condition():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.05)


def is_writing(pid: int) -> bool:
    """Whether the main thread of a process waits in the system's call to write to stdout."""
    return Path(f"/proc/{pid}/syscall").read_text().split()[:2] == ["1", "0x1"]


@pytest.fixture
def blocked(start, full_pipe):
    """Starts a command that is blocked by its output: blocked(*arguments, merged) -> process, reading end."""
    if not (Path("/proc/self/syscall").exists() and os.uname().machine == "x86_64"):
        pytest.skip("the system does not tell what a process waits for")
    ours, theirs = full_pipe

    def blocked(*arguments, merged=False, **options):
        process = start(*arguments, stdout=theirs, **({"stderr": theirs} if merged else {}), **options)
        os.close(theirs)
        wait_until(lambda: is_writing(process.pid), process)
        return process, ours

    return blocked


def test_work_goes_on_when_it_is_read_again(blocked, scan, tmp_path, mvct):
    process, output = blocked("enhance", scan, "--output", tmp_path / "e.nrrd", "--progress", "jsonl")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    events = read_all(output)
    assert process.wait(60) == 0
    assert events[-1]["event"] == "result"
    assert read_volume(tmp_path / "e.nrrd").array.shape == mvct.array.shape


@pytest.mark.parametrize("merged", [False, True], ids=["stderr apart", "stderr too"])
def test_wish_to_end_needs_no_reader(blocked, patiently, merged):
    """Stderr goes the same way where Slicer starts the worker."""
    process, _ = blocked("models", "--progress", "jsonl", merged=merged, python=patiently)
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS_TO_END) == 130
    assert merged or process.stderr.read() == LAST_WORDS


def test_wish_to_end_in_an_import_needs_no_reader(start, full_pipe, tmp_path):
    (tmp_path / "telling.py").write_text("import signal\nsignal.raise_signal(signal.SIGTERM)\n")
    code = (
        "import sys\n"
        "from MVCTEnhanceLib.cli import program, commands\n"
        "from MVCTEnhanceLib.runtime import cancel\n"
        "cancel.GRACE_S = 600.0\n"
        f"sys.path.append({str(tmp_path)!r})\n"
        "commands.models = lambda request, on_event: __import__('telling')\n"
        "sys.exit(program.main(['models', '--progress', 'jsonl']))\n"
    )
    process = start(python=("-c", code), stdout=full_pipe[1])
    assert process.wait(SECONDS_TO_END) == 130
    assert process.stderr.read() == LAST_WORDS


def test_error_without_a_reader_can_be_ended(blocked, patiently, tmp_path):
    arguments = ("dicom", tmp_path / "none.nrrd", "--output", tmp_path / "out", "--progress", "jsonl")
    process, _ = blocked(*arguments, python=patiently)
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS_TO_END) == 130


def test_cases_of_a_batch_go_on_meanwhile(start, full_pipe, scan, tmp_path):
    """The first of its events find room in the pipe."""
    (tmp_path / "in").mkdir()
    scan.rename(tmp_path / "in" / "a.nrrd")
    ours, theirs = full_pipe
    os.read(ours, 4096)
    os.write(theirs, b"\n" * 3600)
    process = start("batch", tmp_path / "in", tmp_path / "out", "--progress", "jsonl", stdout=theirs)
    os.close(theirs)
    wait_until(lambda: (tmp_path / "out" / "a" / "done.json").exists(), process)
    events = read_all(ours)
    assert process.wait(60) == 0
    assert (events[-1]["event"], events[-1]["done"]) == ("result", 1)
