"""What the scans show inside of a structure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..quality.noise import noise_of_pair
from ..volume import Volume
from .placed import PlacedStructure
from .structure import Structure

PERCENTILES = (5, 95)


def structure_values(
    structures: Sequence[PlacedStructure],
    mvct: Volume,
    enhanced: Volume,
    *,
    trained_hu: Sequence[float] | None = None,
) -> dict[str, dict[str, Any]]:
    """HU and noise of scans inside of structures, JSON-serialisable, by the structure's name.

    Each has volume_cm3; for each scan mean, sd, p5 and p95 of the HU of the voxels that lie inside by at least a half,
    and noise_hu, mean over the slices with enough soft tissue; hu_change, the mean of enhanced - MVCT; and, where the
    HU that the model was trained on are known, unusual, the part of the voxels whose HU in the MVCT lie beyond them.
    Those that were drawn on the planning CT have planning_ct, too. Null where there is no such voxel.

    Args:
        structures: on the grid of the scans.
        mvct, enhanced: on one grid, axial slices in HU.
        trained_hu: lowest and highest HU of the MVCT that the model was trained on.
    """
    scans = {"mvct": mvct, "enhanced": enhanced}
    return {placed.structure.name: _values(placed, scans, trained_hu) for placed in structures}


def _values(placed: PlacedStructure, scans: Mapping[str, Volume], trained_hu: Sequence[float] | None) -> dict[str, Any]:
    structure = placed.structure
    inside = structure.inside
    values: dict[str, Any] = {"volume_cm3": structure.cm3(scans["mvct"].spacing), "voxels": int(inside.sum())}
    hu = {name: scan.array[structure.box][inside].astype(np.float64) for name, scan in scans.items()}
    for name, noise in zip(scans, _noise(*scans.values(), structure), strict=True):
        values[name] = _of_scan(hu[name]) | {"noise_hu": noise}
    if placed.planned is not None:
        values["planning_ct"] = _of_scan(placed.planned) | {"volume_cm3": placed.planned_cm3}
    values["hu_change"] = _number((hu["enhanced"] - hu["mvct"]).mean()) if inside.any() else None
    if trained_hu is not None:
        beyond = (hu["mvct"] < trained_hu[0]) | (hu["mvct"] > trained_hu[1])
        values["unusual"] = _number(beyond.mean()) if inside.any() else None
    return values


def _of_scan(hu: np.ndarray) -> dict[str, float | None]:
    if not hu.size:
        return dict.fromkeys(("mean", "sd", "p5", "p95"))
    low, high = np.percentile(hu, PERCENTILES)
    sd = hu.std(ddof=1) if hu.size > 1 else np.nan
    return {"mean": _number(hu.mean()), "sd": _number(sd), "p5": _number(low), "p95": _number(high)}


def _noise(mvct: Volume, enhanced: Volume, structure: Structure) -> list[float | None]:
    """Mean over the slices of MVCT and of enhanced scan that have a value."""
    slices = zip(mvct.array[structure.box], enhanced.array[structure.box], structure.inside, strict=True)
    found = [noise_of_pair(*one, pixel_size=mvct.spacing[1::-1]) for one in slices if one[-1].any()]
    known = [[value for value in of_scan if np.isfinite(value)] for of_scan in zip(*found, strict=True)]
    return [_number(np.mean(values)) if values else None for values in known or ([], [])]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
