"""What happens to projections on their way through a scanner; all of shape (k, view, bin), on any torch device."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from .gaussian import gaussian_taps
from .projector import ParallelBeam, ramp_filter

SCATTER_FWHM_MM = 100.0
EXTRAPOLATED_MM = 15.0
# A TomoTherapy gantry turns by 180 degrees in 5 s while it images; a breath takes about 4 s.
BREATHS_A_HALF_TURN = 1.25


def blurred(transmitted: torch.Tensor, fwhm_bins: float) -> torch.Tensor:
    """Gaussian blur along the detector."""
    if not fwhm_bins:
        return transmitted
    sigma = fwhm_bins / (2 * math.sqrt(2 * math.log(2)))
    radius = math.ceil(4 * sigma)
    taps = gaussian_taps(sigma, radius, like=transmitted)
    padded = F.pad(transmitted, (radius, radius), mode="replicate")
    flat = padded.reshape(-1, 1, padded.shape[-1])
    return F.conv1d(flat, taps[None, None]).reshape(transmitted.shape)


def scattered(integrals: torch.Tensor, bin_mm: float) -> torch.Tensor:
    """Scattered photons per unattenuated one, for `scatter` = 1.

    Single Compton scatter on a ray is p exp(-p), p its line integral; what reaches the detector is that, spread by a
    wide kernel (Ohnesorge et al., Eur Radiol 9, 1999), here a Gaussian of `SCATTER_FWHM_MM`. Behind the middle of
    20 cm of water it comes near the primary photons' number.
    """
    bins = integrals.shape[-1]
    sigma = SCATTER_FWHM_MM / bin_mm / math.sqrt(8 * math.log(2))
    length = bins + math.ceil(4 * sigma)
    frequency = torch.fft.rfftfreq(length, device=integrals.device)
    response = torch.exp(-2 * (math.pi * sigma * frequency) ** 2)
    spectrum = torch.fft.rfft(integrals * torch.exp(-integrals), n=length) * response
    return torch.fft.irfft(spectrum, n=length)[..., :bins].clamp(min=0)


def scale_for_scatter(scatter: float, water_per_mm: float, beam: ParallelBeam) -> float:
    """The factor on attenuation by which the centre of 20 cm of water has 0 HU in spite of the scatter.

    A scanner is calibrated so; what scatter leaves is that smaller bodies and the rim have more HU, larger ones less.
    """
    half_mm, t = 100.0, beam.positions_mm()
    integrals = 2 * water_per_mm * (half_mm**2 - t**2).clamp(min=0).sqrt()
    measured = -torch.log(torch.exp(-integrals) + scatter * scattered(integrals, beam.bin_mm))
    middle = (beam.bins - 1) // 2, beam.bins // 2
    true, found = (float(ramp_filter(views, beam.bin_mm)[list(middle)].mean()) for views in (integrals, measured))
    return true / found


def gain_errors(bins: int, sd: float, generator: torch.Generator) -> torch.Tensor:
    """What wrong gains add to the line integrals of each bin, the same in all views and slices; shape (bins,)."""
    return -torch.log1p(sd * torch.randn(bins, generator=generator).clamp(-3, 3))


def moved(integrals: torch.Tensor, beam: ParallelBeam, motion_mm: float, phases: torch.Tensor) -> torch.Tensor:
    """Projections of a patient who breathes: everything moves to the front and back, as a sine of this amplitude.

    Real organs move against each other; what is kept of that is that the views do not fit together.

    Args:
        phases: of the sine at the first view of each slice, in turns, shape (k,).
    """
    views = torch.arange(beam.views, device=integrals.device) / beam.views
    turns = phases.to(integrals)[:, None] + BREATHS_A_HALF_TURN * views
    shift_mm = motion_mm * torch.sin(2 * math.pi * turns) * torch.sin(math.pi * views)
    places = torch.arange(beam.bins, device=integrals.device) - shift_mm[..., None] / beam.bin_mm
    lower = places.floor()
    padded = F.pad(integrals, (1, 1))
    left, right = (padded.gather(-1, (lower + offset).clamp(0, beam.bins + 1).long()) for offset in (1, 2))
    return torch.lerp(left, right, places - lower)


def extrapolated(integrals: torch.Tensor, beam: ParallelBeam, field_mm: float) -> torch.Tensor:
    """Line integrals that were measured within the field of view only.

    Beyond it, the last ones measured fall to 0 over `EXTRAPOLATED_MM` as a cosine does, so that there is no step. Of
    a patient who is larger this is not enough: the rim of the field becomes too bright.
    """
    positions = beam.positions_mm(integrals.device)
    inside = (positions.abs() <= field_mm / 2).nonzero()
    first, last = int(inside[0]), int(inside[-1])
    index = torch.arange(beam.bins, device=integrals.device).clamp(first, last)
    beyond = (positions - positions[index]).abs() / EXTRAPOLATED_MM
    fall = 0.5 + 0.5 * torch.cos(math.pi * beyond.clamp(max=1))
    return integrals[..., index] * fall
