"""Tissues found by their HU, for metrics that need a mask of lung, fat, soft tissue or bone."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from .masks import box_around, dilate, erode
from .slices import Slice

TISSUE_RANGES_HU = MappingProxyType(
    {"lung": (-900.0, -500.0), "fat": (-150.0, -50.0), "soft_tissue": (0.0, 100.0), "bone": (300.0, 2000.0)}
)
MIN_LUNG_MM2 = 500.0  # less is an apex, or air cells of a mastoid or a sinus


@dataclass(frozen=True)
class TissueParameters:
    """How a tissue is found.

    Args:
        smoothing_px: SD of the Gaussian before the HU range is applied; without it the range would pick pixels by
            their noise, and means over the mask would be biased.
        erosion_px: depth taken off the mask, so that partial volume at its edges stays out.
        thickness_mm: only parts that hold a square of this side count: thinner ones (the rim of an airway, a sinus, a
            thin bone) are partial volume of two other tissues.
        minimum_mm2: a smaller area in a slice counts as not found.
    """

    smoothing_px: float = 1.5
    erosion_px: int = 2
    thickness_mm: float = 6.0
    minimum_mm2: float = 100.0


def tissue_mask(
    image: np.ndarray | Slice,
    range_hu: tuple[float, float],
    body: np.ndarray,
    *,
    pixel_size: tuple[float, float],
    parameters: TissueParameters | None = None,
) -> np.ndarray:
    """The inside of the regions of the body whose smoothed HU lies in a range (MVCT or kVCT).

    Args:
        image: HU, shape (j, i).
        range_hu: lowest and highest HU of the tissue.
        body: bool, shape (j, i).
        pixel_size: (row j, column i) in mm.

    Returns:
        bool, shape (j, i); all False when less than the minimum area is found.
    """
    parameters = parameters or TissueParameters()
    smooth = Slice.of(image).smooth(parameters.smoothing_px)
    low, high = range_hu
    found = body & (low <= smooth) & (smooth <= high)
    mask = np.zeros_like(found)
    if found.any():
        sides = tuple(2 * round(parameters.thickness_mm / size / 2) + 1 for size in pixel_size)
        box = box_around(found, sides)
        thick = dilate(erode(found[box], sides), sides)
        mask[box] = erode(found[box], (2 * parameters.erosion_px + 1,) * 2) & thick
    enough = mask.sum() * pixel_size[0] * pixel_size[1] >= parameters.minimum_mm2
    return mask if enough else np.zeros_like(mask)
