"""Events of a job, shown to a person or to a program.

An event is a name and its fields: stage (stage), device (device, name), progress (stage, done, total), validation,
case (of a batch: case, cases, status, what it does), series (of a node: series, its number, and status), warning
(message), error (message), result (the metrics), ready (of a worker, which waits for a job).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any, Literal

EventHandler = Callable[..., None]
ProgressStyle = Literal["bar", "jsonl", "none"]


def ignore_event(event: str, **fields: Any) -> None:
    """The handler that does nothing."""


def event_handler(style: ProgressStyle) -> EventHandler:
    """A callable `report(event, **fields)`.

    "bar" draws a progress bar and lines of text on stderr, "jsonl" prints one JSON object a line on stdout, where
    progress also has eta_s (seconds left, null as long as it is unknown), "none" keeps silent but for warnings,
    which "bar" and "none" print on stderr.
    """
    return {"bar": _Bar, "jsonl": _JsonLines, "none": _WarningsOnly}[style]()


def read_event(line: str) -> dict[str, Any] | None:
    """The event that "jsonl" printed on a line: its fields, and its name as "event"; None for any other line."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def with_stage(on_event: EventHandler, stage: str) -> EventHandler:
    """A handler whose events are progress of the stage of this name."""
    return lambda event, **fields: on_event("progress", stage=stage, **fields)


def collecting_warnings(warnings: list[str], on_event: EventHandler) -> EventHandler:
    """A handler that also keeps the warnings."""

    def collect(event: str, **fields: Any) -> None:
        if event == "warning":
            warnings.append(fields["message"])
        on_event(event, **fields)

    return collect


class _WarningsOnly:
    def __call__(self, event: str, **fields: Any) -> None:
        if event == "warning":
            print(f"Warning: {fields['message']}", file=sys.stderr, flush=True)


class _JsonLines:
    def __init__(self):
        self.stage: Any = None
        self.start = (0.0, 0)  # time and `done` of the stage's first progress, which in a resumed job is not 0

    def __call__(self, event: str, **fields: Any) -> None:
        if event == "progress":
            fields["eta_s"] = self._seconds_left(**fields)
        elif event == "result":
            self.stage = None  # of a worker, whose next job may begin with the same stage
        # In one piece, which a signal cannot cut before the end of the line.
        print(json.dumps({"event": event, **fields}, allow_nan=False) + "\n", end="", flush=True)

    def _seconds_left(self, done: int, total: int, stage: str = "", **_: Any) -> float | None:
        now = time.monotonic()
        if stage != self.stage:
            self.stage, self.start = stage, (now, done)
        since, first = self.start
        return round((now - since) / (done - first) * (total - done), 1) if done > first else None


class _Bar:
    def __init__(self):
        self.bar = None

    def __call__(self, event: str, **fields: Any) -> None:
        if event == "progress":
            self._draw(**fields)
        elif event == "case":
            self._tell_case(**fields)
        elif event == "warning":
            self._say(f"Warning: {fields['message']}")
        elif event == "device":
            self._say(f"device: {fields['name']}")
        elif event == "series":
            self._say(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {_in_words(fields)}")
        elif event == "validation":
            self._say(f"validation: {_in_words(fields)}")
        else:
            self._close()
            if event == "stage":
                self._say(f"{fields.pop('stage')} {_in_words(fields)}".strip())

    def _draw(self, done: int, total: int, stage: str = "", **_: Any) -> None:
        from tqdm import tqdm

        if self.bar is None or self.bar.desc != stage:
            self._close()
            self.bar = tqdm(desc=stage, total=total, initial=max(done - 1, 0), dynamic_ncols=True, file=sys.stderr)
            self.bar.desc = stage
        self.bar.update(done - self.bar.n)
        if done == total:
            self._close()

    def _tell_case(self, case: int, cases: int, status: str, stage: str = "", **slices: Any) -> None:
        """Behind the bar of a batch what one of its cases does; that one failed, on a line of its own."""
        if status == "running" and self.bar is not None:
            count = f" {slices['done']}/{slices['total']}" if "total" in slices else ""
            self.bar.set_postfix_str(f"case {case}: {stage}{count}")
        elif status == "failed":
            self._say(f"case {case} of {cases} failed")

    def _say(self, line: str) -> None:
        """A line of its own; a bar goes on below it, at the rate that it has."""
        if self.bar is None:
            print(line, file=sys.stderr, flush=True)
        else:
            self.bar.write(line, file=sys.stderr)

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def _in_words(fields: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in fields.items()
    )
