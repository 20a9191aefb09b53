"""Segments and boxes as masks on the grid of a volume, through the transforms of both."""

import time

import numpy as np
import pytest
from slicerui.scans import OBLIQUE, RAS, add_mvct, add_segments, add_transform

QUARTER_TURN = np.array([[0.0, -1, 0, 12], [1, 0, 0, -30], [0, 0, 1, 6], [0, 0, 0, 1]])


def centres(shape, ijk_to_ras) -> np.ndarray:
    """Positions of all voxels, shape (k, j, i, 3)."""
    k, j, i = np.indices(shape)
    return (np.stack([i, j, k, np.ones(shape)], -1) @ ijk_to_ras.T)[..., :3]


def in_box(points, centre, size) -> np.ndarray:
    return (np.abs(points - centre) <= np.array(size) / 2).all(-1)


def moved_by(matrix, points) -> np.ndarray:
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def add_box(app, centre, size):
    node = app.scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "box")
    node.SetCenter(*centre)
    node.SetSize(*size)
    return node


@pytest.mark.parametrize("geometry", [RAS, OBLIQUE], ids=["axial", "left-handed oblique"])
def test_a_box_holds_the_voxels_whose_centres_lie_in_it(app, geometry):
    from MVCTEnhanceLib.slicerui.scene.regions import region_mask

    volume = add_mvct(app, ijk_to_ras=geometry)
    points = centres((4, 96, 96), geometry)
    centre, size = points[2, 40, 50] + 0.3, (41.03, 27.03, 15.03)
    mask = region_mask(add_box(app, centre, size), "", volume)
    assert mask.dtype == np.uint8 and mask.shape == (4, 96, 96)
    np.testing.assert_array_equal(mask, in_box(points, centre, size))
    assert 0 < mask.sum() < mask.size


def test_box_and_volume_are_brought_together_through_their_transforms(app):
    from MVCTEnhanceLib.slicerui.scene.regions import region_mask

    volume, box = add_mvct(app), add_box(app, (-60.3, -70.1, 9.2), (51.0, 33.0, 13.0))
    box.SetAndObserveTransformNodeID(add_transform(app, QUARTER_TURN).GetID())
    shift = np.eye(4)
    shift[:3, 3] = 160, 20, 8
    volume.SetAndObserveTransformNodeID(add_transform(app, shift).GetID())
    mask = region_mask(box, "", volume)
    world = moved_by(shift, centres((4, 96, 96), RAS))
    in_frame_of_box = moved_by(np.linalg.inv(QUARTER_TURN), world)
    np.testing.assert_array_equal(mask, in_box(in_frame_of_box, (-60.3, -70.1, 9.2), (51.0, 33.0, 13.0)))
    assert mask.any()


def test_a_box_turned_inside_out_holds_the_rest(app):
    from MVCTEnhanceLib.slicerui.scene.regions import region_mask

    volume, box = add_mvct(app), add_box(app, (-60.3, -70.1, 9.2), (51.0, 33.0, 13.0))
    inside = region_mask(box, "", volume)
    box.SetInsideOut(True)
    np.testing.assert_array_equal(region_mask(box, "", volume), 1 - inside)


def test_only_the_segment_that_was_asked_for_is_taken(app):
    from MVCTEnhanceLib.slicerui.scene.regions import region_mask

    volume = add_mvct(app)
    first, second = np.zeros((2, 4, 96, 96), np.uint8)
    first[1:3, 20:40, 30:60] = 1
    second[1:3, 50:70, 30:60] = 1
    node = add_segments(app, volume, first, second)
    node.GetSegmentation().CollapseBinaryLabelmaps(False)  # both in one labelmap, as the Segment Editor leaves them
    np.testing.assert_array_equal(region_mask(node, "1", volume), first)
    np.testing.assert_array_equal(region_mask(node, "2", volume), second)


