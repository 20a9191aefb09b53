"""The calibration of a scanner's HU, left as its site profile."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from ..assessment.origin import mvct_warnings
from ..assessment.provenance import PROGRAM
from ..batch.cases import Case, find_cases
from ..errors import InputError, OutputError
from ..io.dicom.series import read_dicom_folder
from ..io.formats import READABLE, has_suffix
from ..jobs.requests import CalibrateRequest
from ..jobs.scans import read_scan, require_absent, require_permission
from ..model.card import find_model, installed_models, model_sha256, read_card
from ..runtime.events import EventHandler, collecting_warnings, ignore_event
from ..site.fit import fit, require_near
from ..site.inserts import CHEESE, measured_inserts, read_phantom
from ..site.patients import MIN_PATIENTS, Patient, calibration_of, patient_of
from ..site.profile import KEYS, FittedCalibration, Made, Scanner, SiteModel, SiteProfile, write_site
from ..storage.atomic import atomic_file
from ..volume import Volume
from ..volume.acquisition import Acquisition
from ..volume.grid import digest

SUFFIXES = {"output": ".toml", "picture": ".png"}


@dataclass
class _Scans:
    """What was read: the scanners of the MVCTs, and digests of all scans."""

    scanners: list[Acquisition] = field(default_factory=list)
    mvcts: set[str] = field(default_factory=set)
    kvcts: set[str] = field(default_factory=set)

    def take(self, mvcts: Sequence[Volume], kvcts: Sequence[Volume] = ()) -> None:
        """Remember scans.

        Raises:
            InputError: an MVCT is among the planning CTs, too.
        """
        self.scanners += [volume.acquisition for volume in mvcts]
        self.mvcts |= set(map(digest, mvcts))
        self.kvcts |= set(map(digest, kvcts))
        if self.mvcts & self.kvcts:
            raise InputError(
                "A scan is among the MVCTs and among the planning CTs: give each scan in one of the folders only."
            )


def calibrate(request: CalibrateRequest, *, on_event: EventHandler = ignore_event) -> dict[str, Any]:
    """Fit offset, slope and bone slope of a scanner, and write its site profile.

    Returns:
        profile, its path; scanner and calibration as in it; warnings.

    Raises:
        MVCTEnhanceError: with one sentence on the fault and what to do; nothing was written.
    """
    _require_sources(request)
    _require_outputs(request)
    model = _model(request)
    warnings: list[str] = []
    on_event = collecting_warnings(warnings, on_event)
    scans = _Scans()
    fitted = (_of_phantom if request.phantom else _of_patients)(request, scans, on_event)
    scanner = _scanner(scans.scanners, request.name)
    if not any(getattr(scanner, key) for key in KEYS):
        on_event(
            "warning",
            message="The scans name no scanner, so that the site profile names none: it will be used for any scan.",
        )
    made = Made(
        datetime.now().astimezone().isoformat(timespec="seconds"),
        request.by or _account(),
        PROGRAM,
        tuple(sorted(scans.mvcts | scans.kvcts)),
    )
    on_event("stage", stage="write")
    if request.picture:
        _write_picture(fitted, request)
    write_site(SiteProfile(scanner, made, fitted, model), request.output, overwrite=request.overwrite)
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


def _model(request: CalibrateRequest) -> SiteModel:
    """The model, by its name or by its place as it is now."""
    file = find_model(request.model)
    read_card(file)
    name = str(request.model) if str(request.model) in installed_models() else str(file.absolute())
    return SiteModel(name, model_sha256(file))


def _of_phantom(request: CalibrateRequest, scans: _Scans, on_event: EventHandler) -> FittedCalibration:
    phantom = read_phantom(request.inserts or CHEESE)
    on_event("stage", stage="read")
    mvct = read_scan(request.phantom, "phantom's MVCT", series_uid=request.series_uid)
    scans.take([mvct])
    for message in (*mvct.warnings, *mvct_warnings(mvct)):
        on_event("warning", message=message)
    on_event("stage", stage="measure")
    points = measured_inserts(mvct, phantom)
    fitted = fit(points, source="phantom", count=len(points))
    require_near(points, fitted)
    return fitted


def _of_patients(request: CalibrateRequest, scans: _Scans, on_event: EventHandler) -> FittedCalibration:
    on_event("stage", stage="search")
    mvcts, kvcts = (find_cases(folder, on_event=on_event) for folder in (request.mvct, request.kvct))
    paired = _paired(mvcts, kvcts, on_event)
    if len(paired) < MIN_PATIENTS:
        raise InputError(
            f"Of {len(paired)} patients both folders hold a scan, but at least {MIN_PATIENTS} are needed: scans of a "
            "patient are known by their Patient ID or, of files, by the same name in both folders."
        )
    patients = []
    for number, (of_mvct, of_kvct) in enumerate(paired, start=1):
        on_event("progress", stage="measure", done=number - 1, total=len(paired))
        patients.append(_patient(of_mvct, of_kvct, scans, on_event))
    on_event("progress", stage="measure", done=len(paired), total=len(paired))
    return calibration_of(patients)


def _patient(mvcts: Sequence[Case], kvcts: Sequence[Case], scans: _Scans, on_event: EventHandler) -> Patient:
    shown = [_read(case, "MVCT") for case in mvcts]
    exact = [_read(case, "planning CT", slices_only=True) for case in kvcts]
    scans.take(shown, exact)
    for volume in shown:
        for message in (*volume.warnings, *mvct_warnings(volume)):
            on_event("warning", message=message)
    if any(volume.acquisition.is_megavoltage for volume in exact):
        raise InputError(f"'{kvcts[0].name}' is a megavoltage CT by its header: give planning CTs by --kvct.")
    if any(volume.acquisition.is_kilovoltage for volume in shown):
        raise InputError(f"'{mvcts[0].name}' is a kilovoltage CT by its header: give MVCTs by --mvct.")
    try:
        return patient_of(shown, exact)
    except InputError as error:
        raise InputError(f"'{mvcts[0].name}': {error}") from error


def _read(case: Case, role: str, *, slices_only: bool = False) -> Volume:
    return read_scan(case.source, role, series_uid=case.series_uid, slices_only=slices_only)


def _paired(
    mvcts: Sequence[Case], kvcts: Sequence[Case], on_event: EventHandler
) -> list[tuple[list[Case], list[Case]]]:
    """The scans of each patient of whom there are both."""
    ids = [[_patient_id(case) for case in cases] for cases in (mvcts, kvcts)]
    common = set(ids[0]) & set(ids[1]) - {""}
    sides: list[dict[str, list[Case]]] = [{}, {}]
    for side, cases, of_cases in zip(sides, (mvcts, kvcts), ids, strict=True):
        for case, patient_id in zip(cases, of_cases, strict=True):
            key = f"ID {patient_id}" if patient_id in common else f"name {_name(case)}"
            side.setdefault(key, []).append(case)
    left = len(sides[0].keys() ^ sides[1].keys())
    if left:
        on_event("warning", message=f"Of {left} patients there is no MVCT or no planning CT: passed over.")
    return [(cases, sides[1][key]) for key, cases in sides[0].items() if key in sides[1]]


def _patient_id(case: Case) -> str:
    """Empty for files, and for series without one."""
    if not case.is_dicom:
        return ""
    series = read_dicom_folder(case.source, series_uid=case.series_uid, pixels=False, slices_only=True)
    return str(series.source.header(0).get("PatientID") or "").strip()


def _name(case: Case) -> str:
    """The first folder below the one that was given or, of a file in that, the file, without suffix."""
    first = PurePosixPath(case.name.partition("#")[0]).parts[0]
    suffix = next((suffix for suffix in READABLE if has_suffix(Path(first), (suffix,))), "")
    return first[: len(first) - len(suffix)].casefold()


def _scanner(taken: Sequence[Acquisition], name: str) -> Scanner:
    """What all the MVCTs say of their scanner.

    Raises:
        InputError: they are of several.
    """
    known = {}
    for key in KEYS:
        values = sorted(set(filter(None, (getattr(one, key) for one in taken))))
        if len(values) > 1:
            raise InputError(
                f"The MVCTs are of several scanners, whose headers name another {key}: give those of one scanner."
            )
        known[key] = next(iter(values), "")
    return Scanner(name, **known)


def _write_picture(fitted: FittedCalibration, request: CalibrateRequest) -> None:
    from ..report.pictures import fit_png

    points = [(point.exact_hu, point.shown_hu) for point in fitted.points]
    with atomic_file(request.picture, overwrite=request.overwrite) as partial:
        partial.write_bytes(fit_png(points, fitted.line))


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # an account without a name
        return ""
