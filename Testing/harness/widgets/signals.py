"""Signals and slots by PythonQt's rules: signatures are checked, and a slot gets as many arguments as it names."""

import inspect
import sys

import shiboken6
from PySide6 import QtCore

raw_connect = QtCore.QObject.connect
raw_disconnect = QtCore.QObject.disconnect
_connections: dict[tuple[int, str], list[tuple]] = {}


def normalized(signature: str) -> str:
    """A signature as Qt's meta-object spells it; raises on something that is no signature."""
    if not isinstance(signature, str) or not signature.endswith(")") or "(" not in signature:
        raise TypeError(f"{signature!r} is no signal signature like 'clicked()'")
    return bytes(QtCore.QMetaObject.normalizedSignature(signature).data()).decode()


def call_slot(slot, arguments: tuple):
    """Calls a slot as PythonQt does: a plain function gets no more arguments than it names."""
    function = slot.__func__ if inspect.ismethod(slot) else slot
    if inspect.isfunction(function) and not function.__code__.co_flags & inspect.CO_VARARGS:
        arguments = arguments[: function.__code__.co_argcount - inspect.ismethod(slot)]
    return slot(*arguments)


def guarded(slot):
    """A slot for Qt whose errors go to sys.excepthook, as PythonQt does, and never through Qt's event loop.

    Its `forget` lets go of the slot: PySide keeps what it was told to call for ever, and with it the whole panel.
    """
    held = [slot]

    def receive(*arguments):
        try:
            for slot in held:
                call_slot(slot, arguments)
        except Exception:
            sys.excepthook(*sys.exc_info())

    receive.forget = held.clear
    return receive


def key_of(sender, signature: str) -> tuple[int, str]:
    """What connections are stored by: the address of the C++ object, and the signature."""
    return shiboken6.getCppPointer(sender)[0], signature


def forget_connections() -> None:
    """Lets go of all slots; called between tests."""
    for connections in _connections.values():
        for _slot, receive in connections:
            if receive is not None:
                receive.forget()
    _connections.clear()


def stand_in_signals(sender) -> list[str]:
    """Signatures of the signals that a stand-in class and its bases declare by themselves."""
    return [signature for cls in type(sender).__mro__ for signature in vars(cls).get("_signals", ())]


def signatures(sender, name: str) -> list[str]:
    """All signatures of a signal's name, Qt's own and those of the stand-ins."""
    own = [signature for signature in stand_in_signals(sender) if signature.split("(")[0] == name]
    meta = sender.metaObject()
    methods = [meta.method(index) for index in range(meta.methodCount())]
    signal = QtCore.QMetaMethod.MethodType.Signal
    found = [bytes(m.methodSignature().data()).decode() for m in methods if m.methodType() == signal]
    return own + [signature for signature in found if signature.split("(")[0] == name]


def connect(sender, signature: str, slot, *receiver_slot) -> bool:
    """`sender.connect("clicked()", slot)`; raises where the sender has no such signal or the slot cannot be called."""
    signature = normalized(signature)
    if receiver_slot:
        slot = getattr(slot, receiver_slot[0].split("(")[0])
    if not callable(slot):
        raise TypeError(f"{slot!r} cannot be called, so that it cannot be a slot of {signature}")
    connections = _connections.setdefault(key_of(sender, signature), [])
    if signature in stand_in_signals(sender):
        connections.append((slot, None))
        return True
    if sender.metaObject().indexOfSignal(signature) < 0:
        others = signatures(sender, signature.split("(")[0])
        hint = f"; it has {', '.join(others)}" if others else ""
        raise ValueError(f"signal {signature!r} does not exist on {type(sender).__name__}{hint}")
    receive = guarded(slot)
    connections.append((slot, receive))
    return raw_connect(sender, QtCore.SIGNAL(signature), receive)


def disconnect(sender, signature: str, slot, *receiver_slot) -> bool:
    """Ends a connection; False where there was none, as in Qt."""
    signature = normalized(signature)
    if receiver_slot:
        slot = getattr(slot, receiver_slot[0].split("(")[0])
    connections = _connections.get(key_of(sender, signature), [])
    for index, (known, receive) in enumerate(connections):
        if known == slot:
            del connections[index]
            return receive is None or bool(raw_disconnect(sender, QtCore.SIGNAL(signature), receive))
    return False


def emit(sender, signature: str, *arguments) -> None:
    """Emits a stand-in's signal; an error in a slot goes to sys.excepthook, as in Slicer, and the others are called."""
    if sender.signalsBlocked():
        return
    for slot, _ in list(_connections.get(key_of(sender, normalized(signature)), [])):
        guarded(slot)(*arguments)


class BoundSignal:
    """What `widget.clicked` gives: connect(slot), disconnect(slot), emit(...) of the signal's first signature."""

    def __init__(self, sender, signature: str):
        self._sender, self._signature = sender, signature

    def connect(self, slot) -> bool:
        return connect(self._sender, self._signature, slot)

    def disconnect(self, slot) -> bool:
        return disconnect(self._sender, self._signature, slot)

    def emit(self, *arguments) -> None:
        if self._signature in stand_in_signals(self._sender):
            emit(self._sender, self._signature, *arguments)
        else:
            self._sender.emit(QtCore.SIGNAL(self._signature), *arguments)

    def __call__(self, *arguments) -> None:
        self.emit(*arguments)


class SignalAttribute:
    """Descriptor of a signal on a class; other overloads are only reached by connect("name(types)", slot)."""

    def __init__(self, name: str):
        self._name = name

    def __get__(self, instance, owner):
        return self if instance is None else BoundSignal(instance, signatures(instance, self._name)[0])

    def __set__(self, instance, value):
        raise AttributeError(f"signal {self._name!r} of {type(instance).__name__} cannot be overwritten")
