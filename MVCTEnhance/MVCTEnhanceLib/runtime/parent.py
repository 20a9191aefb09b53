"""A worker that ends when the program that asked for its work is gone, so that a crashed Slicer leaves none behind."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ..errors import InputError

PARENT = "MVCTENHANCE_PARENT"
POLL_S = 0.5
_SYNCHRONIZE = 0x00100000
_INVALID_PARAMETER = 87
_INFINITE = 0xFFFFFFFF


def end_with_parent(end: Callable[[], None]) -> None:
    """Call `end`, in a thread, once the process is gone whose number the environment variable MVCTENHANCE_PARENT holds.

    Not only the process that started this one can be named: Slicer's Python is started by a launcher.

    Raises:
        InputError: the variable holds no process number.
    """
    text = os.environ.get(PARENT, "")
    if not text:
        return
    if not text.isdecimal() or int(text) == 0:
        raise InputError(f"{PARENT} is '{text}', but the number of a process is needed: unset it.")
    threading.Thread(target=_watch, args=(int(text), end), daemon=True).start()


def _watch(pid: int, end: Callable[[], None]) -> None:
    if sys.platform == "win32":
        _wait_on_windows(pid)
    else:
        while _is_running(pid):
            time.sleep(POLL_S)
    end()


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it runs as somebody else
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Ended, but its own parent has not asked how; only Linux tells."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text("ascii", "replace").rpartition(")")[2].split()[0] in "ZX"
    except (OSError, IndexError):
        return False


def _wait_on_windows(pid: int) -> None:
    import ctypes
    from ctypes import wintypes

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.OpenProcess.restype = wintypes.HANDLE
    kernel.OpenProcess.argtypes = [wintypes.DWORD, wintypes.BOOL, wintypes.DWORD]
    kernel.WaitForSingleObject.argtypes = [wintypes.HANDLE, wintypes.DWORD]
    process = kernel.OpenProcess(_SYNCHRONIZE, False, pid)
    if process:
        kernel.WaitForSingleObject(process, _INFINITE)
    elif ctypes.get_last_error() != _INVALID_PARAMETER:  # it is there, but may not be watched
        threading.Event().wait()
