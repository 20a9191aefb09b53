"""Tolerances of quality assurance, from a TOML file; those of the package are the default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from ..errors import InputError
from ..physics.qa_phantoms import CHEESE_PLUGS, Plug
from ..storage.toml import build, read_toml

DEFAULT_FILE = Path(__file__).with_name("tolerances.toml")
SOFT_DENSITIES = (0.85, 1.15)


@dataclass(frozen=True)
class ScanTolerances:
    """Of the values of one scan; None for a value that is not judged.

    Args:
        water_hu: ± for water and soft tissue.
        lung_hu, bone_hu: ± for what is less or more dense.
        uniformity_hu: largest difference between the rim and the centre.
        resolution_mm: smallest object that must be resolved.
        geometry_mm: ± for lengths.
        slice_thickness_mm: ± for the thickness of slices.
        noise_hu: largest SD in the centre.
        overshoot_hu: largest overshoot beside an edge.
        low_contrast_cnr: smallest contrast-to-noise ratio of the faintest plug.
    """

    water_hu: float | None = None
    lung_hu: float | None = None
    bone_hu: float | None = None
    uniformity_hu: float | None = None
    resolution_mm: float | None = None
    geometry_mm: float | None = None
    slice_thickness_mm: float | None = None
    noise_hu: float | None = None
    overshoot_hu: float | None = None
    low_contrast_cnr: float | None = None


def setting_of_density(density: float) -> str:
    """Which setting has the tolerance of HU of a material of this electron density relative to water."""
    low, high = SOFT_DENSITIES
    return "lung_hu" if density < low else "bone_hu" if density > high else "water_hu"


@dataclass(frozen=True)
class PositionLimits:
    """How far a phantom may be out of place: offset from the centre, tilt and roll."""

    offset_mm: float = 10
    tilt_degrees: float = 2
    roll_degrees: float = 3


@dataclass(frozen=True)
class Insert:
    """A plug of the cheese phantom as a file gives it; kv_hu None for that of its density."""

    material: str
    density: float
    kv_hu: float | None = None


@dataclass(frozen=True)
class Tolerances:
    """All of a file: tolerances of both scans, and of the change of their values since the acceptance, on either side;
    limits of the position; plugs of the cheese phantom by number.
    """

    mvct: ScanTolerances
    enhanced: ScanTolerances
    mvct_change: ScanTolerances
    enhanced_change: ScanTolerances
    position: PositionLimits
    plugs: Mapping[str, Plug]


def read_tolerances(path: Path | None = None) -> Tolerances:
    """The tolerances of a file; those of the package without one.

    Raises:
        InputError: the file cannot be read, or has a setting that there is not or of a wrong type.
    """
    path = path or DEFAULT_FILE
    entries = read_toml(path, "file of tolerances")
    of_scans = dict.fromkeys(("mvct", "enhanced", "mvct_change", "enhanced_change"), ScanTolerances)
    parts = {**of_scans, "position": PositionLimits}
    inserts = entries.pop("inserts", {})
    for name in entries:
        if name not in parts:
            raise InputError(f"There is no section '{name}' in '{path}': the sections are {', '.join(parts)}, inserts.")
    sections = {name: build(kind, entries.get(name, {}), f"[{name}] of '{path}'") for name, kind in parts.items()}
    for name, section in sections.items():
        for setting, value in vars(section).items():
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value < 0):
                raise InputError(f"'{setting}' in [{name}] of '{path}' is {value!r}: give a number from 0.")
    return Tolerances(**sections, plugs=_plugs(inserts, path))


def _plugs(inserts: Mapping[str, object], path: Path) -> Mapping[str, Plug]:
    plugs = dict(CHEESE_PLUGS)
    for number, entries in inserts.items():
        if number not in plugs:
            raise InputError(f"There is no insert '{number}' in the cheese phantom ('{path}'): it has 1 to 20.")
        insert = build(Insert, entries, f"[inserts.{number}] of '{path}'")
        own = None if insert.kv_hu is None else float(insert.kv_hu)
        plugs[number] = replace(plugs[number], material=insert.material, density=insert.density, own_kv_hu=own)
    return MappingProxyType(plugs)
