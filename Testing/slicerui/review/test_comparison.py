"""The comparison in linked views, on real slice logics."""

import xml.etree.ElementTree as ET
from types import SimpleNamespace

import numpy as np
import pytest
from slicerui.results import add_result
from slicerui.scans import OBLIQUE, add_mvct, add_transform

VIEWS = ("MVCTEnhanceMVCT", "MVCTEnhanceEnhanced", "MVCTEnhanceDifference")
TURNED = np.array([[0.0, -1, 0, 12.5], [1, 0, 0, -30], [0, 0, 1, 55], [0, 0, 0, 1]])


@pytest.fixture
def result(app):
    return add_result(app, add_mvct(app))


@pytest.fixture
def review(app):
    from MVCTEnhanceLib.slicerui.review.comparison import Review

    review = Review()
    yield review
    review.close()


def volumes(result):
    from MVCTEnhanceLib.slicerui.review.comparison import ReviewVolumes
    from MVCTEnhanceLib.slicerui.scene.outputs import ROLE_MVCT

    return ReviewVolumes(result.enhanced.GetNodeReference(ROLE_MVCT), result.enhanced, result.difference)


def logics(app) -> list:
    return [app.slicer.app.layoutManager().sliceWidget(view).sliceLogic() for view in VIEWS]


def composites(app) -> list:
    return [logic.GetSliceCompositeNode() for logic in logics(app)]


def offsets(app) -> list[float]:
    return [logic.GetSliceOffset() for logic in logics(app)]


def slices_shown(app, volume) -> list[int]:
    """The slice k of a volume that each view of the review shows, by the middle of the view."""
    import vtk

    found = []
    for logic in logics(app):
        to_ras = logic.GetSliceNode().GetSliceToRAS()
        middle = [to_ras.GetElement(row, 3) for row in range(3)]
        transform = vtk.vtkGeneralTransform()
        app.slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(None, volume.GetParentTransformNode(), transform)
        to_ijk = vtk.vtkMatrix4x4()
        volume.GetRASToIJKMatrix(to_ijk)
        found.append(to_ijk.MultiplyPoint((*transform.TransformPoint(middle), 1))[2])
    return found


def test_the_layout_is_xml_with_three_slice_views_of_one_group_over_a_chart(app):
    from MVCTEnhanceLib.slicerui.review import layout as review_layout

    root = ET.fromstring(review_layout.layout_description())
    assert root.tag == "layout"
    views = list(root.iter("view"))
    assert [view.get("class") for view in views] == ["vtkMRMLSliceNode"] * 3 + ["vtkMRMLPlotViewNode"]
    assert tuple(view.get("singletontag") for view in views[:3]) == VIEWS == review_layout.SLICE_VIEWS
    properties = [{entry.get("name"): entry.text for entry in view} for view in views]
    assert len({entry["viewgroup"] for entry in properties}) == 1
    assert [entry["orientation"] for entry in properties[:3]] == ["Axial"] * 3
    assert all(entry["viewlabel"] for entry in properties)
    assert {entry.get("action") for view in views for entry in view} == {"default"}
    assert app.slicer.vtkMRMLLayoutNode.SlicerLayoutUserView < review_layout.REVIEW_LAYOUT


def test_registering_again_takes_the_new_description(app, monkeypatch):
    from MVCTEnhanceLib.slicerui.review import layout as review_layout

    review_layout.register_layout()
    monkeypatch.setattr(review_layout, "layout_description", lambda layout: '<layout type="vertical"></layout>')
    review_layout.register_layout()
    node = app.slicer.app.layoutManager().layoutLogic().GetLayoutNode()
    assert node.GetLayoutDescription(review_layout.REVIEW_LAYOUT) == '<layout type="vertical"></layout>'


def test_a_scene_that_asked_for_the_layout_before_it_was_known_gets_its_views(app):
    from MVCTEnhanceLib.slicerui.review import layout as review_layout

    manager = app.slicer.app.layoutManager()
    manager.layoutLogic().GetLayoutNode().SetViewArrangement(review_layout.REVIEW_LAYOUT)
    assert manager.sliceWidget(VIEWS[0]) is None
    review_layout.register_layout()
    assert all(manager.sliceWidget(view) for view in VIEWS)
    assert review_layout.chart_view_node() is not None


def test_the_layout_is_known_from_startup_before_the_panel_is_made(app):
    app.slicer.modules.load_scripted(app.module_folder / "MVCTEnhance.py")
    app.slicer.app.startupCompleted.emit()
    node = app.slicer.app.layoutManager().layoutLogic().GetLayoutNode()
    assert node.IsLayoutDescription(7421)
    assert node.GetViewArrangement() != 7421


