"""Input warnings of the chosen scan and model, found when the user pauses."""

from __future__ import annotations

from collections.abc import Callable

import qt

from ...errors import MVCTEnhanceError
from ..scene.origin import known_volume_of
from .model_choice import ChosenModel

_PAUSE_MS = 150


class InputWarnings:
    """Looks at a scan once its choice has settled, and not again while nothing has changed.

    Args:
        show: called with the sentences, and with an empty list as soon as another scan is chosen.
    """

    def __init__(self, show: Callable[[list[str]], None]):
        self._show = show
        self._wanted: tuple = (None, None, None)
        self._key: tuple | None = None
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE_MS)
        self._timer.connect("timeout()", self._find)

    def check(self, volume, planning_ct, model: ChosenModel | None) -> None:
        """Look at a volume node and its planning CT, if any, with a model; without a volume or model at nothing."""
        key = (*_state(volume), *_state(planning_ct), model.path) if _state(volume) and model else None
        if key == self._key:
            return
        self._key, self._wanted = key, (volume, planning_ct, model)
        self._show([])
        if key is None:
            self._timer.stop()
        else:
            self._timer.start()

    def close(self) -> None:
        """Stop, and forget the scan."""
        self._timer.stop()
        self._key, self._wanted = None, (None, None, None)

    def _find(self) -> None:
        from ...assessment.input_warnings import input_warnings
        from ...assessment.origin import planning_ct_warnings

        volume, planning_ct, model = self._wanted
        if volume is None or volume.GetScene() is None:
            return
        try:
            scan = known_volume_of(volume, "MVCT")
            reference = known_volume_of(planning_ct, "planning CT") if _state(planning_ct) else None
        except MVCTEnhanceError:  # which Apply will say
            return
        found = input_warnings(scan, model.plan, model.card)
        if reference is not None:
            found += planning_ct_warnings(reference, scan)
        self._show(found)


def _state(volume) -> tuple:
    """What changes as soon as a volume node shows another scan; empty where there is none."""
    image = volume.GetImageData() if volume else None
    return (volume.GetID(), image.GetMTime()) if image else ()
