"""Clicks on points of a chart."""

from __future__ import annotations

from collections.abc import Callable

from . import review_layout

_SIGNAL = "dataSelected(vtkStringArray*,vtkCollection*)"


class ChartClicks:
    """Tells which point of which series was clicked, in any plot view of the application.

    Args:
        on_click: called with the ID of a plot series node and the number of the point in it.
    """

    def __init__(self, on_click: Callable[[str, int], None]):
        self._on_click = on_click
        self._listeners: list[_Listener] = []

    def connect(self) -> None:
        """Listen to all plot views there are; to be called again when there may be new ones."""
        known = [listener.view for listener in self._listeners]
        views = [widget.plotView() for widget in review_layout.plot_widgets()]
        new = [_Listener(view, self._on_click) for view in views if view not in known]
        for listener in new:
            listener.view.connect(_SIGNAL, listener.on_selected)
        self._listeners += new

    def disconnect(self) -> None:
        """Listen no longer."""
        for listener in self._listeners:
            listener.view.disconnect(_SIGNAL, listener.on_selected)
        self._listeners = []


class _Listener:
    """One plot view.

    Each signal brings the selected points of all its series, old ones too, and comes first before a click has
    selected anything. A click makes a new array of points: so the clicked series is the one whose array is new.
    """

    def __init__(self, view, on_click: Callable[[str, int], None]):
        self.view = view
        self._on_click = on_click
        self._seen: dict = {}

    def on_selected(self, series_ids, selections) -> None:
        """Slot of the view's signal."""
        names = [series_ids.GetValue(index) for index in range(series_ids.GetNumberOfValues())]
        points = {name: selections.GetItemAsObject(index) for index, name in enumerate(names)}
        new = [name for name in names if points[name] is not self._seen.get(name)]
        self._seen = points
        if new and points[new[0]].GetNumberOfValues():
            self._on_click(new[0], points[new[0]].GetValue(0))
