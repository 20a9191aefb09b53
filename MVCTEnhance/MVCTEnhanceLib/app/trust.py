"""Assessments of 'do not trust', and what is not handed on as DICOM because of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .report_texts import GROUPS, TEXTS
from .verdicts import DO_NOT_TRUST

_SHOWN = 3


def not_to_be_trusted(readouts: Mapping[str, Any]) -> list[str]:
    """The readouts that are assessed as 'do not trust', in words."""
    return [
        f"{GROUPS[group]}, {TEXTS[name].name}" if name in TEXTS else name
        for group, verdicts in (readouts.get("verdicts") or {}).items()
        for name, entry in verdicts.items()
        if entry["verdict"] == DO_NOT_TRUST
    ]


def why_withheld(readouts: Mapping[str, Any]) -> str:
    """The sentence by which a DICOM series is refused; empty where nothing is assessed as 'do not trust'."""
    names = not_to_be_trusted(readouts)
    if not names:
        return ""
    more = [f"{len(names) - _SHOWN} more"] * (len(names) > _SHOWN)
    listed = "; ".join([*names[:_SHOWN], *more])
    return (
        f"The assessment of {listed} is 'do not trust', so no DICOM series was written: look at the difference map and "
        "the report, and add --force to write it all the same."
    )