def test_without_a_main_window_there_is_no_layout_and_no_error(app, monkeypatch):
    from MVCTEnhanceLib.slicerui.review import layout as review_layout

    with monkeypatch.context() as patch:
        patch.setattr(app.slicer, "app", SimpleNamespace(layoutManager=lambda: None))
        review_layout.register_layout()
        assert not review_layout.is_shown() and review_layout.plot_widgets() == []


def test_show_puts_each_volume_into_its_view(app, review, result):
    review.show(volumes(result))
    mvct, enhanced, difference = (node.GetID() for node in (volumes(result).left, result.enhanced, result.difference))
    assert [node.GetBackgroundVolumeID() for node in composites(app)] == [mvct, mvct, difference]
    assert [node.GetForegroundVolumeID() for node in composites(app)] == [None, enhanced, None]
    assert [node.GetForegroundOpacity() for node in composites(app)] == [0.0, 1.0, 0.0]
    assert review.shown


def test_views_are_linked_with_each_other_and_with_no_other(app, review, result):
    review.show(volumes(result))
    app.run_events()
    assert {(node.GetLinkedControl(), node.GetHotLinkedControl()) for node in composites(app)} == {(1, 1)}
    groups = {node.GetLayoutName(): node.GetViewGroup() for node in app.slicer.util.getNodesByClass("vtkMRMLSliceNode")}
    assert {groups[view] for view in VIEWS}.isdisjoint({groups[view] for view in ("Red", "Green", "Yellow")})
    red = app.slicer.app.layoutManager().sliceWidget("Red").sliceLogic().GetSliceOffset()
    app.slicer.app.layoutManager().sliceWidget(VIEWS[0]).sliceController().setSliceOffsetValue(6.0)
    assert offsets(app) == [6.0] * 3
    assert app.slicer.app.layoutManager().sliceWidget("Red").sliceLogic().GetSliceOffset() == red


def body_in(image: np.ndarray) -> tuple[float, float]:
    """Width and height of what is seen of a head as parts of its picture, none of which may be cut off."""
    bright = image.max(axis=2) > 90
    assert not np.concatenate([bright[0], bright[-1], bright[:, 0], bright[:, -1]]).any()
    lines = [np.flatnonzero(bright.sum(axis=axis) > 5) for axis in (0, 1)]
    return tuple((line[-1] - line[0]) / bright.shape[1 - axis] for axis, line in enumerate(lines))


@pytest.mark.parametrize("place", ["straight", "oblique", "transformed"])
def test_the_body_fills_the_views_after_they_got_their_size(app, review, place):
    mvct = add_mvct(app, ijk_to_ras=OBLIQUE) if place == "oblique" else add_mvct(app)
    if place == "transformed":
        mvct.SetAndObserveTransformNodeID(add_transform(app, TURNED).GetID())
    review.show(volumes(add_result(app, mvct)))
    app.run_events()
    app.run_events()
    images = app.slice_images()
    for label in ("MVCT", "Enhanced"):
        assert 0.8 < max(body_in(images[label])) < 1
    assert len({logic.GetSliceNode().GetFieldOfView() for logic in logics(app)}) == 1


def test_a_scan_of_mere_air_fills_the_views(app, review):
    air = app.add_volume(np.full((4, 96, 96), -1000, np.int16), spacing=(2, 2, 6))
    review.show(volumes(add_result(app, air)))
    app.run_events()
    assert logics(app)[0].GetSliceNode().GetFieldOfView()[0] == pytest.approx(192)


def test_window_and_level_are_the_same_and_stay_so(app, review, result):
    mvct = volumes(result).left.GetDisplayNode()
    mvct.SetAutoWindowLevel(False)
    mvct.SetWindowLevel(350, 45)
    review.show(volumes(result))
    enhanced = result.enhanced.GetDisplayNode()
    assert (enhanced.GetWindow(), enhanced.GetLevel()) == (350, 45)
    enhanced.SetWindowLevel(1500, 300)
    assert (mvct.GetWindow(), mvct.GetLevel()) == (1500, 300)
    mvct.SetWindowLevel(100, 0)
    assert (enhanced.GetWindow(), enhanced.GetLevel()) == (100, 0)
    assert result.difference.GetDisplayNode().GetLevel() == 0


def test_fade_mixes_mvct_and_enhanced_scan_in_the_middle_view_only(app, review, result):
    review.show(volumes(result), 0.25)
    assert [node.GetForegroundOpacity() for node in composites(app)] == [0.0, 0.25, 0.0]
    review.set_fade(0.75)
    assert [node.GetForegroundOpacity() for node in composites(app)] == [0.0, 0.75, 0.0]


def test_fade_changes_what_is_seen(app, review, result):
    review.show(volumes(result), 0.0)
    app.run_events()
    images = app.slice_images()
    assert np.array_equal(images["Enhanced"], images["MVCT"])
    review.set_fade(1.0)
    assert not np.array_equal(app.slice_images()["Enhanced"], images["MVCT"])


