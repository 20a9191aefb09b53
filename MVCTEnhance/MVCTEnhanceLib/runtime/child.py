"""Cases in child processes, so that one that crashes or runs out of memory takes no other with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import Cancelled, MVCTEnhanceError
from .events import read_event
from .machine import cores
from .parent import PARENT

PROGRAM = Path(__file__).resolve().parents[1] / "__main__.py"
DEBUG = "MVCTENHANCE_DEBUG"
THREADS = ("OMP_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
AGAIN = "run the batch again with --resume"
CANCELLED = "The batch was cancelled; finished cases stay."


class CaseFailed(MVCTEnhanceError):
    """A case has no result; the message is the reason."""


class Children:
    """Runs the command line in child processes; when the block ends, however it does, none is left.

    Args:
        workers: how many run at a time; they share the processor's cores, unless the user has set OMP_NUM_THREADS.
    """

    def __init__(self, workers: int):
        self._environment = os.environ | _threads(workers) | {PARENT: str(os.getpid())}
        self._running: set[subprocess.Popen] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.kill()

    def run(self, arguments: Sequence[str], *, on_event: Callable[[str, dict[str, Any]], None]) -> dict[str, Any]:
        """Run one command to its end; safe from several threads.

        Args:
            on_event: called with the name and the fields of each other event of the command, see `progress`.

        Returns:
            the fields of its result event; of a scan whose DICOM was withheld, too.

        Raises:
            CaseFailed: it ended without a result.
            Cancelled: the block has ended.
        """
        told: dict[str, dict[str, Any]] = {}
        with self._start(arguments) as process:
            try:
                for line in process.stdout:
                    event = read_event(line) or {}  # a library may print lines, too
                    name = event.pop("event", None)
                    if name in ("result", "error"):
                        told[name] = event
                    elif name:
                        on_event(name, event)
            except BaseException:
                process.kill()
                raise
            finally:
                process.wait()
                with self._lock:
                    self._running.discard(process)
        if "result" in told and (process.returncode == 0 or told["result"].get("withheld")):
            return told["result"]
        if self._stopped:
            raise Cancelled(CANCELLED)
        raise CaseFailed(told.get("error", {}).get("message") or _end_in_words(process.returncode))

    def _start(self, arguments: Sequence[str]) -> subprocess.Popen:
        command = [sys.executable, str(PROGRAM), *arguments, "--progress", "jsonl"]
        with self._lock:
            if self._stopped:
                raise Cancelled(CANCELLED)
            process = subprocess.Popen(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=None if os.environ.get(DEBUG) else subprocess.DEVNULL,  # the events tell the same
                encoding="utf-8",
                errors="replace",
            )
            self._running.add(process)
        return process


def _threads(workers: int) -> dict[str, str]:
    """The share of each in the cores that this process may use."""
    if workers == 1:
        return {}
    return {name: str(max(1, cores() // workers)) for name in THREADS if name not in os.environ}


def _end_in_words(code: int) -> str:
    if code == -getattr(signal, "SIGKILL", 9):
        return (
            "The system ended the process of this case, as it does when the memory is used up: close other programs or "
            f"take fewer workers, and {AGAIN}."
        )
    how = f"exit code {code}"
    if code < 0:
        with suppress(ValueError):
            how = signal.Signals(-code).name
    return f"The process of this case crashed ({how}): {AGAIN}, and if it crashes again, look into this scan."
