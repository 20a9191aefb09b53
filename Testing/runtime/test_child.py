"""Child processes of a batch, with a short script in the place of the command line."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from MVCTEnhanceLib.errors import Cancelled
from MVCTEnhanceLib.runtime import child
from MVCTEnhanceLib.runtime.child import CaseFailed, Children

only_posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
HEAD = (
    "import json, os, sys, time\ndef tell(event, **fields): print(json.dumps({'event': event, **fields}), flush=True)\n"
)


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Function: make this code what the children run."""

    def script(code):
        (tmp_path / "script.py").write_text(HEAD + code)
        monkeypatch.setattr(child, "PROGRAM", tmp_path / "script.py")

    return script


def run(workers=1, arguments=()):
    events = []
    with Children(workers) as children:
        result = children.run(list(arguments), on_event=lambda name, fields: events.append((name, fields)))
    return result, events


def test_events_are_passed_on_and_the_result_comes_back(script):
    script("tell('stage', stage='read'); print('odd line'); print('[1]'); print('7'); tell('result', mean=1.5)")
    assert run() == ({"mean": 1.5}, [("stage", {"stage": "read"})])


def test_child_gets_the_arguments_and_events_as_lines(script):
    script("tell('result', arguments=sys.argv[1:])")
    assert run(arguments=["enhance", "ä b"])[0]["arguments"] == ["enhance", "ä b", "--progress", "jsonl"]


def test_error_is_the_reason(script):
    script("tell('error', message='It is so.'); sys.exit(1)")
    with pytest.raises(CaseFailed, match=r"^It is so\.$"):
        run()


@pytest.mark.parametrize(("code", "words"), [("sys.exit(3)", "exit code 3"), ("pass", "exit code 0")])
def test_end_without_a_word_is_a_reason(script, code, words):
    script(code)
    with pytest.raises(CaseFailed, match=rf"crashed \({words}\)"):
        run()


def test_result_of_a_child_that_failed_later_is_none(script):
    script("tell('result', mean=1); sys.exit(1)")
    with pytest.raises(CaseFailed):
        run()


@only_posix
@pytest.mark.parametrize(("number", "words"), [("SIGABRT", r"crashed \(SIGABRT\)"), ("SIGKILL", "memory is used up")])
def test_end_by_a_signal_is_a_reason(script, number, words):
    script(f"os.kill(os.getpid(), {int(getattr(signal, number))})")
    with pytest.raises(CaseFailed, match=words):
        run()


def test_text_on_stderr_goes_nowhere(script, capfd):
    script("print('Secretname', file=sys.stderr); tell('result')")
    run()
    assert capfd.readouterr() == ("", "")


def test_end_of_the_block_ends_the_children(script, tmp_path):
    script("tell('stage', stage=str(os.getpid())); time.sleep(60)")
    started, ended = threading.Event(), []

    def work():
        try:
            children.run([], on_event=lambda name, fields: (ended.append(int(fields["stage"])), started.set()))
        except Cancelled:
            ended.append("cancelled")

    thread = threading.Thread(target=work)
    with Children(1) as children:
        thread.start()
        assert started.wait(60)
    thread.join(60)
    assert ended[1:] == ["cancelled"]
    if Path("/proc").exists():
        assert not Path(f"/proc/{ended[0]}").exists()
    with pytest.raises(Cancelled):
        children.run([], on_event=print)


def test_workers_share_the_cores(script, monkeypatch):
    script("tell('result', threads=os.environ.get('OMP_NUM_THREADS'), parent=os.environ['MVCTENHANCE_PARENT'])")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert run(1)[0]["threads"] is None
    assert run(3)[0] == {"threads": "2", "parent": str(os.getpid())}
    assert run(50)[0]["threads"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert run(3)[0]["threads"] == "5"


def test_error_in_the_listener_ends_the_child(script):
    script("tell('stage'); time.sleep(300)")

    def fail(name, fields):
        raise ValueError

    start = time.monotonic()
    with pytest.raises(ValueError), Children(1) as children:
        children.run([], on_event=fail)
    assert time.monotonic() - start < 100
