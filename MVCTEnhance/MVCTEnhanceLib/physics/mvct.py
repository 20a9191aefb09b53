"""Simulated MVCT: what a TomoTherapy scan of a kilovoltage CT's patient would look like."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from ..volume import Volume
from ..volume.grid import axial, turned
from ..volume.values import AIR_HU
from . import couch, helical
from .denoise import denoise
from .density import density_hu_from_kv
from .detector import (
    BREATHS_A_HALF_TURN,
    blurred,
    extrapolated,
    gain_errors,
    moved,
    scale_for_scatter,
    scattered,
)
from .metal import with_metal
from .projector import ParallelBeam, back_project, project, ramp_filter
from .settings import MVCTSettings

WATER_PER_MM = 0.0068  # at about 3.5 MV
_SEEDS_APART = 1_000_003


def usable_device(device: torch.device) -> torch.device:
    """The device, or the processor in place of an Apple GPU, for which PyTorch before 2.10 lacks `embedding_bag`."""
    return torch.device("cpu") if device.type == "mps" else device


def simulate_mvct(
    kvct: Volume,
    settings: MVCTSettings | None = None,
    *,
    batch: int = 12,
    device: torch.device | str = "cpu",
    only: Sequence[int] | None = None,
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
        only: numbers of the axial slices from the feet to simulate, ascending; all of them by default. The others are
            seen where a slice is wider than the kVCT's.
        on_slices: called with the number of slices done and their total.

    Returns:
        int16 HU on the MVCT grid: the kVCT's axial slices, in-plane `settings.matrix` pixels of `settings.pixel_mm`
        about the same centre, with the axes in the kVCT's order.
    """
    settings = settings or MVCTSettings()
    order, kvct = kvct.direction, scanned(kvct, settings)
    numbers = range(len(kvct.array)) if only is None else list(map(int, only))
    simulated = np.empty((len(numbers), settings.matrix, settings.matrix), np.int16)
    scan = Scan(kvct, settings, usable_device(torch.device(device)))
    limits = np.iinfo(np.int16)
    for start in range(0, len(numbers), batch):
        stop = min(start + batch, len(numbers))
        simulated[start:stop] = scan.slices(numbers[start:stop]).round().clamp(limits.min, limits.max).cpu().numpy()
        if on_slices:
            on_slices(stop, len(numbers))
    return turned(on_mvct_grid(kvct, simulated, settings), order)


def scanned(kvct: Volume, settings: MVCTSettings) -> Volume:
    """The axial slices that are scanned: the kVCT with metal, and without its own couch where it gets the scanner's."""
    kvct = axial(kvct)
    return with_metal(couch.without_own_couch(kvct) if settings.couch else kvct, settings.metal)


def on_mvct_grid(kvct: Volume, array: np.ndarray, settings: MVCTSettings) -> Volume:
    """Axial slices (k, `matrix`, `matrix`) in the place of the kVCT's, about the same centre."""
    rows, columns = kvct.array.shape[1:]
    old_centre = np.array([(columns - 1) / 2 * kvct.spacing[0], (rows - 1) / 2 * kvct.spacing[1], 0.0])
    new_centre = np.array([(settings.matrix - 1) / 2 * settings.pixel_mm] * 2 + [0.0])
    origin = np.asarray(kvct.origin) + kvct.direction @ (old_centre - new_centre)
    spacing = (settings.pixel_mm, settings.pixel_mm, kvct.spacing[2])
    return Volume(array, spacing, tuple(float(c) for c in origin), kvct.direction, warnings=kvct.warnings)


def field_mask(settings: MVCTSettings, margin_mm: float = 0.0) -> torch.Tensor:
    """The pixels whose distance from the axis is at most half the field of view less a margin, shape (j, i)."""
    places = (torch.arange(settings.matrix) - (settings.matrix - 1) / 2) * settings.pixel_mm
    return torch.hypot(places[:, None], places) <= settings.matrix * settings.pixel_mm / 2 - margin_mm


