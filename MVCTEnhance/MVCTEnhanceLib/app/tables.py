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


def readouts_csv(readouts: Mapping[str, Any]) -> str:
    """One line a slice of the MVCT's grid; the planning CT, which has slices of its own, is in the JSON."""
    columns = {
        f"{group}.{name}": values
        for group in ("mvct", "enhanced", "comparison", "truth")
        if group in readouts
        for name, values in _per_slice(readouts[group])
    }
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["slice", *columns])
    for k, row in enumerate(zip(*columns.values(), strict=True)):
        writer.writerow([k, *("" if value is None else value for value in row)])
    return file.getvalue()


def _per_slice(group: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[float | None]]]:
    for name, item in group.items():
        if "per_slice" in item:
            yield name, item["per_slice"]
        elif name != DISTANCE:
            for inner, values in _per_slice(item):
                yield f"{name}.{inner}", values
