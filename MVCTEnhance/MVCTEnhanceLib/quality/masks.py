"""Masks grown, shrunk, filled and boxed; bool arrays, which a few shifts do faster than a filter for numbers."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def erode(mask: np.ndarray, sides: tuple[int, int]) -> np.ndarray:
    """Where the whole rectangle around a pixel, of odd sides (rows, columns), lies in the mask.

    What lies outside of the image counts as inside the mask, so that a body which the field of view cuts is kept.
    """
    for axis, side in enumerate(sides):
        mask = _erode_along(mask, side, axis)
    return mask


def dilate(mask: np.ndarray, sides: tuple[int, int]) -> np.ndarray:
    """Where the rectangle around a pixel, of odd sides (rows, columns), holds a pixel of the mask."""
    return ~erode(~mask, sides)


def outline(mask: np.ndarray) -> np.ndarray:
    """The pixels of a mask of which one of the four neighbours lies outside of it, but inside the image."""
    inner = _erode_along(mask, 3, 0) & _erode_along(mask, 3, 1)
    return mask & ~inner


def largest_component(mask: np.ndarray) -> np.ndarray:
    """The largest part of the mask that hangs together by edges of pixels; all False for an empty mask."""
    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return labels == sizes.argmax()


def fill_holes(mask: np.ndarray) -> np.ndarray:
    """The mask with what cannot be reached from the image's border without crossing it."""
    if not mask.any():
        return mask
    box = box_around(mask, (1, 1))
    labels, count = ndimage.label(~mask[box])
    reached = np.zeros(count + 1, bool)
    for border in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        reached[border] = True
    reached[0] = False  # the mask itself
    filled = np.zeros_like(mask)
    filled[box] = ~reached[labels]
    return filled


def box_around(mask: np.ndarray, margins: tuple[int, int]) -> tuple[slice, slice]:
    """Bounding box of a mask that is not empty, grown by margins (rows, columns) as far as the image goes."""
    places = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return tuple(
        slice(max(0, int(at[0]) - margin), min(size, int(at[-1]) + 1 + margin))
        for at, margin, size in zip(places, margins, mask.shape, strict=True)
    )


def _erode_along(mask: np.ndarray, side: int, axis: int) -> np.ndarray:
    shape = list(mask.shape)
    shape[axis] = side // 2
    border = np.ones(shape, bool)
    result = np.moveaxis(np.concatenate((border, mask, border), axis), axis, 0)  # np.pad takes several times as long
    width = 1  # of the runs that `result` tells of
    while width < side:
        step = min(width, side - width)
        result = result[:-step] & result[step:]
        width += step
    return np.moveaxis(result, 0, axis)
