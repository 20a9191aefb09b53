"""Minimum height of the panel, kept at what its contents need."""

from __future__ import annotations

import qt


class PanelHeight(qt.QObject):
    """Keeps a widget at least as high as its layout needs for its width.

    When another module is shown, Slicer takes the module's widget out of the module panel but leaves its layout item.
    Shown again, the widget has a second item, which Qt never tells of a change: texts and rows would overlap.

    Args:
        widget: with a layout in which text is wrapped.
    """

    def __init__(self, widget):
        super().__init__()
        self._widget = widget
        widget.installEventFilter(self)

    def eventFilter(self, watched, event) -> bool:
        """Set the minimum height when the layout or the width has changed; called by Qt, False lets the event pass."""
        if event.type() in (qt.QEvent.LayoutRequest, qt.QEvent.Resize):
            self._widget.minimumHeight = self._widget.layout().totalHeightForWidth(self._widget.width)
        return False

    def close(self) -> None:
        """Release the widget."""
        self._widget.removeEventFilter(self)
