"""Options of an enhancement that are parameters of the panel and keywords of the console, made from its request.

The module's file imports this when Slicer starts, so that nothing is imported here that takes time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ..jobs.requests import EnhanceRequest


def _parameter_name(name: str) -> str:
    """A field's name in Slicer's style."""
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _class_of_parameters() -> type:
    defaults = {_parameter_name(name): value for name, value in EnhanceRequest.options_in_slicer().items()}
    kinds = {name: type(value) for name, value in defaults.items()}
    text = "The options with their types and defaults, for a parameterNodeWrapper to inherit."
    return type("OptionParameters", (), {"__doc__": text, "__annotations__": kinds, **defaults})


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
