"""Take off what a model's soft tissue lies off on the standard scanner, since a pool of scanners pulls it elsewhere.

    python studies/models/level.py MODEL_FILE PREPARED_FOLDER TARGET_FILE

PREPARED_FOLDER is what prepare.py made. The HU error of soft tissue, mean of the medians over the training patients by
the standard scanner (one slice in four), is taken off the last bias, so that all HU move alike on the density scale. A
scanner's own offset is a matter of its calibration.
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
    errors = [
        error
        for path in sorted((train / "mvct").glob("*.nrrd"))
        if np.isfinite(error := soft_tissue_error(model, read_volume(path), read_volume(train / "truth" / path.name)))
    ]
    level = float(np.mean(errors))
    last = model.translator.decoders["kv"].correction
    with torch.no_grad():
        last.bias -= level / model.plan.intensities.half_width_hu
    print(f"soft tissue of {len(errors)} patients: {level:.2f} HU off")
    save_model(dataclasses.replace(model, card=model.card | {"levelled_hu": round(level, 2)}), arguments.target)


def soft_tissue_error(model, mvct: Volume, truth: Volume) -> float:
    """Mean HU error of soft tissue over the slices; NaN where none has enough of it."""
    some, true = mvct.array[::EVERY], truth.array[::EVERY]
    made = Engine(model, torch.device("cpu")).enhance(dataclasses.replace(mvct, array=some)).array
    readouts = evaluate(some, made, spacing=mvct.spacing, truth=true)
    return readouts.groups["truth.enhanced"]["soft_tissue"].mean


if __name__ == "__main__":
    main()
