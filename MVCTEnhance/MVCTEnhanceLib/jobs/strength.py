"""Strength of an enhancement: how much of the correction is applied, the HU conversion apart."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from ..errors import InputError
from ..physics.density import at_strength
from ..quality.body import body_mask
from ..quality.nselfssim import nselfssim
from ..quality.record import FULL_STRENGTH
from ..quality.slices import places_of
from ..volume import Volume
from ..volume.grid import axial
from ..volume.values import rounded_int16

_SLICES = 15  # that are looked at to find the strength, evenly placed
_STEP = 10  # of the first search; the second one, around its best, has a step of 1


def with_strength(mvct: Volume, enhanced: Volume, strength: int) -> Volume:
    """The scan at a strength in %: 0 is the MVCT with nothing but its HU converted, 100 the enhanced scan itself."""
    if strength == FULL_STRENGTH:
        return enhanced
    array = np.empty_like(enhanced.array)
    for k in range(len(array)):
        array[k] = rounded_int16(at_strength(mvct.array[k], enhanced.array[k], strength / FULL_STRENGTH))
    return enhanced.with_array(array)


def matching_strength(mvct: Volume, enhanced: Volume, kvct: Volume) -> int:
    """The strength in % whose mean NSelfSSIM comes nearest to the planning CT's.

    Args:
        mvct, enhanced: HU on one grid, the enhanced scan at full strength.
        kvct: planning CT on any grid.

    Raises:
        InputError: one of the scans shows no body.
    """
    mvct, enhanced, kvct = axial(mvct), axial(enhanced), axial(kvct)
    goal = _mean_nselfssim(
        "planning CT", ((kvct.array[k], _body(kvct, k)) for k in places_of(len(kvct.array), _SLICES))
    )
    slices = [(mvct.array[k], enhanced.array[k], _body(mvct, k)) for k in places_of(len(mvct.array), _SLICES)]

    @lru_cache
    def distance(strength: int) -> float:
        share = strength / FULL_STRENGTH
        return abs(_mean_nselfssim("MVCT", ((at_strength(*pair, share), body) for *pair, body in slices)) - goal)

    near = min(range(0, FULL_STRENGTH + 1, _STEP), key=distance)
    return min(range(max(near - _STEP, 0), min(near + _STEP, FULL_STRENGTH) + 1), key=distance)


def _body(scan: Volume, k: int) -> np.ndarray:
    return body_mask(scan.array[k], pixel_size=scan.spacing[1::-1])


def _mean_nselfssim(role: str, slices: Iterable[tuple[np.ndarray, np.ndarray]]) -> float:
    values = [nselfssim(image, body) for image, body in slices if body.any()]
    if not values:
        raise InputError(f"The {role} shows no body, so that no strength matches the planning CT: give a number.")
    return float(np.mean(values))
