"""Simulated scanners commissioned with `--adapt`, and what their profiles are worth on other patients.

    OMP_NUM_THREADS=1 python studies/commissioning/adapting.py DATA WORK [--scanners NAME ...] [--steps N] [...]

DATA holds kVCTs of patients (docs/models.md). The scanners differ in dose, kernel, blur, denoising, scatter, HU line.
Each has a cheese phantom and ten patients, whose planning CTs are other slices than their MVCT. Tested are seven other
patients, whose truth is known: error and bias of the shipped model and of the kept one, both with the calibration;
values outside of the scanner's ranges; and planted faults, with the profile and without it. WORK keeps what was made:
the same command goes on. The results are in WORK/SCANNER/result.json, and a table of all is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from MVCTEnhanceLib.assessment.ranges import expectation
from MVCTEnhanceLib.assessment.verdicts import gravity, judge
from MVCTEnhanceLib.commissioning import make_twin
from MVCTEnhanceLib.commissioning.commission import ADAPTED_MODEL, commission
from MVCTEnhanceLib.commissioning.make_twin import spread
from MVCTEnhanceLib.io import read_volume, write_volume
from MVCTEnhanceLib.jobs.requests import CommissionRequest
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model, model_sha256
from MVCTEnhanceLib.model.engine import Engine
from MVCTEnhanceLib.model.package import load_model
from MVCTEnhanceLib.physics.mvct import simulate_mvct
from MVCTEnhanceLib.physics.qa_phantoms import cheese_phantom
from MVCTEnhanceLib.physics.settings import MVCTSettings
from MVCTEnhanceLib.physics.truth import true_kvct
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.quality.metrics import evaluate
from MVCTEnhanceLib.quality.record import EnhancementRecord
from MVCTEnhanceLib.site.profile import NO_SITE, SiteProfile, read_site
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.grid import axial
from scipy.ndimage import gaussian_filter

#: Dose as a part of the standard scanner's, which has the same views.
SCANNERS = {
    "soft": (1.6, MVCTSettings(kernel=0.7, blur_fwhm_mm=1.8, denoising_mm=0.8, hu_offset=-12, hu_slope=1.015)),
    "typical": (1.0, MVCTSettings(kernel=1.1, blur_fwhm_mm=1.3, scatter=0.006, hu_offset=8, hu_slope=0.99)),
    "noisy": (0.45, MVCTSettings(kernel=1.7, blur_fwhm_mm=1.1, scatter=0.012, hu_offset=14, hu_slope=0.985)),
}
SITE = {
    "abdomen-1": "kvct/abdomen-crlm-1006.nrrd",
    "chest-1": "kvct/chest-lidc-0314.nrrd",
    "chest-2": "dicom/chest-lungdx-a0001",
    "headneck-1": "kvct/headneck-cthead-stanford.nrrd",
}
OTHERS = {
    "abdomen-2": "dicom/abdomen-crlm-1004",
    "chest-3": "kvct/chest-lungdx-a0002.nrrd",
    "head-2": "kvct/head-ge.nrrd",
}
SINGLE = "kvct/trunk-nysbu-{}-{}.nrrd"  # two slices of each of these patients
SITE_SINGLES = ("A002304", "A027284", "A046441", "A048383", "A056642", "A058062")
OTHER_SINGLES = ("A062055", "A067967", "A072894", "A098752")
TOLERANCES = """[mvct]
water_hu = 30
[enhanced]
water_hu = 20
[mvct_change]
water_hu = 15
[enhanced_change]
water_hu = 15
"""
WRONG_HU, SHIFT_HU, BLUR_PX = 30, 20, 1.5
SOFT_TISSUE_HU = (-20, 100)
#: Each fault with the metrics that are concerned; None for all.
FAULTS = {
    "wrong calibration": None,
    "blur of 1.5 px": ("edge_width_mm", "bone_edge_width_mm", "nselfssim", "noise_hu"),
    "noise doubled": ("noise_hu", "nselfssim", "cnr_muscle_fat"),
    "+20 HU in soft tissue": ("soft_tissue",),
}
Counts = dict[str, list[int]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    add_scans(parser)
    parser.add_argument("--steps", type=int, default=1500)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    make_twin.VIEWS = arguments.views
    results = {}
    for name in arguments.scanners:
        folder = arguments.work / name
        settings = scanner(name, arguments.matrix, arguments.views)
        write_scans(arguments, folder, settings)
        path = folder / "result.json"
        if not path.exists():
            found = commissioned(folder, arguments.steps) | tested(folder)
            path.write_text(json.dumps(found, indent=2), encoding="utf-8")
        results[name] = json.loads(path.read_text(encoding="utf-8"))
        print(f"{name}: {json.dumps(results[name])}", flush=True)
    print_table(results)


def add_scans(parser: argparse.ArgumentParser) -> None:
    """Options that say which scans there are."""
    parser.add_argument("--scanners", nargs="+", default=tuple(SCANNERS), choices=SCANNERS)
    parser.add_argument("--matrix", type=int, default=MVCTSettings.matrix)
    parser.add_argument("--views", type=int, default=MVCTSettings.views)
    parser.add_argument("--planned", type=int, default=10, help="slices of a planning CT")
    parser.add_argument("--scanned", type=int, default=2, help="slices of an MVCT of the site")
    parser.add_argument("--tested", type=int, default=3, help="slices of an MVCT of the other patients")


def scanner(name: str, matrix: int, views: int) -> MVCTSettings:
    dose, settings = SCANNERS[name]
    photons = round(dose * MVCTSettings.photons * MVCTSettings.views / views)
    seed = 100 * (1 + list(SCANNERS).index(name))
    return replace(settings, matrix=matrix, views=views, photons=photons, seed=seed)


def write_scans(arguments: argparse.Namespace, folder: Path, settings: MVCTSettings) -> None:
    """phantom.nrrd, mvct and kvct of the site's patients, and mvct and truth of the others below test."""

    def write(path: Path, made) -> None:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_volume(made(), path)

    fine = {"shape": (700, 700), "spacing_mm": (0.5, 0.5, 3.0)}  # a real phantom is not blurred by pixels
    write(folder / "phantom.nrrd", lambda: simulate_mvct(cheese_phantom(slices=10, **fine), settings))
    for number, (name, planned, shown) in enumerate(
        site_patients(arguments.data, arguments.planned, arguments.scanned)
    ):
        own = replace(settings, seed=settings.seed + number)
        write(folder / "kvct" / f"{name}.nrrd", lambda planned=planned: planned)
        write(folder / "mvct" / f"{name}.nrrd", lambda shown=shown, own=own: simulate_mvct(shown, own))
    for number, (name, shown) in enumerate(other_patients(arguments.data, arguments.tested)):
        own = replace(settings, seed=settings.seed + 50 + number)
        write(folder / "test" / "mvct" / f"{name}.nrrd", lambda shown=shown, own=own: simulate_mvct(shown, own))
        write(folder / "test" / "truth" / f"{name}.nrrd", lambda shown=shown, own=own: true_kvct(shown, own))


