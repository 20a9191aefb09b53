"""slicer.app: the parts of qSlicerApplication that the module uses, around a fresh scene."""

import os
import sys
from pathlib import Path

import slicer
import slicer.util
from PySide6 import QtCore, QtWidgets

from ..module_panel import qSlicerModulePanel
from ..widgets import signals
from ..widgets.stand_in import Observations, stand_in
from .io_manager import IOManager
from .layout import LayoutManager
from .subject_hierarchy import observe


@stand_in
class ModuleManager(QtCore.QObject):
    """slicer.app.moduleManager()."""

    _signals = (
        "moduleLoaded(QString)",
        "moduleAboutToBeUnloaded(QString)",
    )

    def modulesNames(self) -> tuple:
        return tuple(slicer.modules.known)

    def module(self, name: str):
        return slicer.modules.known.get(name)


@stand_in
class ModuleSelector(QtWidgets.QToolBar):
    """The list of modules in the main window."""

    _signals = ("moduleSelected(QString)",)

    def __init__(self, panel: qSlicerModulePanel):
        super().__init__()
        self._panel = panel

    def selectModule(self, name: str) -> None:
        """Opens a module, or none; nothing happens where it is open."""
        self._panel.setModule(slicer.modules.known[name] if name else None)
        signals.emit(self, "moduleSelected(QString)", name)


class MainWindow(QtWidgets.QMainWindow):
    """The main window, which has the list of modules, the panel in which they are shown, and a status bar."""

    def __init__(self):
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self.module_panel = qSlicerModulePanel()
        self.setCentralWidget(self.module_panel)
        self._selector = ModuleSelector(self.module_panel)
        self.addToolBar(self._selector)

    def moduleSelector(self):
        return self._selector


@stand_in
class Application(QtCore.QObject):
    """Owner of a scene, its logics, the layout manager and the settings, for one test."""

    _signals = (
        "startupCompleted()",
        "aboutToQuit()",
        "mrmlSceneChanged(vtkMRMLScene*)",
    )
    applicationName = property(lambda self: "Slicer")
    temporaryPath = property(lambda self: self._folder)

    def __init__(self, folder: str):
        super().__init__()
        self._folder, self._testing = folder, False
        self._scene = slicer.vtkMRMLScene()
        self._scene.SetRootDirectory(folder)
        crosshair = slicer.vtkMRMLCrosshairNode()
        crosshair.SetCrosshairName("default")
        self._scene.AddNode(crosshair)
        (Path(folder) / "share" / "ColorFiles").mkdir(parents=True)
        self._logic = slicer.vtkSlicerApplicationLogic()
        self._logic.SetHomeDirectory(folder)
        self._logic.SetShareDirectory("share")
        self._logic.SetMRMLScene(self._scene)
        self._manager = ModuleManager()
        self._io = IOManager(self._scene)
        self._settings = QtCore.QSettings(str(Path(folder) / "Slicer.ini"), QtCore.QSettings.IniFormat)
        slicer.app, slicer.mrmlScene = self, self._scene
        self._observed = Observations(self)
        observe(self._scene, self._observed)
        self._main_window = MainWindow()
        self._layout = LayoutManager(self._scene, self._logic)

    def mrmlScene(self):
        return self._scene

    def applicationLogic(self):
        return self._logic

    def layoutManager(self):
        return self._layout

    def moduleManager(self):
        return self._manager

    def coreIOManager(self):
        return self._io

    def ioManager(self):
        return self._io

    def dicomDatabase(self):
        return slicer.dicomDatabase

    def userSettings(self):
        return self._settings

    def testingEnabled(self) -> bool:
        return self._testing

    def startupEnvironment(self):
        """Environment as it was when the test process started, with PythonSlicer on its path."""
        environment = QtCore.QProcessEnvironment()
        for name, value in os.environ.items():
            environment.insert(name, value)
        return environment

    def topLevelWidgets(self) -> list:
        return QtWidgets.QApplication.topLevelWidgets()

    def processEvents(self) -> None:
        """Only for Slicer's own functions: elsewhere the user could press buttons in the middle of a function."""
        caller = sys._getframe(1).f_code.co_filename
        if Path(caller) != Path(slicer.util.__file__):
            raise AssertionError(f"{caller} must not call processEvents()")
        QtWidgets.QApplication.processEvents()

    def setOverrideCursor(self, cursor) -> None:
        QtWidgets.QApplication.setOverrideCursor(cursor)

    def restoreOverrideCursor(self) -> None:
        QtWidgets.QApplication.restoreOverrideCursor()

    def pauseRender(self) -> None:
        """Nothing is rendered by itself here."""

    def resumeRender(self) -> None:
        """Nothing is rendered by itself here."""

    def quit_as_user(self) -> None:
        """What happens when the user closes Slicer.

        No module is shown any more, the layout is saved, modules are unloaded, and only then aboutToQuit is sent.
        """
        self._main_window.moduleSelector().selectModule("")
        self._settings.setValue("MainWindow/layout", self._layout.layout)
        for name in list(slicer.modules.known):
            signals.emit(self._manager, "moduleAboutToBeUnloaded(QString)", name)
        signals.emit(self, "aboutToQuit()")

    def release(self) -> None:
        """Lets go of the scene's views and nodes."""
        self._main_window.deleteLater()
        self._layout._release()
        self._observed.clear()
        self._scene.Clear(True)
