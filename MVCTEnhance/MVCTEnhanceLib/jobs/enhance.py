"""The main job: an MVCT scan in; an enhanced scan, a difference map, metrics and a report out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..assessment.input_warnings import input_warnings
from ..assessment.origin import planning_ct_warnings
from ..assessment.provenance import NOT_IDENTIFIED, identity, model_provenance, provenance
from ..assessment.verdicts import judge, withholding_reason
from ..errors import InputError
from ..model.card import model_sha256
from ..model.device import choose_device, describe_device
from ..model.engine import Engine
from ..model.package import Model, load_model
from ..runtime.events import EventHandler, collecting_warnings, ignore_event
from ..runtime.machine import return_memory
from ..site.profile import read_site
from ..volume import Volume
from ..volume.grid import axial, digest
from ..volume.product import SITE_DIGITS, Product
from .evaluate import measure, structures_of, with_structures
from .outputs import (
    Enhanced,
    NotTrusted,
    cycle_error_map,
    output_warnings,
    require_outputs,
    without_dicom,
    write_outputs,
)
from .requests import MATCH, EnhanceRequest
from .scans import read_region, read_scan
from .strength import matching_strength, with_strength

PIXEL_FACTOR = 10  # to the model's pixels, either way: beyond lie headers with a wrong unit


def enhance(
    request: EnhanceRequest,
    *,
    on_event: EventHandler = ignore_event,
    cancelled: Callable[[], bool] = lambda: False,
) -> Enhanced:
    """Enhance a scan and write everything that was asked for.

    Raises:
        NotTrusted: a metric is assessed as 'do not trust', so that all but DICOM was written.
        MVCTEnhanceError: with one sentence on the fault and what to do; each output is either complete or not there.
    """
    require_outputs(request)
    warnings: list[str] = []
    on_event = collecting_warnings(warnings, on_event)
    site = read_site(request.site)
    model_file, of_model = site.model_file(request.model)
    model = load_model(model_file)
    device = choose_device(request.device)
    on_event("device", device=str(device), name=describe_device(device))
    on_event("stage", stage="read")
    mvct = read_scan(request.input, "MVCT", series_uid=request.series_uid)
    kvct = read_scan(request.kvct, "planning CT", slices_only=True) if request.kvct else None
    region = read_region(request.region, mvct) if request.region else None
    structures = structures_of(request, mvct, kvct, on_event)
    require_plausible_pixels(mvct, model)
    of_site = (*of_model, *site.scanner_warnings(mvct.acquisition))
    card = site.card(model.card, model_sha256(model_file))
    unlike = input_warnings(mvct, model.plan, card)
    of_kvct = (*kvct.warnings, *planning_ct_warnings(kvct, mvct)) if kvct else ()
    scan = identity(mvct) if request.identify else {}
    unnamed = [NOT_IDENTIFIED] * (request.identify and not scan)
    for message in (*mvct.warnings, *of_site, *unlike, *of_kvct, *unnamed, *output_warnings(request, mvct)):
        on_event("warning", message=message)
    on_event("stage", stage="enhance")
    engine = Engine(model, device, on_event=on_event, cancelled=cancelled)
    input_digest, calibrated = digest(mvct), site.calibrated(mvct)
    seen = site.matched(calibrated)
    enhanced = engine.enhance(seen)
    strength = matching_strength(calibrated, enhanced, kvct) if request.strength == MATCH else request.strength
    product = Product("enhanced", input_digest, strength, site.sha256[:SITE_DIGITS])
    enhanced = replace(with_strength(calibrated, enhanced, strength), product=product)
    cycle_error = None
    if request.cycle_error:
        on_event("stage", stage="cycle")
        cycle_error = cycle_error_map(seen, engine.back_to_mvct(enhanced))
    record = measure(calibrated, enhanced, kvct=kvct, region=region, on_event=on_event)
    record = with_structures(record, structures, calibrated, enhanced, card)
    made_with = model_provenance(model_file, model.plan, model.card)
    record = replace(
        record,
        assessments=judge(record, card),
        provenance=provenance(
            input_digest, model=made_with, site=site.identity, device=describe_device(device), scan=scan
        ),
        warnings=tuple(warnings),
    )
    on_event("stage", stage="write")
    return_memory()
    result = Enhanced(mvct, enhanced, record, cycle_error)
    _write(request, result, model)
    return result


def _write(request: EnhanceRequest, result: Enhanced, model: Model) -> None:
    why = "" if request.force else withholding_reason(result.record)
    written = without_dicom(request) if why else request
    write_outputs(written, result, model.card)
    if written != request:
        raise NotTrusted(why, result)


def require_plausible_pixels(mvct: Volume, model: Model) -> None:
    """Refuse a scan whose pixels have a wrong unit.

    Raises:
        InputError: they are ten times larger or smaller than the model's.
    """
    column_mm, row_mm = axial(mvct).spacing[:2]
    if any(not 1 / PIXEL_FACTOR < mm / model.plan.spacing_mm < PIXEL_FACTOR for mm in (column_mm, row_mm)):
        raise InputError(
            f"The MVCT has pixels of {row_mm:.3g} x {column_mm:.3g} mm, which no scanner makes: export "
            "it again with its spacing in mm."
        )
