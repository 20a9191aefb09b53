"""Conventional denoisers and networks against the true kVCT: metrics, flicker, a noise-free phantom, speed, a picture.

Makes the tables tuning, denoisers, phantom and speed and the figure denoisers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from conversion.conventional import NOTE_ON_BM3D, write_tuning
from conversion.conversion_metrics import HEADINGS, TRUE_KVCT, measured
from conversion.denoisers_figure import write_picture
from conversion.flicker import flicker
from conversion.phantom_errors import write_phantom
from conversion.speed import write_speed
from methods import conventional, described, methods, trained
from study import Case, Row, Study

FLICKER = {"flicker": "flicker / HU", "flicker_ratio": "part of kVCT's", "mean_step": "step of the mean / HU"}


def run(study: Study) -> None:
    """Make the tables and the picture."""
    write_tuning(study)
    cases = study.cases("test")
    _write_readouts(study, cases)
    write_phantom(study)
    write_speed(study, cases[0])
    write_picture(study, cases)


def _write_readouts(study: Study, cases: Sequence[Case]) -> None:
    rows = [row for case in cases for row in _rows_of(study, case)]
    columns = {"patient": "patient", "method": "method"} | HEADINGS | FLICKER
    study.write_table("denoisers", rows, columns, title="Conversions of MVCT to kVCT", notes=_notes(study, cases, rows))


def _rows_of(study: Study, case: Case) -> list[Row]:
    """One row for each method and one for the true kVCT."""
    found = {}
    for method in methods(study):

        def compute(method=method):
            return _readouts(case, study.converted(method.kept, case.patient, case.mvct))

        found[method.name] = study.once(f"denoisers/{case.patient}/{method.kept.name}", compute)
    found[TRUE_KVCT] = study.once(f"denoisers/{case.patient}/{TRUE_KVCT}", lambda: _readouts(case, case.truth.array))
    of_kvct = found[TRUE_KVCT]["flicker"] or math.nan
    return [
        {"patient": case.patient, "method": name} | values | {"flicker_ratio": values["flicker"] / of_kvct}
        for name, values in found.items()
    ]


def _readouts(case: Case, converted: np.ndarray) -> dict[str, float]:
    return measured(case.mvct, converted, case.truth) | flicker(converted, case.truth)


def _notes(study: Study, cases: Sequence[Case], rows: Sequence[Row]) -> str:
    slices = ", ".join(f"{case.patient} ({len(case.mvct.array)} slices)" for case in cases)
    spacing = f" Only every {study.every}th slice was taken, so that neighbours are further apart." * (study.every > 1)
    return f"""
Test patients: {slices}; never trained on, and no strength was tuned on them; the design of the model `unpaired` was
developed with an eye on them ([notebook](../../notebook.md)).{spacing} All MVCT is simulated from their kVCT, which is
the truth; it has noise of its own, which is part of every error ([phantom](phantom.md) is without). Means over the
slices of a patient.

Each denoiser works in the plane on the MVCT, at the strength that was best on training patients
([tuning](tuning.md)), and is followed by the density curve from MV to kV HU, which is that of the simulation: exact
here, as no clinic's is. Nothing is random. {NOTE_ON_BM3D}

NSelfSSIM is to come near to the true kVCT's, not low. HU error: scan - truth. Air agreement and DIG are against the
MVCT; DIG is 0 for a method that changes nothing, and the true kVCT's is that of the right answer. Flicker: SD of the
difference between neighbouring slices, divided by √2, in windows of 11 mm of soft tissue that are flat in both slices
of the true kVCT; the windows' means are taken off, so that changes of anatomy do not count. Beside it, the mean step
of (scan - truth) over that tissue from slice to slice, which is what the windows' means leave out. The slices of
head-ge are tilted and unevenly spaced: flicker is measured there, too, since it is of pixels within a slice and the
kVCT's is of the same pairs of slices. Noise and CNR are of the slices whose MVCT has a
noise value; a tissue that a scan lacks has no HU error.

The best conventional method (all rows before the networks), and whether each network's MAE is no higher and its SSIM
no lower:

{_verdicts(study, cases, rows)}

Networks:

{described(study)}
"""


def _verdicts(study: Study, cases: Sequence[Case], rows: Sequence[Row]) -> str:
    """By patient, the lowest MAE and highest SSIM of the conventional methods, and how the networks stand to them."""
    names = [method.name for method in conventional(study)]
    lines = []
    for case in cases:
        own = {row["method"]: row for row in rows if row["patient"] == case.patient}
        by_mae, by_ssim = best_conventional([own[name] for name in names])
        stands = [
            f"{method.name} {_yes(own[method.name]['mae'] <= by_mae['mae'])} and "
            f"{_yes(own[method.name]['ssim'] >= by_ssim['ssim'])}"
            for method in trained(study)
        ]
        lines.append(
            f"- {case.patient}: MAE {by_mae['mae']:.4g} HU ({by_mae['method']}), SSIM {by_ssim['ssim']:.4g} "
            f"({by_ssim['method']}); {'; '.join(stands) or 'no network'}"
        )
    return "\n".join(lines)


def best_conventional(rows: Sequence[Row]) -> tuple[Row, Row]:
    """Of one patient's rows, the one with the lowest MAE and the one with the highest SSIM."""
    return min(rows, key=lambda row: row["mae"]), max(rows, key=lambda row: row["ssim"])


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"
