"""Inserts of a density phantom, found in its MVCT by their places about the phantom's centre."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..quality.body import body_mask
from ..quality.slices import Slice
from ..storage.toml import build, read_toml
from ..volume import Volume
from ..volume.grid import axial
from .fit import MIN_SPAN_HU, Measured

CHEESE = Path(__file__).with_name("tomo-cheese.toml")
ROLE = "list of inserts"
MIN_INSERTS = 4
DIAMETER_TOLERANCE = 0.05
CORE = 0.6  # of the radius of an insert, within which its HU are measured
STEP_DEGREES = 0.5
MIN_CORRELATION = 0.98
OTHER_TURN_DEGREES, CLEARLY_BETTER = 10.0, 0.005
# SD of an insert's HU about the line: cupping, scatter, and the part of its density that its maker does not tell.
SD_HU, SD_SHARE = 3.0, 0.01


@dataclass(frozen=True)
class Insert:
    """Args: name; electron_density, relative to water; angle, in degrees from the patient's left to the back;
    radius_mm, of its centre about the phantom's.
    """

    name: str
    electron_density: float
    angle: float
    radius_mm: float

    @property
    def exact_hu(self) -> float:
        """HU of an exact MVCT."""
        return 1000 * (self.electron_density - 1)


@dataclass(frozen=True)
class Phantom:
    """Args: name; diameter_mm; insert_diameter_mm; inserts, those to be measured."""

    name: str
    diameter_mm: float
    insert_diameter_mm: float
    inserts: tuple[Insert, ...]


def read_phantom(path: Path) -> Phantom:
    """The phantom of a TOML file.

    Raises:
        InputError: the file cannot be read, lacks something, or has fewer than four inserts.
    """
    entries, where = read_toml(path, ROLE), f"the {ROLE} '{path}'"
    if not isinstance(entries.get("inserts"), list):
        raise InputError(f"There are no [[inserts]] in {where}: see the example in docs/commissioning.md.")
    entries["inserts"] = [build(Insert, insert, f"an insert of {where}") for insert in entries["inserts"]]
    phantom = build(Phantom, entries, where)
    sizes = [phantom.diameter_mm, phantom.insert_diameter_mm, *(insert.radius_mm for insert in phantom.inserts)]
    densities = [insert.electron_density for insert in phantom.inserts]
    if not (all(0 < size < math.inf for size in sizes) and all(0 <= density < 5 for density in densities)):
        raise InputError(f"A size or density in {where} cannot be: give mm, and densities relative to water.")
    if len(phantom.inserts) < MIN_INSERTS or 1000 * np.ptp(densities) < MIN_SPAN_HU:
        raise InputError(
            f"The inserts in {where} are too few or too much alike: give at least {MIN_INSERTS}, whose densities "
            f"differ by at least {MIN_SPAN_HU / 1000:g}."
        )
    return phantom


def measured_inserts(mvct: Volume, phantom: Phantom) -> list[Measured]:
    """Median HU of each insert, the mean over the slices that show the phantom.

    The phantom may lie anywhere, be rolled by any angle and be scanned from either end: of all turns, the one whose HU
    follow the densities best is taken.

    Raises:
        InputError: no slice shows a circle of the phantom's size, or no turn, or several, fit.
    """
    mvct = axial(mvct)
    pixel_size = mvct.spacing[1::-1]
    slices = list(_slices_of(mvct, phantom))
    rings = np.mean([_rings(image, centre, pixel_size, phantom) for image, centre in slices], axis=0)
    turn, mirrored = _turn(rings, phantom)
    shown = np.mean([_cores(image, centre, pixel_size, phantom, turn, mirrored) for image, centre in slices], axis=0)
    return [
        Measured(insert.name, insert.exact_hu, float(hu), SD_HU + SD_SHARE * abs(insert.exact_hu))
        for insert, hu in zip(phantom.inserts, shown, strict=True)
    ]


def _slices_of(mvct: Volume, phantom: Phantom) -> Iterator[tuple[Slice, np.ndarray]]:
    """The middle half of the slices that show the phantom, each with the phantom's centre (row, column)."""
    found, widest = [], 0.0
    pixel_size = mvct.spacing[1::-1]
    for hu in mvct.array:
        image = Slice(hu)
        body = body_mask(image, pixel_size=pixel_size)
        diameter = 2 * math.sqrt(body.sum() * math.prod(pixel_size) / math.pi)
        widest = max(widest, diameter)
        if abs(diameter / phantom.diameter_mm - 1) <= DIAMETER_TOLERANCE:
            found.append((image, np.array([places.mean() for places in np.nonzero(body)])))
    if not found:
        raise InputError(
            f"No slice shows a {phantom.name} of {phantom.diameter_mm:g} mm (the largest body measures {widest:.0f} "
            "mm): give the scan of this phantom, or the inserts of yours by --inserts."
        )
    quarter = len(found) // 4
    yield from found[quarter : len(found) - quarter]


