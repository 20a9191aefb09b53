"""Parallel-beam projection and filtered back-projection of slices, on any torch device.

Slices go through together as channels, so that the sampling positions of a view are worked out once for all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F


@dataclass(frozen=True)
class ParallelBeam:
    """Views spread evenly over 180 degrees on a flat detector centred on the rotation axis.

    Args:
        views: number of projections.
        bins: number of detector bins.
        bin_mm: width of a bin in mm; rays are sampled at this step as well.
    """

    views: int
    bins: int
    bin_mm: float

    def angles(self) -> list[float]:
        """The angle of each view in radians."""
        return [math.pi * view / self.views for view in range(self.views)]

    def positions_mm(self, device: torch.device | str = "cpu") -> torch.Tensor:
        """The centre of each bin in mm from the axis, shape (bins,)."""
        return (torch.arange(self.bins, device=device) - (self.bins - 1) / 2) * self.bin_mm


def project(attenuation: torch.Tensor, pixel_mm: tuple[float, float], beam: ParallelBeam) -> torch.Tensor:
    """Line integrals of slices whose centre lies on the rotation axis.

    Args:
        attenuation: float32, shape (k, j, i), per mm; zero is assumed outside.
        pixel_mm: pixel size (row j, column i).

    Returns:
        Line integrals without unit, shape (k, view, bin).
    """
    count, rows, columns = attenuation.shape
    positions = beam.positions_mm(attenuation.device)
    near = positions.abs() <= _reach_mm(attenuation, pixel_mm)  # beyond, rays meet nothing
    t, s = positions[near, None], positions[None, near]
    pixels = F.pad(attenuation.permute(1, 2, 0), (0, 0, 1, 2, 1, 2))  # (j, i, k), zero around the slices
    width = pixels.shape[1]
    sinogram = torch.zeros(beam.views, beam.bins, count, device=attenuation.device)
    for view, angle in enumerate(beam.angles() if near.any() else ()):
        cos, sin = math.cos(angle), math.sin(angle)
        top, down = _between((t * sin + s * cos) / pixel_mm[0], rows)
        left, right = _between((t * cos - s * sin) / pixel_mm[1], columns)
        corner = top * width + left
        places = torch.stack((corner, corner + 1, corner + width, corner + width + 1), dim=-1)
        weights = ((1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right)
        sinogram[view, near] = _weighted_sums(pixels.flatten(0, 1), places, torch.stack(weights, dim=-1)) * beam.bin_mm
    return sinogram.permute(2, 0, 1)


def _between(places: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The lower neighbour, in a row of `count` with a zero before it and two behind, and the distance from it.

    Places are counted from the middle of the row; those outside come to lie on the zeros.
    """
    places = (places + (count - 1) / 2).clamp(-1, count) + 1
    lower = places.int()
    return lower, places - lower


def _weighted_sums(values: torch.Tensor, places: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Sums of values (place, k) over all but the first axis of `places`; shape (first axis, k).

    Places and weights are worked out once for all slices, other than by `grid_sample`.
    """
    return F.embedding_bag(places.flatten(1), values, mode="sum", per_sample_weights=weights.flatten(1))


def _reach_mm(attenuation: torch.Tensor, pixel_mm: tuple[float, float]) -> float:
    """How far from the axis interpolation between the pixels still gives something."""
    places = attenuation.any(dim=0).nonzero()
    if not len(places):
        return 0.0
    size = torch.tensor(pixel_mm, device=places.device)
    middle = (torch.tensor(attenuation.shape[1:], device=places.device) - 1) / 2
    return float(torch.linalg.vector_norm((places - middle).abs() * size + size, dim=1).max())


def ramp_filter(sinogram: torch.Tensor, bin_mm: float, cut_off: float = 1.0) -> torch.Tensor:
    """Ram-Lak filter with a Hamming window that ends at `cut_off` Nyquist frequencies; shape (..., bin), result per mm.

    The filter is the transform of its taps in space (Kak and Slaney, eq. 3.61), not |f| sampled in frequency, which
    is zero at DC and so shifts all HU.
    """
    bins = sinogram.shape[-1]
    length = 2 ** math.ceil(math.log2(2 * bins))
    n = torch.arange(-length // 2, length // 2, device=sinogram.device, dtype=torch.float64)
    taps = torch.where(n.remainder(2) == 1, -1 / (math.pi * n) ** 2, 0.0)
    taps[length // 2] = 0.25
    response = torch.fft.rfft(torch.fft.ifftshift(taps)).real / bin_mm
    frequency = torch.fft.rfftfreq(length, device=sinogram.device, dtype=torch.float64)
    window = 0.54 + 0.46 * torch.cos(2 * math.pi * frequency / cut_off)
    response = response * torch.where(frequency <= cut_off / 2, window, 0.0)
    spectrum = torch.fft.rfft(sinogram, n=length) * response.to(sinogram.dtype)
    return torch.fft.irfft(spectrum, n=length)[..., :bins]


def back_project(
    filtered: torch.Tensor, shape: tuple[int, int], pixel_mm: tuple[float, float], beam: ParallelBeam
) -> torch.Tensor:
    """Slices from filtered projections: the adjoint sum over views, times pi / views.

    Args:
        filtered: shape (k, view, bin), per mm.
        shape: rows and columns of the slices; their centre lies on the rotation axis.
        pixel_mm: pixel size (row j, column i).

    Returns:
        Attenuation per mm, shape (k, j, i).
    """
    device = filtered.device
    y = ((torch.arange(shape[0], device=device) - (shape[0] - 1) / 2) * pixel_mm[0])[:, None]
    x = ((torch.arange(shape[1], device=device) - (shape[1] - 1) / 2) * pixel_mm[1])[None, :]
    bins = F.pad(filtered.permute(1, 2, 0), (0, 0, 1, 2))  # (view, bin, k), zero beside the detector
    sums = torch.zeros(shape[0] * shape[1], filtered.shape[0], device=device)
    for view, angle in enumerate(beam.angles()):
        left, right = _between((x * math.cos(angle) + y * math.sin(angle)).flatten() / beam.bin_mm, beam.bins)
        places, weights = torch.stack((left, left + 1), dim=1), torch.stack((1 - right, right), dim=1)
        sums += _weighted_sums(bins[view], places, weights)
    return sums.T.reshape(-1, *shape) * (math.pi / beam.views)
