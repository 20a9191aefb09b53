"""How often the rule of `adapt` picks the better of two models, where the truth is known: docs/commissioning.md.

    OMP_NUM_THREADS=1 python studies/commissioning/choice.py DATA MODEL MODEL [MODEL ...] [--scanners SEED ...]

DATA holds kVCTs of patients (docs/models.md). Slices of the test patients are simulated with each scanner
(`random_scanner` without what a twin does not have, HU exact), and each MODEL enhances them. For every pair of models
the one that the rule keeps is compared with the one of smaller mean |enhanced - true kVCT| in the body.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import torch
from adapting import OTHERS, scanner
from MVCTEnhanceLib.commissioning.adapt import better
from MVCTEnhanceLib.commissioning.make_twin import spread
from MVCTEnhanceLib.io import read_volume
from MVCTEnhanceLib.model.card import find_model
from MVCTEnhanceLib.model.package import Model, load_model
from MVCTEnhanceLib.physics.mvct import simulate_mvct
from MVCTEnhanceLib.physics.truth import true_kvct
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.training.data import at_spacing
from MVCTEnhanceLib.training.validation import enhance_slice, mean_nselfssim, validate
from MVCTEnhanceLib.volume.grid import axial

Pairs = list[tuple[torch.Tensor, torch.Tensor]]  # slices of MVCT and truth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--scanners", type=int, nargs="+", default=(1001, 1002, 1003, 1004, 1005))
    parser.add_argument("--slices", type=int, default=2, help="of each test patient")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    models = {Path(name).stem: load_model(find_model(name)) for name in arguments.models}
    right = asked = 0
    for seed in arguments.scanners:
        pairs = simulated(arguments.data, seed, arguments.slices)
        judged, errors = {}, {}
        for name, model in models.items():
            spacing_mm = model.plan.spacing_mm
            target = mean_nselfssim([truth for _, truth in pairs], spacing_mm=spacing_mm)
            slices = [mvct for mvct, _ in pairs]
            judged[name] = validate(
                model.translator, model.plan.intensities, slices, target=target, spacing_mm=spacing_mm
            )
            errors[name] = error(model, pairs)
            print(f"{seed} {name:20} {errors[name]:.1f} HU, {judged[name]}", flush=True)
        for one, other in combinations(models, 2):
            kept = better({name: judged[name] for name in (one, other)})
            best = min((one, other), key=errors.__getitem__)
            right, asked = right + (kept == best), asked + 1
            print(f"{seed} {one} or {other}: kept {kept}, better by {abs(errors[one] - errors[other]):.1f} HU: {best}")
    print(f"right in {right} of {asked}")


def simulated(data: Path, seed: int, count: int) -> Pairs:
    settings, pairs = replace(scanner(seed), hu_offset=0.0, hu_slope=1.0), []
    for path in OTHERS:
        kvct = axial(read_volume(data / path, slices_only=True))
        part = replace(kvct, array=kvct.array[spread(range(len(kvct.array)), count)], source=None)
        mvct, truth = (made(part, settings) for made in (simulate_mvct, true_kvct))
        pairs += zip(*(at_spacing(scan, settings.pixel_mm) for scan in (mvct, truth)), strict=True)
    return pairs


def error(model: Model, pairs: Pairs) -> float:
    """Mean |enhanced - truth| in the body in HU."""
    size, total, count = (model.plan.spacing_mm,) * 2, 0.0, 0
    for mvct, truth in pairs:
        made = enhance_slice(model.translator, model.plan.intensities, mvct).numpy()
        body = body_mask(truth.float().numpy(), pixel_size=size)
        total, count = total + float(abs(made - truth.numpy())[body].sum()), count + int(body.sum())
    return total / count


if __name__ == "__main__":
    main()
