"""Spoil the enhanced test patients in known ways and see which verdicts notice.

    python studies/models/failures.py DATA_FOLDER PREPARED_FOLDER/test MODEL_FILE

Prints a Markdown table: for each failure the verdicts that were not as expected, patient by patient.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from MVCTEnhanceLib.assessment.verdicts import DO_NOT_TRUST, judge, not_as_expected
from MVCTEnhanceLib.io import read_volume
from MVCTEnhanceLib.jobs.evaluate import measure
from MVCTEnhanceLib.model.engine import Engine
from MVCTEnhanceLib.model.package import load_model
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.quality.record import Assessments
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.grid import axial
from scipy import ndimage

SLICES = 16  # of each patient
TISSUE_HU = (-150, 150)  # where air is invented


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("model", type=Path)
    arguments = parser.parse_args()
    model = load_model(arguments.model)
    rows: dict[str, list[str]] = {}
    scans = sorted((arguments.test / "mvct").glob("*.nrrd"))
    for scan in scans:
        mvct = _first_slices(read_volume(scan))
        planned = arguments.data / "kvct" / scan.name
        kvct = _first_slices(read_volume(planned if planned.exists() else arguments.data / "dicom" / scan.stem))
        enhanced = Engine(model, torch.device("cpu")).enhance(mvct)
        for failure, array in _failures(mvct, enhanced.array):
            record = measure(mvct, enhanced.with_array(array), kvct=kvct, on_event=lambda event, **fields: None)
            rows.setdefault(failure, []).append(_in_words(judge(record, model.card)))
    print(f"| failure | {' | '.join(scan.stem for scan in scans)} |\n|---|{'---|' * len(scans)}")
    for failure, cells in rows.items():
        print(f"| {failure} | {' | '.join(cells)} |")


def _failures(mvct: Volume, enhanced: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    yield "none", enhanced
    yield "the MVCT itself", mvct.array
    yield "MVCT, Gaussian 1 px", _blurred(mvct.array, 1)
    yield "Gaussian 1 px", _blurred(enhanced, 1)
    yield "Gaussian 3 px", _blurred(enhanced, 3)
    yield "noise of 20 HU", _whole(enhanced + np.random.default_rng(1).normal(0, 20, enhanced.shape))
    for shift in (20, 60):
        yield f"HU + {shift}", _whole(enhanced + float(shift))
    middle = len(enhanced) // 2
    for diameter in (10, 20, 40):
        yield f"air of {diameter} mm in one slice", _with_air(mvct, enhanced, diameter, [middle])
    yield "air of 20 mm in five slices", _with_air(mvct, enhanced, 20, range(middle - 2, middle + 3))


def _with_air(mvct: Volume, enhanced: np.ndarray, diameter_mm: float, slices) -> np.ndarray:
    """A disc of air where tissue is thick enough, in the middle of such pixels."""
    result, pixel_mm = enhanced.copy(), mvct.spacing[0]
    j, i = np.indices(enhanced.shape[1:])
    for k in slices:
        body = body_mask(mvct.array[k], pixel_size=(pixel_mm, pixel_mm))
        tissue = body & (enhanced[k] > TISSUE_HU[0]) & (enhanced[k] < TISSUE_HU[1])
        inner = ndimage.binary_erosion(tissue, iterations=int(diameter_mm / 2 / pixel_mm) + 2)
        places = np.argwhere(inner if inner.any() else body)
        centre = places[len(places) // 2] if inner.any() else places.mean(axis=0)
        result[k][np.hypot(j - centre[0], i - centre[1]) * pixel_mm < diameter_mm / 2] = -1000
    return result


def _first_slices(volume: Volume) -> Volume:
    volume = axial(volume)
    return Volume(volume.array[:SLICES], volume.spacing, volume.origin, volume.direction)


def _blurred(array: np.ndarray, sd_px: float) -> np.ndarray:
    return _whole(ndimage.gaussian_filter(array.astype(float), (0, sd_px, sd_px)))


def _whole(array: np.ndarray) -> np.ndarray:
    return np.rint(array).clip(-32768, 32767).astype(np.int16)


def _in_words(assessments: Assessments) -> str:
    """Names of the metrics that are not as expected, those not to be trusted in bold."""
    words = []
    for group, name, assessment in not_as_expected(assessments):
        text = f"{group}.{name}"
        words.append(f"**{text}**" if assessment.verdict == DO_NOT_TRUST else text)
    return ", ".join(words) or "–"


if __name__ == "__main__":
    main()
