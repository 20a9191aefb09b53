"""The review layout and the chart, driven from the panel."""

import json

import numpy as np
import pytest
from harness import pictures
from slicerui.panels import choose_result, open_with_scan, parameters, reload
from slicerui.results import add_result

REVIEW = 7421


def layout(app) -> int:
    return app.slicer.app.layoutManager().layout


def view(app, name: str):
    return app.slicer.app.layoutManager().sliceWidget(f"MVCTEnhance{name}")


def opacity(app) -> float:
    return view(app, "Enhanced").mrmlSliceCompositeNode().GetForegroundOpacity()


def test_without_a_result_there_is_nothing_to_review(app):
    open_with_scan(app)
    for widget in (app.ui.reviewButton, app.ui.restoreButton, app.ui.flickerButton, app.ui.fadeSlider):
        assert not widget.enabled and "nothing to compare" in widget.toolTip


def test_one_button_shows_the_comparison_and_takes_it_away_again(app, result):
    before = layout(app)
    app.click(app.ui.reviewButton)
    assert layout(app) == REVIEW and app.ui.reviewButton.checked
    assert view(app, "Difference").mrmlSliceCompositeNode().GetBackgroundVolumeID() == result.difference.GetID()
    app.click(app.ui.reviewButton)
    assert layout(app) == before and not app.ui.reviewButton.checked


