"""The report of an enhancement from its scans and metrics, which are there already."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..assessment.provenance import NOT_IDENTIFIED, identity
from ..errors import InputError, ModelError, OutputError
from ..model.card import find_model, read_card
from ..quality.record import EnhancementRecord, Provenance
from ..report.page import write_report
from ..runtime.events import EventHandler, ignore_event
from ..volume.grid import axial
from .evaluate import read_pair
from .requests import ReportRequest
from .scans import REPORT_FILES, require_no_report


def write_report_again(request: ReportRequest, *, on_event: EventHandler = ignore_event) -> dict[str, Any]:
    """Write the report without measuring anything again.

    Returns:
        files: the names of the files in the folder; warnings, of this report's making.

    Raises:
        InputError: a scan or the metrics cannot be read, or they do not belong together.
        ModelError: the model that was asked for is none.
        OutputError: a file cannot be written, or would replace an input.
    """
    _require_output(request)
    on_event("stage", stage="read")
    record = read_record(request.readouts)
    mvct, enhanced = read_pair(request.mvct, request.enhanced)
    require_slices(record, len(axial(mvct).array), request.readouts, request.mvct)
    card, warnings = _model_card(request, record.provenance)
    scan = (identity(mvct) or record.provenance.scan) if request.identify else {}
    record = replace(record, provenance=replace(record.provenance, scan=scan))
    warnings += [NOT_IDENTIFIED] * (request.identify and not scan)
    for message in warnings:
        on_event("warning", message=message)
    on_event("stage", stage="write")
    try:
        write_report(
            request.output,
            mvct=mvct,
            enhanced=enhanced,
            record=record,
            model_card=card,
            overwrite=request.overwrite,
        )
    except KeyError as error:  # a metric that the report shows is not there
        raise _no_metrics(request.readouts) from error
    return {"files": list(REPORT_FILES), "warnings": warnings}


def read_record(path: Path) -> EnhancementRecord:
    """The record of an enhancement: that of its report's readouts.json, or of its result event.

    Raises:
        InputError: the file cannot be read or holds something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"'{path}' cannot be read ({error.strerror}): check the path and its permissions.") from error
    except ValueError as error:
        raise InputError(f"'{path}' is no JSON file or is cut: give the readouts.json of a report.") from error
    try:
        record = EnhancementRecord.from_dict(found)
    except ValueError as error:
        raise _no_metrics(path) from error
    return replace(record, other={name: entry for name, entry in record.other.items() if name != "event"})


def _no_metrics(path: Path) -> InputError:
    return InputError(f"'{path}' holds no metrics of an enhancement: give the readouts.json of a report.")


def _require_output(request: ReportRequest) -> None:
    inputs = [path.resolve() for path in (request.mvct, request.enhanced, request.readouts)]
    for name in REPORT_FILES:
        place = request.output / name
        if place.resolve() in inputs:
            raise OutputError(f"'{place}' is an input itself, which is never overwritten: choose another folder.")
    require_no_report(request.output, overwrite=request.overwrite)


def require_slices(record: EnhancementRecord, slices: int, path: Path, scan: Path) -> None:
    """Refuse metrics of another scan, as far as the number of axial slices tells it.

    Raises:
        InputError: another number of slices was measured, or there are none.
    """
    measured = {len(values.per_slice) for scan in ("mvct", "enhanced") for values in record.groups[scan].values()}
    measured |= {len(record.z_mm)} if record.z_mm else set()
    if others := measured - {slices}:
        raise InputError(
            f"'{path}' holds metrics of {max(others)} slices, but '{scan}' has {slices}: give the metrics of this scan."
        )


def _model_card(request: ReportRequest, made: Provenance) -> tuple[dict[str, Any], list[str]]:
    """The card of the model asked for or of the one that the record names, which must be the very same."""
    if request.model:
        return read_card(find_model(request.model))[1], []
    told = made.model or made.card
    try:
        card = read_card(find_model(told.get("name", "")))[1]
    except ModelError:
        card = None
    if card is not None and all(card.get(key) == told.get(key) for key in ("version", "seed")):
        return card, []
    return told, [
        "The card of the model is not among the installed ones: name the model's file to have it in the report."
    ]
