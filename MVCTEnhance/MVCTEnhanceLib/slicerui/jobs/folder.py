"""A cohort: every scan below a folder enhanced into another folder, as `mvct-enhance batch` does it."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...jobs.requests import BatchRequest
from ..worker.process import run_and_wait
from ..worker.steps import OnProgress, tell_progress


@dataclass(frozen=True)
class FolderResult:
    """What became of a cohort.

    Args:
        summary: the table, a row a case.
        rows: the same: case, status, reason, seconds, metrics by column.
        done, failed, withheld: numbers of cases; of those withheld all but DICOM was written.
    """

    summary: Path
    rows: tuple[Mapping[str, str], ...]
    done: int
    failed: int
    withheld: int = 0


def enhance_folder(request: BatchRequest, on_progress: OnProgress | None = None) -> FolderResult:
    """Enhance every scan below a folder and wait for it; a case that fails does not stop the others.

    Raises:
        MVCTEnhanceError: nothing could be started.
    """
    result = run_and_wait(request, lambda event, **fields: tell_progress(on_progress, event, fields))
    summary = request.output / result["summary"]
    with summary.open(encoding="utf-8", newline="") as file:
        rows = tuple(csv.DictReader(file))
    return FolderResult(summary, rows, result["done"], result["failed"], result["withheld"])
