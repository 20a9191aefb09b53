"""Widgets that can be bound to each type of parameter, with the same restrictions (by exact class) as in Slicer."""

import pathlib

import slicer

from .parameter_types import WithinRange


class Connector:
    """A widget bound to a parameter: its property and the signal that tells of a change."""

    def __init__(self, widget, property_name: str, signal: str, convert=lambda value: value):
        self._widget, self._property, self._signal, self._convert = widget, property_name, signal, convert
        self._callback = None

    def connect(self, callback) -> None:
        self._callback = lambda: callback()
        if self._signal:
            getattr(self._widget, self._signal).connect(self._callback)

    def disconnect(self) -> None:
        if self._signal and self._callback:
            getattr(self._widget, self._signal).disconnect(self._callback)
        self._callback = None

    def read(self):
        return self._convert(getattr(self._widget, self._property))

    def write(self, value) -> None:
        value = str(value) if isinstance(value, pathlib.Path) else value
        if getattr(self._widget, self._property) != value:
            setattr(self._widget, self._property, value)


class NodeConnector(Connector):
    """qMRMLNodeComboBox: connecting sets its node types from the parameter's type, as in Slicer."""

    def __init__(self, widget, parameter):
        super().__init__(widget, "", "currentNodeChanged")
        widget.nodeTypes = tuple(kind().GetClassName() for kind in parameter.node_types())

    def read(self):
        return self._widget.currentNode()

    def write(self, value) -> None:
        self._widget.setCurrentNode(value)


def make_connector(widget, parameter) -> Connector:
    """The connector of a widget for a parameter; raises RuntimeError where Slicer has none."""
    qt, ctk = slicer.harness_qt, slicer.harness_ctk
    cls, kind = type(widget), parameter.kind
    if cls is slicer.qMRMLNodeComboBox and parameter.node_types():
        return NodeConnector(widget, parameter)
    if kind is bool and cls is qt.QCheckBox:
        return Connector(widget, "checked", "stateChanged")
    if kind is bool and cls is qt.QPushButton and widget.checkable:
        return Connector(widget, "checked", "toggled")
    if kind is int and cls in (qt.QSlider, qt.QSpinBox):
        _set_range(widget, parameter, needs_range=cls is qt.QSlider)
        return Connector(widget, "value", "valueChanged")
    if kind in (int, float) and cls in (qt.QDoubleSpinBox, ctk.ctkSliderWidget):
        _set_range(widget, parameter, needs_range=cls is ctk.ctkSliderWidget)
        return Connector(widget, "value", "valueChanged", kind)
    if kind is str and cls in (qt.QLineEdit, qt.QLabel):
        return Connector(widget, "text", "textChanged" if cls is qt.QLineEdit else "")
    if kind is pathlib.Path and cls is ctk.ctkPathLineEdit:
        return Connector(widget, "currentPath", "currentPathChanged", pathlib.Path)
    raise RuntimeError(f"Unable to create GUI connector from datatype {kind} to widget {widget.name} of {cls}")


def _set_range(widget, parameter, *, needs_range: bool) -> None:
    """Sets the range of a widget from the parameter's annotation."""
    ranges = [found for found in parameter.annotations if isinstance(found, WithinRange)]
    if ranges:
        widget.setRange(ranges[0].minimum, ranges[0].maximum)
    elif needs_range:
        raise RuntimeError(f"{widget.name}: this widget cannot be bound to a parameter without a range")
    else:
        limit = 2**31 - 1 if isinstance(widget.value, int) else 1e300
        widget.setRange(-limit, limit)
