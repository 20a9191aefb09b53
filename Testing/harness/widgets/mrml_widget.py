"""qMRMLWidget, the base of the widgets that know a scene, and the other plain widgets of Slicer."""

from PySide6 import QtWidgets

from . import signals
from .stand_in import stand_in


@stand_in
class qMRMLWidget(QtWidgets.QWidget):
    """Widget with a scene that it passes on by its signal."""

    _signals = ("mrmlSceneChanged(vtkMRMLScene*)",)
    _scene = None

    def mrmlScene(self):
        """The scene, or None."""
        return self._scene

    def setMRMLScene(self, scene) -> None:
        """Sets the scene and tells the widgets that are connected to mrmlSceneChanged."""
        if scene is not self._scene:
            self._scene = scene
            signals.emit(self, "mrmlSceneChanged(vtkMRMLScene*)", scene)


@stand_in
class qSlicerWidget(qMRMLWidget):
    """Widget of Slicer's base library."""


@stand_in
class qSlicerScriptedLoadableModuleWidget(qSlicerWidget):
    """C++ side of a module's panel: `reload` makes the Python side anew, as after the Reload button."""

    _make_python_widget = None
    _python_widget = None
    _entered = False
    isEntered = property(lambda self: self._entered)

    def enter(self) -> None:
        """The user opens the module."""
        self._entered = True
        self._tell("enter")

    def exit(self) -> None:
        """The user leaves the module."""
        self._entered = False
        self._tell("exit")

    def _tell(self, method: str) -> None:
        getattr(self._python_widget, method, lambda: None)()

    def reload(self) -> None:
        """Makes the module's Python widget again."""
        self._make_python_widget()

    def self(self):
        """The Python widget."""
        return self._python_widget
