"""The panel's course review: a button that turns into Cancel, the outcome, the page."""

from __future__ import annotations

from slicer.i18n import tr as _

from ..jobs.course import PAGE, CourseOutcome, CourseReview
from ..scene.sequence_nodes import sequence_of
from ..wording import BAD, CAUTION, GOOD, set_enabled_or_explain, set_label
from .cancellable import CancellableSection
from .install import InstallSection
from .path_box import PathBox, path_text, show_file


class CourseSection(CancellableSection):
    """Reviews all daily scans of one patient: those below a folder or, without one, those of the MVCT's sequence.

    Args:
        ui: the panel's widgets.
        installation: of the packages that the worker needs.
    """

    def __init__(self, ui, installation: InstallSection):
        super().__init__(ui.courseStatusLabel)
        self._ui = ui
        self._installation = installation
        self._parameters = None
        self._problem = ""
        self._idle_text = ui.courseButton.text
        self._folders = (
            PathBox(ui.courseScansPathLineEdit, "courseScans"),
            PathBox(ui.coursePathLineEdit, "courseFolder"),
        )
        ui.courseButton.connect("clicked(bool)", self._on_clicked)
        ui.coursePageButton.connect("clicked(bool)", lambda checked: show_file(self._parameters.courseFolder / PAGE))
        self._update_buttons()

    def refresh(self, parameters, problem: str) -> None:
        """Offer the scans of the parameters; the problem says why model or site profile cannot be used, if so."""
        self._parameters, self._problem = parameters, problem
        for folder in self._folders:
            folder.refresh(parameters)
        self._update_buttons()

    def leave(self) -> None:
        """Release the scene; a running review continues, since it needs the scene no longer."""
        for folder in self._folders:
            folder.leave()
        self._parameters = None
        if self._job is None:
            set_label(self._ui.courseStatusLabel, "")
        self._update_buttons()

    def _on_clicked(self, checked: bool) -> None:
        if self._job:
            text = _("Cancelled. Finished scans stay in the folder, and a further review goes on from them.")
            self._cancel_job(text, CAUTION)
        elif self._installation.install():
            self._start()
        else:
            set_label(self._ui.courseStatusLabel, self._ui.statusLabel.text, BAD)

    def _start(self) -> None:
        chosen = self._parameters
        names = ("model", "site", "device", "strength")
        options = {name: getattr(chosen, name) for name in names if getattr(chosen, name) != ""}
        options |= {"identify": self._ui.courseIdentifyCheckBox.checked, "resume": True}
        scans = chosen.courseScans if path_text(chosen.courseScans) else chosen.mvct.GetID()
        planning_ct, structures = (node.GetID() if node else "" for node in (chosen.planningCT, chosen.structures))
        work = CourseReview(scans, planning_ct, chosen.courseFolder, options, structures)
        self._start_job(work, _("Starting…"))

    def _on_done(self, outcome: CourseOutcome) -> None:
        to_look_at = outcome.failed or outcome.beyond_limit or outcome.warnings
        self._end(in_words(outcome), CAUTION if to_look_at else GOOD)

    def _update_buttons(self) -> None:
        ui, chosen = self._ui, self._parameters
        found = sequence_of(chosen.mvct) if chosen else None
        has_folder = chosen is not None and path_text(chosen.courseScans)
        has_output = chosen is not None and path_text(chosen.courseFolder)
        text = self._idle_text
        if found and not has_folder:
            text = _("Review the {count} scans of the sequence").format(count=found[1].GetNumberOfDataNodes())
        ui.courseButton.text = _("Cancel review") if self._job else text
        why = "" if has_output else _("Choose the output folder first.")
        if not has_folder and not found:
            why = _("Choose the folder of the daily scans or, as MVCT, their sequence first.")
        set_enabled_or_explain(ui.courseButton, "" if self._job else self._problem or why)
        has_page = has_output and (chosen.courseFolder / PAGE).is_file()
        set_enabled_or_explain(ui.coursePageButton, "" if has_page else _("The output folder has no page yet."))


def in_words(outcome: CourseOutcome) -> str:
    """How many scans are on the page, whose body has changed, and warnings."""
    total = outcome.done + outcome.failed
    if outcome.failed:
        text = _("{done} of {total} scans are reviewed; the page has the reasons of the others.")
    else:
        text = _("{total} scans are reviewed.")
    parts = [text.format(done=outcome.done, total=total)]
    if outcome.beyond_limit:
        days = ", ".join(outcome.beyond_limit)
        parts.append(_("The body has changed beyond the limit: {days}.").format(days=days))
    return "\n".join((" ".join(parts), *(f"⚠ {warning}" for warning in outcome.warnings)))
