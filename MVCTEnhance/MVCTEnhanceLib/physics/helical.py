"""The slice profile of a helical scan: which kVCT slices each view of an MVCT slice sees, and how much of them.

A TomoTherapy beam is 4 mm wide, and the couch moves by one, two or three times that in a turn, for slices of 2, 4 and
6 mm (TG-148, Langen et al., Med Phys 37, 2010). Each half turn sees all of a parallel beam, so that a view of a slice
is interpolated between the two passes of its angle on either side, a slice width apart (180-degree linear
interpolation: Crawford and King, Med Phys 17, 1990). Of a kVCT slice a slab of its thickness is taken, as even as the
slice; the beam's mean is taken of line integrals.
"""

from __future__ import annotations

import math

import torch

BEAM_MM = 4.0


def view_weights(k: int, views: int, slice_mm: float, step_mm: float) -> torch.Tensor:
    """Parts of the kVCT slices k - reach to k + reach in each view of the MVCT slice in the place of slice k.

    Args:
        k: number of the slice, which says at which angle the beam passes through it.
        views: projections over 180 degrees.
        slice_mm: slice width, which is the couch's way in a half turn.
        step_mm: distance of the kVCT's slices.

    Returns:
        shape (views, 2 reach + 1), the sum of each row 1.
    """
    neighbours = torch.arange(-reach(slice_mm, step_mm), reach(slice_mm, step_mm) + 1)
    below_mm = (k * step_mm - slice_mm * torch.arange(views, dtype=torch.float64) / views).remainder(slice_mm)
    above_part = below_mm[:, None] / slice_mm

    def seen(beam_mm: torch.Tensor) -> torch.Tensor:
        """Parts of the slabs in a beam at this distance from the slice."""
        edges = (neighbours[:, None] + torch.tensor([-0.5, 0.5])) * step_mm
        low = torch.maximum(edges[:, 0], beam_mm[:, None] - BEAM_MM / 2)
        high = torch.minimum(edges[:, 1], beam_mm[:, None] + BEAM_MM / 2)
        return (high - low).clamp(min=0) / BEAM_MM

    weights = (1 - above_part) * seen(-below_mm) + above_part * seen(slice_mm - below_mm)
    return weights.float()


def reach(slice_mm: float, step_mm: float) -> int:
    """How many slices on either side a view may see."""
    return math.ceil((slice_mm + BEAM_MM / 2) / step_mm - 0.5)


def neighbours(k: int, total: int, slice_mm: float, step_mm: float) -> list[int]:
    """Numbers of the slices that `view_weights` has parts of; beyond the ends of the scan its last slice goes on."""
    beside = reach(slice_mm, step_mm)
    return [min(max(n, 0), total - 1) for n in range(k - beside, k + beside + 1)]


def mean_weights(k: int, views: int, slice_mm: float, step_mm: float) -> torch.Tensor:
    """The slice profile: the parts of `view_weights` averaged over the views, shape (2 reach + 1,)."""
    return view_weights(k, views, slice_mm, step_mm).mean(dim=0)
