"""Which part of newly trained weights to take: what each costs and brings on the training patients.

    python studies/models/part.py PREPARED_FOLDER POOL_FOLDER TRAINED_MODEL [--from MODEL] [--scanners NAME ...]
        [--take P MODEL_FILE]

PREPARED_FOLDER is what prepare.py made, POOL_FOLDER the pool of pool.py, TRAINED_MODEL what robust.py trained from
MODEL with all of its weights. Every tenth slice of the training patients by the standard scanner and two slices of each
by some scanners of the pool; a line for each part of the new weights. Lesions are planted as robust.py plants them,
where crops have tissue. With --take nothing is measured: MODEL_FILE gets 1 - P of MODEL's weights and P of the new
ones (Wortsman et al., CVPR 2022, arXiv 2109.01903).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from MVCTEnhanceLib.io import read_volume
from MVCTEnhanceLib.model.card import find_model
from MVCTEnhanceLib.model.engine import Engine
from MVCTEnhanceLib.model.package import Model, load_model, save_model
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.quality.overshoot import beside_air
from pool import PHANTOMS, matched_mvct
from robust import SEED, pair_slices, scanner_response, window, with_lesions

PARTS = (0.0, 0.25, 0.5, 0.75, 1.0)
EVERY, CROPS = 10, 120
MEASURES = ("tissue beside air / HU", "lesions kept", "SD", "below a half")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("prepared", "pool", "trained"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--from", dest="start", default="simulated-anchor", metavar="MODEL")
    parser.add_argument("--scanners", nargs="+", default=("3", "5", "8", "12", "15"), metavar="NAME")
    parser.add_argument("--take", nargs=2, metavar=("P", "MODEL_FILE"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.take:
        part, target = arguments.take
        model = blended(arguments.trained, arguments.start, float(part))
        save_model(replace(model, card=model.card | {"part_of_the_new_weights": float(part)}), Path(target))
        return
    paths = {"standard": sorted((arguments.prepared / "train" / "mvct").glob("*.nrrd"))}
    for name in arguments.scanners:
        found = sorted((arguments.pool / name / "mvct").glob("*.nrrd"))
        paths[name] = [path for path in found if path.stem not in PHANTOMS]
    crops = lesion_crops(arguments.pool / "standard")
    print(",".join(("part", *(f"MAE {name} / HU" for name in paths), *MEASURES)))
    for part in PARTS:
        model = blended(arguments.trained, arguments.start, part)
        found = {name: np.array([errors(model, path) for path in of]) for name, of in paths.items()}
        values = [values[:, 0].mean() for values in found.values()]
        values += [np.nanmean(found["standard"][:, 1]), *contrast_kept(model, crops)]
        print(f"{part:g}," + ",".join(f"{value:.3f}" for value in values), flush=True)


def blended(trained: Path, start: str, part: float) -> Model:
    """The trained model with 1 - part of the weights of the one that it was trained from."""
    model, given = load_model(trained), load_model(find_model(start))
    with torch.no_grad():
        for mine, others in zip(model.translator.parameters(), given.translator.parameters(), strict=True):
            mine.lerp_(others, 1 - part)
    return model


def errors(model: Model, path: Path) -> tuple[float, float]:
    """MAE in the body and mean error of tissue beside air in HU; the latter NaN where there is none."""
    mvct, truth = matched_mvct(path), read_volume(path.parents[1] / "truth" / path.name)
    pixel_size = (mvct.spacing[1], mvct.spacing[0])
    every = EVERY if len(mvct.array) > EVERY else 3
    mvct, true = replace(mvct, array=mvct.array[::every]), truth.array[::every].astype(float)
    error = Engine(model, torch.device("cpu")).enhance(mvct).array - true
    bodies = np.stack([body_mask(image, pixel_size=pixel_size) for image in true])
    tissue = np.stack(
        [beside_air(image, body, pixel_size=pixel_size)[0] for image, body in zip(true, bodies, strict=True)]
    )
    return float(np.abs(error[bodies]).mean()), float(error[tissue].mean()) if tissue.any() else np.nan


def lesion_crops(folder: Path) -> list[torch.Tensor]:
    """MVCT and truth without lesions, MVCT and truth with them, in HU, of crops of a scanner: each (4, j, i)."""
    rng, slices = np.random.default_rng(SEED), list(pair_slices(folder, phantoms=False))
    response, crops = scanner_response(slices), []
    for _ in range(CROPS):
        mvct, truth, _, centres = slices[rng.integers(len(slices))]
        rows, columns = window(centres[rng.integers(len(centres))], mvct.shape)
        plain = [mvct[rows, columns].float(), truth[rows, columns].float()]
        crops.append(torch.stack([*plain, *with_lesions(*plain, response, rng)]))
    return [crop for crop in crops if (crop[3] != crop[1]).any()]


@torch.no_grad()
def contrast_kept(model: Model, crops: list[torch.Tensor]) -> tuple[float, float, float]:
    """What the enhanced crops keep of the change by lesions: mean, SD, share below a half."""
    kept = []
    for crop in crops:
        values = model.plan.intensities.to_network(crop[[0, 2], None], "mv")
        without, planted = model.plan.intensities.to_hu(model.translator.to_kv(values), "kv")[:, 0]
        change = crop[3] - crop[1]
        kept.append(float(((planted - without) * change).sum() / change.square().sum()))
    return float(np.mean(kept)), float(np.std(kept)), float(np.mean(np.array(kept) < 0.5))


if __name__ == "__main__":
    main()
