"""A course review: all daily scans of a patient enhanced, measured, and put on one page."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..assessment.verdicts import DO_NOT_TRUST, LOOK_CLOSER
from ..batch.cases import Case, find_cases
from ..batch.cohort import enhance_cases, settings_of
from ..batch.folder import COURSE, batch_lock, require_usable
from ..batch.search import require_folder
from ..batch.settings import Settings
from ..errors import InputError, MVCTEnhanceError
from ..jobs.requests import CourseRequest
from ..model.card import find_model, read_card
from ..runtime.child import Child
from ..runtime.events import EventHandler, collecting_warnings, ignore_event
from ..site.profile import read_site
from ..storage.atomic import atomic_file
from .days import course_warnings, days_of, without_names
from .measure import PlanningCT, measured, read_planning_ct
from .page import course_page
from .result import Course, DayResult, Limit

PAGE, RESULT = COURSE
NOTHING = "None of the scans could be reviewed: the reasons are in summary.csv."


def review_course(
    request: CourseRequest,
    *,
    on_event: EventHandler = ignore_event,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Enhance and measure every scan below a folder, and leave course.html and days.json beside the cases of a batch.

    One scan is held at a time. A day that fails does not stop the others.

    Returns:
        scans, done, kept and failed (numbers), look_closer and do_not_trust by the gravest assessment of a day,
        beyond_limit (labels of the days whose body has changed too much), page (its name), warnings, and failure, a
        sentence where some days failed.

    Raises:
        MVCTEnhanceError: nothing could be started, no day could be reviewed, or the page could not be written.
        Cancelled: `cancelled` said so; finished days stay.
    """
    limit = Limit.of_text(request.body_change)
    source, output, batch = request.input.absolute(), request.output.absolute(), request.batch
    require_folder(source)
    require_usable(output, source, resume=batch.may_go_on)
    settings = settings_of(batch)
    warnings: list[str] = []
    on_event = collecting_warnings(warnings, on_event)
    on_event("stage", stage="search")
    cases = _scans(find_cases(source, on_event=on_event), request.kvct)
    on_event("stage", stage="read")
    if request.structures and not request.structures.is_file():
        raise InputError(f"The structures '{request.structures}' are no file: check the path.")
    planning_ct = read_planning_ct(request.kvct, request.structures) if request.kvct else None
    for message in course_warnings(cases, planning_ct.patient_id if planning_ct else ""):
        on_event("warning", message=message)
    with batch_lock(output):
        run = enhance_cases(batch, cases, settings, on_event=on_event, cancelled=cancelled)
        card = _card(request, settings)
        results = _measured(request, run.cases, planning_ct, card, on_event)
        course = Course(results, limit, planning_ct and planning_ct.size, tuple(warnings), request.identify)
        if not course.done:
            raise InputError(NOTHING)
        on_event("stage", stage="write")
        page = course_page(course, card, planning_ct and planning_ct.path)
        content = json.dumps(course.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        for name, text in ((RESULT, content), (PAGE, page)):
            with atomic_file(output / name) as path:  # a name of a file need not be valid text
                path.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
    failed = len(results) - len(course.done)
    failure = f"{failed} of {len(results)} scans were not reviewed: the reasons are in {PAGE}."
    return {
        "scans": len(results),
        "done": len(course.done),
        "kept": run.kept,
        "failed": failed,
        "look_closer": run.count_assessed(LOOK_CLOSER),
        "do_not_trust": run.count_assessed(DO_NOT_TRUST),
        "beyond_limit": [course.label(day) for day in course.done if course.is_beyond_limit(day)],
        "limit": str(course.limit),
        "page": PAGE,
        "warnings": warnings,
    } | ({"failure": failure} if failed else {})


def _scans(cases: tuple[Case, ...], kvct: Path | None) -> list[Case]:
    """The cases but the planning CT, which may lie among them."""
    planned = kvct.resolve() if kvct else None
    found = [
        case
        for case in cases
        if planned is None or planned not in (case.source.resolve(), *case.source.resolve().parents)
    ]
    if not found:
        raise InputError("The folder holds no scan but the planning CT: give the folder of the daily scans.")
    return found


def _measured(
    request: CourseRequest,
    cases: list[tuple[Case, Any, Path]],
    planning_ct: PlanningCT | None,
    card: Mapping[str, Any],
    on_event: EventHandler,
) -> list[DayResult]:
    rows = {case.key: (row, place) for case, row, place in cases}
    days, results = days_of([case for case, _, _ in cases]), []
    on_event("stage", stage="review")
    with Child() as child:
        for done, day in enumerate(days, start=1):
            row, place = rows[day.case.key]
            result = DayResult(day, reason=row.reason, place=place)
            if row.status != "failed":
                try:
                    result = measured(result, request, planning_ct, card, child)
                except (MVCTEnhanceError, MemoryError) as error:
                    result = replace(result, reason=str(error) or "Out of memory: close other programs.")
            results.append(_told(result, request))
            on_event("progress", stage="review", done=done, total=len(days))
    return results


def _told(result: DayResult, request: CourseRequest) -> DayResult:
    """The result with reasons that name only what may be named."""

    def told(text: str) -> str:
        roles = {"the planning CT": request.kvct, "the structures": request.structures}
        for role, path in (roles | {"the enhanced scan": result.place / "enhanced.nrrd"}).items():
            text = text.replace(f"'{path}'", role).replace(str(path.absolute()), role) if path else text
        for folder in (request.input, request.output):  # as a batch leaves them out
            text = text.replace(f"{folder.absolute()}{os.sep}", "")
        return text if request.identify or not text else without_names(text, result.day.case)

    names = ("reason", "not_registered", "without_structures")
    return replace(result, **{name: told(getattr(result, name)) for name in names})


def _card(request: CourseRequest, settings: Settings) -> dict[str, Any]:
    """Of the model, with the ranges of the site profile."""
    return read_site(request.site).card(read_card(find_model(settings.model))[1], settings.model_digest)
