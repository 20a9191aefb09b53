"""What computer this is, for figures that depend on it."""

from __future__ import annotations

import platform
from pathlib import Path

NAMED_ON_LINUX = "model name"


def processor() -> str:
    """The processor's name as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith(NAMED_ON_LINUX))
    return next(named, platform.machine())
