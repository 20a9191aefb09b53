"""Output files of an enhancement, and checks of their places before it starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import OutputError
from ..io import is_dicom_output
from ..io.dicom.writer import placeholder_warnings
from ..physics import density
from ..physics.calibration import Calibration
from ..quality.record import EnhancementRecord
from ..storage.lock import locked
from ..volume import SlicesOnDemand, Volume
from ..volume.product import Kind, Product
from ..volume.values import rounded_int16
from .requests import EnhanceRequest
from .scans import require_apart, require_no_report, require_writable, write_scan
from .series_texts import series_texts

SCANS = ("output", "difference", "correction", "cycle_error")  # of a request
PATIENCE_S = 300.0  # longer than another run takes to write a long scan to a slow disk


@dataclass(frozen=True, eq=False)
class Enhanced:
    """What came of it: the MVCT as it was given, the enhanced scan, the record, and the cycle-consistency error if
    asked for.
    """

    mvct: Volume
    enhanced: Volume
    record: EnhancementRecord
    cycle_error: Volume | None = None

    @property
    def readouts(self) -> dict[str, Any]:
        """The record, JSON-serialisable."""
        return self.record.to_dict()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings for the user, one sentence each."""
        return self.record.warnings


class NotTrusted(OutputError):
    """DICOM series were not written, since an assessment says 'do not trust'; all else was.

    Attributes:
        result: of the enhancement, None where there was none.
    """

    def __init__(self, message: str, result: Enhanced | None = None):
        super().__init__(message)
        self.result = result


def require_outputs(request: EnhanceRequest) -> None:
    """Refuse outputs that could not be written, or would replace each other or a scan that was given."""
    sources = [
        path
        for path in (request.input, request.kvct, request.region, request.structures, request.structures_transform)
        if path
    ]
    scans = list(_scans(request).values())
    for path in scans:
        require_writable(path, *sources, overwrite=request.overwrite)
    if request.report:
        require_no_report(request.report, overwrite=request.overwrite)
    require_apart(*scans, report=request.report)


def output_warnings(request: EnhanceRequest, mvct: Volume) -> tuple[str, ...]:
    """What the outputs will have or leave out that is not as in the MVCT's files, one sentence each."""
    return placeholder_warnings(mvct) if any(map(is_dicom_output, _scans(request).values())) else ()


def without_dicom(request: EnhanceRequest) -> EnhanceRequest:
    """The same without the scans that would be written as DICOM."""
    return replace(request, **{name: None for name, path in _scans(request).items() if is_dicom_output(path)})


def _scans(request: EnhanceRequest) -> dict[str, Path]:
    """Where which scans are to be written."""
    paths = {name: getattr(request, name) for name in SCANS}
    return {name: path for name, path in paths.items() if path}


def cycle_error_map(mvct: Volume, back: Volume) -> Volume:
    """|back - MVCT| in HU, clipped to int16, where `back` is the enhanced scan turned into an MVCT again."""
    array = np.empty(mvct.array.shape, np.int16)
    for k in range(len(array)):
        array[k] = rounded_int16(np.abs(density.difference(mvct.array[k], back.array[k])))
    return mvct.with_array(array)


def _map(values: Callable[[np.ndarray, np.ndarray], np.ndarray], result: Enhanced) -> Volume:
    """Of MVCT and enhanced scan, clipped to int16; for the writers, since a long scan need not be held once more."""
    before, after = result.mvct.array, result.enhanced.array
    return result.mvct.with_array(SlicesOnDemand(before.shape, lambda k: rounded_int16(values(before[k], after[k]))))


def _made_with(enhanced: Volume, values: Volume, kind: Kind) -> Volume:
    """A map as the output that it is, made of the same input as the enhanced scan."""
    return replace(values, product=enhanced.product and replace(enhanced.product, kind=kind))


def write_outputs(request: EnhanceRequest, result: Enhanced, model_card: Mapping[str, Any]) -> None:
    """Write everything that was asked for; another run with one of these outputs waits or is waited for.

    Raises:
        OutputError: something cannot be written, or another run has made one of the outputs meanwhile; each output is
            either complete or not there.
    """
    paths = {path.absolute() for path in (*_scans(request).values(), request.report) if path}
    with ExitStack() as locks:
        for path in sorted(paths):  # in one order for all runs, so that no two wait for each other
            locks.enter_context(locked(path, patience_s=PATIENCE_S))
        require_outputs(request)  # again: what was free when the run began need not be so any more
        _write(request, result, model_card)


def _write(request: EnhanceRequest, result: Enhanced, model_card: Mapping[str, Any]) -> None:
    values: dict[Kind, Callable[[], Volume]] = {
        "enhanced": lambda: result.enhanced,
        "difference": lambda: _map(density.difference, result),
        "correction": lambda: _map(Calibration.of_site(result.record.provenance.site).correction, result),
        "cycle error": lambda: result.cycle_error,
    }
    for name, (kind, made) in zip(SCANS, values.items(), strict=True):
        if path := getattr(request, name):
            scan = _made_with(result.enhanced, made(), kind)
            texts = series_texts(scan.product or Product(kind), result.record)
            write_scan(scan, path, texts=texts, compress=request.compress, overwrite=request.overwrite)
    if request.report:
        from ..report.page import write_report

        write_report(
            request.report,
            mvct=result.mvct,
            enhanced=result.enhanced,
            record=result.record,
            model_card=model_card,
            overwrite=request.overwrite,
        )
