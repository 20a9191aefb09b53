"""The part of a scan that the metrics are to be taken from, drawn as a segment or a box."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import slicer
import vtk
import vtk.util.numpy_support
from slicer.i18n import tr as _

from ...errors import InputError

if TYPE_CHECKING:
    from ...volume import Volume

_BOX_VOXELS = 128  # along each side of a box drawn as voxels: its faces lie within 1/256 of its size


def problem_of(region: slicer.vtkMRMLNode | None, segment_id: str) -> str:
    """Why a node is no region, in one sentence; empty where it is one."""
    if region is None:
        return _("The region was deleted: choose another one, or none.")
    if region.IsA("vtkMRMLMarkupsROINode"):
        if min(_size(region)) <= 0:
            return _("The region '{name}' has no size: draw it first.").format(name=region.GetName())
        return ""
    if not region.IsA("vtkMRMLSegmentationNode"):
        return _("The region is neither a segmentation nor a box (ROI): choose another one.")
    if region.GetSegmentation().GetSegment(segment_id) is None:
        return _("Choose a segment of the segmentation '{name}'.").format(name=region.GetName())
    return ""


def problem_of_structures(segmentation: slicer.vtkMRMLNode | None) -> str:
    """Why a node holds no structures, in one sentence; empty where it does."""
    if segmentation is None:
        return _("The structures were deleted: choose another segmentation, or none.")
    if not segmentation.IsA("vtkMRMLSegmentationNode"):
        return _("The structures are no segmentation: choose another node.")
    if not segmentation.GetSegmentation().GetNumberOfSegments():
        return _("The segmentation '{name}' has no segments: draw some, or choose another one.").format(
            name=segmentation.GetName()
        )
    return ""


def segment_masks(
    segmentation: slicer.vtkMRMLSegmentationNode,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    *,
    frame_of: slicer.vtkMRMLTransformableNode | None = None,
) -> Iterator[tuple[str, np.ndarray]]:
    """Name and mask of each segment, as :func:`region_mask` makes it of one; empty masks too.

    Raises:
        InputError: the node holds no structures.
    """
    problem = problem_of_structures(segmentation)
    if problem:
        raise InputError(problem)
    transform, segments = _transform(segmentation, frame_of or volume_node), segmentation.GetSegmentation()
    for index in range(segments.GetNumberOfSegments()):
        segment_id = segments.GetNthSegmentID(index)
        name = segments.GetSegment(segment_id).GetName()
        yield name, _on_grid(_segment(segmentation, segment_id), transform, volume_node)


def write_structures(
    segmentation: slicer.vtkMRMLSegmentationNode,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    volume: Volume,
    path: Path,
    *,
    frame_of: slicer.vtkMRMLTransformableNode | None = None,
) -> None:
    """Write all segments on the grid of a volume node as .seg.nrrd, see :func:`segment_masks`.

    Args:
        volume: that of the node.

    Raises:
        InputError: the node holds no structures.
        OutputError: the file cannot be written.
    """
    from ...structures.labels import write_segments

    masks = segment_masks(segmentation, volume_node, frame_of=frame_of)
    write_segments(((name, volume.with_array(mask)) for name, mask in masks), path)


def region_mask(
    region: slicer.vtkMRMLSegmentationNode | slicer.vtkMRMLMarkupsROINode,
    segment_id: str,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    *,
    frame_of: slicer.vtkMRMLTransformableNode | None = None,
) -> np.ndarray:
    """The voxels of a volume whose centres lie in a region, through the parent transforms of both.

    Args:
        region: segmentation or box (ROI); neither is changed.
        segment_id: which segment; of no meaning for a box.
        volume_node: gives the grid.
        frame_of: node whose parent transform moves the volume; the volume itself where none is given (an item of a
            sequence has no transform, its proxy in the scene has).

    Returns:
        uint8 of shape (k, j, i), 1 inside.

    Raises:
        InputError: the node is no region, or holds no voxel of the volume.
    """
    problem = problem_of(region, segment_id)
    if problem:
        raise InputError(problem)
    is_box = region.IsA("vtkMRMLMarkupsROINode")
    transform = _transform(region, frame_of or volume_node)
    inside = _on_grid(_box(region) if is_box else _segment(region, segment_id), transform, volume_node)
    if is_box and region.GetInsideOut():
        inside = 1 - inside
    if not inside.any():
        raise InputError(
            _("The region '{name}' holds no voxel of the MVCT: check its place and its transform.").format(
                name=region.GetName()
            )
        )
    return inside


def _transform(
    node: slicer.vtkMRMLTransformableNode, frame: slicer.vtkMRMLTransformableNode
) -> vtk.vtkGeneralTransform:
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(
        node.GetParentTransformNode(), frame.GetParentTransformNode(), transform
    )
    return transform


def _segment(node: slicer.vtkMRMLSegmentationNode, segment_id: str) -> slicer.vtkOrientedImageData:
    """A segment's own labelmap, 1 inside; made of its surface or contours where it has none."""
    image = slicer.vtkOrientedImageData()
    segmentation = node.GetSegmentation()
    binary = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    if segmentation.ContainsRepresentation(binary):
        done = node.GetBinaryLabelmapRepresentation(segment_id, image)
    else:  # of a copy, so that the user's segmentation keeps the representations that it has
        logic = slicer.vtkSlicerSegmentationsModuleLogic
        done = logic.GetSegmentBinaryLabelmapRepresentation(node, segment_id, image, False)
    if not done:
        raise InputError(
            _("The segment cannot be turned into voxels: check it in the Segmentations module, or choose another one.")
        )
    return image


def _box(node: slicer.vtkMRMLMarkupsROINode) -> slicer.vtkOrientedImageData:
    """A box as voxels in the frame of its node."""
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(_BOX_VOXELS, _BOX_VOXELS, _BOX_VOXELS)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    image.GetPointData().GetScalars().Fill(1)
    steps = [mm / _BOX_VOXELS for mm in _size(node)]
    voxel_to_object = vtk.vtkMatrix4x4()
    for axis, (step, side) in enumerate(zip(steps, _size(node), strict=True)):
        voxel_to_object.SetElement(axis, axis, step)
        voxel_to_object.SetElement(axis, 3, (step - side) / 2)
    voxel_to_node = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Multiply4x4(node.GetObjectToNodeMatrix(), voxel_to_object, voxel_to_node)
    image.SetGeometryFromImageToWorldMatrix(voxel_to_node)
    return image


def _size(node: slicer.vtkMRMLMarkupsROINode) -> tuple[float, float, float]:
    return tuple(node.GetSize())


def _on_grid(
    image: slicer.vtkOrientedImageData, transform: vtk.vtkGeneralTransform, volume_node: slicer.vtkMRMLVolumeNode
) -> np.ndarray:
    """The moved image's voxels nearest to those of the volume, non-zero as 1, shape (k, j, i)."""
    grid, result = slicer.vtkOrientedImageData(), slicer.vtkOrientedImageData()
    grid.SetDimensions(volume_node.GetImageData().GetDimensions())
    matrix = vtk.vtkMatrix4x4()
    volume_node.GetIJKToRASMatrix(matrix)
    grid.SetGeometryFromImageToWorldMatrix(matrix)
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
        image, grid, result, False, False, transform
    )
    values = vtk.util.numpy_support.vtk_to_numpy(result.GetPointData().GetScalars())
    return (values.reshape(result.GetDimensions()[::-1]) != 0).astype(np.uint8)
