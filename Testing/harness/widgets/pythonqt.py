"""PythonQt's access rules, put onto PySide6's classes.

A Qt property is read and written as an attribute (`label.text`, never `label.text()`), unknown attributes cannot be
written on C++ classes, dynamic properties and named children are read as attributes, and signals connect by signature.
"""

import enum
import types

from PySide6 import QtCore

from . import signals

Q = QtCore.QObject
_reading: set[tuple[int, str]] = set()
_timers: set = set()
_properties: dict[type, frozenset[str]] = {}  # kept from the start, since PySide may lose a class's meta-object later


class QtProperty:
    """Descriptor of a Q_PROPERTY; on the class it still gives the method of that name (QTimer.singleShot)."""

    def __init__(self, name: str, original=None):
        self.name, self.original = name, original

    def __get__(self, instance, owner):
        if instance is None:
            if self.original is None:
                raise AttributeError(f"type object {owner.__name__!r} has no attribute {self.name!r}")
            return self.original.__get__(None, owner) if hasattr(self.original, "__get__") else self.original
        key = (id(instance), self.name)
        if key in _reading:  # C++ looks for a Python override of a virtual getter such as sizeHint
            raise AttributeError(self.name)
        _reading.add(key)
        try:
            return to_python(Q.property(instance, self.name))
        finally:
            _reading.discard(key)

    def __set__(self, instance, value):
        meta = instance.metaObject()
        declared = meta.property(meta.indexOfProperty(self.name))
        kind = declared.typeName()
        if not declared.isWritable():
            raise AttributeError(f"Property '{self.name}' of {type(instance).__name__} object is not writable")
        written = value.value if isinstance(value, enum.Enum) else value  # PySide does not convert all its enums
        if not accepts(kind, value) or not Q.setProperty(instance, self.name, written):
            raise ValueError(
                f"Property '{self.name}' of type '{kind}' does not accept {value!r} ({type(value).__name__})"
            )


def to_python(value):
    """A property's value as PythonQt gives it: enums as integers, lists as tuples."""
    if isinstance(value, enum.Enum):
        return value.value
    return tuple(value) if isinstance(value, list) else value


def accepts(kind: str, value) -> bool:
    """Whether a property of a C++ type may be given a Python value."""
    if kind == "QString":
        return isinstance(value, str)
    if kind in ("int", "double", "bool", "float"):
        return isinstance(value, (int, float)) and not (kind == "int" and isinstance(value, float) and value % 1)
    return value is not None


def qt_properties(cls: type) -> frozenset[str]:
    """Names of the properties that a class has from Qt."""
    return next(_properties[base] for base in cls.__mro__ if base in _properties)


def is_cpp(cls: type) -> bool:
    """Whether a class stands for a C++ class: PySide's own, or a stand-in of the harness."""
    return cls.__module__.startswith(("PySide6", "Shiboken")) or "_stand_in" in vars(cls)


def class_attribute(cls: type, name: str):
    """An attribute as it lies in the class or its bases, or None."""
    return next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), None)


def strict_setattr(self, name: str, value) -> None:
    """Writes a property, a dynamic property, or (Python subclasses only) an attribute."""
    cls = type(self)
    found = class_attribute(cls, name)
    if found is not None and hasattr(type(found), "__set__"):
        found.__set__(self, value)
    elif not is_cpp(cls) or ("_stand_in" in vars(cls) and name.startswith("_")):
        self.__dict__[name] = value
    elif found is not None:
        raise AttributeError(f"Slot '{name}' can not be overwritten on {cls.__name__} object")
    elif isinstance(self, Q) and name.encode() in [bytes(known.data()) for known in Q.dynamicPropertyNames(self)]:
        Q.setProperty(self, name, value)
    else:
        raise AttributeError(f"'{name}' does not exist on {cls.__name__}, where attributes cannot be added")


def dynamic_getattr(self, name: str):
    """Dynamic properties and children by their object name; called where nothing else was found."""
    if not name.startswith("__") and (id(self), name) not in _reading:
        value = Q.property(self, name)
        if value is not None:
            return to_python(value)
        for child in Q.children(self):
            if Q.objectName(child) == name:
                return child
    raise AttributeError(f"{type(self).__name__} has no attribute named '{name}'")


def apply_rules(namespaces) -> None:
    """Patches every class of PySide6's modules, once."""
    if isinstance(vars(Q).get("name"), QtProperty):
        return
    found = [getattr(space, name) for space in namespaces for name in dir(space)]
    classes = {cls for cls in found if isinstance(cls, type) and type(cls).__name__ == "ObjectType"}
    for cls in sorted(classes, key=lambda cls: len(cls.__mro__)):
        if issubclass(cls, Q):
            _patch(cls)
            if cls is Q or "__getattribute__" in vars(cls):
                cls.__getattribute__ = _getattribute(cls.__getattribute__)
        cls.__setattr__ = strict_setattr
    Q.name = QtProperty("objectName")
    Q.className = lambda self: self.metaObject().className()
    Q.__getattr__ = dynamic_getattr
    vars(QtCore.QTimer)["singleShot"].original = staticmethod(single_shot)


def single_shot(milliseconds: int, slot) -> None:
    """QTimer.singleShot(); PySide's own would call the patched connect()."""
    timer = QtCore.QTimer()
    timer.setSingleShot(True)
    _timers.add(timer)
    guarded = signals.guarded(slot)

    def fire():
        _timers.discard(timer)
        timer.deleteLater()  # it and its slot would keep each other
        guarded()

    signals.raw_connect(timer, QtCore.SIGNAL("timeout()"), fire)
    timer.start(milliseconds)


def _getattribute(original):
    """PySide looks up connect and disconnect past the class, so that they are given here."""
    own = {"connect": signals.connect, "disconnect": signals.disconnect}

    def __getattribute__(self, name: str):
        return types.MethodType(own[name], self) if name in own else original(self, name)

    return __getattribute__


def _patch(cls: type) -> None:
    meta = cls.staticMetaObject
    _properties[cls] = frozenset(meta.property(index).name() for index in range(meta.propertyCount()))
    for index in range(meta.propertyCount()):
        name = meta.property(index).name()
        if index >= meta.propertyOffset() or name in vars(cls):
            setattr(cls, name, QtProperty(name, vars(cls).get(name)))
    for index in range(meta.methodOffset(), meta.methodCount()):
        method = meta.method(index)
        if method.methodType() == QtCore.QMetaMethod.MethodType.Signal:
            name = bytes(method.name().data()).decode()
            setattr(cls, name, signals.SignalAttribute(name))
