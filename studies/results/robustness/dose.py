"""MVCT noise of half and double: the tables dose and dose_patients."""

from __future__ import annotations

import math
from collections.abc import Sequence

from methods import conventional, trained
from robustness.resimulated import (
    READOUTS,
    SCANNER,
    SEED,
    SLICES,
    UNADAPTED,
    at_dose,
    mae_conclusion,
    means,
    names,
    networks,
)
from study import Row, Study

DOSES = {"half": 4.0, "standard": 1.0, "double": 0.25}  # noise -> factor of the photons


def run(study: Study) -> list[Row]:
    """Make the tables; gives the rows of the first one."""
    by_patient = [
        {"patient": case.patient, "mvct_noise": name, "photons": SCANNER.photons * factor, **row}
        for seed, case in enumerate(study.cases("test"), SEED)
        for name, factor in DOSES.items()
        for row in at_dose(study, case, seed, factor)
    ]
    rows = means(by_patient, "mvct_noise")
    columns = {"method": "method", "mvct_noise": "MVCT noise", **READOUTS}
    notes = _notes(study, by_patient, rows)
    study.write_table("dose", rows, columns, title="MVCT noise of half and double", notes=notes)
    study.write_table(
        "dose_patients",
        by_patient,
        {"patient": "patient", **columns},
        title="MVCT noise of half and double, by patient",
        notes="The patients behind [the means](dose.md), where it is said how they were made.",
    )
    return rows


def _notes(study: Study, by_patient: Sequence[Row], rows: Sequence[Row]) -> str:
    photons = ", ".join(f"{SCANNER.photons * factor:.4g} for {name} noise" for name, factor in DOSES.items())
    patients = list(dict.fromkeys(row["patient"] for row in by_patient))
    lines = [
        f"Means over {len(patients)} test patients ({', '.join(patients)}; [each of them](dose_patients.md)), up to "
        f"{SLICES} evenly spread slices of each, their MVCT simulated again from the real kVCT on the same grid. "
        f"Photons a detector bin: {photons}. Seeds {SEED} to {SEED + len(patients) - 1}, one for each patient, the "
        "same for all doses; no other scan here has this noise. All is measured against the true kVCT, whose own "
        "distance of NSelfSSIM is not zero, since every scan is measured in the body of the MVCT and the aim in "
        "that of the kVCT.",
        "",
        UNADAPTED,
        "",
        "![MAE by noise and by slice thickness](robustness.png)",
        "",
        mae_conclusion(study, rows, "mvct_noise"),
        "",
        _patients_conclusion(study, by_patient),
        "",
        _bias_conclusion(study, by_patient),
        "",
        networks(study),
    ]
    return "\n".join(lines)


def _patients_conclusion(study: Study, by_patient: Sequence[Row]) -> str:
    """Where the means over the patients hide that a network is worse than a conventional method on one of them."""
    rivals = names(conventional(study))
    lines = ["Patients on whom a conventional method has a lower MAE:", ""]
    for name in names(trained(study)):
        worse = [
            f"{row['patient']} at {row['mvct_noise']} noise"
            for row in by_patient
            if row["method"] == name and not row["mae"] <= _lowest_mae(by_patient, row, rivals)
        ]
        lines.append(f"- {name}: {', '.join(worse) or 'none'}")
    return "\n".join(lines)


def _lowest_mae(by_patient: Sequence[Row], like: Row, methods: Sequence[str]) -> float:
    """Of these methods on the same patient at the same noise."""
    same = [row for row in by_patient if all(row[key] == like[key] for key in ("patient", "mvct_noise"))]
    return min(row["mae"] for row in same if row["method"] in methods)


def _bias_conclusion(study: Study, by_patient: Sequence[Row]) -> str:
    lines = ["Largest HU error in soft tissue of a patient and noise:", ""]
    for name in names(trained(study)):
        own = [row for row in by_patient if row["method"] == name and math.isfinite(row["bias_soft_tissue"])]
        worst = max(own, key=lambda row: abs(row["bias_soft_tissue"]), default=None)
        if worst:
            where = f"{worst['patient']}, {worst['mvct_noise']} noise"
            lines.append(f"- {name}: {worst['bias_soft_tissue']:.1f} HU ({where})")
    return "\n".join(lines)
