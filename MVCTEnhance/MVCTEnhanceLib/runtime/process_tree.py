"""A child process and all that it has started, ended together."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

_GONE_WITHIN_S = 5.0
_POLL_S = 0.02


def end_tree(pid: int, *, patience_s: float = 0.0) -> None:
    """End a process and its descendants, and return when they are gone.

    PythonSlicer is a launcher whose child does the work, so that to end it alone leaves the work running.

    Args:
        pid: of the process that was started.
        patience_s: for how long they may tidy up after a request to end (not on Windows, which has no such request).
    """
    if os.name == "nt":
        _end_on_windows(pid)
        return
    family = {pid, *descendants({pid})}
    if patience_s > 0:
        _signal(family, signal.SIGTERM)
        _wait_until_gone(family, patience_s)
    # Stopped processes start no others: whoever is found after that is the last.
    while True:
        _signal(family, signal.SIGSTOP)
        found = descendants(family)
        if found <= family:
            break
        family |= found
    _signal(family, signal.SIGKILL)
    _wait_until_gone(family, _GONE_WITHIN_S)


def descendants(pids: set[int]) -> set[int]:
    """The living processes that these have started, at any depth."""
    parents = _parents()
    found: set[int] = set()
    while True:
        new = {pid for pid, parent in parents.items() if parent in pids | found} - found
        if not new:
            return found
        found |= new


def _parents() -> dict[int, int]:
    """The parent of each living process; those that have ended but are not yet collected do not live."""
    return _parents_from_proc() if Path("/proc/self/stat").exists() else _parents_from_ps()


def _parents_from_proc() -> dict[int, int]:
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                text = (folder / "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:  # it has just ended
                continue
            state, parent = text.rpartition(")")[2].split()[:2]  # the name before it may hold spaces and brackets
            if state not in "ZX":
                parents[int(folder.name)] = int(parent)
    return parents


def _parents_from_ps() -> dict[int, int]:
    lines = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,state="], capture_output=True, text=True, check=False
    ).stdout.splitlines()
    rows = [line.split() for line in lines]
    return {int(row[0]): int(row[1]) for row in rows if len(row) >= 3 and not row[2].startswith("Z")}


def _signal(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def _wait_until_gone(pids: set[int], seconds: float) -> None:
    end = time.monotonic() + seconds
    while pids & _parents().keys() and time.monotonic() < end:
        time.sleep(_POLL_S)


def _end_on_windows(pid: int) -> None:
    subprocess.run(
        ["taskkill", "/T", "/F", "/PID", str(pid)],
        capture_output=True,
        check=False,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
