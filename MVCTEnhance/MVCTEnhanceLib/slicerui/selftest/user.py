"""The user of the module's self-test: opens the panel, chooses, presses buttons, waits and looks."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import qt
import slicer
import slicer.util

from ..worker.process_tree import descendants
from .data import add_scan

MODULE = "MVCTEnhance"
_POLL_MS = 10
_SECONDS = 300


class User:
    """Drives the module's panel in the application that runs.

    Args:
        case: the unittest.TestCase whose assertions fail the self-test.
        folder: for files; empty, and removed afterwards.
    """

    def __init__(self, case, folder: Path):
        self.case = case
        self.folder = folder
        self.errors: list[str] = []
        """What went wrong in slots and observers, which Slicer only prints."""
        self.scan = None
        """The MVCT that is chosen."""
        self.result = None
        """The EnhanceResult that is chosen."""
        self._idle_text = ""
        self._before = sys.excepthook

    def __enter__(self) -> User:
        self._before, sys.excepthook = sys.excepthook, self._on_error
        return self

    def __exit__(self, *error) -> None:
        sys.excepthook = self._before

    @property
    def widget(self):
        """The panel's Python widget: another one after a reload."""
        return slicer.util.getModuleWidget(MODULE)

    @property
    def ui(self):
        """The panel's widgets by name."""
        return self.widget.ui

    @property
    def parameters(self):
        """The module's parameter node."""
        return self.widget.logic.getParameterNode()

    @property
    def running(self) -> bool:
        """Whether Apply has turned into Cancel."""
        return self.ui.applyButton.text != self._idle_text

    def start_anew(self) -> None:
        """Close the scene, open the panel, and choose a new scan as MVCT."""
        slicer.mrmlScene.Clear(0)
        self.open()
        self.scan, self.result = add_scan("MVCT", seed=1), None
        self.ui.mvctSelector.setCurrentNode(self.scan)

    def open(self) -> None:
        """Open the module, as far as an application without a main window has that."""
        if slicer.util.mainWindow() is not None:
            slicer.util.selectModule(MODULE)
        else:
            slicer.util.getModule(MODULE).widgetRepresentation().enter()
        self._idle_text = self._idle_text or self.ui.applyButton.text

    def press(self, button) -> None:
        """Press a button that the panel offers."""
        self.case.assertTrue(button.enabled, f"{button.name}: {button.toolTip}")
        button.click()
        self.require_no_errors()

    def start_run(self) -> set[int]:
        """Press Apply and wait until the worker has told something; returns the worker's processes."""
        before = children()
        self.press(self.ui.applyButton)
        self.case.assertTrue(self.running, self.ui.statusLabel.text)
        first = self.ui.stageLabel.text
        self.wait(lambda: self.ui.stageLabel.text != first, "the worker's first stage")
        self.case.assertTrue(self.running, f"the run ended too early: {self.ui.statusLabel.text}")
        return children() - before

    def wait(self, predicate: Callable[[], bool], what: str, seconds: float = _SECONDS) -> None:
        """Let the application go on until the predicate holds; fails after a time."""
        end = time.monotonic() + seconds
        while not predicate():
            self.require_no_errors()
            self.case.assertLess(time.monotonic(), end, f"waited for {seconds} s for {what}")
            pause(_POLL_MS)
        self.require_no_errors()

    def require_no_errors(self) -> None:
        """Fail where a slot or an observer has failed."""
        self.case.assertEqual(self.errors, [])

    def _on_error(self, kind, error, trace) -> None:
        self.errors.append("".join(traceback.format_exception(kind, error, trace)))
        self._before(kind, error, trace)


def pause(milliseconds: int) -> None:
    """Let the application go on for a while."""
    loop = qt.QEventLoop()
    qt.QTimer.singleShot(milliseconds, lambda: loop.quit())
    loop.exec_()


def children() -> set[int]:
    """The processes that this one has started, at any depth; none on Windows, where they are not looked for."""
    return set() if os.name == "nt" else descendants({os.getpid()})


def temporary_folders() -> set[Path]:
    """The folders in which scans go to a worker and come back."""
    return set(Path(slicer.app.temporaryPath).glob(f"{MODULE}-*"))


def data_nodes() -> set[str]:
    """IDs of the nodes in which a run could leave something."""
    classes = ("vtkMRMLVolumeNode", "vtkMRMLTextNode", "vtkMRMLTableNode", "vtkMRMLPlotChartNode")
    return {node.GetID() for name in classes for node in slicer.util.getNodesByClass(name)}
