"""Volume nodes and the library's volumes: voxels in HU and their exact place, both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import slicer
import slicer.util
import vtk
from slicer.i18n import tr as _

from ...errors import InputError

if TYPE_CHECKING:
    from ...volume import Volume

INSTANCE_UIDS = "DICOM.instanceUIDs"
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])
_MODALITY_TAG = "0008,0060"
_PERPENDICULAR = 1e-3


def problem_of(node: slicer.vtkMRMLNode | None, role: str) -> str:
    """Why a node cannot be used as a scan, in one sentence that calls it by its role; empty where it can."""
    if node is None:
        return _("Choose the {role}.").format(role=role)
    if not node.IsA("vtkMRMLScalarVolumeNode") or node.IsA("vtkMRMLLabelMapVolumeNode"):
        return _("The {role} is no scalar volume: choose a CT scan.").format(role=role)
    image = node.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None or min(image.GetDimensions()) < 1:
        return _("The {role} has no voxels: load the scan again.").format(role=role)
    if image.GetNumberOfScalarComponents() != 1:
        return _("The {role} has several values in each voxel: choose a scan in HU.").format(role=role)
    axes = directions(node)
    if np.abs(axes.T @ axes - np.eye(3)).max() > _PERPENDICULAR:
        return _(
            "The {role} has axes that are not perpendicular (a tilted gantry or a hardened transform): resample it "
            "first, in the module Resample Scalar/Vector/DWI Volume."
        ).format(role=role)
    return ""


def volume_of(node: slicer.vtkMRMLScalarVolumeNode, role: str = "volume") -> Volume:
    """A copy of the voxels with the node's own geometry; a parent transform is not applied.

    Returns:
        HU of shape (k, j, i), int16 where all values are whole numbers that fit, else float32; spacing in mm along
        (i, j, k), origin and directions in LPS.

    Raises:
        InputError: the node is no scan.
    """
    from ...volume import Volume
    from ...volume.product import KEY, product_in
    from ...volume.values import compact

    problem = problem_of(node, role)
    if problem:
        raise InputError(problem)
    voxels = slicer.util.arrayFromVolume(node)
    array = compact(voxels)
    origin = _RAS_TO_LPS @ np.array(node.GetOrigin())
    return Volume(
        array=array.copy() if array is voxels else array,  # Slicer may free or change its own at any time
        spacing=tuple(float(mm) for mm in node.GetSpacing()),
        origin=tuple(float(mm) for mm in origin),
        direction=_RAS_TO_LPS @ directions(node),
        product=product_in(node.GetAttribute(KEY) or ""),
    )


def world_position(node: slicer.vtkMRMLVolumeNode, ijk) -> tuple[float, float, float]:
    """Where a voxel (i, j, k) of a volume node lies under its parent transforms: RAS in mm."""
    to_ras = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(to_ras)
    to_world = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(node.GetParentTransformNode(), None, to_world)
    return to_world.TransformPoint(to_ras.MultiplyPoint((*ijk, 1))[:3])


def fill(
    node: slicer.vtkMRMLScalarVolumeNode,
    volume: Volume,
    *,
    like: slicer.vtkMRMLScalarVolumeNode,
    grid: slicer.vtkMRMLScalarVolumeNode | None = None,
) -> None:
    """Put voxels into a node as int16 HU, at the place of another node and under its parents.

    Args:
        node: gets the voxels; its geometry, parent transform and subject-hierarchy parent become those of `like`.
        volume: HU of shape (k, j, i), rounded and clipped; of its geometry nothing is taken.
        like: the node that the voxels were made of.
        grid: gives the geometry in the place of `like`, as an item of a sequence does whose proxy is `like`.

    Raises:
        InputError: `like` or `grid` has another size.
        OutputError: non-finite values.
    """
    from ...volume.values import rounded_int16

    put(node, rounded_int16(volume.array), grid=grid or like)
    node.SetAndObserveTransformNodeID(like.GetTransformNodeID())
    node.RemoveAttribute(INSTANCE_UIDS)  # of what was in it before
    place_beside(node, like)


def put(node: slicer.vtkMRMLScalarVolumeNode, array: np.ndarray, *, grid: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Voxels (k, j, i) into a node, which may lie outside the scene, at the place of another one of the same size.

    Raises:
        InputError: `grid` has another size.
    """
    if grid.GetImageData() is None or grid.GetImageData().GetDimensions() != array.shape[::-1]:
        raise InputError(_("The MVCT has another size than the result: choose the scan again and press Apply."))
    with slicer.util.NodeModify(node):
        node.CopyOrientation(grid)
        slicer.util.updateVolumeFromArray(node, array)


def place_beside(node: slicer.vtkMRMLNode, sibling: slicer.vtkMRMLNode) -> None:
    """Give a node the subject-hierarchy parent (study, patient, folder) of another one."""
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    if hierarchy is None:
        return
    theirs = hierarchy.GetItemByDataNode(sibling)
    if not theirs:
        return
    parent, own = hierarchy.GetItemParent(theirs), hierarchy.GetItemByDataNode(node)
    if own:
        hierarchy.SetItemParent(own, parent)
    else:
        hierarchy.CreateItem(parent, node)


def modality_of(node: slicer.vtkMRMLNode | None) -> str | None:
    """The DICOM modality of a volume, such as "CT"; None where it did not come from DICOM."""
    if node is None:
        return None
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    item = hierarchy.GetItemByDataNode(node) if hierarchy else 0
    name = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMSeriesModalityAttributeName()
    if item and hierarchy.GetItemAttribute(item, name):
        return hierarchy.GetItemAttribute(item, name)
    uids = (node.GetAttribute(INSTANCE_UIDS) or "").split()
    database = getattr(slicer, "dicomDatabase", None)
    if not uids or database is None or not database.isOpen:
        return None
    return database.instanceValue(uids[0], _MODALITY_TAG) or None


def directions(node: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """Unit vectors of the i, j and k axes in RAS, as columns."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASDirectionMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)[:3, :3]
