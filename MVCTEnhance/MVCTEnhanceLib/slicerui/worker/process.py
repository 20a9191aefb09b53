"""The child process that does the work: PythonSlicer with this library's command line."""

from __future__ import annotations

import os
import queue
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from ...errors import MVCTEnhanceError
from ...jobs.request import Request
from ...runtime.child import Child
from ...runtime.events import EventHandler, ignore_event

Outcome = dict[str, Any] | MVCTEnhanceError
"""The fields of a job's result, or the reason why there is none."""

_POLL_MS = 50


class Worker:
    """Does one job after another in a child process while the application goes on; needs the Qt event loop.

    A thread waits for the child; whatever is called is called in the main thread.

    Args:
        patience_s: for how long a job that is given up may remove what it has begun to write; 0 where that does not
            matter.

    Raises:
        MVCTEnhanceError: PythonSlicer is not found.
    """

    def __init__(self, *, patience_s: float = 0.0):
        import qt  # which `run_and_wait` has no need of

        self._child = Child(python_slicer(), patience_s=patience_s)
        self._told: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._timer = qt.QTimer()
        self._timer.setInterval(_POLL_MS)
        self._timer.connect("timeout()", self._call)
        self.running = False
        """Whether a job is under way."""

    def run(
        self, request: Request, on_end: Callable[[Outcome], None], *, on_event: EventHandler = ignore_event
    ) -> None:
        """Start a job; when it has ended, the next one can be started.

        Args:
            on_end: called with what came of it.
            on_event: called with the name and the fields of each event before the result.
        """
        self.running = True
        threading.Thread(target=self._work, args=(request.to_argv(), on_event, on_end), daemon=True).start()
        self._timer.start()

    def end(self) -> None:
        """End the child with all its processes; nothing is called any more."""
        self.running = False
        self._timer.stop()
        self._child.end()

    def _work(self, arguments: tuple[str, ...], on_event: EventHandler, on_end: Callable[[Outcome], None]) -> None:
        try:
            outcome = self._child.run(
                arguments, on_event=lambda event, **fields: self._told.put(lambda: on_event(event, **fields))
            )
        except MVCTEnhanceError as error:
            outcome = error
        self._told.put(lambda: self._end_job(on_end, outcome))

    def _end_job(self, on_end: Callable[[Outcome], None], outcome: Outcome) -> None:
        self.running = False
        self._timer.stop()
        on_end(outcome)

    def _call(self) -> None:
        try:
            while self.running:
                self._told.get_nowait()()
        except queue.Empty:
            return
        except BaseException:  # nobody would listen to the child any more
            self.end()
            raise


def run_and_wait(request: Request, on_event: EventHandler = ignore_event) -> dict[str, Any]:
    """Do one job and wait for it; needs no event loop, and the application does nothing else meanwhile.

    Args:
        on_event: called with the name and the fields of each event before the result.

    Returns:
        the fields of the result event.

    Raises:
        MVCTEnhanceError: with the worker's own sentence, or one on an end that it did not explain.
    """
    with waiting_child() as child:
        return child.run(request.to_argv(), on_event=on_event)


def waiting_child() -> Child:
    """A child for jobs that are waited for.

    Raises:
        MVCTEnhanceError: PythonSlicer is not found.
    """
    return Child(python_slicer(), patience_s=3.0)


def python_slicer() -> str:
    """Slicer's Python interpreter, found as `slicer.util.executePythonModule` does it.

    Raises:
        MVCTEnhanceError: it is not there.
    """
    if hasattr(slicer, "app"):
        path = shutil.which("PythonSlicer")
        if path is None:
            raise MVCTEnhanceError(_("PythonSlicer was not found in Slicer's folder: install Slicer again."))
        return path
    beside = Path(sys.executable).parent / ("PythonSlicer.exe" if os.name == "nt" else "PythonSlicer")
    return str(beside) if beside.exists() else sys.executable
