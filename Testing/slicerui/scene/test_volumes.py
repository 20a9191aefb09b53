"""Volume nodes to the library's volumes and back: no value, no place and no parent is lost."""

import numpy as np
import pytest
from slicerui.scans import OBLIQUE, RAS, add_mvct, add_transform, ijk_to_ras, noisy_head


def test_a_volume_holds_the_voxels_and_the_place_in_lps(app):
    from MVCTEnhanceLib.slicerui.scene.volumes import volume_of

    node = app.add_volume(noisy_head(), ijk_to_ras=OBLIQUE)
    volume = volume_of(node)
    np.testing.assert_array_equal(volume.array, noisy_head())
    assert volume.array.dtype == np.int16
    lps = np.diag([-1.0, -1, 1]) @ OBLIQUE[:3]
    np.testing.assert_allclose(volume.direction * volume.spacing, lps[:, :3], atol=1e-12)
    np.testing.assert_allclose(volume.origin, lps[:, 3], atol=1e-12)
    assert np.linalg.det(volume.direction) == pytest.approx(-1)


def test_a_volume_is_a_copy_that_outlives_its_node(app):
    from MVCTEnhanceLib.slicerui.scene.volumes import volume_of

    node = add_mvct(app)
    volume = volume_of(node)
    app.slicer.util.arrayFromVolume(node)[:] = 7
    app.scene.RemoveNode(node)
    np.testing.assert_array_equal(volume.array, noisy_head())


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (np.array([[[-1000.25, 40.5]]], np.float64), np.float32),
        (np.array([[[-1000.0, 40.0]]], np.float64), np.int16),
        (np.array([[[0, 60000]]], np.uint16), np.float32),
        (np.array([[[0, 200]]], np.uint8), np.int16),
    ],
)
def test_no_value_is_lost_whatever_the_type_of_the_node(app, values, dtype):
    from MVCTEnhanceLib.slicerui.scene.volumes import volume_of

    volume = volume_of(app.add_volume(values))
    assert volume.array.dtype == dtype
    np.testing.assert_array_equal(volume.array, values)


def test_a_parent_transform_is_not_applied(app):
    from MVCTEnhanceLib.slicerui.scene.volumes import volume_of

    node = add_mvct(app)
    before = volume_of(node)
    shift = np.eye(4)
    shift[:3, 3] = 11, -5, 3
    node.SetAndObserveTransformNodeID(add_transform(app, shift).GetID())
    np.testing.assert_array_equal(volume_of(node).origin, before.origin)


@pytest.mark.parametrize("geometry", [RAS, OBLIQUE], ids=["axial", "left-handed oblique"])
def test_a_filled_node_lies_exactly_where_the_other_does(app, geometry):
    from MVCTEnhanceLib.slicerui.scene.volumes import fill
    from MVCTEnhanceLib.volume import Volume

    like = add_mvct(app, ijk_to_ras=geometry)
    transform = add_transform(app, np.diag([1.0, 1, 1, 1]) + np.eye(4, k=3) * 4)
    like.SetAndObserveTransformNodeID(transform.GetID())
    node = app.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "result")
    fill(node, Volume(noisy_head(6)), like=like)
    np.testing.assert_array_equal(ijk_to_ras(app, node), ijk_to_ras(app, like))
    np.testing.assert_allclose(ijk_to_ras(app, like), geometry, atol=1e-12)  # not hardened
    assert node.GetParentTransformNode() is transform
    np.testing.assert_array_equal(app.slicer.util.arrayFromVolume(node), noisy_head(6))


def test_values_are_rounded_and_clipped_to_int16(app):
    from MVCTEnhanceLib.slicerui.scene.volumes import fill
    from MVCTEnhanceLib.volume import Volume

    values = np.array([[[-40000.0, -1.6, 1.5, 2.5, 40000.0]]], np.float32)
    like, node = app.add_volume(values), app.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "result")
    fill(node, Volume(values), like=like)
    voxels = app.slicer.util.arrayFromVolume(node)
    assert voxels.dtype == np.int16
    assert voxels.ravel().tolist() == [-32768, -2, 2, 2, 32767]


def test_a_filled_node_stands_in_the_same_study(app):
    from MVCTEnhanceLib.slicerui.scene.volumes import fill
    from MVCTEnhanceLib.volume import Volume

    like = add_mvct(app)
    hierarchy = app.scene.GetSubjectHierarchyNode()
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "study")
    hierarchy.CreateItem(study, like)
    node = app.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "result")
    fill(node, Volume(noisy_head()), like=like)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study


def test_a_result_of_another_size_is_refused(app):
    from MVCTEnhanceLib.errors import InputError
    from MVCTEnhanceLib.slicerui.scene.volumes import fill
    from MVCTEnhanceLib.volume import Volume

    node = app.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "result")
    with pytest.raises(InputError, match="another size"):
        fill(node, Volume(noisy_head()[:3]), like=add_mvct(app))
    assert node.GetImageData() is None


def test_an_output_no_longer_claims_the_dicom_files_of_what_it_held(app):
    from MVCTEnhanceLib.slicerui.scene.volumes import INSTANCE_UIDS, fill
    from MVCTEnhanceLib.volume import Volume

    node = add_mvct(app, "old")
    node.SetAttribute(INSTANCE_UIDS, "1.2.3")
    fill(node, Volume(noisy_head()), like=add_mvct(app))
    assert node.GetAttribute(INSTANCE_UIDS) is None


def test_what_is_no_scan_is_told_in_a_sentence(app):
    import vtk
    from MVCTEnhanceLib.slicerui.scene.volumes import problem_of

    labels = app.scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    empty = app.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    colour = app.scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "colour")
    image = vtk.vtkImageData()
    image.SetDimensions(4, 4, 4)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    colour.SetAndObserveImageData(image)
    sheared = RAS.copy()
    sheared[1, 2] = 1.0
    tilted = add_mvct(app, ijk_to_ras=sheared)
    for node, words in ((None, "Choose"), (labels, "scalar"), (empty, "no voxels"), (colour, "several values")):
        assert words in problem_of(node, "MVCT")
    assert "perpendicular" in problem_of(tilted, "MVCT")
    assert problem_of(add_mvct(app), "MVCT") == ""


def test_modality_comes_from_the_subject_hierarchy(app):
    from MVCTEnhanceLib.slicerui.scene.volumes import modality_of

    node = add_mvct(app)
    assert modality_of(node) is None and modality_of(None) is None
    hierarchy = app.scene.GetSubjectHierarchyNode()
    item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
    hierarchy.SetItemAttribute(item, "DICOM.Modality", "MR")
    assert modality_of(node) == "MR"