class Scan:
    """One scan: its patient, its beam, and what all of its slices share.

    Args:
        kvct: axial slices, as `scanned` gives them.
        settings: the scanner.
        device: where to compute.
    """

    def __init__(self, kvct: Volume, settings: MVCTSettings, device: torch.device):
        self.kvct, self.settings, self.device = kvct, settings, device
        self.pixel_mm, self.step_mm = (kvct.spacing[1], kvct.spacing[0]), kvct.spacing[2]
        self.beam = _beam(kvct.array.shape[1:], self.pixel_mm, settings)
        self.integrals: dict[int, torch.Tensor] = {}  # of the slices that were projected and may be seen again
        self.couch = self.gains = self.scale = None
        if settings.couch:
            self.couch = WATER_PER_MM * couch.path_lengths(couch.top_mm(kvct), self.beam, device)
        if settings.scatter:
            self.scale = scale_for_scatter(settings.scatter, WATER_PER_MM, self.beam)
        if settings.gain_sd:
            generator = torch.Generator().manual_seed((settings.seed + 1) * _SEEDS_APART - 1)
            self.gains = gain_errors(self.beam.bins, settings.gain_sd, generator).to(device)

    def by(self, **changes: float) -> Scan:
        """The same patient's scan by a scanner with other settings, which takes over the line integrals of this one.

        Args:
            changes: of the settings; none of what the beam and the patient depend on (grid, views, couch, metal).
        """
        scan = Scan(self.kvct, replace(self.settings, **changes), self.device)
        scan.integrals = self.integrals
        return scan

    def slices(self, numbers: Sequence[int]) -> torch.Tensor:
        """HU of these slices of the MVCT, shape (k, `matrix`, `matrix`)."""
        settings, beam = self.settings, self.beam
        integrals = self._patient(numbers)
        if self.couch is not None:
            integrals = integrals + self.couch
        measured = -torch.log(self._counts(integrals, numbers))
        if self.scale is not None:
            measured = measured * self.scale
        if self.gains is not None:
            measured = measured + self.gains
        if settings.truncated:
            measured = extrapolated(measured, beam, settings.matrix * settings.pixel_mm)
        filtered = ramp_filter(measured, beam.bin_mm, settings.kernel)
        shape = (settings.matrix, settings.matrix)
        hu = 1000 * (back_project(filtered, shape, (settings.pixel_mm, settings.pixel_mm), beam) / WATER_PER_MM - 1)
        if settings.denoising_mm:
            hu = denoise(hu, settings.denoising_mm / settings.pixel_mm)
        if (settings.hu_slope, settings.hu_offset) != (1, 0):
            hu = settings.hu_slope * hu + settings.hu_offset
        if settings.truncated:
            hu = hu.masked_fill(~field_mask(settings).to(hu.device), AIR_HU)
        return hu

    def _patient(self, numbers: Sequence[int]) -> torch.Tensor:
        """Line integrals through the patient in the views of these slices, shape (k, view, bin)."""
        settings = self.settings
        seen = self._projected(seen_slices(numbers, self.kvct, settings))
        if settings.slice_mm:
            integrals = torch.stack([self._helical(k, seen) for k in numbers])
        else:
            integrals = torch.stack([seen[k] for k in numbers])
        if settings.motion_mm:
            half_turns = torch.tensor(numbers) * self.step_mm / (settings.slice_mm or self.step_mm)
            integrals = moved(integrals, self.beam, settings.motion_mm, half_turns * BREATHS_A_HALF_TURN)
        return integrals

    def _projected(self, numbers: Sequence[int]) -> dict[int, torch.Tensor]:
        """Line integrals of slices of the kVCT by their number; those of the call before are not worked out again."""
        missing = [k for k in numbers if k not in self.integrals]
        known = {k: self.integrals[k] for k in numbers if k in self.integrals}
        if missing:
            hu = torch.from_numpy(self.kvct.array[missing].astype(np.float32, order="C")).to(self.device)
            attenuation = (WATER_PER_MM * (1 + density_hu_from_kv(hu) / 1000)).clamp(min=0)
            known |= zip(missing, project(attenuation, self.pixel_mm, self.beam), strict=True)
        self.integrals = known
        return known

    def _helical(self, k: int, seen: dict[int, torch.Tensor]) -> torch.Tensor:
        weights = helical.view_weights(k, self.beam.views, self.settings.slice_mm, self.step_mm).to(self.device)
        neighbours = helical.neighbours(k, len(self.kvct.array), self.settings.slice_mm, self.step_mm)
        return sum(
            part[:, None] * seen[neighbour] for neighbour, part in zip(neighbours, weights.T, strict=True) if part.any()
        )

    def _counts(self, integrals: torch.Tensor, numbers: Sequence[int]) -> torch.Tensor:
        """Counts of the detector's bins, 1 without the patient."""
        settings, beam = self.settings, self.beam
        transmitted = torch.exp(-integrals)
        if settings.scatter:
            transmitted = transmitted + settings.scatter * scattered(integrals, beam.bin_mm)
        counts = blurred(transmitted, settings.blur_fwhm_mm / beam.bin_mm)
        if settings.photons:
            # The generators live on the CPU, so that the same seed gives the same scan on every device.
            noise = (torch.Generator().manual_seed(settings.seed * _SEEDS_APART + k) for k in numbers)
            counts = torch.stack(
                [torch.poisson(c.cpu() * settings.photons, g) for c, g in zip(counts, noise, strict=True)]
            )
            counts = counts.clamp(min=1).to(self.device) / settings.photons
        return counts


def seen_slices(numbers: Sequence[int], kvct: Volume, settings: MVCTSettings) -> list[int]:
    """Numbers of the kVCT's slices that these slices of the MVCT see something of."""
    if not settings.slice_mm:
        return list(numbers)
    total, step_mm = len(kvct.array), kvct.spacing[2]
    return sorted({n for k in numbers for n in helical.neighbours(k, total, settings.slice_mm, step_mm)})


def _beam(shape: tuple[int, int], pixel_mm: tuple[float, float], settings: MVCTSettings) -> ParallelBeam:
    """A detector that sees all of the patient and all of the reconstructed field, so that nothing is truncated."""
    patient = math.hypot(shape[0] * pixel_mm[0], shape[1] * pixel_mm[1])
    field = math.sqrt(2) * settings.matrix * settings.pixel_mm
    return ParallelBeam(settings.views, math.ceil(max(patient, field) / settings.pixel_mm), settings.pixel_mm)
