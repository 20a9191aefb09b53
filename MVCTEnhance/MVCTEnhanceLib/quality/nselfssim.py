"""NSelfSSIM: how much of an image an added noise destroys, a measure of image quality without ground truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from .checks import require_slice
from .ssim import SSIMParameters, mean_ssim


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


def nselfssim(image: np.ndarray, body: np.ndarray, *, parameters: NSelfSSIMParameters | None = None) -> float:
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
    clipped = np.clip(require_slice(image), *parameters.ssim.clip_hu)
    noise = parameters.noise_hu * _standard_noise(clipped.shape, parameters.seed)
    return mean_ssim(clipped, clipped + noise, body, parameters=parameters.ssim)


@lru_cache(maxsize=4)
def _standard_noise(shape: tuple[int, int], seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(shape)
    noise.flags.writeable = False
    return noise
