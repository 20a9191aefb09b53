"""Events of a job as JSON lines, as a bar and in quiet."""

import json

import pytest
from MVCTEnhanceLib.runtime import events as progress
from MVCTEnhanceLib.runtime.events import event_handler, with_stage


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets: clock.now."""

    class Clock:
        now = 100.0

    monkeypatch.setattr(progress.time, "monotonic", lambda: Clock.now)
    return Clock


def test_jsonl_prints_one_object_a_line_on_stdout(capsys):
    on_event = event_handler("jsonl")
    on_event("stage", stage="read")
    on_event("warning", message="Größe in\nzwei Zeilen")
    out, err = capsys.readouterr()
    assert [json.loads(line) for line in out.splitlines()] == [
        {"event": "stage", "stage": "read"},
        {"event": "warning", "message": "Größe in\nzwei Zeilen"},
    ]
    assert err == "" and out.isascii()


def test_jsonl_tells_the_seconds_left_once_it_can(capsys, clock):
    on_event = event_handler("jsonl")
    for now, done in ((100, 2), (104, 4), (108, 6)):
        clock.now = now
        on_event("progress", stage="enhance", done=done, total=10)
    eta = [json.loads(line)["eta_s"] for line in capsys.readouterr().out.splitlines()]
    assert eta == [None, 12.0, 8.0]  # 2 s a slice


def test_seconds_left_of_a_resumed_job_count_its_own_steps_only(capsys, clock):
    on_event = event_handler("jsonl")
    on_event("progress", done=901, total=1000)
    clock.now = 110
    on_event("progress", done=911, total=1000)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["eta_s"] == 89.0


def test_each_stage_has_its_own_clock(capsys, clock):
    on_event = event_handler("jsonl")
    on_event("progress", stage="enhance", done=1, total=2)
    clock.now = 150
    on_event("progress", stage="enhance", done=2, total=2)
    on_event("progress", stage="measure", done=1, total=3)
    clock.now = 151
    on_event("progress", stage="measure", done=2, total=3)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["eta_s"] == 1.0


def test_bar_draws_on_stderr_only(capsys):
    on_event = event_handler("bar")
    on_event("device", device="cpu", name="CPU, 2 threads")
    on_event("stage", stage="enhance")
    for done in (2, 4, 5):
        on_event("progress", stage="enhance", done=done, total=5)
    out, err = capsys.readouterr()
    assert out == ""
    assert "device: CPU, 2 threads" in err and "5/5" in err


def test_bar_ends_its_line_before_an_error_is_told(capsys):
    on_event = event_handler("bar")
    on_event("progress", stage="enhance", done=2, total=5)
    on_event("error", message="told by the caller")
    assert capsys.readouterr().err.endswith("\n")


@pytest.mark.parametrize(
    ("event", "fields", "line"),
    [
        ("warning", {"message": "The voxels are odd."}, "Warning: The voxels are odd."),
        ("device", {"name": "CPU"}, "device: CPU"),
        ("validation", {"loss": 0.5}, "validation: loss 0.5"),
        ("case", {"case": 3, "cases": 5, "status": "failed"}, "case 3 of 5 failed"),
    ],
)
def test_bar_goes_on_at_its_rate_below_a_message(capsys, event, fields, line):
    on_event = event_handler("bar")
    on_event("progress", stage="batch", done=1, total=100)
    on_event.bar.start_t -= 600  # as if it had taken ten minutes
    on_event(event, **fields)
    on_event("progress", stage="batch", done=100, total=100)
    lines = capsys.readouterr().err.replace("\r", "\n").splitlines()
    assert line in lines
    assert "100/100" in lines[-1] and "10:00<" in lines[-1]


def test_quiet_still_tells_warnings_on_stderr(capsys):
    on_event = event_handler("none")
    on_event("stage", stage="read")
    on_event("progress", stage="read", done=1, total=2)
    on_event("warning", message="The voxels are odd.")
    assert capsys.readouterr() == ("", "Warning: The voxels are odd.\n")


def test_events_of_a_part_become_progress_of_its_stage():
    events = []
    on_event = with_stage(lambda event, **fields: events.append((event, fields)), "measure")
    on_event("evaluate", done=1, total=3)
    assert events == [("progress", {"stage": "measure", "done": 1, "total": 3})]
