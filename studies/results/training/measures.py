"""Measures of every conversion of the test patients, slice by slice, and their means."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from MVCTEnhanceLib.model.engine import Engine
from MVCTEnhanceLib.model.package import load_model
from MVCTEnhanceLib.physics.density import kv_hu_from_density
from MVCTEnhanceLib.quality.metrics import evaluate
from MVCTEnhanceLib.volume import Volume
from study import Case, Method, Row, Study, mean_and_sd, weights_digest

EVERY = 3  # test slices that are measured of the many runs
TISSUES = ("soft_tissue", "fat", "lung", "bone")
TRUE_KVCT = "true kVCT"
# Of a summary, with the headings of a table.
QUANTITIES = {
    "nselfssim": "NSelfSSIM",
    "nselfssim_distance": "its distance to kVCT",
    "dig": "DIG / HU² px⁻²",
    "dig_sd": "SD",
    "air": "air agreement / %",
    "mae": "MAE / HU",
    "mae_sd": "SD",
    "bias_soft_tissue": "HU error, soft tissue",
    "skin_edge": "skin edge / mm",
    "noise": "noise / HU",
}
# Quantity -> its values slice by slice; of one patient.
Measures = Mapping[str, Sequence[float]]


def thinned(study: Study) -> Study:
    """The study with fewer test slices, for parts that measure many runs."""
    return dataclasses.replace(study, every=max(study.every, EVERY))


def model_method(name: str, model: Path) -> Method:
    """A model as a method; the digest of its file in the name keeps figures of other weights of that name apart."""

    def convert(mvct: Volume) -> np.ndarray:
        return Engine(load_model(model), torch.device("cpu")).enhance(mvct).array

    return Method(f"{name}-{weights_digest(model)}", convert)


def references() -> list[Method]:
    """What no network made: the MVCT as it is, and through the density curve, which is where the networks begin."""
    return [
        Method("MVCT", lambda mvct: mvct.array),
        Method("MVCT + density curve", lambda mvct: kv_hu_from_density(torch.from_numpy(mvct.array).float()).numpy()),
    ]


def measures(study: Study, cases: Sequence[Case], method: Method) -> dict[str, Measures]:
    """Every test patient's quantities, of the conversion against MVCT and true kVCT."""
    return _measured(study, cases, method.name, lambda case: study.converted(method, case.patient, case.mvct))


def measures_of_kvct(study: Study, cases: Sequence[Case]) -> dict[str, Measures]:
    """The same of the true kVCT: what a perfect conversion would have."""
    return _measured(study, cases, TRUE_KVCT, lambda case: case.truth.array)


def summary(by_patient: Mapping[str, Measures], kvct: Mapping[str, Measures]) -> Row:
    """Mean and sample SD ("_sd") of each quantity over the slices of all patients.

    nselfssim_distance is between a patient's mean and that of the true kVCT in `kvct`, averaged over the patients, so
    that one patient's cannot make up for another's.
    """
    row = {}
    for quantity in next(iter(by_patient.values())):
        values = [value for one in by_patient.values() for value in one[quantity]]
        row[quantity], row[f"{quantity}_sd"] = mean_and_sd(values)
    means = [[mean_and_sd(of[patient]["nselfssim"])[0] for of in (by_patient, kvct)] for patient in by_patient]
    return row | {"nselfssim_distance": mean_and_sd(abs(own - aim) for own, aim in means)[0]}


def data_notes(cases: Sequence[Case]) -> str:
    """What is measured on what, for the notes of a table."""
    patients = ", ".join(f"{case.patient} ({len(case.mvct.array)})" for case in cases)
    return (
        f"Test patients, and their slices: {patients}; one in {EVERY} of each scan's at most; never trained on. All "
        "MVCT is simulated from their kVCT, which is the truth. Means and SD are over all of these slices. The "
        "design of the physical backward generator was developed with an eye on these patients "
        "([notebook](../../notebook.md))."
    )


def _measured(
    study: Study, cases: Sequence[Case], name: str, convert: Callable[[Case], np.ndarray]
) -> dict[str, Measures]:
    return {
        case.patient: study.once(f"measures/{name}/{case.patient}", lambda case=case: _measure(case, convert(case)))
        for case in cases
    }


def _measure(case: Case, converted: np.ndarray) -> dict[str, Sequence[float]]:
    readouts = evaluate(case.mvct.array, converted, spacing=case.mvct.spacing, truth=case.truth.array)
    image, paired, comparison = (readouts.groups[name] for name in ("enhanced", "truth.enhanced", "comparison"))
    chosen = {
        "nselfssim": image["nselfssim"],
        "dig": comparison["dig"],
        "dig_scaled": comparison["dig_scaled"],
        "air": comparison["air_agreement"],
        "mae": paired["mae_hu"],
        "ssim": paired["ssim"],
        **{f"bias_{tissue}": paired[tissue] for tissue in TISSUES},
        "skin_edge": image["edge_width_mm"],
        "noise": image["noise_hu"],
    }
    return {quantity: readout.per_slice for quantity, readout in chosen.items()}
