"""The panel's section of exports: DICOM, CSV and HTML."""

from __future__ import annotations

import re
from pathlib import Path

import slicer.util
from slicer.i18n import tr as _

from ...errors import MVCTEnhanceError
from ..jobs.dicom_export import DicomExport, DicomOptions, DicomResult, distrusted_metrics_of
from ..jobs.export import ReportExport, ReportExportOptions, ReportResult, export_metrics
from ..scene.outputs import EnhanceResult
from ..wording import CAUTION, GOOD, set_enabled_or_explain
from .cancellable import CancellableSection
from .path_box import PathBox, path_text


class ExportSection(CancellableSection):
    """Hands a result on as files or into the DICOM database, one export at a time.

    Args:
        ui: the panel's widgets.
    """

    def __init__(self, ui):
        super().__init__(ui.exportStatusLabel)
        self._ui = ui
        self._folder = PathBox(ui.exportPathLineEdit, "exportFolder")
        self._parameters = None
        self._result: EnhanceResult | None = None
        ui.exportDicomFolderButton.connect("clicked(bool)", lambda checked: self._export_dicom(self._place("")))
        ui.exportDicomDatabaseButton.connect("clicked(bool)", lambda checked: self._export_dicom(None))
        ui.exportCsvButton.connect("clicked(bool)", lambda checked: self._export_csv(self._place(".csv")))
        ui.exportReportButton.connect("clicked(bool)", lambda checked: self._export_report(self._place("")))
        self._update_buttons()

    def refresh(self, parameters, result: EnhanceResult | None) -> None:
        """Show what the parameters say, and offer a result (or None)."""
        self._parameters = parameters
        self._result = result
        self._folder.refresh(parameters)
        self._update_buttons()

    def leave(self) -> None:
        """Release the scene; a running export continues while the scene exists."""
        self._folder.leave()
        self._parameters = self._result = None
        self._update_buttons()

    def _place(self, suffix: str) -> Path:
        """A file or folder in the chosen folder that is not there yet, named after the enhanced scan."""
        folder = self._parameters.exportFolder
        stem = re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", self._result.enhanced.GetName()).strip(". ") or "enhanced"
        names = (f"{stem} ({number})" if number > 1 else stem for number in range(1, 10_000))
        return next(folder / f"{name}{suffix}" for name in names if not (folder / f"{name}{suffix}").exists())

    def _export_dicom(self, folder: Path | None) -> None:
        enhanced = self._result.enhanced.GetID()
        names = distrusted_metrics_of(enhanced)
        if names and not self._confirm(names):
            return
        options = DicomOptions(enhanced, folder, force=bool(names))
        self._start_job(DicomExport(options), _("Exporting…"), self._on_dicom)

    def _confirm(self, names: list[str]) -> bool:
        question = _(
            "The assessment of these metrics of the scan is 'do not trust':\n\n{names}\n\nOther programs do not show "
            "this assessment. Export the scan as DICOM all the same?"
        )
        return slicer.util.confirmOkCancelDisplay(question.format(names="\n".join(names)))

    def _export_report(self, folder: Path) -> None:
        identify = self._ui.identifyCheckBox.checked
        options = ReportExportOptions(self._result.enhanced.GetID(), folder, identify=identify)
        self._start_job(ReportExport(options), _("Exporting…"), self._on_report)

    def _export_csv(self, path: Path) -> None:
        try:
            self._on_report(ReportResult(export_metrics(self._result.enhanced.GetID(), path)))
        except MVCTEnhanceError as error:
            self._on_error(str(error))

    def _on_dicom(self, result: DicomResult) -> None:
        if result.folder:
            text = _("{count} DICOM files written to {folder}.").format(count=result.slices, folder=result.folder)
        else:
            text = _("{count} DICOM files added to the DICOM database.").format(count=result.slices)
        if not result.derived:
            text += " " + _("The MVCT did not come from DICOM, so they have no patient and a study of their own.")
        self._end(" ".join((text, *result.warnings)), GOOD if result.derived and not result.warnings else CAUTION)

    def _on_report(self, result: ReportResult) -> None:
        text = _("Written: {path}.").format(path=result.path)
        self._end(" ".join((text, *result.warnings)), CAUTION if result.warnings else GOOD)

    def _update_buttons(self) -> None:
        why = ""
        if self._job:
            why = _("Wait for the export that is under way.")
        elif self._result is None:
            why = _("There is nothing to export yet: press Apply, or choose a volume that was enhanced.")
        no_folder = self._parameters is not None and not path_text(self._parameters.exportFolder)
        needs_folder = why or (_("Choose a folder first.") if no_folder else "")
        ui = self._ui
        set_enabled_or_explain(ui.exportDicomDatabaseButton, why)
        for button in (ui.exportDicomFolderButton, ui.exportCsvButton, ui.exportReportButton):
            set_enabled_or_explain(button, needs_folder)
