"""The part of `slicer.parameterNodeWrapper` that the module uses."""

from .parameter_node import isParameterNodeWrapper, parameterNodeWrapper
from .parameter_types import Default, Validator, WithinRange

__all__ = ["Default", "Validator", "WithinRange", "isParameterNodeWrapper", "parameterNodeWrapper"]
