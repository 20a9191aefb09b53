"""Search for blobs: round spots of the size of lesions in a difference of two images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

RATIO = 1.6  # of the two Gaussians, at which their difference is close to the Laplacian of one (Marr, Hildreth 1980)


@dataclass(frozen=True)
class Blob:
    """A spot found: its centre (pixel), the diameter that it answers best to, and its contrast in HU."""

    j: int
    i: int
    diameter_mm: float
    contrast_hu: float


def response(image: np.ndarray, diameter_mm: float, pixel_mm: tuple[float, float]) -> np.ndarray:
    """Difference of two Gaussians, scaled so that a disc of this diameter answers with its contrast at its centre.

    Args:
        image: HU, shape (j, i).
        pixel_mm: pixel size (row j, column i).
    """
    radius = diameter_mm / 2
    # The geometric mean of both SDs is that of the Laplacian which answers most to the disc.
    narrow = radius / math.sqrt(2 * RATIO)
    wide = RATIO * narrow
    of_a_disc = math.exp(-0.5 * (radius / wide) ** 2) - math.exp(-0.5 * (radius / narrow) ** 2)
    centre, surround = (
        ndimage.gaussian_filter(image.astype(np.float32), [sigma / size for size in pixel_mm])
        for sigma in (narrow, wide)
    )
    return (centre - surround) / of_a_disc


def find_blobs(
    image: np.ndarray,
    depth: np.ndarray,
    *,
    diameters_mm: Sequence[float],
    threshold_hu: float,
    pixel_mm: tuple[float, float],
) -> list[Blob]:
    """Spots of either sign whose contrast exceeds a threshold; of those that overlap, the strongest.

    Args:
        image: a difference in HU, shape (j, i).
        depth: mm to the nearest pixel outside of the region that is searched, shape (j, i); a spot counts where the
            disc of its diameter fits in.
    """
    found = []
    for diameter in diameters_mm:
        answer = response(image, diameter, pixel_mm)
        strength = np.abs(answer)
        peak = (strength == ndimage.maximum_filter(strength, 3)) & (strength > threshold_hu) & (depth >= diameter / 2)
        found += [Blob(int(j), int(i), diameter, float(answer[j, i])) for j, i in np.argwhere(peak)]
    kept: list[Blob] = []
    for blob in sorted(found, key=lambda blob: -abs(blob.contrast_hu)):
        if all(_apart(blob, other, pixel_mm) for other in kept):
            kept.append(blob)
    return kept


def _apart(a: Blob, b: Blob, pixel_mm: tuple[float, float]) -> bool:
    distance = math.hypot((a.j - b.j) * pixel_mm[0], (a.i - b.i) * pixel_mm[1])
    return distance > (a.diameter_mm + b.diameter_mm) / 2
