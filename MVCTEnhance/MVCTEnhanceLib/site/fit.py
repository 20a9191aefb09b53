"""The fit of a scanner's HU line to inserts of known density, or to tissues of patients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..physics.calibration import Calibration
from ..physics.density import BONE_SLOPE, KNEE_HU
from .profile import FittedCalibration, Point

MIN_SPAN_HU = 100.0  # of the exact HU: less fits no slope
MAX_RESIDUAL_SD = 6.0
# SD of the slopes about those of an exact scanner, as far as the scans say nothing: simulated scanners lie within 0.02.
SLOPE_SD, BONE_SD = 0.03, 0.05


@dataclass(frozen=True)
class Measured:
    """Args: name, of the insert or tissue; exact_hu, that an exact scanner shows; shown_hu; sd_hu, of shown_hu."""

    name: str
    exact_hu: float
    shown_hu: float
    sd_hu: float


def fit(points: Sequence[Measured], *, source: str, count: int) -> FittedCalibration:
    """Weighted least squares of offset, slope up to 100 HU and slope above, see `physics.calibration.Calibration`.

    The slopes have priors, so that a line comes of points without lung or bone, too. The standard errors are those of
    the points' SDs, larger where the points lie farther from the line than these.

    Raises:
        InputError: the points lie too near to each other, or the line is not plausible.
    """
    table = np.array([[point.exact_hu, point.shown_hu, point.sd_hu] for point in points]).reshape(-1, 3)
    exact, shown, sd = table.T
    if not len(points) or np.ptp(exact) < MIN_SPAN_HU:
        what = "inserts" if source == "phantom" else "tissues"
        raise InputError(
            f"The {what} found lie within {MIN_SPAN_HU:g} HU: give scans that show fat or lung and soft tissue."
        )
    tissue = np.minimum(exact, KNEE_HU)
    design = np.stack([np.ones_like(exact), tissue, exact - tissue], axis=1)
    priors = np.array([[0, 1, 0], [0, -1, 1]])  # slope 1, and above the knee the slope below it
    rows = np.concatenate([design / sd[:, None], priors / np.array([[SLOPE_SD], [BONE_SD]])])
    values, *_ = np.linalg.lstsq(rows, np.concatenate([shown / sd, [1 / SLOPE_SD, 0]]), rcond=None)
    residuals = shown - design @ values
    Calibration(values[0], values[1], BONE_SLOPE * values[2])  # refuses what is not plausible
    spread = max(1.0, math.sqrt(np.mean((residuals / sd) ** 2) * len(points) / max(len(points) - 3, 1)))
    errors = spread * np.sqrt(np.diag(np.linalg.inv(rows.T @ rows)))
    return FittedCalibration(
        *(round(float(value), 4) for value in (values[0], values[1], BONE_SLOPE * values[2])),
        *(round(float(value), 4) for value in (errors[0], errors[1], BONE_SLOPE * errors[2])),
        source,
        count,
        tuple(
            Point(point.name, *(round(float(hu), 1) for hu in (point.exact_hu, point.shown_hu, residual)))
            for point, residual in zip(points, residuals, strict=True)
        ),
    )


def require_near(points: Sequence[Measured], fitted: FittedCalibration) -> None:
    """Refuse a line from which one of its points lies far.

    Raises:
        InputError: one does, by more than six of its SDs.
    """
    residuals = [point.residual_hu / measured.sd_hu for point, measured in zip(fitted.points, points, strict=True)]
    worst = max(range(len(points)), key=lambda number: abs(residuals[number]))
    if abs(residuals[worst]) > MAX_RESIDUAL_SD:
        phantom = fitted.source == "phantom"
        right = "this insert is in its place and has its density" if phantom else "both scans are of this patient"
        raise InputError(
            f"The HU of {points[worst].name} lie {fitted.points[worst].residual_hu:+.0f} HU from the line of all: "
            f"check that {right}."
        )
