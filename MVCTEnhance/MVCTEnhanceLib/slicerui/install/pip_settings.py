"""Settings of pip: Slicer's own packages stay as they are, and others come from a named place."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import slicer

PINNED = ("numpy", "scipy", "SimpleITK", "vtk", "pydicom", "highdicom")  # Slicer's own, which nothing may replace

_WHEEL_FOLDER = "MVCTEnhance/WheelFolder"  # of this computer, whatever the scene


def remembered_wheels() -> Path | None:
    """The folder of wheels that was chosen last on this computer; None for the network."""
    text = slicer.app.userSettings().value(_WHEEL_FOLDER, "") if hasattr(slicer, "app") else ""
    return Path(text) if text else None


def remember_wheels(folder: str) -> None:
    """Keep a folder of wheels for every scene and for the next start; "" forgets it."""
    slicer.app.userSettings().setValue(_WHEEL_FOLDER, folder)


def pins() -> Iterator[str]:
    """Slicer's own packages in their versions, as constraints for pip."""
    for name in PINNED:
        try:
            yield f"{name}=={importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            continue


def settings_for(constraints: Path, wheel_folder: Path | None) -> dict[str, str]:
    """Environment variables that make pip keep to constraints, and to a folder of wheels where one is given."""
    # pip splits its environment variables at spaces, so paths are given as addresses.
    settings = {"PIP_CONSTRAINT": constraints.as_uri(), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    if wheel_folder is not None:
        settings |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": Path(wheel_folder).resolve().as_uri()}
    return settings


@contextmanager
def environment(settings: dict[str, str]) -> Iterator[None]:
    """Environment variables for the time of a block: pip runs in a child process, which inherits them."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
