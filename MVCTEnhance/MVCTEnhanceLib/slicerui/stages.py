"""Progress of the worker in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from slicer.i18n import tr as _

OnProgress = Callable[[str, int, int, "float | None"], None]
"""Gets the stage in words, what is done, the total (0 where it cannot be counted), seconds left (None: not known)."""


def progress_of(event: Mapping[str, Any]) -> tuple[str, int, int, float | None] | None:
    """Stage in words, done, total and seconds left; None for an event that tells of no progress."""
    if event["event"] == "stage":
        return stage_text(event["stage"]), 0, 0, None
    if event["event"] == "progress":
        return stage_text(event.get("stage", "")), event["done"], event["total"], event.get("eta_s")
    return None


def stage_text(stage: str) -> str:
    """A stage of the worker in words; one that is not known as it is."""
    return {
        "read": _("Reading the scans"),
        "enhance": _("Enhancing"),
        "cycle": _("Computing the cycle error"),
        "measure": _("Measuring"),
        "write": _("Writing"),
        "phantom": _("Making the phantom"),
        "simulate": _("Simulating the MVCT"),
        "search": _("Searching for scans"),
        "batch": _("Enhancing the scans"),
    }.get(stage, stage)
