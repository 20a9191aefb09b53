"""Settings of a simulated MVCT: scanner, protocol, and what real scans show besides the patient."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ..errors import InputError

METALS = ("", "teeth", "hip")
#: The smallest and the largest value of each setting.
LIMITS = {
    "matrix": (1, 4096),
    "pixel_mm": (0.01, 100),
    "views": (1, 100_000),
    "blur_fwhm_mm": (0, 20),
    "photons": (0, 1e9),
    "kernel": (0.1, 10),
    "denoising_mm": (0, 10),
    "slice_mm": (0, 20),
    "scatter": (0, 1),
    "gain_sd": (0, 0.2),
    "hu_offset": (-200, 200),
    "hu_slope": (0.5, 2),
    "motion_mm": (0, 20),
    "seed": (0, 2**32 - 1),
}


@dataclass(frozen=True)
class MVCTSettings:
    """The simulated scanner and scan; the defaults are a TomoTherapy MVCT with nothing but noise.

    Args:
        matrix: rows and columns of the reconstructed slices.
        pixel_mm: their pixel size (matrix x pixel_mm is the field of view).
        views: projections over 180 degrees.
        blur_fwhm_mm: detector blur.
        photons: dose, as mean counts of a detector bin without the patient. The default gives 24 HU of noise in the
            centre of 20 cm of water, the upper end of what is published for the scanner (De Marco et al., Phys Med
            57, 2019: 2.3-2.4 %); 0 simulates without noise.
        kernel: where the window on the ramp filter ends, in Nyquist frequencies; below 1 softer than the Hamming
            window, above 1 sharper (Kak and Slaney, Principles of Computerized Tomographic Imaging, 1988, ch. 3).
        denoising_mm: SD of the smoothing away from edges, like that of an iterative reconstruction; see `denoise`
            (Velten et al., J Appl Clin Med Phys 21(5), 2020); 0 is none.
        slice_mm: slice width of the helical path, see `helical`: TomoTherapy has 2, 4 and 6 mm (TG-148, Langen et
            al., Med Phys 37, 2010); 0 is the kVCT's own slices, without a helix.
        scatter: scattered photons, about as a fraction of the primary ones behind 20 cm of water; see
            `detector.scattered` (Ohnesorge et al., Eur Radiol 9, 1999).
        gain_sd: SD of the relative errors of the detectors' gains, which make rings; see `detector.gain_errors`.
        couch: whether the patient lies on the scanner's couch; see `couch`.
        truncated: whether the detector ends where the field of view does; see `detector.extrapolated`.
        hu_offset: HU added to the scan (TG-148 allows ±30 HU for water).
        hu_slope: HU of the scan per HU, before the offset.
        metal: "teeth" for fillings, "hip" for a prosthesis; see `metal`.
        motion_mm: amplitude of a breathing motion between the views; see `detector.moved`.
        seed: of noise and gains; an axial slice's noise depends on the seed and its number from the feet only.

    Raises:
        InputError: a setting out of its limits, in one sentence.
    """

    matrix: int = 512
    pixel_mm: float = 0.763
    views: int = 600
    blur_fwhm_mm: float = 1.2
    photons: float = 2.66e4
    kernel: float = 1.0
    denoising_mm: float = 0.0
    slice_mm: float = 0.0
    scatter: float = 0.0
    gain_sd: float = 0.0
    couch: bool = False
    truncated: bool = False
    hu_offset: float = 0.0
    hu_slope: float = 1.0
    metal: str = ""
    motion_mm: float = 0.0
    seed: int = 0

    def __post_init__(self):
        if self.metal not in METALS:
            raise InputError(f"There is no metal '{self.metal}': choose one of {', '.join(METALS[1:])}, or none.")
        for name, (low, high) in LIMITS.items():
            if not (math.isfinite(getattr(self, name)) and low <= getattr(self, name) <= high):
                raise InputError(
                    f"The scanner's {name} is {getattr(self, name)}: give a number from {low:g} to {high:g}."
                )

    def changed(self) -> dict[str, Any]:
        """The settings that differ from the defaults, by name."""
        return {
            item.name: getattr(self, item.name) for item in fields(self) if getattr(self, item.name) != item.default
        }


def random_scanner(seed: int) -> MVCTSettings:
    """A scanner drawn from the ranges of docs/simulation.md; the same seed gives the same one, with that seed."""
    draw = np.random.default_rng(seed)

    def sometimes(value: float) -> float:
        return value if draw.random() < 0.5 else 0.0

    def uniform(low: float, high: float, digits: int) -> float:
        return round(float(draw.uniform(low, high)), digits)

    def log_uniform(low: float, high: float) -> float:
        return float(np.exp(draw.uniform(math.log(low), math.log(high))))

    return MVCTSettings(
        photons=round(MVCTSettings.photons * log_uniform(0.4, 3)),
        blur_fwhm_mm=uniform(1.0, 2.0, 2),
        kernel=round(log_uniform(0.6, 2), 2),
        denoising_mm=sometimes(uniform(0.4, 1.4, 2)),
        slice_mm=float(draw.choice((2, 4, 6))),
        scatter=uniform(0, 0.02, 3),
        gain_sd=sometimes(uniform(0, 0.002, 4)),
        couch=bool(draw.random() < 0.5),
        truncated=True,
        hu_offset=uniform(-15, 15, 1),
        hu_slope=uniform(0.98, 1.02, 3),
        metal=str(draw.choice(METALS, p=(0.8, 0.1, 0.1))),
        motion_mm=sometimes(uniform(0, 2, 1)),
        seed=seed,
    )
