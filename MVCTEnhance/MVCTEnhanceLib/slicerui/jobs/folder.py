"""A cohort: every scan below a folder enhanced into another folder, as `mvct-enhance batch` does it."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..worker.process import run_and_wait
from ..worker.steps import OnProgress, progress_of


@dataclass(frozen=True)
class FolderOptions:
    """What is done with each scan.

    Args:
        workers: cases at a time.
        resume: do only what is missing.
        overwrite: replace results of another model or version, without `resume` all.
        force: write DICOM also of scans with a readout that is assessed as 'do not trust'.
        model: installed model or model file; None for the default one.
        device: "auto", "cpu", "cuda", "cuda:n" or "mps".
    """

    workers: int = 1
    resume: bool = False
    overwrite: bool = False
    force: bool = False
    model: str | None = None
    device: str = "auto"

    def arguments(self) -> list[str]:
        """The options as arguments of `mvct-enhance batch`."""
        model = ["--model", self.model] if self.model else []
        flags = [f"--{name}" for name in ("resume", "overwrite", "force") if getattr(self, name)]
        return ["--workers", str(self.workers), "--device", self.device, *model, *flags]


@dataclass(frozen=True)
class FolderResult:
    """What became of a cohort.

    Args:
        summary: the table, a row a case.
        rows: the same: case, status, reason, seconds, readouts by column.
        done, failed, withheld: numbers of cases; of those withheld all but DICOM was written.
    """

    summary: Path
    rows: tuple[Mapping[str, str], ...]
    done: int
    failed: int
    withheld: int = 0


def enhance_folder(
    input_folder: Path, output_folder: Path, options: FolderOptions, on_progress: OnProgress | None = None
) -> FolderResult:
    """Enhance every scan below a folder and wait for it; a case that fails does not stop the others.

    Raises:
        MVCTEnhanceError: nothing could be started.
    """

    def on_event(event: dict[str, Any]) -> None:
        progress = progress_of(event)
        if progress and on_progress:
            on_progress(*progress)

    arguments = ["batch", str(Path(input_folder).absolute()), str(Path(output_folder).absolute())]
    result = run_and_wait([*arguments, *options.arguments()], on_event)
    summary = Path(output_folder).absolute() / result["summary"]
    with summary.open(encoding="utf-8", newline="") as file:
        rows = tuple(csv.DictReader(file))
    return FolderResult(summary, rows, result["done"], result["failed"], result["withheld"])
