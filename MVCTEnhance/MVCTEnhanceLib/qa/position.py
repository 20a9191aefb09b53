"""The place of a phantom in its scan: which slices show it, where its axis runs, and how it is turned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..errors import InputError
from ..physics.qa_phantoms import PLUG_DIAMETER_MM, Plug
from ..volume import Volume
from .phantoms import Phantom
from .tolerances import PositionLimits

RIM_HU = -500.0  # between air and water
COUCH_MM = 10.0  # what is thinner than twice that is no phantom
DIAMETER_SHARE = 0.04  # of the diameter, by which it and its slices may differ
MIN_DIAMETER_MM = 80.0
ROLLS = np.arange(-30.0, 31.0)
PLUG_SD_MM = 7.0  # as the points of a plug have about its centre
CLEAR_HU = 250.0  # from which a plug stands out from water in a single scan
MIN_CORRELATION = 0.9  # of the HU at the plugs' places with those that they should have


@dataclass(frozen=True, eq=False)
class Cylinder:
    """A phantom found in axial slices.

    Args:
        slices: numbers of those that show it whole, without gaps.
        centres_mm: (x, y) of its axis in each of these slices, about the middle of the slice; on a straight line.
        diameter_mm: median over the slices.
        tilt: of its axis against that of the scan, in degrees.
        roll: in degrees from x to y; 0 where nothing tells.
    """

    slices: range
    centres_mm: np.ndarray
    diameter_mm: float
    tilt: float
    roll: float = 0.0

    @property
    def offset_mm(self) -> float:
        """How far its middle lies from the middle of the slices."""
        return float(np.hypot(*self.centres_mm.mean(axis=0)))

    @property
    def core(self) -> range:
        """The middle half of its slices, three at least: those in which values are measured."""
        drop = min(len(self.slices) // 4, max((len(self.slices) - 3) // 2, 0))
        return self.slices[drop : len(self.slices) - drop]

    def centre_mm(self, k: int) -> np.ndarray:
        """(x, y) of its axis in a slice."""
        return self.centres_mm[k - self.slices.start]


def find_cylinder(scan: Volume, phantom: Phantom, limits: PositionLimits, *, role: str = "MVCT") -> Cylinder:
    """The phantom in axial slices.

    Args:
        scan: HU, shape (k, j, i), axial.
        phantom: which one it should be.
        limits: how far it may be out of place.
        role: of the scan, in sentences.

    Raises:
        InputError: there is no such phantom, it is out of place, or too few slices show it; in one sentence.
    """
    found = [_disc(image, scan.spacing) for image in scan.array]
    round_ones = [k for k, disc in enumerate(found) if disc]
    if not round_ones:
        raise InputError(
            f"No round phantom was found in the {role}, but a {phantom.label} is to be analysed: choose the scan of "
            "the phantom, in HU and whole within the field of view."
        )
    typical = float(np.median([found[k][2] for k in round_ones]))
    diameter = phantom.diameter_mm or typical
    if abs(typical - diameter) > DIAMETER_SHARE * diameter:
        raise InputError(
            f"The {role} shows a cylinder of {typical:.0f} mm, but a {phantom.label} has {diameter:.0f} mm: choose the "
            "phantom by --phantom, or another scan."
        )
    whole = [k for k in round_ones if abs(found[k][2] - diameter) <= DIAMETER_SHARE * diameter]
    slices = _longest_run(whole)
    if len(slices) < phantom.min_slices:
        raise InputError(
            f"{len(slices)} slices of the {role} show the {phantom.label}, but its analysis needs at least "
            f"{phantom.min_slices}: scan more of it, with thinner slices if need be."
        )
    places = np.array([found[k][:2] for k in slices])
    centres, tilt = _axis(places, scan.spacing[2])
    cylinder = Cylinder(slices, centres, float(np.median([found[k][2] for k in slices])), tilt)
    if cylinder.offset_mm > limits.offset_mm:
        raise InputError(
            f"The {phantom.label} in the {role} lies {cylinder.offset_mm:.0f} mm off the centre of the image, but at "
            f"most {limits.offset_mm:g} mm are allowed: align it to the lasers and scan it again."
        )
    if tilt > limits.tilt_degrees:
        raise InputError(
            f"The {phantom.label} in the {role} is tilted by {tilt:.1f} degrees, but at most {limits.tilt_degrees:g} "
            "are allowed: level it and scan it again."
        )
    return cylinder


def roll_of(scan: Volume, cylinder: Cylinder, plugs: Mapping[str, Plug], limits: PositionLimits) -> float:
    """By how many degrees the plugs of a cheese phantom are turned from x to y in its MVCT.

    Raises:
        InputError: the plugs are not where they should be, or are turned by more than is allowed.
    """
    image, centre = mean_image(scan, cylinder)
    smooth = ndimage.gaussian_filter(image, [PLUG_SD_MM / scan.spacing[1], PLUG_SD_MM / scan.spacing[0]])
    expected = np.array([plug.mv_hu for plug in plugs.values()])
    places = np.array([plug.place_mm(roll) for roll in ROLLS for plug in plugs.values()])
    hu = ndimage.map_coordinates(smooth, pixels(scan, *(places + centre).T), order=1, mode="nearest")
    matches = [_correlation(expected, values) for values in hu.reshape(len(ROLLS), len(plugs))]
    best = int(np.argmax(matches))
    if matches[best] < MIN_CORRELATION:
        raise InputError(
            "The plugs of the cheese phantom are not where they should be: check that it is this phantom, head first "
            "and not turned over, and list your plugs in the file of --tolerances."
        )
    roll = _fine_roll(image, scan, centre, plugs, float(ROLLS[best]))
    if abs(roll) > limits.roll_degrees:
        raise InputError(
            f"The phantom is rolled by {roll:.1f} degrees, but at most {limits.roll_degrees:g} are allowed: turn it "
            "and scan it again."
        )
    return roll


def _correlation(expected: np.ndarray, values: np.ndarray) -> float:
    return float(np.corrcoef(expected, values)[0, 1]) if values.std() > 1 else 0.0


def _fine_roll(image: np.ndarray, scan: Volume, centre: np.ndarray, plugs: Mapping[str, Plug], roll: float) -> float:
    turns = []
    for plug in plugs.values():
        if abs(plug.mv_hu) >= CLEAR_HU:
            x, y = plug_centre(image, scan, centre + plug.place_mm(roll)) - centre
            turns.append((math.degrees(math.atan2(y, x)) - plug.angle - roll + 180) % 360 - 180)
    return roll + float(np.median(turns)) if turns else roll


def plug_centre(image: np.ndarray, scan: Volume, near_mm: np.ndarray) -> np.ndarray:
    """Centre (x, y) in mm of a plug that stands out from water, near a place; image: HU of a slice, shape (j, i)."""
    distance = distances_mm(scan, near_mm)
    hu = np.median(image[distance <= PLUG_DIAMETER_MM / 4])
    rows, columns = np.nonzero((distance <= 0.7 * PLUG_DIAMETER_MM) & ((image - hu / 2) * np.sign(hu) > 0))
    middle = (np.array(image.shape) - 1) / 2
    return np.array([(columns.mean() - middle[1]) * scan.spacing[0], (rows.mean() - middle[0]) * scan.spacing[1]])


def mean_image(scan: Volume, cylinder: Cylinder) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the core slices, float32 HU of shape (j, i), and (x, y) in mm of the axis in it."""
    core = cylinder.core
    image = scan.array[core.start : core.stop].mean(axis=0, dtype=np.float32)
    return image, np.mean([cylinder.centre_mm(k) for k in core], axis=0)


