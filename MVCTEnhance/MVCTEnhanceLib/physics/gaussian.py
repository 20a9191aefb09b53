"""Gaussian blur of tensors, on any torch device."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def gaussian_taps(sd: float | torch.Tensor, radius: int, *, like: torch.Tensor) -> torch.Tensor:
    """A Gaussian of this SD in samples, cut at the radius and of sum 1.

    Args:
        like: gives device and dtype.

    Returns:
        shape (2 radius + 1,).
    """
    offsets = torch.arange(-radius, radius + 1, device=like.device, dtype=like.dtype)
    taps = torch.exp(-0.5 * (offsets / sd) ** 2)
    return taps / taps.sum()


def gaussian_blur(slices: torch.Tensor, sd_px: float | torch.Tensor, radius: int, *, padding: str) -> torch.Tensor:
    """Slices (n, 1, j, i) blurred along both axes; `padding` is a mode of `torch.nn.functional.pad`."""
    taps = gaussian_taps(sd_px, radius, like=slices)
    padded = F.pad(slices, (radius,) * 4, mode=padding)
    return F.conv2d(F.conv2d(padded, taps[None, None, None, :]), taps[None, None, :, None])
