"""Annotations of slicer.parameterNodeWrapper: defaults and validators."""

import dataclasses

import slicer


def is_node(kind) -> bool:
    """Whether a type is a MRML node's class."""
    return isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode)


class Default:
    """Default value of a parameter; `generator` makes it anew each time."""

    def __init__(self, value=None, *, generator=None):
        self._value, self._generator = value, generator

    @property
    def value(self):
        return self._generator() if self._generator else self._value


class Validator:
    """Base of the checks; validate(value) raises ValueError."""

    def validate(self, value) -> None:
        raise NotImplementedError


@dataclasses.dataclass
class WithinRange(Validator):
    minimum: float
    maximum: float

    def validate(self, value) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")
