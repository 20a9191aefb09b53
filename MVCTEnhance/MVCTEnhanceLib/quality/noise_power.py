"""Noise power spectrum: how strong noise is at each fineness."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

PATCH_PX = 16
MIN_PATCHES = 20


def noise_power(
    images: Iterable[np.ndarray], masks: Iterable[np.ndarray], *, pixel_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    """Power of the noise by frequency, averaged over directions.

    The periodograms of all patches of 16 x 16 pixels that lie in a mask, half overlapping, each less its plane of
    least squares (ICRU Report 87, 2012, with small patches, so that patients have enough of them).

    Args:
        images: HU, each of shape (j, i).
        masks: where each image is homogeneous, bool, of the same shape.
        pixel_mm: size of the square pixels.

    Returns:
        frequencies in lp/mm and power in HU² mm², both of shape (8,); NaN where there are fewer than 20 patches.
    """
    side = PATCH_PX
    j, i = np.mgrid[:side, :side]
    plane = np.linalg.qr(np.stack([np.ones(side * side), j.ravel(), i.ravel()], axis=1))[0]
    total, count = np.zeros((side, side)), 0
    for image, mask in zip(images, masks, strict=True):
        windows = (
            np.lib.stride_tricks.sliding_window_view(a, (side, side))[:: side // 2, :: side // 2] for a in (image, mask)
        )
        patches, inside = windows
        chosen = patches[inside.all(axis=(2, 3))].reshape(-1, side * side).astype(float)
        flat = (chosen - (chosen @ plane) @ plane.T).reshape(-1, side, side)
        total += (np.abs(np.fft.fft2(flat)) ** 2).sum(axis=0)
        count += len(chosen)
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side))) * side
    bands = np.arange(1, side // 2 + 1)
    frequencies = bands / (side * pixel_mm)
    if count < MIN_PATCHES:
        return frequencies, np.full(len(bands), np.nan)
    power = total / count * (pixel_mm / side) ** 2
    return frequencies, np.array([power[np.rint(radius) == band].mean() for band in bands])
