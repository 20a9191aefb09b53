"""Air agreement: whether air stayed air and tissue stayed tissue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .masks import box_around
from .slices import require_same_shape, require_slice


@dataclass(frozen=True)
class AirParameters:
    """What counts as air, and where.

    Args:
        threshold_hu: air lies below it (C of the paper's air-region loss).
        margin_mm: how far the region reaches past the bounding box of the body.
    """

    threshold_hu: float = -600.0
    margin_mm: float = 10.0


def air_agreement(
    mvct: np.ndarray,
    enhanced: np.ndarray,
    body: np.ndarray,
    *,
    pixel_size: tuple[float, float],
    parameters: AirParameters | None = None,
    region: np.ndarray | None = None,
) -> float:
    """Percent of pixels that both slices class the same, as air (below -600 HU) or not, around the body.

    The region is the bounding box of the body and 10 mm around it, so that air far away does not flatter the value.
    Nothing is smoothed: noise where the HU cross -600 (lung, edges) costs some tenths of a percent in an MVCT.

    Args:
        mvct, enhanced: HU, shape (j, i).
        body: bool, shape (j, i), of the MVCT.
        pixel_size: (row j, column i) in mm.
        region: bool, shape (j, i); of the pixels around the body only those inside it count, its air as its tissue.

    Returns:
        0 to 100; NaN where the body is empty or the region is not near it.

    Raises:
        InputError: the shapes differ.

    Source: threshold C from S. Ozaki et al., Med. Phys. 49(6), 2022.
    """
    parameters = parameters or AirParameters()
    require_same_shape(mvct, enhanced, names=("MVCT", "enhanced scan"))
    if not body.any():
        return float("nan")
    box = box_around(body, tuple(round(parameters.margin_mm / size) for size in pixel_size))
    air_mvct, air_enhanced = (require_slice(image[box]) < parameters.threshold_hu for image in (mvct, enhanced))
    agrees = (air_mvct == air_enhanced)[... if region is None else region[box]]
    return float(100 * agrees.mean()) if agrees.size else float("nan")
