"""The panel's quality assurance with a phantom: a button that turns into Cancel, the outcome, the last report."""

from __future__ import annotations

from pathlib import Path

import slicer
from slicer.i18n import tr as _

from ...jobs.requests import InstallPylinacRequest
from ...qa import pylinac
from ...qa.phantoms import PHANTOMS, TOMO_CHEESE
from ...site.profile import read_site
from ..install import dependencies, pip_settings
from ..jobs.qa import REPORT, PhantomQA, QAOutcome
from ..wording import BAD, CAUTION, GOOD, set_enabled_or_explain, set_label
from .cancellable import CancellableSection
from .install import InstallSection
from .path_box import on_path_changed, show_file

_PHANTOM, _FOLDER = "MVCTEnhance/QAPhantom", "MVCTEnhance/QAFolder"  # of this computer, whatever the scene


class QASection(CancellableSection):
    """Measures the phantom that the MVCT shows.

    Args:
        ui: the panel's widgets.
        installation: of the packages that the worker needs.
    """

    def __init__(self, ui, installation: InstallSection):
        super().__init__(ui.qaStatusLabel)
        self._ui = ui
        self._installation = installation
        self._parameters = None
        self._problem = ""
        self._idle_text = ui.qaButton.text
        settings, combo = slicer.app.userSettings(), ui.qaPhantomComboBox
        for phantom in PHANTOMS.values():
            combo.addItem(phantom.label, phantom.name)
        combo.currentIndex = max(combo.findData(settings.value(_PHANTOM, TOMO_CHEESE)), 0)
        ui.qaPathLineEdit.currentPath = settings.value(_FOLDER, "")
        combo.connect("currentIndexChanged(int)", lambda index: settings.setValue(_PHANTOM, combo.itemData(index)))
        on_path_changed(ui.qaPathLineEdit, self._on_path)
        ui.qaButton.connect("clicked(bool)", self._on_clicked)
        ui.qaReportButton.connect("clicked(bool)", lambda checked: show_file(self._report))
        self._update_buttons()

    def refresh(self, parameters, problem: str) -> None:
        """Offer the MVCT of the parameters; the problem says why model or site profile cannot be used, if so."""
        self._parameters, self._problem = parameters, problem
        self._update_buttons()

    def leave(self) -> None:
        """Release the scene; a running measurement continues, since it needs the scene no longer."""
        self._parameters = None
        self._update_buttons()

    @property
    def _report(self) -> Path:
        return Path(self._ui.qaPathLineEdit.currentPath) / REPORT

    def _on_path(self, path: str) -> None:
        slicer.app.userSettings().setValue(_FOLDER, path)
        self._update_buttons()

    def _on_clicked(self, checked: bool) -> None:
        if self._job:
            self._cancel_job(_("Cancelled. No incomplete files were left."), CAUTION)
            return
        phantom = self._ui.qaPhantomComboBox.itemData(self._ui.qaPhantomComboBox.currentIndex)
        first = None
        if not self._installation.install():
            set_label(self._ui.qaStatusLabel, self._ui.statusLabel.text, BAD)
            return
        if PHANTOMS[phantom].pylinac and not pylinac.is_installed():
            question = _(
                "This phantom is analysed by pylinac, which needs about 160 MB in a folder of its own. Install it now?"
            )
            if not dependencies.ask_user(question, pylinac.REQUIREMENTS.read_text(encoding="utf-8")):
                text = _("Nothing was measured, since pylinac is missing; a water cylinder is measured without it.")
                set_label(self._ui.qaStatusLabel, text, BAD)
                return
            first = InstallPylinacRequest(pip_settings.remembered_wheels())
        self._start(phantom, first)

    def _start(self, phantom: str, first: InstallPylinacRequest | None) -> None:
        chosen = {name: getattr(self._parameters, name) for name in ("model", "site", "device")}
        options = {name: value for name, value in chosen.items() if value}
        accepted = read_site(self._parameters.site).qa
        if accepted and accepted.phantom == phantom:
            options["baseline"] = Path(self._parameters.site)
        folder = Path(self._ui.qaPathLineEdit.currentPath)
        work = PhantomQA(self._parameters.mvct.GetID(), "", phantom, folder, options, first=first)
        self._start_job(work, _("Starting…"))

    def _count(self, done: int, total: int) -> str:
        return _("slice {done} of {total}").format(done=done, total=total)

    def _on_done(self, outcome: QAOutcome) -> None:
        level = CAUTION if outcome.warnings else GOOD
        self._end(in_words(outcome), level if outcome.passed else BAD)

    def _update_buttons(self) -> None:
        ui, folder = self._ui, self._ui.qaPathLineEdit.currentPath
        ui.qaButton.text = _("Cancel measurement") if self._job else self._idle_text
        why = "" if folder else _("Choose a folder first.")
        if self._parameters is None or self._parameters.mvct is None:
            why = _("Choose the phantom's scan as MVCT first.")
        set_enabled_or_explain(ui.qaButton, "" if self._job else self._problem or why)
        there_is_one = bool(folder) and self._report.is_file()
        set_enabled_or_explain(ui.qaReportButton, "" if there_is_one else _("The folder has no report yet."))


def in_words(outcome: QAOutcome) -> str:
    """Whether all is within tolerance, what is not, and warnings."""
    scans = {"mvct": _("MVCT"), "enhanced": _("enhanced scan")}
    failed = [
        f"{value['label']} ({title})"
        for value in outcome.values.values()
        for scan, title in scans.items()
        if value[scan]["passed"] is False
    ]
    failed += [
        _("{value} changed ({scan})").format(value=value["label"], scan=title)
        for value in outcome.values.values()
        for scan, title in scans.items()
        if value[scan].get("change", {}).get("passed") is False
    ]
    if outcome.passed:
        text = _("Passed: all values are within tolerance.")
    else:
        text = _("Not passed. Out of tolerance: {values}.").format(values=", ".join(failed))
    return "\n".join((text, *(f"⚠ {warning}" for warning in outcome.warnings)))
