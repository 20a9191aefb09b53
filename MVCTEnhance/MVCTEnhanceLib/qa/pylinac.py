"""pylinac, in a folder of its own and a child process.

It asks for pydicom below 3, which neither this program nor Slicer has, but works with it. So pip puts it, and what it
imports, into a folder apart and without their dependencies; nothing but the child process has that folder on its path.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError, MVCTEnhanceError
from ..runtime.child import end_in_words
from ..storage.atomic import atomic_folder
from .phantoms import Phantom

REQUIREMENTS = Path(__file__).with_name("pylinac.txt")
CHILD = Path(__file__).with_name("pylinac_child.py")


def folder() -> Path:
    """Where it lies: in the folder of this Python, since some of what it imports fits one version of Python only."""
    return Path(sys.prefix) / "mvct-enhance-pylinac"


def is_installed() -> bool:
    """Whether it is there, in the versions that this program asks for."""
    stamp = folder() / REQUIREMENTS.name
    return stamp.exists() and stamp.read_bytes() == REQUIREMENTS.read_bytes()


def require_installed() -> None:
    """Refuse to go on without it.

    Raises:
        InputError: it is not there, in a sentence with the command that installs it.
    """
    if not is_installed():
        raise InputError(
            "This phantom is analysed by pylinac, which is missing or outdated: run 'mvct-enhance install-pylinac' "
            "(the panel in Slicer offers it), or analyse a water cylinder (--phantom water), which needs no pylinac."
        )


def install(wheels: Path | None = None) -> Path:
    """Have pip put it into its folder, unless it is there; other versions are replaced.

    Args:
        wheels: folder of wheels to install from; None for the network.

    Raises:
        MVCTEnhanceError: pip is missing or failed.
        OutputError: the folder cannot be written.
    """
    if is_installed():
        return folder()
    if importlib.util.find_spec("pip") is None:
        raise MVCTEnhanceError("This Python has no pip: install pip first, then pylinac.")
    with atomic_folder(folder(), may_replace=lambda there: True) as partial:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command += ["--no-index", "--find-links", str(wheels)] if wheels else []
        done = subprocess.run(
            [*command, "--no-deps", "--no-compile", "--target", str(partial), "--requirement", str(REQUIREMENTS)],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [""]
            raise MVCTEnhanceError(
                f"pip could not install pylinac ({lines[-1].removeprefix('ERROR: ')}): check the network and its "
                "proxy, or give a folder with all wheels that qa/pylinac.txt lists (--wheels; in Slicer: Wheel folder)."
            )
        shutil.copy(REQUIREMENTS, partial)
    return folder()


def analyse(phantom: Phantom, series: Sequence[Path]) -> tuple[list[dict[str, Any]], str]:
    """pylinac's results of scans of a phantom, and its version.

    Args:
        phantom: which one they show.
        series: folders of DICOM series, the MVCT first.

    Raises:
        InputError: pylinac is missing, or does not find what it looks for.
        MVCTEnhanceError: its process crashed.
    """
    require_installed()
    done = subprocess.run(
        [sys.executable, str(CHILD), str(folder()), phantom.pylinac, *map(str, series)],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    if done.returncode:
        raise MVCTEnhanceError(end_in_words(done.returncode, done.stderr))
    told = json.loads(done.stdout)
    if "error" in told:
        scan = ("MVCT", "enhanced scan")[told["series"]]
        raise InputError(
            f"pylinac does not find the parts of the {phantom.label} in the {scan} ({told['error']}): check that it is "
            "this phantom and that all of its modules were scanned."
        )
    return told["results"], told["version"]
