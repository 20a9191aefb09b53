"""Quality assurance of a phantom's scan: enhanced, measured before and after, compared with tolerances."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ..assessment.input_warnings import input_warnings
from ..assessment.origin import enhanced_warnings
from ..assessment.provenance import PROGRAM, identity
from ..errors import InputError, OutputError
from ..io import write_dicom_series
from ..model.card import model_sha256
from ..qa.history import History, read_history, with_result, write_history
from ..qa.phantoms import PHANTOMS, TOMO_CHEESE, Phantom
from ..qa.position import Cylinder, find_cylinder, roll_of
from ..qa.pylinac import analyse, require_installed
from ..qa.result import QAResult
from ..qa.tolerances import ScanTolerances, Tolerances, read_tolerances
from ..qa.values import Value, judged, measure, with_nominals
from ..runtime.cancel import cleaned_up_when_ended
from ..runtime.events import EventHandler, collecting_warnings, ignore_event
from ..site.profile import AcceptedQA, SiteProfile, read_site
from ..storage.atomic import atomic_file
from ..storage.lock import locked
from ..volume import Volume
from ..volume.grid import axial, digest
from ..volume.product import SITE_DIGITS
from .evaluate import read_pair
from .requests import QARequest
from .scans import read_scan, require_permission

REPORT, RESULT = "report.html", "qa.json"
GIVEN = "given enhanced scan"  # in the place of a model's name
PATIENCE_S = 60.0
NO_CHANGE_TOLERANCES = (
    "The file of tolerances has neither [mvct_change] nor [enhanced_change], so that changes since the acceptance are "
    "shown, but not judged."
)


def run_qa(request: QARequest, *, on_event: EventHandler = ignore_event) -> dict[str, Any]:
    """Measure a phantom in its MVCT and in its enhanced scan, and leave report.html, qa.json and a line of qa.csv.

    Returns:
        what qa.json holds, and the path of the report.

    Raises:
        MVCTEnhanceError: with one sentence on the fault and what to do; the folder is as it was.
    """
    phantom, folder = PHANTOMS[request.phantom], request.output
    tolerances = read_tolerances(request.tolerances)
    site, accepted = read_site(request.site or request.baseline), _accepted(request)
    _require_output(request)
    if request.date and not re.fullmatch(r"\d{4}-[01]\d-[0-3]\d", request.date):
        raise InputError(f"The date '{request.date}' is not possible: give year, month and day as 2026-01-31.")
    if phantom.pylinac:
        require_installed()
    warnings: list[str] = []
    on_event = collecting_warnings(warnings, on_event)
    on_event("stage", stage="read")
    mvct = read_scan(request.scan, "MVCT", series_uid=request.series_uid)
    for message in (*mvct.warnings, *site.scanner_warnings(mvct.acquisition)):
        on_event("warning", message=message)
    if accepted and tolerances.mvct_change == tolerances.enhanced_change == ScanTolerances():
        on_event("warning", message=NO_CHANGE_TOLERANCES)
    cylinder = find_cylinder(axial(mvct), phantom, tolerances.position)
    if phantom.name == TOMO_CHEESE:
        roll = roll_of(axial(mvct), cylinder, tolerances.plugs, tolerances.position)
        cylinder = replace(cylinder, roll=roll)
    enhanced, made_with = _enhanced(request, site, mvct, on_event)
    on_event("stage", stage="measure")
    (before, after), changes, made_by = _values(phantom, axial(mvct), axial(enhanced), cylinder, tolerances, accepted)
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    made = {"program": PROGRAM, **made_with, **made_by, "scan_sha256": digest(mvct), "time": now}
    date = request.date or identity(mvct).get("date") or now[:10]
    since = accepted.date if accepted else ""
    result = QAResult(phantom, date, cylinder, before, after, made, warnings, changes, since)
    on_event("stage", stage="write")
    with locked(folder, patience_s=PATIENCE_S):
        _write(folder, result, with_result(read_history(folder), result, folder), mvct, enhanced)
    return result.to_dict() | {"report": str(folder.absolute() / REPORT)}


def _require_output(request: QARequest) -> None:
    folder = request.output
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"'{folder}' is a file: name a folder for the quality assurance of this phantom.")
    if request.scan.is_dir() and request.scan.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise OutputError(f"'{folder}' lies in the folder of the phantom's scan: choose another place.")
    require_permission(folder / RESULT)
    others = [name for name in (REPORT, RESULT) if (folder / name).exists()]
    if read_history(folder) is None and others:
        raise OutputError(
            f"'{folder / others[0]}' is there without a qa.csv, so it may be of something else, and is kept: choose "
            "another folder."
        )


def _accepted(request: QARequest) -> AcceptedQA | None:
    """The values of the acceptance; None where they are not to be compared with."""
    if request.baseline is None:
        return None
    accepted = read_site(request.baseline).qa
    if accepted is None:
        raise InputError(
            f"The site profile '{request.baseline}' has no values of quality assurance: give one that was made by "
            "'mvct-enhance commission' with a phantom."
        )
    if accepted.phantom != request.phantom:
        known = PHANTOMS[accepted.phantom].label if accepted.phantom in PHANTOMS else accepted.phantom
        raise InputError(
            f"The site profile '{request.baseline}' has the values of another phantom, {known}: scan that one, or "
            "choose it by --phantom."
        )
    return accepted


def _enhanced(
    request: QARequest, site: SiteProfile, mvct: Volume, on_event: EventHandler
) -> tuple[Volume, dict[str, str]]:
    """The enhanced scan, and what it was made with."""
    if request.enhanced:
        _, enhanced = read_pair(request.scan, request.enhanced)
        for message in (*enhanced.warnings, *enhanced_warnings(enhanced, mvct)):
            on_event("warning", message=message)
        return enhanced, {"model": GIVEN}
    # Here, since a scan that is refused, or was enhanced before, needs no torch, which takes seconds to be imported.
    from ..model.device import choose_device, describe_device
    from ..model.engine import Engine
    from ..model.package import load_model

    path, of_model = site.model_file(request.model)
    model, device = load_model(path), choose_device(request.device)
    on_event("device", device=str(device), name=describe_device(device))
    warnings = input_warnings(mvct, model.plan, site.card(model.card, model_sha256(path)))
    for message in (*of_model, *warnings):
        on_event("warning", message=message)
    on_event("stage", stage="enhance")
    name = " ".join(str(model.card[key]) for key in ("name", "version") if key in model.card)
    made = {"model": name, "model_sha256": model_sha256(path)}
    if site.sha256:
        made |= {"model": f"{name}, site profile {site.sha256[:SITE_DIGITS]}", "site_sha256": site.sha256}
    return Engine(model, device, on_event=on_event).enhance(site.matched(site.calibrated(mvct))), made


def _values(
    phantom: Phantom,
    mvct: Volume,
    enhanced: Volume,
    cylinder: Cylinder,
    tolerances: Tolerances,
    accepted: AcceptedQA | None,
) -> tuple[list[list[Value]], dict[str, list[Value]], dict[str, str]]:
    """The values of both scans, the same against those of the acceptance, and by which pylinac."""
    after = replace(find_cylinder(enhanced, phantom, tolerances.position, role="enhanced scan"), roll=cylinder.roll)
    by_pylinac, made_by = [None, None], {}
    if phantom.pylinac:
        with _series_of(mvct, enhanced) as series:
            by_pylinac, made_by["pylinac"] = analyse(phantom, series)
    scans = {"mvct": (mvct, cylinder, by_pylinac[0]), "enhanced": (enhanced, after, by_pylinac[1])}

    values = {
        scan: measure(volume, place, phantom, plugs=tolerances.plugs, by_pylinac=found, at_kv=scan == "enhanced")
        for scan, (volume, place, found) in scans.items()
    }
    changes = {}
    if accepted:
        for scan, of_scan in values.items():
            of_both = with_nominals(of_scan, getattr(accepted, scan))
            changes[scan] = judged(of_both, getattr(tolerances, f"{scan}_change"))
    return [judged(values[scan], getattr(tolerances, scan)) for scan in scans], changes, made_by


@contextmanager
def _series_of(*scans: Volume) -> Iterator[list[Path]]:
    """The scans as DICOM series without a patient, as long as pylinac needs them."""
    place = tempfile.TemporaryDirectory(prefix="mvct-enhance-qa-")
    with place, cleaned_up_when_ended(place.cleanup):
        series = [Path(place.name) / f"{number}" for number in range(len(scans))]
        for scan, path in zip(scans, series, strict=True):
            write_dicom_series(replace(scan, source=None, product=None), path, description="Phantom")
        yield series


def _write(folder: Path, result: QAResult, history: History, mvct: Volume, enhanced: Volume) -> None:
    from ..report.qa import qa_page

    page = qa_page(result, history, axial(mvct), axial(enhanced))
    folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps(result.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    for name, text in ((RESULT, content), (REPORT, page)):
        with atomic_file(folder / name) as path:
            path.write_text(text, encoding="utf-8", newline="")
    write_history(folder, history)
