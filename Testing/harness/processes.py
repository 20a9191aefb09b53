"""Processes that were started during a test and still live, orphans included."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

MARK = "MVCTENHANCE_TEST_PROCESS"  # environment variable by which processes are known whose parent is gone


def _table() -> dict[int, tuple[int, str]]:
    """All processes: number -> (parent, state letter)."""
    if Path("/proc/self/stat").exists():
        found = {}
        for entry in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # it has just ended
                state, parent = entry.read_text(errors="replace").rpartition(")")[2].split()[:2]
                found[int(entry.parent.name)] = (int(parent), state)
        return found
    lines = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split()[:3] for line in lines.splitlines()]
    return {int(pid): (int(parent), state[0]) for pid, parent, state in rows}


def _is_marked(pid: int) -> bool:
    mark = f"{MARK}={os.environ.get(MARK, os.getpid())}\0".encode()
    with contextlib.suppress(OSError):
        return mark in Path(f"/proc/{pid}/environ").read_bytes()
    return False


def live() -> list[int]:
    """Process numbers of all live descendants, and (on Linux) of orphans of this test; zombies do not count."""
    table = _table()
    found, wave = [], {os.getpid()}
    while wave:
        wave = {pid for pid, (parent, _) in table.items() if parent in wave}
        found += sorted(wave)
    found += [pid for pid in table if pid not in found and pid != os.getpid() and _is_marked(pid)]
    return [pid for pid in found if table[pid][1] != "Z"]


def wait_for_none(seconds: float) -> list[int]:
    """Waits until no such process is left; those that are after that time are killed and returned."""
    end = time.monotonic() + seconds
    while live() and time.monotonic() < end:
        time.sleep(0.05)
    left = live()
    for pid in left:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    return left