def site_patients(data: Path, planned_slices: int, slices: int) -> Iterator[tuple[str, Volume, Volume]]:
    """Name, planning CT, and other slices of the same patient."""
    for name, path in SITE.items():
        kvct = axial(read_volume(data / path, slices_only=True))
        planned = spread(range(len(kvct.array)), planned_slices)
        yield (
            name,
            part(kvct, planned),
            part(kvct, spread([k for k in range(len(kvct.array)) if k not in planned], slices)),
        )
    for name in SITE_SINGLES:
        yield name, *(axial(read_volume(data / SINGLE.format(name, number))) for number in (1, 2))


def other_patients(data: Path, slices: int) -> Iterator[tuple[str, Volume]]:
    for name, path in OTHERS.items():
        kvct = axial(read_volume(data / path, slices_only=True))
        yield name, part(kvct, spread(range(len(kvct.array)), slices))
    for name in OTHER_SINGLES:
        for number in (1, 2)[:slices]:
            yield f"{name}-{number}", axial(read_volume(data / SINGLE.format(name, number)))


def part(kvct: Volume, slices: list[int]) -> Volume:
    return replace(kvct, array=kvct.array[slices], source=None)


def commissioned(folder: Path, steps: int) -> dict[str, Any]:
    """Commission, and tell how long it took without what was there already."""
    (folder / "tolerances.toml").write_text(TOLERANCES, encoding="utf-8")
    times: list[tuple[str, float, float]] = [("start", used(), time.perf_counter())]

    def on_event(event: str, **fields: Any) -> None:
        if event == "stage":
            times.append((fields["stage"], used(), time.perf_counter()))
            print(f"{folder.name} {fields['stage']} {used():.0f} s", flush=True)

    request = CommissionRequest(
        folder / "mvct",
        folder / "site",
        folder / "kvct",
        phantom=folder / "phantom.nrrd",
        tolerances=folder / "tolerances.toml",
        name=folder.name,
        adapt=True,
        steps=steps,
        resume=True,
        device="cpu",
    )
    found = commission(request, on_event=on_event)
    names = [name for name, *_ in times]
    adapting = [names.index("twin") - 1, names.index("batch")] if "twin" in names else [0, 0]
    seconds = [times[adapting[1]][column] - times[adapting[0]][column] for column in (1, 2)]
    total = [used() - times[0][1], time.perf_counter() - times[0][2]]
    adaptation = found["adaptation"]
    return {
        "core_seconds": round(total[0]),
        "core_seconds_without_adapting": round(total[0] - seconds[0]),
        "criteria": {criterion["name"]: criterion["outcome"] for criterion in found["criteria"]},
        "calibration": {name: found["calibration"][name] for name in ("offset_hu", "slope", "bone_slope")},
        "twin": adaptation["twin"]["fitted"],
        "deviations": {name: curve["deviation"] for name, curve in adaptation["twin"]["curves"].items()},
        "kept": adaptation["kept"],
        "judged": adaptation["judged"],
    }


