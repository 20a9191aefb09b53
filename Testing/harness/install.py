"""Puts the stand-ins into sys.modules, so that `import qt, ctk, slicer` work as in Slicer; takes them out again."""

import os
import stat
import sys
import types
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
if sys.platform == "linux":
    os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")  # needs no X server
os.environ["PYSIDE6_OPTION_PYTHON_ENUM"] = "0x03"  # enums as integers without their class, as in PythonQt

import slicer
import slicer.util
from PySide6 import QtCore, QtGui, QtWidgets

from .widgets import pythonqt

HIDDEN = {"Signal", "SignalInstance", "Slot", "Property", "SIGNAL", "SLOT", "ClassInfo", "QEnum", "QFlag"}
APPLICATION = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["Slicer"])
pythonqt.apply_rules([QtCore, QtGui, QtWidgets])

from .application import dicom_database, i18n, packages, parameter_module, sample_data  # noqa: E402 (their classes need the rules)
from .widgets import (  # noqa: E402 (their classes need the rules)
    ctk_collapsible,
    ctk_slider,
    ctk_widgets,
    mrml_widget,
    node_combo_box,
    plot_view,
    slice_view,
    ui_loader,
)


def _qt() -> types.ModuleType:
    """PythonQt's flat namespace."""
    qt = types.ModuleType("qt")
    for space in (QtCore, QtGui, QtWidgets):
        for name in dir(space):
            if not name.startswith("_") and name not in HIDDEN:
                setattr(qt, name, getattr(space, name))
    qt.QUiLoader = ui_loader.QUiLoader
    return qt


def _ctk() -> types.ModuleType:
    ctk = types.ModuleType("ctk")
    for source in (ctk_widgets, ctk_collapsible, ctk_slider):
        for name in vars(source):
            if name.startswith("ctk") and name[3].isupper():
                setattr(ctk, name, getattr(source, name))
    return ctk


def _add_to_slicer(qt, ctk) -> dict[str, types.ModuleType]:
    """Classes of Slicer that are no part of the wheel, and its Python submodules."""
    slicer.harness_qt, slicer.harness_ctk = qt, ctk
    classes = [vars(module) for module in WIDGET_MODULES]
    for name, value in [entry for found in classes for entry in found.items()]:
        if name.startswith(("qMRML", "qSlicer")):
            setattr(slicer, name, value)
    if not hasattr(slicer, "qSlicerScriptedLoadableModule"):
        from .application.modules import ModuleDescription

        slicer.qSlicerScriptedLoadableModule = ModuleDescription
    for name in ("LazyImport",):  # newer than the oldest Slicer that is supported
        for holder in (slicer, slicer.util):
            if hasattr(holder, name):
                delattr(holder, name)
    from .application import scripted

    parts = {"ScriptedLoadableModule": scripted, "parameterNodeWrapper": parameter_module, "i18n": i18n}
    parts["packaging"] = packages
    for name, module in parts.items():
        setattr(slicer, name, module)
    return {f"slicer.{name}": module for name, module in parts.items()}


def _known_widgets() -> dict[str, type]:
    known = {name: value for name, value in vars(slicer).items() if name.startswith(("qMRML", "qSlicer"))}
    known |= {name: value for name, value in vars(CTK).items() if name.startswith("ctk")}
    return {name: value for name, value in known.items() if isinstance(value, type)}


WIDGET_MODULES = [mrml_widget, node_combo_box, plot_view, slice_view]
QT, CTK = _qt(), _ctk()
MODULES = {"qt": QT, "ctk": CTK, **_add_to_slicer(QT, CTK), **dicom_database.dicom_lib(), **sample_data.modules()}
ui_loader.QUiLoader.widget_classes = _known_widgets()


def enter() -> None:
    """Makes the stand-ins importable."""
    sys.modules.update(MODULES)


def leave() -> None:
    """Takes them out, so that tests of the library see Python as it is."""
    for name in MODULES:
        sys.modules.pop(name, None)


def python_slicer(folder: Path) -> Path:
    """A launcher called PythonSlicer which, like the real one, is not the process that works but its parent."""
    launcher = folder / "PythonSlicer"
    launcher.write_text(f'#!/bin/sh\n"{sys.executable}" "$@"\nexit $?\n')
    launcher.chmod(launcher.stat().st_mode | stat.S_IXUSR)
    return launcher
