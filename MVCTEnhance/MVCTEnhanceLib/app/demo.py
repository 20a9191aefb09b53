"""The demo: a phantom's simulated MVCT goes through the main job."""

from __future__ import annotations

from pathlib import Path

from ..imageio import write_dicom_series, write_volume
from ..physics.mvct import simulate_mvct
from ..physics.phantom import head_neck_phantom
from .enhance import Enhanced, EnhanceRequest, enhance
from .progress import Report


def run_demo(output: Path, *, device: str = "auto", report: Report = lambda event, **fields: None) -> Enhanced:
    """Leave in a folder: the phantom's kVCT, its simulated MVCT and the enhanced scan as DICOM, NRRD, difference, report.

    Args:
        output: a new folder.

    Raises:
        OutputError: the folder has something in it or cannot be written.
    """
    report("stage", stage="making the phantom")
    kvct = head_neck_phantom()
    write_volume(kvct, output / "phantom-kvct.nrrd")
    report("stage", stage="simulating its MVCT")
    mvct = simulate_mvct(
        kvct, on_slices=lambda done, total: report("progress", stage="simulate", done=done, total=total)
    )
    write_dicom_series(mvct, output / "mvct-dicom", description="Simulated MVCT of a phantom")
    request = EnhanceRequest(
        input=output / "mvct-dicom",
        output=output / "enhanced-dicom",
        device=device,
        difference=output / "difference.nrrd",
        report=output / "report",
        kvct=output / "phantom-kvct.nrrd",
    )
    result = enhance(request, report=report)
    write_volume(result.enhanced, output / "enhanced.nrrd")
    return result