def test_flicker_switches_between_both_scans_and_ends_at_the_fade(app, review, result):
    from MVCTEnhanceLib.slicerui.review import comparison as module

    review.show(volumes(result), 0.6)
    review._timer.setInterval(5)
    seen = set()
    review.set_flicker(True)

    def look():
        seen.add(composites(app)[1].GetForegroundOpacity())
        return {0.0, 1.0} <= seen

    app.wait(look)
    review.set_fade(0.3)
    review.set_flicker(False)
    assert composites(app)[1].GetForegroundOpacity() == 0.3
    assert 300 <= module.FLICKER_MS <= 1000


def test_restore_undoes_what_the_user_did_in_the_views(app, review, result):
    review.show(volumes(result), 0.5)
    before = [node.GetBackgroundVolumeID() for node in composites(app)]
    other = add_mvct(app, "Other")
    for node in composites(app):  # as a change of the background in one of the linked views does
        node.SetBackgroundVolumeID(other.GetID())
        node.SetForegroundVolumeID(other.GetID())
        node.SetForegroundOpacity(0.9)
        node.SetLinkedControl(False)
    review.restore(volumes(result), 0.5)
    assert [node.GetBackgroundVolumeID() for node in composites(app)] == before
    assert [node.GetForegroundOpacity() for node in composites(app)] == [0.0, 0.5, 0.0]
    assert all(node.GetLinkedControl() for node in composites(app))


def test_the_difference_has_a_legend_in_hu_in_its_own_view_only(app, review, result):
    review.show(volumes(result))
    review.restore(volumes(result))
    legends = app.slicer.util.getNodesByClass("vtkMRMLColorLegendDisplayNode")
    assert len(legends) == 1
    view = logics(app)[2].GetSliceNode().GetID()
    assert [legends[0].GetNthViewNodeID(index) for index in range(legends[0].GetNumberOfViewNodeIDs())] == [view]
    assert (legends[0].GetTitleText(), legends[0].GetVisibility()) == ("HU", 1)
    assert legends[0].GetPrimaryDisplayNode() is result.difference.GetDisplayNode()


def test_without_a_difference_map_its_view_is_empty(app, review, result):
    from MVCTEnhanceLib.slicerui.review.comparison import ReviewVolumes

    review.show(ReviewVolumes(volumes(result).left, result.enhanced))
    assert composites(app)[2].GetBackgroundVolumeID() is None


def test_leave_goes_back_to_the_layout_before(app, review, result):
    manager = app.slicer.app.layoutManager()
    manager.setLayout(app.slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView)
    review.show(volumes(result))
    review.show(volumes(result))
    review.leave()
    assert manager.layout == app.slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView
    assert not review.shown


def test_a_closed_review_follows_nothing_any_more(app, review, result):
    review.show(volumes(result))
    review.close()
    display = volumes(result).left.GetDisplayNode()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(77, 7)
    assert display.GetWindow() == 77
    assert result.enhanced.GetDisplayNode().GetWindow() != 77


@pytest.mark.parametrize("place", ["straight", "oblique", "transformed"])
def test_jump_moves_all_views_to_a_slice_wherever_the_scan_lies(app, review, place):
    from MVCTEnhanceLib.slicerui.review.comparison import jump_to_slice

    mvct = add_mvct(app, ijk_to_ras=OBLIQUE) if place == "oblique" else add_mvct(app)
    if place == "transformed":
        mvct.SetAndObserveTransformNodeID(add_transform(app, TURNED).GetID())
    result = add_result(app, mvct)
    review.show(volumes(result))
    app.run_events()
    for k in (3, 0, 2):
        jump_to_slice(result.enhanced, k)
        assert np.allclose(slices_shown(app, result.enhanced), k, atol=1e-6)


def test_jump_moves_the_views_of_other_layouts_too(app, result):
    from MVCTEnhanceLib.slicerui.review.comparison import jump_to_slice

    app.slicer.util.setSliceViewerLayers(background=result.enhanced, fit=True)
    jump_to_slice(result.enhanced, 3)
    red = app.slicer.app.layoutManager().sliceWidget("Red").sliceLogic()
    assert red.GetSliceIndexFromOffset(red.GetSliceOffset()) == 4  # counted from 1


def test_a_scan_that_was_deleted_meanwhile_does_no_harm(app, review, result):
    shown = volumes(result)
    review.show(shown)
    app.scene.RemoveNode(shown.left)
    app.run_events()


def test_restore_turns_a_view_back_that_shows_another_plane(app, review, result):
    review.show(volumes(result))
    logics(app)[0].GetSliceNode().SetOrientationToSagittal()
    review.restore(volumes(result))
    assert {logic.GetSliceNode().GetOrientation() for logic in logics(app)} == {"Axial"}
