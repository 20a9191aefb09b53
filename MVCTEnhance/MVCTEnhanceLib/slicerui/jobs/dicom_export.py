"""An enhanced volume as a derived DICOM series, in a folder or in Slicer's DICOM database."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from slicer.i18n import tr as _

from ...errors import MVCTEnhanceError
from ...jobs.requests import DicomRequest
from ..scene.dicom_source import files_of, import_series, require_database, stage_files
from ..scene.outputs import ROLE_MVCT, metrics_text, result_of
from ..scene.request import node_of
from ..scene.volumes import problem_of, volume_of
from ..worker import files
from ..worker.steps import Step, Steps

_PATIENCE_S = 3.0


@dataclass(frozen=True)
class DicomOptions:
    """What is exported where to.

    Args:
        enhanced: ID of the enhanced volume, which knows its MVCT.
        folder: new or empty folder; None for the DICOM database.
        description: the Series Description; empty for the usual one.
        force: whether it is exported also where a metric is assessed as 'do not trust'.
    """

    enhanced: str
    folder: Path | None = None
    description: str = ""
    force: bool = False


@dataclass(frozen=True)
class DicomResult:
    """What came of it.

    Args:
        series_uid: of the new series.
        folder: where it is; None for the DICOM database.
        derived: whether it has patient, study and position of the MVCT's own files.
        slices: how many files.
        warnings: for the user.
    """

    series_uid: str
    folder: Path | None
    derived: bool
    slices: int
    warnings: tuple[str, ...] = ()


class DicomExport:
    """Work for a `Job` or `do_now`; gives a `DicomResult`."""

    needs_scene = False  # once its inputs are written

    def __init__(self, options: DicomOptions):
        self._options = options
        self.patience_s = _PATIENCE_S if options.folder else 0.0

    def problem(self) -> str:
        """Reason why the volume cannot be exported; empty where it can."""
        problem = problem_of(node_of(self._options.enhanced), _("enhanced volume"))
        if not problem and not self._options.force:
            problem = _why_not(distrusted_metrics_of(self._options.enhanced))
        if problem or self._options.folder:
            return problem
        try:
            require_database()
        except MVCTEnhanceError as error:
            return str(error)
        return ""

    def invalidation_reason(self) -> str:
        """Always empty: its inputs are written before the scene can change."""
        return ""

    def steps(self, folder: Path) -> Steps:
        """Write the volume and its source files, run `dicom`, import the series where it goes into the database."""
        enhanced = node_of(self._options.enhanced)
        mvct = enhanced.GetNodeReference(ROLE_MVCT)
        source = files_of(mvct) if mvct else []
        result = result_of(enhanced)
        request = DicomRequest(
            folder / "enhanced.nrrd",
            self._options.folder or folder / "dicom",
            source=stage_files(source, folder / "source") if source else None,
            readouts=folder / "readouts.json" if result and result.readouts else None,
            kind="enhanced",
            description=self._options.description or None,
            force=self._options.force,
        )
        files.write_nrrd(volume_of(enhanced, _("enhanced volume")), request.scan)
        names = {request.scan: _("The enhanced volume"), folder / "source": _("The DICOM series of the MVCT")}
        if request.readouts:
            request.readouts.write_text(metrics_text(result.readouts), encoding="utf-8")
            names[request.readouts] = _("The result")
        done = yield Step(request, names=names)
        series_uid = _series_uid(request.output)
        if self._options.folder is None:
            import_series(request.output, series_uid)
        return DicomResult(
            series_uid, self._options.folder, bool(source), done["slices"], tuple(done.get("warnings", ()))
        )


def distrusted_metrics_of(enhanced: str) -> list[str]:
    """The metrics of an enhanced volume (by its ID) that are assessed as 'do not trust'; none where it has none."""
    from ...assessment.verdicts import distrusted_metrics

    result = result_of(node_of(enhanced))
    return distrusted_metrics(result.record) if result else []


def _why_not(names: list[str]) -> str:
    if not names:
        return ""
    text = _("The assessment of {names} is 'do not trust': export it all the same with force=True.")
    return text.format(names="; ".join(names))


def _series_uid(folder: Path) -> str:
    from pydicom import dcmread

    first = min(path for path in folder.iterdir() if path.is_file())
    return str(dcmread(first, specific_tags=["SeriesInstanceUID"], stop_before_pixels=True).SeriesInstanceUID)
