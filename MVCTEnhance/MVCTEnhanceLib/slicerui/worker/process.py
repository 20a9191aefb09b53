"""The child process that does the work: PythonSlicer with this library's command line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import slicer
import slicer.util
from slicer.i18n import tr as _

from ...errors import MVCTEnhanceError
from ...runtime.parent import PARENT
from .output import OnEvent, WorkerOutput
from .process_tree import end_tree

WORKER = Path(__file__).resolve().parents[2] / "__main__.py"
# Slicer reads in the system's encoding and drops what it cannot read, with the events around it.
_PLAIN_TEXT = {"PYTHONIOENCODING": "ascii:backslashreplace"}
_PATIENCE_S = 3.0


class Worker:
    """One command of `mvct-enhance` that runs while the application goes on; needs the Qt event loop.

    Args:
        arguments: the command and its options; `--progress jsonl` is added.
        on_event: called with each event of the worker, in the main thread.
        on_end: called with the exit code when the worker has ended by itself.
        patience_s: for how long a cancelled worker may remove what it has begun to write; 0 where that does not matter.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        on_event: OnEvent,
        on_end: Callable[[int], None],
        *,
        patience_s: float = 0.0,
    ):
        self._arguments = list(arguments)
        self._output = WorkerOutput(on_event)
        self._on_end = on_end
        self._patience_s = patience_s
        self._process: subprocess.Popen[str] | None = None

    @property
    def running(self) -> bool:
        """Whether it was started and has neither ended nor been cancelled."""
        return self._process is not None

    def start(self) -> None:
        """Start the child process.

        Raises:
            MVCTEnhanceError: PythonSlicer is not found or cannot be started.
        """
        self._process = _launch(
            self._arguments, blocking=False, logCallback=self._on_line, completedCallback=self._on_completed
        )

    def cancel(self) -> None:
        """End the worker with all its processes; nothing is called any more."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            end_tree(process.pid, patience_s=self._patience_s)

    def result(self, code: int) -> dict[str, Any]:
        """The payload of the result event, for a worker that has ended with this exit code.

        Raises:
            MVCTEnhanceError: with one sentence on why there is none.
        """
        return self._output.result(code)

    def _on_line(self, line: str) -> None:
        if not self.running:
            return
        try:
            self._output.read(line)
        except BaseException:  # Slicer stops listening then, and the worker would go on unseen
            self.cancel()
            raise

    def _on_completed(self, code: int) -> None:
        if self.running:
            self._process = None
            self._on_end(code)


def run_and_wait(arguments: Sequence[str], on_event: OnEvent | None = None) -> dict[str, Any]:
    """Run one command of `mvct-enhance` to its end; needs no event loop, and the application waits.

    Args:
        arguments: the command and its options; `--progress jsonl` is added.
        on_event: called with each event.

    Returns:
        the payload of the result event.

    Raises:
        MVCTEnhanceError: with the worker's own sentence, or one on an end that it did not explain.
    """
    output = WorkerOutput(on_event)
    process = _launch(arguments, blocking=True)
    try:
        process.stdout.reconfigure(errors="replace")
        for line in process.stdout:
            output.read(line)
        code = process.wait()
    except BaseException:  # KeyboardInterrupt among them
        end_tree(process.pid, patience_s=_PATIENCE_S)
        raise
    finally:
        process.stdout.close()
    return output.result(code)


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


def _launch(arguments: Sequence[str], **how: Any) -> subprocess.Popen[str]:
    # The worker ends itself when this process is gone, so that a crash leaves no orphan.
    environment = {PARENT: str(os.getpid()), **_PLAIN_TEXT}
    command = [python_slicer(), str(WORKER), *map(str, arguments), "--progress", "jsonl"]
    try:
        return slicer.util.launchConsoleProcess(
            command, useStartupEnvironment=False, updateEnvironment=environment, **how
        )
    except OSError as error:
        raise MVCTEnhanceError(
            _("PythonSlicer could not be started ({reason}): install Slicer again.").format(reason=error.strerror)
        ) from error
