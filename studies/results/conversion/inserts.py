"""The table inserts: HU and noise of homogeneous rods in water."""

from __future__ import annotations

from functools import cache

import numpy as np
from methods import Versioned, model_files, trained
from MVCTEnhanceLib.model.card import installed_models
from MVCTEnhanceLib.physics.mvct import MVCTSettings, simulate_mvct
from MVCTEnhanceLib.physics.phantom import density_inserts
from scipy import ndimage
from study import Case, Row, Study

RODS_HU = (-1000, -700, -500, -300, -100, 0, 50, 200, 400, 700, 1000, 1300)
DIAMETER_MM, ROD_MM, SLICES, SEED = 280.0, 28.0, 3, 2025
INTERIOR_MM = 4.0  # from the edge of a rod
COLUMNS = {
    "rod": "rod / HU",
    "method": "method",
    "error": "HU error",
    "noise": "noise / HU",
    "ratio": "part of that at 0 HU",
}


def run(study: Study) -> None:
    """Write the table."""
    rows = []
    for method in (Versioned("MVCT", lambda mvct: mvct.array), *shipped(study)):

        def compute(method=method) -> list[Row]:
            case, labels = rods()
            return _measured(study.converted(method.kept, case.patient, case.mvct), case, labels)

        rows += [{"method": method.name} | row for row in study.once(f"inserts/{method.kept.name}", compute)]
    rows.sort(key=lambda row: row["rod"])  # stable: the methods of a rod stay in their order
    notes = f"""
Rods of {ROD_MM:g} mm in a cylinder of {DIAMETER_MM:g} mm of water, without noise and blur in the truth, simulated as
MVCT by the standard scanner ({SLICES} slices, seed {SEED}). Of the interior of each rod, {INTERIOR_MM:g} mm from its
edge: the mean of scan - truth, and the SD of a slice, mean over the slices. The MVCT has MV HU, which differ from the
truth's.
"""
    study.write_table("inserts", rows, COLUMNS, title="Homogeneous rods", notes=notes)


def shipped(study: Study) -> list[Versioned]:
    """The models that ship."""
    files = installed_models().values()
    return [method for method in trained(study) if model_files(study)[method.name] in files]


@cache
def rods() -> tuple[Case, np.ndarray]:
    """The phantom, and the labels of its rods, from 2 in the order of RODS_HU."""
    truth, labels = density_inserts(inserts_hu=RODS_HU, diameter_mm=DIAMETER_MM, insert_mm=ROD_MM, slices=SLICES)
    return Case("rods", simulate_mvct(truth, MVCTSettings(seed=SEED)), truth), labels


def _measured(scan: np.ndarray, case: Case, labels: np.ndarray) -> list[Row]:
    pixel_mm, rows = case.truth.spacing[0], []
    for number, rod_hu in enumerate(RODS_HU):
        plane = ndimage.distance_transform_edt(labels[0] == number + 2) * pixel_mm > INTERIOR_MM
        values = scan[:, plane].astype(float)
        rows.append({"rod": rod_hu, "error": float(values.mean()) - rod_hu, "noise": float(values.std(axis=1).mean())})
    water = next(row["noise"] for row in rows if row["rod"] == 0)
    return [row | {"ratio": row["noise"] / water} for row in rows]
