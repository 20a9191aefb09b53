"""MVCT of 2, 4 and 6 mm slices: the tables slice_thickness and slice_thickness_noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from MVCTEnhanceLib.physics.density import density_hu_from_kv, kv_hu_from_density
from MVCTEnhanceLib.physics.mvct import simulate_mvct
from MVCTEnhanceLib.physics.truth import true_kvct
from MVCTEnhanceLib.volume import Volume
from robustness.field_of_view import some_slices, spread
from robustness.resimulated import (
    READOUTS,
    SCANNER,
    SEED,
    SLICES,
    UNADAPTED,
    at_dose,
    mae_conclusion,
    means,
    measured,
    networks,
    real_kvct,
    together,
)
from study import Row, Study

PATIENT = "headneck-cthead-stanford"
STEP_MM = 2
STANDARD_MM = 4
THICKNESSES_MM = (2, 4, 6)
ALIKE, IN_PROPORTION = "alike", "in proportion"  # counts of slices of other thicknesses


def run(study: Study) -> list[Row]:
    """Make the tables; gives the rows of the first one."""
    _noise_alone(study)
    return _averaged(study)


def _averaged(study: Study) -> list[Row]:
    rows = [
        {"counts": counts, "thickness_mm": thickness, **row}
        for counts in (ALIKE, IN_PROPORTION)
        for thickness in THICKNESSES_MM
        for row in _at_thickness(study, thickness, 1.0 if counts == ALIKE else _photons_factor(thickness))
    ]
    columns = {"counts": "counts", "method": "method", "thickness_mm": "slices / mm", **READOUTS}
    notes = _notes(study, rows)
    rows = together(rows, "counts", "method")
    study.write_table("slice_thickness", rows, columns, title="Slices of 2, 4 and 6 mm", notes=notes)
    return rows


def _at_thickness(study: Study, thickness_mm: int, factor: float) -> list[Row]:
    """All methods on MVCT of thick slices."""

    def simulated() -> tuple[Volume, Volume]:
        kvct = real_kvct(study, PATIENT)
        centres = 1 + spread(len(kvct.array) - 2, math.ceil(SLICES / study.every))
        seen, thick = thick_slices(kvct, centres, thickness_mm // STEP_MM)
        mvct = simulate_mvct(seen, replace(SCANNER, photons=SCANNER.photons * factor, seed=SEED))
        return mvct, true_kvct(thick, SCANNER)

    return measured(study, f"thickness/{thickness_mm}-mm/photons-{factor:g}", simulated)


def thick_slices(kvct: Volume, centres: np.ndarray, count: int) -> tuple[Volume, Volume]:
    """Slices `count` times as thick, each the mean of the slices about a centre.

    Args:
        kvct: HU, shape (k, j, i).
        centres: indices along k; where the count is even, one slice more comes from above the centre than from below.
        count: slices in each mean.

    Returns:
        what MVCT sees, which is mean electron density, as the kV HU of that density; and the kVCT of that thickness,
        which is mean HU. Both float32, of shape (centres, j, i). They differ where a slice is partly bone.
    """
    members = np.add.outer(centres, np.arange(count) - (count - 1) // 2)
    slabs = torch.from_numpy(kvct.array[members].astype(np.float32))
    seen = kv_hu_from_density(density_hu_from_kv(slabs).mean(dim=1))
    thick = some_slices(kvct, centres)
    return thick.with_array(seen.numpy()), thick.with_array(slabs.mean(dim=1).numpy())


def _notes(study: Study, rows: Sequence[Row]) -> str:
    lines = [
        f"{PATIENT}, the patient with slices every {STEP_MM} mm: means of 1, 2 and 3 neighbouring slices, at up to "
        f"{SLICES} evenly spread places, then simulated (seed {SEED}). The simulated MVCT sees mean electron "
        "density, the truth is mean HU.",
        "",
        f"Counts *{ALIKE}*: {SCANNER.photons:.4g} photons a detector bin for each thickness. So a TomoTherapy does "
        "it, which changes its pitch: 2.3-2.4 % of noise for all pitches and intervals (De Marco et al., Phys Med "
        f"57, 2019). *{IN_PROPORTION.capitalize()}*: these photons at {STANDARD_MM} mm, half of them at 2 mm and "
        "half as many again at 6 mm, as if thick slices were sums of thin ones, whose noise falls with the root of "
        "the thickness.",
        "",
        "**This is a training patient**: the networks have seen its single slices under other noise, or as kVCT, "
        "and no mean of several. Its HU (±20) and pixel size are estimates. So compare the thicknesses with each "
        "other, rather than the networks with the conventional methods. The truth of a thick slice has less noise "
        "of its own, which alone lowers the error. The test patients' slices (4-8 mm) are too thick to be averaged; "
        "on them, there is [the noise alone](slice_thickness_noise.md).",
        "",
        UNADAPTED,
    ]
    for counts in (ALIKE, IN_PROPORTION):
        own = [row for row in rows if row["counts"] == counts]
        lines += ["", f"Counts {counts}. {mae_conclusion(study, own, 'thickness_mm')}"]
    return "\n".join([*lines, "", networks(study)])


def _noise_alone(study: Study) -> None:
    by_patient = [
        {"patient": case.patient, "thickness_mm": thickness, **row}
        for seed, case in enumerate(study.cases("test"), SEED)
        for thickness in THICKNESSES_MM
        for row in at_dose(study, case, seed, _photons_factor(thickness))
    ]
    rows = means(by_patient, "thickness_mm")
    columns = {"method": "method", "thickness_mm": "slices / mm", **READOUTS}
    notes = [
        "The test patients with the noise that slices of 2, 4 and 6 mm would have if it fell with the root of the "
        f"thickness: photons in proportion, the standard ones at {STANDARD_MM} mm. Their anatomy stays as it is, "
        "because their slices are too thick to be averaged. Means over the patients; slices, seeds and truth as for "
        "[the dose](dose.md).",
        "",
        UNADAPTED,
        "",
        mae_conclusion(study, rows, "thickness_mm"),
        "",
        networks(study),
    ]
    title = "The noise of slices of 2, 4 and 6 mm"
    study.write_table("slice_thickness_noise", rows, columns, title=title, notes="\n".join(notes))


def _photons_factor(thickness_mm: int) -> float:
    return thickness_mm / STANDARD_MM