def test_a_segment_drawn_on_another_grid_is_resampled_once(app):
    from MVCTEnhanceLib.slicerui.scene.regions import region_mask

    fine = np.diag([-1.0, -1.0, 2.0, 1.0])
    mask = np.zeros((12, 192, 192), np.uint8)
    mask[3:9, 50:120, 61:101] = 1
    node = add_segments(app, app.add_volume(mask.astype(np.int16), "fine", ijk_to_ras=fine), mask)
    node.SetAndObserveTransformNodeID(add_transform(app, QUARTER_TURN).GetID())
    # The volume in the frame of the turned segmentation, moved by an odd part of a voxel.
    shift = np.eye(4)
    shift[:3, 3] = 0.3, 0.2, 0.1
    volume = add_mvct(app, ijk_to_ras=QUARTER_TURN @ shift @ RAS)
    voxels = np.rint(moved_by(np.linalg.inv(fine), moved_by(shift, centres((4, 96, 96), RAS)))).astype(int)
    inside = ((voxels >= 0) & (voxels < np.array(mask.shape[::-1]))).all(-1)
    i, j, k = np.moveaxis(np.where(inside[..., None], voxels, 0), -1, 0)
    np.testing.assert_array_equal(region_mask(node, "1", volume), np.where(inside, mask[k, j, i], 0))


def test_a_segment_that_is_a_surface_is_turned_into_voxels_without_changing_it(app):
    import vtk
    from MVCTEnhanceLib.slicerui.scene.regions import region_mask

    volume = add_mvct(app)
    sphere = vtk.vtkSphereSource()
    sphere.SetCenter(-90, -90, 9)
    sphere.SetRadius(30)
    sphere.SetThetaResolution(60)
    sphere.SetPhiResolution(60)
    sphere.Update()
    node = app.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "contours")
    node.GetSegmentation().SetSourceRepresentationName("Closed surface")
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segment = node.AddSegmentFromClosedSurfaceRepresentation(sphere.GetOutput(), "ball", [1, 0, 0], "ball")
    assert not node.GetSegmentation().ContainsRepresentation("Binary labelmap")
    mask = region_mask(node, segment, volume)
    truth = (np.linalg.norm(centres((4, 96, 96), RAS) - (-90, -90, 9), axis=-1) <= 30).sum()
    assert mask.sum() == pytest.approx(truth, rel=0.05)
    assert not node.GetSegmentation().ContainsRepresentation("Binary labelmap")


def test_neither_region_nor_scene_is_changed(app):
    from MVCTEnhanceLib.slicerui.scene.regions import region_mask

    volume, box = add_mvct(app), add_box(app, (-60.3, -70.1, 9.2), (51.0, 33.0, 13.0))
    nodes, time_of_box = app.scene.GetNumberOfNodes(), box.GetMTime()
    region_mask(box, "", volume)
    assert (app.scene.GetNumberOfNodes(), box.GetMTime()) == (nodes, time_of_box)


def test_a_region_away_from_the_scan_is_refused(app):
    from MVCTEnhanceLib.errors import InputError
    from MVCTEnhanceLib.slicerui.scene.regions import region_mask

    with pytest.raises(InputError, match="'box' holds no voxel"):
        region_mask(add_box(app, (500, 0, 0), (10, 10, 10)), "", add_mvct(app))


def test_what_is_no_region_is_told_in_a_sentence(app):
    from MVCTEnhanceLib.slicerui.scene.regions import problem_of

    volume = add_mvct(app)
    segments = add_segments(app, volume, np.ones((4, 96, 96), np.uint8))
    assert "deleted" in problem_of(None, "")
    assert "neither" in problem_of(volume, "")
    assert "Choose a segment" in problem_of(segments, "")
    assert "no size" in problem_of(add_box(app, (0, 0, 0), (0, 0, 0)), "")
    assert problem_of(segments, "1") == ""


def test_a_large_scan_takes_no_more_than_a_moment(app):
    from MVCTEnhanceLib.slicerui.scene.regions import region_mask

    volume = app.add_volume(np.zeros((60, 512, 512), np.int16), ijk_to_ras=np.diag([-0.763, -0.763, 4, 1]))
    box = add_box(app, (-200, -200, 100), (100, 100, 80))
    box.SetAndObserveTransformNodeID(add_transform(app, QUARTER_TURN @ np.diag([1.0, 1, 1, 1])).GetID())
    box.SetCenter(-150, 200, 100)
    start = time.process_time()
    assert region_mask(box, "", volume).any()
    assert time.process_time() - start < 3
