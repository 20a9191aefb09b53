"""A section of the panel with a job that goes on while the panel is used, and a label that says how far it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from ..wording import BAD, set_label, time_left
from ..worker.steps import Work
from ..worker.work import Job


class CancellableSection:
    """Of one job at a time; a subclass says what comes of it in `_on_done`, and has `leave` and `_update_buttons`.

    One with jobs of several kinds hands their own `on_done` to `_start_job`.

    Args:
        label: for progress and outcome.
    """

    def __init__(self, label):
        self._label = label
        self._job: Job | None = None
        set_label(label, "")

    def close(self) -> None:
        """End what is under way, too."""
        job, self._job = self._job, None
        if job:
            job.cancel()
        self.leave()

    def _start_job(self, work: Work, text: str, on_done: Callable[[Any], None] | None = None) -> None:
        on_done = on_done or self._on_done
        self._job = Job(work, on_progress=self._on_progress, on_done=on_done, on_error=self._on_error)
        set_label(self._label, text)
        self._update_buttons()
        self._job.start()

    def _cancel_job(self, text: str, level: str) -> None:
        self._job.cancel()
        self._end(text, level)

    def _on_progress(self, stage: str, done: int, total: int, seconds_left: float | None) -> None:
        parts = [self._count(done, total)] if total else []
        parts += [time_left(seconds_left)] if time_left(seconds_left) else []
        set_label(self._label, f"{stage}: {', '.join(parts)}" if parts else f"{stage}…")

    def _count(self, done: int, total: int) -> str:
        return _("{done} of {total}").format(done=done, total=total)

    def _on_error(self, message: str) -> None:
        self._end(message, BAD)

    def _end(self, text: str, level: str) -> None:
        self._job = None
        set_label(self._label, text, level)
        self._update_buttons()
