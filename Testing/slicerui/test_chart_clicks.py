"""Clicks on real charts."""

import numpy as np
import pytest
from slicerui.results import add_result
from slicerui.scans import add_mvct


@pytest.fixture
def chart(app):
    """The chart of a result in the review layout."""
    from MVCTEnhanceLib.slicerui.readout_chart import ReadoutChart
    from MVCTEnhanceLib.slicerui.readout_nodes import update_tables
    from MVCTEnhanceLib.slicerui.review_layout import REVIEW_LAYOUT, register_layout

    result = add_result(app, add_mvct(app))
    update_tables(result.enhanced, result.readouts)
    register_layout()
    app.slicer.app.layoutManager().setLayout(REVIEW_LAYOUT)
    chart = ReadoutChart()
    chart.update(result, "noise_hu")
    yield chart
    chart.leave()


@pytest.fixture
def clicks(app, chart):
    """What is heard: (name of the series, point)."""
    from MVCTEnhanceLib.slicerui.chart_clicks import ChartClicks

    heard = []
    clicks = ChartClicks(lambda series, point: heard.append((app.scene.GetNodeByID(series).GetName(), point)))
    clicks.connect()
    yield heard
    clicks.disconnect()


def test_each_click_is_told_once_also_on_the_same_point_and_after_one_on_another_series(app, clicks):
    wanted = [("MVCT scan", 1), ("Enhanced scan", 2), ("Enhanced scan", 2), ("MVCT scan", 1), ("MVCT scan", 3)]
    for series, point in wanted:
        app.plot_view.click_point(series, point)
    assert clicks == wanted


def test_connecting_again_listens_to_no_view_twice(app, chart):
    from MVCTEnhanceLib.slicerui.chart_clicks import ChartClicks

    heard = []
    clicks = ChartClicks(lambda *click: heard.append(click))
    clicks.connect()
    clicks.connect()
    app.plot_view.click_point("MVCT scan", 2)
    clicks.disconnect()
    app.plot_view.click_point("MVCT scan", 1)
    assert len(heard) == 1


def test_a_click_jumps_to_the_slice_and_one_on_another_chart_does_not(app, chart):
    red = app.slicer.app.layoutManager().sliceWidget("Red").sliceLogic()
    app.plot_view.click_point("Enhanced scan", 2)
    assert red.GetSliceOffset() == 12.0
    other = app.scene.AddNewNodeByClass("vtkMRMLPlotChartNode")
    table = app.slicer.util.updateTableFromArray(None, [np.arange(4.0)] * 2, ["x", "y"])
    series = app.scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", "Other")
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName("x")
    series.SetYColumnName("y")
    series.SetPlotType(series.PlotTypeScatter)
    other.AddAndObservePlotSeriesNodeID(series.GetID())
    app.plot_view.mrmlPlotViewNode().SetPlotChartNodeID(other.GetID())
    app.plot_view.click_point("Other", 1)
    assert red.GetSliceOffset() == 12.0
