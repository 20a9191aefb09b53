"""How often the rule of `adapt` picks the better of two models, where the truth is known: docs/commissioning.md.

    OMP_NUM_THREADS=1 python studies/commissioning/choice.py DATA WORK MODEL [MODEL ...] [--scanners NAME ...] [...]

On each scanner of adapting.py, whose WORK and options these are, every MODEL, and the models that adapting.py has left
there, are judged as `adapt` does: by slices that the scanner's twin scanned, and by the site's MVCT. For every pair of
models the one that the rule keeps is compared with the one of smaller error on the other patients, which the scanner
itself scanned. So is the rule of before, by air agreement and NSelfSSIM of the site's MVCT alone.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import torch
from adapting import SCANNERS, add_scans, errors_of, scanner, write_scans
from MVCTEnhanceLib.batch.cases import find_cases
from MVCTEnhanceLib.commissioning import adapt as adapting
from MVCTEnhanceLib.commissioning import make_twin
from MVCTEnhanceLib.commissioning.adapt import Judgement, better, judge
from MVCTEnhanceLib.commissioning.calibrate import calibrate
from MVCTEnhanceLib.commissioning.commission import CALIBRATED, MATCHED
from MVCTEnhanceLib.io import read_volume
from MVCTEnhanceLib.jobs.requests import CalibrateRequest, TwinRequest
from MVCTEnhanceLib.model.card import find_model
from MVCTEnhanceLib.runtime.events import ignore_event
from MVCTEnhanceLib.site.profile import SiteProfile, read_site
from MVCTEnhanceLib.training.validation import MIN_AIR_AGREEMENT
from MVCTEnhanceLib.volume.grid import axial

CLEAR_HU = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("models", nargs="+")
    add_scans(parser)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    make_twin.VIEWS = arguments.views
    adapting.PAIRED_SLICES = 1  # only those count here that are held back
    models = {Path(name).stem: find_model(name) for name in arguments.models}
    models |= {f"adapted to {name}": file for name in SCANNERS if (file := adapted_of(arguments.work / name)).exists()}
    counts: dict[str, list[int]] = {"rule": [0, 0], "rule of before": [0, 0], "where clear": [0, 0]}
    for scanner_name in arguments.scanners:
        folder = arguments.work / scanner_name
        write_scans(arguments, folder, scanner(scanner_name, arguments.matrix, arguments.views))
        site, pairs = prepared(folder)
        real = [site.calibrated(axial(read_volume(path))) for path in sorted((folder / "mvct").iterdir())]
        judged = judge(models, real, pairs, torch.device("cpu"), site)
        true = {name: mean(errors_of(folder, site, file)) for name, file in models.items()}
        for name in models:
            print(f"{folder.name} {name:20} true error {true[name]:.1f} HU, {judged[name]}", flush=True)
        for pair in combinations(models, 2):
            both = {name: judged[name] for name in pair}
            best = min(pair, key=true.__getitem__)
            apart = abs(true[pair[0]] - true[pair[1]])
            for rule, kept in (("rule", better(both)), ("rule of before", before(both))):
                count(counts[rule], kept == best)
                print(f"{folder.name} {' or '.join(pair)}: {rule} {kept == best}, {best} better by {apart:.1f} HU")
            if apart >= CLEAR_HU:
                count(counts["where clear"], better(both) == best)
        print(json.dumps(counts), flush=True)


def prepared(folder: Path) -> tuple[SiteProfile, Path]:
    """Calibration of a scanner, and pairs of its twin."""
    site, twin, pairs = folder / "calibrated.toml", folder / "twin.toml", folder / "pairs"
    if (folder / "site" / "adapting" / "pairs").exists():
        made_with = next(path for name in (MATCHED, CALIBRATED) if (path := folder / "site" / name).exists())
        return read_site(made_with), folder / "site" / "adapting" / "pairs"
    if not twin.exists():
        calibrate(CalibrateRequest(site, phantom=folder / "phantom.nrrd", overwrite=True))
        make_twin.make_twin(TwinRequest(twin, phantom=folder / "phantom.nrrd", site=site, device="cpu"))
    if not pairs.exists():
        settings = replace(adapting.read_twin(twin), hu_offset=0.0, hu_slope=1.0)
        cases = find_cases(folder / "kvct")
        adapting._write_pairs(pairs, cases, settings, read_site(site), torch.device("cpu"), ignore_event)
    return read_site(site), pairs


def adapted_of(folder: Path) -> Path:
    return folder / "site" / "adapting" / "training" / "model.safetensors"


def before(judged: dict[str, Judgement]) -> str:
    """Air agreement of 99 %, then the smaller distance of NSelfSSIM."""
    return min(
        judged, key=lambda name: (judged[name].air_agreement < MIN_AIR_AGREEMENT, judged[name].nselfssim_distance)
    )


def count(counts: list[int], right: bool) -> None:
    counts[0] += right
    counts[1] += 1


def mean(errors: dict[str, float]) -> float:
    return sum(errors.values()) / len(errors)


if __name__ == "__main__":
    main()
