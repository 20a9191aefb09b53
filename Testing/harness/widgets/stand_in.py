"""Declarations for stand-ins of C++ widgets: Qt properties with checked types, and signals by signature."""

import vtk
from PySide6 import QtCore

from . import signals
from .pythonqt import accepts


class Declared(property):
    """A Q_PROPERTY that a stand-in declares in Python."""


def declare(kind: str, default, changed: str = ""):
    """A read-write Q_PROPERTY of a C++ type; `changed` names a method that is called after a change of value.

    The class decorator adds its setter (setMinimum for minimum).
    """
    cell: dict[str, str] = {}

    def read(self):
        return self.__dict__.setdefault("_values", {}).get(id(cell), default)

    def write(self, value):
        if kind == "QStringList":
            valid = isinstance(value, (list, tuple)) and all(isinstance(entry, str) for entry in value)
            value = tuple(value) if valid else value
        else:
            valid = accepts(kind, value)
        if not valid:
            raise ValueError(f"{type(self).__name__}: a property of type '{kind}' does not accept {value!r}")
        value = {"double": float, "int": int, "bool": bool}.get(kind, lambda same: same)(value)
        if value != read(self):
            self._values[id(cell)] = value
            if changed:
                getattr(self, changed)()

    return Declared(read, write)


def stand_in(cls: type) -> type:
    """Class decorator: makes a class obey PythonQt's rules as the C++ class that it stands for."""
    cls._stand_in = True
    for name, value in list(vars(cls).items()):
        setter = f"set{name[0].upper()}{name[1:]}"
        if isinstance(value, Declared) and setter not in vars(cls):
            setattr(cls, setter, lambda self, value, name=name: setattr(self, name, value))
    for name in dict.fromkeys(signature.split("(")[0] for signature in vars(cls).get("_signals", ())):
        setattr(cls, name, signals.SignalAttribute(name))
    return cls


def declared_properties(cls: type) -> set[str]:
    """Names of the properties that a stand-in and its bases declare in Python."""
    return {name for base in cls.__mro__ for name, value in vars(base).items() if isinstance(value, Declared)}


class Observations:
    """Observers of VTK objects that end with the widget that made them."""

    def __init__(self, widget):
        self._observed: list[tuple[vtk.vtkObject, int]] = []
        signals.raw_connect(widget, QtCore.SIGNAL("destroyed()"), self.clear)

    def add(self, target, event, callback, priority: float = 0.0) -> None:
        self._observed.append((target, target.AddObserver(event, callback, priority)))

    def clear(self, *_ignored) -> None:
        for target, tag in self._observed:
            target.RemoveObserver(tag)
        self._observed.clear()
