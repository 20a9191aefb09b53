"""The worker as a real process, asked over its stdin for one job after another."""

import io
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from MVCTEnhanceLib.cli import commands, worker
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.jobs.requests import EnhanceRequest
from MVCTEnhanceLib.model.card import installed_models, model_sha256

only_posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
SECONDS_TO_END = 60


class Conversation:
    """A worker's process, its stdin and its events."""

    def __init__(self, process):
        self.process = process
        self.wait_for("ready")

    def ask(self, *arguments):
        self.process.stdin.write(json.dumps([*map(str, arguments)]) + "\n")
        self.process.stdin.flush()

    def wait_for(self, name, **fields) -> dict:
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == name and fields.items() <= event.items():
                return event
        raise AssertionError(f"no {name} before the end: {self.process.stderr.read()}")


@pytest.fixture
def conversation(start):
    return Conversation(start("worker", "--progress", "jsonl", stdin=subprocess.PIPE))


def end_of(process) -> tuple[int, list[str], str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, [json.loads(line)["event"] for line in out.splitlines()], err


@pytest.mark.integration
def test_jobs_in_one_process_give_what_each_alone_gives_with_the_model_of_that_moment(
    conversation, main, scan, tmp_path
):
    """Also of a model whose file was replaced meanwhile under the same name."""
    names, model = list(installed_models()), tmp_path / "model.safetensors"
    for number, name in enumerate((names[0], names[1], names[0])):
        shutil.copy(installed_models()[name], model)
        conversation.ask("enhance", scan, "--output", tmp_path / f"{number}.nrrd", "--model", model, "--device", "cpu")
        assert conversation.wait_for("result")["model"]["sha256"] == model_sha256(model)
        conversation.wait_for("ready")
    command_line = Path(f"/proc/{conversation.process.pid}/cmdline")
    if command_line.exists():
        assert str(tmp_path) not in command_line.read_text(encoding="utf-8")
    assert end_of(conversation.process) == (0, [], "")  # with its stdin
    request = EnhanceRequest(scan, tmp_path / "alone.nrrd", model=names[0], device="cpu")
    assert main(*request.to_argv()).code == 0
    alone, *others = ((tmp_path / f"{name}.nrrd").read_bytes() for name in ("alone", 0, 2, 1))
    assert others[0] == others[1] == alone != others[2]


@pytest.mark.integration
def test_job_that_fails_ends_it_as_a_process_of_its_own(conversation, files, tmp_path):
    before = files()
    conversation.ask("enhance", tmp_path / "none.nrrd", "--output", tmp_path / "e.nrrd")
    code, events, err = end_of(conversation.process)
    assert (code, events[-1]) == (1, "error")
    assert err == f"mvct-enhance: {tmp_path / 'none.nrrd'} does not exist: check the path.\n"
    assert files() == before


@pytest.mark.integration
@only_posix
@pytest.mark.parametrize(
    ("stage", "number"),
    [
        ("ready", signal.SIGINT),
        ("ready", signal.SIGTERM),
        pytest.param("write", signal.SIGINT, marks=pytest.mark.thorough),
        ("write", signal.SIGTERM),
    ],
)
def test_cancel_ends_it_with_nothing_half_written(conversation, scan, tmp_path, files, stage, number):
    before = files()
    if stage != "ready":
        conversation.ask("enhance", scan, "--output", tmp_path / "e.nrrd", "--report", tmp_path / "report")
        conversation.wait_for("stage", stage=stage)
    sent = time.monotonic()
    conversation.process.send_signal(number)
    code, events, err = end_of(conversation.process)
    assert time.monotonic() - sent < SECONDS_TO_END
    assert (code, err) == (130, "mvct-enhance: Cancelled. No incomplete files were left.\n")
    assert events[-1] == "error"
    left = {name for name in files() if name not in before}
    assert left <= {"e.nrrd"} and not any(Path(name).name.startswith(".") for name in left)


@pytest.fixture
def jobs(monkeypatch):
    """Runs so many quick jobs in this process: jobs(number, code of each) -> events."""

    def jobs(number, each=lambda on_event: None):
        def models(request, on_event):
            each(on_event)
            return {"models": {}}

        monkeypatch.setattr(commands, "models", models)
        events = []
        requests = io.StringIO('["models"]\n' * number)
        worker.run_jobs(requests, lambda event, **fields: events.append(event))
        return events

    return jobs


def test_it_ends_with_its_stdin(jobs):
    assert jobs(2) == ["ready", "result", "ready", "result", "ready"]


def test_it_ends_when_it_has_done_enough(jobs, monkeypatch):
    monkeypatch.setattr(worker, "MAX_JOBS", 3)
    assert jobs(5) == ["ready", "result"] * 3


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not tell the memory of a process")
def test_it_ends_when_its_memory_has_grown(jobs, monkeypatch):
    kept = []
    monkeypatch.setattr(worker, "MAX_GROWTH_BYTES", 50 << 20)
    assert jobs(5, lambda on_event: kept.append(b"x" * (20 << 20))) == ["ready", "result"] * 4


@pytest.mark.parametrize("line", ["models", "{}", "[1]", '"models"'])
def test_line_that_is_no_request_is_refused(line):
    with pytest.raises(InputError, match="is no request"):
        worker.run_jobs(io.StringIO(f"{line}\n"), lambda event: None)


def test_time_left_is_that_of_the_job(capsys):
    from MVCTEnhanceLib.runtime.events import event_handler

    on_event = event_handler("jsonl")
    on_event("progress", stage="write", done=1, total=3)
    time.sleep(0.01)
    on_event("progress", stage="write", done=2, total=3)
    on_event("result")
    on_event("progress", stage="write", done=1, total=3)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[1]["eta_s"] is not None and lines[3]["eta_s"] is None
