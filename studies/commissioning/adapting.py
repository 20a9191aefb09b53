"""A model adapted to simulated scanners by their twins: docs/commissioning.md.

    OMP_NUM_THREADS=1 python studies/commissioning/adapting.py DATA WORK [--scanners SEED ...] [--steps N] [--slices N]

DATA holds kVCTs of patients (docs/models.md). Each scanner (`random_scanner`, with dose, blur, kernel, denoising,
scatter and HU line of its own, and nothing else) is calibrated by TomoTherapy's cheese phantom, its twin is fitted to
the same scan, and the default model is adapted to it with slices of four patients (44 by default). MVCT of other slices
of them say which model is kept. WORK keeps what was made: the same command goes on. Printed are the errors of both
models on three other patients, whose truth is known: mean |enhanced - true kVCT| in the body, and the criteria that
need no truth.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from MVCTEnhanceLib.commissioning.adapt import adapt
from MVCTEnhanceLib.commissioning.calibrate import calibrate
from MVCTEnhanceLib.commissioning.make_twin import make_twin, spread
from MVCTEnhanceLib.io import read_volume, write_volume
from MVCTEnhanceLib.jobs.requests import AdaptRequest, CalibrateRequest, TwinRequest
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model
from MVCTEnhanceLib.model.engine import Engine
from MVCTEnhanceLib.model.package import load_model
from MVCTEnhanceLib.physics.mvct import simulate_mvct
from MVCTEnhanceLib.physics.qa_phantoms import cheese_phantom
from MVCTEnhanceLib.physics.settings import MVCTSettings, random_scanner
from MVCTEnhanceLib.physics.truth import true_kvct
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.site.profile import read_site
from MVCTEnhanceLib.volume.grid import axial

SITE = ("kvct/abdomen-crlm-1006.nrrd", "kvct/chest-lidc-0314.nrrd", "dicom/chest-lungdx-a0001")
SITE += ("kvct/headneck-cthead-stanford.nrrd",)
OTHERS = ("kvct/chest-lungdx-a0002.nrrd", "dicom/abdomen-crlm-1004", "kvct/head-ge.nrrd")
SCANNED, TESTED = 2, 2  # slices of each patient


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--scanners", type=int, nargs="+", default=(1001, 1002, 1004))
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--slices", type=int, default=11, help="of each planning CT")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for seed in arguments.scanners:
        settings = scanner(seed)
        print(f"\nscanner {seed}: {', '.join(f'{name} {value}' for name, value in settings.changed().items())}")
        folder = arguments.work / str(seed)
        write_site(arguments.data, folder, settings, arguments.slices)
        commission(folder, arguments.steps)


def scanner(seed: int) -> MVCTSettings:
    """A random scanner without what a twin does not have."""
    plain = {"couch": False, "truncated": False, "metal": "", "motion_mm": 0.0, "gain_sd": 0.0, "slice_mm": 0.0}
    return replace(random_scanner(seed), **plain)


def write_site(data: Path, folder: Path, settings: MVCTSettings, planned_slices: int) -> None:
    """phantom.nrrd, mvct and kvct of the site's patients, and mvct and truth of the others below test."""
    parts = [(folder / "phantom.nrrd", lambda: simulate_mvct(cheese_phantom(slices=10), settings))]
    for number, path in enumerate(SITE):
        kvct = axial(read_volume(data / path, slices_only=True))
        planned = spread(range(len(kvct.array)), planned_slices)
        scanned = spread([k for k in range(len(kvct.array)) if k not in planned], SCANNED)
        own, name = (
            replace(settings, seed=10 * settings.seed + number),
            f"{path.split('/')[1].removesuffix('.nrrd')}.nrrd",
        )
        slices = {
            of: replace(kvct, array=kvct.array[k], source=None) for of, k in (("kvct", planned), ("mvct", scanned))
        }
        parts += [
            (folder / "kvct" / name, lambda part=slices["kvct"]: part),
            (folder / "mvct" / name, lambda part=slices["mvct"], own=own: simulate_mvct(part, own)),
        ]
    for number, path in enumerate(OTHERS):
        kvct = axial(read_volume(data / path, slices_only=True))
        part = replace(kvct, array=kvct.array[spread(range(len(kvct.array)), TESTED)], source=None)
        own, name = (
            replace(settings, seed=20 * settings.seed + number),
            f"{path.split('/')[1].removesuffix('.nrrd')}.nrrd",
        )
        parts += [
            (folder / "test" / "mvct" / name, lambda part=part, own=own: simulate_mvct(part, own)),
            (folder / "test" / "truth" / name, lambda part=part, own=own: true_kvct(part, own)),
        ]
    for path, make in parts:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_volume(make(), path)


def commission(folder: Path, steps: int) -> None:
    """Calibrate, fit the twin, adapt, and print the errors."""
    site, twin = folder / "site-profile.toml", folder / "twin.toml"
    started = time.process_time()
    if not twin.exists():
        calibrate(CalibrateRequest(site, phantom=folder / "phantom.nrrd"))
        found = make_twin(
            TwinRequest(twin, phantom=folder / "phantom.nrrd", site=site, picture=folder / "twin.png", device="cpu")
        )
        deviations = ", ".join(f"{name} {curve['deviation']:.3f}" for name, curve in found["curves"].items())
        print(f"twin: {found['fitted']}, not told: {found['untold']}; deviations: {deviations}")
        print(f"calibration and twin took {time.process_time() - started:.0f} s of processor time", flush=True)
    started = time.process_time()
    found = adapt(
        AdaptRequest(folder / "adapted", twin, folder / "mvct", folder / "kvct", site=site, steps=steps, device="cpu")
    )
    print(f"adapting took {time.process_time() - started:.0f} s of processor time; kept: {found['kept']}")
    for name, values in found["judged"].items():
        print(f"{name:10} " + ", ".join(f"{key} {value:.4g}" for key, value in values.items()))
    models = {"given": find_model(DEFAULT_MODEL), "adapted": folder / "adapted" / "training" / "model.safetensors"}
    for name, file in models.items():
        engine = Engine(load_model(file), torch.device("cpu"))
        scans = sorted((folder / "test" / "mvct").iterdir())
        errors = [error(engine, read_site(site).calibrated(read_volume(scan)), scan) for scan in scans]
        shown = ", ".join(
            f"{scan.name.removesuffix('.nrrd')} {one:.1f}" for scan, one in zip(scans, errors, strict=True)
        )
        print(f"{name:10} mean absolute error {np.mean(errors):.1f} HU: {shown}", flush=True)


def error(engine: Engine, mvct, scan: Path) -> float:
    """Mean |enhanced - truth| in the body in HU."""
    truth = read_volume(scan.parents[1] / "truth" / scan.name)
    size = truth.spacing[1::-1]
    bodies = np.stack([body_mask(image.astype(np.float32), pixel_size=size) for image in truth.array])
    return float(np.abs(engine.enhance(mvct).array.astype(float) - truth.array)[bodies].mean())


if __name__ == "__main__":
    main()
