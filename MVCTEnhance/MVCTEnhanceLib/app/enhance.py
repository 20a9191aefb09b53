"""The main job: an MVCT scan in; an enhanced scan, a difference map, readouts and a report out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..imageio import Volume
from ..imageio.grid import axial
from ..imageio.product import Product, digest
from ..model.card import DEFAULT_MODEL, find_model
from ..model.device import choose_device, describe_device
from ..model.engine import Engine
from ..model.package import Model, load_model
from .enhance_outputs import cycle_error_map, output_warnings, require_outputs, without_dicom, write_outputs
from .evaluate import measure
from .machine import return_memory
from .origin import planning_ct_warnings
from .progress import Report, collecting
from .provenance import NOT_IDENTIFIED, identity, model_provenance, provenance
from .region import read_region
from .scans import read_scan
from .suitability import doubts
from .trust import NotTrusted, why_withheld
from .verdicts import judge

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
        correction: file or DICOM folder for what was changed beyond the HU conversion, in HU (see `maps.correction`);
            None for none.
        report: folder for report.html, readouts.json and readouts.csv; None for none.
        series_uid: which CT series, where the folder has several: its UID, or one of its files as `read_volume` has it.
        kvct: planning CT whose readouts are what to aim at; None for none.
        cycle_error: file or DICOM folder for |G_kV→MV(G_MV→kV(x)) - x| in HU; None for none.
        region: file on the MVCT's grid, not zero inside, to which the readouts are limited (see `quality.evaluate`);
            None for the whole scan.
        compress: as for `write_volume`, for all volume files.
        overwrite: whether outputs that exist are replaced (of folders those with a series made by this program);
            if not, they are refused.
        force: whether DICOM is written also where a readout is assessed as 'do not trust'.
        identify: whether readouts and report name the scan by description and date of its DICOM series.
    """

    input: Path
    output: Path
    model: str | Path = DEFAULT_MODEL
    device: str = "auto"
    difference: Path | None = None
    report: Path | None = None
    series_uid: str | None = None
    kvct: Path | None = None
    cycle_error: Path | None = None
    region: Path | None = None
    compress: bool = True
    overwrite: bool = False
    correction: Path | None = None
    force: bool = False
    identify: bool = False


@dataclass(frozen=True, eq=False)
class Enhanced:
    """What came of it: both scans, what was measured, what the user must be told, and the cycle error if asked for."""

    mvct: Volume
    enhanced: Volume
    readouts: dict[str, Any]
    warnings: tuple[str, ...]
    cycle_error: Volume | None = None


def enhance(
    request: EnhanceRequest,
    *,
    report: Report = lambda event, **fields: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Enhanced:
    """Enhance a scan and write everything that was asked for.

    Raises:
        NotTrusted: a readout is assessed as 'do not trust', so that all but DICOM was written.
        MVCTEnhanceError: with one sentence on what is wrong; each output is either complete or not there.
    """
    require_outputs(request)
    warnings: list[str] = []
    report = collecting(warnings, report)
    model_file = find_model(request.model)
    model = load_model(model_file)
    device = choose_device(request.device)
    report("device", device=str(device), name=describe_device(device))
    report("stage", stage="read")
    mvct = read_scan(request.input, "MVCT", series_uid=request.series_uid)
    kvct = read_scan(request.kvct, "planning CT", slices_only=True) if request.kvct else None
    region = read_region(request.region, mvct) if request.region else None
    _require_plausible_pixels(mvct, model)
    unlike = doubts(mvct, model.plan, model.card)
    of_kvct = (*kvct.warnings, *planning_ct_warnings(kvct, mvct)) if kvct else ()
    scan = identity(mvct) if request.identify else {}
    unnamed = [NOT_IDENTIFIED] * (request.identify and not scan)
    for message in (*mvct.warnings, *unlike, *of_kvct, *unnamed, *output_warnings(request, mvct)):
        report("warning", message=message)
    report("stage", stage="enhance")
    engine = Engine(model, device, report=report, cancelled=cancelled)
    input_digest = digest(mvct)
    enhanced = replace(engine.enhance(mvct), product=Product("enhanced", input_digest))
    cycle_error = None
    if request.cycle_error:
        report("stage", stage="cycle")
        cycle_error = cycle_error_map(mvct, engine.back_to_mvct(enhanced))
    readouts = measure(mvct, enhanced, kvct=kvct, region=region, report=report)
    readouts["verdicts"] = judge(readouts, model.card)
    readouts |= provenance(input_digest) | {"model": model_provenance(model_file, model.plan, model.card)}
    readouts |= {"device": describe_device(device), "warnings": warnings} | ({"scan": scan} if scan else {})
    report("stage", stage="write")
    return_memory()
    result = Enhanced(mvct, enhanced, readouts, tuple(warnings), cycle_error)
    _write(request, result, model)
    return result


def _write(request: EnhanceRequest, result: Enhanced, model: Model) -> None:
    why = "" if request.force else why_withheld(result.readouts)
    written = without_dicom(request) if why else request
    write_outputs(written, result, model.card)
    if written != request:
        raise NotTrusted(why, result)


def _require_plausible_pixels(mvct: Volume, model: Model) -> None:
    column_mm, row_mm = axial(mvct).spacing[:2]
    if any(not 1 / PIXEL_FACTOR < mm / model.plan.spacing_mm < PIXEL_FACTOR for mm in (column_mm, row_mm)):
        raise InputError(
            f"The MVCT has pixels of {row_mm:.3g} x {column_mm:.3g} mm, which no scanner makes: export "
            "it again with its spacing in mm."
        )
