"""Level a model's fat and soft tissue on the standard scanner, since a pool of scanners pulls them elsewhere.

    python studies/models/level.py MODEL_FILE PREPARED_FOLDER TARGET_FILE

PREPARED_FOLDER is what prepare.py made. The mean of the HU errors of fat and of soft tissue over the training patients
by the standard scanner (one slice in four) is taken off the last bias, so that all HU move alike on the density scale.
A scanner's own offset is a matter of its calibration.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np
import torch
from MVCTEnhanceLib.io import read_volume
from MVCTEnhanceLib.model.engine import Engine
from MVCTEnhanceLib.model.package import load_model, save_model
from MVCTEnhanceLib.quality.metrics import evaluate
from MVCTEnhanceLib.volume import Volume

EVERY = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "prepared", "target"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    model = load_model(arguments.model)
    train = arguments.prepared / "train"
    paths = sorted((train / "mvct").glob("*.nrrd"))
    errors = [tissue_errors(model, read_volume(path), read_volume(train / "truth" / path.name)) for path in paths]
    fat, soft_tissue = np.nanmean(errors, axis=0)
    level = float(fat + soft_tissue) / 2
    last = model.translator.decoders["kv"].correction
    with torch.no_grad():
        last.bias -= level / model.plan.intensities.half_width_hu
    print(f"{len(errors)} patients: fat {fat:.2f}, soft tissue {soft_tissue:.2f} HU off")
    save_model(dataclasses.replace(model, card=model.card | {"levelled_hu": round(level, 2)}), arguments.target)


def tissue_errors(model, mvct: Volume, truth: Volume) -> tuple[float, float]:
    """Mean HU errors of fat and of soft tissue over the slices; NaN where none has enough of it."""
    some, true = mvct.array[::EVERY], truth.array[::EVERY]
    made = Engine(model, torch.device("cpu")).enhance(dataclasses.replace(mvct, array=some)).array
    readouts = evaluate(some, made, spacing=mvct.spacing, truth=true)
    return tuple(readouts.groups["truth.enhanced"][tissue].mean for tissue in ("fat", "soft_tissue"))


if __name__ == "__main__":
    main()
