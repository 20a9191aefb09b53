"""slicer.app.layoutManager(): real layout node and logic; views are made for the view nodes that the layout makes."""

import slicer
import vtk
from PySide6 import QtCore

from ..widgets import signals
from ..widgets.plot_view import qMRMLPlotWidget
from ..widgets.slice_view import qMRMLSliceWidget
from ..widgets.stand_in import Observations, stand_in


@stand_in
class LayoutManager(QtCore.QObject):
    """Layouts of slice and plot views; other kinds of views are only nodes."""

    _signals = ("layoutChanged(int)",)
    layout = property(lambda self: self._node.GetViewArrangement(), lambda self, value: self.setLayout(value))
    plotViewCount = property(lambda self: len(self._plots))
    threeDViewCount = property(lambda self: 0)

    def __init__(self, scene, application_logic):
        super().__init__()
        self._scene, self._application_logic = scene, application_logic
        self._slices: dict[str, qMRMLSliceWidget] = {}
        self._plots: dict[str, qMRMLPlotWidget] = {}
        self._slice_logics = vtk.vtkCollection()
        application_logic.SetSliceLogics(self._slice_logics)
        self._observed = Observations(self)
        self._observed.add(scene, scene.NodeAddedEvent, self._node_added)
        self._observed.add(scene, scene.EndBatchProcessEvent, self._layout_modified)
        self._logic = slicer.vtkMRMLLayoutLogic()
        self._logic.SetMRMLScene(scene)
        self._node = self._logic.GetLayoutNode()
        self._observed.add(self._node, vtk.vtkCommand.ModifiedEvent, self._layout_modified)
        self.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _node_added(self, _scene, _event, node) -> None:
        if not self._scene.IsBatchProcessing() and node.IsA("vtkMRMLAbstractViewNode"):
            self._make_views()

    def _make_views(self) -> None:
        for node in slicer_nodes(self._scene, "vtkMRMLSliceNode"):
            if node.GetLayoutName() not in self._slices:
                widget = qMRMLSliceWidget(node, self._application_logic, self._slice_logics)
                widget.setMRMLScene(self._scene)
                self._slices[node.GetLayoutName()] = widget
        for node in slicer_nodes(self._scene, "vtkMRMLPlotViewNode"):
            if node.GetLayoutName() not in self._plots:
                self._plots[node.GetLayoutName()] = qMRMLPlotWidget(node)

    def _layout_modified(self, *_ignored) -> None:
        """As in Slicer, views of a scene that is loaded come after all else of it, when EndImportEvent is over."""
        if not self._scene.IsBatchProcessing():
            self._make_views()
            signals.emit(self, "layoutChanged(int)", self.layout)

    def setLayout(self, layout: int) -> None:
        """Switches the layout; an unknown number gives Slicer's conventional one, as in Slicer."""
        if not self._node.IsLayoutDescription(layout):
            layout = slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView
        self._node.SetViewArrangement(layout)

    def layoutLogic(self):
        return self._logic

    def mrmlScene(self):
        return self._scene

    def mrmlSliceLogics(self):
        return self._slice_logics

    def sliceViewNames(self) -> tuple:
        return tuple(self._slices)

    def sliceWidget(self, name: str):
        return self._slices.get(name)

    def plotWidget(self, index: int):
        return list(self._plots.values())[index] if 0 <= index < len(self._plots) else None

    def resetSliceViews(self) -> None:
        for widget in self._slices.values():
            widget.fitSliceToBackground()

    def pauseRender(self) -> None:
        """Nothing is rendered by itself here."""

    def resumeRender(self) -> None:
        """Nothing is rendered by itself here."""

    def _views_shown(self, kind: str) -> list[str]:
        """Layout names of the views of the current layout, in its order."""
        nodes = self._logic.GetViewNodes()
        found = [nodes.GetItemAsObject(index) for index in range(nodes.GetNumberOfItems())]
        return [node.GetLayoutName() for node in found if node.IsA(kind)]

    def _release(self) -> None:
        self._observed.clear()
        self._application_logic.SetSliceLogics(None)
        for widget in self._slices.values():
            widget.sliceView()._release()
            widget.sliceLogic().SetMRMLScene(None)
        for widget in self._plots.values():
            widget._release()
        self._logic.SetMRMLScene(None)


def slicer_nodes(scene, kind: str) -> list:
    """Nodes of a class in a scene."""
    return [scene.GetNthNodeByClass(index, kind) for index in range(scene.GetNumberOfNodesByClass(kind))]
