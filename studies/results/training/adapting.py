"""The unpaired model before and after it was adapted to another scanner by that scanner's own unpaired scans.

The other scanner is simulated from the true kVCT: fewer photons, more blur, and HU that stray from the density line.
Its test patients' kVCT serves to measure only; no training here sees an MVCT and its kVCT together.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from MVCTEnhanceLib.io import read_volume, write_volume
from MVCTEnhanceLib.model.card import find_model
from MVCTEnhanceLib.model.engine import Engine
from MVCTEnhanceLib.model.package import load_model
from MVCTEnhanceLib.physics.density import KNEE_HU
from MVCTEnhanceLib.physics.mvct import MVCTSettings, simulate_mvct
from MVCTEnhanceLib.quality.metrics import evaluate
from MVCTEnhanceLib.storage.atomic import atomic_file
from MVCTEnhanceLib.volume import Volume
from study import Case, Method, Row, Study, mean_and_sd, weights_digest

OTHER_SCANNER = MVCTSettings(photons=0.4 * MVCTSettings.photons, blur_fwhm_mm=2.0)
STRETCH = 1.02  # of all HU above air
WATER_HU = round(1000 * STRETCH - 1000)
BONE_STRETCH = 0.92  # of what lies above the knee of the density curve
MODEL = "unpaired"
SIZES = {"64": 64, "all": None}  # slices of each domain
CONFIG = Path(__file__).with_suffix(".toml")
BEFORE = f"{MODEL}, before"
COLUMNS = {
    "patient": "patient",
    "method": "method",
    "mae": "MAE / HU",
    "ssim": "SSIM",
    "nselfssim_distance": "distance of NSelfSSIM to kVCT",
    "noise": "noise / HU",
    "noise_kvct": "noise of kVCT / HU",
    "skin_edge": "skin edge / mm",
    "bias_soft_tissue": "HU error, soft tissue",
    "bias_fat": "fat",
    "bias_lung": "lung",
    "bias_bone": "bone",
    "air_agreement": "air agreement / %",
}
WINDOW_HU = (-160, 240)
SHOWN_PX = 300  # of the middle of a slice


def run(study: Study) -> None:
    """Write the table and the picture adapting."""
    folder = study.work / "adapting" / f"{_version()}-every-{study.every}"
    pool = [_scanned(case, folder / "scans" / "train", seed) for seed, case in enumerate(study.cases("train"))]
    kvct = [(path.stem, read_volume(path)) for path in sorted((study.work / "data" / "train" / "kvct").glob("*.nrrd"))]
    trainings = {size: _adapt(study, folder / size, size, pool, kvct) for size in SIZES}
    models = {BEFORE: find_model(MODEL)} | {
        f"adapted, {training['mvct_slices']} + {training['kvct_slices']} slices": folder
        / size
        / "run"
        / "model.safetensors"
        for size, training in trainings.items()
    }
    methods = [Method("MVCT", lambda mvct: mvct.array), *(_method(name, path) for name, path in models.items())]
    rows, pictures = [], []
    for seed, case in enumerate(study.cases("test"), start=len(pool)):
        other = replace(case, mvct=_scanned(case, folder / "scans" / "test", seed)[1])
        own = Method(f"{MODEL}, own scanner", _method("", models[BEFORE]).convert)
        rows += [_measured(study, own, case), *(_measured(study, method, other) for method in methods)]
        pictures.append(
            [study.converted(method, f"adapting-{_version()}-{case.patient}", other.mvct) for method in methods]
        )
        pictures[-1].append(case.truth.array)
    rows += _means(rows)
    notes = _notes(trainings, load_model(models[BEFORE]).card)
    study.write_table("adapting", rows, COLUMNS, title="A model adapted to another scanner", notes=notes)
    _draw(pictures, [*(method.name for method in methods), "true kVCT"], study.results / "adapting.png")


def _version() -> str:
    """Of the model and the configuration: what is kept is kept under it."""
    return weights_digest(find_model(MODEL)) + "-" + hashlib.sha256(CONFIG.read_bytes()).hexdigest()[:8]


def other_hu(hu: np.ndarray) -> np.ndarray:
    """HU of the simulated scanner -> HU of the other one, any shape: int16; air stays at -1000 HU."""
    stretched = STRETCH * (hu.astype(np.float32) + 1000) - 1000
    bent = np.where(stretched > KNEE_HU, KNEE_HU + BONE_STRETCH * (stretched - KNEE_HU), stretched)
    return np.rint(bent).astype(np.int16)


def spread(scans: list[tuple[str, Volume]], number: int | None) -> list[tuple[str, Volume]]:
    """So many slices (None: all), evenly over those of all scans, still scan by scan."""
    total = sum(len(scan.array) for _, scan in scans)
    number = total if number is None else min(number, total)
    chosen = (2 * np.arange(number) + 1) * total // (2 * number)
    taken, first = [], 0
    for name, scan in scans:
        inside = chosen[(chosen >= first) & (chosen < first + len(scan.array))] - first
        if len(inside):
            taken.append((name, replace(scan, array=scan.array[inside])))
        first += len(scan.array)
    return taken


def _scanned(case: Case, folder: Path, seed: int) -> tuple[str, Volume]:
    """A patient's scan by the other scanner, made once."""
    path = folder / f"{case.patient}.nrrd"
    if not path.exists():
        grid = {"matrix": case.truth.array.shape[1], "pixel_mm": case.truth.spacing[0]}
        scan = simulate_mvct(case.truth, replace(OTHER_SCANNER, seed=seed, **grid))
        write_volume(scan.with_array(other_hu(scan.array)), path)
    return case.patient, read_volume(path)


