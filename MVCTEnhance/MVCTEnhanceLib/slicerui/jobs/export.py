"""Metrics as CSV and the report as HTML, of an enhanced volume in the scene."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from slicer.i18n import tr as _

from ...errors import InputError
from ...jobs.requests import ReportRequest
from ..scene.origin import identity_of
from ..scene.outputs import MODEL, ROLE_MVCT, EnhanceResult, result_of
from ..scene.request import node_of
from ..scene.volumes import problem_of, volume_of
from ..worker import files
from ..worker.steps import Step, Steps

_PATIENCE_S = 3.0


def export_metrics(enhanced: str, path: Path, *, overwrite: bool = False) -> Path:
    """Write the metrics of an enhanced volume (by its ID) as CSV, a line a slice; returns the path.

    Raises:
        InputError: the volume has no metrics.
        OutputError: the file exists and is not to be replaced, or cannot be written.
    """
    from ...report.table import metrics_csv
    from ...storage.atomic import atomic_file

    result = _result(enhanced)
    with atomic_file(path, overwrite=overwrite) as partial:
        partial.write_text(metrics_csv(result.record), encoding="utf-8", newline="")
    return path


@dataclass(frozen=True)
class ReportResult:
    """Args: path of report.html; warnings for the user."""

    path: Path
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReportExportOptions:
    """What is reported where to.

    Args:
        enhanced: ID of the enhanced volume, which knows its MVCT and metrics.
        folder: for the report.
        overwrite: whether a report in it is replaced.
        identify: whether the report names the scan by description and date of the MVCT's DICOM series.
    """

    enhanced: str
    folder: Path
    overwrite: bool = False
    identify: bool = False


class ReportExport:
    """Work for a `Job` or `do_now`; gives a `ReportResult`."""

    patience_s = _PATIENCE_S
    needs_scene = False  # once its inputs are written

    def __init__(self, options: ReportExportOptions):
        self._options = options

    def problem(self) -> str:
        """Reason why there is no report of the volume; empty where there is one."""
        enhanced = node_of(self._options.enhanced)
        problem = problem_of(enhanced, _("enhanced volume"))
        if problem:
            return problem
        result = result_of(enhanced)
        if result is None:
            return _no_metrics()
        return problem_of(enhanced.GetNodeReference(ROLE_MVCT), _("MVCT of the enhanced volume"))

    def invalidation_reason(self) -> str:
        """Always empty: its inputs are written before the scene can change."""
        return ""

    def steps(self, folder: Path) -> Steps:
        """Write both scans and their metrics, run `report`."""
        result = _result(self._options.enhanced)
        mvct = result.enhanced.GetNodeReference(ROLE_MVCT)
        model = result.enhanced.GetAttribute(MODEL)
        request = ReportRequest(
            folder / "mvct.nrrd",
            folder / "enhanced.nrrd",
            folder / "readouts.json",
            self._options.folder,
            model=model if model and Path(model).is_file() else None,  # the installed ones are found by the metrics
            overwrite=self._options.overwrite,
            identify=self._options.identify,
        )
        files.write_nrrd(volume_of(mvct), request.mvct)
        files.write_nrrd(volume_of(result.enhanced), request.enhanced)
        scan = {"scan": identity_of(mvct)} if self._options.identify else {}
        request.readouts.write_text(json.dumps(result.readouts | scan), encoding="utf-8")
        names = {
            request.mvct: _("The MVCT"),
            request.enhanced: _("The enhanced volume"),
            request.readouts: _("The result"),
        }
        done = yield Step(request, names=names)
        return ReportResult(self._options.folder / "report.html", tuple(done.get("warnings", ())))


def _result(enhanced: str) -> EnhanceResult:
    result = result_of(node_of(enhanced))
    if result is None:
        raise InputError(_no_metrics())
    return result


def _no_metrics() -> str:
    return _("This volume has no metrics: choose one that was enhanced here.")
