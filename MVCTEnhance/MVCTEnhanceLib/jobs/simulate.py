"""A simulated MVCT of a kilovoltage CT on disk."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..assessment.provenance import PROGRAM
from ..io import is_dicom_output
from ..io.dicom.writer import placeholder_warnings
from ..model.device import choose_device, describe_device
from ..physics.mvct import MVCTSettings, simulate_mvct, usable_device
from ..runtime.events import EventHandler, ignore_event
from .requests import SimulateRequest
from .scans import read_scan, require_writable, write_scan
from .series_texts import INTENDED_USE, SeriesTexts

TEXTS = SeriesTexts(
    "Simulated MVCT",
    f"MVCT simulated from a kVCT by {PROGRAM}",
    f"{INTENDED_USE} Simulated from a kVCT: no scanner measured it.",
)


def simulate_file(request: SimulateRequest, *, on_event: EventHandler = ignore_event) -> dict[str, Any]:
    """Read a kVCT, simulate its MVCT and write that as a file or as a DICOM series without the source's headers.

    Returns:
        settings, device and warnings, JSON-serialisable.

    Raises:
        MVCTEnhanceError: with one sentence on the fault and what to do.
    """
    settings, output = MVCTSettings(seed=request.seed), request.output
    require_writable(output, request.kvct, overwrite=request.overwrite)
    chosen = usable_device(choose_device(request.device))
    on_event("device", device=str(chosen), name=describe_device(chosen))
    on_event("stage", stage="read")
    kvct = read_scan(request.kvct, "kVCT")
    warnings = [*kvct.warnings, *(placeholder_warnings(kvct) if is_dicom_output(output) else ())]
    for message in warnings:
        on_event("warning", message=message)
    on_event("stage", stage="simulate")
    mvct = simulate_mvct(
        kvct,
        settings,
        device=chosen,
        on_slices=lambda done, total: on_event("progress", stage="simulate", done=done, total=total),
    )
    on_event("stage", stage="write")
    write_scan(mvct, output, texts=TEXTS, overwrite=request.overwrite)
    return {"settings": asdict(settings), "device": describe_device(chosen), "warnings": warnings}
