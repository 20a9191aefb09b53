"""What computer this is, for figures that depend on it."""

from __future__ import annotations

import os
import platform
from pathlib import Path

NAMED_ON_LINUX = "model name"


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads() -> int:
    """Threads that work which is not torch's may take: those that the user or a batch grants, else one a core."""
    granted = os.environ.get("OMP_NUM_THREADS", "")
    return int(granted) if granted.isdecimal() and int(granted) else cores()


def processor() -> str:
    """The processor's name as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith(NAMED_ON_LINUX))
    return next(named, platform.machine())
