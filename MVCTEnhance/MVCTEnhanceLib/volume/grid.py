"""The order of voxels: the same scan, with the same digest, however its axes are stored; axial slices in one order."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import permutations

import numpy as np

from .volume import Volume

TOLERANCE_MM = 0.1
Z = 2


def is_same_grid(a: Volume, b: Volume) -> bool:
    """Whether two volumes have the same voxels in the same order: their corners agree within 0.1 mm."""
    return a.array.shape == b.array.shape and bool(np.abs(_corners(a) - _corners(b)).max() < TOLERANCE_MM)


def reorient_like(volume: Volume, like: Volume) -> Volume | None:
    """A volume with its axes swapped and reversed so that its voxels come in the order of those of another.

    Programs keep the slices of one scan upwards or downwards, and rows and columns flipped.

    Returns:
        a view of the values on the grid of `like`; None where the voxels themselves are others.
    """
    same_order = turned(volume, np.asarray(like.direction, float))
    return same_order if is_same_grid(same_order, like) else None


def turned(volume: Volume, directions: np.ndarray) -> Volume:
    """A view of a volume whose axes run, as near as its own can, along the columns of a direction matrix (LPS)."""
    cosines = directions.T @ np.asarray(volume.direction, float)
    axes = _nearest_axes(cosines)
    reversed_axes = [axis for axis in range(3) if cosines[axis, axes[axis]] < 0]
    if axes == [0, 1, 2] and not reversed_axes:
        return volume
    array = volume.array.transpose([2 - axes[2 - n] for n in range(3)])  # the array's axes are (k, j, i)
    origin, direction = np.array(volume.origin, float), np.asarray(volume.direction, float)[:, axes]
    spacing = np.asarray(volume.spacing, float)[axes]
    for axis in reversed_axes:
        origin += direction[:, axis] * spacing[axis] * (array.shape[2 - axis] - 1)
        direction[:, axis] *= -1
        array = np.flip(array, 2 - axis)
    return replace(
        volume, array=array, spacing=tuple(spacing.tolist()), origin=tuple(origin.tolist()), direction=direction
    )


def axial(volume: Volume) -> Volume:
    """A scan as axial slices in one fixed order: i to the patient's left, j to the back, k to the head (LPS).

    Whatever is worked out of such slices does not depend on the order in which a program stored the scan. Nothing is
    resampled: axes that are oblique are taken for the nearest of the patient's.

    Returns:
        a view, which can be written to as the scan itself; `source` is still that of the scan as it is stored.
    """
    return turned(volume, np.eye(3))


def digest(volume: Volume) -> str:
    """SHA-256, in hexadecimal digits, of the voxels as `axial` slices and of their grid rounded to 0.001 mm.

    The same scan gives the same digest from whatever format it was read and however its axes are stored.
    """
    volume = axial(volume)
    grid = (*volume.spacing, *volume.origin, *np.asarray(volume.direction, float).ravel())
    rounded = ",".join(f"{round(float(number), 3) + 0.0:.3f}" for number in grid)
    content = hashlib.sha256(f"{volume.array.shape}{volume.array.dtype}{rounded}".encode())
    for part in volume.array:
        content.update(np.ascontiguousarray(part).tobytes())
    return content.hexdigest()


def listed(volume: Volume) -> Volume:
    """As `axial`, with the slices in the order of lists: that of the scan's own axis along the patient."""
    along = volume.direction[Z, axis_along_patient(volume.direction)]
    return turned(volume, np.diag([1.0, 1.0, -1.0 if along < 0 else 1.0]))


def listed_z_mm(volume: Volume) -> list[float]:
    """Patient z in mm of the centres of the `listed` slices, to 0.001 mm; LPS and RAS have the same z."""
    slices = listed(volume)
    reach = (np.array(slices.array.shape[::-1]) - 1) * slices.spacing
    first = slices.origin[Z] + slices.direction[Z, :2] @ reach[:2] / 2
    steps = slices.direction[Z, 2] * slices.spacing[2] * np.arange(len(slices.array))
    return [round(float(z), 3) + 0.0 for z in first + steps]


def axis_along_patient(direction: np.ndarray) -> int:
    """Which axis of a scan (0 for i, 1 for j, 2 for k) runs along the patient, by a direction matrix in LPS or RAS."""
    return _nearest_axes(np.asarray(direction, float))[Z]


def _nearest_axes(cosines: np.ndarray) -> list[int]:
    """For each row of cosines the column of its axis, each taken once, so that together they are the nearest."""
    near = np.abs(cosines).round(6)
    return list(max(permutations(range(3)), key=lambda axes: near[range(3), axes].sum()))


def _corners(volume: Volume) -> np.ndarray:
    """LPS positions of the first voxel and of the last one along each axis, shape (4, 3)."""
    reach = (np.array(volume.array.shape[::-1]) - 1) * volume.spacing
    first = np.asarray(volume.origin)
    return np.stack([first, *(first + volume.direction[:, axis] * reach[axis] for axis in range(3))])
