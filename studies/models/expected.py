"""Expected ranges of a model's metrics, measured on simulated MVCT.

    python studies/models/expected.py DATA_FOLDER PREPARED_FOLDER POOL_FOLDER MODEL_FILE WORK_FOLDER [--one-scanner]

PREPARED_FOLDER is what prepare.py made of DATA_FOLDER, POOL_FOLDER the pool of simulated scanners that pool.py made.
Every MVCT of them without metal is enhanced and measured, with its own kVCT as planning CT; WORK_FOLDER gets these
metrics (those that are there are not measured again) and ranges.json, which ship.py puts on the model's card. With
--one-scanner, for a model that knows no other, only the fine noise of the MVCT is from the pool, too.
docs/models.md states the rule by which ranges come from slices; `assessment/expected.py` applies it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import torch
from MVCTEnhanceLib.assessment.expected import chosen_ranges, expected_ranges
from MVCTEnhanceLib.io import read_volume
from MVCTEnhanceLib.model.engine import Engine
from MVCTEnhanceLib.model.package import load_model
from MVCTEnhanceLib.quality.metrics import evaluate
from MVCTEnhanceLib.quality.record import EnhancementRecord
from MVCTEnhanceLib.volume.grid import axial
from pool import PHANTOMS

MEASURED_ON = (
    "simulated MVCT of 17 patients ({slices} slices): the three test patients and the 14 whose slices the model was "
    "trained on, by one scanner{others}; no scan of a TomoTherapy unit"
)
OTHERS = ", and {slices} of the 14 by {scanners} others"
FINE_NOISE = "fine_noise_hu"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "prepared", "pool", "model", "work"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--one-scanner", action="store_true")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    engine = Engine(load_model(arguments.model), torch.device("cpu"))
    scans = sorted(scan for use in ("train", "test") for scan in (arguments.prepared / use / "mvct").glob("*.nrrd"))
    records = [_measured(scan, _kvct_of(scan.stem, arguments.data), engine, arguments.work) for scan in scans]
    pool = list(pool_scans(arguments.pool))
    by_others = [_measured(scan, truth, engine, arguments.work) for scan, truth in pool]
    scanners = len({scan.parents[1] for scan, _ in pool})
    others = "" if arguments.one_scanner else OTHERS.format(slices=_slices(by_others), scanners=scanners)
    measured_on = MEASURED_ON.format(slices=_slices(records), others=others)
    found = expected(records, by_others, one_scanner=arguments.one_scanner)
    ranges = json.dumps({"expected": {"measured_on": measured_on} | found}, indent=2)
    (arguments.work / "ranges.json").write_text(ranges + "\n", encoding="utf-8")


def pool_scans(pool: Path) -> Iterator[tuple[Path, Path]]:
    """MVCT of patients without metal by each scanner of the pool but the standard one, and the kVCT slices of each."""
    for folder in sorted(pool.iterdir()):
        if folder.name != "standard" and not json.loads((folder / "scanner.json").read_text(encoding="utf-8"))["metal"]:
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


def _slices(records: list[EnhancementRecord]) -> int:
    return sum(len(record.slice_names()) for record in records)


def expected(of_one_scanner: list[EnhancementRecord], of_others: list[EnhancementRecord], *, one_scanner: bool) -> dict:
    """What `MVCTEnhanceLib.assessment.verdicts` compares metrics with; planning CT are the same for all scanners."""
    of_all = of_one_scanner + of_others
    ranges = expected_ranges(of_one_scanner if one_scanner else of_all, planning_cts=of_one_scanner)
    # Of all scanners they would hold a planning CT for an MVCT with little noise; but the fine noise, which does not
    # depend on the size of the body, tells one scanner from another.
    ranges["mvct"] = expected_ranges(of_one_scanner)["mvct"]
    ranges["mvct"][FINE_NOISE] = expected_ranges(of_all)["mvct"][FINE_NOISE]
    for group, chosen in chosen_ranges().items():
        ranges[group] = ranges.get(group, {}) | chosen
    return ranges


if __name__ == "__main__":
    main()
