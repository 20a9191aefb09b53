"""The panel's section of the review: what is compared, layout, fade, flicker and the colours of the difference map."""

from __future__ import annotations

from collections.abc import Callable

import slicer
import slicer.util
from slicer.i18n import tr as _

from ..metrics.two_models import ModelComparison
from ..review.comparison import Review, ReviewVolumes
from ..scene.display import show_difference
from ..scene.outputs import ROLE_MVCT, EnhanceResult
from ..wording import BAD, set_enabled_or_explain, set_label, tell_name


class ReviewSection:
    """Lets the user compare the enhanced scan with the MVCT, or with that of another model.

    Args:
        ui: the panel's widgets.
        on_shown: called when there may be new views.
    """

    def __init__(self, ui, on_shown: Callable[[], None]):
        self._ui = ui
        self._on_shown = on_shown
        self._parameters = None
        self._volumes: ReviewVolumes | None = None
        self._half_width: float | None = None
        self._no_correction = ""
        self._review = Review()
        ui.reviewButton.connect("clicked(bool)", self._on_review)
        ui.restoreButton.connect("clicked(bool)", lambda checked: self.restore())
        ui.flickerButton.connect("toggled(bool)", self._review.set_flicker)
        self._manager = slicer.app.layoutManager()
        if self._manager is not None:
            self._manager.connect("layoutChanged(int)", self._on_layout)
        if _module_selector() is not None:
            _module_selector().connect("moduleSelected(QString)", self._on_module)
        self._update_buttons()

    def refresh(
        self, parameters, result: EnhanceResult | None, comparison: ModelComparison | None = None, problem: str = ""
    ) -> None:
        """Show what the parameters say of a result (or None).

        Args:
            comparison: with the result of another model; None for the MVCT.
            problem: why there is none although the user has chosen one.
        """
        self._parameters = parameters
        tell_name(self._ui.compareWithSelector, parameters.compareWith)
        set_label(self._ui.compareLabel, problem, BAD)
        self._ui.fadeFromLabel.text = _("Other model") if comparison else _("MVCT")
        before, self._volumes = self._volumes, _volumes(result, comparison, parameters) if result else None
        self._review.set_fade(parameters.fade)
        if self._volumes and self._half_width not in (None, parameters.differenceWindow):
            show_difference_of(self._volumes, parameters.differenceWindow)
        self._half_width = parameters.differenceWindow
        self._follow(before)
        self._no_correction = ""
        if comparison:
            self._no_correction = _("Two models are compared: the map is their difference.")
        elif result and not result.correction:
            self._no_correction = _("The chosen result has no such map: enhance the scan again.")
        self._update_buttons()

    def _follow(self, before: ReviewVolumes | None) -> None:
        """Where the user has chosen another result or another map while the review is shown, put it into the views."""
        now = self._volumes
        if now is None or not self._review.shown:
            return
        if before is None or (before.left, before.enhanced) != (now.left, now.enhanced):
            if not self._review.shows(now):
                self._put()
        elif before.difference is not now.difference:
            show_difference_of(now, self._parameters.differenceWindow)
            self._review.show_map(now.difference)
        self._review.adopt(now)

    def show(self) -> None:
        """Switch to the review layout."""
        if self._volumes:
            show_difference_of(self._volumes, self._parameters.differenceWindow)
            self._review.show(self._volumes, self._parameters.fade)
        self._update_buttons()

    def take_new(self) -> None:
        """The result has just been made: colour its difference map as chosen, and show it where the last one was."""
        if self._volumes:
            self._put()

    def show_registered(self, planning_ct, checkerboard) -> None:
        """Switch to the review layout, with the planning CT blended and the checkerboard."""
        if self._volumes:
            self.show()
            self._review.restore(self._volumes, self._parameters.fade)  # the scans have moved
            self._review.show_registered(planning_ct, checkerboard)

    def restore(self) -> None:
        """Put the volumes back into the views of the review layout, zoomed to the body."""
        if self._volumes and self._review.shown:
            show_difference_of(self._volumes, self._parameters.differenceWindow)
            self._review.restore(self._volumes, self._parameters.fade)

    def _put(self) -> None:
        show_difference_of(self._volumes, self._parameters.differenceWindow)
        if self._review.shown:
            self._review.show(self._volumes, self._parameters.fade)

    def pause(self) -> None:
        """The user has left the module: nothing may move by itself any more."""
        self._ui.flickerButton.checked = False

    def leave(self) -> None:
        """Release the scene."""
        self.pause()
        self._review.close()
        self._parameters = self._volumes = self._half_width = None
        self._update_buttons()

    def close(self) -> None:
        """Release the application, too."""
        self.leave()
        if self._manager is not None:
            self._manager.disconnect("layoutChanged(int)", self._on_layout)
            self._manager = None
        if _module_selector() is not None:  # it may have gone before the module
            _module_selector().disconnect("moduleSelected(QString)", self._on_module)

    def _on_review(self, checked: bool) -> None:
        if checked:
            self.show()
        else:
            self._review.leave()
        self._update_buttons()

    def _on_layout(self, layout: int) -> None:
        if not self._review.shown:
            self.pause()
        if self._volumes:
            self._review.adopt(self._volumes)
        self._update_buttons()
        self._on_shown()

    def _on_module(self, name: str) -> None:
        """No module is shown when Slicer closes, just before it saves its layout, which must be one that it knows."""
        if not name:
            self._review.leave()

    def _update_buttons(self) -> None:
        shown = self._review.shown
        why = ""
        if self._volumes is None:
            why = _("There is nothing to compare yet: press Apply, or choose a volume that was enhanced.")
        self._ui.reviewButton.checked = shown
        set_enabled_or_explain(self._ui.reviewButton, "" if shown else why)
        set_enabled_or_explain(self._ui.correctionCheckBox, why or self._no_correction)
        for widget in (self._ui.restoreButton, self._ui.flickerButton, self._ui.fadeSlider):
            set_enabled_or_explain(widget, why or ("" if shown else _("Press 'Review layout' first.")))


def _module_selector():
    window = slicer.util.mainWindow()
    return window.moduleSelector() if window else None


def _volumes(result: EnhanceResult, comparison: ModelComparison | None, parameters) -> ReviewVolumes | None:
    """What is shown; None where the MVCT of the result is gone."""
    mvct = result.enhanced.GetNodeReference(ROLE_MVCT)
    if mvct is None:
        return None
    if comparison:
        return ReviewVolumes(comparison.other, result.enhanced, comparison.difference, of_models=True)
    chosen = result.correction if parameters.showCorrection and result.correction else result.difference
    return ReviewVolumes(mvct, result.enhanced, chosen)


def show_difference_of(volumes: ReviewVolumes, half_width: float) -> None:
    """Colour the difference map, where there is one."""
    if volumes.difference:
        show_difference(volumes.difference, half_width)
