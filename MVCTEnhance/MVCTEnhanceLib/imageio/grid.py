"""Whether two volumes have the same voxels, in whatever order they are kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .volume import Volume

TOLERANCE_MM = 0.1


def is_same_grid(a: Volume, b: Volume) -> bool:
    """Whether two volumes have the same voxels in the same order: their corners agree within 0.1 mm."""
    return a.array.shape == b.array.shape and bool(np.abs(_corners(a) - _corners(b)).max() < TOLERANCE_MM)


def in_order_of(volume: Volume, like: Volume) -> Volume | None:
    """A volume with its axes swapped and reversed so that its voxels come in the order of those of another.

    Programs keep the slices of one scan upwards or downwards, and rows and columns flipped.

    Returns:
        a view of the values on the grid of `like`; None where the voxels themselves are others.
    """
    cosines = np.asarray(like.direction).T @ np.asarray(volume.direction)  # axes of like by axes of the volume
    axes = np.abs(cosines).argmax(axis=1)
    if sorted(axes) != [0, 1, 2]:
        return None
    array = volume.array.transpose([2 - axes[2 - n] for n in range(3)])  # the array's axes are (k, j, i)
    origin, direction = np.array(volume.origin, float), np.asarray(volume.direction, float)[:, axes]
    spacing = np.asarray(volume.spacing, float)[axes]
    for axis in range(3):
        if cosines[axis, axes[axis]] < 0:
            origin += direction[:, axis] * spacing[axis] * (array.shape[2 - axis] - 1)
            direction[:, axis] *= -1
            array = np.flip(array, 2 - axis)
    turned = replace(
        volume, array=array, spacing=tuple(spacing.tolist()), origin=tuple(origin.tolist()), direction=direction
    )
    return turned if is_same_grid(turned, like) else None


def _corners(volume: Volume) -> np.ndarray:
    """LPS positions of the first voxel and of the last one along each axis, shape (4, 3)."""
    reach = (np.array(volume.array.shape[::-1]) - 1) * volume.spacing
    first = np.asarray(volume.origin)
    return np.stack([first, *(first + volume.direction[:, axis] * reach[axis] for axis in range(3))])
