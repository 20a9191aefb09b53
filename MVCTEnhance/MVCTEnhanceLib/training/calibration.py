"""How much more an MVCT blurs than a kVCT, measured at the skin of slices that need not be of the same patients."""

from __future__ import annotations

import math
from statistics import fmean

import torch

from ..errors import InputError
from ..quality.body import body_mask
from ..quality.edges import WIDTH_PER_SD, skin_edge_width

SLICES = 32
LEAST_BLUR_PX = 0.3


def blur_between(mvct: list[torch.Tensor], kvct: list[torch.Tensor], *, spacing_mm: float) -> float:
    """SD in pixels of the Gaussian that makes the skin's edges in kVCT slices as wide as in MVCT slices.

    Squares of widths add under blur: SD² = (w_MV² - w_kV²) / 2.563², each w the mean 10-90 % width of up to 32 slices.

    Args:
        mvct, kvct: HU, each slice of shape (j, i).
        spacing_mm: pixel size of all slices.

    Returns:
        the SD, at least 0.3 pixels.

    Raises:
        InputError: no slice of a domain shows enough skin.
    """
    widths = [_mean_width(slices, spacing_mm, domain) for slices, domain in ((mvct, "MVCT"), (kvct, "kVCT"))]
    sd_mm = math.sqrt(max(widths[0] ** 2 - widths[1] ** 2, 0)) / WIDTH_PER_SD
    return max(sd_mm / spacing_mm, LEAST_BLUR_PX)


def _mean_width(slices: list[torch.Tensor], spacing_mm: float, domain: str) -> float:
    pixel_size = (spacing_mm, spacing_mm)
    images = [hu.float().numpy() for hu in slices[:: -(-len(slices) // SLICES)]]
    widths = [
        skin_edge_width(image, body_mask(image, pixel_size=pixel_size), pixel_size=pixel_size) for image in images
    ]
    found = [width for width in widths if not math.isnan(width)]
    if not found:
        raise InputError(
            f"No {domain} slice of the training data shows enough skin to measure the blur at: "
            "give slices that hold the patient's outline, or train another preset."
        )
    return fmean(found)