def used() -> float:
    """Seconds of processor time of this process and of its children that have ended."""
    return sum(os.times()[:4])


def tested(folder: Path) -> dict[str, Any]:
    """Errors, values outside, and faults, on patients that were not used."""
    site = read_site(folder / "site" / "site-profile.toml")
    adapted = folder / "site" / ADAPTED_MODEL  # with the ranges of the given one, where it was kept
    if not adapted.exists():
        adapted = folder / "site" / "adapting" / "training" / "model.safetensors"
    models = {name: load_model(file) for name, file in (("given", find_model(DEFAULT_MODEL)), ("adapted", adapted))}
    engines = {name: Engine(model, torch.device("cpu")) for name, model in models.items()}
    errors = {"given": errors_of(folder, site, find_model(DEFAULT_MODEL)), "adapted": errors_of(folder, site, adapted)}
    kept = "given" if site.model.sha256 == model_sha256(find_model(DEFAULT_MODEL)) else "adapted"
    bias: dict[str, float] = {}
    values = [0, 0, 0]
    noticed: dict[str, Counts] = {how: {fault: [0, 0] for fault in FAULTS} for how in ("with", "without")}
    for path in sorted((folder / "test" / "mvct").iterdir()):
        name, mvct = path.name.removesuffix(".nrrd"), read_volume(path)
        truth = read_volume(folder / "test" / "truth" / path.name)
        made = engines[kept].enhance(site.calibrated(mvct)).array.astype(float)
        soft = bodies_of(truth) & (truth.array > SOFT_TISSUE_HU[0]) & (truth.array < SOFT_TISSUE_HU[1])
        bias[name] = float(np.median((made - truth.array)[soft]))
        for how, profile, model in (("with", site, kept), ("without", NO_SITE, "given")):
            records = planted(profile, engines[model], mvct, seed=len(bias))
            card = profile.card(models[model].card, site.model.sha256)
            clean = judge(records[""], card)
            for fault, metrics in FAULTS.items():
                judged = judge(records[fault], card)
                worse = any(
                    gravity(judged[group][metric].verdict) > gravity(clean[group][metric].verdict)
                    for group in judged
                    for metric in judged[group]
                    if metrics is None or metric in metrics
                )
                noticed[how][fault][0] += worse
                noticed[how][fault][1] += 1
            if how == "with":
                values = [a + b for a, b in zip(values, outside(records[""], card), strict=True)]
    return {"errors": errors, "bias": bias, "values": values, "noticed": noticed}


