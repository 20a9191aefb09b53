"""The main job: an MVCT scan in; an enhanced scan, a difference map, readouts and a report out."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..errors import OutputError
from ..imageio import Volume, is_dicom_output, read_volume, write_dicom_series, write_volume
from ..imageio.formats import WRITABLE, has_suffix
from ..model.device import choose_device, describe_device
from ..model.engine import Engine
from ..model.package import Model, find_model, load_model
from ..quality.readouts import evaluate
from .progress import Report, under_stage

DEFAULT_MODEL = "simulated-anchor"


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
    for path in (request.output, request.difference):
        require_writable(path, request.input)
    model = load_model(find_model(request.model))
    device = choose_device(request.device)
    report("device", device=str(device), name=describe_device(device))
    report("stage", stage="reading")
    mvct = read_volume(request.input, series_uid=request.series_uid)
    kvct = read_volume(request.kvct) if request.kvct else None
    warnings = (*mvct.warnings, *_doubts(mvct, model))
    for message in warnings:
        report("warning", message=message)
    report("stage", stage="enhancing")
    enhanced = Engine(model, device, report=report, cancelled=cancelled).enhance(mvct)
    report("stage", stage="measuring")
    readouts = evaluate(
        mvct.array,
        enhanced.array,
        spacing=mvct.spacing,
        kvct=kvct.array if kvct else None,
        kvct_spacing=kvct.spacing if kvct else None,
        progress=under_stage(report, "evaluate"),
    ).to_dict()
    readouts |= {"model": _provenance(model), "device": describe_device(device), "warnings": list(warnings)}
    report("stage", stage="writing")
    _write(request, mvct, enhanced, readouts, model)
    return Enhanced(mvct, enhanced, readouts, warnings)


def require_writable(output: Path | None, source: Path) -> None:
    """Refuse an output that could not be written, before any work is done.

    Raises:
        OutputError: a suffix that is not written, the input itself, a non-empty folder, or no permission.
    """
    if output is None:
        return
    output, source = Path(output), Path(source)
    if output.exists() and source.exists() and output.samefile(source):
        raise OutputError(f"'{output}' is the input itself, which is never overwritten: choose another output.")
    if is_dicom_output(output):
        if output.suffix and not output.is_dir():
            raise OutputError(
                f"'{output.name}' ends in '{output.suffix}': end the output in {', '.join(WRITABLE)}, or name a folder "
                "without a suffix for DICOM."
            )
        if output.is_dir() and any(output.iterdir()):
            raise OutputError(f"The folder '{output}' is not empty: name a new folder for the DICOM series.")
    elif not has_suffix(output, WRITABLE):
        raise OutputError(f"'{output.name}' cannot be written: end the output in {', '.join(WRITABLE)}.")
    parent = next(folder for folder in output.absolute().parents if folder.exists())
    if not (parent.is_dir() and os.access(parent, os.W_OK)):
        raise OutputError(f"'{parent}' does not let itself be written to: choose another place for the output.")


def write_scan(volume: Volume, path: Path, *, description: str, derivation: str) -> None:
    """A scan as a file or, where the path has no suffix of one, as a DICOM series."""
    if is_dicom_output(path):
        write_dicom_series(volume, path, description=description, derivation=derivation)
    else:
        write_volume(volume, path)


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


def _doubts(mvct: Volume, model: Model) -> list[str]:
    """What about this scan the model was not trained for."""
    doubts = []
    trained_mm = model.plan.spacing_mm
    if any(abs(mm / trained_mm - 1) > 0.01 for mm in mvct.spacing[:2]):
        doubts.append(
            f"The pixels of {mvct.spacing[1]:.3g} x {mvct.spacing[0]:.3g} mm are resampled to the {trained_mm:.3g} mm "
            "that the model was trained at, and back."
        )
    if abs(mvct.direction[2, 2]) < 0.7:
        doubts.append("The slices are not axial, but the model was trained on axial slices: look closer.")
    return doubts


def _provenance(model: Model) -> dict[str, Any]:
    return {key: model.card[key] for key in ("name", "version", "seed") if key in model.card} | {
        "preset": model.plan.preset,
        "program": f"MVCTEnhance {__version__}",
    }
