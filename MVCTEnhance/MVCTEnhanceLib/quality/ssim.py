"""Structural similarity (SSIM) of two slices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .checks import require_same_shape


@dataclass(frozen=True)
class SSIMParameters:
    """SSIM as Wang et al. 2004 define it, for CT.

    Args:
        clip_hu: HU window to which both slices are clipped first.
        sigma_px: SD of the Gaussian window.
        taps: length of the window along each axis.
        k1: constant of the luminance term.
        k2: constant of the contrast term.
    """

    clip_hu: tuple[float, float] = (-600.0, 400.0)
    sigma_px: float = 1.5
    taps: int = 11
    k1: float = 0.01
    k2: float = 0.03

    @property
    def data_range(self) -> float:
        """HU from black to white: the width of the clipping window."""
        return self.clip_hu[1] - self.clip_hu[0]


def ssim_map(a: np.ndarray, b: np.ndarray, *, parameters: SSIMParameters) -> np.ndarray:
    """Local SSIM of two slices that are already clipped, values in [-1, 1].

    Args:
        a, b: HU, shape (j, i).

    Returns:
        float64, shape (j, i); equal to scikit-image's `structural_similarity` with Gaussian weights and population
        (co)variances.

    Raises:
        InputError: the shapes differ.

    Source: Z. Wang et al., IEEE Trans. Image Process. 13(4), 2004, eq. 13.
    """
    require_same_shape(a, b, names=("first slice", "second slice"))

    def local_mean(image: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(image, parameters.sigma_px, radius=parameters.taps // 2)

    a, b = a.astype(np.float64), b.astype(np.float64)
    mean_a, mean_b = local_mean(a), local_mean(b)
    variance_a = local_mean(a * a) - mean_a**2
    variance_b = local_mean(b * b) - mean_b**2
    covariance = local_mean(a * b) - mean_a * mean_b
    c1 = (parameters.k1 * parameters.data_range) ** 2
    c2 = (parameters.k2 * parameters.data_range) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return luminance * (2 * covariance + c2) / (variance_a + variance_b + c2)


def mean_ssim(a: np.ndarray, b: np.ndarray, mask: np.ndarray, *, parameters: SSIMParameters) -> float:
    """SSIM map averaged inside a mask of shape (j, i); NaN for an empty mask."""
    if not mask.any():
        return float("nan")
    box = _box(mask, margin=parameters.taps // 2)
    return float(ssim_map(a[box], b[box], parameters=parameters)[mask[box]].mean())


def _box(mask: np.ndarray, *, margin: int) -> tuple[slice, ...]:
    """Bounding box of the mask, grown so that every window centred in the mask is whole."""
    found = ndimage.find_objects(mask.astype(np.uint8))[0]
    return tuple(slice(max(0, side.start - margin), side.stop + margin) for side in found)
