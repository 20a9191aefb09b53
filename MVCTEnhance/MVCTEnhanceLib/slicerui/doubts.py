"""What of a scan the chosen model was not trained for, found out when the user pauses."""

from __future__ import annotations

from collections.abc import Callable

import qt

from ..errors import MVCTEnhanceError
from .models import ChosenModel
from .volumes import modality_of, volume_of

_PAUSE_MS = 150


class Doubts:
    """Looks at a scan once its choice has settled, and not again while nothing has changed.

    Args:
        show: called with the sentences, and with an empty list as soon as another scan is chosen.
    """

    def __init__(self, show: Callable[[list[str]], None]):
        self._show = show
        self._wanted: tuple = (None, None)
        self._key: tuple | None = None
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE_MS)
        self._timer.connect("timeout()", self._find)

    def check(self, volume, model: ChosenModel | None) -> None:
        """Look at a volume node with a model; with None for either there is nothing to doubt."""
        image = volume.GetImageData() if volume else None
        key = (volume.GetID(), image.GetMTime(), model.path) if image and model else None
        if key == self._key:
            return
        self._key, self._wanted = key, (volume, model)
        self._show([])
        if key is None:
            self._timer.stop()
        else:
            self._timer.start()

    def close(self) -> None:
        """Stop, and forget the scan."""
        self._timer.stop()
        self._key, self._wanted = None, (None, None)

    def _find(self) -> None:
        from ..app.suitability import doubts

        volume, model = self._wanted
        if volume is None or volume.GetScene() is None:
            return
        try:
            scan = volume_of(volume, "MVCT")
        except MVCTEnhanceError:  # which Apply will say
            return
        self._show(doubts(scan, model.plan, model.card, modality=modality_of(volume)))
