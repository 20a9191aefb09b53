"""Measure models and the trivial conversions on the test patients against their true kVCT.

    python studies/first_model/measure.py DATA_FOLDER/test MODEL_FILE [MODEL_FILE ...]

DATA_FOLDER is what prepare.py made. Prints a Markdown table; with --csv FILE, writes one row a patient and method.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from MVCTEnhanceLib.imageio import Volume, read_volume
from MVCTEnhanceLib.model.engine import Engine
from MVCTEnhanceLib.model.package import load_model
from MVCTEnhanceLib.physics.density import kv_hu_from_density
from MVCTEnhanceLib.quality.readouts import evaluate
from scipy import ndimage

COLUMNS = {
    "MAE / HU": "mae",
    "SSIM": "ssim",
    "PSNR / dB": "psnr",
    "NSelfSSIM": "nselfssim",
    "its distance to kVCT": "distance",
    "skin edge / mm": "skin_edge",
    "bone edge / mm": "bone_edge",
    "noise / HU": "noise",
    "CNR": "cnr",
    "bias soft / HU": "bias_soft_tissue",
    "fat": "bias_fat",
    "lung": "bias_lung",
    "bone": "bias_bone",
    "air agreement / %": "air",
    "DIG / HU² px⁻²": "dig",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("test", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take every n-th slice only [%(default)s]")
    arguments = parser.parse_args()
    rows = []
    for path in sorted((arguments.test / "mvct").glob("*.nrrd")):
        mvct = _every(read_volume(path), arguments.every)
        truth = _every(read_volume(arguments.test / "truth" / path.name), arguments.every)
        for method, convert in _methods(arguments.models):
            rows.append({"patient": path.stem, "method": method, **_measure(mvct, convert(mvct), truth)})
        rows.append({"patient": path.stem, "method": "true kVCT", **_measure(mvct, truth.array, truth)})
    print(_markdown(rows))
    if arguments.csv:
        with arguments.csv.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


def _methods(models: list[Path]) -> Iterator[tuple[str, Callable[[Volume], np.ndarray]]]:
    yield "MVCT", lambda mvct: mvct.array
    yield "MVCT + density curve", lambda mvct: _density_curve(mvct.array)
    yield "Gaussian 1 px + density curve", lambda mvct: _density_curve(_gaussian(mvct.array))
    for path in models:
        engine = Engine(load_model(path), torch.device("cpu"))
        yield path.stem, lambda mvct, engine=engine: engine.enhance(mvct).array


def _gaussian(array: np.ndarray) -> np.ndarray:
    return ndimage.gaussian_filter(array.astype(np.float32), (0, 1, 1))


def _density_curve(array: np.ndarray) -> np.ndarray:
    return kv_hu_from_density(torch.from_numpy(array.astype(np.float32))).numpy()


def _measure(mvct: Volume, converted: np.ndarray, truth: Volume) -> dict[str, float]:
    readouts = evaluate(
        mvct.array, converted, spacing=mvct.spacing, kvct=truth.array, kvct_spacing=truth.spacing, truth=truth.array
    )
    image, paired, comparison = readouts.enhanced, readouts.truth["enhanced"], readouts.comparison
    return {
        "mae": paired["mae_hu"].mean,
        "ssim": paired["ssim"].mean,
        "psnr": paired["psnr_db"].mean,
        "nselfssim": image["nselfssim"].mean,
        "distance": abs(image["nselfssim"].mean - readouts.planning_ct["nselfssim"].mean),
        "skin_edge": image["edge_width_mm"].mean,
        "bone_edge": image["bone_edge_width_mm"].mean,
        "noise": image["noise_hu"].mean,
        "cnr": image["cnr_muscle_fat"].mean,
        **{f"bias_{tissue}": paired["hu_bias"][tissue].mean for tissue in ("soft_tissue", "fat", "lung", "bone")},
        "air": comparison["air_agreement"].mean,
        "dig": comparison["dig"].mean,
    }


def _every(volume: Volume, step: int) -> Volume:
    spacing = (*volume.spacing[:2], volume.spacing[2] * step)
    return Volume(volume.array[::step], spacing, volume.origin, volume.direction)


def _markdown(rows: list[dict]) -> str:
    lines = ["| patient | method | " + " | ".join(COLUMNS) + " |", "|---|---|" + "--:|" * len(COLUMNS)]
    for row in rows:
        values = " | ".join(f"{row[key]:.4g}" for key in COLUMNS.values())
        lines.append(f"| {row['patient']} | {row['method']} | {values} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
