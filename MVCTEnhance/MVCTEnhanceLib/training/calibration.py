"""Calibration: difference of an MVCT's blur and HU from a kVCT's, measured in slices of any patients."""

from __future__ import annotations

import math
from statistics import fmean

import numpy as np
import torch

from ..errors import InputError
from ..quality.body import body_mask
from ..quality.edges import WIDTH_PER_SD, skin_edge_width
from ..quality.tissues import TISSUE_RANGES_HU, tissue_mask

SLICES = 32
MIN_BLUR_PX = 0.3


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
    return max(sd_mm / spacing_mm, MIN_BLUR_PX)


def stretch_between(mvct: list[torch.Tensor], kvct: list[torch.Tensor], *, spacing_mm: float) -> float:
    """How many times as far from air (-1000 HU) soft tissue is in MVCT slices as in kVCT slices.

    Of the medians of smooth soft tissue (0 to 100 HU) in up to 32 slices of each domain: a scanner whose water is off
    by more than some 40 HU is out of its reach, and so is contrast agent in one domain only.

    Args:
        mvct, kvct: HU, each slice of shape (j, i).
        spacing_mm: pixel size of all slices.

    Raises:
        InputError: no slice of a domain shows soft tissue.
    """
    of_mvct, of_kvct = (
        _soft_tissue_hu(slices, spacing_mm, domain) for slices, domain in ((mvct, "MVCT"), (kvct, "kVCT"))
    )
    return (of_mvct + 1000) / (of_kvct + 1000)


def _soft_tissue_hu(slices: list[torch.Tensor], spacing_mm: float, domain: str) -> float:
    pixel_size = (spacing_mm, spacing_mm)
    values = []
    for hu in _some(slices):
        body = body_mask(hu, pixel_size=pixel_size)
        values.append(hu[tissue_mask(hu, TISSUE_RANGES_HU["soft_tissue"], body, pixel_size=pixel_size)])
    found = np.concatenate(values)
    if not found.size:
        raise InputError(
            f"No {domain} slice of the training data shows soft tissue to measure the HU at: "
            "set losses.calibrate_hu to false, or give other slices."
        )
    return float(np.median(found))


def _some(slices: list[torch.Tensor]) -> list[np.ndarray]:
    return [hu.float().numpy() for hu in slices[:: -(-len(slices) // SLICES)]]


def _mean_width(slices: list[torch.Tensor], spacing_mm: float, domain: str) -> float:
    pixel_size = (spacing_mm, spacing_mm)
    images = _some(slices)
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
