"""Scans moved onto other grids."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import SimpleITK as sitk

from .itk import to_itk
from .values import AIR_HU
from .volume import Volume

if TYPE_CHECKING:
    import torch


def resample_slices(
    slices: torch.Tensor, pixel_mm: tuple[float, float], new_pixel_mm: tuple[float, float], new_shape: tuple[int, int]
) -> torch.Tensor:
    """Bicubic interpolation in the plane; both grids have the same centre, the border pixel continues outside.

    Args:
        slices: float32, shape (k, j, i).
        pixel_mm: their pixel size (row j, column i).
        new_pixel_mm: pixel size of the result (row j, column i).
        new_shape: rows and columns of the result.

    Returns:
        float32, shape (k, *new_shape).
    """
    rows, columns = (
        _cubic_weights(old, new, new_mm / old_mm).to(slices)
        for old, old_mm, new, new_mm in zip(slices.shape[1:], pixel_mm, new_shape, new_pixel_mm, strict=True)
    )
    return rows @ slices @ columns.T


def shape_at(shape: tuple[int, int], pixel_mm: tuple[float, float], spacing_mm: float) -> tuple[int, int]:
    """Rows and columns that cover slices of this shape with pixels of another size, at least one of each."""
    return tuple(max(1, round(pixels * mm / spacing_mm)) for pixels, mm in zip(shape, pixel_mm, strict=True))


def _cubic_weights(old: int, new: int, step: float) -> torch.Tensor:
    """Weights (new, old) of Keys' cubic convolution (IEEE Trans ASSP 29, 1981) for positions `step` old pixels apart.

    Its constant is -1/2, with which straight lines stay straight; torch's own bicubic, at -3/4, shifts edges by up to
    1/20 pixel.
    """
    import torch  # here, since who moves scans onto the grids of others needs none of it

    position = (torch.arange(new, dtype=torch.float64) - (new - 1) / 2) * step + (old - 1) / 2
    weights = torch.zeros(new, old, dtype=torch.float64)
    for offset in (-1, 0, 1, 2):
        neighbour = position.floor() + offset
        d = (position - neighbour).abs()
        weight = torch.where(d <= 1, (1.5 * d - 2.5) * d**2 + 1, ((2.5 - 0.5 * d) * d - 4) * d + 2)
        weights.scatter_add_(1, neighbour.clamp(0, old - 1).long()[:, None], weight[:, None])
    return weights


def resample_to(volume: Volume, reference: Volume, transform: sitk.Transform | None = None) -> Volume:
    """A volume on the grid of another one, trilinear; -1000 HU outside. Its source is not kept.

    Args:
        transform: from points of the reference to those of the volume, none by default.
    """
    resampled = sitk.Resample(
        to_itk(volume), to_itk(reference), transform or sitk.Transform(), sitk.sitkLinear, AIR_HU, sitk.sitkFloat32
    )
    return replace(reference, array=sitk.GetArrayFromImage(resampled), source=None, warnings=volume.warnings)
