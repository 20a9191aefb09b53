"""The panel's section that runs: device, Apply that turns into Cancel, progress and status."""

from __future__ import annotations

import time
from collections.abc import Callable

from slicer.i18n import tr as _

from ..jobs.sequences import enhancement_of
from ..scene.outputs import EnhanceResult
from ..scene.request import SceneRequest
from ..wording import BAD, CAUTION, GOOD, INFO, set_label, time_left
from ..worker.work import Job
from .devices import DeviceList
from .install import InstallSection


class RunSection:
    """Starts and ends the enhancement and says how far it is.

    Args:
        ui: the panel's widgets.
        on_apply: called when the user wants to start; it calls `start`.
        on_done: called with the EnhanceResult.
    """

    def __init__(self, ui, on_apply: Callable[[], None], on_done: Callable[[EnhanceResult], None]):
        self._ui = ui
        self._on_apply = on_apply
        self._on_result = on_done
        self._job: Job | None = None
        self._started = 0.0
        self._problem = ""
        self.devices = DeviceList(ui.deviceComboBox)
        self.installation = InstallSection(ui, self._on_installation)
        ui.applyButton.connect("clicked(bool)", self._on_clicked)
        self._show_idle()
        set_label(ui.statusLabel, "")

    @property
    def running(self) -> bool:
        """Whether an enhancement is under way."""
        return self._job is not None

    def set_problem(self, problem: str) -> None:
        """Say why Apply cannot be pressed, in one sentence; "" lets it be pressed."""
        self._problem = problem
        if not self.running:
            self._show_idle()

    def start(self, request: SceneRequest) -> None:
        """Install what is missing, then enhance."""
        if not self.installation.install():
            return
        self._started = time.monotonic()
        self._job = Job(
            enhancement_of(request), on_progress=self._on_progress, on_done=self._on_done, on_error=self._on_error
        )
        set_label(self._ui.statusLabel, "")
        self._show_running()
        self.devices.stop()
        self._job.start()

    def cancel(self, message: str = "") -> None:
        """End the enhancement, if there is one; the scene stays as it was."""
        if self._job is None:
            return
        self._job.cancel()
        self._end()
        set_label(self._ui.statusLabel, message)

    def forget(self) -> None:
        """Say nothing any more of a scene that is closed."""
        set_label(self._ui.statusLabel, "")

    def close(self) -> None:
        """End all work for good."""
        self.cancel()
        self.devices.leave()
        self.devices.stop()

    def _on_installation(self) -> None:
        if not self.running:
            self._show_idle()
        if not self.installation.installing:
            self.devices.find()

    def _on_clicked(self, checked: bool) -> None:
        if self.running:
            self.cancel(_("Cancelled. The scene is as it was before."))
        else:
            self._on_apply()

    def _on_progress(self, stage: str, done: int, total: int, seconds_left: float | None) -> None:
        bar = self._ui.progressBar
        bar.maximum = total  # 0 shows that something goes on without saying how far it is
        bar.value = done
        parts = [_("slice {done} of {total}").format(done=done, total=total)] if total else []
        parts += [time_left(seconds_left)] if time_left(seconds_left) else []
        set_label(self._ui.stageLabel, f"{stage}: {', '.join(parts)}" if parts else f"{stage}…")

    def _on_done(self, result: EnhanceResult) -> None:
        device, seconds = self._job.device, time.monotonic() - self._started
        self._end()
        text = _("Enhanced in {seconds:.0f} s on {device}.").format(
            seconds=seconds, device=device or _("this computer")
        )
        if result.warnings:
            set_label(self._ui.statusLabel, _("{text} Read the warnings.").format(text=text), CAUTION)
        else:
            set_label(self._ui.statusLabel, text, GOOD)
        self._on_result(result)

    def _on_error(self, message: str) -> None:
        self._end()
        set_label(self._ui.statusLabel, message, BAD)

    def _end(self) -> None:
        self._job = None
        self._show_idle()
        self.devices.find()

    def _show_running(self) -> None:
        self._ui.applyButton.text = _("Cancel")
        self._ui.applyButton.toolTip = _("End the enhancement; the scene stays as it was.")
        self._ui.applyButton.enabled = True
        self._ui.progressBar.visible = True
        self._ui.progressBar.maximum = 0
        set_label(self._ui.stageLabel, _("Starting…"), INFO)

    def _show_idle(self) -> None:
        self._ui.applyButton.text = _("Apply")
        self._ui.applyButton.toolTip = self._problem or _("Enhance the MVCT.")
        self._ui.applyButton.enabled = not self._problem and not self.installation.installing
        self._ui.progressBar.visible = False
        set_label(self._ui.stageLabel, "")
