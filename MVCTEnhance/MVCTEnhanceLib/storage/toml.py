"""Settings of a TOML file as a dataclass."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from ..errors import InputError

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

# The kinds of values that a TOML file may give, by the annotation of the setting.
TOML_TYPES = {"bool": bool, "int": int, "float": (int, float), "str": str, "tuple[str, ...]": list}


def read_toml(path: Path, role: str) -> dict[str, Any]:
    """The entries of a TOML file.

    Args:
        path: the file.
        role: what it is, for the sentence of the error: "training configuration".

    Raises:
        InputError: the file cannot be read.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"The {role} '{path}' cannot be read as TOML: {error}.") from error


def build(section: type, entries: Any, where: str) -> Any:
    """A dataclass of entries; lists become tuples.

    Raises:
        InputError: an entry is unknown, missing or of the wrong type.
    """
    if not isinstance(entries, dict):
        raise InputError(f"{where} is {entries!r}, but a section with settings is needed.")
    known = {f.name: f for f in dataclasses.fields(section)}
    for name, value in entries.items():
        if name not in known:
            raise InputError(f"There is no setting '{name}' in {where}: the settings are {', '.join(known)}.")
        kind = known[name].type
        if kind in TOML_TYPES and (
            not isinstance(value, TOML_TYPES[kind]) or isinstance(value, bool) != (kind == "bool")
        ):
            raise InputError(f"The setting '{name}' in {where} is {value!r}, but its type must be {kind}.")
        if isinstance(value, list):
            entries[name] = tuple(value)
    missing = [
        name
        for name, f in known.items()
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING and name not in entries
    ]
    if missing:
        raise InputError(f"The setting '{missing[0]}' is missing in {where}.")
    return section(**entries)
