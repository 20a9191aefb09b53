"""Clicks on real charts."""

import numpy as np
import pytest
from slicerui.results import add_result, half_as_noisy, readouts
from slicerui.scans import SPACING, add_mvct, noisy_head


@pytest.fixture
def chart(app):
    """The chart of a result in the review layout."""
    from MVCTEnhanceLib.slicerui.metrics.chart import MetricChart
    from MVCTEnhanceLib.slicerui.metrics.nodes import update_tables
    from MVCTEnhanceLib.slicerui.review.layout import REVIEW_LAYOUT, register_layout

    result = add_result(app, add_mvct(app), planning_ct=False)  # whose line may cross a point
    update_tables(result.enhanced, result.record)
    register_layout()
    app.slicer.app.layoutManager().setLayout(REVIEW_LAYOUT)
    chart = MetricChart()
    chart.update(result, "noise_hu")
    yield chart
    chart.leave()


@pytest.fixture
def clicks(app, chart):
    """What is heard: (name of the series, point)."""
    from MVCTEnhanceLib.slicerui.metrics.chart import ChartClicks

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
    from MVCTEnhanceLib.slicerui.metrics.chart import ChartClicks

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


@pytest.mark.parametrize(
    "order",
    [
        np.diag([-1.0, 1, -1]),
        np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]),
        np.array([[0.0, 1, 0], [0, 0, -1], [-1, 0, 0]]),
    ],
    ids=["feet first", "stored in sagittal slices", "in coronal ones from the head on"],
)
def test_a_click_finds_the_axial_slice_however_the_scan_is_stored(app, order):
    from MVCTEnhanceLib.jobs.evaluate import measure
    from MVCTEnhanceLib.slicerui.metrics.chart import MetricChart
    from MVCTEnhanceLib.slicerui.metrics.nodes import update_tables
    from MVCTEnhanceLib.slicerui.review.comparison import Review, ReviewVolumes
    from MVCTEnhanceLib.slicerui.review.layout import SLICE_VIEWS, slice_logic
    from MVCTEnhanceLib.slicerui.scene.outputs import Voxels, put_into_scene
    from MVCTEnhanceLib.slicerui.scene.request import SceneRequest
    from MVCTEnhanceLib.volume import Volume
    from MVCTEnhanceLib.volume.grid import turned

    mvct, enhanced = (turned(Volume(array, SPACING), order) for array in (noisy_head(), half_as_noisy()))
    record = measure(mvct, enhanced, on_event=lambda event, **fields: None)
    found = record.to_dict()
    assert sorted(found["mvct"]["noise_hu"]["per_slice"]) == sorted(readouts()["mvct"]["noise_hu"]["per_slice"])
    to_ras = np.eye(4)
    to_ras[:3, :3], to_ras[:3, 3] = mvct.direction * mvct.spacing, mvct.origin
    node = app.add_volume(np.ascontiguousarray(mvct.array), "MVCT", ijk_to_ras=np.diag([-1.0, -1, 1, 1]) @ to_ras)
    voxels = Voxels(np.ascontiguousarray(enhanced.array), np.zeros(mvct.array.shape, np.int16), None, found)
    result = put_into_scene(SceneRequest(node.GetID()), node, voxels)
    review, chart = Review(), MetricChart()
    review.show(ReviewVolumes(node, result.enhanced, result.difference))
    update_tables(result.enhanced, record)
    chart.update(result, "noise_hu")
    for point in (2, 0, 3):
        app.plot_view.click_point("Enhanced scan", point)
        offsets = [slice_logic(view).GetSliceOffset() for view in SLICE_VIEWS]
        np.testing.assert_allclose(offsets, found["slices"]["z_mm"][point], atol=1e-6)
        assert {slice_logic(view).GetSliceNode().GetOrientation() for view in SLICE_VIEWS} == {"Axial"}
    chart.leave()
    review.close()
