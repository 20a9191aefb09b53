"""slicer.parameterNodeWrapper: typed access to a vtkMRMLScriptedModuleNode, stored just as Slicer stores it."""

import pathlib
import types
import typing

import slicer
import vtk

from .parameter_gui import Connector, make_connector
from .parameter_types import Default, Validator, is_node

PROPERTY = "SlicerParameterName"


class Parameter:
    """One parameter: how it is checked, written and read. Nodes are references, all else is text."""

    def __init__(self, name: str, kind, annotations: tuple):
        self.name, self.kind, self.annotations = name, kind, annotations
        self.validators = [found for found in annotations if isinstance(found, Validator)]
        unknown = [a for a in annotations if not isinstance(a, (Validator, Default))]
        if unknown:
            raise TypeError(f"parameter {name}: annotations {unknown} are unknown")
        known = (str, bool, int, float, pathlib.Path)
        self.union = list(typing.get_args(kind)) if _is_union(kind) else []
        if isinstance(kind, types.UnionType):
            raise TypeError(f"parameter {name}: Slicer 5.12 knows typing.Union[A, B, None], not A | B")
        nodes = [part for part in self.union or [kind] if part is not types.NoneType]
        if kind not in known and not all(is_node(part) for part in nodes):
            raise TypeError(f"parameter {name}: the harness knows no type {kind}")

    def node_types(self) -> list[type]:
        """The node classes that the parameter may be; empty for one that is no node."""
        return [part for part in self.union or [self.kind] if is_node(part)]

    def default(self):
        for found in self.annotations:
            if isinstance(found, Default):
                return found.value
        return {str: "", bool: False, int: 0, float: 0, pathlib.Path: pathlib.Path()}.get(self.kind)

    def _keys(self) -> list[str]:
        return [f"{self.name}.{index}" for index in range(len(self.union))] if self.union else [self.name]

    def is_in(self, node) -> bool:
        return any(node.HasParameter(key) for key in self._keys())

    def check(self, value) -> None:
        """Raises TypeError or ValueError on a value that Slicer would refuse."""
        if self.union or is_node(self.kind):
            allowed = tuple(self.union or [self.kind])
            none_fits = not self.union or types.NoneType in self.union  # a union of nodes needs `| None` in Slicer
            if not (isinstance(value, allowed) or (value is None and none_fits)):
                raise TypeError(f"parameter {self.name}: {value!r} is no {allowed}")
        else:
            allowed = (int, float) if self.kind is float else self.kind
            if value is None or not isinstance(value, allowed):
                raise TypeError(f"parameter {self.name}: {value!r} is no {self.kind.__name__}")
        for validator in self.validators:
            validator.validate(value)

    def write(self, node, value) -> None:
        self.check(value)
        with slicer.util.NodeModify(node):
            if not self.union and not is_node(self.kind):
                node.SetParameter(self.name, ("True" if value else "False") if self.kind is bool else str(value))
                return
            for key in self._keys() if self.union else []:
                node.UnsetParameter(key)
                node.RemoveNodeReferenceIDs(key)
            fits = [isinstance(value, part) for part in self.union]
            key = f"{self.name}.{fits.index(True)}" if self.union else self.name
            node.SetParameter(key, "")
            if value is not None or not self.union:
                node.SetNodeReferenceID(key, value.GetID() if value is not None else None)

    def read(self, node):
        for key in self._keys():
            if not node.HasParameter(key):
                continue
            if self.union or is_node(self.kind):
                return node.GetNodeReference(key)
            text = node.GetParameter(key)
            return text == "True" if self.kind is bool else self.kind(text)
        raise KeyError(f"parameter {self.name} is not in the node")


def _is_union(kind) -> bool:
    return typing.get_origin(kind) is typing.Union


def _parameters(cls: type) -> dict[str, Parameter]:
    found = {}
    for name, hint in typing.get_type_hints(cls, include_extras=True).items():
        annotated = typing.get_origin(hint) is typing.Annotated
        kind, *annotations = typing.get_args(hint) if annotated else (hint,)
        if hasattr(cls, name):
            annotations = [*[a for a in annotations if not isinstance(a, Default)], Default(getattr(cls, name))]
        found[name] = Parameter(name, kind, tuple(annotations))
    return found


