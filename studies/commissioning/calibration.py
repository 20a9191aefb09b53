"""Bias of the HU before and after a calibration of simulated scanners: docs/commissioning.md.

    OMP_NUM_THREADS=1 python studies/commissioning/calibration.py DATA

DATA holds kVCTs of patients (docs/models.md). Each scanner's phantom (TomoTherapy's cheese phantom, rolled and off
centre) and patients are simulated; a patient's planning CT is of other slices than the MVCT. The line fitted from the
phantom and from every three and all four of four patients is applied to the MVCT of three other patients, which the
default model enhances. The bias is the median of enhanced scan - true kVCT over the pixels of a tissue.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from MVCTEnhanceLib.io import read_volume
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model
from MVCTEnhanceLib.model.engine import Engine
from MVCTEnhanceLib.model.package import load_model
from MVCTEnhanceLib.physics.calibration import Calibration
from MVCTEnhanceLib.physics.mvct import simulate_mvct
from MVCTEnhanceLib.physics.qa_phantoms import cheese_phantom
from MVCTEnhanceLib.physics.settings import MVCTSettings
from MVCTEnhanceLib.physics.truth import true_kvct
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.quality.tissues import TISSUE_RANGES_HU, tissue_mask
from MVCTEnhanceLib.site.fit import fit
from MVCTEnhanceLib.site.inserts import CHEESE, measured_inserts, read_phantom
from MVCTEnhanceLib.site.patients import MIN_PATIENTS, Patient, calibration_of, patient_of
from MVCTEnhanceLib.volume import Volume

CALIBRATED_WITH = ("kvct/abdomen-crlm-1006.nrrd", "kvct/chest-lidc-0314.nrrd", "dicom/chest-lungdx-a0001")
CALIBRATED_WITH += ("kvct/headneck-cthead-stanford.nrrd",)
TESTED_WITH = ("kvct/chest-lungdx-a0002.nrrd", "dicom/abdomen-crlm-1004", "kvct/head-ge.nrrd")
SCANNERS = {
    "water at 12 HU, slope 0.985": MVCTSettings(hu_offset=12, hu_slope=0.985),
    "water at -15 HU, slope 1.02, half the dose": MVCTSettings(hu_offset=-15, hu_slope=1.02, photons=13_300),
}
PLACES = (0.4, 0.5, 0.6)  # of the MVCT's slices in the kVCT
PLANNING_CT_SLICES = 14


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    torch.set_num_threads(1)
    engine = Engine(load_model(find_model(DEFAULT_MODEL)), torch.device("cpu"))
    for scanner, settings in SCANNERS.items():
        tested = [scans_of(data / name, settings, seed=10 + n)[::2] for n, name in enumerate(TESTED_WITH)]
        print(f"\n{scanner}\n{'':34} {'  '.join(f'{tissue:>11}' for tissue in TISSUE_RANGES_HU)}")
        for name, line in ({"not calibrated": Calibration()} | dict(lines(data, settings))).items():
            biases = bias(engine, tested, line)
            print(f"{name:34} {'  '.join(f'{value:11.1f}' for value in biases.values())}", flush=True)


def lines(data: Path, settings: MVCTSettings) -> Iterator[tuple[str, Calibration]]:
    """The scanner's line from its phantom and from patients."""
    phantom = cheese_phantom(slices=2, offset_mm=(12.0, -7.0), roll=17.0)
    points = measured_inserts(simulate_mvct(phantom, settings), read_phantom(CHEESE))
    yield "phantom", fit(points, source="phantom", count=len(points)).line
    patients = [patient(data / name, settings, seed=n) for n, name in enumerate(CALIBRATED_WITH)]
    for number in (MIN_PATIENTS, len(patients)):
        for chosen in combinations(range(len(patients)), number):
            name = f"patients {', '.join(str(one + 1) for one in chosen)}"
            yield name, calibration_of([patients[one] for one in chosen]).line


def patient(path: Path, settings: MVCTSettings, *, seed: int) -> Patient:
    mvct, planning_ct, _ = scans_of(path, settings, seed=seed)
    return patient_of([mvct], [planning_ct])


def scans_of(path: Path, settings: MVCTSettings, *, seed: int) -> tuple[Volume, Volume, Volume]:
    """Simulated MVCT of some slices, planning CT of others, and the truth of the MVCT."""
    kvct = read_volume(path, slices_only=True)
    count = len(kvct.array)
    scanned = [int(count * place) for place in PLACES]
    others = [k for k in range(0, count, max(1, count // PLANNING_CT_SLICES)) if k not in scanned]
    part, planning_ct = (replace(kvct, array=kvct.array[places], source=None) for places in (scanned, others))
    settings = replace(settings, seed=seed)
    return simulate_mvct(part, settings), planning_ct, true_kvct(part, settings)


def bias(engine: Engine, tested: list[tuple[Volume, Volume]], line: Calibration) -> dict[str, float]:
    """Median of enhanced scan - truth of each tissue, over all pixels of it."""
    errors: dict[str, list[np.ndarray]] = {tissue: [np.empty(0)] for tissue in TISSUE_RANGES_HU}
    for mvct, truth in tested:
        enhanced = engine.enhance(line.calibrated(mvct)).array
        pixel_size = truth.spacing[1::-1]
        for made, true in zip(enhanced, truth.array, strict=True):
            body = body_mask(true, pixel_size=pixel_size)
            for tissue, range_hu in TISSUE_RANGES_HU.items():
                mask = tissue_mask(true, range_hu, body, pixel_size=pixel_size)
                errors[tissue].append(made[mask].astype(float) - true[mask])
    merged = {tissue: np.concatenate(values) for tissue, values in errors.items()}
    return {tissue: float(np.median(values)) if values.size else math.nan for tissue, values in merged.items()}


if __name__ == "__main__":
    main()
