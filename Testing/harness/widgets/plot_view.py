"""Plot views: MRML's plot nodes drawn by VTK's chart, off screen; clicks go through VTK's own interaction."""

import vtk
from PySide6 import QtWidgets

from . import signals
from .mrml_widget import qMRMLWidget
from .plot_controller import qMRMLPlotViewControllerWidget
from .stand_in import Observations, stand_in

SIZE = (960, 320)
PENS = {0: vtk.vtkPen.NO_PEN, 1: vtk.vtkPen.SOLID_LINE, 2: vtk.vtkPen.DASH_LINE, 3: vtk.vtkPen.DOT_LINE,
        4: vtk.vtkPen.DASH_DOT_LINE, 5: vtk.vtkPen.DASH_DOT_DOT_LINE}  # fmt: skip


@stand_in
class qMRMLPlotView(QtWidgets.QWidget):
    """Chart of a plot view node, brought up to date at once whenever the node or its chart is modified, as in Slicer.

    A table that is refilled column by column while its chart listens is therefore read when columns are missing.
    """

    _signals = ("dataSelected(vtkStringArray*,vtkCollection*)", "mrmlSceneChanged(vtkMRMLScene*)")

    def __init__(self, view_node, parent=None):
        super().__init__(parent)
        self._node, self._plots = view_node, {}
        self._followed, self._tag, self._updating = None, None, False
        self._observed = Observations(self)
        self._context = vtk.vtkContextView()
        self._window = vtk.vtkRenderWindow()
        self._window.SetOffScreenRendering(1)
        self._window.SetSize(*SIZE)
        self._context.SetRenderWindow(self._window)
        self._chart = vtk.vtkChartXY()
        self._context.GetScene().AddItem(self._chart)
        self._chart.SetClickActionToButton(vtk.vtkChart.SELECT, vtk.vtkContextMouseEvent.LEFT_BUTTON)
        self._chart.SetActionToButton(vtk.vtkChart.PAN, vtk.vtkContextMouseEvent.LEFT_BUTTON)
        self._observed.add(self._chart, vtk.vtkCommand.SelectionChangedEvent, self._selected)
        scene = view_node.GetScene()
        self._observed.add(view_node, vtk.vtkCommand.ModifiedEvent, self._update)
        self._observed.add(scene, scene.EndBatchProcessEvent, self._update)
        self._update()

    def mrmlPlotViewNode(self):
        return self._node

    def chart(self):
        return self._chart

    def fitToContent(self) -> None:
        self._chart.RecalculateBounds()

    def _chart_node(self):
        chart_id = self._node.GetPlotChartNodeID()
        return self._node.GetScene().GetNodeByID(chart_id) if chart_id and self._node.GetScene() else None

    def _selected(self, _chart, _event) -> None:
        """Sends the selected points of all series, as Slicer does."""
        if self._chart_node() is None:
            return
        names, selections = vtk.vtkStringArray(), vtk.vtkCollection()
        for node_id, plot in self._plots.items():
            selection = plot.GetSelection()
            if selection is not None and selection.GetNumberOfValues() > 0:
                selections.AddItem(selection)
                names.InsertNextValue(node_id)
        signals.emit(self, self._signals[0], names, selections)

    def _update(self, *_ignored) -> None:
        """Brings the chart up to date with its nodes; plots of series that stay are kept, with their selection."""
        self._follow(self._chart_node())
        if self._updating:
            return
        self._updating = True
        node = self._followed
        series = (
            [node.GetNthPlotSeriesNode(index) for index in range(node.GetNumberOfPlotSeriesNodes())] if node else []
        )
        wanted = {entry.GetID(): entry for entry in series if entry is not None and self._columns(entry)}
        for node_id in reversed([node_id for node_id in self._plots if node_id not in wanted]):
            self._chart.RemovePlotInstance(self._plots.pop(node_id))
            self._read_bounds()
        for node_id, entry in wanted.items():
            plot = self._plots.get(node_id) or vtk.vtkPlotLine()
            self._show_series(plot, entry)
            if node_id not in self._plots:
                self._plots[node_id] = plot
                self._chart.AddPlot(plot)
                self._read_bounds()
        if node:
            self._show_axes(node)
        self._updating = False

    def _follow(self, chart) -> None:
        if chart is not self._followed:
            if self._followed is not None:
                self._followed.RemoveObserver(self._tag)
            self._followed = chart
            self._tag = chart.AddObserver(vtk.vtkCommand.ModifiedEvent, self._update) if chart else None

    def _read_bounds(self) -> None:
        """As ctkVTKChartView does for each plot that comes or goes: VTK complains where a plot's column is missing."""
        for plot in self._plots.values():
            plot.GetBounds([0.0] * 4)

    @staticmethod
    def _columns(series) -> tuple | None:
        """Columns x and y of a series; None where its table lacks one: then Slicer draws nothing."""
        table = series.GetTableNode().GetTable() if series.GetTableNode() else None
        names = (series.GetXColumnName(), series.GetYColumnName())
        if table is None or not all(name and table.GetColumnByName(name) for name in names):
            return None
        if any(isinstance(table.GetColumnByName(name), vtk.vtkStringArray) for name in names):
            raise AssertionError(f"plot series {series.GetName()}: Slicer cannot plot a column of text")
        return names

    def _show_series(self, plot, series) -> None:
        plot.SetInputData(series.GetTableNode().GetTable(), *self._columns(series))
        plot.SetLabel(series.GetName())
        plot.SetColorF(*series.GetColor())
        plot.SetWidth(series.GetLineWidth())
        plot.GetPen().SetLineType(PENS[series.GetLineStyle() + 0] if series.GetLineStyle() in PENS else 1)
        plot.SetMarkerStyle(series.GetMarkerStyle())
        plot.SetMarkerSize(series.GetMarkerSize())

    def _show_axes(self, node) -> None:
        self._chart.SetTitle(node.GetTitle() or "" if node.GetTitleVisibility() else "")
        self._chart.SetShowLegend(node.GetLegendVisibility())
        for axis, title, visible in (
            (vtk.vtkAxis.BOTTOM, node.GetXAxisTitle(), node.GetXAxisTitleVisibility()),
            (vtk.vtkAxis.LEFT, node.GetYAxisTitle(), node.GetYAxisTitleVisibility()),
        ):
            self._chart.GetAxis(axis).SetTitle(title or "" if visible else "")
            self._chart.GetAxis(axis).SetGridVisible(node.GetGridVisibility())

    def image(self) -> vtk.vtkImageData:
        """RGB picture of the chart as it is now."""
        self._context.GetRenderer().SetBackground(1, 1, 1)
        self._context.Render()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(self._window)
        grab.ReadFrontBufferOff()
        grab.Update()
        return grab.GetOutput()

    def series_names(self) -> list[str]:
        """Names of the series that are drawn."""
        return [plot.GetLabel() for plot in self._plots.values()]

    def click_point(self, series_name: str, index: int) -> None:
        """A click of the left mouse button on a point of a series."""
        self.image()
        plot = next(plot for plot in self._plots.values() if plot.GetLabel() == series_name)
        x, y = self._screen_position(plot, index)
        interactor = self._context.GetInteractor()
        interactor.SetEventInformation(round(x), round(y), 0, 0, "\0", 0, None)
        for event in (vtk.vtkCommand.MouseMoveEvent, vtk.vtkCommand.LeftButtonPressEvent):
            interactor.InvokeEvent(event)
        interactor.InvokeEvent(vtk.vtkCommand.LeftButtonReleaseEvent)

    def _screen_position(self, plot, index: int) -> list[float]:
        table, ends = plot.GetInput(), []
        for axis, column in ((plot.GetXAxis(), 0), (plot.GetYAxis(), 1)):
            name = plot.GetData().GetInputArrayToProcess(column, table).GetName()
            value = table.GetColumnByName(name).GetTuple1(index)
            low, high = axis.GetMinimum(), axis.GetMaximum()
            start, end = axis.GetPoint1()[column], axis.GetPoint2()[column]
            # VTK takes no click on the frame itself, where the first and last points often lie.
            ends.append(min(max(start + (value - low) / (high - low) * (end - start), start + 2), end - 2))
        return ends

    def _release(self) -> None:
        self._follow(None)
        self._observed.clear()
        self._window.Finalize()


@stand_in
class qMRMLPlotWidget(qMRMLWidget):
    """A plot view, made for a plot view node."""

    def __init__(self, view_node, parent=None):
        super().__init__(parent)
        self._node = view_node
        self._view = qMRMLPlotView(view_node, self)
        self._controller = qMRMLPlotViewControllerWidget(view_node, self)

    def mrmlPlotViewNode(self):
        return self._node

    def plotView(self):
        return self._view

    def _release(self) -> None:
        self._controller._release()
        self._view._release()
