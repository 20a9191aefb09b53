"""Flat soft tissue: the windows of 11 mm in which the anatomy varies least."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from MVCTEnhanceLib.quality.body import body_mask
from scipy import ndimage

RANGE_HU = (-150.0, 150.0)  # of soft tissue, fat included, after smoothing
SMOOTHING_MM, WINDOW_MM = 3.0, 11.0  # SD of the Gaussian that shows the anatomy; side of the windows
FLATTEST, MINIMUM_WINDOWS = 0.3, 2.0  # part of the windows that is used; how many a slice must have


def flattest_windows(images: Sequence[np.ndarray], pixel_size: tuple[float, float]) -> np.ndarray:
    """Centres of the windows of soft tissue that vary least in all of these slices.

    Args:
        images: HU, each of shape (j, i).
        pixel_size: (row j, column i) in mm.

    Returns:
        bool, shape (j, i); none where there is too little soft tissue.
    """
    window = _window(pixel_size)
    inside, anatomy = np.ones(images[0].shape, bool), np.zeros(images[0].shape)
    for image in images:
        smooth = ndimage.gaussian_filter(image.astype(float), [SMOOTHING_MM / size for size in pixel_size])
        tissue = body_mask(image, pixel_size=pixel_size) & (RANGE_HU[0] <= smooth) & (smooth <= RANGE_HU[1])
        inside &= ndimage.minimum_filter(tissue, size=window)
        anatomy = np.maximum(anatomy, local_variance(smooth, pixel_size))
    if inside.sum() < MINIMUM_WINDOWS * math.prod(window):
        return np.zeros_like(inside)
    return inside & (anatomy <= np.quantile(anatomy[inside], FLATTEST))


def local_variance(image: np.ndarray, pixel_size: tuple[float, float]) -> np.ndarray:
    """Sample variance in the window around each pixel, shape (j, i); the image is mirrored at its borders."""
    window = _window(pixel_size)
    mean = ndimage.uniform_filter(image, window)
    count = math.prod(window)
    return np.maximum(ndimage.uniform_filter(image * image, window) - mean**2, 0) * count / (count - 1)


def _window(pixel_size: tuple[float, float]) -> tuple[int, int]:
    rows, columns = (2 * round(WINDOW_MM / size / 2) + 1 for size in pixel_size)
    return rows, columns
