"""Rigid registration of an MVCT to the planning CT, from known misalignments.

MVCT and planning CT come from the same kVCT, so that the true transform is the identity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.itk import to_itk
from scipy import ndimage

SHIFT_MM, ROTATION_DEG = 15.0, 5.0
START_SEED = 2022
WINDOW_HU = (-600, 400)  # the paper's
BINS = 50  # of the joint histogram along each axis
SKIN_MM = 5.0  # of air around the body that is compared
POINTS_MM = 20.0


@dataclass(frozen=True)
class Level:
    """One level of the multi-resolution registration.

    Args:
        pixel_mm: about the pixel size in the plane that pixels are averaged to; slices stay as they are.
        samples: about the number of MVCT voxels that are drawn; those away from the body do not count.
        step_mm: first step of the optimiser.
        last_step_mm: the step below which it stops.
    """

    pixel_mm: float
    samples: int
    step_mm: float
    last_step_mm: float


LEVELS = (Level(6.0, 8_000, 4.0, 0.05), Level(3.0, 16_000, 2.0, 0.02), Level(1.5, 40_000, 1.0, 0.005))
ITERATIONS = 100
RELAXATION = 0.8


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


def random_starts(count: int) -> np.ndarray:
    """Misalignments, the first ones the same for every count: (rotation in rad about x, y, z; shift in mm), (n, 6)."""
    uniform = np.random.default_rng(START_SEED).uniform(-1, 1, (count, 6))
    return uniform * np.array([math.radians(ROTATION_DEG)] * 3 + [SHIFT_MM] * 3)


class Registration:
    """Rigid registration of one MVCT, or of what a method made of it, to a planning CT.

    Mattes' mutual information (IEEE Trans Med Imaging 22, 2003) of random voxels in the body and in the air next to it,
    several resolutions, regular-step gradient descent; its steps are in mm of what the six parameters displace.

    Args:
        mvct: the plain MVCT, HU (k, j, i), which shows where the body is, so that all methods compare the same voxels.
        converted: HU (k, j, i) of the MVCT's shape, which is registered.
        planning: the planning CT on its own grid, as :func:`pyramid` makes it.
    """

    def __init__(self, mvct: Volume, converted: np.ndarray, planning: Sequence[sitk.Image]):
        # The order of the metric's sums, and so the last digits, depends on it; the method's setting does not reach it.
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
        body = _body(mvct)
        self.points = _points(mvct, body)
        self.centre = self.points.mean(axis=0)
        self._mask = to_itk(mvct.with_array(_with_skin(body, mvct.spacing).astype(np.uint8)))
        fixed = pyramid(mvct.with_array(np.asarray(converted)))
        self._levels = list(zip(LEVELS, fixed, planning, strict=True))

    def errors_from(self, start: Sequence[float], seed: int) -> Errors:
        """Register from a misalignment.

        Args:
            start: rotation in rad about x, y and z through the centre of the body's points, then shift in mm (LPS).
            seed: above 0, of the choice of voxels.
        """
        transform = sitk.Euler3DTransform()
        transform.SetCenter(self.centre.tolist())
        transform.SetParameters([float(value) for value in start])
        for level, fixed, moving in self._levels:
            try:
                self._method(level, fixed, transform, seed).Execute(fixed, moving)
            except RuntimeError as error:
                if "overlap" not in str(error):
                    raise
                break  # off the planning CT: what is left of the misalignment counts as it is
        return self._errors(transform)

    def _method(
        self, level: Level, fixed: sitk.Image, transform: sitk.Transform, seed: int
    ) -> sitk.ImageRegistrationMethod:
        method = sitk.ImageRegistrationMethod()
        method.SetMetricAsMattesMutualInformation(BINS)
        method.SetMetricFixedMask(self._mask)
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentage(min(1.0, level.samples / fixed.GetNumberOfPixels()), seed)
        method.SetInterpolator(sitk.sitkLinear)
        method.SetOptimizerAsRegularStepGradientDescent(
            level.step_mm, level.last_step_mm, ITERATIONS, RELAXATION, gradientMagnitudeTolerance=1e-8
        )
        method.SetOptimizerScalesFromPhysicalShift()
        method.SetInitialTransform(transform, inPlace=True)
        return method

    def _errors(self, transform: sitk.Euler3DTransform) -> Errors:
        rotation = np.array(transform.GetMatrix()).reshape(3, 3)
        shift = np.array(transform.GetTranslation())
        moved = (self.points - self.centre) @ rotation.T + self.centre + shift
        cosine = np.clip((np.trace(rotation) - 1) / 2, -1, 1)
        return Errors(
            float(np.linalg.norm(moved - self.points, axis=1).mean()),
            float(np.linalg.norm(shift)),
            math.degrees(math.acos(cosine)),
        )


def pyramid(volume: Volume) -> list[sitk.Image]:
    """A scan, clipped to the window, at each level's resolution."""
    image = to_itk(volume.with_array(np.clip(volume.array, *WINDOW_HU).astype(np.float32)))
    return [
        sitk.BinShrink(image, [*(max(1, round(level.pixel_mm / mm)) for mm in volume.spacing[:2]), 1])
        for level in LEVELS
    ]


def _body(mvct: Volume) -> np.ndarray:
    pixel_size = (mvct.spacing[1], mvct.spacing[0])
    return np.stack([body_mask(image.astype(np.float32), pixel_size=pixel_size) for image in mvct.array])


def _with_skin(body: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    """The body and the air next to it, slice by slice; the couch further off would tell where the patient lies."""
    return np.stack(
        [ndimage.distance_transform_edt(~one, sampling=(spacing[1], spacing[0])) <= SKIN_MM for one in body]
    )


def _points(mvct: Volume, body: np.ndarray) -> np.ndarray:
    """LPS positions in mm of the body's points on a grid, shape (n, 3)."""
    rows, columns = (round(POINTS_MM / mvct.spacing[axis]) for axis in (1, 0))
    k, j, i = np.nonzero(body[:, ::rows, ::columns])
    index = np.stack([i * columns, j * rows, k], axis=1)
    return np.asarray(mvct.origin) + index * np.asarray(mvct.spacing) @ mvct.direction.T
