"""The calibration of a scanner's HU, left as its site profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..assessment.origin import mvct_warnings
from ..batch.cases import Case, find_cases
from ..errors import InputError, OutputError
from ..io.formats import has_suffix
from ..jobs.requests import CalibrateRequest, CommissionRequest
from ..jobs.scans import read_scan, require_absent, require_permission
from ..model.card import find_model, installed_models, model_sha256, read_card
from ..runtime.events import EventHandler, collecting_warnings, ignore_event
from ..site.fit import fit, require_near
from ..site.inserts import CHEESE, measured_inserts, read_phantom
from ..site.patients import MIN_PATIENTS, Patient, calibration_of, patient_of
from ..site.profile import FittedCalibration, SiteModel, SiteProfile, write_site
from ..storage.atomic import atomic_file
from ..volume import Volume
from .scans import Scans, paired

SUFFIXES = {"output": ".toml", "picture": ".png"}


def calibrate(request: CalibrateRequest, *, on_event: EventHandler = ignore_event) -> dict[str, Any]:
    """Fit offset, slope and bone slope of a scanner, and write its site profile.

    Returns:
        profile, its path; scanner and calibration as in it; warnings.

    Raises:
        MVCTEnhanceError: with one sentence on the fault and what to do; nothing was written.
    """
    _require_sources(request)
    _require_outputs(request)
    model = site_model(request.model)
    warnings: list[str] = []
    on_event = collecting_warnings(warnings, on_event)
    scans = Scans()
    fitted = (calibration_from_phantom if request.phantom else calibration_from_patients)(request, scans, on_event)
    scanner = scans.scanner(request.name, on_event)
    on_event("stage", stage="write")
    if request.picture:
        _write_picture(fitted, request)
    profile = SiteProfile(scanner, scans.made(request.by), fitted, model)
    write_site(profile, request.output, overwrite=request.overwrite)
    return {
        "profile": str(request.output),
        "scanner": asdict(scanner),
        "calibration": asdict(fitted),
        "warnings": warnings,
    }


def _require_sources(request: CalibrateRequest) -> None:
    patients = [request.mvct, request.kvct]
    if bool(request.phantom) == any(patients) or (any(patients) and not all(patients)):
        raise InputError("Give either a phantom, or the folders of MVCTs and planning CTs (--mvct and --kvct).")


def _require_outputs(request: CalibrateRequest) -> None:
    inputs = [path.resolve() for path in (request.phantom, request.inserts) if path]
    for name, suffix in SUFFIXES.items():
        output = getattr(request, name)
        if output is None:
            continue
        if not has_suffix(output, (suffix,)):
            raise OutputError(f"'{output.name}' has another suffix than {suffix}: end the {name} in it.")
        if output.resolve() in inputs:
            raise OutputError(f"'{output}' is an input itself, which is never overwritten: choose another output.")
        require_absent(output, overwrite=request.overwrite)
        require_permission(output)


def site_model(chosen: str | Path) -> SiteModel:
    """The model, by its name or by its place as it is now.

    Raises:
        ModelError: there is no such model.
    """
    file = find_model(chosen)
    read_card(file)
    name = str(chosen) if str(chosen) in installed_models() else str(file.absolute())
    return SiteModel(name, model_sha256(file))


def calibration_from_phantom(
    request: CalibrateRequest | CommissionRequest, scans: Scans, on_event: EventHandler
) -> FittedCalibration:
    """The line that brings the request's phantom to the HU of its inserts.

    Raises:
        InputError: the phantom is not found, or no plausible line, or an insert lies far from it.
    """
    phantom = read_phantom(request.inserts or CHEESE)
    on_event("stage", stage="read")
    mvct = read_scan(request.phantom, "phantom's MVCT", series_uid=request.series_uid)
    for message in (*mvct.warnings, *mvct_warnings(mvct)):
        on_event("warning", message=message)
    scans.take_mvct(mvct)
    on_event("stage", stage="measure")
    points = measured_inserts(mvct, phantom)
    fitted = fit(points, source="phantom", count=len(points))
    require_near(points, fitted)
    return fitted


def calibration_from_patients(request: CalibrateRequest, scans: Scans, on_event: EventHandler) -> FittedCalibration:
    """The line that brings the MVCTs of patients to the HU of their planning CTs.

    Raises:
        InputError: there are too few, no plausible line, or a tissue lies far from it.
    """
    on_event("stage", stage="search")
    mvcts, kvcts = (find_cases(folder, on_event=on_event) for folder in (request.mvct, request.kvct))
    both = paired(mvcts, kvcts, on_event)
    require_pairs(len(both))
    patients = []
    for number, (of_mvct, of_kvct) in enumerate(both, start=1):
        on_event("progress", stage="measure", done=number - 1, total=len(both))
        shown = [scans.read_mvct(case, on_event) for case in of_mvct]
        patients.append(patient_of_scans(of_mvct[0], shown, [scans.read_kvct(case) for case in of_kvct]))
    on_event("progress", stage="measure", done=len(both), total=len(both))
    return calibration_of(patients)


def require_pairs(count: int) -> None:
    """Refuse to calibrate with few patients.

    Raises:
        InputError: there are fewer than three.
    """
    if count < MIN_PATIENTS:
        raise InputError(
            f"Of {count} patients both folders hold a scan, but at least {MIN_PATIENTS} are needed: scans of a patient "
            "are known by their Patient ID or, of files, by the same name in both folders."
        )


def patient_of_scans(case: Case, mvcts: Sequence[Volume], kvcts: Sequence[Volume]) -> Patient:
    """The slices of a patient's scans that can be compared.

    Raises:
        InputError: there are none; the sentence names the case.
    """
    try:
        return patient_of(mvcts, kvcts)
    except InputError as error:
        raise InputError(f"'{case.name}': {error}") from error


def _write_picture(fitted: FittedCalibration, request: CalibrateRequest) -> None:
    from ..report.pictures import fit_png

    points = [(point.exact_hu, point.shown_hu) for point in fitted.points]
    with atomic_file(request.picture, overwrite=request.overwrite) as partial:
        partial.write_bytes(fit_png(points, fitted.line))
