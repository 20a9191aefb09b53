"""Plane, position and zoom of the review's slice views."""

from __future__ import annotations

import numpy as np
import slicer.util

from ..scene.volumes import directions, world_position

_MARGIN = 1.15
_MAX_SLICES, _PIXEL_MM = 9, 3.0  # coarse is enough for a frame around the body, and takes no time that is noticed


def body_corners(mvct) -> np.ndarray | None:
    """Corners of the frame around the body in the axial planes of a scan: RAS in mm, shape (4, 3); None in mere air."""
    from ...quality.body import body_mask
    from ...volume.grid import axis_along_patient

    axis = axis_along_patient(directions(mvct))
    across = [other for other in (2, 1, 0) if other != axis]  # as the array's axes run
    slices = np.moveaxis(slicer.util.arrayFromVolume(mvct), 2 - axis, 0)
    steps = [max(1, round(_PIXEL_MM / mvct.GetSpacing()[other])) for other in across]
    size = tuple(step * mvct.GetSpacing()[other] for step, other in zip(steps, across, strict=True))
    numbers = np.linspace(0, len(slices) - 1, min(len(slices), _MAX_SLICES)).round().astype(int)
    coarse = slices[numbers, :: steps[0], :: steps[1]].astype(float)
    body = np.any([body_mask(image, pixel_size=size) for image in coarse], axis=0)
    if not body.any():
        return None
    edges = [step * np.flatnonzero(body.any(axis=1 - line))[[0, -1]] for line, step in enumerate(steps)]
    corners = []
    for row in edges[0]:
        for column in edges[1]:
            ijk = [len(slices) / 2] * 3
            ijk[across[0]], ijk[across[1]] = row, column
            corners.append(world_position(mvct, ijk))
    return np.array(corners)


def align(slice_node, volume) -> None:
    """Turn a view into the planes of a volume, so that each offset is one of its slices."""
    transform = volume.GetParentTransformNode()
    if transform is None or transform.IsTransformToWorldLinear():
        slice_node.RotateToVolumePlane(volume)  # the plane nearest to how the view stands


def zoom_to(slice_node, points: np.ndarray) -> None:
    """Show points (RAS in mm, shape (n, 3)) as large as the view allows; the plane that it shows stays."""
    to_ras = slice_node.GetSliceToRAS()
    matrix = slicer.util.arrayFromVTKMatrix(to_ras)
    in_slice = (points - matrix[:3, 3]) @ np.linalg.inv(matrix[:3, :3]).T
    low, high = np.min(in_slice[:, :2], axis=0), np.max(in_slice[:, :2], axis=0)
    centre = matrix @ (*(low + high) / 2, 0.0, 1.0)
    for axis in range(3):
        to_ras.SetElement(axis, 3, centre[axis])
    width, height = slice_node.GetDimensions()[:2]
    mm = _MARGIN * max(high[0] - low[0], (high[1] - low[1]) * width / height)
    slice_node.SetFieldOfView(mm, mm * height / width, slice_node.GetFieldOfView()[2])
    slice_node.UpdateMatrices()


def bring_into_sight(logic, volume) -> None:
    """Show a slice of a volume in the view of a vtkMRMLSliceLogic, under the zoom that it has."""
    slice_node, bounds = logic.GetSliceNode(), [0.0] * 6
    align(slice_node, volume)
    volume.GetRASBounds(bounds)
    low, high = np.array(bounds[::2]), np.array(bounds[1::2])
    centre = slicer.util.arrayFromVTKMatrix(slice_node.GetSliceToRAS())[:3, 3]
    if np.any(centre < low) or np.any(centre > high):
        slice_node.JumpSliceByCentering(*(low + high) / 2)
    logic.SnapSliceOffsetToIJK()