def test_the_button_follows_a_layout_that_the_user_chose_elsewhere(app, result):
    app.click(app.ui.reviewButton)
    app.slicer.app.layoutManager().setLayout(app.slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    assert not app.ui.reviewButton.checked
    assert not app.ui.restoreButton.enabled and not app.ui.fadeSlider.enabled
    app.slicer.app.layoutManager().setLayout(REVIEW)
    assert app.ui.reviewButton.checked and app.ui.restoreButton.enabled


def test_the_slider_fades_and_its_value_is_a_parameter(app, result):
    app.click(app.ui.reviewButton)
    app.ui.fadeSlider.value = 0.35
    assert opacity(app) == pytest.approx(0.35) and parameters(app).fade == pytest.approx(0.35)
    parameters(app).fade = 0.9
    assert opacity(app) == pytest.approx(0.9)


def test_flicker_ends_with_the_button_with_the_layout_and_with_the_module(app, result):
    app.click(app.ui.reviewButton)
    app.ui.fadeSlider.value = 0.5
    leave = app.slicer.app.layoutManager().setLayout
    for end in (lambda: app.click(app.ui.flickerButton), lambda: leave(3), app.exit):
        leave(REVIEW)
        app.click(app.ui.flickerButton)
        app.wait(lambda: opacity(app) in (0.0, 1.0))
        end()
        assert not app.ui.flickerButton.checked
        leave(REVIEW)
        app.ui.fadeSlider.value = 0.5
        app.run_events(0.6)
        app.run_events()
        parameters(app).fade = 0.7
        parameters(app).fade = 0.5
        assert opacity(app) == 0.5


def test_restore_brings_the_scans_back_into_their_views(app, result):
    app.click(app.ui.reviewButton)
    composite = view(app, "Difference").mrmlSliceCompositeNode()
    composite.SetBackgroundVolumeID(None)
    app.click(app.ui.restoreButton)
    assert composite.GetBackgroundVolumeID() == result.difference.GetID()


def fields_of_view(app) -> list[float]:
    """Width in mm of what each view of the review shows."""
    app.run_events()
    app.run_events()
    return [view(app, name).mrmlSliceNode().GetFieldOfView()[0] for name in ("MVCT", "Enhanced", "Difference")]


def zoom(app, width: float) -> None:
    """The user zooms in the first view."""
    logic, node = view(app, "MVCT").sliceLogic(), view(app, "MVCT").mrmlSliceNode()
    before = node.GetFieldOfView()
    logic.StartSliceNodeInteraction(node.FieldOfViewFlag)
    node.SetFieldOfView(width, width * before[1] / before[0], before[2])
    logic.EndSliceNodeInteraction()


@pytest.mark.integration
def test_a_zoom_is_that_of_all_views_and_stays_until_the_review_is_entered_anew_or_restored(app, result):
    from slicerui.scans import OBLIQUE, add_mvct

    app.click(app.ui.reviewButton)
    fitted = fields_of_view(app)
    far = add_result(app, add_mvct(app, "Day 2", ijk_to_ras=OBLIQUE + 900 * np.eye(4)[:, [3, 3, 3, 2]]))
    for change in (
        lambda: app.click(app.ui.showChartButton),
        lambda: app.choose(app.ui.chartComboBox, "Noise (HU)"),
        lambda: setattr(app.ui.fadeSlider, "value", 0.4),
        lambda: setattr(app.ui.differenceWindowSpinBox, "value", 120),
        lambda: (app.exit(), app.enter()),
        lambda: choose_result(app, far),
        lambda: choose_result(app, result),
    ):
        zoom(app, 77)
        change()
        assert fields_of_view(app) == pytest.approx([77, 77, 77])
    app.click(app.ui.restoreButton)
    assert fields_of_view(app) == pytest.approx(fitted)
    zoom(app, 77)
    app.click(app.ui.reviewButton)
    app.click(app.ui.reviewButton)
    assert fields_of_view(app) == pytest.approx(fitted)


@pytest.mark.integration
def test_another_result_that_is_chosen_in_the_review_takes_the_place_of_the_one_before(app, result):
    from slicerui.scans import OBLIQUE, add_mvct

    app.click(app.ui.reviewButton)
    app.ui.differenceWindowSpinBox.value = 120
    mvct = add_mvct(app, "Day 2", ijk_to_ras=OBLIQUE)
    other = add_result(app, mvct)
    choose_result(app, other)
    composites = [view(app, name).mrmlSliceCompositeNode() for name in ("MVCT", "Enhanced", "Difference")]
    shown = [mvct.GetID(), mvct.GetID(), other.difference.GetID()]
    assert [node.GetBackgroundVolumeID() for node in composites] == shown
    assert composites[1].GetForegroundVolumeID() == other.enhanced.GetID()
    assert other.difference.GetDisplayNode().GetWindow() == 240
    (legend,) = app.slicer.util.getNodesByClass("vtkMRMLColorLegendDisplayNode")
    assert legend.GetPrimaryDisplayNode() is other.difference.GetDisplayNode()
    assert windows_are_linked(app, other)
    head = app.slice_images()["MVCT"]
    assert (head.max(axis=2) > 90).mean() > 0.1


def test_what_the_user_puts_into_a_view_of_the_review_stays_there(app, result):
    app.click(app.ui.reviewButton)
    composite = view(app, "Enhanced").mrmlSliceCompositeNode()
    composite.SetForegroundVolumeID(result.difference.GetID())
    parameters(app).fade = 0.5
    app.choose(app.ui.chartComboBox, "Noise (HU)")
    assert composite.GetForegroundVolumeID() == result.difference.GetID()


def test_the_map_beyond_the_hu_conversion_takes_the_place_of_the_difference_and_gives_it_back(app):
    result = add_result(app, open_with_scan(app), correction=True)
    choose_result(app, result)
    app.click(app.ui.reviewButton)
    app.ui.differenceWindowSpinBox.value = 120
    composite = view(app, "Difference").mrmlSliceCompositeNode()
    for shown in (result.correction, result.difference):
        app.click(app.ui.correctionCheckBox)
        assert parameters(app).showCorrection == (shown is result.correction)
        assert composite.GetBackgroundVolumeID() == shown.GetID()
        assert shown.GetDisplayNode().GetWindow() == 240
        (legend,) = app.slicer.util.getNodesByClass("vtkMRMLColorLegendDisplayNode")
        assert legend.GetPrimaryDisplayNode() is shown.GetDisplayNode()


def test_a_result_of_an_older_version_has_no_map_beyond_the_hu_conversion(app, result):
    assert not app.ui.correctionCheckBox.enabled
    assert "enhance the scan again" in app.ui.correctionCheckBox.toolTip
    parameters(app).showCorrection = True
    app.click(app.ui.reviewButton)
    assert view(app, "Difference").mrmlSliceCompositeNode().GetBackgroundVolumeID() == result.difference.GetID()


def test_the_colours_of_the_difference_map_follow_their_hu(app, result):
    app.click(app.ui.reviewButton)
    app.ui.differenceWindowSpinBox.value = 120
    display = result.difference.GetDisplayNode()
    assert (display.GetWindow(), display.GetLevel()) == (240, 0)
    assert parameters(app).differenceWindow == 120


def test_a_difference_map_that_the_user_has_coloured_is_left_alone_until_the_review(app, result):
    display = result.difference.GetDisplayNode()
    display.SetWindowLevel(900, 50)
    parameters(app).fade = 0.5
    assert (display.GetWindow(), display.GetLevel()) == (900, 50)
    app.click(app.ui.reviewButton)
    assert (display.GetWindow(), display.GetLevel()) == (600, 0)


def test_a_difference_map_that_is_deleted_leaves_its_view_empty_until_there_is_another(app, result):
    app.click(app.ui.reviewButton)
    app.choose(app.ui.differenceSelector, None)
    composite = view(app, "Difference").mrmlSliceCompositeNode()
    app.scene.RemoveNode(result.difference)
    app.click(app.ui.restoreButton)
    assert composite.GetBackgroundVolumeID() is None
    again = add_result(app, result.enhanced.GetNodeReference("MVCTEnhance.mvct"), enhanced_id=result.enhanced.GetID())
    app.ui.differenceWindowSpinBox.value = 120
    app.click(app.ui.restoreButton)
    assert composite.GetBackgroundVolumeID() == again.difference.GetID()
    assert again.difference.GetDisplayNode().GetWindow() == 240


def test_show_chart_shows_the_chosen_readout_below_the_scans(app, result):
    app.choose(app.ui.chartComboBox, "Noise (HU)")
    app.click(app.ui.showChartButton)
    assert layout(app) == REVIEW
    assert app.plot_view.series_names() == ["MVCT scan", "Enhanced scan", "Planning CT, mean"]
    app.choose(app.ui.chartComboBox, "Air agreement (%)")
    assert app.plot_view.series_names() == ["Enhanced - MVCT"]


def test_the_chart_has_all_lines_however_often_another_readout_is_chosen(app, result):
    app.click(app.ui.showChartButton)
    chart = result.enhanced.GetNodeReference("MVCTEnhance.chart")
    scans = ["MVCT scan", "Enhanced scan", "Planning CT, mean"]
    for choice, lines in 3 * [("Air agreement (%)", ["Enhanced - MVCT"]), ("NSelfSSIM", scans)]:
        app.choose(app.ui.chartComboBox, choice)
        assert app.plot_view.series_names() == lines
        assert chart.GetNumberOfPlotSeriesNodes() == len(lines)


def test_other_values_of_a_chart_that_is_shown_are_drawn_without_a_word_in_the_log(app, result):
    app.click(app.ui.showChartButton)
    app.run_events()
    before = pictures.array_of(app.plot_view.image())
    found = json.loads(result.readoutsNode.GetText())
    values = found["enhanced"]["nselfssim"]["per_slice"]
    found["enhanced"]["nselfssim"]["per_slice"] = [value / 2 for value in values]
    result.readoutsNode.SetText(json.dumps(found))
    assert app.failures.take() == []
    assert not np.array_equal(pictures.array_of(app.plot_view.image()), before)


@pytest.mark.integration
def test_a_click_on_the_chart_jumps_to_the_slice(app, result):
    app.click(app.ui.showChartButton)
    app.run_events()
    for k in (3, 1, 2):
        app.plot_view.click_point("Enhanced scan", k)
        assert [view(app, name).sliceLogic().GetSliceOffset() for name in ("MVCT", "Enhanced", "Difference")] == [
            6.0 * k
        ] * 3


def test_a_click_on_the_chart_works_in_any_plot_view(app, result):
    app.slicer.app.layoutManager().setLayout(app.slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotView)
    chart = result.enhanced.GetNodeReference("MVCTEnhance.chart")
    app.plot_view.mrmlPlotViewNode().SetPlotChartNodeID(chart.GetID())
    app.plot_view.click_point("MVCT scan", 2)
    assert app.slicer.app.layoutManager().sliceWidget("Red").sliceLogic().GetSliceOffset() == 12.0


def test_the_review_shows_the_mvct_of_the_result_whatever_is_chosen_as_input(app, result):
    from slicerui.scans import add_mvct

    first = result.enhanced.GetNodeReference("MVCTEnhance.mvct")
    app.choose(app.ui.mvctSelector, add_mvct(app, "Day 2"))
    choose_result(app, result)
    app.click(app.ui.reviewButton)
    assert view(app, "MVCT").mrmlSliceCompositeNode().GetBackgroundVolumeID() == first.GetID()


@pytest.mark.integration
def test_deleting_the_mvct_ends_the_review(app, result):
    app.click(app.ui.reviewButton)
    app.scene.RemoveNode(result.enhanced.GetNodeReference("MVCTEnhance.mvct"))
    app.run_events()
    parameters(app).fade = 0.5
    assert not app.ui.restoreButton.enabled
    app.click(app.ui.reviewButton)
    assert layout(app) != REVIEW


def windows_are_linked(app, result) -> bool:
    """Whether a window that is set on the enhanced scan is the MVCT's, too."""
    mvct, enhanced = (
        node.GetDisplayNode() for node in (result.enhanced.GetNodeReference("MVCTEnhance.mvct"), result.enhanced)
    )
    enhanced.SetWindowLevel(mvct.GetWindow() + 111, 17)
    return (mvct.GetWindow(), mvct.GetLevel()) == (enhanced.GetWindow(), 17)


@pytest.mark.integration
def test_both_scans_keep_one_window_after_the_user_was_in_another_module(app, result):
    app.click(app.ui.reviewButton)
    app.exit()
    app.enter()
    assert windows_are_linked(app, result)


@pytest.mark.integration
def test_both_scans_keep_one_window_after_a_reload(app, result):
    app.click(app.ui.reviewButton)
    reload(app)
    assert windows_are_linked(app, result)


def test_both_scans_have_one_window_where_the_layout_was_chosen_elsewhere(app, result):
    app.slicer.app.layoutManager().setLayout(REVIEW)
    assert windows_are_linked(app, result)


@pytest.mark.integration
def test_a_scene_that_was_saved_in_the_review_is_shown_in_it_with_one_window(app, result, tmp_path):
    app.click(app.ui.reviewButton)
    file = app.save_scene(tmp_path / "scene")
    app.close_scene()
    app.slicer.app.layoutManager().setLayout(app.slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    app.load_scene(file)
    assert layout(app) == REVIEW and app.ui.reviewButton.checked
    from MVCTEnhanceLib.slicerui.scene.outputs import result_of

    again = result_of(parameters(app).enhanced)
    assert view(app, "Difference").mrmlSliceCompositeNode().GetBackgroundVolumeID() == again.difference.GetID()
    assert windows_are_linked(app, again)


@pytest.mark.integration
def test_a_scene_that_was_saved_in_the_review_has_its_colour_legend_in_a_fresh_session(app, result, tmp_path):
    app.click(app.ui.reviewButton)
    file = app.save_scene(tmp_path / "scene")
    app.restart()
    app.load_module()
    app.load_scene(file)
    app.run_events()
    (legend,) = app.slicer.util.getNodesByClass("vtkMRMLColorLegendDisplayNode")
    with_legend = app.slice_images()["Difference"]
    legend.SetVisibility(False)
    assert not np.array_equal(with_legend, app.slice_images()["Difference"])


@pytest.mark.integration
def test_the_difference_map_is_seen_in_blue_and_red(app, result):
    app.click(app.ui.reviewButton)
    app.run_events()
    red, green, blue = app.slice_images()["Difference"].astype(int).transpose(2, 0, 1)
    assert ((blue > red + 40) & (blue > green + 40)).sum() > 100
    assert ((red > blue + 40) & (red > green + 40)).sum() > 100
    mvct = app.slice_images()["MVCT"].astype(int)
    head = mvct[30:-30, 30:-30]  # without the label and the frame
    assert np.abs(head - head[..., :1]).max() < 10


@pytest.mark.integration
def test_closing_the_scene_in_the_review_layout_leaves_a_panel_that_works(app, result):
    app.click(app.ui.showChartButton)
    app.click(app.ui.flickerButton)
    app.close_scene()
    app.run_events(0.6)
    assert not app.ui.flickerButton.checked
    second = add_result(app, open_again(app))
    choose_result(app, second)
    app.click(app.ui.showChartButton)
    app.plot_view.click_point("MVCT scan", 1)


def open_again(app):
    from slicerui.scans import add_mvct

    return add_mvct(app, "Day 2")


@pytest.mark.integration
@pytest.mark.parametrize("module_is_shown", [True, False])
def test_slicer_that_is_closed_in_the_review_layout_saves_the_layout_before(app, result, module_is_shown):
    before = layout(app)
    app.click(app.ui.reviewButton)
    if not module_is_shown:
        app.exit()
    assert layout(app) == REVIEW
    app.close_application()
    assert int(app.slicer.app.userSettings().value("MainWindow/layout")) == before
