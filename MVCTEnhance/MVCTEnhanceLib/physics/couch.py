"""The scanner's couch under the patient: 20 mm of foam between two carbon-fibre plates, wider than the field of view.

Sizes and densities are round numbers, since none are published for a TomoTherapy couch: 530 mm wide, plates of 2 mm
and 1.4 times the electron density of water.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from ..quality.body import body_mask
from ..quality.masks import dilate
from ..volume import Volume
from ..volume.values import AIR_HU
from .density import kv_hu_from_density
from .projector import ParallelBeam

WIDTH_MM = 530.0
PLATE_MM, FOAM_MM = 2.0, 20.0
PLATE_HU, FOAM_HU = 400.0, -920.0  # on the density scale
SKIN_HU = -400.0
MARGIN_MM = 4.0


def layers_mm(top_mm: float) -> tuple[tuple[float, float, float], ...]:
    """(upper edge in mm to the back, thickness in mm, density HU) of each layer of a couch that begins at `top_mm`."""
    foam = top_mm + PLATE_MM
    return (top_mm, PLATE_MM, PLATE_HU), (foam, FOAM_MM, FOAM_HU), (foam + FOAM_MM, PLATE_MM, PLATE_HU)


def without_own_couch(kvct: Volume) -> Volume:
    """Axial slices with air in place of all that lies more than `MARGIN_MM` from the body, the kVCT's couch too."""
    pixel_mm = kvct.spacing[1::-1]
    sides = tuple(2 * round(MARGIN_MM / size) + 1 for size in pixel_mm)
    bodies = (dilate(body_mask(hu, pixel_size=pixel_mm), sides) for hu in kvct.array)
    array = [np.where(body, hu, AIR_HU) for body, hu in zip(bodies, kvct.array, strict=True)]
    return kvct.with_array(np.stack(array).astype(kvct.array.dtype))


def top_mm(kvct: Volume) -> float:
    """Where a couch begins under all axial slices of a patient on the back, in mm to the back from their middle."""
    rows = np.flatnonzero((kvct.array > SKIN_HU).any(axis=(0, 2)))
    lowest, middle = rows[-1] if len(rows) else kvct.array.shape[1] - 1, (kvct.array.shape[1] - 1) / 2
    return float((lowest + 0.5 - middle) * kvct.spacing[1])


def path_lengths(top_mm: float, beam: ParallelBeam, device: torch.device | str = "cpu") -> torch.Tensor:
    """Line integrals through the couch of the density relative to water, in mm, shape (view, bin)."""
    t = beam.positions_mm(device)
    total = torch.zeros(beam.views, beam.bins, device=device)
    for upper, thickness, hu in layers_mm(top_mm):
        for view, angle in enumerate(beam.angles()):
            total[view] += (1 + hu / 1000) * _chords(t - (upper + thickness / 2) * math.sin(angle), angle, thickness)
    return total


def _chords(t: torch.Tensor, angle: float, thickness: float) -> torch.Tensor:
    """Lengths in a rectangle about the axis, `WIDTH_MM` wide, of rays at the distances t."""
    sin, cos = abs(math.sin(angle)), abs(math.cos(angle))
    wide, thick = WIDTH_MM * cos / 2, thickness * sin / 2
    longest = min(WIDTH_MM / max(sin, 1e-9), thickness / max(cos, 1e-9))
    return longest * ((wide + thick - t.abs()) / max(2 * min(wide, thick), 1e-9)).clamp(0, 1)


def painted(hu: torch.Tensor, top_mm: float, pixel_mm: float) -> torch.Tensor:
    """A kVCT's slices (k, j, i) of square pixels in HU, with the couch in place of what was there."""
    hu = hu.clone()
    for upper, thickness, layer_hu in layers_mm(top_mm):
        down = _covered(hu.shape[1], pixel_mm, upper, upper + thickness)
        across = _covered(hu.shape[2], pixel_mm, -WIDTH_MM / 2, WIDTH_MM / 2)
        layer = kv_hu_from_density(torch.tensor(layer_hu))
        hu += (down[:, None] * across).to(hu) * (layer - hu)
    return hu


def _covered(pixels: int, pixel_mm: float, low_mm: float, high_mm: float) -> torch.Tensor:
    """The part of each pixel along an axis that lies between two places, shape (pixels,)."""
    centre = (torch.arange(pixels) - (pixels - 1) / 2) * pixel_mm
    overlap = (centre + pixel_mm / 2).clamp(max=high_mm) - (centre - pixel_mm / 2).clamp(min=low_mm)
    return overlap.clamp(min=0) / pixel_mm
