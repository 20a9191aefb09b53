"""HU offsets of enhanced scans from planning CTs that are not registered: docs/reliability.md.

    OMP_NUM_THREADS=1 python studies/commissioning/offsets.py DATA PREPARED [--model M ...]

DATA holds kVCTs of patients, PREPARED what studies/models/prepare.py made of them. Every fourth slice of each simulated
MVCT is enhanced: as it is, and with faults of its HU. Each is compared with planning CTs of several extents. These are
the kVCT that the MVCT was simulated from, which flatters; with every second slice of it the planning CT's slices lie up
to a slice apart from the MVCT's. Patients of single slices have the whole only, and their other slice, which shows
another part of the body. Contrast agent is imitated: organs and vessels above 80 HU get 40 HU more, what lies between
20 and 80 HU gets 8 HU more.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from MVCTEnhanceLib.assessment.ranges import chosen_offset
from MVCTEnhanceLib.io import read_volume
from MVCTEnhanceLib.model.card import find_model, installed_models
from MVCTEnhanceLib.model.engine import Engine
from MVCTEnhanceLib.model.package import load_model
from MVCTEnhanceLib.physics.calibration import Calibration
from MVCTEnhanceLib.physics.density import BONE_SLOPE
from MVCTEnhanceLib.quality.hu_offset import hu_offsets
from MVCTEnhanceLib.quality.record import OFFSETS
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.grid import axial
from scipy import ndimage

EVERY = 4
SLOPE = 0.985
FAULTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "no fault": lambda hu: hu,
    "+30 HU": lambda hu: hu + 30,
    "-30 HU": lambda hu: hu - 30,
    f"slope {SLOPE:g}": lambda hu: Calibration(0.0, SLOPE, SLOPE * BONE_SLOPE).shown_hu(hu.astype(float)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("prepared", type=Path)
    parser.add_argument("--model", nargs="+", default=installed_models())
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    scans = sorted(scan for use in ("train", "test") for scan in (arguments.prepared / use / "mvct").glob("*.nrrd"))
    for model in arguments.model:
        engine = Engine(load_model(find_model(model)), torch.device("cpu"))
        found: dict[tuple[str, str], list[dict[str, float]]] = {}
        for scan in scans:
            for extent, fault, offsets in compared(scan, arguments.data, engine):
                found.setdefault((extent, fault), []).append(offsets)
                words = ", ".join(f"{name} {value:.0f}" for name, value in offsets.items())
                print(f"{model} {scan.stem}, {extent}, {fault}: {words}", flush=True)
        print_table(model, found)


def compared(scan: Path, data: Path, engine: Engine) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Extent of the planning CT, fault of the MVCT, offsets of the enhanced scan."""
    mvct = axial(read_volume(scan))
    mvct = replace(mvct, array=mvct.array[::EVERY].copy(), source=None)
    made = {
        fault: engine.enhance(mvct.with_array(np.rint(change(mvct.array)).astype(np.int16))).array
        for fault, change in FAULTS.items()
    }
    for extent, kvct in planning_cts(scan.stem, data):
        sizes = {"pixel_size": mvct.spacing[1::-1], "kvct_pixel_size": kvct.spacing[1::-1]}
        for fault, enhanced in made.items():
            yield extent, fault, hu_offsets([enhanced], kvct.array, **sizes)[0]


def planning_cts(patient: str, data: Path) -> Iterator[tuple[str, Volume]]:
    """Extents of a patient's planning CT."""
    file = data / "kvct" / f"{patient}.nrrd"
    kvct = axial(read_volume(file if file.exists() else data / "dicom" / patient, slices_only=True))
    yield "whole", kvct
    yield "whole, contrast agent imitated", kvct.with_array(with_contrast(kvct))
    if len(kvct.array) == 1:
        yield "another part of the body", axial(read_volume(data / "kvct" / f"{patient[:-1]}2.nrrd"))
        return
    half = len(kvct.array) // 2
    for extent, slices in {
        "every second slice": slice(1, None, 2),
        "lower half": slice(half),
        "upper half": slice(half, None),
    }.items():
        yield extent, replace(kvct, array=kvct.array[slices], source=None)


def with_contrast(kvct: Volume) -> np.ndarray:
    """HU as if contrast agent had been given, or more of it."""
    smooth = np.stack([ndimage.gaussian_filter(image.astype(np.float32), 2) for image in kvct.array])
    more = 40 * ((smooth > 80) & (smooth < 200)) + 8 * ((smooth > 20) & (smooth <= 80))
    return (kvct.array + more).astype(np.int16)


def print_table(model: str, found: dict[tuple[str, str], list[dict[str, float]]]) -> None:
    """Offsets without a fault, and in how many scans each fault is noticed."""
    faults = list(FAULTS)[1:]
    print(f"\n{model}\n| planning CT | fat | soft tissue | outside, no fault | {' | '.join(faults)} |")
    print(f"|---|{'--:|' * (3 + len(faults))}")
    for extent in dict.fromkeys(extent for extent, _ in found):
        clean = found[extent, "no fault"]
        spans = [span([offsets[name] for offsets in clean]) for name in OFFSETS]
        counts = [f"{sum(map(is_outside, rows))} of {len(rows)}" for rows in (found[extent, fault] for fault in FAULTS)]
        print(f"| {extent} | {' | '.join([*spans, *counts])} |")


def span(values: list[float]) -> str:
    known = [value for value in values if np.isfinite(value)]
    return f"{min(known):.0f} to {max(known):.0f} ({len(known)})" if known else "-"


def is_outside(offsets: dict[str, float]) -> bool:
    """Whether one of them is not as expected."""
    return any(chosen_offset(name).level(value) for name, value in offsets.items() if np.isfinite(value))


if __name__ == "__main__":
    main()
