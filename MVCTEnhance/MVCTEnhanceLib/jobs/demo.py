"""The demo: a phantom's simulated MVCT goes through the main job."""

from __future__ import annotations

from typing import Any

from ..io import write_dicom_series, write_volume
from ..model.device import choose_device
from ..runtime.events import EventHandler, ignore_event
from ..storage.atomic import atomic_folder
from .enhance import enhance
from .phantom import MVCT_SERIES, PLANNING_CT_FILE, make_phantom
from .requests import DemoRequest, EnhanceRequest


def run_demo(request: DemoRequest, *, on_event: EventHandler = ignore_event) -> dict[str, Any]:
    """Leave in a folder: a phantom's planning CT and MVCT, the enhanced scan (DICOM, NRRD), both maps, the report.

    Args:
        request: its folder is a new one, which appears when all is done.
        on_event: called with an event's name and its fields.

    Returns:
        The metrics, as `enhance` gives them.

    Raises:
        OutputError: the folder has something in it or cannot be written.
    """
    chosen = choose_device(request.device)
    with atomic_folder(request.output) as folder:
        planning_ct, mvct = make_phantom(chosen, on_event)
        write_volume(planning_ct, folder / PLANNING_CT_FILE)
        write_dicom_series(mvct, folder / MVCT_SERIES, description="Simulated MVCT of a phantom")
        enhancement = EnhanceRequest(
            input=folder / MVCT_SERIES,
            output=folder / "enhanced-dicom",
            device=request.device,
            difference=folder / "difference.nrrd",
            correction=folder / "correction.nrrd",
            report=folder / "report",
            kvct=folder / PLANNING_CT_FILE,
            force=True,
        )
        result = enhance(enhancement, on_event=on_event)
        write_volume(result.enhanced, folder / "enhanced.nrrd")
    return result.readouts
