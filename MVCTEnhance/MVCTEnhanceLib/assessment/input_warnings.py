"""Input warnings: differences of a scan from those that a model was trained on, found before it is enhanced."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..model.card import Plan
from ..quality.body import body_mask, near_body
from ..quality.noise import noise_sd
from ..quality.slices import Slice
from ..runtime.machine import threads
from ..volume.grid import axial
from .origin import mvct_warnings
from .ranges import is_field

if TYPE_CHECKING:
    from ..volume import Volume

SLICES_LOOKED_AT = 9
AXIAL_COSINE = 0.7  # of the angle between the slices' normal and the patient's long axis
AIR_BELOW_HU = -600.0
STRAY_PERCENT = 0.5  # of the voxels may lie outside of the trained HU: metal, padding


def input_warnings(volume: Volume, plan: Plan, card: Mapping[str, Any]) -> list[str]:
    """What of this scan the model was not trained for, one sentence each; an empty list where nothing is.

    A few slices, spread over the scan, are looked at, so that long scans take no longer than short ones.

    Args:
        volume: the MVCT, with what is known of its acquisition.
        plan, card: of the model; `card["trained_on"]` holds the ranges; a card without them is a warning of its own.
    """
    trained, volume = card.get("trained_on"), axial(volume)
    found = [*mvct_warnings(volume), _resampling(volume, plan), _orientation(volume)]
    if not isinstance(trained, Mapping):
        found.append(
            "The model's card does not say what scans it was trained on, so whether this one is like them is not known."
        )
        return [text for text in found if text]
    slices = _some_slices(volume)
    found += [
        _field_of_view(volume, trained.get("field_of_view_mm")),
        _values(slices, trained.get("hu")),
        _noise(slices, volume.spacing, trained.get("noise_hu"), _noise_of_verdicts(card)),
    ]
    return [text for text in found if text]


def _resampling(volume: Volume, plan: Plan) -> str:
    if plan.is_at_spacing(volume.spacing):
        return ""
    return (
        f"The pixels of {volume.spacing[1]:.3g} x {volume.spacing[0]:.3g} mm are resampled to the "
        f"{plan.spacing_mm:.3g} mm that the model was trained at, and back."
    )


def _orientation(volume: Volume) -> str:
    if abs(volume.direction[2, 2]) >= AXIAL_COSINE:
        return ""
    return "The slices are not axial, but the model was trained on axial slices: look closer."


def _field_of_view(volume: Volume, trained: list[float] | None) -> str:
    if not trained:
        return ""
    rows, columns = volume.array.shape[1:]
    size = rows * volume.spacing[1], columns * volume.spacing[0]
    if is_field(size, trained):
        return ""
    wanted = f"{trained[0]:.0f}" if round(trained[0]) == round(trained[1]) else f"{trained[0]:.0f} to {trained[1]:.0f}"
    return (
        f"The field of view is {size[0]:.0f} x {size[1]:.0f} mm, but {wanted} mm in the scans that the model was "
        "trained on: look closer at the edges of the field."
    )


def _values(slices: np.ndarray, trained: list[float] | None) -> str:
    if not trained:
        return ""
    low, high = trained
    if slices.min() > AIR_BELOW_HU:
        return (
            f"No voxel that was looked at is air (the lowest has {slices.min():.0f} HU): check that the values are HU, "
            "with air near -1000."
        )
    strays = 100 * float(((slices < low) | (slices > high)).mean())
    if strays <= STRAY_PERCENT:
        return ""
    return (
        f"{strays:.2g} % of the voxels lie outside of the {low:.0f} to {high:.0f} HU that the model was trained on "
        f"({slices.min():.0f} to {slices.max():.0f} HU): look closer there."
    )


def _noise_of_verdicts(card: Mapping[str, Any]) -> list[float] | None:
    """The noise of the scans that the verdicts' ranges come from: a model may have been trained on other doses, too."""
    try:
        return card["expected"]["mvct"]["noise_hu"]["expected"]
    except (KeyError, TypeError):
        return None


def _noise(
    slices: np.ndarray,
    spacing: tuple[float, float, float],
    trained: list[float] | None,
    of_verdicts: list[float] | None,
) -> str:
    if not trained:
        return ""
    pixel_size = (spacing[1], spacing[0])
    with ThreadPoolExecutor(threads()) as pool:
        values = list(filter(np.isfinite, pool.map(partial(_noise_of_slice, pixel_size=pixel_size), slices)))
    if not values:
        return "The noise could not be measured, since the slices looked at show too little soft tissue."
    noise, (low, high) = float(np.median(values)), trained
    if low <= noise <= high:
        if of_verdicts is None or noise >= of_verdicts[0]:
            return ""
        return (
            f"The noise of {noise:.3g} HU is less than the {of_verdicts[0]:.3g} to {of_verdicts[1]:.3g} HU of the "
            "scans that the verdicts were measured on: the scan may be filtered already or no MVCT."
        )
    advice = (
        "the scan may be filtered already or no MVCT, and be smoothed too much" if noise < low else "noise may be left"
    )
    return (
        f"The noise of {noise:.3g} HU is {'less' if noise < low else 'more'} than the {low:.3g} to {high:.3g} HU of "
        f"the scans that the model was trained on: {advice}."
    )


def _noise_of_slice(image: np.ndarray, pixel_size: tuple[float, float]) -> float:
    image = Slice(image)
    body = body_mask(image, pixel_size=pixel_size)
    box = near_body(body, pixel_size)
    return noise_sd(image.crop(box), body[box], pixel_size=pixel_size)


def _some_slices(volume: Volume) -> np.ndarray:
    """Slices spread over the middle of the scan, shape (k, j, i)."""
    count = len(volume.array)
    places = np.linspace(0, count, min(SLICES_LOOKED_AT, count), endpoint=False) + count / SLICES_LOOKED_AT / 2
    return volume.array[np.unique(places.astype(int).clip(0, count - 1))]
