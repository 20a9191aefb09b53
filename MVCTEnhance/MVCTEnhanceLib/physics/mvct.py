"""Simulated MVCT: what a TomoTherapy scan of a kilovoltage CT's patient would look like."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from ..volume import Volume
from ..volume.grid import axial, turned
from .density import density_hu_from_kv
from .gaussian import gaussian_taps
from .projector import ParallelBeam, back_project, project, ramp_filter

WATER_PER_MM = 0.0068  # at about 3.5 MV


@dataclass(frozen=True)
class MVCTSettings:
    """The simulated scanner; the defaults are a TomoTherapy MVCT.

    Args:
        matrix: rows and columns of the reconstructed slices.
        pixel_mm: their pixel size (matrix x pixel_mm is the field of view).
        views: projections over 180 degrees.
        blur_fwhm_mm: detector blur.
        photons: mean counts of a detector bin without the patient. The default gives 24 HU of noise in the
            centre of 20 cm of water, the upper end of what is published for the scanner (De Marco et al., Phys Med
            57, 2019: 2.3-2.4 %); 0 simulates without noise.
        seed: of the noise; an axial slice's noise depends on the seed and its number from the feet only.
    """

    matrix: int = 512
    pixel_mm: float = 0.763
    views: int = 600
    blur_fwhm_mm: float = 1.2
    photons: float = 2.66e4
    seed: int = 0


def usable_device(device: torch.device) -> torch.device:
    """The device, or the processor in place of an Apple GPU, for which PyTorch before 2.10 lacks `embedding_bag`."""
    return torch.device("cpu") if device.type == "mps" else device


def simulate_mvct(
    kvct: Volume,
    settings: MVCTSettings | None = None,
    *,
    batch: int = 12,
    device: torch.device | str = "cpu",
    on_slices: Callable[[int, int], None] | None = None,
) -> Volume:
    """MVCT of the patient in a kilovoltage CT, slice by slice.

    HU -> electron density -> attenuation at 3.5 MV -> projections -> detector blur -> Poisson counts -> logarithm ->
    filtered back-projection -> HU. The rotation axis passes through the centre of the slices.

    Args:
        kvct: HU, shape (k, j, i), in any order of its axes; what is left of -1000 HU counts as air.
        settings: the scanner.
        batch: slices that go through together.
        device: where to compute; `usable_device` is taken.
        on_slices: called with the number of slices done and their total.

    Returns:
        int16 HU on the MVCT grid: the kVCT's axial slices, in-plane `settings.matrix` pixels of `settings.pixel_mm`
        about the same centre, with the axes in the kVCT's order.
    """
    settings = settings or MVCTSettings()
    device = usable_device(torch.device(device))
    order, kvct = kvct.direction, axial(kvct)
    total = kvct.array.shape[0]
    simulated = np.empty((total, settings.matrix, settings.matrix), np.int16)
    pixel_mm = (kvct.spacing[1], kvct.spacing[0])
    for start in range(0, total, batch):
        stop = min(start + batch, total)
        hu = torch.from_numpy(kvct.array[start:stop].astype(np.float32, order="C")).to(device)
        noise = [torch.Generator().manual_seed(settings.seed * 1_000_003 + k) for k in range(start, stop)]
        mvct = _simulate_slices(hu, pixel_mm, settings, noise)
        limits = np.iinfo(np.int16)
        simulated[start:stop] = mvct.round().clamp(limits.min, limits.max).cpu().numpy()
        if on_slices:
            on_slices(stop, total)
    return turned(_on_mvct_grid(kvct, simulated, settings), order)


def _simulate_slices(
    hu: torch.Tensor, pixel_mm: tuple[float, float], settings: MVCTSettings, noise: list[torch.Generator]
) -> torch.Tensor:
    attenuation = (WATER_PER_MM * (1 + density_hu_from_kv(hu) / 1000)).clamp(min=0)
    beam = _beam(hu.shape[1:], pixel_mm, settings)
    transmitted = torch.exp(-project(attenuation, pixel_mm, beam))
    counts = _blur(transmitted, settings.blur_fwhm_mm / beam.bin_mm)
    if settings.photons:
        # The generators live on the CPU, so that the same seed gives the same scan on every device.
        counts = torch.stack([torch.poisson(c.cpu() * settings.photons, g) for c, g in zip(counts, noise, strict=True)])
        counts = counts.clamp(min=1).to(hu.device) / settings.photons
    filtered = ramp_filter(-torch.log(counts), beam.bin_mm)
    shape = (settings.matrix, settings.matrix)
    reconstructed = back_project(filtered, shape, (settings.pixel_mm, settings.pixel_mm), beam)
    return 1000 * (reconstructed / WATER_PER_MM - 1)


def _beam(shape: tuple[int, int], pixel_mm: tuple[float, float], settings: MVCTSettings) -> ParallelBeam:
    """A detector that sees all of the patient and all of the reconstructed field, so that nothing is truncated."""
    patient = math.hypot(shape[0] * pixel_mm[0], shape[1] * pixel_mm[1])
    field = math.sqrt(2) * settings.matrix * settings.pixel_mm
    return ParallelBeam(settings.views, math.ceil(max(patient, field) / settings.pixel_mm), settings.pixel_mm)


def _blur(sinogram: torch.Tensor, fwhm_bins: float) -> torch.Tensor:
    """Gaussian blur along the detector."""
    if not fwhm_bins:
        return sinogram
    sigma = fwhm_bins / (2 * math.sqrt(2 * math.log(2)))
    radius = math.ceil(4 * sigma)
    taps = gaussian_taps(sigma, radius, like=sinogram)
    padded = F.pad(sinogram, (radius, radius), mode="replicate")
    flat = padded.reshape(-1, 1, padded.shape[-1])
    return F.conv1d(flat, taps[None, None]).reshape(sinogram.shape)


def _on_mvct_grid(kvct: Volume, array: np.ndarray, settings: MVCTSettings) -> Volume:
    rows, columns = kvct.array.shape[1:]
    old_centre = np.array([(columns - 1) / 2 * kvct.spacing[0], (rows - 1) / 2 * kvct.spacing[1], 0.0])
    new_centre = np.array([(settings.matrix - 1) / 2 * settings.pixel_mm] * 2 + [0.0])
    origin = np.asarray(kvct.origin) + kvct.direction @ (old_centre - new_centre)
    spacing = (settings.pixel_mm, settings.pixel_mm, kvct.spacing[2])
    return Volume(array, spacing, tuple(float(c) for c in origin), kvct.direction, warnings=kvct.warnings)
