"""Structural similarity (SSIM) of two slices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .masks import box_around
from .slices import require_same_shape


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
    a, b = a.astype(np.float64), b.astype(np.float64)
    means = tuple(local_mean(image, parameters) for image in (a, b))
    variances = tuple(local_mean(x * x, parameters) - mean**2 for x, mean in zip((a, b), means, strict=True))
    covariance = local_mean(a * b, parameters) - means[0] * means[1]
    return ssim_of_moments(means, variances, covariance, parameters)


def local_mean(image: np.ndarray, parameters: SSIMParameters) -> np.ndarray:
    """Mean in the window around each pixel."""
    return ndimage.gaussian_filter(image, parameters.sigma_px, radius=parameters.taps // 2)


def ssim_of_moments(
    means: tuple[np.ndarray, np.ndarray],
    variances: tuple[np.ndarray, np.ndarray],
    covariance: np.ndarray,
    parameters: SSIMParameters,
) -> np.ndarray:
    """SSIM from the local means, variances and covariance of two slices, all of shape (j, i)."""
    c1 = (parameters.k1 * parameters.data_range) ** 2
    c2 = (parameters.k2 * parameters.data_range) ** 2
    luminance = (2 * means[0] * means[1] + c1) / (means[0] ** 2 + means[1] ** 2 + c1)
    return luminance * (2 * covariance + c2) / (variances[0] + variances[1] + c2)


def mean_ssim(a: np.ndarray, b: np.ndarray, mask: np.ndarray, *, parameters: SSIMParameters) -> float:
    """SSIM map averaged inside a mask of shape (j, i); NaN for an empty mask."""
    if not mask.any():
        return float("nan")
    box = window_box(mask, parameters)
    return float(ssim_map(a[box], b[box], parameters=parameters)[mask[box]].mean())


def window_box(mask: np.ndarray, parameters: SSIMParameters) -> tuple[slice, slice]:
    """Bounding box of a mask, grown so that every window centred in the mask is whole."""
    return box_around(mask, (parameters.taps // 2,) * 2)
