"""The result that belongs to the chosen enhanced volume, kept up to date."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer
import vtk
from slicer.util import VTKObservationMixin

from ..scene.outputs import MAP_ROLES, ROLE_READOUTS, EnhanceResult, result_of
from .chart import MetricChart
from .nodes import BY_SLICE_ROLE, CHART_ROLE, MODELS_ROLE, SUMMARY_ROLE, update_tables


class ResultFollower(VTKObservationMixin):
    """Reads the metrics of the chosen enhanced volume whenever they change, also while a sequence is browsed.

    The tables and the chart of an enhanced volume that is deleted are deleted with it.

    Args:
        on_changed: called when they have changed.
    """

    def __init__(self, on_changed: Callable[[], None]):
        super().__init__()
        self.result: EnhanceResult | None = None
        """None where the chosen volume is no result."""
        self.chart = MetricChart()
        self._on_changed = on_changed
        self._key: tuple | None = None
        self._metric = ""

    def refresh(self, parameters) -> bool:
        """Follow the parameters; whether the result is another one than before."""
        self._follow_scene(slicer.mrmlScene)
        enhanced = parameters.enhanced
        text = enhanced.GetNodeReference(ROLE_READOUTS) if enhanced else None
        key = (enhanced, text, text.GetMTime(), *map(enhanced.GetNodeReference, MAP_ROLES)) if text else None
        changed = key != self._key
        if changed:
            another = key is None or self._key is None or key[0] is not self._key[0]
            self._follow(text)
            self._key = key
            self._read(parameters, another)
        if self.result and (changed or parameters.chartReadout != self._metric):
            self._metric = parameters.chartReadout
            self.chart.update(self.result, self._metric)
        return changed

    def leave(self) -> None:
        """Release the scene."""
        self.removeObservers()
        self.chart.leave()
        self.result = self._key = None

    def _follow_scene(self, scene) -> None:
        if not self.hasObserver(scene, scene.NodeRemovedEvent, self._on_gone):
            self.addObserver(scene, scene.NodeAboutToBeRemovedEvent, self._on_removed)
            self.addObserver(scene, scene.NodeRemovedEvent, self._on_gone)

    def _follow(self, text) -> None:
        self.removeObservers(self._on_modified)
        if text is not None:
            self.addObserver(text, vtk.vtkCommand.ModifiedEvent, self._on_modified)

    def _read(self, parameters, another: bool) -> None:
        self.result = result_of(parameters.enhanced)
        parameters.readouts = self.result.readoutsNode if self.result else None
        if self.result is None:
            self.chart.leave()
            return
        update_tables(self.result.enhanced, self.result.record)
        if another and self.result.difference:
            parameters.difference = self.result.difference

    def _on_modified(self, caller, event) -> None:
        self._on_changed()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_removed(self, scene, event, node) -> None:
        helpers = [] if scene.IsClosing() else _helpers_of(node)
        if helpers:
            # A little later, since the scene is in the middle of taking the volume itself away.
            qt.QTimer.singleShot(0, lambda: _remove(helpers))

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_gone(self, scene, event, node) -> None:
        if self._key and node in self._key:
            self._on_changed()


def _helpers_of(enhanced) -> list:
    """Tables, chart and its series, where the node has some."""
    chart = enhanced.GetNodeReference(CHART_ROLE)
    series = [chart.GetNthPlotSeriesNode(index) for index in range(chart.GetNumberOfPlotSeriesNodes())] if chart else []
    tables = [enhanced.GetNodeReference(role) for role in (SUMMARY_ROLE, BY_SLICE_ROLE, MODELS_ROLE)]
    return [node for node in (chart, *series, *tables) if node]


def _remove(nodes: list) -> None:
    for node in nodes:
        if node.GetScene() is not None:
            slicer.mrmlScene.RemoveNode(node)
