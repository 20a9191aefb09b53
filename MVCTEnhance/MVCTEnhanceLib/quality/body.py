"""Mask of the patient in an axial slice."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .masks import box_around, dilate, erode, fill_holes, largest_component
from .slices import Slice

MARGIN_PX, MARGIN_MM = 16, 18.0  # around the body, beyond which nothing changes a metric of the body


@dataclass(frozen=True)
class BodyParameters:
    """Segmentation of the body from air and couch.

    Args:
        threshold_hu: what is above it (after smoothing) is tissue or couch.
        smoothing_px: SD of the Gaussian against noise before the threshold.
        opening_mm: sheets and straps thinner than this (couch skin, mask frame) are cut off.
    """

    threshold_hu: float = -400.0
    smoothing_px: float = 1.0
    opening_mm: float = 5.0


def body_mask(
    image: np.ndarray | Slice,
    *,
    pixel_size: tuple[float, float] = (1.0, 1.0),
    parameters: BodyParameters | None = None,
) -> np.ndarray:
    """The largest connected region above -400 HU, holes (lungs, airway, gas) filled, a couch that lies apart left out.

    Args:
        image: HU, shape (j, i).
        pixel_size: (row j, column i) in mm.

    Returns:
        bool mask of shape (j, i); all False where there is only air.
    """
    parameters = parameters or BodyParameters()
    image = Slice.of(image)
    above = image.smooth(parameters.smoothing_px) > parameters.threshold_hu
    sides = tuple(2 * round(parameters.opening_mm / size / 2) + 1 for size in pixel_size)
    if not above.any():
        return above
    box = box_around(above, sides)
    above = above[box]
    core = largest_component(dilate(erode(above, sides), sides))
    # The square opening also cuts rounded detail (nose, ears): take back what lies next to what is left.
    body = np.zeros(image.hu.shape, bool)
    body[box] = fill_holes(largest_component(dilate(core, sides) & above))
    return body


def near_body(body: np.ndarray, pixel_size: tuple[float, float]) -> tuple[slice, slice]:
    """Rows and columns of the body with all around it that its metrics look at; all where there is no body."""
    if not body.any():
        return slice(None), slice(None)
    return box_around(body, tuple(MARGIN_PX + math.ceil(MARGIN_MM / size) for size in pixel_size))