def errors_of(folder: Path, site: SiteProfile, model: Path) -> dict[str, float]:
    """Mean |enhanced - truth| in the body of each tested scan, in HU."""
    engine, errors = Engine(load_model(model), torch.device("cpu")), {}
    for path in sorted((folder / "test" / "mvct").iterdir()):
        truth = read_volume(folder / "test" / "truth" / path.name)
        made = engine.enhance(site.calibrated(read_volume(path))).array.astype(float)
        errors[path.name.removesuffix(".nrrd")] = float(np.abs(made - truth.array)[bodies_of(truth)].mean())
    return errors


def bodies_of(truth: Volume) -> np.ndarray:
    return np.stack([body_mask(one.astype(np.float32), pixel_size=truth.spacing[1::-1]) for one in truth.array])


def planted(site: SiteProfile, engine: Engine, mvct: Volume, *, seed: int) -> Mapping[str, EnhancementRecord]:
    """Metrics of an enhancement without a fault and with each of them."""
    given = site.calibrated(mvct)
    shifted = site.calibrated(mvct.with_array((mvct.array + WRONG_HU).astype(np.int16)))
    made = engine.enhance(given).array.astype(float)
    wrong = engine.enhance(shifted).array.astype(float)
    record = evaluate(given.array, made, spacing=mvct.spacing)
    tissue = (made > SOFT_TISSUE_HU[0]) & (made < SOFT_TISSUE_HU[1])
    grain = gaussian_filter(np.random.default_rng(seed).normal(0, 1, made.shape), (0, 0.7, 0.7))
    grain *= np.sqrt(3) * fine_structure(made, tissue) / fine_structure(grain, tissue)
    faulty = {
        "blur of 1.5 px": gaussian_filter(made, (0, BLUR_PX, BLUR_PX)),
        "noise doubled": made + grain,
        "+20 HU in soft tissue": made + SHIFT_HU * tissue,
    }
    records = {fault: evaluate(given.array, array, spacing=mvct.spacing) for fault, array in faulty.items()}
    return {"": record, "wrong calibration": evaluate(shifted.array, wrong, spacing=mvct.spacing)} | records


def fine_structure(array: np.ndarray, mask: np.ndarray) -> float:
    """SD of what a pixel differs by from its surroundings, without outliers."""
    return float(np.median(np.abs(array - gaussian_filter(array, (0, 1, 1)))[mask]))


def outside(record: EnhancementRecord, card: Mapping[str, Any]) -> list[int]:
    """Values of slices that have a range; of them those that look closer, and do not trust."""
    levels = [
        wanted.level(value)
        for group in ("mvct", "enhanced", "comparison")
        for name, metric in record.group(group).items()
        if (wanted := expectation(card, group, name))
        for value in metric.per_slice
        if np.isfinite(value)
    ]
    return [len(levels), levels.count(1), levels.count(2)]


def print_table(results: Mapping[str, Mapping[str, Any]]) -> None:
    """A column for each scanner."""
    rows: dict[str, list[str]] = {}

    def add(label: str, value: str) -> None:
        rows.setdefault(label, []).append(value)

    for found in results.values():
        errors = {model: np.mean(list(values.values())) for model, values in found["errors"].items()}
        add("commissioning / core s", f"{found['core_seconds']}")
        add("without --adapt / core s", f"{found['core_seconds_without_adapting']}")
        add("kept", found["kept"])
        add("error of the shipped model / HU", f"{errors['given']:.1f}")
        add("error of the adapted model / HU", f"{errors['adapted']:.1f}")
        add("difference", f"{100 * (errors['adapted'] / errors['given'] - 1):.0f} %")
        low, high = min(found["bias"].values()), max(found["bias"].values())
        add("bias of soft tissue / HU, by patient", f"{low:.1f} to {high:.1f}")
        total, closer, distrusted = found["values"]
        add("values of slices", f"{total}")
        add("outside: look closer", f"{closer} ({100 * closer / total:.1f} %)")
        add("outside: do not trust", f"{distrusted} ({100 * distrusted / total:.1f} %)")
        for fault in FAULTS:
            both = (found["noticed"][how][fault] for how in ("with", "without"))
            add(f"{fault}: noticed with profile, without", ", ".join(f"{count} of {of}" for count, of in both))
    print(f"| | {' | '.join(results)} |\n|---|{'--:|' * len(results)}")
    for label, values in rows.items():
        print(f"| {label} | {' | '.join(values)} |")


if __name__ == "__main__":
    main()
