"""Jobs in child processes, so that one that crashes or runs out of memory takes nothing else with it.

A child is the command `worker` of `mvct-enhance` (see `cli.worker`): it takes one job after another on its stdin and
answers with events, so that its libraries are loaded once.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import Cancelled, MVCTEnhanceError, is_out_of_memory
from .events import EventHandler, ignore_event, read_event
from .machine import cores
from .parent import PARENT
from .process_tree import end_tree

PROGRAM = Path(__file__).resolve().parents[1] / "__main__.py"
DEBUG = "MVCTENHANCE_DEBUG"
THREADS = ("OMP_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
_TAIL_LINES = 50
_IDLE_S = 5.0  # for an idle process to end with its stdin
_TAIL_S = 1.0  # for the last lines of a process that has ended


class JobFailed(MVCTEnhanceError):
    """A job has no result; the message is the reason."""


class Child:
    """A child process that does one job after another.

    The first job starts it. It is started anew for the next job where it has ended: with a job that failed, or since it
    has done enough of them. When the block ends, however it does, the process is gone.

    Args:
        python: interpreter that runs it.
        threads: environment variables that tell it how many threads to take, see `shared_threads`.
        patience_s: for how long a job that is given up may remove what it has begun to write; 0 where that does not
            matter.
    """

    def __init__(self, python: str = sys.executable, *, threads: dict[str, str] | None = None, patience_s: float = 0.0):
        self._python = python
        # It ends itself when this process is gone, so that a crash leaves no orphan.
        self._environment = os.environ | (threads or {}) | {PARENT: str(os.getpid())}
        self._patience_s = patience_s
        self._process: subprocess.Popen[str] | None = None
        self._errors: deque[str] = deque(maxlen=_TAIL_LINES)  # the last lines on stderr, which may name files
        self._reader: threading.Thread | None = None
        self._lock = threading.Lock()
        self._busy = self._ended = False

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def run(self, arguments: Sequence[str], *, on_event: EventHandler = ignore_event) -> dict[str, Any]:
        """Do one job, and wait for it.

        Args:
            arguments: the command and its options.
            on_event: called with the name and the fields of each event before the result.

        Returns:
            the fields of the result event.

        Raises:
            JobFailed: it ended without a result; the next job gets a new process.
            Cancelled: `end` was called.
        """
        self._busy = True
        try:
            process = self._ready()
            self._errors.clear()
            with suppress(OSError):  # it has just ended, which its output tells
                process.stdin.write(json.dumps([*map(str, arguments)]) + "\n")
                process.stdin.flush()
            return self._read_until("result", on_event)
        except BaseException:
            self._stop()
            if self._ended:
                raise Cancelled("The work was cancelled.") from None
            raise
        finally:
            self._busy = False

    @property
    def is_ended(self) -> bool:
        """Whether `end` was called."""
        return self._ended

    def end(self) -> None:
        """End the process with all that it has started, from any thread; no job is done any more."""
        with self._lock:
            self._ended = True
        self._stop()

    def _ready(self) -> subprocess.Popen[str]:
        """The process, once it waits for a job."""
        while True:
            is_new = self._start_unless_there()
            try:
                self._read_until("ready", ignore_event)
            except JobFailed:
                if is_new or self._ended:
                    raise
            else:
                return self._process

    def _start_unless_there(self) -> bool:
        with self._lock:
            if self._ended:
                raise JobFailed
            if self._process and self._process.poll() is None:
                return False
            try:
                self._process = subprocess.Popen(
                    [self._python, str(PROGRAM), "worker", "--progress", "jsonl"],
                    env=self._environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=None if os.environ.get(DEBUG) else subprocess.PIPE,
                    encoding="utf-8",
                    errors="replace",
                    creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
                )
            except OSError as error:
                raise JobFailed(
                    f"Python could not be started for this job ({error.strerror}): close other programs and try again."
                ) from error
            self._errors = deque(maxlen=_TAIL_LINES)
            self._reader = threading.Thread(target=self._errors.extend, args=(self._process.stderr or (),), daemon=True)
            self._reader.start()
            return True

    def _read_until(self, last: str, on_event: EventHandler) -> dict[str, Any]:
        """The fields of the next event of this name; those before it are passed on."""
        reason = ""
        for line in self._process.stdout:
            event = read_event(line) or {}  # a library may print lines, too
            name = event.pop("event", None)
            if name == last:
                return event
            if name == "error":
                reason = str(event.get("message", ""))
            elif name:
                on_event(name, **event)
        code = self._process.wait()
        self._reader.join(_TAIL_S)
        raise JobFailed(reason or end_in_words(code, "".join(self._errors)))

    def _stop(self) -> None:
        process = self._process
        if process and process.poll() is None:
            if not self._busy:  # it ends by itself, even if this process is killed now
                with suppress(OSError, subprocess.TimeoutExpired):
                    process.stdin.close()
                    process.wait(_IDLE_S)
            if process.poll() is None:
                end_tree(process.pid, patience_s=self._patience_s if self._busy else 0.0)
            process.wait()


class Children:
    """Several children that take jobs at the same time; when the block ends, however it does, none is left.

    Args:
        workers: how many jobs are done at a time; they share the processor's cores, unless the user has set
            OMP_NUM_THREADS.
    """

    def __init__(self, workers: int):
        self._all = [Child(threads=shared_threads(workers)) for _ in range(workers)]
        self._idle = list(self._all)

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *error: object) -> None:
        for child in self._all:
            child.end()

    def run(self, arguments: Sequence[str], *, on_event: EventHandler) -> dict[str, Any]:
        """As `Child.run`, from as many threads as there are workers."""
        child = self._idle.pop()
        try:
            return child.run(arguments, on_event=on_event)
        finally:
            self._idle.append(child)


def shared_threads(workers: int) -> dict[str, str]:
    """The share of each of several processes in the cores that this one may use, as environment variables."""
    if workers == 1:
        return {}
    return {name: str(max(1, cores() // workers)) for name in THREADS if name not in os.environ}


def end_in_words(code: int, printed: str) -> str:
    """The end of a process that did not explain it, in one sentence.

    Args:
        code: its exit code, as `subprocess.Popen` has it.
        printed: the last lines on its stderr.
    """
    if missing := re.search(r"No module named '([\w.]+)'", printed):
        return f"The Python package '{missing[1]}' is missing: install it, in Slicer by pressing Apply."
    if re.search(r"DLL load failed|WinError (126|127|1114)|cannot open shared object|Library not loaded", printed):
        return (
            "A library of PyTorch cannot be loaded: install PyTorch again, in Slicer by the PyTorch Utils module and a "
            "restart."
        )
    if is_out_of_memory(printed):
        return "Out of memory: close other programs, take fewer workers, or choose the CPU as device."
    if code in (-getattr(signal, "SIGKILL", 9), 9, 137):
        return (
            "The process of this job was ended from outside, most often because memory ran out: close other programs "
            "or take fewer workers, and try again."
        )
    how = f"exit code {code}"
    if code < 0:
        with suppress(ValueError):
            how = signal.Signals(-code).name
    return f"The process of this job crashed ({how}): try again, and with the CPU as device if it crashes again."
