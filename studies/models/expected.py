"""Expected ranges of a model's metrics, measured on simulated MVCT.

    python studies/models/expected.py DATA_FOLDER PREPARED_FOLDER POOL_FOLDER MODEL_FILE WORK_FOLDER

PREPARED_FOLDER is what prepare.py made of DATA_FOLDER, POOL_FOLDER the pool of simulated scanners that pool.py made.
Every MVCT of them without metal is enhanced and measured, with its own kVCT as planning CT; WORK_FOLDER gets these
metrics (those that are there are not measured again) and ranges.json, which ship.py puts on the model's card.
docs/models.md states the rule by which ranges come from slices.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from MVCTEnhanceLib.io import read_volume
from MVCTEnhanceLib.model.engine import Engine
from MVCTEnhanceLib.model.package import load_model
from MVCTEnhanceLib.quality.catalogue import METRICS
from MVCTEnhanceLib.quality.metrics import evaluate
from MVCTEnhanceLib.quality.record import DISTANCE, EnhancementRecord
from MVCTEnhanceLib.training.trained_on import FOR_FEW_DATA, rounded, widened
from MVCTEnhanceLib.volume.grid import axial
from pool import PHANTOMS

CENTRAL = (2.5, 97.5)  # percentiles of the slices
TRUST = 0.5  # of the width of what is expected, on either side of it
# Half of the tolerance that TG-148 gives the HU of MVCT for dose (water 30, lung 50 HU): the scanner may take the rest.
TRUSTED_BIAS_HU = {"soft_tissue": 15.0, "fat": 15.0, "lung": 25.0}
MIN_BIAS_HU = 5.0  # no closer than MVCT is calibrated from day to day
AIR_AGREEMENT = {"expected": [99.0, None], "trusted": [98.5, None]}
# The noise of the slices of one kVCT differs by the first factor; beyond the second it is another kind of image.
TO_PLANNING_CT = {"expected": [0.6, 1.6], "trusted": [0.3, 3.0]}
MEASURED_ON = (
    "simulated MVCT of 17 patients ({slices} slices): the three test patients and the 14 whose slices the model was "
    "trained on, by one scanner, and the 14 by 20 other scanners; no scan of a TomoTherapy unit"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "prepared", "pool", "model", "work"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    engine = Engine(load_model(arguments.model), torch.device("cpu"))
    scans = sorted(scan for use in ("train", "test") for scan in (arguments.prepared / use / "mvct").glob("*.nrrd"))
    records = [_measured(scan, _kvct_of(scan.stem, arguments.data), engine, arguments.work) for scan in scans]
    by_others = [_measured(scan, truth, engine, arguments.work) for scan, truth in pool_scans(arguments.pool)]
    ranges = json.dumps({"expected": expected(records, by_others)}, indent=2)
    (arguments.work / "ranges.json").write_text(ranges + "\n", encoding="utf-8")


def pool_scans(pool: Path) -> Iterator[tuple[Path, Path]]:
    """MVCT of patients without metal by each scanner of the pool, and the kVCT slices of each."""
    for folder in sorted(pool.iterdir()):
        if not json.loads((folder / "scanner.json").read_text(encoding="utf-8"))["metal"]:
            for scan in sorted((folder / "mvct").glob("*.nrrd")):
                if scan.stem not in PHANTOMS:
                    yield scan, folder / "truth" / scan.name


def _kvct_of(patient: str, data: Path) -> Path:
    """The whole kVCT on its own grid."""
    planned = data / "kvct" / f"{patient}.nrrd"
    return planned if planned.exists() else data / "dicom" / patient


def _measured(scan: Path, planning_ct: Path, engine: Engine, work: Path) -> EnhancementRecord:
    """The record of one patient's MVCT, enhanced."""
    kept = work / f"{scan.parts[-3]}-{scan.stem}.json"
    if not kept.exists():
        mvct, kvct = axial(read_volume(scan)), axial(read_volume(planning_ct))
        enhanced = engine.enhance(mvct).array
        planning = {"kvct": kvct.array, "kvct_spacing": kvct.spacing}
        values = evaluate(mvct.array, enhanced, spacing=mvct.spacing, **planning).to_dict()
        kept.write_text(json.dumps(values), encoding="utf-8")
    return EnhancementRecord.from_dict(json.loads(kept.read_text(encoding="utf-8")))


