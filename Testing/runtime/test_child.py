"""Child processes that do one job after another, with a short script in the place of the command line."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from MVCTEnhanceLib.errors import Cancelled
from MVCTEnhanceLib.runtime import child
from MVCTEnhanceLib.runtime.child import Child, Children, JobFailed, end_in_words

only_posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
HEAD = """
import json, os, sys, time
def tell(event, **fields): print(json.dumps({'event': event, **fields}), flush=True)
def jobs():
    while True:
        tell('ready')
        line = sys.stdin.readline()
        if not line: return
        yield json.loads(line)
"""


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Function: make this code what a child does for each job, whose command and options it has as `job`."""

    def script(code, before=""):
        lines = "".join(f"    {line}\n" for line in code.splitlines())
        (tmp_path / "wörk er.py").write_text(f"{HEAD}\n{before}\nfor job in jobs():\n{lines}", encoding="utf-8")
        monkeypatch.setattr(child, "PROGRAM", tmp_path / "wörk er.py")

    return script


@pytest.fixture
def one():
    """A child that no test leaves behind."""
    with Child() as one:
        yield one


def test_events_are_passed_on_and_the_result_comes_back(script, one):
    script("tell('stage', stage='read'); print('odd line'); print('[1]'); print('7'); tell('result', mean=1.5)")
    events = []
    assert one.run([], on_event=lambda event, **fields: events.append((event, fields))) == {"mean": 1.5}
    assert events == [("stage", {"stage": "read"})]


def test_options_arrive_as_they_are_and_are_not_on_the_command_line(script, one):
    """Which other users of the computer may read."""
    script("tell('result', job=job, command=sys.argv)")
    job = ["enhance", "C:\\My Scans\\Müller 日本.nrrd", "", "a'b\"c\n", "latin-\udce9"]
    told = one.run(job)
    assert told["job"] == job
    assert told["command"][1:] == ["worker", "--progress", "jsonl"]


def test_one_process_does_all_jobs(script, one):
    script("tell('result', pid=os.getpid())")
    assert len({one.run([])["pid"] for _ in range(3)}) == 1


@pytest.mark.parametrize(
    "end",
    [
        "tell('error', message='It is so.'); sys.exit(1)",
        "sys.exit(3)",
        "os.abort()",
        "tell('stage', stage='read'); os.kill(os.getpid(), 9)",
    ],
)
def test_job_that_fails_costs_itself_only(script, one, end):
    script(f"if job == ['bad']: {end}\ntell('result', pid=os.getpid())")
    first = one.run([])["pid"]
    with pytest.raises(JobFailed):
        one.run(["bad"])
    second = one.run([])["pid"]
    assert second != first and one.run([])["pid"] == second


def test_child_that_has_done_enough_is_followed_by_another(script, one):
    script("tell('result', pid=os.getpid()); time.sleep(0.2); sys.exit(0)")
    assert len({one.run([])["pid"] for _ in range(3)}) == 3


@only_posix
def test_child_that_was_ended_between_two_jobs_costs_none(script, one):
    script("tell('result', pid=os.getpid())")
    pid = one.run([])["pid"]
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.3)
    assert one.run([])["pid"] != pid


def test_what_a_job_tells_too_late_is_not_taken_for_the_next_job_s(script, one):
    script("tell('result', job=job); tell('stage', stage='late'); tell('error', message='late')")
    events = []
    for name in ("one", "two"):
        assert one.run([name], on_event=lambda *event, **fields: events.append(event)) == {"job": [name]}
    assert events == []


def test_error_is_the_reason(script, one):
    script("tell('error', message='It is so.'); sys.exit(1)")
    with pytest.raises(JobFailed, match=r"^It is so\.$"):
        one.run([])


@pytest.mark.parametrize("before", ["sys.exit(3)", "tell('error', message='exit code 3'); sys.exit(3)"])
def test_child_that_does_not_come_to_wait_is_started_once_and_told(script, one, before):
    script("pass", before=before)
    with pytest.raises(JobFailed, match="exit code 3"):
        one.run([])


