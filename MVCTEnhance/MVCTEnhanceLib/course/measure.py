"""What is measured of a day besides the metrics: the body's size and the place on the planning CT.

It is kept as day.json beside the enhanced scan, so that it need not be done again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..batch.cases import Case
from ..batch.folder import load_completed
from ..errors import InputError
from ..jobs.requests import CourseRequest, RegisterRequest
from ..jobs.scans import patient_id_of, read_scan
from ..quality.record import EnhancementRecord
from ..runtime.child import Child, JobFailed
from ..site.profile import read_site
from ..storage.digest import file_sha256
from ..storage.json_file import read_json, write_json
from ..structures.metrics import structure_values
from ..structures.placed import structures_brought_to, structures_drawn_on
from ..structures.reader import read_structures
from ..volume import Volume
from ..volume.grid import axial, digest, reorient_like
from .body_size import BodySize, body_size
from .result import DayResult

MEASURED = "day.json"
NOT_BROUGHT = "The structures were drawn on the planning CT, onto which this scan was not registered."


@dataclass(frozen=True, eq=False)
class PlanningCT:
    """What of the planning CT the days are compared with.

    Args:
        path: of it.
        digest: see `volume.grid.digest`.
        size: of the body.
        patient_id: to be compared and never shown; empty where there is none.
    """

    path: Path
    digest: str
    size: BodySize
    patient_id: str


def read_planning_ct(path: Path, structures: Path | None = None) -> PlanningCT:
    """Measure the planning CT.

    Raises:
        InputError: it, or the structures that were drawn on it, cannot be read.
    """
    scan = read_scan(path, "planning CT")
    if structures:
        read_structures(structures, axial(scan))
    return PlanningCT(path.absolute(), digest(scan), body_size(scan), patient_id_of(scan))


def measured(
    result: DayResult,
    request: CourseRequest,
    planning_ct: PlanningCT | None,
    card: Mapping[str, Any],
    child: Child,
) -> DayResult:
    """A day that was enhanced with the size of its body, its registration and its record.

    Args:
        result: of which the place is known.
        card: of the model.
        child: which does the registrations.

    Raises:
        InputError: its MVCT cannot be read any more.
        OutputError: what was measured cannot be kept.
    """
    case, note = result.day.case, load_completed(result.place)
    record: EnhancementRecord = note["record"]
    made_of = {
        "case": note["made_of"],
        "program": note["made_by"],
        "planning_ct": planning_ct.digest if planning_ct else "",
        "patient_position": request.patient_position,
        "isocentre": list(request.isocentre),
    }
    drawn = file_sha256(request.structures, "structures") if request.structures else ""
    kept = read_json(result.place / MEASURED)
    is_same = kept.get("made_of") == made_of
    if not is_same or kept.get("drawn") != drawn:
        scan = read_scan(case.source, "MVCT", series_uid=case.series_uid)
        if not is_same:
            registration, reason = _registered(case, result.place, request, planning_ct, child)
            kept = {"made_of": made_of, "registration": registration, "not_registered": reason}
            kept["body"] = body_size(scan).moved(_shift_z(scan, registration)).to_dict()
        registered = replace(result, registration=kept["registration"])
        kept |= {"drawn": drawn} | _in_structures(scan, registered, request, card)
        write_json(result.place / MEASURED, kept)
    return replace(
        result,
        record=record,
        size=BodySize.from_dict(kept["body"]),
        registration=kept["registration"],
        not_registered=kept["not_registered"],
        structures=kept["structures"],
        without_structures=kept["without_structures"],
    )


def _registered(
    case: Case, place: Path, request: CourseRequest, planning_ct: PlanningCT | None, child: Child
) -> tuple[dict[str, Any] | None, str]:
    """The registration, or the reason why there is none; neither without a planning CT."""
    if planning_ct is None:
        return None, ""
    wanted = RegisterRequest(
        case.source,
        planning_ct.path,
        enhanced=place / "enhanced.nrrd",
        series_uid=case.series_uid,
        patient_position=request.patient_position,
        isocentre=request.isocentre,
    )
    try:
        return child.run(wanted.to_argv()), ""
    except JobFailed as error:
        return None, str(error)


def _in_structures(scan: Volume, result: DayResult, request: CourseRequest, card: Mapping[str, Any]) -> dict[str, Any]:
    """What MVCT and enhanced scan show in each structure, and why there is none."""
    nothing = {"structures": {}, "without_structures": ""}
    if request.structures is None:
        return nothing
    if request.kvct and not result.registration:
        return nothing | {"without_structures": NOT_BROUGHT}
    try:
        enhanced = reorient_like(read_scan(result.place / "enhanced.nrrd", "enhanced scan"), scan)
        if request.kvct:
            planned = axial(read_scan(request.kvct, "planning CT"))
            transform = result.motion.inverse.to_itk(np.zeros(3))
            placed, _ = structures_brought_to(axial(scan), planned, request.structures, transform)
        else:
            placed, _ = structures_drawn_on(axial(scan), request.structures)
    except InputError as error:
        return nothing | {"without_structures": str(error)}
    mvct, trained = read_site(request.site).calibrated(scan), card.get("trained_on", {}).get("hu")
    return nothing | {"structures": structure_values(placed, axial(mvct), axial(enhanced), trained_hu=trained)}


def _shift_z(scan: Volume, registration: Mapping[str, Any] | None) -> float:
    """By how far the registration moves the middle of a scan to the head, in mm."""
    if registration is None:
        return 0.0
    reach = (np.array(scan.array.shape[::-1]) - 1) * scan.spacing
    centre = np.asarray(scan.origin, float) + np.asarray(scan.direction, float) @ reach / 2
    return float((np.array(registration["mvct"]["matrix_lps"]) @ [*centre, 1.0])[2] - centre[2])
