"""The table edges: overshoot and undershoot of the shipped models beside air inside the body."""

from __future__ import annotations

import numpy as np
from conversion.inserts import rods, shipped
from conversion.phantom_errors import noise_free_phantom
from methods import Versioned
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.quality.overshoot import OvershootParameters, air_edge_overshoot, beside_air
from study import Case, Row, Study, mean_and_sd

TRUTH = "truth"
PERCENTILE = 95
COLUMNS = {
    "scan": "scan",
    "method": "method",
    "overshoot": "overshoot / HU",
    "undershoot": "undershoot / HU",
    "tissue": "error of tissue beside air / HU",
    "tissue_high": f"its {PERCENTILE}th percentile",
    "air": "error of air beside tissue / HU",
    "air_low": f"its {100 - PERCENTILE}th percentile",
}


def run(study: Study) -> None:
    """Write the table."""
    methods = [Versioned("MVCT", lambda mvct: mvct.array), *shipped(study)]
    rows = []
    for case in (noise_free_phantom(), rods()[0], *study.cases("test")):
        rows.append({"scan": case.patient, "method": TRUTH} | _measured(case, case.truth.array))
        for method in methods:

            def compute(case=case, method=method) -> Row:
                return _measured(case, study.converted(method.kept, case.patient, case.mvct))

            rows.append(
                {"scan": case.patient, "method": method.name}
                | study.once(f"air_edges/{method.kept.name}/{case.patient}", compute)
            )
    near, far = OvershootParameters().error_mm
    notes = f"""
Overshoot and undershoot: the metrics of that name, means over the slices that have a value. The errors are scan -
truth, over all pixels {near:g} to {far:g} mm from the edge of air inside the body, bone and what is near it left out.
The phantom is that of the [table phantom](phantom.md), without noise and with the edges of a kVCT; the rods are those
of the [table inserts](inserts.md), with razor edges; the
patients are the test patients of the models. All MVCT is simulated; the truth is the kVCT that it was simulated from.
"""
    study.write_table("edges", rows, COLUMNS, title="Overshoot at air", notes=notes)


def _measured(case: Case, scan: np.ndarray) -> Row:
    pixel_size = (case.truth.spacing[1], case.truth.spacing[0])
    shots, tissue, air = [], [], []
    for image, mvct, truth in zip(scan.astype(float), case.mvct.array, case.truth.array, strict=True):
        shots.append(air_edge_overshoot(image, body_mask(mvct, pixel_size=pixel_size), pixel_size=pixel_size))
        in_tissue, in_air = beside_air(truth, body_mask(truth, pixel_size=pixel_size), pixel_size=pixel_size)
        tissue.append((image - truth)[in_tissue])
        air.append((image - truth)[in_air])
    tissue, air = np.concatenate(tissue), np.concatenate(air)
    overshoot, undershoot = (mean_and_sd(values)[0] for values in zip(*shots, strict=True))
    return {
        "overshoot": overshoot,
        "undershoot": undershoot,
        "tissue": float(tissue.mean()),
        "tissue_high": float(np.percentile(tissue, PERCENTILE)),
        "air": float(air.mean()),
        "air_low": float(np.percentile(air, 100 - PERCENTILE)),
    }
