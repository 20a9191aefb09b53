"""Metrics of an enhanced scan that is there already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..assessment.input_warnings import input_warnings
from ..assessment.origin import enhanced_warnings, planning_ct_warnings
from ..assessment.provenance import provenance
from ..assessment.verdicts import judge
from ..errors import InputError
from ..io.files.transform import read_transform
from ..model.card import DEFAULT_MODEL, model_identity, model_sha256, read_card
from ..quality.metrics import evaluate
from ..quality.record import FULL_STRENGTH, EnhancementRecord
from ..runtime.events import EventHandler, collecting_warnings, ignore_event, with_stage
from ..runtime.machine import threads
from ..site.profile import SiteProfile, read_site
from ..structures.metrics import structure_values
from ..structures.placed import PlacedStructure, structures_brought_to, structures_drawn_on
from ..volume import Volume
from ..volume.grid import axial, digest, listed, listed_z_mm, reorient_like
from ..volume.product import SITE_DIGITS
from ..volume.resample import resample_to
from .requests import EnhanceRequest, EvaluateRequest
from .scans import read_region, read_scan

REGION_WITHOUT_BODY = "The region holds no part of the body: nothing could be measured in it."
REGION_AND_PLANNING_CT = (
    "The region limits the metrics of the MVCT and of the enhanced scan, but not those of the planning CT: "
    "compare them with care."
)
PART_OF_STRENGTH = (
    "The enhanced scan has a strength of {strength} %: the expected ranges of noise, CNR, NSelfSSIM and DIG hold at "
    "100 % only and are not used."
)
MADE_WITH_SITE = (
    "The enhanced scan was made with {made}, but {given} was named: HU change and assessments hold for the profile "
    "that it was made with, so name that with --site."
)
NO_MODEL_NAMED = (
    f"No model was named: verdicts and input warnings are those of the default model, {DEFAULT_MODEL}. If another "
    "model made the enhanced scan, name it with --model."
)


def evaluate_files(request: EvaluateRequest, *, on_event: EventHandler = ignore_event) -> dict[str, Any]:
    """Every metric of an enhanced scan with verdicts and input warnings as `enhance` gives them, JSON-serialisable.

    It has also "card", which model's card both rest on.

    Raises:
        InputError: a scan cannot be read, MVCT and enhanced scan lie on different grids, or the region is empty.
        ModelError: there is no such model, or its file is damaged.
    """
    site = read_site(request.site)
    model_file, of_model = site.model_file(request.model)
    plan, card = read_card(model_file)
    identity, card = model_identity(card), site.card(card, model_sha256(model_file))
    on_event("stage", stage="read")
    mvct, enhanced = read_pair(request.mvct, request.enhanced)
    kvct = read_scan(request.kvct, "planning CT", slices_only=True) if request.kvct else None
    truth = read_scan(request.truth, "truth") if request.truth else None
    region = read_region(request.region, mvct) if request.region else None
    warnings: list[str] = []
    on_event = collecting_warnings(warnings, on_event)
    structures = structures_of(request, mvct, kvct, on_event)
    for scan in (mvct, enhanced, kvct, truth):
        for message in scan.warnings if scan else ():
            on_event("warning", message=message)
    of_kvct = planning_ct_warnings(kvct, mvct) if kvct else ()
    of_site = (*of_model, *site.scanner_warnings(mvct.acquisition), *_site_warnings(enhanced, site))
    of_scans = (*input_warnings(mvct, plan, card), *enhanced_warnings(enhanced, mvct), *of_kvct)
    for message in (*of_site, *of_scans):
        on_event("warning", message=message)
    if request.model is None and site.model is None:
        on_event("warning", message=NO_MODEL_NAMED)
    if truth:
        truth = _on_grid_of(enhanced, truth, on_event)
    record = measure(site.calibrated(mvct), enhanced, kvct=kvct, truth=truth, region=region, on_event=on_event)
    record = with_structures(record, structures, site.calibrated(mvct), enhanced, card)
    made = provenance(digest(mvct), card=identity, site=site.identity)
    return replace(record, assessments=judge(record, card), provenance=made, warnings=tuple(warnings)).to_dict()


def _site_warnings(enhanced: Volume, site: SiteProfile) -> list[str]:
    """Where the enhanced scan says that it was made with another site profile, or with none."""
    if enhanced.product is None or enhanced.product.site == site.sha256[:SITE_DIGITS]:
        return []
    made = "another site profile" if enhanced.product.site and site.sha256 else "a site profile"
    made, given = (made if enhanced.product.site else "none"), ("this one" if site.sha256 else "none")
    return [MADE_WITH_SITE.format(made=made, given=given)]


def read_pair(mvct_path: Path, enhanced_path: Path, *, series_uid: str | None = None) -> tuple[Volume, Volume]:
    """An MVCT and its enhanced scan, whose voxels come in the MVCT's order.

    Args:
        mvct_path, enhanced_path: files or folders.
        series_uid: of the MVCT, where its folder has several series.

    Raises:
        InputError: one cannot be read, or their voxels are not the same.
    """
    mvct = read_scan(mvct_path, "MVCT", series_uid=series_uid)
    enhanced = read_scan(enhanced_path, "enhanced scan")
    enhanced = reorient_like(enhanced, mvct)
    if enhanced is None:
        raise InputError(
            f"'{mvct_path}' and '{enhanced_path}' lie on different grids: give the scan that the enhanced one "
            "was made of."
        )
    return mvct, enhanced


def structures_of(
    request: EnhanceRequest | EvaluateRequest, mvct: Volume, kvct: Volume | None, on_event: EventHandler
) -> list[PlacedStructure]:
    """The structures that a request names, on the MVCT's axial slices; none where it names no file. Warnings are told.

    Raises:
        InputError: they or their transform cannot be read, belong to another scan, or none lies in the MVCT.
    """
    if request.structures is None:
        return []
    if request.structures_transform is None:
        structures, warnings = structures_drawn_on(axial(mvct), request.structures)
    else:
        transform = read_transform(request.structures_transform)
        structures, warnings = structures_brought_to(axial(mvct), axial(kvct), request.structures, transform)
    for message in warnings:
        on_event("warning", message=message)
    return structures


def with_structures(
    record: EnhancementRecord,
    structures: list[PlacedStructure],
    mvct: Volume,
    enhanced: Volume,
    card: Mapping[str, Any],
) -> EnhancementRecord:
    """The record with what the scans show in each structure."""
    trained_hu = card.get("trained_on", {}).get("hu")
    values = structure_values(structures, axial(mvct), axial(enhanced), trained_hu=trained_hu)
    return replace(record, structures=values)


def _on_grid_of(enhanced: Volume, truth: Volume, on_event: EventHandler) -> Volume:
    same = reorient_like(truth, enhanced)
    if same is not None:
        return same
    on_event("warning", message="The truth was resampled linearly to the grid of the enhanced scan.")
    return resample_to(truth, enhanced)


def measure(
    mvct: Volume,
    enhanced: Volume,
    *,
    kvct: Volume | None = None,
    truth: Volume | None = None,
    region: np.ndarray | None = None,
    on_event: EventHandler,
) -> EnhancementRecord:
    """Every metric of scans in memory; MVCT, enhanced scan, truth and region on the same grid.

    Axial slices are measured, with rows and columns in one fixed order however the scans are stored (see `axial`). The
    lists have them in the order of the scan's own axis along the patient; `z_mm` tells where they lie.
    """
    on_event("stage", stage="measure")
    strength = {"strength": enhanced.product.strength} if enhanced.product else {}
    z_mm, planning_ct_z_mm = (tuple(listed_z_mm(scan)) if scan else () for scan in (mvct, kvct))
    if region is not None:
        region = listed(mvct.with_array(region)).array
    mvct, enhanced, kvct, truth = (scan and listed(scan) for scan in (mvct, enhanced, kvct, truth))
    record = evaluate(
        mvct.array,
        enhanced.array,
        spacing=mvct.spacing,
        kvct=kvct.array if kvct else None,
        kvct_spacing=kvct.spacing if kvct else None,
        truth=truth.array if truth else None,
        region=region,
        threads=threads(),
        progress=with_stage(on_event, "measure"),
    )
    if strength.get("strength", FULL_STRENGTH) != FULL_STRENGTH:
        on_event("warning", message=PART_OF_STRENGTH.format(**strength))
    sides = zip(mvct.array.shape[1:], mvct.spacing[1::-1], strict=True)
    parameters = {**record.parameters, **strength, "field_of_view_mm": [float(count * mm) for count, mm in sides]}
    if region is not None and not record.groups["mvct"]["nselfssim"].has_value:
        on_event("warning", message=REGION_WITHOUT_BODY)
    elif region is not None and kvct:
        on_event("warning", message=REGION_AND_PLANNING_CT)
    return replace(record, parameters=parameters, z_mm=z_mm, planning_ct_z_mm=planning_ct_z_mm)
