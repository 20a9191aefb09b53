"""Fine noise: what pixels of homogeneous soft tissue differ by from those around, whatever the size of the body."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .noise import NoiseParameters
from .slices import Slice

MAD_OF_NORMAL = 0.6745  # median of |x| of a normal distribution of SD 1


@dataclass(frozen=True)
class FineNoiseParameters:
    """How fine noise is measured.

    Args:
        around_mm: SD of the Gaussian that gives the mean around a pixel.
        water_mm: water-equivalent diameter for which the value is given.
        growth_per_mm: growth of the noise of MVCT with that diameter, of which its logarithm is a line.
    """

    around_mm: float = 0.763
    water_mm: float = 300.0
    growth_per_mm: float = 0.003


def fine_noise(
    image: np.ndarray | Slice,
    tissue: np.ndarray,
    *,
    pixel_size: tuple[float, float],
    water_mm: float,
    parameters: FineNoiseParameters | None = None,
) -> float:
    """SD in HU of what pixels differ by from the mean around them, as it would be in a body like 30 cm of water.

    The SD is that of a normal distribution with the same median of absolute differences, so that edges that were not
    found do not count. Coarse structure does not either, so that the value differs between slices and patients much
    less than `noise_sd`, which measures all of the noise. The noise of MVCT grows with the body, since fewer photons
    pass it: by exp(0.0034 d/mm) in the middle of water, by exp(0.003 d/mm) over the slices of simulated patients.

    Args:
        image: HU, shape (j, i).
        tissue: bool, shape (j, i), `homogeneous_tissue` of the image.
        pixel_size: (row j, column i) in mm.
        water_mm: `water_equivalent_diameter` of the body in the MVCT.

    Returns:
        the SD; NaN where there is too little tissue.
    """
    parameters = parameters or FineNoiseParameters()
    image = Slice.of(image)
    if tissue.sum() * math.prod(pixel_size) < NoiseParameters().minimum_mm2:
        return math.nan
    around = image.smooth([parameters.around_mm / size for size in pixel_size])
    sd = float(np.median(np.abs(image.hu - around)[tissue])) / MAD_OF_NORMAL
    return sd * math.exp(parameters.growth_per_mm * (parameters.water_mm - water_mm))


def water_equivalent_diameter(image: np.ndarray | Slice, body: np.ndarray, *, pixel_size: tuple[float, float]) -> float:
    """Diameter in mm of the circle of water that attenuates as the body does (AAPM report 220, 2014).

    Args:
        image: HU, shape (j, i).
        body: bool, shape (j, i). What the field of view cuts off is not there.
        pixel_size: (row j, column i) in mm.
    """
    water = np.maximum(Slice.of(image).hu[body] / 1000 + 1, 0).sum() * math.prod(pixel_size)
    return 2 * math.sqrt(water / math.pi)
