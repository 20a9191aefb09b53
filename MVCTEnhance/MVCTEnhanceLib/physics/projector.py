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
    _, rows, columns = attenuation.shape
    t = beam.positions_mm(attenuation.device)[:, None]
    s = beam.positions_mm(attenuation.device)[None, :]
    half_j, half_i = rows * pixel_mm[0] / 2, columns * pixel_mm[1] / 2
    sinogram = []
    for angle in beam.angles():
        cos, sin = math.cos(angle), math.sin(angle)
        grid = torch.stack(((t * cos - s * sin) / half_i, (t * sin + s * cos) / half_j), dim=-1)
        rays = F.grid_sample(attenuation[None], grid[None], align_corners=False)
        sinogram.append(rays[0].sum(dim=-1) * beam.bin_mm)
    return torch.stack(sinogram, dim=1)


def ramp_filter(sinogram: torch.Tensor, bin_mm: float) -> torch.Tensor:
    """Ram-Lak filter with a Hamming window; shape (..., bin), result per mm.

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
    response = response * (0.54 + 0.46 * torch.cos(2 * math.pi * frequency))
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
    half = beam.bins * beam.bin_mm / 2
    slices = torch.zeros((filtered.shape[0], *shape), device=device)
    row = torch.zeros(shape, device=device)
    for view, angle in enumerate(beam.angles()):
        bins = (x * math.cos(angle) + y * math.sin(angle)) / half
        grid = torch.stack((bins, row), dim=-1)[None]
        slices += F.grid_sample(filtered[None, :, view : view + 1], grid, align_corners=False)[0]
    return slices * (math.pi / beam.views)
