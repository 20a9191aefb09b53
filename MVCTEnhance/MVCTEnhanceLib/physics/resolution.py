"""In-plane resolution of a scanner, and a scan with that of the standard scanner, which the models were trained on."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..errors import InputError
from ..volume import Volume
from ..volume.grid import axial, turned
from ..volume.values import AIR_HU, PADDING_HU, rounded_int16
from .denoise import EDGE_HU
from .settings import MVCTSettings

#: Where a scanner shows less than this part of a frequency, it is mostly noise and hardly changed (Wiener's filter
#: leaves such frequencies out; here they stay as they are, so that a standard scanner's scan does not change).
FLOOR = 0.035
MAX_GAIN = 4.0
# Parts of the standard scanner's noise: for models that were trained with scanners of up to twice that, and for those
# that know one scanner's and take more noise for structure.
MAX_NOISE, MAX_NOISE_OF_ONE_SCANNER = 1.5, 0.8
EDGE_PX = 5
MARGIN_PX = 32  # mirrored at the borders, since a Fourier transform joins opposite ones
_OF_SETTINGS = ("kernel", "blur_fwhm_mm", "denoising_mm", "pixel_mm", "photons")
_SD_OF_FWHM = 1 / (2 * math.sqrt(2 * math.log(2)))


@dataclass(frozen=True)
class Resolution:
    """What makes a scan sharp or soft within its slices, and noisy; the defaults are the standard scanner's.

    Args:
        kernel, blur_fwhm_mm, denoising_mm, pixel_mm, photons: as in `MVCTSettings`.
        max_noise: of a matched scan, as a part of the standard scanner's, unless the scan has more as it is.

    Raises:
        InputError: a value beyond its limits there, or no largest noise above zero.
    """

    kernel: float = MVCTSettings.kernel
    blur_fwhm_mm: float = MVCTSettings.blur_fwhm_mm
    denoising_mm: float = MVCTSettings.denoising_mm
    pixel_mm: float = MVCTSettings.pixel_mm
    photons: float = MVCTSettings.photons
    max_noise: float = MAX_NOISE

    def __post_init__(self):
        MVCTSettings(**{name: getattr(self, name) for name in _OF_SETTINGS})
        if not 0 < self.max_noise < math.inf:
            raise InputError(f"The largest noise of a matched scan is {self.max_noise}, but must be above zero.")

    @classmethod
    def of(cls, settings: MVCTSettings, *, max_noise: float = MAX_NOISE) -> Resolution:
        """That of a simulated scanner."""
        return cls(**{name: getattr(settings, name) for name in _OF_SETTINGS}, max_noise=max_noise)

    def modulation(self, frequency: np.ndarray) -> np.ndarray:
        """Part of the contrast that a scan shows, by the frequency in cycles per mm (any shape).

        Of the kernel's Hamming window, the detector's blur and the smoothing away from edges.
        """
        kernel_end = self.kernel / (2 * self.pixel_mm)
        window = np.where(frequency < kernel_end, 0.54 + 0.46 * np.cos(np.pi * frequency / kernel_end), 0.0)
        variance = (self.blur_fwhm_mm * _SD_OF_FWHM) ** 2 + self.denoising_mm**2
        return window * np.exp(-2 * variance * (np.pi * frequency) ** 2)

    @property
    def half_per_cm(self) -> float:
        """Line pairs per cm of which a scan shows half of the contrast."""
        frequency = np.linspace(0, self.kernel / (2 * self.pixel_mm), 1000)
        return 10 * float(np.interp(-0.5, -self.modulation(frequency), frequency))

    def gain(self, frequency: np.ndarray, largest: float | None = None) -> np.ndarray:
        """Factor at each frequency that gives a scan the standard scanner's resolution.

        Args:
            frequency: in cycles per mm, any shape.
            largest: it is no larger; by default `largest_gain`.
        """
        own, standard = self.modulation(frequency), Resolution().modulation(frequency)
        wanted = (standard * own + FLOOR**2) / (own**2 + FLOOR**2)
        return np.minimum(wanted, self.largest_gain if largest is None else largest)

    @cached_property
    def largest_gain(self) -> float:
        """With which the noise stays within `max_noise`, at most `MAX_GAIN`; 1 where it is above that already."""
        tried = np.arange(MAX_GAIN, 1, -0.05)
        return float(next((largest for largest in tried if self.noise(largest) <= self.max_noise), 1.0))

    def noise(self, largest_gain: float) -> float:
        """SD of the noise in water after the gain, as a part of the standard scanner's; 0 photons have none."""
        if not self.photons:
            return 0.0
        frequency = np.linspace(0, 1 / self.pixel_mm, 500)
        variances = []
        for scanner, gain in ((self, self.gain(frequency, largest_gain)), (Resolution(), 1.0)):
            shown = replace(scanner, blur_fwhm_mm=0.0).modulation(frequency) * gain  # the detector's blur is before it
            power = frequency * shown**2  # of filtered back-projection
            variances.append((power * frequency).sum() * scanner.pixel_mm / scanner.photons)
        return float(np.sqrt(variances[0] / variances[1]))

    def matched(self, mvct: Volume) -> Volume:
        """A scan of this scanner with the standard scanner's in-plane resolution.

        Args:
            mvct: HU, shape (k, j, i), in any order of its axes; pixels that were not measured (-1024) stay.

        Returns:
            HU of the scan's type on the same grid; int16 is rounded and clipped.
        """
        from scipy import fft  # here, as in `_smoothed`, since a site profile has a resolution and most change no scan

        scan = axial(mvct)
        column_mm, row_mm = scan.spacing[:2]
        rows, columns = (size + 2 * MARGIN_PX for size in scan.array.shape[1:])
        frequency = np.hypot(fft.fftfreq(rows, row_mm)[:, None], fft.rfftfreq(columns, column_mm))
        scanners = (self, replace(self, denoising_mm=0.0))
        flat, edge = (one.gain(frequency, self.largest_gain).astype(np.float32) for one in scanners)
        inner = (slice(MARGIN_PX, -MARGIN_PX),) * 2
        array = np.empty(scan.array.shape, mvct.array.dtype)
        for k, shown in enumerate(scan.array):
            unmeasured = shown == PADDING_HU
            known = np.pad(np.where(unmeasured, AIR_HU, shown).astype(np.float32), MARGIN_PX, mode="symmetric")
            spectrum = fft.rfft2(known)
            made = fft.irfft2(spectrum * edge, s=known.shape)
            if self.denoising_mm:
                made += _smoothed(known) * (fft.irfft2(spectrum * flat, s=known.shape) - made)
            made = np.where(unmeasured, PADDING_HU, made[inner])
            array[k] = rounded_int16(made) if array.dtype == np.int16 else made
        return turned(replace(scan, array=array), mvct.direction)


def _smoothed(image: np.ndarray) -> np.ndarray:
    """How far `denoise` has smoothed a slice (j, i) at each pixel: 1 where it is flat, less near edges."""
    from scipy import ndimage

    rise = np.maximum(*(np.abs(ndimage.sobel(image, axis)) for axis in (0, 1))) / 8
    return 1 / (1 + (ndimage.maximum_filter(rise, EDGE_PX) / EDGE_HU) ** 2)
