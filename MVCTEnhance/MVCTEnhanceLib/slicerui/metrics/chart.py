"""The chart of one result in the application's plot views."""

from __future__ import annotations

from collections.abc import Callable

from ..review import layout
from ..review.comparison import jump_to_slice
from ..scene.outputs import EnhanceResult
from .nodes import is_series_of, update_chart

_SIGNAL = "dataSelected(vtkStringArray*,vtkCollection*)"


class MetricChart:
    """Keeps the chart up to date, puts it into the review layout, and lets a click on it move the slice views."""

    def __init__(self):
        self._result: EnhanceResult | None = None
        self._chart = None
        self._clicks = ChartClicks(self._on_click)

    def update(self, result: EnhanceResult, name: str) -> None:
        """Show the metric of this name of a result."""
        self._result = result
        self._chart = update_chart(result.enhanced, result.record, name)
        self.put_into_views()

    def put_into_views(self) -> None:
        """Show the chart in its view, if that has been made, and listen to all plot views."""
        view_node = layout.chart_view_node()
        if self._chart is None or self._chart.GetScene() is None:
            return
        if view_node is not None:
            view_node.SetPlotChartNodeID(self._chart.GetID())
        self._clicks.connect()
        for widget in layout.plot_widgets():
            if widget.mrmlPlotViewNode().GetPlotChartNodeID() == self._chart.GetID():
                widget.plotView().fitToContent()

    def leave(self) -> None:
        """Release the scene."""
        self._clicks.disconnect()
        self._result = self._chart = None

    def _on_click(self, series_id: str, number: int) -> None:
        if self._result is not None and is_series_of(self._chart, series_id):
            jump_to_slice(self._result.enhanced, number)


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
        views = [widget.plotView() for widget in layout.plot_widgets()]
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
