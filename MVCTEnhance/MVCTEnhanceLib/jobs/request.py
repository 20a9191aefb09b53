"""A request for a job: its fields are the job's options, on the command line and in Slicer.

A job's class lists its fields once, with default, help text and limits. The options of the command line come from the
fields, and a request is read from them and written as them for a child process.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from types import NoneType
from typing import Any, ClassVar, TypeVar, get_args, get_origin, get_type_hints

from ..errors import InputError

R = TypeVar("R", bound="Request")


@dataclass(frozen=True)
class Option:
    """What a field is on the command line, besides what its name, type and default tell.

    Args:
        help: the text of --help; %(default)s stands for the default.
        flag: where it is not made of the field's name.
        positional: whether it goes without a flag.
        metavar: what --help calls the value.
        choices: the values that there are, None besides.
        at_least, at_most: of a whole number.
        words: that may stand in the place of a whole number.
        in_slicer: for an option that Slicer's panel and console have, too, its default there; "" stands for the
            default of the field.
    """

    help: str
    flag: str = ""
    positional: bool = False
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    at_least: int | None = None
    at_most: int | None = None
    words: tuple[str, ...] = ()
    in_slicer: Any = None

    def problem(self, value: Any) -> str:
        """The fault of a value, in one sentence; empty where there is none."""
        if self.choices and value is not None and value not in self.choices:
            return f"'{value}' is not possible: choose one of {', '.join(self.choices)}."
        if self.at_least is not None and not all(map(self._is_in_range, _values(value))):
            to = "" if self.at_most is None else f" to {self.at_most}"
            words = "".join(f" or '{word}'" for word in self.words)
            return f"'{_text(value)}' is not possible: give a whole number from {self.at_least}{to}{words}."
        return ""

    def _is_in_range(self, number: Any) -> bool:
        if number in self.words:
            return True
        return isinstance(number, int) and self.at_least <= number and (self.at_most is None or number <= self.at_most)


def option(help: str, *, default: Any = MISSING, **more: Any) -> Any:
    """A field of a request; for the other arguments see `Option`."""
    return field(default=default, metadata={"option": Option(help, **more)})


@dataclass(frozen=True)
class Request:
    """Base of all requests.

    Attributes:
        command: of the command line.
        summary: what the job does, as a person tells it to do it.

    Raises:
        InputError: a field has a value that cannot be, in one sentence.
    """

    command: ClassVar[str]
    summary: ClassVar[str]

    def __post_init__(self):
        for item, item_option in _options(self):
            if problem := item_option.problem(getattr(self, item.name)):
                raise InputError(f"{item.name}: {problem}")

    @classmethod
    def add_options(cls, parser: argparse.ArgumentParser) -> None:
        """Give the parser of the command an option for each field."""
        types = get_type_hints(cls)
        for item, item_option in _options(cls):
            parser.add_argument(*_names(item, item_option), **_as_argument(item, item_option, types[item.name]))

    @classmethod
    def from_namespace(cls: type[R], namespace: argparse.Namespace) -> R:
        """The request that a command line with these options asks for."""
        values = {item.name: getattr(namespace, item.name) for item in fields(cls)}
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})

    @classmethod
    def options_in_slicer(cls) -> dict[str, Option]:
        """The fields that Slicer's panel and console have, too."""
        return {item.name: one for item, one in _options(cls) if one.in_slicer is not None}

    def to_argv(self) -> tuple[str, ...]:
        """The command line that asks for the same: the command, and its options where they are not the default."""
        places, named = [], []
        for item, item_option in _options(self):
            value, flag = getattr(self, item.name), _flag(item, item_option)
            if item_option.positional:
                places.append(str(value))
            elif value == item.default:
                continue
            elif isinstance(value, bool):
                named.append(flag)
            elif isinstance(value, tuple):
                named += [flag, *map(str, value)]
            else:
                named.append(f"{flag}={value}")
        return (self.command, *places, *named)


def _options(request: Request | type[Request]) -> Iterator[tuple[Field, Option]]:
    return ((item, item.metadata["option"]) for item in fields(request))


def _flag(item: Field, item_option: Option) -> str:
    return item_option.flag or f"--{item.name.replace('_', '-')}"


def _names(item: Field, item_option: Option) -> tuple[str, ...]:
    return (item.name,) if item_option.positional else (_flag(item, item_option),)


def _as_argument(item: Field, item_option: Option, hint: Any) -> dict[str, Any]:
    """The keywords of argparse's add_argument."""
    how: dict[str, Any] = {"help": item_option.help.replace("%(default)s", _text(item.default).replace("%", "%%"))}
    if hint is bool:
        return how | {"action": "store_false" if item.default else "store_true", "dest": item.name}
    kind = next(part for part in (*get_args(hint), hint) if part is not NoneType)
    how |= {"metavar": item_option.metavar, "choices": item_option.choices or None}
    how["type"] = _whole_number(item_option) if kind is int else kind if kind in (Path, float) else str
    if get_origin(hint) is tuple:
        how["nargs"] = "*"
    if item_option.positional:
        return how
    required = {"required": True} if item.default is MISSING else {"default": item.default}
    return how | required | {"dest": item.name}


def _whole_number(item_option: Option) -> Callable[[str], int]:
    def whole_number(text: str) -> int:
        number = int(text) if text.lstrip("-").isdecimal() else text
        if problem := item_option.problem(number):
            raise argparse.ArgumentTypeError(problem)
        return number

    return whole_number


def _values(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _text(value: Any) -> str:
    return " ".join(map(str, _values(value)))
