"""Registration by mutual information from one start."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from ..quality.body import body_mask
from ..volume import Volume
from ..volume.grid import axial
from ..volume.itk import to_itk
from .motion import RigidMotion

WINDOW_HU = (-600, 400)
BINS = 50  # of the joint histogram along each axis
SKIN_MM = 5.0  # of air around the body that is compared
POINTS_MM = 20.0
FEWEST_SLICES = 3  # that averaging along the patient leaves


@dataclass(frozen=True)
class Level:
    """One level of the multi-resolution registration.

    Args:
        pixel_mm: about the pixel size that pixels, and slices that lie closer, are averaged to.
        samples: about the number of MVCT voxels that are drawn; those away from the body do not count.
        step_mm: first step of the optimiser.
        last_step_mm: the step below which it stops.
    """

    pixel_mm: float
    samples: int
    step_mm: float
    last_step_mm: float


LEVELS = (Level(6.0, 8_000, 4.0, 0.05), Level(3.0, 16_000, 2.0, 0.02), Level(1.5, 40_000, 1.0, 0.005))
COARSE, MIDDLE, FINE = slice(-1), slice(-2, -1), slice(-1, None)  # of the levels
ITERATIONS = 100
RELAXATION = 0.8


class Body:
    """Where the patient is in an MVCT, so that it and its enhanced scan are compared by the same voxels.

    Args:
        mvct: HU (k, j, i), in any order of its axes.
    """

    def __init__(self, mvct: Volume):
        mvct = axial(mvct)
        pixel_size = (mvct.spacing[1], mvct.spacing[0])
        body = np.stack([body_mask(image.astype(np.float32), pixel_size=pixel_size) for image in mvct.array])
        #: How many slices show it.
        self.slices = int(body.any(axis=(1, 2)).sum())
        #: LPS positions in mm of the body on a grid of 20 mm in each slice, shape (n, 3).
        self.points = _points(mvct, body)
        #: Image of the body and the air next to it.
        self.mask = to_itk(mvct.with_array(_with_skin(body, mvct.spacing).astype(np.uint8)))

    @property
    def centre(self) -> np.ndarray:
        """LPS position in mm of the body's centre, about which is rotated."""
        return self.points.mean(axis=0)


@dataclass(frozen=True, eq=False)
class Run:
    """What came of one start.

    Args:
        parameters: from which a further run can start, see `Registration.run`.
        motion: from the MVCT to the planning CT.
        information: mutual information that was reached, more is better; NaN where the scan has left the planning CT
            on the way, where it ended.
    """

    parameters: tuple[float, ...]
    motion: RigidMotion
    information: float

    @property
    def converged(self) -> bool:
        """Whether the scan stayed on the planning CT."""
        return not math.isnan(self.information)


class Registration:
    """Rigid registration of one scan to a planning CT.

    Mattes' mutual information (IEEE Trans Med Imaging 22, 2003) of random voxels in the body and in the air next to it,
    several resolutions, regular-step gradient descent; its steps are in mm of what the six parameters displace.

    Args:
        body: of the MVCT.
        scan: the MVCT or its enhanced scan, HU (k, j, i).
        planning: the planning CT on its own grid, as :func:`pyramid` makes it.
    """

    def __init__(self, body: Body, scan: Volume, planning: Sequence[sitk.Image]):
        self.body = body
        self._levels = list(zip(LEVELS, pyramid(scan), planning, strict=True))

    def run(self, start: Sequence[float], seed: int, levels: slice = slice(None)) -> Run:
        """Register from one start.

        Args:
            start: rotation in rad about x, y, z (LPS) through the body's centre, and shift in mm.
            seed: above 0, of the choice of voxels.
            levels: which of them, all by default.
        """
        transform = sitk.Euler3DTransform()
        transform.SetCenter(self.body.centre.tolist())
        transform.SetParameters([float(value) for value in start])
        information = math.nan
        for level, fixed, moving in self._levels[levels]:
            method = self._method(level, fixed, transform, seed)
            try:
                method.Execute(fixed, moving)
            except RuntimeError as error:
                if "overlap" not in str(error):
                    raise
                information = math.nan
                break
            information = -method.GetMetricValue()
        return Run(transform.GetParameters(), RigidMotion.of_itk(transform), information)

    def _method(
        self, level: Level, fixed: sitk.Image, transform: sitk.Transform, seed: int
    ) -> sitk.ImageRegistrationMethod:
        method = sitk.ImageRegistrationMethod()
        method.SetMetricAsMattesMutualInformation(BINS)
        method.SetMetricFixedMask(self.body.mask)
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentage(min(1.0, level.samples / fixed.GetNumberOfPixels()), seed)
        method.SetInterpolator(sitk.sitkLinear)
        method.SetOptimizerAsRegularStepGradientDescent(
            level.step_mm, level.last_step_mm, ITERATIONS, RELAXATION, gradientMagnitudeTolerance=1e-8
        )
        method.SetOptimizerScalesFromPhysicalShift()
        method.SetInitialTransform(transform, inPlace=True)
        return method


@contextmanager
def one_thread() -> Iterator[None]:
    """ITK computes in one thread: on their number depend the order of the metric's sums, and so the last digits.

    The setting of a registration does not reach it.
    """
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def pyramid(volume: Volume) -> list[sitk.Image]:
    """A scan, clipped to the window, at each level's resolution."""
    volume = axial(volume)
    image = to_itk(volume.with_array(np.clip(volume.array, *WINDOW_HU).astype(np.float32)))
    slices = len(volume.array)
    return [
        sitk.BinShrink(
            image,
            [
                *(_factor(level, mm) for mm in volume.spacing[:2]),
                max(1, min(_factor(level, volume.spacing[2]), slices // FEWEST_SLICES)),
            ],
        )
        for level in LEVELS
    ]


def _factor(level: Level, spacing_mm: float) -> int:
    return max(1, round(level.pixel_mm / spacing_mm))


def _with_skin(body: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    """The body and the air next to it, slice by slice; the couch further off would tell where the patient lies."""
    pixel_mm = (spacing[1], spacing[0])
    return np.stack(
        [one if not one.any() else ndimage.distance_transform_edt(~one, sampling=pixel_mm) <= SKIN_MM for one in body]
    )


def _points(mvct: Volume, body: np.ndarray) -> np.ndarray:
    rows, columns = (max(1, round(POINTS_MM / mvct.spacing[axis])) for axis in (1, 0))
    k, j, i = np.nonzero(body[:, ::rows, ::columns])
    index = np.stack([i * columns, j * rows, k], axis=1)
    return np.asarray(mvct.origin) + index * np.asarray(mvct.spacing) @ mvct.direction.T
