"""The panel's registration to the planning CT: a button that turns into Cancel, and what was found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from ..jobs.registration import Registration, RegistrationOptions
from ..scene.outputs import EnhanceResult
from ..scene.registration import RegistrationResult
from ..wording import CAUTION, GOOD, look_of, set_enabled_or_explain, set_label
from .cancellable import CancellableSection


class RegistrationSection(CancellableSection):
    """Registers the chosen result to the planning CT.

    Args:
        ui: the panel's widgets.
        on_done: called with planning CT and checkerboard, volume nodes.
    """

    def __init__(self, ui, on_done: Callable[[Any, Any], None]):
        super().__init__(ui.registrationLabel)
        self._ui = ui
        self._on_result = on_done
        self._parameters = None
        self._result: EnhanceResult | None = None
        self._planning_ct: Any = None  # of the registration that is under way
        self._idle_text = ui.registerButton.text
        ui.registerButton.connect("clicked(bool)", self._on_clicked)
        self._update_buttons()

    def refresh(self, parameters, result: EnhanceResult | None) -> None:
        """Offer a result (or None) and the planning CT of the parameters."""
        if self._job is None and (self._result and self._result.enhanced) is not (result and result.enhanced):
            set_label(self._ui.registrationLabel, "")
        self._parameters, self._result = parameters, result
        self._update_buttons()

    def leave(self) -> None:
        """Release the scene; a running registration continues while the scene exists."""
        self._parameters = self._result = None
        if self._job is None:
            set_label(self._ui.registrationLabel, "")
        self._update_buttons()

    def _on_clicked(self, checked: bool) -> None:
        if self._job:
            self._cancel_job(_("Cancelled. The scene is as it was before."), CAUTION)
            return
        self._planning_ct = self._parameters.planningCT
        options = RegistrationOptions(self._result.enhanced.GetID(), self._planning_ct.GetID())
        self._start_job(Registration(options), _("Registering…"))

    def _on_progress(self, stage: str, done: int, total: int, seconds_left: float | None) -> None:
        count = " " + _("{done} of {total}").format(done=done, total=total) if total else ""
        set_label(self._ui.registrationLabel, f"{stage}…{count}")

    def _on_done(self, result: RegistrationResult) -> None:
        planning_ct = self._planning_ct
        level = GOOD if look_of(result.registration["assessment"]["verdict"]).level == GOOD else CAUTION
        self._end(in_words(result), CAUTION if result.warnings else level)
        self._on_result(planning_ct, result.checkerboard)

    def _end(self, text: str, level: str) -> None:
        self._planning_ct = None
        super()._end(text, level)

    def _update_buttons(self) -> None:
        button = self._ui.registerButton
        button.text = _("Cancel registration") if self._job else self._idle_text
        why = ""
        if self._job is None and self._result is None:
            why = _("There is nothing to register yet: press Apply, or choose a volume that was enhanced.")
        elif self._job is None and self._parameters.planningCT is None:
            why = _("Choose the planning CT first.")
        set_enabled_or_explain(button, why)


def in_words(result: RegistrationResult) -> str:
    """What was found: by how much the MVCT is moved, the couch shift, how the enhanced scan agrees, warnings."""
    found = result.registration
    x, y, z = found["mvct"]["translation_lps_mm"]
    angles = ", ".join(f"{angle:+.1f}" for angle in found["mvct"]["rotation_deg"])
    parts = [
        _("MVCT to planning CT: left {x:+.1f}, posterior {y:+.1f}, superior {z:+.1f} mm; rotation {angles}°.").format(
            x=x, y=y, z=z, angles=angles
        )
    ]
    if shift := found["mvct"]["couch_shift"]:
        text = _(
            "Couch: lateral {lateral_mm:+.1f}, longitudinal {longitudinal_mm:+.1f}, vertical {vertical_mm:+.1f} mm; "
            "pitch {pitch_deg:+.1f}, roll {roll_deg:+.1f}, yaw {yaw_deg:+.1f}°."
        )
        parts.append(text.format(**shift))
    assessment = found["assessment"]
    parts.append(f"{look_of(assessment['verdict']).text}: {assessment['reason']}")
    return " ".join((*parts, *result.warnings, _("Not for positioning.")))
