"""Options of an enhancement that are parameters of the panel and keywords of the console, made from its request.

The module's file imports this when Slicer starts, so that nothing is imported here that takes time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Annotated, Any

from slicer.parameterNodeWrapper import WithinRange

from ..jobs.request import Option
from ..jobs.requests import EnhanceRequest


def _parameter_name(name: str) -> str:
    """A field's name in Slicer's style."""
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _class_of_parameters() -> type:
    options = {_parameter_name(name): option for name, option in EnhanceRequest.options_in_slicer().items()}
    defaults = {name: option.in_slicer for name, option in options.items()}
    kinds = {name: _kind(option) for name, option in options.items()}
    text = "The options with their types and defaults, for a parameterNodeWrapper to inherit."
    return type("OptionParameters", (), {"__doc__": text, "__annotations__": kinds, **defaults})


def _kind(option: Option) -> Any:
    """The type of a parameter, with its range where it has one."""
    kind = type(option.in_slicer)
    return kind if option.at_most is None else Annotated[kind, WithinRange(option.at_least, option.at_most)]


def require_known(named: Iterable[str], known: Collection[str]) -> None:
    """Refuse names of parameters that there are not, as a user may mistype them.

    Raises:
        TypeError: some are unknown; the message lists those that there are.
    """
    unknown = sorted(set(named) - set(known))
    if unknown:
        raise TypeError(f"{', '.join(unknown)}: there is no such parameter; there are {', '.join(known)}")


OPTIONS = {_parameter_name(name): name for name in EnhanceRequest.options_in_slicer()}
"""Name of the parameter -> field of the `EnhanceRequest`."""

OptionParameters = _class_of_parameters()
