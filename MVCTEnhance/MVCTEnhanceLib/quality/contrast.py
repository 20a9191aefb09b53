"""Contrast-to-noise ratio (CNR) of muscle and fat."""

from __future__ import annotations

import numpy as np

from .noise import noise_sd
from .slices import Slice
from .tissues import TISSUE_RANGES_HU, TissueParameters, tissue_mask

MIN_NOISE_HU = 0.5  # below it, rounding to whole HU is what is measured


def cnr_muscle_fat(
    image: np.ndarray | Slice,
    body: np.ndarray,
    *,
    pixel_size: tuple[float, float],
    tissues: TissueParameters | None = None,
    noise_hu: float | None = None,
) -> float:
    """(mean muscle - mean fat) / noise SD, without a unit.

    Muscle (0 to 100 HU) and fat (-150 to -50 HU) are found by their smoothed HU; the noise SD is that of `noise_sd`,
    pooled over the homogeneous soft tissue of the slice (fat and muscle).

    Args:
        image: HU, shape (j, i).
        body: bool, shape (j, i).
        pixel_size: (row j, column i) in mm.
        noise_hu: the slice's `noise_sd` where it is known already.

    Returns:
        the CNR; NaN where the slice contains no fat, no muscle or no homogeneous soft tissue, or less than 0.5 HU of
        noise.
    """
    image = Slice.of(image)
    fat, muscle = (
        tissue_mask(image, TISSUE_RANGES_HU[name], body, pixel_size=pixel_size, parameters=tissues)
        for name in ("fat", "soft_tissue")
    )
    sd = noise_sd(image, body, pixel_size=pixel_size) if noise_hu is None else noise_hu
    if not (fat.any() and muscle.any() and sd >= MIN_NOISE_HU):
        return float("nan")
    return float((image.hu[muscle].mean() - image.hu[fat].mean()) / sd)
