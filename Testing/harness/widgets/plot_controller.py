"""The bar of a plot view: its list of all plot series of the scene, in which those of the chart are checked."""

import vtk

from .mrml_widget import qMRMLWidget
from .stand_in import Observations, stand_in


@stand_in
class qMRMLPlotViewControllerWidget(qMRMLWidget):
    """Reads the check marks from the chart when that is modified, and writes them to it when a checked series goes.

    So a series that the chart gave up without telling of it (between StartModify and EndModify) comes back to it.
    """

    def __init__(self, view_node, parent=None):
        super().__init__(parent)
        self._node, self._scene = view_node, view_node.GetScene()
        self._chart, self._tag, self._checked = None, None, set()
        self._observed = Observations(self)
        self._observed.add(view_node, vtk.vtkCommand.ModifiedEvent, self._read)
        self._observed.add(self._scene, self._scene.NodeRemovedEvent, self._node_removed)
        self._read()

    def _read(self, *_ignored) -> None:
        self._follow(self._scene.GetNodeByID(self._node.GetPlotChartNodeID() or ""))
        self._checked = {node.GetID() for node in self._series() if self._has(node)}

    def _follow(self, chart) -> None:
        if chart is not self._chart:
            if self._chart is not None:
                self._chart.RemoveObserver(self._tag)
            self._chart = chart
            self._tag = chart.AddObserver(vtk.vtkCommand.ModifiedEvent, self._read) if chart else None

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _node_removed(self, _scene, _event, node) -> None:
        if node.GetID() in self._checked:
            self._checked.remove(node.GetID())
            self._write()

    def _write(self) -> None:
        for node in self._series() if self._chart else []:
            if self._has(node) and node.GetID() not in self._checked:
                self._chart.RemovePlotSeriesNodeID(node.GetID())
            elif not self._has(node) and node.GetID() in self._checked:
                self._chart.AddAndObservePlotSeriesNodeID(node.GetID())

    def _series(self) -> list:
        count = self._scene.GetNumberOfNodesByClass("vtkMRMLPlotSeriesNode")
        return [self._scene.GetNthNodeByClass(index, "vtkMRMLPlotSeriesNode") for index in range(count)]

    def _has(self, node) -> bool:
        return bool(self._chart and self._chart.HasPlotSeriesNodeID(node.GetID()))

    def _release(self) -> None:
        self._follow(None)
        self._observed.clear()
