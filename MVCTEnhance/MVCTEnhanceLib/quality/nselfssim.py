"""NSelfSSIM: how much of an image an added noise destroys, a measure of image quality without ground truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from .slices import Slice
from .ssim import SSIMParameters, local_mean, ssim_of_moments, window_box


@dataclass(frozen=True)
class NSelfSSIMParameters:
    """What a value of NSelfSSIM depends on: values compare only with the same parameters.

    Args:
        noise_hu: SD of the added Gaussian noise.
        seed: of the noise. Every slice of the same size gets the same noise field, whatever its place in a volume or
            batch, so that a slice has one value.
        ssim: clipping window (whose width is the data range) and SSIM window.
    """

    noise_hu: float = 20.0
    seed: int = 2107
    ssim: SSIMParameters = field(default_factory=SSIMParameters)


def nselfssim(image: np.ndarray | Slice, body: np.ndarray, *, parameters: NSelfSSIMParameters | None = None) -> float:
    """NSelfSSIM(x) = SSIM(x, x + noise), averaged inside the body.

    Lower is not better: it falls with blur and is lowest (about 0.63) for a constant image. Judge the distance to the
    planning CT's value, with an edge measure beside it.

    Args:
        image: HU, shape (j, i); clipped to the parameters' window before the noise is added.
        body: bool, shape (j, i).

    Returns:
        a value in [-1, 1]; NaN where the body is empty.

    Source: S. Ozaki et al., Med. Phys. 49(6), 2022 (the noise and SSIM parameters are this project's).
    """
    parameters = parameters or NSelfSSIMParameters()
    hu = Slice.of(image).hu
    if not body.any():
        return float("nan")
    box = window_box(body, parameters.ssim)
    noise, mean_noise, variance_noise = (part[box] for part in _noise(hu.shape, parameters))
    clipped = np.clip(hu[box], *parameters.ssim.clip_hu)
    mean = local_mean(clipped, parameters.ssim)
    variance = local_mean(clipped * clipped, parameters.ssim) - mean**2
    shared = local_mean(clipped * noise, parameters.ssim) - mean * mean_noise  # covariance of slice and noise
    variances = (variance, variance + 2 * shared + variance_noise)
    ssim = ssim_of_moments((mean, mean + mean_noise), variances, variance + shared, parameters.ssim)
    return float(ssim[body[box]].mean())


@lru_cache(maxsize=4)
def _noise(shape: tuple[int, int], parameters: NSelfSSIMParameters) -> tuple[np.ndarray, ...]:
    """The noise in HU with its local mean and variance, which are the same for every slice of this shape."""
    noise = parameters.noise_hu * np.random.default_rng(parameters.seed).standard_normal(shape)
    mean = local_mean(noise, parameters.ssim)
    return noise, mean, local_mean(noise * noise, parameters.ssim) - mean**2
