"""How often the rule of `adapt` picks the better of two models, where the truth is known: docs/commissioning.md.

    OMP_NUM_THREADS=1 python studies/commissioning/choice.py WORK MODEL [MODEL ...]

WORK was left by adapting.py. On each of its scanners every MODEL, and the models that were adapted to any of them, are
judged as `adapt` does: by slices that the scanner's twin scanned, and by the site's MVCT. For every pair of models the
one that the rule keeps is compared with the one of smaller error on the other patients, which the scanner itself
scanned. So is the rule of before, by air agreement and NSelfSSIM of the site's MVCT alone.
"""

from __future__ import annotations

import argparse
import json
from itertools import combinations
from pathlib import Path

import torch
from adapting import errors_of
from MVCTEnhanceLib.commissioning.adapt import Judgement, better, judge
from MVCTEnhanceLib.io import read_volume
from MVCTEnhanceLib.model.card import find_model
from MVCTEnhanceLib.site.profile import read_site
from MVCTEnhanceLib.training.validation import MIN_AIR_AGREEMENT
from MVCTEnhanceLib.volume.grid import axial

CLEAR_HU = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("models", nargs="+")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    models = {Path(name).stem: find_model(name) for name in arguments.models}
    folders = sorted(path.parent for path in arguments.work.glob("*/result.json"))
    models |= {f"adapted to {folder.name}": adapted_of(folder) for folder in folders}
    counts: dict[str, list[int]] = {"rule": [0, 0], "rule of before": [0, 0], "where clear": [0, 0]}
    for folder in folders:
        site = read_site(folder / "site" / "site-profile.toml")
        real = [site.calibrated(axial(read_volume(path))) for path in sorted((folder / "mvct").iterdir())]
        judged = judge(models, real, folder / "site" / "adapting" / "pairs", torch.device("cpu"))
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
    print(json.dumps(counts))


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
