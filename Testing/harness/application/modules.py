"""slicer.modules: the module under test and the modules of Slicer whose logic it may use (with their real logics)."""

import importlib.util
import sys
from pathlib import Path

import slicer
from PySide6 import QtWidgets

from ..widgets.mrml_widget import qSlicerScriptedLoadableModuleWidget

LOGICS = {
    "colors": "vtkSlicerColorLogic",
    "volumes": "vtkSlicerVolumesLogic",
    "sequences": "vtkSlicerSequencesLogic",
    "segmentations": "vtkSlicerSegmentationsModuleLogic",
    "markups": "vtkSlicerMarkupsLogic",
    "units": "vtkSlicerUnitsLogic",
    "tables": "vtkSlicerTablesLogic",
    "plots": "vtkSlicerPlotsLogic",
    "transforms": "vtkSlicerTransformLogic",
    "subjecthierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
}


class CoreModule:
    """One of Slicer's own modules: its name, its logic and an empty panel."""

    def __init__(self, name: str, logic):
        self.name, self._logic = name, logic
        self._representation = None

    def widgetRepresentation(self):
        """The panel, made at the first call."""
        if self._representation is None:
            self._representation = qSlicerScriptedLoadableModuleWidget()
            self._representation.setLayout(QtWidgets.QVBoxLayout())
        return self._representation

    def logic(self):
        return self._logic


class ModuleDescription:
    """What a scripted module writes its title and texts to; unknown names raise."""

    __slots__ = ("_logic", "_representation", "acknowledgementText", "associatedNodeTypes", "categories",
                 "contributors", "dependencies", "extensions", "helpText", "hidden", "icon", "index", "name",
                 "path", "title")  # fmt: skip

    def __init__(self, path: str):
        self.path, self.name = path, Path(path).stem
        self._representation = self._logic = None
        self.hidden, self.index, self.associatedNodeTypes = False, -1, []

    def widgetRepresentation(self):
        """The panel, made at the first call: Python widget with setup() done."""
        if self._representation is None:
            self._representation = qSlicerScriptedLoadableModuleWidget()
            self._representation._make_python_widget = self._make_widget
            self._representation.setLayout(QtWidgets.QVBoxLayout())
            self._representation.setMRMLScene(slicer.mrmlScene)
            self._make_widget()
        return self._representation

    def _make_widget(self) -> None:
        cls = getattr(sys.modules[self.name], f"{self.name}Widget")
        widget = cls(self._representation)
        self._representation._python_widget = widget
        setattr(slicer.modules, f"{self.name}Widget", widget)
        widget.setup()

    def logic(self):
        return self._logic


class Modules:
    """The namespace slicer.modules; unknown names raise AttributeError."""

    def __init__(self, scene, application_logic):
        self.known: dict[str, object] = {}
        for name, class_name in LOGICS.items():
            if not hasattr(slicer, class_name):
                continue
            logic = getattr(slicer, class_name)()
            if hasattr(logic, "SetMRMLApplicationLogic"):
                logic.SetMRMLApplicationLogic(application_logic)
            logic.SetMRMLScene(scene)
            application_logic.SetModuleLogic(name.capitalize(), logic)
            self._register(name.capitalize(), CoreModule(name.capitalize(), logic))
        application_logic.SetColorLogic(self.colors.logic())

    def _register(self, name: str, module) -> None:
        self.known[name] = module
        setattr(self, name.lower(), module)

    def load_scripted(self, path: Path) -> ModuleDescription:
        """Loads a scripted module from its file, as Slicer does at its start."""
        name = path.stem
        if str(path.parent) not in sys.path:
            sys.path.insert(0, str(path.parent))
        spec = importlib.util.spec_from_file_location(name, path)
        source = importlib.util.module_from_spec(spec)
        sys.modules[name] = source
        spec.loader.exec_module(source)
        description = ModuleDescription(str(path))
        setattr(self, f"{name}Instance", getattr(source, name)(description))
        self._register(name, description)
        return description

    def release(self) -> None:
        """Takes all panels away."""
        for module in self.known.values():
            if module._representation is not None:
                module._representation.deleteLater()
