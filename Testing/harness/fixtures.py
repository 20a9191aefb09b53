"""Fixtures of all tests with widgets; the harness is imported only when a test asks for it."""

import gc
import importlib.metadata
import os
import sys
from pathlib import Path

import pytest

PATIENCE_S = 20.0  # with child processes that are about to end
NEEDED = {"PySide6-Essentials": "PySide6", "slicer-core": "slicer-core"}


def skip_without_needed() -> None:
    """Skips the test where the system or a package is missing that the harness needs."""
    if os.name == "nt":
        pytest.skip("the panel's tests need a POSIX shell for the launcher that stands in for PythonSlicer")
    for distribution, name in NEEDED.items():
        try:
            importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            pytest.skip(f"the panel's tests need {name} (pip install {distribution}), which is not installed")


@pytest.fixture
def app(tmp_path, monkeypatch):
    """A fresh application with an empty scene; an error in a slot or observer, or a logged ERROR, fails the test."""
    skip_without_needed()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from . import install, processes
    from .driver import App
    from .failures import Watch

    folder = tmp_path / "slicer"
    folder.mkdir()
    library = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "MVCTEnhanceLib"}
    path, launcher = list(sys.path), install.python_slicer(folder)
    monkeypatch.setenv("PATH", f"{launcher.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv(processes.MARK, str(folder))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    install.enter()
    with Watch() as watch:
        running = App(folder, watch)
        try:
            yield running
            running.run_events()
        finally:
            running.end()
            orphans = processes.wait_for_none(PATIENCE_S)
            install.leave()
            sys.path[:] = path
            restore_library(library)
    assert not watch.found, "errors that the user would see in Slicer's error log:\n" + "\n".join(watch.found)
    assert not orphans, f"{len(orphans)} child processes outlived the application"


@pytest.fixture(scope="module", autouse=True)
def widgets_end_where_they_began():
    """Left over, they would be destroyed by whatever thread collects garbage next, where Qt waits for ever."""
    yield
    gc.collect()


def restore_library(library: dict) -> None:
    """Library modules as other tests imported them: reload replaces them, and the panel's need Slicer."""
    for name in [name for name in sys.modules if name.split(".")[0] == "MVCTEnhanceLib"]:
        if name not in library or "slicerui" in name:
            del sys.modules[name]
    sys.modules.update({name: module for name, module in library.items() if "slicerui" not in name})


def use_module_folder() -> None:
    """Puts the module's folder (a copy, where MVCTENHANCE_MODULE_FOLDER names one) first on Python's path."""
    folder = os.environ.get("MVCTENHANCE_MODULE_FOLDER")
    if folder and folder not in sys.path:
        sys.path.insert(0, str(Path(folder)))
