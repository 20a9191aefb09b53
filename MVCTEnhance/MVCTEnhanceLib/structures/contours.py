"""Closed planar contours to the part of each voxel that lies inside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InputError
from ..volume import Volume

ROWS_PER_PIXEL = 8
SAME_PLANE_MM = 0.1
GAP = 1.5  # times the usual distance of its planes, beyond which a structure is interrupted


def coverage(contours: Sequence[np.ndarray], grid: Volume) -> np.ndarray:
    """Part of each voxel that lies inside of a structure, 0 to 1.

    Contours of one plane are taken together by the even-odd rule: one within another is a hole. A plane stands for the
    slab to half way to its neighbours. Where contours lie beyond the grid, they are cut off.

    Args:
        contours: LPS positions in mm of the corners of each contour, shape (n, 3).
        grid: the voxels; its values do not matter.

    Returns:
        float32, shape (k, j, i).

    Raises:
        InputError: a contour does not lie in one slice plane of the grid.
    """
    array = np.zeros(grid.array.shape, np.float32)
    planes = _planes(contours, grid)
    if not planes:
        return array
    depths = np.array(sorted(planes))
    bounds = _slabs(depths, grid.spacing[2])
    for depth, (low, high) in zip(depths, bounds, strict=True):
        first, last = max(int(np.floor(low + 0.5)), 0), min(int(np.ceil(high + 0.5)), len(array))
        if first >= last:
            continue
        inside = _plane_coverage(planes[depth], grid.array.shape[1:])
        for k in range(first, last):
            array[k] += max(min(high, k + 0.5) - max(low, k - 0.5), 0.0) * inside
    return array


def _planes(contours: Sequence[np.ndarray], grid: Volume) -> dict[float, list[np.ndarray]]:
    """Corners (n, 2) as columns and rows of the grid, by the slice number, with fraction, that they lie at."""
    planes: dict[float, list[np.ndarray]] = {}
    for contour in contours:
        index = (np.asarray(contour, float) - grid.origin) @ np.asarray(grid.direction, float) / grid.spacing
        if np.ptp(index[:, 2]) * grid.spacing[2] > SAME_PLANE_MM:
            raise InputError("a contour is not parallel to the slices: draw it on slices of the scan")
        depth = float(index[:, 2].mean())
        near = [known for known in planes if abs(known - depth) * grid.spacing[2] < SAME_PLANE_MM]
        planes.setdefault(near[0] if near else depth, []).append(index[:, :2])
    return planes


def _slabs(depths: np.ndarray, spacing_mm: float) -> np.ndarray:
    """From where to where each plane stands, in slices, shape (plane, 2)."""
    steps = np.diff(depths)
    usual = float(np.median(steps)) if len(steps) else 1.0
    joined = steps <= GAP * usual
    middles = (depths[1:] + depths[:-1]) / 2
    lows = np.concatenate(([depths[0] - usual / 2], np.where(joined, middles, depths[1:] - usual / 2)))
    highs = np.concatenate((np.where(joined, middles, depths[:-1] + usual / 2), [depths[-1] + usual / 2]))
    return np.stack((lows, highs), axis=1)


def _plane_coverage(contours: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Part of each pixel (j, i) inside, exact along rows, of ROWS_PER_PIXEL rows."""
    rows, columns = shape
    starts = np.concatenate(contours)
    ends = np.concatenate([np.roll(contour, -1, axis=0) for contour in contours])
    lines = (np.arange(rows * ROWS_PER_PIXEL) + 0.5) / ROWS_PER_PIXEL - 0.5
    low, high = np.minimum(starts[:, 1], ends[:, 1]), np.maximum(starts[:, 1], ends[:, 1])
    first, last = np.searchsorted(lines, low), np.searchsorted(lines, high)
    crossed = last - first
    edge = np.repeat(np.arange(len(starts)), crossed)
    line = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(crossed) - crossed, crossed)
    part = (lines[line] - starts[edge, 1]) / (ends[edge, 1] - starts[edge, 1])
    place = np.clip(starts[edge, 0] + part * (ends[edge, 0] - starts[edge, 0]) + 0.5, 0, columns)
    order = np.lexsort((place, line))
    line, place = line[order], place[order]
    sign = np.where(np.arange(len(line)) % 2, -1.0, 1.0)  # a line crosses closed contours an even number of times
    pixel = np.minimum(place.astype(int), columns - 1)
    steps = np.zeros((len(lines), columns + 1))
    of_pixel = pixel + 1 - place
    np.add.at(steps, (line, pixel), sign * of_pixel)
    np.add.at(steps, (line, pixel + 1), sign * (1 - of_pixel))
    inside = np.cumsum(steps, axis=1)[:, :columns]
    return inside.reshape(rows, ROWS_PER_PIXEL, columns).mean(axis=1)
