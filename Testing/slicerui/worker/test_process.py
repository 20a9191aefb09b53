"""The worker as a real child process behind a launcher: its events, its end, and its being ended."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest


@pytest.fixture
def script(app, tmp_path, monkeypatch):
    """Puts a script of one's own in the place of the worker: script(text)."""
    from MVCTEnhanceLib.slicerui.worker import process

    def write(text: str):
        path = tmp_path / "wörk er.py"
        path.write_text("import json, os, signal, sys, time\n" + text, encoding="utf-8")
        monkeypatch.setattr(process, "WORKER", path)

    return write


@pytest.fixture
def run(app):
    """Runs a worker under the event loop to its end: run(*arguments) -> events, exit code, worker."""
    from MVCTEnhanceLib.slicerui.worker.process import Worker

    def run(*arguments):
        events, codes = [], []
        worker = Worker(arguments, events.append, codes.append)
        worker.start()
        assert worker.running
        app.wait(lambda: codes, 60)
        assert not worker.running
        return events, codes[0], worker

    return run


def test_events_come_one_by_one_and_the_result_at_the_end(run):
    events, code, worker = run("models")
    assert code == 0 and events[-1]["event"] == "result"
    assert "simulated-anchor" in worker.result(code)["models"]


def test_waiting_gives_the_same_without_an_event_loop(app):
    from MVCTEnhanceLib.slicerui.worker.process import run_and_wait

    events = []
    result = run_and_wait(["models"], events.append)
    assert result["default"] in result["models"]
    assert [event["event"] for event in events] == ["result"]


def test_an_error_of_the_worker_comes_in_its_own_words(app):
    from MVCTEnhanceLib.errors import MVCTEnhanceError
    from MVCTEnhanceLib.slicerui.worker.process import run_and_wait

    with pytest.raises(MVCTEnhanceError, match="does not exist"):
        run_and_wait(["enhance", "no such file.nrrd", "--output", "x.nrrd"])


def test_arguments_arrive_as_they_are(script, app):
    from MVCTEnhanceLib.slicerui.worker.process import run_and_wait

    script("print(json.dumps({'event': 'result', 'arguments': sys.argv[1:]}))")
    arguments = ["enhance", "C:\\My Scans\\Müller 日本.nrrd", "", "a'b\"c"]
    assert run_and_wait(arguments)["arguments"] == [*arguments, "--progress", "jsonl"]


def test_the_worker_is_told_whom_it_must_not_outlive(script, app):
    from MVCTEnhanceLib.runtime.parent import PARENT
    from MVCTEnhanceLib.slicerui.worker.process import run_and_wait

    script(f"print(json.dumps({{'event': 'result', 'parent': os.environ['{PARENT}']}}))")
    assert run_and_wait([])["parent"] == str(os.getpid())


def test_lines_that_are_no_events_are_passed_over(script, run):
    script(
        "sys.stdout.buffer.write(b'\\xff\\xfe broken\\n'); sys.stdout.flush(); time.sleep(0.3)\n"
        "print('a library says'); print('{'); print('3'); print('[1]'); print('{\"no\": \"event\"}')\n"
        "print('on stderr', file=sys.stderr)\n"
        "print(json.dumps({'event': 'stage', 'stage': 'read'})); print(json.dumps({'event': 'result', 'a': 1}))"
    )
    events, code, worker = run()
    assert [event["event"] for event in events] == ["stage", "result"]
    assert worker.result(code) == {"a": 1}


def test_no_letter_that_a_library_prints_costs_an_event(script, run, monkeypatch):
    from MVCTEnhanceLib.slicerui.worker.process import run_and_wait

    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")  # as on a Windows whose system encoding is not Slicer's
    script("print('Müller µ', file=sys.stderr, flush=True)\nprint('é'); print(json.dumps({'event': 'result', 'a': 1}))")
    _, code, worker = run()
    assert worker.result(code) == run_and_wait([]) == {"a": 1}


def test_raw_bytes_do_not_stop_whoever_waits(script, app):
    from MVCTEnhanceLib.slicerui.worker.process import run_and_wait

    script('sys.stdout.buffer.write(b\'\\xff\\xfe\\n\' + b\'{"event": "result", "a": 1}\\n\')')
    assert run_and_wait([]) == {"a": 1}


@pytest.mark.parametrize(
    ("last", "words"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "memory ran out"),
        ("import a_package_that_is_not_there", "'a_package_that_is_not_there' is missing"),
        ("raise MemoryError", "Out of memory"),
        ("print('RuntimeError: CUDA out of memory.'); sys.exit(1)", "Out of memory"),
        ("raise ImportError('libtorch_cpu.so: failed to map segment from shared object')", "Out of memory"),
        ("sys.exit(5)", "exit code 5"),
        ("pass", "unexpectedly"),
        ("print(json.dumps({'event': 'result'}), flush=True); os._exit(4)", "exit code 4"),
    ],
)
def test_an_end_that_the_worker_did_not_explain_becomes_one_sentence(script, run, last, words):
    from MVCTEnhanceLib.errors import MVCTEnhanceError
    from MVCTEnhanceLib.slicerui.worker.process import run_and_wait

    script(f"print(json.dumps({{'event': 'stage', 'stage': 'enhance'}}), flush=True)\n{last}")
    _, code, worker = run()
    for end in (lambda: worker.result(code), lambda: run_and_wait([])):
        with pytest.raises(MVCTEnhanceError, match=words) as error:
            end()
        assert str(error.value).endswith(".") and "\n" not in str(error.value)


