"""Errors of the rigid registration of an MVCT to the planning CT from known misalignments.

MVCT and planning CT come from the same kVCT, so that the true transform is the identity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from MVCTEnhanceLib.registration.motion import RigidMotion
from MVCTEnhanceLib.registration.rigid import Body, Registration

SHIFT_MM, ROTATION_DEG = 15.0, 5.0
START_SEED = 2022


@dataclass(frozen=True)
class Errors:
    """What is left of a misalignment, in three readings.

    Args:
        mm: mean distance of the body's points from where they belong.
        shift_mm: distance of their centre.
        rotation_deg: angle of the rotation.
    """

    mm: float
    shift_mm: float
    rotation_deg: float

    @classmethod
    def of(cls, motion: RigidMotion, body: Body) -> Errors:
        """Of a motion that should be none."""
        moved = np.linalg.norm(motion.moved(body.points) - body.points, axis=1)
        return cls(float(moved.mean()), float(np.linalg.norm(motion.shift_of(body.centre))), motion.angle_deg)


def random_starts(count: int) -> np.ndarray:
    """Misalignments, the first ones the same for every count: (rotation in rad about x, y, z; shift in mm), (n, 6)."""
    uniform = np.random.default_rng(START_SEED).uniform(-1, 1, (count, 6))
    return uniform * np.array([math.radians(ROTATION_DEG)] * 3 + [SHIFT_MM] * 3)


def errors_from(registration: Registration, start: Sequence[float], seed: int) -> Errors:
    """What is left after one run; off the planning CT, the misalignment where the run ended."""
    return Errors.of(registration.run(start, seed).motion, registration.body)
