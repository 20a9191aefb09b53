"""The demo: a phantom's simulated MVCT goes through the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..imageio import Volume, atomic_folder, write_dicom_series, write_volume
from ..model.device import choose_device
from ..physics.mvct import simulate_mvct
from ..physics.phantom import head_neck_phantom
from .enhance import EnhanceRequest, enhance
from .progress import Report

PLANNING_NOISE_HU = 8.0


def run_demo(output: Path, *, device: str = "auto", report: Report = lambda event, **fields: None) -> dict[str, Any]:
    """Leave in a folder: a phantom's planning CT and MVCT, the enhanced scan (DICOM, NRRD), difference map, report.

    Args:
        output: a new folder, which appears when all is done.
        device: as in `EnhanceRequest`.
        report: called with an event's name and its fields.

    Returns:
        The readouts, as `enhance` gives them.

    Raises:
        OutputError: the folder has something in it or cannot be written.
    """
    chosen = choose_device(device)
    with atomic_folder(output) as folder:
        report("stage", stage="phantom")
        kvct = head_neck_phantom()
        write_volume(_planning_ct(kvct), folder / "planning-ct.nrrd")
        report("stage", stage="simulate")
        mvct = simulate_mvct(
            kvct,
            device=chosen,
            on_slices=lambda done, total: report("progress", stage="simulate", done=done, total=total),
        )
        write_dicom_series(mvct, folder / "mvct-dicom", description="Simulated MVCT of a phantom")
        request = EnhanceRequest(
            input=folder / "mvct-dicom",
            output=folder / "enhanced-dicom",
            device=device,
            difference=folder / "difference.nrrd",
            report=folder / "report",
            kvct=folder / "planning-ct.nrrd",
        )
        result = enhance(request, report=report)
        write_volume(result.enhanced, folder / "enhanced.nrrd")
    return result.readouts


def _planning_ct(phantom: Volume) -> Volume:
    """With the noise of a kVCT, since a ratio to noise has no meaning without any."""
    noise = np.random.default_rng(0).normal(0, PLANNING_NOISE_HU, phantom.array.shape)
    return phantom.with_array(np.rint(phantom.array + noise).astype(np.int16))
