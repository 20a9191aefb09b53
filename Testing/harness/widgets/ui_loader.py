"""qt.QUiLoader that refuses what Qt would only warn of: unknown classes, properties, signals and slots."""

import xml.etree.ElementTree as ET
from typing import ClassVar

from PySide6 import QtCore, QtUiTools, QtWidgets

from . import signals
from .pythonqt import qt_properties, to_python
from .stand_in import declared_properties

LAYOUT_PROPERTIES = {"leftMargin", "topMargin", "rightMargin", "bottomMargin", "margin", "horizontalSpacing"}
LAYOUT_PROPERTIES |= {"verticalSpacing"}


class QUiLoader:
    """Loads a .ui file whose custom widgets are the stand-ins given at the start of the harness."""

    widget_classes: ClassVar[dict[str, type]] = {}

    def load(self, device, parent=None):
        """The top widget; raises ValueError with what the file has wrong."""
        root = ET.fromstring(bytes(device.readAll().data()).decode())
        connections = root.find("connections")
        wires = [] if connections is None else [[child.text for child in wire[:4]] for wire in connections]
        if connections is not None:
            root.remove(connections)
        values = self._take_declared_properties(root)
        loader = QtUiTools.QUiLoader()
        for name in {widget.get("class") for widget in root.iter("widget")} & set(self.widget_classes):
            loader.registerCustomWidget(self.widget_classes[name])
        buffer = QtCore.QBuffer()
        buffer.setData(ET.tostring(root))
        top = loader.load(buffer, parent)
        if top is None:
            raise ValueError(f"the .ui file could not be loaded: {loader.errorString()}")
        by_name = {widget.objectName: widget for widget in [top, *top.findChildren(QtWidgets.QWidget)]}
        for name, attribute, value in values:
            if attribute == "buddy":
                by_name[name].setBuddy(by_name[value])
            else:
                setattr(by_name[name], attribute, value)
        for wire in wires:
            connect(by_name, *wire)
        top.__dict__["_widgets"] = by_name  # keeps the Python side of the stand-ins alive as long as the panel
        signals.raw_connect(top, QtCore.SIGNAL("destroyed()"), lambda: by_name.clear())
        return top

    def _take_declared_properties(self, root) -> list[tuple]:
        """Checks every widget; takes out and returns the properties that stand-ins declare: (widget, name, value)."""
        names, values = set(), []
        for widget in root.iter("widget"):
            cls, name = self.class_named(widget.get("class")), widget.get("name")
            if not name or name in names:
                raise ValueError(f"a widget of class {widget.get('class')} has the name {name!r}, empty or used twice")
            names.add(name)
            declared = declared_properties(cls)
            for entry in widget.findall("property"):
                if entry.get("name") == "buddy" and cls is QtWidgets.QLabel:
                    values.append((name, "buddy", entry[0].text))
                    widget.remove(entry)
                elif entry.get("stdset") != "0":
                    self._check(cls, name, entry.get("name"))
                if entry.get("name") in declared:
                    values.append((name, entry.get("name"), value_of(entry, cls)))
                    widget.remove(entry)
        for layout in root.iter("layout"):
            cls = self.class_named(layout.get("class"))
            for entry in layout.findall("property"):
                if entry.get("name") not in LAYOUT_PROPERTIES:
                    self._check(cls, layout.get("name"), entry.get("name"))
        return values

    def class_named(self, name: str) -> type:
        found = self.widget_classes.get(name) or getattr(QtWidgets, name, None)
        if found is None:
            raise ValueError(f"the .ui file names the class {name}, which is unknown")
        return found

    @staticmethod
    def _check(cls: type, widget: str, name: str) -> None:
        if name not in declared_properties(cls) | qt_properties(cls):
            raise ValueError(f'{widget}: {cls.__name__} has no property {name} (a dynamic one needs stdset="0")')


def value_of(entry, cls: type):
    """A property's value in a .ui file as Python's: numbers, strings, lists, enums of the class."""
    child = entry[0]
    if child.tag in ("enum", "set"):
        total = 0
        for word in (child.text or "").split("|"):
            holder = QtCore.Qt if word.startswith("Qt::") else getattr(QtWidgets, word.split("::")[0], cls)
            total |= int(to_python(getattr(holder, word.split("::")[-1])))
        return total
    if child.tag == "stringlist":
        return [text.text or "" for text in child]
    convert = {"bool": lambda text: text == "true", "number": int, "double": float}.get(child.tag, str)
    return convert(child.text or "")


def connect(by_name: dict, sender: str, signal: str, receiver: str, slot: str) -> None:
    """Wires one <connection>; raises where a name, the signal or the slot is unknown."""
    for name in (sender, receiver):
        if name not in by_name:
            raise ValueError(f"<connections> names the widget {name}, which is unknown")
    target, method = by_name[receiver], slot.split("(")[0]
    if signals.normalized(signal).split("(")[1] != signals.normalized(slot).split("(")[1] and "()" not in slot:
        raise ValueError(f"<connections>: {signal} cannot be connected to {slot}")
    if not callable(getattr(target, method, None)):
        raise ValueError(f"<connections>: {receiver} has no slot {slot}")
    signals.connect(by_name[sender], signal, getattr(target, method))
