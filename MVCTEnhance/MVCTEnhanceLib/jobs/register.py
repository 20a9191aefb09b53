"""Rigid registration of an MVCT and of its enhanced scan to the planning CT."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..assessment.input_warnings import input_warnings
from ..assessment.origin import enhanced_warnings, mvct_warnings, planning_ct_warnings
from ..assessment.verdicts import AS_EXPECTED, LOOK_CLOSER
from ..errors import InputError, OutputError
from ..io import write_volume
from ..io.dicom.spatial_registration import write_spatial_registration
from ..io.files.transform import require_transform_name, write_transform
from ..model.card import model_sha256
from ..registration.couch import couch_shift
from ..registration.motion import NOT_FOR_POSITIONING, RigidMotion, difference, euler_deg
from ..registration.rigid import Body
from ..registration.search import RUNS, Finder
from ..runtime.events import EventHandler, collecting_warnings, ignore_event
from ..runtime.machine import threads
from ..site.profile import read_site
from ..volume import Volume
from ..volume.grid import axial
from ..volume.resample import resample_to
from ..volume.values import rounded_int16
from .evaluate import read_pair
from .requests import PATIENT_POSITIONS, RegisterRequest
from .scans import (
    read_scan,
    require_absent,
    require_apart,
    require_new_series,
    require_permission,
    require_same_patient,
    require_volume_file,
    require_writable,
)

MAX_MM, MAX_DEG = 1.0, 1.0
SQUARE_MM = 40.0
CHECKERBOARD = "squares of the enhanced MVCT and of the planning CT"
NOT_DICOM = (
    "A Spatial Registration object refers to the images of two DICOM series: give the MVCT and the planning CT as "
    "DICOM, or write a transform."
)
TEXTS = ("Registration MVCT to planning CT, research only", "Rigid, mutual information, not for positioning")


def register_files(request: RegisterRequest, *, on_event: EventHandler = ignore_event) -> dict[str, Any]:
    """Register both scans and write what was asked for, of the MVCT's registration.

    Returns:
        JSON-serialisable: `mvct` and `enhanced`, each as `described` gives it; `enhanced` is None where it was not
        registered. `about_lps_mm`, the point that the parts of the motions are about. `patient_position`.
        `difference`: mm (mean over the body) and deg between both, or None. `assessment`: verdict and reason.
        `use`: which of the two to take. `site`: profile of the scanner, if one was named. `intended_use`. `warnings`.

    Raises:
        InputError: a scan cannot be read, they are of two patients, or the MVCT could not be registered.
        ModelError, OutputError: as for an enhancement.
    """
    _require_outputs(request)
    warnings: list[str] = []
    on_event = collecting_warnings(warnings, on_event)
    site = read_site(request.site)
    model_file, of_model = site.model_file(request.model)
    model = None
    if not request.enhanced:  # else nothing needs torch, which takes seconds to be imported
        from ..model.device import choose_device, describe_device
        from ..model.engine import Engine
        from ..model.package import load_model
        from .enhance import require_plausible_pixels

        model, device = load_model(model_file), choose_device(request.device)
    on_event("stage", stage="read")
    if model:
        mvct, enhanced = read_scan(request.mvct, "MVCT", series_uid=request.series_uid), None
        require_plausible_pixels(mvct, model)
    else:
        mvct, enhanced = read_pair(request.mvct, request.enhanced, series_uid=request.series_uid)
    kvct = read_scan(request.kvct, "planning CT")
    unknown_patient = require_same_patient(mvct, kvct)
    if request.dicom and not (mvct.source and kvct.source):
        raise InputError(NOT_DICOM)
    position, without_position = _patient_position(request, mvct, kvct)
    card = site.card(model.card, model_sha256(model_file)) if model else None
    unlike = (*of_model, *input_warnings(mvct, model.plan, card)) if model else mvct_warnings(mvct)
    of_site = site.scanner_warnings(mvct.acquisition)
    of_enhanced = (*enhanced.warnings, *enhanced_warnings(enhanced, mvct)) if enhanced else ()
    of_kvct = (*kvct.warnings, *planning_ct_warnings(kvct, mvct))
    for message in (*mvct.warnings, *of_site, *unlike, *of_enhanced, *of_kvct, *unknown_patient, *without_position):
        on_event("warning", message=message)
    on_event("stage", stage="register")
    finder = Finder(Body(mvct), kvct)
    runs = 0

    def find(scan: Volume, name: str) -> RigidMotion:
        def on_run() -> None:
            nonlocal runs
            runs += 1
            on_event("progress", stage="register", done=runs, total=2 * RUNS)

        return finder.find(scan, name, threads=threads(), on_run=on_run)

    of_mvct = find(mvct, "MVCT")
    if model:
        on_event("device", device=str(device), name=describe_device(device))
        on_event("stage", stage="enhance")
        enhanced = Engine(model, device, on_event=on_event).enhance(site.matched(site.calibrated(mvct)))
        on_event("stage", stage="register")
    try:
        of_enhanced, reason = find(enhanced, "enhanced scan"), ""
    except InputError as error:
        of_enhanced, reason = None, str(error)
    about = np.array(request.isocentre) if request.isocentre else _centre(kvct)
    apart = difference(of_mvct, of_enhanced, finder.body.points) if of_enhanced else None
    on_event("stage", stage="write")
    if request.transform:
        write_transform(of_mvct.inverse.to_itk(about), request.transform, overwrite=request.overwrite)
    if request.checkerboard:
        board = _checkerboard(enhanced, resample_to(kvct, enhanced, of_mvct.to_itk(about)))
        write_volume(board, request.checkerboard, overwrite=request.overwrite)
    if request.dicom:
        write_spatial_registration(
            request.dicom,
            moving=mvct.source,
            fixed=kvct.source,
            matrix=of_mvct.matrix,
            texts=TEXTS,
            overwrite=request.overwrite,
        )
    return {
        "mvct": described(of_mvct, about, position),
        "enhanced": described(of_enhanced, about, position) if of_enhanced else None,
        "about_lps_mm": about.tolist(),
        "patient_position": position,
        "difference": apart and dict(zip(("mm", "deg"), _rounded(apart), strict=True)),
        "assessment": assessed(apart, reason),
        "use": "mvct",
        "site": site.identity,
        "intended_use": NOT_FOR_POSITIONING,
        "warnings": warnings,
    }


def described(motion: RigidMotion, about: np.ndarray, patient_position: str | None) -> dict[str, Any]:
    """A motion from the MVCT to the planning CT in numbers.

    Returns:
        translation_lps_mm: by how much the point `about` of the MVCT is moved. rotation_deg: right-handed angles about
        the axes x, y, z of LPS, see `euler_deg`. matrix_lps: shape (4, 4), from MVCT to planning CT. couch_shift: see
        `couch.couch_shift`; None where the Patient Position is not known.
    """
    shift = couch_shift(motion, about, patient_position) if patient_position else None
    return {
        "translation_lps_mm": _rounded(motion.shift_of(about)),
        "rotation_deg": _rounded(euler_deg(motion.rotation)),
        "matrix_lps": motion.matrix.tolist(),
        "couch_shift": shift and dict(zip(shift, _rounded(shift.values()), strict=True)),
    }


def _checkerboard(scan: Volume, planning_ct: Volume) -> Volume:
    """Squares of both, int16 HU; the scans on one grid."""
    slices = axial(scan)
    rows, columns = (
        (np.arange(count) * mm // SQUARE_MM).astype(int)
        for count, mm in zip(slices.array.shape[1:], slices.spacing[1::-1], strict=True)
    )
    odd = (rows[:, None] + columns) % 2 == 1
    board = scan.with_array(rounded_int16(planning_ct.array))
    axial(board).array[:, ~odd] = rounded_int16(slices.array[:, ~odd])
    return replace(board, source=None, note=CHECKERBOARD)


def _rounded(values: Iterable[float]) -> list[float]:
    return [round(float(value), 3) + 0.0 for value in values]


def assessed(apart: tuple[float, float] | None, reason: str = "") -> dict[str, str]:
    """Verdict and reason by how far both registrations lie apart (mm, degrees); None where the second one failed."""
    if apart is None:
        return {"verdict": LOOK_CLOSER, "reason": reason}
    mm, deg = apart
    words = f"The registrations of the MVCT and of the enhanced scan differ by {mm:.1f} mm and {deg:.1f}°"
    if mm > MAX_MM or deg > MAX_DEG:
        limits = f"more than {MAX_MM:g} mm or {MAX_DEG:g}°"
        return {"verdict": LOOK_CLOSER, "reason": f"{words}, {limits}: check both, and use the one of the MVCT."}
    return {"verdict": AS_EXPECTED, "reason": f"{words}."}


def _patient_position(request: RegisterRequest, mvct: Volume, kvct: Volume) -> tuple[str | None, tuple[str, ...]]:
    """Of the MVCT, and a warning where there is no couch shift."""
    found, planned = (
        str(scan.source.header(0).get("PatientPosition") or "").strip() if scan.source else "" for scan in (mvct, kvct)
    )
    if found and request.patient_position and found != request.patient_position:
        raise InputError(
            f"The MVCT's Patient Position is {found}, not {request.patient_position}: leave --patient-position away."
        )
    position = found or request.patient_position
    if not position:
        return None, ("The Patient Position of the MVCT is not known, so that there is no couch shift.",)
    if position not in PATIENT_POSITIONS:
        return None, ("The Patient Position of the MVCT is not one along the couch, so that there is no couch shift.",)
    if planned and planned != position:
        words = f"The Patient Position is {position} in the MVCT and {planned} in the planning CT"
        return None, (f"{words}, so that there is no couch shift.",)
    return position, ()


def _centre(volume: Volume) -> np.ndarray:
    """LPS position in mm of the middle of a scan's voxels."""
    reach = (np.array(volume.array.shape[::-1]) - 1) * volume.spacing
    return np.asarray(volume.origin, float) + np.asarray(volume.direction, float) @ reach / 2


def _require_outputs(request: RegisterRequest) -> None:
    sources = [path for path in (request.mvct, request.kvct, request.enhanced) if path]
    if request.transform:
        _require_transform(request.transform, sources, overwrite=request.overwrite)
    if request.checkerboard:
        require_writable(request.checkerboard, *sources, overwrite=request.overwrite)
        require_volume_file(request.checkerboard, "checkerboard")
    if request.dicom:
        require_new_series(request.dicom, *sources, overwrite=request.overwrite)
    require_apart(*filter(None, (request.transform, request.checkerboard, request.dicom)))


def _require_transform(path: Path, sources: list[Path], *, overwrite: bool) -> None:
    require_transform_name(path)
    if path.is_dir():
        raise OutputError(f"'{path}' is a folder: give the transform a file name inside it.")
    require_absent(path, overwrite=overwrite)
    require_permission(path)
