"""Properties of this computer, and this process's share of its cores and memory."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from pathlib import Path

NAMED_ON_LINUX = "model name"
MAX_THREADS = 8
_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -3, -1  # of mallopt(3)
_SINGLE_BYTES, _KEPT_BYTES = 32 << 20, 256 << 20


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads() -> int:
    """Threads that work which is not torch's may take: those that the user or a batch grants, else one a core.

    At most eight, since each of them holds the temporary arrays of a slice.
    """
    granted = os.environ.get("OMP_NUM_THREADS", "")
    return min(int(granted) if granted.isdecimal() and int(granted) else cores(), MAX_THREADS)


def tune_malloc() -> None:
    """Have freed memory used again rather than given back to the system and asked for anew.

    For a process of our own only. The temporary arrays of a slice are large enough that the C library would return
    each of them to the system; the page faults of getting them back cost about as much as the arithmetic.
    """
    if sys.platform.startswith("linux"):
        mallopt = getattr(ctypes.CDLL(None), "mallopt", lambda *_: 0)  # a C library other than GNU's may lack it
        mallopt(_M_MMAP_THRESHOLD, _SINGLE_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def return_memory() -> None:
    """Give freed memory back to the system that `tune_malloc` has held, where the work that wanted it is done."""
    if sys.platform.startswith("linux"):
        getattr(ctypes.CDLL(None), "malloc_trim", lambda _: 0)(0)


def memory_in_use() -> int:
    """Bytes of memory that this process holds; 0 where the system does not tell."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def use_passive_omp() -> None:
    """Have torch's threads sleep while they wait for each other; to be called before torch is imported.

    By default they spin, and where another program takes a core (Slicer that draws, a second worker), the one that has
    work is kept from it by those that wait: a slice then takes many times as long.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def processor() -> str:
    """The processor's name as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith(NAMED_ON_LINUX))
    return next(named, platform.machine())