def expected(of_one_scanner: list[EnhancementRecord], of_others: list[EnhancementRecord]) -> dict:
    """What `MVCTEnhanceLib.assessment.verdicts` compares metrics with; planning CT are the same for all scanners."""
    records = of_one_scanner + of_others
    ranges: dict = {"measured_on": MEASURED_ON.format(slices=sum(len(record.slice_names()) for record in records))}
    for group in ("mvct", "enhanced", "planning_ct", "comparison"):
        measured = of_one_scanner if group == "planning_ct" else records
        ranges[group] = {
            name: _range(name, _slices(record.groups[group][name].per_slice for record in measured))
            for name in records[0].groups[group]
        }
    ranges["mvct"]["cnr_muscle_fat"]["trusted"][1] = None  # a thin neck has less noise, which its own range judges
    distances = [record.distance.enhanced for record in of_one_scanner]
    ranges["comparison"][DISTANCE] = _one_sided(distances)
    ranges["enhanced_to_mvct"] = {
        name: _two_sided(_slices(_parts(record, name) for record in records)) for name in _named("enhanced_to_mvct")
    }
    ranges["enhanced_to_planning_ct"] = dict.fromkeys(_named("enhanced_to_planning_ct"), TO_PLANNING_CT)
    return ranges


def _named(group: str) -> list[str]:
    """The metrics for which a card has ranges in this group."""
    return [name for name, metric in METRICS.items() if group in metric.causes]


def _slices(values: Iterable[Iterable[float]]) -> np.ndarray:
    """The values of all slices of all patients that have one."""
    every = np.array([value for of_patient in values for value in of_patient])
    return every[np.isfinite(every)]


def _parts(record: EnhancementRecord, name: str) -> list[float]:
    pairs = zip(*(record.groups[scan][name].per_slice for scan in ("enhanced", "mvct")), strict=True)
    return [after / before for after, before in pairs if before]


def _range(name: str, values: np.ndarray) -> dict:
    if name == "air_agreement":
        return AIR_AGREEMENT
    if name == "nselfssim":
        return {kind: [low, min(high, 1.0)] for kind, (low, high) in _two_sided(values).items()}
    if METRICS[name].max_above_planning_ct:  # little of it is blur, which edge widths show
        return _at_most(values)
    if name not in TRUSTED_BIAS_HU:
        return _two_sided(values)
    low, high = _central(values)
    bias = max(-low, high, MIN_BIAS_HU)
    trusted = max(TRUSTED_BIAS_HU[name], bias)
    return {"expected": [-bias, bias], "trusted": [-trusted, trusted]}


def _two_sided(values: np.ndarray) -> dict:
    """All of them are positive by nature: a failure is less than half of the lowest that is expected."""
    low, high = _central(values)
    width = high - low
    return {"expected": [low, high], "trusted": rounded(max(low - TRUST * width, low / 2), high + TRUST * width)}


def _one_sided(values: Iterable[float]) -> dict:
    high = rounded(0.0, np.percentile(list(values), CENTRAL[1]) * (1 + FOR_FEW_DATA))[1]
    return {"expected": [None, high], "trusted": [None, rounded(0.0, high * (1 + TRUST))[1]]}


def _at_most(values: np.ndarray) -> dict:
    low, high = _central(values)
    return {"expected": [None, high], "trusted": [None, rounded(low, high + TRUST * (high - low))[1]]}


def _central(values: np.ndarray) -> list[float]:
    return widened(*np.percentile(values, CENTRAL))


if __name__ == "__main__":
    main()
