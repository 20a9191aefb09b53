"""Agreement with a paired truth on the same grid."""

from __future__ import annotations

import math

import numpy as np

from .slices import require_same_shape, require_slice
from .ssim import SSIMParameters, mean_ssim


def mae(image: np.ndarray, truth: np.ndarray, body: np.ndarray) -> float:
    """Mean absolute error in the body, HU, without clipping; arrays of shape (j, i); NaN where the body is empty."""
    require_same_shape(image, truth, names=("scan", "truth"))
    difference = np.abs(require_slice(image) - require_slice(truth))[body]
    return float(difference.mean()) if difference.size else math.nan


def psnr(image: np.ndarray, truth: np.ndarray, body: np.ndarray, *, parameters: SSIMParameters | None = None) -> float:
    """Peak signal-to-noise ratio in the body, dB; both slices (j, i) clipped as for SSIM, peak = that window's width.

    NaN where the body is empty, infinity for equal slices.
    """
    parameters = parameters or SSIMParameters()
    require_same_shape(image, truth, names=("scan", "truth"))
    a, b = (np.clip(require_slice(x), *parameters.clip_hu) for x in (image, truth))
    squared = np.square(a - b)[body]
    if not squared.size:
        return math.nan
    mse = float(squared.mean())
    return 10 * math.log10(parameters.data_range**2 / mse) if mse > 0 else math.inf


def ssim(image: np.ndarray, truth: np.ndarray, body: np.ndarray, *, parameters: SSIMParameters | None = None) -> float:
    """SSIM averaged in the body; both slices (j, i) clipped first; NaN where the body is empty."""
    parameters = parameters or SSIMParameters()
    require_same_shape(image, truth, names=("scan", "truth"))
    a, b = (np.clip(require_slice(x), *parameters.clip_hu) for x in (image, truth))
    return mean_ssim(a, b, body, parameters=parameters)
