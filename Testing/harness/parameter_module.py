"""What `slicer.parameterNodeWrapper` offers of it all: what the module uses."""

from .parameter_node import isParameterNodeWrapper, parameterNodeWrapper
from .parameter_types import Default, Validator, WithinRange

__all__ = ["Default", "Validator", "WithinRange", "isParameterNodeWrapper", "parameterNodeWrapper"]
