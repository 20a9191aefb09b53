"""Steps of the module's self-test that need views, and so an application with a main window."""

from __future__ import annotations

import slicer
import vtk

from ..metrics.nodes import CHART_ROLE
from ..review.layout import (
    DIFFERENCE_VIEW,
    ENHANCED_VIEW,
    MVCT_VIEW,
    REVIEW_LAYOUT,
    SLICE_VIEWS,
    chart_view_node,
    plot_widgets,
    slice_logic,
)
from .data import SPACING_MM
from .user import User

_SECONDS = 20


def review_layout_is_taken(user: User) -> None:
    """The review button shows the layout with three slice views and a chart."""
    manager = slicer.app.layoutManager()
    user.case.assertTrue(manager.layoutLogic().GetLayoutNode().IsLayoutDescription(REVIEW_LAYOUT))
    user.press(user.ui.reviewButton)
    user.case.assertEqual(manager.layout, REVIEW_LAYOUT)
    for view in SLICE_VIEWS:
        user.case.assertIsNotNone(manager.sliceWidget(view), view)
    user.case.assertIsNotNone(chart_view_node())


def review_shows_the_scans_side_by_side(user: User) -> None:
    """The views show MVCT, enhanced volume over MVCT, and difference map."""
    backgrounds = {view: _composite(view).GetBackgroundVolumeID() for view in SLICE_VIEWS}
    mvct, difference = user.scan.GetID(), user.result.difference.GetID()
    user.case.assertEqual(backgrounds, {MVCT_VIEW: mvct, ENHANCED_VIEW: mvct, DIFFERENCE_VIEW: difference})
    user.case.assertEqual(_composite(ENHANCED_VIEW).GetForegroundVolumeID(), user.result.enhanced.GetID())


def review_fades_flickers_and_is_restored(user: User) -> None:
    """Fading and flicker set the enhanced volume's opacity; restore shows the scans again."""
    middle = _composite(ENHANCED_VIEW)
    user.ui.fadeSlider.value = 0.25
    user.case.assertAlmostEqual(middle.GetForegroundOpacity(), 0.25)
    user.press(user.ui.flickerButton)
    user.wait(lambda: middle.GetForegroundOpacity() in (0.0, 1.0), "the flicker", _SECONDS)
    user.press(user.ui.flickerButton)
    user.case.assertAlmostEqual(middle.GetForegroundOpacity(), 0.25)
    _composite(DIFFERENCE_VIEW).SetBackgroundVolumeID(None)
    user.press(user.ui.restoreButton)
    user.case.assertEqual(_composite(DIFFERENCE_VIEW).GetBackgroundVolumeID(), user.result.difference.GetID())


def click_on_the_chart_jumps_to_the_slice(user: User) -> None:
    """A click on a point of the chart shows its slice in all views."""
    user.press(user.ui.showChartButton)
    for k in (3, 1, 2):
        _click_point(user, k)
        for view in SLICE_VIEWS:
            user.case.assertAlmostEqual(slice_logic(view).GetSliceOffset(), SPACING_MM[2] * k, places=3)


def review_is_left_again(user: User) -> None:
    """The review button brings the layout of before back."""
    user.press(user.ui.reviewButton)
    user.case.assertNotEqual(slicer.app.layoutManager().layout, REVIEW_LAYOUT)


def _composite(view: str):
    return slice_logic(view).GetSliceCompositeNode()


def _click_point(user: User, k: int) -> None:
    """Select a point of the last line, as VTK's chart does where the mouse clicks on it."""
    node = user.result.enhanced.GetNodeReference(CHART_ROLE)
    views = [widget.plotView() for widget in plot_widgets() if _shows(widget, node)]
    user.case.assertTrue(views, "no plot view shows the chart")
    chart = views[0].chart()
    user.wait(lambda: chart.GetNumberOfPlots() == node.GetNumberOfPlotSeriesNodes(), "the chart's lines", _SECONDS)
    point = vtk.vtkIdTypeArray()
    point.InsertNextValue(k)
    chart.GetPlot(chart.GetNumberOfPlots() - 1).SetSelection(point)
    chart.InvokeEvent(vtk.vtkCommand.SelectionChangedEvent)
    user.require_no_errors()


def _shows(widget, chart) -> bool:
    return widget.mrmlPlotViewNode().GetPlotChartNodeID() == chart.GetID()
