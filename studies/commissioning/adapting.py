"""Simulated scanners commissioned with `--adapt`, and what their profiles are worth on other patients.

    OMP_NUM_THREADS=1 python studies/commissioning/adapting.py DATA WORK [--scanners NAME ...] [--steps N] [...]

DATA holds kVCTs of patients (docs/models.md). The scanners differ in dose, kernel, blur, denoising, scatter, HU line.
Each has a cheese phantom and ten patients, whose planning CTs are other slices than their MVCT. Tested are seven other
patients, whose truth is known: error and bias of the shipped model and of the kept one, both with the calibration
and, where the profile has one, the resolution; values outside of the scanner's ranges; and planted faults, with the
profile and without it, also in the phantom of another month. The HU offsets of a tested scan are from a planning CT of
other slices of the patient; of a patient with two single slices, which show two parts of the body, from the slice
itself, which flatters. WORK keeps what was made: the same command goes on, and with --judge nothing but ranges and
assessments is made again, from the metrics in WORK/SCANNER/measured.json. The results are in WORK/SCANNER/result.json,
and a table of all is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from MVCTEnhanceLib.assessment.distribution import GROUPS
from MVCTEnhanceLib.assessment.ranges import expectation
from MVCTEnhanceLib.assessment.verdicts import AS_EXPECTED, gravity, judge
from MVCTEnhanceLib.batch.folder import READOUTS
from MVCTEnhanceLib.commissioning import make_twin
from MVCTEnhanceLib.commissioning.commission import ADAPTED_MODEL, ADAPTING, PROFILE, commission
from MVCTEnhanceLib.commissioning.make_twin import spread
from MVCTEnhanceLib.commissioning.site_ranges import site_ranges
from MVCTEnhanceLib.io import read_volume, write_volume
from MVCTEnhanceLib.jobs.qa import run_qa
from MVCTEnhanceLib.jobs.requests import CommissionRequest, QARequest
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model, model_sha256, read_card
from MVCTEnhanceLib.model.engine import Engine
from MVCTEnhanceLib.model.package import load_model
from MVCTEnhanceLib.physics.mvct import simulate_mvct
from MVCTEnhanceLib.physics.qa_phantoms import cheese_phantom
from MVCTEnhanceLib.physics.settings import MVCTSettings
from MVCTEnhanceLib.physics.truth import true_kvct
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.quality.metrics import evaluate, offsets_to_planning_ct
from MVCTEnhanceLib.quality.record import OFFSETS, Assessments, EnhancementRecord
from MVCTEnhanceLib.site.profile import NO_SITE, SiteProfile, read_site
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.grid import axial
from scipy.ndimage import gaussian_filter

#: Dose as a part of the standard scanner's, which has the same views.
SCANNERS = {
    "soft": (1.6, MVCTSettings(kernel=0.7, blur_fwhm_mm=1.8, denoising_mm=0.8, hu_offset=-12, hu_slope=1.015)),
    "typical": (1.0, MVCTSettings(kernel=1.1, blur_fwhm_mm=1.3, scatter=0.006, hu_offset=8, hu_slope=0.99)),
    "noisy": (0.45, MVCTSettings(kernel=1.7, blur_fwhm_mm=1.1, scatter=0.012, hu_offset=14, hu_slope=0.985)),
    "iterative": (
        0.8,
        MVCTSettings(kernel=0.9, blur_fwhm_mm=1.5, denoising_mm=1.1, scatter=0.009, hu_offset=-8, hu_slope=1.01),
    ),
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
    "blur of 1.5 px": ("edge_width_mm", "bone_edge_width_mm", "nselfssim", "noise_hu", "fine_noise_hu"),
    "noise of the MVCT doubled": ("noise_hu", "fine_noise_hu", "nselfssim", "cnr_muscle_fat"),
    "noise of the enhanced scan doubled": ("noise_hu", "fine_noise_hu", "nselfssim", "cnr_muscle_fat"),
    "+20 HU in soft tissue": ("soft_tissue",),
}
Counts = dict[str, list[int]]
HOW = ("with", "without")  # the site profile
COMMISSIONED, MEASURED = "commissioned.json", "measured.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    add_scans(parser)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--match-resolution", action="store_true", help="as `commission` has it")
    parser.add_argument("--judge", action="store_true", help="judge again what was measured")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    make_twin.VIEWS = arguments.views
    results = {}
    for name in arguments.scanners:
        folder = arguments.work / name
        if not arguments.judge:
            settings = scanner(name, arguments.matrix, arguments.views)
            write_scans(arguments, folder, settings)
            keep(folder / COMMISSIONED, lambda folder=folder: commissioned(folder, arguments))
            keep(folder / MEASURED, lambda folder=folder: measured(folder))
        found = kept(folder / COMMISSIONED)
        results[name] = found | judged(folder, kept(folder / MEASURED))
        (folder / "result.json").write_text(json.dumps(results[name], indent=2), encoding="utf-8")
    print_table(results)


def keep(path: Path, made: Callable[[], dict[str, Any]]) -> None:
    if not path.exists():
        path.write_text(json.dumps(made()), encoding="utf-8")


def kept(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


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
    """phantom.nrrd; mvct and kvct of the patients; below test mvct, truth, kvct and noisy, with twice the noise."""

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
    for number, (name, planned, shown) in enumerate(other_patients(arguments.data, arguments.tested)):
        own = replace(settings, seed=settings.seed + 50 + number)
        write(folder / "test" / "mvct" / f"{name}.nrrd", lambda shown=shown, own=own: simulate_mvct(shown, own))
        write(folder / "test" / "kvct" / f"{name}.nrrd", lambda planned=planned: planned)
        write(folder / "test" / "truth" / f"{name}.nrrd", lambda shown=shown, own=own: true_kvct(shown, own))
        quarter = replace(own, photons=own.photons / 4)
        write(folder / "test" / "noisy" / f"{name}.nrrd", lambda shown=shown, own=quarter: simulate_mvct(shown, own))


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


def other_patients(data: Path, slices: int) -> Iterator[tuple[str, Volume, Volume]]:
    """Name, planning CT and the slices that are scanned."""
    for name, path in OTHERS.items():
        kvct = axial(read_volume(data / path, slices_only=True))
        shown = spread(range(len(kvct.array)), slices)
        yield name, part(kvct, [k for k in range(len(kvct.array)) if k not in shown]), part(kvct, shown)
    for name in OTHER_SINGLES:
        for number in (1, 2)[:slices]:
            shown = axial(read_volume(data / SINGLE.format(name, number)))
            yield f"{name}-{number}", shown, shown


def part(kvct: Volume, slices: list[int]) -> Volume:
    return replace(kvct, array=kvct.array[slices], source=None)


def commissioned(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
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
        steps=arguments.steps,
        match_resolution=arguments.match_resolution,
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


def measured(folder: Path) -> dict[str, Any]:
    """Errors of both models, and metrics with and without faults, of patients that were not used; all in one form."""
    site = read_site(folder / "site" / PROFILE)
    given, adapted = find_model(DEFAULT_MODEL), folder / "site" / ADAPTING / ADAPTED_MODEL
    engines = {name: Engine(load_model(file), torch.device("cpu")) for name, file in models(folder).items()}
    records: dict[str, Any] = {how: {} for how in HOW}
    bias: dict[str, float] = {}
    for number, path in enumerate(sorted((folder / "test" / "mvct").iterdir()), start=1):
        name, mvct = path.name.removesuffix(".nrrd"), read_volume(path)
        noisy, truth, kvct = (read_volume(folder / "test" / part / path.name) for part in ("noisy", "truth", "kvct"))
        made = engines["with"].enhance(site.matched(site.calibrated(mvct))).array.astype(float)
        soft = bodies_of(truth) & (truth.array > SOFT_TISSUE_HU[0]) & (truth.array < SOFT_TISSUE_HU[1])
        bias[name] = float(np.median((made - truth.array)[soft]))
        for how, profile in (("with", site), ("without", NO_SITE)):
            found = planted(profile, engines[how], mvct, noisy, kvct, seed=number)
            records[how][name] = {fault: record.to_dict() for fault, record in found.items()}
        print(f"{folder.name} {name} {used():.0f} s", flush=True)
    errors = {
        name: errors_of(folder, profile, file)
        for name, profile, file in (
            ("given", replace(site, resolution=None), given),
            ("matched", site, given),
            ("adapted", site, adapted),
        )
    }
    return {"errors": errors, "bias": bias, "records": records, "phantom": phantom_faults(folder)}


def models(folder: Path) -> dict[str, Path]:
    """The file that enhances with the profile, and the one without it."""
    return {"with": read_site(folder / "site" / PROFILE).model_file(None)[0], "without": find_model(DEFAULT_MODEL)}


def phantom_faults(folder: Path) -> dict[str, Any]:
    """Whether the phantom of another month, whose HU are wrong, fails: with the profile as baseline, and without."""
    phantom = read_volume(folder / "phantom.nrrd")
    write_volume(phantom.with_array((phantom.array + WRONG_HU).astype(np.int16)), folder / "later.nrrd")
    found = {}
    for how, changes in (("with", {"baseline": folder / "site" / PROFILE}), ("without", {})):
        request = QARequest(
            folder / "later.nrrd",
            "tomo-cheese",
            folder / "qa" / how,
            tolerances=folder / "tolerances.toml",
            device="cpu",
            **changes,
        )
        found[how] = not run_qa(request)["passed"]
    return found


def judged(folder: Path, found: Mapping[str, Any]) -> dict[str, Any]:
    """What assessments say of the metrics that were measured, by the ranges that these patients give today."""
    site = read_site(folder / "site" / PROFILE)
    patients = (folder / "site" / "patients").glob(f"*/{READOUTS}")
    ranges = site_ranges([EnhancementRecord.from_dict(kept(path)) for path in sorted(patients)])
    from_planning_cts = site.expected.get("comparison", {})
    ranges["comparison"] |= {name: from_planning_cts[name] for name in OFFSETS if name in from_planning_cts}
    site = replace(site, expected=ranges)
    files, values, where = models(folder), [0, 0, 0], Counter()
    noticed: dict[str, Counts] = {how: {fault: [0, 0] for fault in FAULTS} for how in HOW}
    alarms: Counts = {how: [0, 0] for how in HOW}
    missed: dict[str, list[str]] = {fault: [] for fault in FAULTS}
    for how, profile in (("with", site), ("without", NO_SITE)):
        card = profile.card(read_card(files[how])[1], model_sha256(files[how]))
        for name, entries in found["records"][how].items():
            records = {fault: EnhancementRecord.from_dict(entry) for fault, entry in entries.items()}
            clean = judge(records[""], card)
            offsets = [clean["comparison"][metric].verdict for metric in OFFSETS if metric in clean["comparison"]]
            alarms[how][0] += any(gravity(verdict) > gravity(AS_EXPECTED) for verdict in offsets)
            alarms[how][1] += bool(offsets)
            for fault, metrics in FAULTS.items():
                worse = is_worse(judge(records[fault], card), clean, metrics)
                noticed[how][fault][0] += worse
                noticed[how][fault][1] += 1
                if how == "with" and not worse:
                    missed[fault].append(name)
            if how == "with":
                levels = levels_of(records[""], card)
                values = [a + b for a, b in zip(values, counts(levels.values()), strict=True)]
                where.update(metric for metric, of_metric in levels.items() for level in of_metric if level)
    return {
        "errors": found["errors"],
        "bias": found["bias"],
        "values": values,
        "outside": dict(where.most_common()),
        "noticed": noticed,
        "alarms": alarms,
        "missed": missed,
        "phantom": found["phantom"],
    }


def is_worse(faulty: Assessments, clean: Assessments, metrics: Collection[str] | None) -> bool:
    """Whether one of these metrics, None for any, is judged worse than without the fault."""
    return any(
        gravity(faulty[group][metric].verdict) > gravity(clean[group][metric].verdict)
        for group in faulty
        for metric in faulty[group]
        if metrics is None or metric in metrics
    )


def errors_of(folder: Path, site: SiteProfile, model: Path) -> dict[str, float]:
    """Mean |enhanced - truth| in the body of each tested scan, in HU."""
    engine, errors = Engine(load_model(model), torch.device("cpu")), {}
    for path in sorted((folder / "test" / "mvct").iterdir()):
        truth = read_volume(folder / "test" / "truth" / path.name)
        made = engine.enhance(site.matched(site.calibrated(read_volume(path)))).array.astype(float)
        errors[path.name.removesuffix(".nrrd")] = float(np.abs(made - truth.array)[bodies_of(truth)].mean())
    return errors


def bodies_of(truth: Volume) -> np.ndarray:
    return np.stack([body_mask(one.astype(np.float32), pixel_size=truth.spacing[1::-1]) for one in truth.array])


def planted(
    site: SiteProfile, engine: Engine, mvct: Volume, noisy: Volume, kvct: Volume, *, seed: int
) -> Mapping[str, EnhancementRecord]:
    """Metrics of an enhancement without a fault and with each of them."""

    def of(given: Volume, made: np.ndarray) -> EnhancementRecord:
        offsets = offsets_to_planning_ct(given.array, made, kvct.array, spacing=mvct.spacing, kvct_spacing=kvct.spacing)
        return replace(evaluate(given.array, made, spacing=mvct.spacing), distances=offsets)

    given = site.calibrated(mvct)
    made = engine.enhance(site.matched(given)).array.astype(float)
    record = of(given, made)
    tissue = (made > SOFT_TISSUE_HU[0]) & (made < SOFT_TISSUE_HU[1])
    grain = gaussian_filter(np.random.default_rng(seed).normal(0, 1, made.shape), (0, 0.7, 0.7))
    grain *= np.sqrt(3) * fine_structure(made, tissue) / fine_structure(grain, tissue)
    faulty = {
        "blur of 1.5 px": gaussian_filter(made, (0, BLUR_PX, BLUR_PX)),
        "noise of the enhanced scan doubled": made + grain,
        "+20 HU in soft tissue": made + SHIFT_HU * tissue,
    }
    records = {fault: of(given, array) for fault, array in faulty.items()}
    shifted = mvct.with_array((mvct.array + WRONG_HU).astype(np.int16))
    for fault, scan in (("wrong calibration", shifted), ("noise of the MVCT doubled", noisy)):
        scan = site.calibrated(scan)
        records[fault] = of(scan, engine.enhance(site.matched(scan)).array)
    return {"": record} | records


def fine_structure(array: np.ndarray, mask: np.ndarray) -> float:
    """SD of what a pixel differs by from its surroundings, without outliers."""
    return float(np.median(np.abs(array - gaussian_filter(array, (0, 1, 1)))[mask]))


def levels_of(record: EnhancementRecord, card: Mapping[str, Any]) -> dict[str, list[int]]:
    """By metric, the levels of the values of slices that have a range: 0 inside, 1 look closer, 2 do not trust."""
    return {
        f"{group}.{name}": [wanted.level(value) for value in metric.per_slice if np.isfinite(value)]
        for group in GROUPS
        for name, metric in record.group(group).items()
        if (wanted := expectation(card, group, name))
    }


def counts(levels: Iterable[list[int]]) -> list[int]:
    """Of values, of those that look closer, and of those that are not to be trusted."""
    every = [level for of_metric in levels for level in of_metric]
    return [len(every), every.count(1), every.count(2)]


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
        add("the same with the profile's resolution / HU", f"{errors['matched']:.1f}")
        add("error of the adapted model / HU", f"{errors['adapted']:.1f}")
        add("difference", f"{100 * (errors['adapted'] / errors['given'] - 1):.0f} %")
        low, high = min(found["bias"].values()), max(found["bias"].values())
        add("bias of soft tissue / HU, by patient", f"{low:.1f} to {high:.1f}")
        total, closer, distrusted = found["values"]
        add("values of slices", f"{total}")
        add("outside: look closer", f"{closer} ({100 * closer / total:.1f} %)")
        add("outside: do not trust", f"{distrusted} ({100 * distrusted / total:.1f} %)")
        for fault in FAULTS:
            both = (found["noticed"][how][fault] for how in HOW)
            add(f"{fault}: noticed with profile, without", ", ".join(f"{count} of {of}" for count, of in both))
        both = (found["alarms"][how] for how in HOW)
        add("HU offset outside without a fault", ", ".join(f"{count} of {of}" for count, of in both))
        seen = ("noticed" if found["phantom"][how] else "not noticed" for how in HOW)
        add("wrong calibration, phantom: with profile, without", ", ".join(seen))
    print(f"| | {' | '.join(results)} |\n|---|{'--:|' * len(results)}")
    for label, values in rows.items():
        print(f"| {label} | {' | '.join(values)} |")


if __name__ == "__main__":
    main()