def test_interpreter_that_is_not_there_is_told():
    with Child("/no/such/python") as one, pytest.raises(JobFailed, match="could not be started"):
        one.run([])


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("sys.exit(3)", r"crashed \(exit code 3\)"),
        ("sys.exit(0)", r"crashed \(exit code 0\)"),
        pytest.param("os.abort()", r"crashed \(SIGABRT\)", marks=only_posix),
        pytest.param("os.kill(os.getpid(), 9)", "memory ran out", marks=only_posix),
        ("raise MemoryError", "Out of memory"),
        ("print('RuntimeError: CUDA out of memory.', file=sys.stderr); os._exit(1)", "Out of memory"),
        ("raise ImportError('libtorch_cpu.so: failed to map segment from shared object')", "Out of memory"),
        ("import a_package_that_is_not_there", "'a_package_that_is_not_there' is missing"),
        ("raise OSError('[WinError 126] Error loading c10.dll')", "PyTorch cannot be loaded"),
    ],
)
def test_an_end_that_the_child_did_not_explain_becomes_one_sentence(script, one, end, words):
    script(end)
    with pytest.raises(JobFailed, match=words) as error:
        one.run([])
    assert str(error.value).endswith(".") and "\n" not in str(error.value)


def test_code_by_which_a_launcher_tells_of_a_kill_is_known():
    assert end_in_words(137, "") == end_in_words(9, "") == end_in_words(-9, "")


def test_what_one_job_printed_is_no_reason_of_the_next_one_s_end(script, one):
    script("if job: sys.exit(4)\nprint('CUDA out of memory', file=sys.stderr, flush=True); tell('result')")
    one.run([])
    time.sleep(0.3)
    with pytest.raises(JobFailed, match="exit code 4"):
        one.run(["next"])


def test_text_on_stderr_goes_nowhere(script, one, capfd):
    script("print('Secretname ' * 100_000, file=sys.stderr); tell('result')")
    one.run([])
    assert capfd.readouterr() == ("", "")


def test_lines_that_are_no_text_do_not_stop_it(script, one):
    script("sys.stdout.buffer.write(b'\\xff\\xfe\\n'); sys.stderr.buffer.write(b'\\xff'); tell('result', a=1)")
    assert one.run([]) == {"a": 1}


def test_end_of_the_block_ends_the_children(script):
    script("tell('stage', stage=str(os.getpid())); time.sleep(300)")
    started, ended = threading.Event(), []

    def work():
        try:
            children.run([], on_event=lambda event, stage: (ended.append(int(stage)), started.set()))
        except Cancelled:
            ended.append("cancelled")

    thread = threading.Thread(target=work)
    with Children(2) as children:
        thread.start()
        assert started.wait(60)
    thread.join(60)
    assert ended[1:] == ["cancelled"]
    if Path("/proc").exists():
        assert not Path(f"/proc/{ended[0]}").exists()
    with pytest.raises(Cancelled):
        children.run([], on_event=print)


def test_idle_child_ends_with_the_block(script):
    script("tell('result', pid=os.getpid())", before="import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    with Child(patience_s=300) as one:
        pid = one.run([])["pid"]
        start = time.monotonic()
    assert time.monotonic() - start < 100
    if Path("/proc").exists():
        assert not Path(f"/proc/{pid}").exists()


def test_workers_share_the_cores(script, monkeypatch):
    script("tell('result', threads=os.environ.get('OMP_NUM_THREADS'), parent=os.environ['MVCTENHANCE_PARENT'])")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)

    def run(workers):
        with Children(workers) as children:
            return children.run([], on_event=print)

    assert run(1)["threads"] is None
    assert run(3) == {"threads": "2", "parent": str(os.getpid())}
    assert run(50)["threads"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert run(3)["threads"] == "5"


def test_error_in_the_listener_ends_the_child(script, one):
    script("if job: tell('result', pid=os.getpid())\nelse: tell('stage', stage=os.getpid()); time.sleep(300)")
    pids = []

    def fail(event, stage):
        pids.append(stage)
        raise ValueError

    start = time.monotonic()
    with pytest.raises(ValueError):
        one.run([], on_event=fail)
    assert one.run(["next"])["pid"] not in pids
    assert time.monotonic() - start < 100
