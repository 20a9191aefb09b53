"""The readouts as rows and columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

DISTANCE = "nselfssim_distance"  # of two means: it has no value of its own for a slice


def leaves(group: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Every readout of a group and of the groups in it (HU bias by tissue), by its own name."""
    found: dict[str, Mapping[str, Any]] = {}
    for name, item in group.items():
        if "per_slice" in item:
            found[name] = item
        elif name != DISTANCE:
            found |= leaves(item)
    return found


def slice_names(readouts: Mapping[str, Any], group: str = "mvct") -> list[str]:
    """What the slices of a group's lists are called, such as "slice 23 of 24, z = -37.0 mm"."""
    count = max(len(item["per_slice"]) for item in leaves(readouts[group]).values())
    z_mm = slices_z_mm(readouts, group)
    places = [f", z = {z:.1f} mm" for z in z_mm] if z_mm else [""] * count
    return [f"slice {number} of {count}{place}" for number, place in enumerate(places, start=1)]


def slices_z_mm(readouts: Mapping[str, Any], group: str = "mvct") -> list[float]:
    """Patient z in mm of the slices of a group's lists; empty where older readouts do not tell."""
    return readouts.get("slices", {}).get("planning_ct_z_mm" if group == "planning_ct" else "z_mm", [])


def readouts_csv(readouts: Mapping[str, Any]) -> str:
    """One line an axial slice of the MVCT, numbered from 1, with its patient z in mm.

    The planning CT, which has slices of its own, is in the JSON.
    """
    z_mm = slices_z_mm(readouts)
    columns = {"z_mm": z_mm} if z_mm else {}
    columns |= {
        f"{group}.{name}": values
        for group in ("mvct", "enhanced", "comparison", "truth")
        if group in readouts
        for name, values in _per_slice(readouts[group])
    }
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["slice", *columns])
    for number, row in enumerate(zip(*columns.values(), strict=True), start=1):
        writer.writerow([number, *("" if value is None else value for value in row)])
    return file.getvalue()


def _per_slice(group: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[float | None]]]:
    for name, item in group.items():
        if "per_slice" in item:
            yield name, item["per_slice"]
        elif name != DISTANCE:
            for inner, values in _per_slice(item):
                yield f"{name}.{inner}", values
