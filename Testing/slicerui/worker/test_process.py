"""The worker as a real child process behind a launcher: its events, its end, and its being ended."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

HEAD = """
import json, os, signal, sys, time
def tell(event, **fields): print(json.dumps({"event": event, **fields}), flush=True)
tell("ready")
job = json.loads(sys.stdin.readline())
"""


@pytest.fixture
def script(app, tmp_path, monkeypatch):
    """Puts a script in the place of the worker, that does one job: script(text)."""
    from MVCTEnhanceLib.runtime import child

    def write(text: str):
        path = tmp_path / "wörk er.py"
        path.write_text(HEAD + text, encoding="utf-8")
        monkeypatch.setattr(child, "PROGRAM", path)

    return write


def start(worker, request=None):
    """Starts a job: events, outcomes."""
    from MVCTEnhanceLib.jobs.requests import ModelsRequest

    events, outcomes = [], []
    worker.run(
        request or ModelsRequest(), outcomes.append, on_event=lambda event, **fields: events.append((event, fields))
    )
    return events, outcomes


@pytest.fixture
def worker(app):
    from MVCTEnhanceLib.slicerui.worker.process import Worker

    worker = Worker()
    yield worker
    worker.end()


def test_one_child_does_job_after_job(app, worker):
    children = []
    for _ in range(2):
        events, outcomes = start(worker)
        assert worker.running
        app.wait(lambda outcomes=outcomes: outcomes, 60)
        assert not worker.running and events == []
        assert "simulated-anchor" in outcomes[0]["models"]
        children.append(app.child_processes())
    assert children[0] == children[1] != []
    worker.end()
    assert app.child_processes() == []


def test_waiting_gives_the_same_without_an_event_loop(app):
    from MVCTEnhanceLib.jobs.requests import ModelsRequest
    from MVCTEnhanceLib.slicerui.worker.process import run_and_wait

    result = run_and_wait(ModelsRequest())
    assert result["default"] in result["models"]
    assert app.child_processes() == []


@pytest.mark.integration
def test_an_error_of_the_worker_comes_in_its_own_words(app):
    from MVCTEnhanceLib.errors import MVCTEnhanceError
    from MVCTEnhanceLib.jobs.requests import EnhanceRequest
    from MVCTEnhanceLib.slicerui.worker.process import run_and_wait

    with pytest.raises(MVCTEnhanceError, match="does not exist"):
        run_and_wait(EnhanceRequest(Path("no such file.nrrd"), Path("x.nrrd")))


def test_events_come_in_their_order_and_an_end_without_a_result_is_told(script, app, worker):
    script("for number in range(200): tell('stage', stage=number)\nsys.exit(5)")
    events, outcomes = start(worker)
    app.wait(lambda: outcomes, 60)
    assert events == [("stage", {"stage": number}) for number in range(200)]
    assert "exit code 5" in str(outcomes[0])


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_no_letter_that_a_library_prints_costs_an_event(script, app, worker, monkeypatch, encoding):
    monkeypatch.setenv("PYTHONIOENCODING", encoding)  # as on a Windows whose system encoding is not Slicer's
    script("sys.stdout.buffer.write(b'\\xff\\n'); sys.stderr.buffer.write(b'\\xe4')\ntell('result', a=1)")
    _, outcomes = start(worker)
    app.wait(lambda: outcomes, 60)
    assert outcomes == [{"a": 1}]


FAMILY = """
import subprocess
deeper = "import time; time.sleep(300)"
subprocess.Popen([sys.executable, "-c", f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', '{deeper}']); {deeper}"])
time.sleep(0.5)
tell("stage", stage="enhance")
time.sleep(300)
"""  # noqa: E501


@pytest.mark.parametrize("stubborn", [False, True], ids=["", "ignores the request to end"])
def test_cancel_ends_the_whole_family_at_once_and_nothing_is_called_any_more(script, app, stubborn):
    from MVCTEnhanceLib.slicerui.worker.process import Worker

    script(("signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" if stubborn else "") + FAMILY)
    worker = Worker(patience_s=0.2 if stubborn else 0)
    events, outcomes = start(worker)
    app.wait(lambda: events)
    assert len(app.child_processes()) >= 4  # launcher, worker, its child, and that one's
    begin = time.monotonic()
    worker.end()
    assert app.child_processes() == []
    assert time.monotonic() - begin < 50
    assert not worker.running
    for _ in range(30):
        app.run_events(0.01)
    assert (len(events), outcomes) == (1, [])
    worker.end()  # once more does nothing


def test_a_patient_cancel_lets_the_worker_tidy_up(script, app, tmp_path):
    from MVCTEnhanceLib.slicerui.worker.process import Worker

    partial = tmp_path / "partial"
    script(
        "from pathlib import Path\n"
        f"partial = Path({str(partial)!r}); partial.touch()\n"
        "def tidy(*_): partial.unlink(); sys.exit(130)\n"
        "signal.signal(signal.SIGTERM, tidy)\n"
        "tell('stage', stage='write')\ntime.sleep(300)"
    )
    worker = Worker(patience_s=10)
    events, _ = start(worker)
    app.wait(lambda: events)
    assert partial.exists()
    worker.end()
    assert not partial.exists() and app.child_processes() == []


def test_an_interrupt_while_waiting_ends_the_family(script, app):
    from MVCTEnhanceLib.jobs.requests import ModelsRequest
    from MVCTEnhanceLib.slicerui.worker.process import run_and_wait

    script(FAMILY)

    def interrupt(event, **fields):
        assert app.child_processes()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_and_wait(ModelsRequest(), interrupt)
    assert app.child_processes() == []


def test_a_fault_in_a_callback_does_not_leave_the_worker_behind(script, app, worker):
    from MVCTEnhanceLib.jobs.requests import ModelsRequest

    script("tell('stage', stage='read')\ntime.sleep(300)")
    worker.run(ModelsRequest(), lambda outcome: None, on_event=lambda event, **fields: 1 / 0)
    with pytest.raises((AssertionError, ZeroDivisionError)):
        app.wait(lambda: False, 20)
    assert not worker.running and app.child_processes() == []
    app.failures.take()


def test_the_worker_ends_when_the_application_has_crashed(tmp_path):
    """The real worker, started by a process that is then killed without a chance to tidy up."""
    library = Path(__file__).resolve().parents[3] / "MVCTEnhance"
    starter = (
        f"import sys, time; sys.path.insert(0, {str(library)!r})\n"
        "from MVCTEnhanceLib.runtime.child import Child\n"
        "child = Child()\n"
        "child.run(['demo', '--output', sys.argv[1], '--device', 'cpu'],"
        " on_event=lambda *_, **__: print(child._process.pid, flush=True))"
    )
    application = subprocess.Popen(
        [sys.executable, "-c", starter, str(tmp_path / "demo")],
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
    from MVCTEnhanceLib.runtime.process_tree import _parents

    return pid in _parents()
