"""Made slices with known noise, sharpness and tissues."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import special


@pytest.fixture
def white_noise() -> Callable[[tuple[int, int], float], np.ndarray]:
    """White Gaussian noise of a given shape and SD."""
    rng = np.random.default_rng(7)
    return lambda shape, sd: sd * rng.standard_normal(shape)


@pytest.fixture
def fbp_noise(white_noise) -> Callable[[tuple[int, int], float], np.ndarray]:
    """Noise with the spectrum that filtered back-projection gives: |f| Hamming(f)², with a detector's blur."""

    def make(shape: tuple[int, int], sd: float) -> np.ndarray:
        f = np.hypot(*np.meshgrid(*(np.fft.fftfreq(side) for side in shape), indexing="ij"))
        hamming = np.where(f < 0.5, 0.54 + 0.46 * np.cos(2 * np.pi * f), 0)
        amplitude = np.sqrt(f) * hamming * np.exp(-2 * (np.pi * 0.67 * f) ** 2)
        noise = np.fft.ifft2(np.fft.fft2(white_noise(shape, 1)) * amplitude).real
        return sd * noise / noise.std()

    return make


@pytest.fixture
def disc() -> Callable[..., np.ndarray]:
    """A disc of `inside` HU in `outside` HU whose edge is blurred by a Gaussian of a given SD; shape (256, 256)."""

    def make(*, radius_mm=70.0, inside=0.0, outside=-1000.0, blur_mm=0.5, pixel_mm=1.0) -> np.ndarray:
        j, i = np.mgrid[:256, :256] - 127.5
        distance = radius_mm - np.hypot(j, i + 0.3) * pixel_mm
        return outside + (inside - outside) * special.ndtr(distance / blur_mm)

    return make


@pytest.fixture
def thorax() -> np.ndarray:
    """Muscle with two lungs, a fat layer, a bone and a couch below; HU, shape (256, 256), pixels of 1 mm."""
    image = np.full((256, 256), -1000.0)
    j, i = np.mgrid[:256, :256]

    def ellipse(cj, ci, rj, ri):
        return ((j - cj) / rj) ** 2 + ((i - ci) / ri) ** 2 <= 1

    image[ellipse(120, 128, 75, 105)] = -100
    image[ellipse(120, 128, 60, 90)] = 50
    image[ellipse(120, 80, 40, 30)] = -750
    image[ellipse(120, 176, 40, 30)] = -750
    image[ellipse(160, 128, 12, 14)] = 800
    image[202:205, 10:246] = -100
    image[222:225, 10:246] = -100
    image[202:225, 10:13] = -100
    image[202:225, 243:246] = -100
    return image
