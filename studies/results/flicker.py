"""Flicker: how much neighbouring slices of a scan differ in flat soft tissue."""

from __future__ import annotations

import math
from statistics import fmean

import numpy as np
from MVCTEnhanceLib.imageio import Volume
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.quality.noise import NoiseParameters
from scipy import ndimage

SMOOTHING_MM, WINDOW_MM = 3.0, 11.0  # SD of the Gaussian that shows the anatomy; side of the windows
FLATTEST, MINIMUM_WINDOWS = 0.3, 2.0  # part of the windows that is used; how many a slice must have


def flicker(scan: np.ndarray, truth: Volume) -> dict[str, float]:
    """How much neighbouring slices differ in soft tissue that is flat in both.

    Args:
        scan: HU, shape (k, j, i), on the grid of the truth.
        truth: the true kVCT, in which the flat tissue is found, so that it is the same for all methods.

    Returns:
        flicker: SD in HU of the difference between neighbouring slices within windows of 11 mm, root of the median
            over the flattest windows, divided by sqrt 2, so that noise that is independent from slice to slice has the
            value of the noise readout; the windows' means do not count, and anatomy that changes from slice to slice
            hardly.
        mean_step: mean size in HU of the step of (scan - truth) from slice to slice, averaged over the same tissue:
            what of a flicker the windows' means take with them. 0 for the truth.
        Both are means over all pairs that show such tissue; NaN where none does.
    """
    spreads, steps = [], []
    error = scan.astype(np.float32) - truth.array
    pixel_size = (truth.spacing[1], truth.spacing[0])
    for k in range(len(scan) - 1):
        flat = _flat_in_both(truth.array[k], truth.array[k + 1], pixel_size)
        if flat.any():
            difference = scan[k + 1].astype(float) - scan[k]
            variance = _local_variance(difference, _window(pixel_size))[flat]
            spreads.append(math.sqrt(np.median(variance) / 2))
            steps.append(abs(float((error[k + 1] - error[k])[flat].mean())))
    return {
        name: fmean(values) if values else math.nan for name, values in (("flicker", spreads), ("mean_step", steps))
    }


def _flat_in_both(first: np.ndarray, second: np.ndarray, pixel_size: tuple[float, float]) -> np.ndarray:
    """Centres of the windows of soft tissue that vary least in two slices (j, i)."""
    window = _window(pixel_size)
    low, high = NoiseParameters().range_hu
    inside, anatomy = np.ones(first.shape, bool), np.zeros(first.shape)
    for image in (first, second):
        smooth = ndimage.gaussian_filter(image.astype(float), [SMOOTHING_MM / size for size in pixel_size])
        tissue = body_mask(image, pixel_size=pixel_size) & (low <= smooth) & (smooth <= high)
        inside &= ndimage.minimum_filter(tissue, size=window)
        anatomy = np.maximum(anatomy, _local_variance(smooth, window))
    if inside.sum() < MINIMUM_WINDOWS * math.prod(window):
        return np.zeros_like(inside)
    return inside & (anatomy <= np.quantile(anatomy[inside], FLATTEST))


def _window(pixel_size: tuple[float, float]) -> tuple[int, int]:
    rows, columns = (2 * round(WINDOW_MM / size / 2) + 1 for size in pixel_size)
    return rows, columns


def _local_variance(image: np.ndarray, window: tuple[int, int]) -> np.ndarray:
    mean = ndimage.uniform_filter(image, window)
    count = math.prod(window)
    return np.maximum(ndimage.uniform_filter(image * image, window) - mean**2, 0) * count / (count - 1)
