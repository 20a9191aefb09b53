"""JSON files of the program's own, which appear complete or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .atomic import atomic_file


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file, in the place of one that is there.

    Raises:
        OutputError: it cannot be written.
    """
    with atomic_file(path) as partial:
        partial.write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """What a file holds; empty where it is not there or cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