def parameterNodeWrapper(classtype=None):
    """Class decorator: annotated names become parameters of the node given to the constructor."""
    if classtype is None:
        return parameterNodeWrapper
    classtype.allParameters = _parameters(classtype)
    for name, parameter in classtype.allParameters.items():
        setattr(classtype, name, _attribute(parameter))
    methods = {name: value for name, value in vars(_Wrapper).items() if not name.startswith("__") or name == "__init__"}
    for name, value in methods.items():
        if name != "__init__" and hasattr(classtype, name):
            raise ValueError(f"Cannot use reserved name '{name}' in a parameterNodeWrapper")
        setattr(classtype, name, value)
    return classtype


def _attribute(parameter: Parameter) -> property:
    return property(
        lambda self: self._read(parameter.name),
        lambda self, value: parameter.write(self.parameterNode, value),
    )


class _Wrapper:
    """Methods that every wrapped class gets."""

    _is_parameter_node_wrapper = True

    def __init__(self, parameterNode, prefix: str | None = None):
        self.parameterNode = parameterNode
        self._guis: dict[int, tuple[dict, int]] = {}
        self._updating = False
        for parameter in self.allParameters.values():
            if not parameter.is_in(parameterNode):
                parameter.write(parameterNode, parameter.default())

    def _read(self, name: str):
        parameter = self.allParameters[name]
        if not parameter.is_in(self.parameterNode):
            parameter.write(self.parameterNode, parameter.default())
        return parameter.read(self.parameterNode)

    def default(self, name: str):
        return Default(self.allParameters[name].default())

    def isCached(self, name: str) -> bool:
        return not self.allParameters[name].union

    def dataType(self, name: str):
        return self.allParameters[name].kind

    def getValue(self, name: str):
        return getattr(self, self._known(name))

    def setValue(self, name: str, value) -> None:
        setattr(self, self._known(name), value)

    def _known(self, name: str) -> str:
        if name not in self.allParameters:
            raise ValueError(f"Cannot find a param with the given name: {name}")
        return name

    def connectGui(self, gui) -> int:
        """Connects every widget below `gui` (or in a childWidgetVariables object) that names a parameter."""
        is_widget = hasattr(gui, "isWidgetType")
        widgets = gui.findChildren(slicer.harness_qt.QWidget) if is_widget else vars(gui).values()
        named = {widget.property(PROPERTY): widget for widget in widgets if widget.property(PROPERTY)}
        return self.connectParametersToGui(named)

    def connectParametersToGui(self, mapping: dict) -> int:
        connectors = {}
        for name, widget in mapping.items():
            parameter = self.allParameters[self._known(name)]
            connectors[name] = widget if isinstance(widget, Connector) else make_connector(widget, parameter)
        tag = len(self._guis) + 1 + max(self._guis, default=0)
        for name, connector in connectors.items():
            connector.write(self.getValue(name))
            connector.connect(lambda name=name, connector=connector: self._gui_changed(name, connector))
        observer = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._update_guis())
        self._guis[tag] = (connectors, observer)
        return tag

    def disconnectGui(self, tag: int) -> None:
        connectors, observer = self._guis.pop(tag, ({}, None))
        for connector in connectors.values():
            connector.disconnect()
        if observer is not None:
            self.RemoveObserver(observer)

    def _gui_changed(self, name: str, connector) -> None:
        if not self._updating:
            with slicer.util.NodeModify(self):
                self.setValue(name, connector.read())

    def _update_guis(self) -> None:
        if self._updating:
            return
        self._updating = True
        try:
            for connectors, _observer in list(self._guis.values()):
                for name, connector in connectors.items():
                    connector.write(self.getValue(name))
        finally:
            self._updating = False

    def StartModify(self):
        return self.parameterNode.StartModify()

    def EndModify(self, was_modified):
        return self.parameterNode.EndModify(was_modified)

    def AddObserver(self, event, callback, priority: float = 0.0) -> int:
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    def Modified(self) -> None:
        self.parameterNode.Modified()


def isParameterNodeWrapper(classOrObj) -> bool:
    return getattr(classOrObj, "_is_parameter_node_wrapper", False)
