"""Work for the child process and its steps, however they are waited for."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from slicer.i18n import tr as _

from ...jobs.request import Request

OnProgress = Callable[[str, int, int, "float | None"], None]
"""Gets the stage in words, what is done, the total (0 where it cannot be counted), seconds left (None: not known)."""


@dataclass(frozen=True)
class Step:
    """One job of the worker.

    Args:
        request: what the worker is asked for.
        title: what it is about where there are several, such as "Scan 2 of 5".
        names: files as the user knows them, such as {mvct.nrrd: "The MVCT"}; they take the place of paths in errors.
    """

    request: Request
    title: str = ""
    names: Mapping[Path, str] | None = None

    def in_user_words(self, message: str) -> str:
        """A message with the names that the user knows in place of paths."""
        for path, name in (self.names or {}).items():
            message = message.replace(f"'{path}'", name).replace(str(path), name)
        return message


Steps = Generator[Step, dict[str, Any], Any]


class Work(Protocol):
    """What is to be done, for a `Job` or for `do_now`."""

    patience_s: float
    """For how long the worker may tidy up when it is cancelled; 0 where it writes to the temporary folder only."""
    needs_scene: bool
    """Whether it makes no sense any more when the scene is closed."""

    def problem(self) -> str:
        """Why it cannot be started, in one sentence; empty where it can."""

    def invalidation_reason(self) -> str:
        """Why it makes no sense any more since it was started, in one sentence; empty where it does."""

    def steps(self, folder: Path) -> Steps:
        """Write inputs into the folder, yield each job of the worker, get the fields of its result or its error, and
        return what came of it. The scene is changed after the last job only."""


def tell_progress(on_progress: OnProgress | None, event: str, fields: Mapping[str, Any], title: str = "") -> None:
    """Pass on an event that tells of progress; others are no matter for the user.

    Args:
        title: of the step, which goes before the stage.
    """
    if on_progress and event in ("stage", "progress"):
        stage = stage_text(fields.get("stage", "training" if "phase" in fields else ""))
        text = f"{title}: {stage}" if title else stage
        on_progress(text, fields.get("done", 0), fields.get("total", 0), fields.get("eta_s"))


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
        "register": _("Registering"),
        "search": _("Searching for scans"),
        "batch": _("Enhancing the scans"),
        "review": _("Reviewing the scans"),
        "twin": _("Fitting the scanner's twin"),
        "reading slices": _("Reading the slices of the training"),
        "training": _("Training"),
        "compare": _("Comparing both models"),
        "install": _("Installing pylinac"),
    }.get(stage, stage)
