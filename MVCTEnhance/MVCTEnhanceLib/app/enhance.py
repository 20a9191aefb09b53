"""The main job: an MVCT scan in; an enhanced scan, a difference map, readouts and a report out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..errors import InputError, OutputError
from ..imageio import Volume
from ..model.device import choose_device, describe_device
from ..model.engine import Engine
from ..model.package import Model, find_model, load_model
from .evaluate import measure
from .progress import Report
from .scans import read_scan, require_permission, require_writable, write_scan

DEFAULT_MODEL = "simulated-anchor"
PIXEL_FACTOR = 10  # to the model's pixels, either way: beyond lie headers with a wrong unit


@dataclass(frozen=True)
class EnhanceRequest:
    """What the user asks for.

    Args:
        input: volume file or DICOM folder of the MVCT.
        output: .nrrd, .nii, .nii.gz or .mha file, or a new folder for a DICOM series.
        model: name of an installed model, or a model file.
        device: "auto", "cpu", "cuda", "cuda:n" or "mps".
        difference: file or DICOM folder for enhanced - MVCT in HU; None for none.
        report: folder for report.html, readouts.json and readouts.csv; None for none.
        series_uid: which CT series, where the folder has several.
        kvct: planning CT whose readouts are what to aim at; None for none.
    """

    input: Path
    output: Path
    model: str | Path = DEFAULT_MODEL
    device: str = "auto"
    difference: Path | None = None
    report: Path | None = None
    series_uid: str | None = None
    kvct: Path | None = None


@dataclass(frozen=True, eq=False)
class Enhanced:
    """What came of it: both scans, what was measured, and what the user must be told."""

    mvct: Volume
    enhanced: Volume
    readouts: dict[str, Any]
    warnings: tuple[str, ...]


def enhance(
    request: EnhanceRequest,
    *,
    report: Report = lambda event, **fields: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Enhanced:
    """Enhance a scan and write everything that was asked for.

    Raises:
        MVCTEnhanceError: with one sentence on what is wrong; each output is either complete or not there.
    """
    _require_outputs(request)
    warnings: list[str] = []
    report = _collecting(warnings, report)
    model = load_model(find_model(request.model))
    device = choose_device(request.device)
    report("device", device=str(device), name=describe_device(device))
    report("stage", stage="read")
    mvct = read_scan(request.input, "MVCT", series_uid=request.series_uid)
    kvct = read_scan(request.kvct, "planning CT") if request.kvct else None
    _require_plausible_pixels(mvct, model)
    for message in (*mvct.warnings, *_doubts(mvct, model), *(kvct.warnings if kvct else ())):
        report("warning", message=message)
    report("stage", stage="enhance")
    enhanced = Engine(model, device, report=report, cancelled=cancelled).enhance(mvct)
    readouts = measure(mvct, enhanced, kvct=kvct, report=report)
    readouts |= {"model": _provenance(model), "device": describe_device(device), "warnings": warnings}
    report("stage", stage="write")
    _write(request, mvct, enhanced, readouts, model)
    return Enhanced(mvct, enhanced, readouts, tuple(warnings))


def _require_outputs(request: EnhanceRequest) -> None:
    """Refuse outputs that could not be written, or would replace each other or a scan that was given."""
    sources = [path for path in (request.input, request.kvct) if path]
    scans = [path for path in (request.output, request.difference) if path]
    for path in scans:
        require_writable(path, *sources)
    if request.report:
        require_permission(request.report / "report.html")
    outputs = [path.resolve() for path in (*scans, request.report) if path]
    for path, other in permutations(outputs, 2):
        # The folder of a report may hold the rest, that of a DICOM series holds nothing else.
        if path == other or (path in other.parents and path in outputs[: len(scans)]):
            raise OutputError(f"'{other}' lies in the place of another output: give each a place of its own.")


def difference_map(mvct: Volume, enhanced: Volume) -> Volume:
    """enhanced - MVCT in HU, clipped to int16."""
    difference = np.subtract(enhanced.array, mvct.array, dtype=np.float32)
    limits = np.iinfo(np.int16)
    return mvct.with_array(np.rint(difference).clip(limits.min, limits.max).astype(np.int16))


def _write(request: EnhanceRequest, mvct: Volume, enhanced: Volume, readouts: dict, model: Model) -> None:
    made_by = f"MVCTEnhance {__version__}, model {model.card.get('name', 'unnamed')}"
    write_scan(
        enhanced,
        request.output,
        description="MVCT enhanced (MVCTEnhance)",
        derivation=f"MVCT enhanced to kVCT-like quality by {made_by}",
    )
    if request.difference:
        write_scan(
            difference_map(mvct, enhanced),
            request.difference,
            description="MVCT enhanced - MVCT, difference in HU",
            derivation=f"Difference enhanced - MVCT, by {made_by}",
        )
    if request.report:
        from .report import write_report

        write_report(
            request.report,
            mvct=mvct,
            enhanced=enhanced,
            readouts=readouts,
            model_card=model.card,
            warnings=readouts["warnings"],
        )


def _collecting(warnings: list[str], report: Report) -> Report:
    """A `report` that also keeps the warnings."""

    def collect(event: str, **fields: Any) -> None:
        if event == "warning":
            warnings.append(fields["message"])
        report(event, **fields)

    return collect


def _require_plausible_pixels(mvct: Volume, model: Model) -> None:
    if any(not 1 / PIXEL_FACTOR < mm / model.plan.spacing_mm < PIXEL_FACTOR for mm in mvct.spacing[:2]):
        raise InputError(
            f"The MVCT has pixels of {mvct.spacing[1]:.3g} x {mvct.spacing[0]:.3g} mm, which no scanner makes: export "
            "it again with its spacing in mm."
        )


def _doubts(mvct: Volume, model: Model) -> list[str]:
    """What about this scan the model was not trained for."""
    doubts = []
    trained_mm = model.plan.spacing_mm
    if not model.plan.is_at_spacing(mvct.spacing):
        doubts.append(
            f"The pixels of {mvct.spacing[1]:.3g} x {mvct.spacing[0]:.3g} mm are resampled to the {trained_mm:.3g} mm "
            "that the model was trained at, and back."
        )
    if abs(mvct.direction[2, 2]) < 0.7:
        doubts.append("The slices are not axial, but the model was trained on axial slices: look closer.")
    return doubts


def _provenance(model: Model) -> dict[str, Any]:
    card = {"name": "unnamed"} | model.card
    return {key: card[key] for key in ("name", "version", "seed") if key in card} | {
        "preset": model.plan.preset,
        "program": f"MVCTEnhance {__version__}",
    }
