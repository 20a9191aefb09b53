"""The report of an enhancement from its scans and readouts, which are there already."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..assessment.provenance import NOT_IDENTIFIED, identity
from ..assessment.tables import slices_z_mm
from ..errors import InputError, ModelError, OutputError
from ..model.card import find_model, read_card
from ..report.page import write_report
from ..runtime.events import EventHandler, ignore_event
from ..volume.grid import axial
from .evaluate import read_pair
from .requests import ReportRequest
from .scans import REPORT_FILES, require_no_report

GROUPS = ("mvct", "enhanced", "comparison", "parameters")


def write_report_again(request: ReportRequest, *, on_event: EventHandler = ignore_event) -> dict[str, Any]:
    """Write the report without measuring anything again.

    Returns:
        files: the names of the files in the folder; warnings, of this report's making.

    Raises:
        InputError: a scan or the readouts cannot be read, or they do not belong together.
        ModelError: the model that was asked for is none.
        OutputError: a file cannot be written, or would replace an input.
    """
    _require_output(request)
    on_event("stage", stage="read")
    readouts = read_readouts(request.readouts)
    mvct, enhanced = read_pair(request.mvct, request.enhanced)
    try:
        require_slices(readouts, len(axial(mvct).array), request.readouts, request.mvct)
        card, warnings = _model_card(request, readouts)
        known = readouts.pop("scan", {})
        scan = (identity(mvct) or known) if request.identify else {}
        readouts |= {"scan": scan} if scan else {}
        warnings += [NOT_IDENTIFIED] * (request.identify and not scan)
        for message in warnings:
            on_event("warning", message=message)
        on_event("stage", stage="write")
        write_report(
            request.output,
            mvct=mvct,
            enhanced=enhanced,
            readouts=readouts,
            model_card=card,
            warnings=readouts.get("warnings", []),
            overwrite=request.overwrite,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise _no_readouts(request.readouts) from error
    return {"files": list(REPORT_FILES), "warnings": warnings}


def read_readouts(path: Path) -> dict[str, Any]:
    """The readouts of an enhancement: those of its report's readouts.json, or its result event.

    Raises:
        InputError: the file cannot be read or holds something else.
    """
    try:
        readouts = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"'{path}' cannot be read ({error.strerror}): check the path and its permissions.") from error
    except ValueError as error:
        raise InputError(f"'{path}' is no JSON file or is cut: give the readouts.json of a report.") from error
    if not are_readouts(readouts):
        raise _no_readouts(path)
    readouts.pop("event", None)
    return readouts


def are_readouts(found: Any) -> bool:
    """Whether what a JSON text holds are the readouts of an enhancement."""
    return isinstance(found, dict) and all(isinstance(found.get(name), dict) for name in GROUPS)


def _no_readouts(path: Path) -> InputError:
    return InputError(f"'{path}' holds no readouts of an enhancement: give the readouts.json of a report.")


def _require_output(request: ReportRequest) -> None:
    inputs = [path.resolve() for path in (request.mvct, request.enhanced, request.readouts)]
    for name in REPORT_FILES:
        place = request.output / name
        if place.resolve() in inputs:
            raise OutputError(f"'{place}' is an input itself, which is never overwritten: choose another folder.")
    require_no_report(request.output, overwrite=request.overwrite)


def require_slices(readouts: dict[str, Any], slices: int, path: Path, scan: Path) -> None:
    """Refuse readouts of another scan, as far as the number of axial slices tells it.

    Raises:
        InputError: another number of slices was measured, or there are none.
    """
    try:
        measured = {len(readouts[name]["nselfssim"]["per_slice"]) for name in ("mvct", "enhanced")}
        measured |= {len(z_mm)} if (z_mm := slices_z_mm(readouts)) else set()
    except (KeyError, TypeError, AttributeError) as error:
        raise _no_readouts(path) from error
    if others := measured - {slices}:
        raise InputError(
            f"'{path}' holds readouts of {max(others)} slices, but '{scan}' has {slices}: give the readouts of this "
            "scan."
        )


def _model_card(request: ReportRequest, readouts: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The card of the model asked for or of the one that the readouts name, which must be the very same."""
    if request.model:
        return read_card(find_model(request.model))[1], []
    told = readouts.get("model") or readouts.get("card") or {}
    try:
        card = read_card(find_model(told.get("name", "")))[1]
    except ModelError:
        card = None
    if card is not None and all(card.get(key) == told.get(key) for key in ("version", "seed")):
        return card, []
    return told, [
        "The card of the model is not among the installed ones: name the model's file to have it in the report."
    ]
