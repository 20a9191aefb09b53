"""Views are rendered as Slicer would."""

import numpy as np

TITLE = 18  # pixels above the views


def test_a_volume_is_seen_in_the_slice_views_and_the_layout_can_be_changed(app, tmp_path):
    _, j, i = np.indices((20, 40, 40))
    node = app.add_volume((100 * (i > 20) + 200 * (j > 20)).astype(np.int16), spacing=(2, 2, 3))
    app.slicer.util.setSliceViewerLayers(background=node, fit=True)
    app.run_events()
    app.render_views(tmp_path / "views.png")
    images = app.slice_images()
    assert list(images) == ["R", "G", "Y"]
    assert len(np.unique(images["R"])) > 3
    assert np.array_equal(pixels(tmp_path / "views.png")[TITLE:], np.concatenate(list(images.values()), axis=1))


def chart_of(app):
    slicer = app.slicer
    table = app.scene.AddNewNodeByClass("vtkMRMLTableNode", "values")
    slicer.util.updateTableFromArray(table, (np.arange(5.0), np.array([1.0, 3, 2, 5, 4])), ["slice", "noise"])
    series = app.scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", "MVCT")
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName("slice")
    series.SetYColumnName("noise")
    series.SetPlotType(series.PlotTypeScatter)
    series.SetMarkerStyle(series.MarkerStyleCircle)
    chart = app.scene.AddNewNodeByClass("vtkMRMLPlotChartNode", "Chart")
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    chart.SetTitle("Noise")
    return chart, series


def pixels(path) -> np.ndarray:
    """RGB values of a PNG file: shape (rows, columns, 3)."""
    from PySide6 import QtGui

    image = QtGui.QImage(str(path)).convertToFormat(QtGui.QImage.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def test_a_click_on_a_point_of_the_chart_is_told_by_series_and_index(app, tmp_path):
    chart, series = chart_of(app)
    manager = app.slicer.app.layoutManager()
    manager.setLayout(app.slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalPlotView)
    manager.plotWidget(0).mrmlPlotViewNode().SetPlotChartNodeID(chart.GetID())
    heard = []

    def selected(names, points):
        values = [points.GetItemAsObject(index) for index in range(points.GetNumberOfItems())]
        heard.append(
            {names.GetValue(i): [v.GetValue(k) for k in range(v.GetNumberOfValues())] for i, v in enumerate(values)}
        )

    app.plot_view.connect("dataSelected(vtkStringArray*,vtkCollection*)", selected)
    assert app.plot_view.series_names() == ["MVCT"]
    for point in (3, 1, 0, 4):
        app.plot_view.click_point("MVCT", point)
        assert heard[-1] == {series.GetID(): [point]}
    app.render_views(tmp_path / "chart.png")
    rows = max(image.shape[0] for image in app.slice_images().values())
    chart_picture = pixels(tmp_path / "chart.png")[TITLE + rows :]
    assert (chart_picture > 240).mean() > 0.5 and (chart_picture < 100).any()  # lines and letters on white