def _adapt(
    study: Study, folder: Path, size: str, mvct: list[tuple[str, Volume]], kvct: list[tuple[str, Volume]]
) -> dict[str, Any]:
    """Train in a folder on so many slices of each domain; the numbers of slices, steps and the validation."""

    def train() -> dict[str, Any]:
        for domain, scans in (("mvct", mvct), ("kvct", kvct)):
            for name, scan in spread(scans, SIZES[size]):
                write_volume(scan, folder / domain / f"{name}.nrrd")
        shutil.copyfile(CONFIG, folder / "train.toml")
        command = [sys.executable, "-m", "MVCTEnhanceLib", "train", folder / "train.toml", "--output", folder / "run"]
        subprocess.run([*command, "--from", MODEL, "--device", "cpu", "--progress", "none"], check=True)
        card = load_model(folder / "run" / "model.safetensors").card
        return {**card["training_data"], "step": card["step"], "schedule": card["schedule"], "seed": card["seed"]}

    return study.once(f"adapting/{_version()}/trained-{size}", train)


def _method(name: str, model: Path) -> Method:
    return Method(name, lambda mvct: Engine(load_model(model), torch.device("cpu")).enhance(mvct).array)


def _measured(study: Study, method: Method, case: Case) -> Row:
    def measure() -> Row:
        converted = study.converted(method, f"adapting-{_version()}-{case.patient}", case.mvct)
        truth, spacing = case.truth.array, case.mvct.spacing
        readouts = evaluate(case.mvct.array, converted, spacing=spacing, kvct=truth, kvct_spacing=spacing, truth=truth)
        image, paired, kvct = (readouts.groups[name] for name in ("enhanced", "truth.enhanced", "planning_ct"))
        return {
            "mae": paired["mae_hu"].mean,
            "ssim": paired["ssim"].mean,
            "nselfssim_distance": abs(image["nselfssim"].mean - kvct["nselfssim"].mean),
            "noise": image["noise_hu"].mean,
            "noise_kvct": kvct["noise_hu"].mean,
            "skin_edge": image["edge_width_mm"].mean,
            **{f"bias_{name}": values.mean for name, values in paired.items() if values.part_of == "hu_bias"},
            "air_agreement": readouts.groups["comparison"]["air_agreement"].mean,
        }

    row = study.once(f"adapting/{_version()}/{method.name}/{case.patient}", measure)
    return {"patient": case.patient, "method": method.name, **row}


def _means(rows: list[Row]) -> list[Row]:
    """Over the patients, for each method."""
    means = []
    for method in dict.fromkeys(row["method"] for row in rows):
        same = [row for row in rows if row["method"] == method]
        numbers = {key: mean_and_sd(row[key] for row in same)[0] for key in same[0] if key not in ("patient", "method")}
        means.append({"patient": "mean", "method": method, **numbers})
    return means


def _notes(trainings: dict[str, dict[str, Any]], card: dict[str, Any]) -> str:
    whole, schedule = trainings["all"], trainings["all"]["schedule"]
    sizes = " and ".join(f"{t['mvct_slices']} MVCT with {t['kvct_slices']} kVCT slices" for t in trainings.values())
    chosen = " and ".join(str(t["step"]) for t in trainings.values())
    photons, blur_mm = OTHER_SCANNER.photons / MVCTSettings.photons, OTHER_SCANNER.blur_fwhm_mm
    return f"""
All MVCT is simulated from kVCT. The other scanner has {photons:g} of the photons, a blur of {blur_mm:g} mm FWHM instead
of {MVCTSettings.blur_fwhm_mm:g} mm, and HU that lie {STRETCH:g} times as far from air (water at {WATER_HU:g} HU) and
rise by {BONE_STRETCH:g} of that above {KNEE_HU:g} HU. It is simulated from the kVCT on the MVCT's grid, which is also
the truth of the test patients.

`{card["name"]}` was adapted by `mvct-enhance train --from` with studies/results/training/adapting.toml, unpaired,
without any truth, to {sizes} of the training patients. The larger set is all that there is; the
smaller one is spread evenly over the same patients, so that it is more varied than so many slices of one patient.
Of {schedule["steps"]} steps the first {schedule["cycle_steps"]} train the cycle alone, the next
{schedule["discriminator_steps"]} the discriminators alone; batch {schedule["batch"]},
seed {whole["seed"]}, one run each, so that the spread over seeds is not known. The weights, of steps {chosen}, were
chosen without truth, on slices of the training. The kVCT, and the anatomy of the training patients, are those of the
model's own training: a clinic's scans differ in both.

Means over the slices of each test patient, who is in no training; HU error is scan - true kVCT. "Own scanner" is the
model on the MVCT that it was made for: what adapting could reach at best, were it not for the noise of fewer photons.
"""


def _draw(pictures: list[list[np.ndarray]], titles: list[str], path: Path) -> None:
    """A row for each patient's middle slice, a column for each method."""
    figure = Figure(figsize=(2 * len(titles), 2 * len(pictures) + 0.3), layout="constrained")
    axes = figure.subplots(len(pictures), len(titles), squeeze=False)
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=7)
    for row, scans in zip(axes, pictures, strict=True):
        for axis, array in zip(row, scans, strict=True):
            image = array[len(array) // 2]
            top, left = (max(size - SHOWN_PX, 0) // 2 for size in image.shape)
            image = image[top : top + SHOWN_PX, left : left + SHOWN_PX]
            axis.imshow(image, cmap="gray", vmin=WINDOW_HU[0], vmax=WINDOW_HU[1])
            axis.set_axis_off()
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=80, format="png")