def test_only_the_last_lines_are_kept(script, run):
    script("for number in range(10_000): print(number)")
    _, _, worker = run()
    assert list(worker._output.tail)[-1] == "9999" and len(worker._output.tail) <= 100


FAMILY = """
import subprocess
deeper = "import time; time.sleep(100)"
subprocess.Popen([sys.executable, "-c", f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', '{deeper}']); {deeper}"])
time.sleep(0.5)
print(json.dumps({"event": "stage", "stage": "enhance"}), flush=True)
"""  # noqa: E501


@pytest.mark.parametrize("stubborn", [False, True], ids=["", "ignores the request to end"])
def test_cancel_ends_the_whole_family_at_once_and_nothing_is_called_any_more(script, app, stubborn):
    from MVCTEnhanceLib.slicerui.worker.process import Worker

    script((("signal.signal(signal.SIGTERM, signal.SIG_IGN)\n") if stubborn else "") + FAMILY + "time.sleep(100)")
    events, codes = [], []
    worker = Worker([], events.append, codes.append, patience_s=0.2 if stubborn else 0)
    worker.start()
    app.wait(lambda: events)
    assert len(app.child_processes()) >= 4  # launcher, worker, its child, and that one's
    start = time.monotonic()
    worker.cancel()
    assert app.child_processes() == []
    assert time.monotonic() - start < 50
    assert not worker.running
    for _ in range(30):
        app.run_events(0.01)
    assert (len(events), codes) == (1, [])
    worker.cancel()  # once more does nothing


def test_a_patient_cancel_lets_the_worker_tidy_up(script, app, tmp_path):
    from MVCTEnhanceLib.slicerui.worker.process import Worker

    partial = tmp_path / "partial"
    script(
        "from pathlib import Path\n"
        f"partial = Path({str(partial)!r}); partial.touch()\n"
        "def tidy(*_): partial.unlink(); sys.exit(130)\n"
        "signal.signal(signal.SIGTERM, tidy)\n"
        "print(json.dumps({'event': 'stage', 'stage': 'write'}), flush=True)\ntime.sleep(100)"
    )
    events = []
    worker = Worker([], events.append, lambda code: None, patience_s=10)
    worker.start()
    app.wait(lambda: events)
    assert partial.exists()
    worker.cancel()
    assert not partial.exists() and app.child_processes() == []


def test_an_interrupt_while_waiting_ends_the_family(script, app):
    from MVCTEnhanceLib.slicerui.worker.process import run_and_wait

    script(FAMILY + "time.sleep(100)")

    def interrupt(event):
        assert app.child_processes()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_and_wait([], interrupt)
    assert app.child_processes() == []


def test_a_fault_in_a_callback_does_not_leave_the_worker_behind(script, app):
    from MVCTEnhanceLib.slicerui.worker.process import Worker

    script("print(json.dumps({'event': 'stage', 'stage': 'read'}), flush=True)\ntime.sleep(100)")
    worker = Worker([], lambda event: 1 / 0, lambda code: None)
    worker.start()
    with pytest.raises((AssertionError, ZeroDivisionError)):
        app.wait(lambda: False, 20)
    assert not worker.running and app.child_processes() == []
    app.failures.take()


def test_the_worker_ends_when_the_application_has_crashed(tmp_path):
    """The real worker, started by a process that is then killed without a chance to tidy up."""
    worker = Path(__file__).resolve().parents[3] / "MVCTEnhance" / "MVCTEnhanceLib" / "__main__.py"
    starter = (
        "import os, subprocess, sys, time\n"
        "process = subprocess.Popen(sys.argv[1:], env=os.environ | {'MVCTENHANCE_PARENT': str(os.getpid())},"
        " stdout=subprocess.PIPE, text=True)\n"
        "process.stdout.readline()\nprint(process.pid, flush=True)\ntime.sleep(100)"
    )
    command = [sys.executable, worker, "demo", "--output", tmp_path / "demo", "--progress", "jsonl", "--device", "cpu"]
    application = subprocess.Popen(
        [sys.executable, "-c", starter, *map(str, command)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    pid = int(application.stdout.readline())
    application.kill()
    application.wait()
    end = time.monotonic() + 60
    while _lives(pid) and time.monotonic() < end:
        time.sleep(0.1)
    assert not _lives(pid)
    assert list(tmp_path.iterdir()) == []


def _lives(pid: int) -> bool:
    from MVCTEnhanceLib.slicerui.worker.process_tree import _parents

    return pid in _parents()


@pytest.mark.parametrize("way", ["proc", "ps"])
def test_both_ways_to_look_for_processes_find_them(way):
    from MVCTEnhanceLib.slicerui.worker import process_tree

    if not (Path("/proc/self/stat").exists() if way == "proc" else shutil.which("ps")):
        pytest.skip(f"this system has no {way}")
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        assert getattr(process_tree, f"_parents_from_{way}")()[sleeper.pid] == os.getpid()
    finally:
        sleeper.kill()
        sleeper.wait()


def test_on_windows_the_system_s_own_command_ends_the_family(app, monkeypatch):
    from MVCTEnhanceLib.slicerui.worker import process_tree

    commands = []
    monkeypatch.setattr(process_tree.subprocess, "run", lambda command, **_: commands.append(command))
    process_tree._end_on_windows(4711)
    assert commands == [["taskkill", "/T", "/F", "/PID", "4711"]]
