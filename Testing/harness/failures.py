"""Failures of a test in which no line raised: errors in slots and observers, and logged errors."""

import logging
import sys
import traceback

import vtk
from PySide6 import QtCore


class Watch(logging.Handler):
    """Collects exceptions that reach sys.excepthook, and log records of level ERROR and above."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record) -> None:
        self.found.append(f"logged {record.levelname}: {record.getMessage()}")

    def hook(self, kind, error, trace) -> None:
        self.found.append("".join(traceback.format_exception(kind, error, trace)))

    def qt_message(self, kind, _context, text: str) -> None:
        if kind in (QtCore.QtMsgType.QtCriticalMsg, QtCore.QtMsgType.QtFatalMsg):
            self.found.append(f"Qt: {text}")
        elif "propagateSizeHints" not in text:  # which the plugin without a screen says of every window
            print(f"Qt: {text}", file=sys.stderr)

    @vtk.calldata_type(vtk.VTK_STRING)
    def vtk_error(self, _window, _event, text: str) -> None:
        self.found.append(f"VTK: {text.strip()}")

    def __enter__(self):
        self._window = vtk.vtkOutputWindow.GetInstance()
        window = vtk.vtkOutputWindow()
        window.SetDisplayModeToNever()
        window.AddObserver(vtk.vtkCommand.ErrorEvent, self.vtk_error)
        vtk.vtkOutputWindow.SetInstance(window)
        QtCore.qInstallMessageHandler(self.qt_message)
        self._hook, sys.excepthook = sys.excepthook, self.hook
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *_):
        vtk.vtkOutputWindow.SetInstance(self._window)
        QtCore.qInstallMessageHandler(None)
        sys.excepthook = self._hook
        logging.getLogger().removeHandler(self)

    def take(self) -> list[str]:
        """What was found since the last call; for a test that expects it."""
        found, self.found = self.found, []
        return found