def pixels(scan: Volume, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Indices (j, i) of places in mm about the middle of an axial slice, shape (2, ...)."""
    rows, columns = scan.array.shape[1:]
    return np.array([(rows - 1) / 2 + y / scan.spacing[1], (columns - 1) / 2 + x / scan.spacing[0]])


def distances_mm(scan: Volume, centre_mm: np.ndarray) -> np.ndarray:
    """Distance of each pixel of an axial slice from a place (x, y) about its middle, shape (j, i)."""
    rows, columns = scan.array.shape[1:]
    y = (np.arange(rows) - (rows - 1) / 2) * scan.spacing[1] - centre_mm[1]
    x = (np.arange(columns) - (columns - 1) / 2) * scan.spacing[0] - centre_mm[0]
    return np.hypot(x[None, :], y[:, None])


def _disc(image: np.ndarray, spacing: tuple[float, float, float]) -> tuple[float, float, float] | None:
    """(x, y, diameter) in mm of the one big round thing in a slice; None where there is none."""
    sampling = (spacing[1], spacing[0])
    dense = np.pad(image > RIM_HU, 1)
    if not dense.any():
        return None
    box = ndimage.find_objects(ndimage.binary_dilation(dense).astype(np.int8))[0]  # all of it, and air around
    body = ndimage.binary_fill_holes(dense[box])
    deep = ndimage.distance_transform_edt(body, sampling=sampling) > COUCH_MM  # the couch is gone
    parts, count = ndimage.label(deep)
    if not count:
        return None
    largest = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
    disc = body & (ndimage.distance_transform_edt(~largest, sampling=sampling) <= COUCH_MM + max(sampling))
    rows, columns = np.nonzero(disc)
    diameter = 2 * math.sqrt(rows.size * math.prod(sampling) / math.pi)
    # The SD of a disc's points along any axis is a quarter of its diameter.
    wide = [4 * float(places.std()) * step for places, step in ((rows, sampling[0]), (columns, sampling[1]))]
    if diameter < MIN_DIAMETER_MM or any(abs(width - diameter) > DIAMETER_SHARE * diameter for width in wide):
        return None
    middle = [(size + 1) / 2 - part.start for size, part in zip(image.shape, box, strict=True)]
    return (columns.mean() - middle[1]) * spacing[0], (rows.mean() - middle[0]) * spacing[1], diameter


def _longest_run(numbers: list[int]) -> range:
    runs, start = [], None
    for n in numbers:
        if start is None or n != runs[-1].stop:
            start = n
            runs.append(range(n, n + 1))
        else:
            runs[-1] = range(start, n + 1)
    return max(runs, key=len, default=range(0))


def _axis(places: np.ndarray, step_mm: float) -> tuple[np.ndarray, float]:
    """The straight line through places (x, y) of successive slices, and its angle to their normal in degrees."""
    z = np.arange(len(places)) * step_mm
    line = np.polyfit(z, places, 1) if len(places) > 1 else np.array([[0.0, 0.0], places[0]])
    return z[:, None] * line[0] + line[1], math.degrees(math.atan(float(np.hypot(*line[0]))))