def _rings(image: Slice, centre: np.ndarray, pixel_size: tuple[float, float], phantom: Phantom) -> np.ndarray:
    """HU around the place of each insert at each turn from x to y, shape (insert, turn)."""
    sd_mm = phantom.insert_diameter_mm / 4
    smooth = Slice(image.smooth([sd_mm / size for size in pixel_size]))
    angles = np.radians(np.arange(0, 360, STEP_DEGREES))
    radii = np.array([insert.radius_mm for insert in phantom.inserts])[:, None]
    rows, columns = radii * np.sin(angles) / pixel_size[0], radii * np.cos(angles) / pixel_size[1]
    return smooth.sample(centre[:, None, None] + np.stack([rows, columns]))


def _turn(rings: np.ndarray, phantom: Phantom) -> tuple[float, bool]:
    """Degrees from x to y by which the phantom is rolled, and whether it was scanned from the other end.

    Args:
        rings: HU, shape (insert, turn), see `_rings`.
    """
    exact = np.array([insert.exact_hu for insert in phantom.inserts])
    turns = np.arange(rings.shape[1])
    correlations = np.empty((2, len(turns)))
    for mirrored in (False, True):
        starts = np.rint(_angles(phantom, mirrored) / STEP_DEGREES).astype(int)
        shown = np.take_along_axis(rings, (starts[:, None] + turns) % len(turns), axis=1)
        shown = shown - shown.mean(axis=0)
        spread = np.sqrt((shown**2).sum(axis=0) * ((exact - exact.mean()) ** 2).sum())
        correlations[int(mirrored)] = (exact - exact.mean()) @ shown / np.maximum(spread, 1e-9)
    mirrored, turn = np.unravel_index(correlations.argmax(), correlations.shape)
    best = correlations[mirrored, turn]
    if best < MIN_CORRELATION:
        raise InputError(
            f"The inserts of the {phantom.name} were not found: at no turn of it do the HU follow the densities (best "
            f"correlation {best:.2f}), so check which insert is in which place."
        )
    away = np.abs((turns - turn + len(turns) / 2) % len(turns) - len(turns) / 2) * STEP_DEGREES > OTHER_TURN_DEGREES
    others = np.where(away | (np.arange(2)[:, None] != mirrored), correlations, -1)
    if others.max() > best - CLEARLY_BETTER:
        raise InputError(
            f"The inserts of the {phantom.name} fit at several turns of it: give one more insert that tells these "
            "apart, such as lung or bone on one side."
        )
    return turn * STEP_DEGREES, bool(mirrored)


def _angles(phantom: Phantom, mirrored: bool) -> np.ndarray:
    angles = np.array([insert.angle for insert in phantom.inserts])
    return 180 - angles if mirrored else angles


def _cores(
    image: Slice, centre: np.ndarray, pixel_size: tuple[float, float], phantom: Phantom, turn: float, mirrored: bool
) -> list[float]:
    """Median HU of the core of each insert."""
    angles = np.radians(_angles(phantom, mirrored) + turn)
    rows, columns = (np.arange(size) for size in image.hu.shape)
    medians = []
    for insert, angle in zip(phantom.inserts, angles, strict=True):
        y = (rows - centre[0]) * pixel_size[0] - insert.radius_mm * math.sin(angle)
        x = (columns - centre[1]) * pixel_size[1] - insert.radius_mm * math.cos(angle)
        inside = np.hypot(y[:, None], x) <= CORE * phantom.insert_diameter_mm / 2
        medians.append(float(np.median(image.hu[inside])) if inside.any() else math.nan)
    return medians
