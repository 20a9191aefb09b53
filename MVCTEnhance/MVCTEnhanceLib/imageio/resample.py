"""Scans moved onto other grids."""

from __future__ import annotations

from dataclasses import replace

import SimpleITK as sitk
import torch
import torch.nn.functional as F

from .volume import Volume

AIR_HU = -1000.0


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
    axes = [
        (torch.arange(new, device=slices.device) - (new - 1) / 2) * (new_mm / (old * old_mm / 2))
        for new, new_mm, old, old_mm in zip(new_shape, new_pixel_mm, slices.shape[1:], pixel_mm, strict=True)
    ]
    j, i = torch.meshgrid(*axes, indexing="ij")
    grid = torch.stack((i, j), dim=-1)[None]
    return F.grid_sample(slices[None], grid, mode="bicubic", padding_mode="border", align_corners=False)[0]


def onto_grid(volume: Volume, reference: Volume) -> Volume:
    """A volume on the grid of another one, trilinear; -1000 HU outside. Its source is not kept."""
    resampled = sitk.Resample(
        _image(volume), _image(reference), sitk.Transform(), sitk.sitkLinear, AIR_HU, sitk.sitkFloat32
    )
    return replace(reference, array=sitk.GetArrayFromImage(resampled), source=None, warnings=volume.warnings)


def _image(volume: Volume) -> sitk.Image:
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.spacing)
    image.SetOrigin(volume.origin)
    image.SetDirection(volume.direction.ravel().tolist())
    return image
