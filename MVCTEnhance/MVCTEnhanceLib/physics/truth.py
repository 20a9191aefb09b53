"""The kVCT that a simulated MVCT is to be compared with, and where a comparison is fair."""

from __future__ import annotations

import numpy as np
import torch

from ..volume import Volume
from ..volume.grid import turned
from ..volume.resample import resample_slices
from ..volume.values import AIR_HU, PADDING_HU
from . import couch, helical
from .couch import SKIN_HU
from .metal import slices_with_metal
from .mvct import field_mask, on_mvct_grid, scanned, seen_slices
from .settings import MVCTSettings

RIM_MM = 20.0  # of a field that cuts a patient off
TRUNCATED, METAL = 1, 2


def true_kvct(kvct: Volume, settings: MVCTSettings) -> Volume:
    """The kVCT of what `simulate_mvct` scans with these settings, as the MVCT would be without any error.

    Slices have the MVCT's profile, metal and couch are where the MVCT has them, and outside a truncated field is air.

    Args:
        kvct: HU, shape (k, j, i), in any order of its axes.
        settings: those of the MVCT.

    Returns:
        int16 HU on the MVCT's grid, interpolated bicubically, air outside the kVCT's own field.
    """
    order, kvct = kvct.direction, scanned(kvct, settings)
    pixel_mm, shape = (settings.pixel_mm, settings.pixel_mm), (settings.matrix, settings.matrix)
    in_air = np.pad(_profiled(kvct, settings), ((0, 0), (1, 1), (1, 1)), constant_values=AIR_HU)
    hu = resample_slices(torch.from_numpy(in_air), kvct.spacing[1::-1], pixel_mm, shape)
    if settings.couch:
        hu = couch.painted(hu, couch.top_mm(kvct), settings.pixel_mm)
    if settings.truncated:
        hu = hu.masked_fill(~field_mask(settings), AIR_HU)
    array = hu.round().clamp(PADDING_HU, np.iinfo(np.int16).max).numpy().astype(np.int16)
    return turned(on_mvct_grid(kvct, array, settings), order)


def disturbed(kvct: Volume, settings: MVCTSettings) -> Volume:
    """Where an MVCT with these settings is to be measured apart from the rest.

    Returns:
        uint8 on the MVCT's grid: `TRUNCATED` outside the field and within `RIM_MM` of its rim, in slices in which the
        field cuts off the patient or the couch; `METAL` in whole slices that see metal; 0 elsewhere.
    """
    order, kvct = kvct.direction, scanned(kvct, settings)
    total, step_mm = len(kvct.array), kvct.spacing[2]
    labels = np.zeros((total, settings.matrix, settings.matrix), np.uint8)
    if settings.truncated:
        rim = ~field_mask(settings, RIM_MM).numpy()
        for k in np.flatnonzero(_reaches_out(kvct, settings)):
            labels[k, rim] = TRUNCATED
    metal = set(slices_with_metal(settings.metal, total, step_mm))
    for k in range(total):
        if metal.intersection(seen_slices([k], kvct, settings)):
            labels[k] = METAL
    return turned(on_mvct_grid(kvct, labels, settings), order)


def _profiled(kvct: Volume, settings: MVCTSettings) -> np.ndarray:
    """Slices averaged over the MVCT's profile, float32."""
    array = kvct.array.astype(np.float32)
    if not settings.slice_mm:
        return array
    total, width, step_mm = len(array), settings.slice_mm, kvct.spacing[2]
    means = []
    for k in range(total):
        parts = helical.mean_weights(k, settings.views, width, step_mm).numpy()
        means.append(np.tensordot(parts, array[helical.neighbours(k, total, width, step_mm)], axes=1))
    return np.stack(means)


def _reaches_out(kvct: Volume, settings: MVCTSettings) -> np.ndarray:
    """Whether the field of view cuts something off, for each slice."""
    radius_mm = settings.matrix * settings.pixel_mm / 2
    if settings.couch and radius_mm < couch.WIDTH_MM / 2:
        return np.ones(len(kvct.array), bool)
    y, x = ((np.arange(n) - (n - 1) / 2) * mm for n, mm in zip(kvct.array.shape[1:], kvct.spacing[1::-1], strict=True))
    outside = np.hypot(y[:, None], x) > radius_mm
    return (kvct.array[:, outside] > SKIN_HU).any(axis=1)
