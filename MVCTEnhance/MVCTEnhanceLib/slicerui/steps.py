"""Work for the child process and its steps, however they are waited for."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Step:
    """One run of the worker.

    Args:
        arguments: the command and its options.
        title: what it is about where there are several, such as "Scan 2 of 5".
        names: files as the user knows them, such as {mvct.nrrd: "The MVCT"}; they take the place of paths in errors.
    """

    arguments: tuple[str, ...]
    title: str = ""
    names: Mapping[Path, str] | None = None

    def titled(self, text: str) -> str:
        return f"{self.title}: {text}" if self.title else text

    def in_user_words(self, message: str) -> str:
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

    def lost(self) -> str:
        """Why it makes no sense any more since it was started, in one sentence; empty where it does."""

    def steps(self, folder: Path) -> Steps:
        """Write inputs into the folder, yield each run of the worker, get the payload of its result or its error, and
        return what came of it. The scene is changed after the last run only."""
