"""The chart of one result in the application's plot views."""

from __future__ import annotations

from . import review_layout
from .chart_clicks import ChartClicks
from .outputs import EnhanceResult
from .readout_nodes import is_series_of, update_chart
from .review import jump_to_slice


class ReadoutChart:
    """Keeps the chart up to date, puts it into the review layout, and lets a click on it move the slice views."""

    def __init__(self):
        self._result: EnhanceResult | None = None
        self._chart = None
        self._clicks = ChartClicks(self._on_click)

    def update(self, result: EnhanceResult, name: str) -> None:
        """Show the readout of this name of a result."""
        self._result = result
        self._chart = update_chart(result.enhanced, result.readouts, name)
        self.put_into_views()

    def put_into_views(self) -> None:
        """Show the chart in its view, if that has been made, and listen to all plot views."""
        view_node = review_layout.chart_view_node()
        if self._chart is None or self._chart.GetScene() is None:
            return
        if view_node is not None:
            view_node.SetPlotChartNodeID(self._chart.GetID())
        self._clicks.connect()
        for widget in review_layout.plot_widgets():
            if widget.mrmlPlotViewNode().GetPlotChartNodeID() == self._chart.GetID():
                widget.plotView().fitToContent()

    def leave(self) -> None:
        """Let go of the scene."""
        self._clicks.disconnect()
        self._result = self._chart = None

    def _on_click(self, series_id: str, number: int) -> None:
        if self._result is not None and is_series_of(self._chart, series_id):
            jump_to_slice(self._result.enhanced, number)
