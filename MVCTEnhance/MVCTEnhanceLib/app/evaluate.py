"""Readouts of an enhanced scan that is there already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..imageio import Volume
from ..imageio.resample import onto_grid
from ..quality.readouts import evaluate
from .progress import Report, under_stage
from .scans import read_scan

GRID_TOLERANCE_MM = 0.1


def evaluate_files(
    mvct_path: Path,
    enhanced_path: Path,
    *,
    kvct_path: Path | None = None,
    truth_path: Path | None = None,
    report: Report = lambda event, **fields: None,
) -> dict[str, Any]:
    """Every readout of an enhanced scan and its parameters, JSON-serialisable (see `Readouts.to_dict`).

    Args:
        mvct_path, enhanced_path: the scan before and after, on the same grid.
        kvct_path: planning CT to aim at, on any grid.
        truth_path: kVCT of the same anatomy; resampled linearly where its grid is another one.

    Raises:
        InputError: a scan cannot be read, or MVCT and enhanced scan lie on different grids.
    """
    report("stage", stage="read")
    mvct, enhanced = read_scan(mvct_path, "MVCT"), read_scan(enhanced_path, "enhanced scan")
    kvct = read_scan(kvct_path, "planning CT") if kvct_path else None
    truth = read_scan(truth_path, "truth") if truth_path else None
    warnings = [text for scan in (mvct, enhanced, kvct, truth) if scan for text in scan.warnings]
    if not _same_grid(mvct, enhanced):
        raise InputError(
            f"'{mvct_path}' and '{enhanced_path}' lie on different grids: give the scan that the enhanced one "
            "was made of."
        )
    if truth and not _same_grid(truth, enhanced):
        warnings.append("The truth was resampled linearly to the grid of the enhanced scan.")
        truth = onto_grid(truth, enhanced)
    for message in warnings:
        report("warning", message=message)
    return measure(mvct, enhanced, kvct=kvct, truth=truth, report=report) | {"warnings": warnings}


def measure(
    mvct: Volume, enhanced: Volume, *, kvct: Volume | None = None, truth: Volume | None = None, report: Report
) -> dict[str, Any]:
    """Every readout of scans in memory, JSON-serialisable; MVCT, enhanced scan and truth lie on the same grid."""
    report("stage", stage="measure")
    return evaluate(
        mvct.array,
        enhanced.array,
        spacing=mvct.spacing,
        kvct=kvct.array if kvct else None,
        kvct_spacing=kvct.spacing if kvct else None,
        truth=truth.array if truth else None,
        progress=under_stage(report, "measure"),
    ).to_dict()


def _same_grid(a: Volume, b: Volume) -> bool:
    """Whether two volumes have the same voxels: their corners agree within 0.1 mm."""
    return a.array.shape == b.array.shape and bool(np.abs(_corners(a) - _corners(b)).max() < GRID_TOLERANCE_MM)


def _corners(volume: Volume) -> np.ndarray:
    """LPS positions of the first voxel and of the last one along each axis, shape (4, 3)."""
    reach = (np.array(volume.array.shape[::-1]) - 1) * volume.spacing
    first = np.asarray(volume.origin)
    return np.stack([first, *(first + volume.direction[:, axis] * reach[axis] for axis in range(3))])
