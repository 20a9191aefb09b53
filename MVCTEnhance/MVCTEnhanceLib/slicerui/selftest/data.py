"""Data of the module's self-test: a small phantom, and readouts as the worker gives them."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer.util

from ...assessment.verdicts import AS_EXPECTED, DO_NOT_TRUST, LOOK_CLOSER
from ...physics.phantom import head_neck_phantom
from ..scene.outputs import EnhanceResult, Voxels, put_into_scene
from ..scene.request import SceneRequest

SLICES, SIZE = 4, 96
SPACING_MM = (2.0, 2.0, 6.0)
_RAS = np.diag([-SPACING_MM[0], -SPACING_MM[1], SPACING_MM[2], 1.0])  # an axial CT: i to the left, j to the back
_NOISE_HU = 30.0


def add_scan(name: str, seed: int):
    """A volume node with a head and neck of 4 slices under the noise of an MVCT.

    Args:
        seed: of the noise.
    """
    return slicer.util.addVolumeFromArray(_noisy(_NOISE_HU, seed), _RAS, name)


def add_result(mvct) -> EnhanceResult:
    """A result as the worker would leave it, with less noise and with made-up readouts."""
    before = slicer.util.arrayFromVolume(mvct)
    enhanced = _noisy(_NOISE_HU / 2, seed=3)
    difference = (enhanced.astype(np.int32) - before).astype(np.int16)
    return put_into_scene(SceneRequest(mvct.GetID()), mvct, Voxels(enhanced, difference, None, _readouts()))


def _noisy(noise_hu: float, seed: int) -> np.ndarray:
    """HU of shape (k, j, i), int16."""
    head = head_neck_phantom(slices=SLICES, shape=(SIZE, SIZE), spacing_mm=SPACING_MM).array
    return np.rint(head + np.random.default_rng(seed).normal(0, noise_hu, head.shape)).astype(np.int16)


def _readouts() -> dict[str, Any]:
    return {
        "mvct": {"nselfssim": _item([0.61, 0.62, 0.63, 0.64], "1"), "noise_hu": _item([30, 31, 32, 33], "HU")},
        "enhanced": {"nselfssim": _item([0.71, 0.72, 0.73, 0.74], "1"), "noise_hu": _item([15, 16, 17, 18], "HU")},
        "comparison": {"air_agreement": _item([99, 98, 97, 96], "%")},
        "verdicts": {
            "mvct": {"noise_hu": _verdict(LOOK_CLOSER)},
            "enhanced": {"noise_hu": _verdict(AS_EXPECTED), "nselfssim": _verdict(DO_NOT_TRUST)},
            "comparison": {"air_agreement": _verdict(AS_EXPECTED)},
        },
        "model": {"name": "made-up readouts"},
        "warnings": ["These readouts are made up: they test the module."],
    }


def _item(values: list[float], unit: str) -> dict[str, Any]:
    return {"mean": float(np.mean(values)), "sd": float(np.std(values)), "unit": unit, "per_slice": values}


def _verdict(verdict: str) -> dict[str, str]:
    return {"verdict": verdict, "reason": "It is made up."}
