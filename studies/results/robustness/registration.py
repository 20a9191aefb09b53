"""Rigid registration of MVCT and of what each method makes of it to the planning CT, from known misalignments.

MVCT and planning CT come from the same kVCT, so that the true transform is the identity.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import numpy as np
import SimpleITK as sitk
import torch
from matplotlib.figure import Figure
from methods import Versioned, conventional, described, trained
from MVCTEnhanceLib.io import read_volume, write_volume
from MVCTEnhanceLib.physics.mvct import MVCTSettings, simulate_mvct
from MVCTEnhanceLib.registration.rigid import (
    BINS,
    ITERATIONS,
    LEVELS,
    POINTS_MM,
    RELAXATION,
    SKIN_MM,
    WINDOW_HU,
    Body,
    Registration,
    one_thread,
    pyramid,
)
from MVCTEnhanceLib.volume import Volume
from robustness.resimulated import real_kvct
from robustness.rigid import ROTATION_DEG, SHIFT_MM, START_SEED, Errors, errors_from, random_starts
from study import Case, Row, Study, mean_and_sd

PATIENTS = ("chest-lungdx-a0002", "abdomen-crlm-1004")
BASE = "MVCT"
CONVENTIONAL = (BASE, "non-local means")
STARTS = 50
NOISE_SEED, BOOTSTRAP_SEED = 77, 3
FAILURE_MM = 2.0
PLACES = 5  # that a scan of a few slices is taken at, in turn
MARGIN = 0.15  # of the scan's length that is left out at either end for these places
RESAMPLES = 10_000


@dataclass(frozen=True)
class Setting:
    """What is registered to what.

    Args:
        key: names what is kept of it.
        text: for the table.
        slices: of the MVCT; 0 takes all.
        between: the MVCT has every second slice of the kVCT, and the planning CT the others.
        dose: part of the full dose.
    """

    key: str
    text: str
    slices: int = 0
    between: bool = False
    dose: float = 1.0


SETTINGS = (
    Setting("whole", "whole scan, planning CT of the same slices"),
    Setting("3-slices-between-quarter", "3 slices, planning CT of those between, 1/4 dose", 3, True, 0.25),
)

COLUMNS = {
    "setting": "setting",
    "common_noise": "kVCT noise in both",
    "patient": "patient",
    "method": "method",
    "median_mm": "error: median / mm",
    "p95_mm": "95th percentile",
    "mean_mm": "mean",
    "sd_mm": "SD",
    "shift_mm": "mean shift / mm",
    "rotation_deg": "mean rotation / °",
    "failures": "failures",
    "starts": "of",
    "gain_mm": "gain / mm",
    "gain_sd_mm": "its SD",
    "gain_low_mm": "95 % CI from",
    "gain_high_mm": "to",
}


def run(study: Study) -> None:
    """Table "registration" and figure "registration.png"."""
    networks = trained(study)
    methods = [method for method in conventional(study) if method.name in CONVENTIONAL] + networks
    starts = random_starts(max(2, STARTS // study.every))
    errors, planned = {}, {}
    for case in study.cases("test"):
        if case.patient in PATIENTS:
            kvct = real_kvct(study, case.patient)
            planned[case.patient] = kvct.spacing[2]
            for setting in SETTINGS:
                errors[setting, case.patient] = {
                    method.name: _errors(study, case, kvct, setting, method, starts) for method in methods
                }
    rows = [
        _summary(setting, patient, name, errors[setting, patient])
        for setting in SETTINGS
        for patient in planned
        for name in errors[setting, patient]
    ]
    notes = _notes(study, rows, planned)
    study.write_table("registration", rows, COLUMNS, title="Registration to the planning CT", notes=notes)
    _draw(study.results / "registration.png", errors)


def gain(base: Sequence[float], other: Sequence[float]) -> tuple[float, float, float, float]:
    """Mean and SD of base - other over the starts, and the mean's 95 % interval by bootstrap over the starts."""
    difference = np.subtract(base, other)
    picked = np.random.default_rng(BOOTSTRAP_SEED).integers(len(difference), size=(RESAMPLES, len(difference)))
    low, high = np.percentile(difference[picked].mean(axis=1), [2.5, 97.5])
    return (*mean_and_sd(difference), float(low), float(high))


def places(total: int, slices: int) -> list[range]:
    """The slices of which each scan is made: all of `total`, or `slices` neighbouring ones at up to PLACES places."""
    if not slices or slices >= total:
        return [range(total)]
    first = np.linspace(MARGIN * total, (1 - MARGIN) * total - slices, PLACES)
    return [range(k, k + slices) for k in sorted({min(max(round(k), 0), total - slices) for k in first})]


def part(volume: Volume, slices: range) -> Volume:
    """Slices at even steps as a volume in their own places."""
    origin = np.asarray(volume.origin) + volume.direction[:, 2] * volume.spacing[2] * slices.start
    return replace(
        volume,
        array=volume.array[slices.start : slices.stop : slices.step],
        spacing=(*volume.spacing[:2], volume.spacing[2] * slices.step),
        origin=tuple(origin.tolist()),
        source=None,
    )


def _errors(
    study: Study, case: Case, kvct: Volume, setting: Setting, method: Versioned, starts: np.ndarray
) -> dict[str, list[float]]:
    """One value per start of each reading of :class:`Errors`."""

    def compute() -> dict[str, list[float]]:
        planning = pyramid(part(kvct, range(1, len(kvct.array), 2)) if setting.between else kvct)
        registrations = [
            Registration(Body(mvct), mvct.with_array(np.asarray(converted)), planning)
            for mvct, converted in _scans(study, case, kvct, setting, method)
        ]

        def register(n: int) -> Errors:
            return errors_from(registrations[n % len(registrations)], starts[n], seed=n + 1)

        with one_thread(), ThreadPoolExecutor(torch.get_num_threads()) as pool:
            errors = list(pool.map(register, range(len(starts))))
        return {name: [getattr(error, name) for error in errors] for name in Errors.__dataclass_fields__}

    return study.once(f"registration/{case.patient}-{setting.key}-{method.kept.name}", compute)


def _scans(
    study: Study, case: Case, kvct: Volume, setting: Setting, method: Versioned
) -> list[tuple[Volume, np.ndarray]]:
    """Each MVCT that is registered, and what the method makes of it."""
    step = 2 if setting.between and study.every % 2 else 1
    shown = range(0, len(case.mvct.array), step)
    scans = []
    for n, place in enumerate(places(len(shown), setting.slices)):
        slices = shown[place.start : place.stop]
        mvct = part(case.mvct, slices)
        if setting.dose == 1:
            converted = part(case.mvct.with_array(study.converted(method.kept, case.patient, case.mvct)), slices).array
        else:
            name = f"{case.patient}-{setting.key}-{n}"
            of_kvct = range(slices.start * study.every, slices.stop * study.every, slices.step * study.every)
            mvct = _low_dose(study, name, part(kvct, of_kvct), setting.dose, NOISE_SEED + n)
            converted = study.converted(method.kept, name, mvct)
        scans.append((mvct, converted))
    return scans


def _low_dose(study: Study, name: str, kvct: Volume, dose: float, seed: int) -> Volume:
    path = study.work / "registration" / f"{name}-every{study.every}.nrrd"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_volume(simulate_mvct(kvct, MVCTSettings(photons=dose * MVCTSettings.photons, seed=seed)), path)
    return read_volume(path)


def _summary(setting: Setting, patient: str, name: str, of_methods: dict[str, dict[str, list[float]]]) -> Row:
    errors = of_methods[name]
    mean, sd = mean_and_sd(errors["mm"])
    row: Row = {
        "setting": setting.text,
        "common_noise": "" if setting.between else "yes",
        "patient": patient,
        "method": name,
        "median_mm": float(np.median(errors["mm"])),
        "p95_mm": float(np.percentile(errors["mm"], 95)),
        "mean_mm": mean,
        "sd_mm": sd,
        "shift_mm": fmean(errors["shift_mm"]),
        "rotation_deg": fmean(errors["rotation_deg"]),
        "failures": sum(error > FAILURE_MM for error in errors["mm"]),
        "starts": len(errors["mm"]),
    }
    if name != BASE:
        values = gain(of_methods[BASE]["mm"], errors["mm"])
        row |= zip(("gain_mm", "gain_sd_mm", "gain_low_mm", "gain_high_mm"), values, strict=True)
    return row


def _notes(study: Study, rows: Sequence[Row], step_mm: Mapping[str, float]) -> str:
    """The table's notes; step_mm is between the slices of each patient's kVCT."""
    pixels, samples = ([f"{getattr(level, name):,g}" for level in LEVELS] for name in ("pixel_mm", "samples"))
    steps = [f"{level.step_mm:g} to {level.last_step_mm:g}" for level in LEVELS]
    scans = " and ".join(f"{patient} (slices every {step:g} mm)" for patient, step in step_mm.items())
    doubled = " and ".join(f"{2 * step:g}" for step in step_mm.values())
    lines = [
        verdict(rows, [method.name for method in trained(study)]),
        "",
        "![Errors](registration.png)",
        "",
        f"**Data.** Simulated MVCT of {scans}, test patients that nothing was trained on, and what each "
        "method makes of it (of the denoisers one, which is fast and nearly the best), registered to the planning CT: "
        "the real kVCT on its own grid. head-ge is left out: its gantry was tilted and its slices are unevenly spaced, "
        "so that it is good for single slices only.",
        "",
        f"**Starts.** {rows[0]['starts']} for each patient, setting and method, the same for all methods (seed "
        f"{START_SEED}): rotations uniform within ±{ROTATION_DEG:g}° about each axis, through the centre of the body "
        f"in the MVCT, and shifts uniform within ±{SHIFT_MM:g} mm along each axis. Scans of 3 slices are taken in turn "
        f"at up to {PLACES} places along the patient, away from the ends.",
        "",
        f"**Registration.** SimpleITK {sitk.Version.VersionString()}, rigid, Mattes' mutual information, {BINS} bins, "
        f"HU clipped to {WINDOW_HU[0]} to {WINDOW_HU[1]}, linear interpolation. {len(LEVELS)} levels: pixels averaged "
        f"in the plane to about {', '.join(pixels)} mm (slices stay as they are); {', '.join(samples)} random voxels, "
        f"of which those in the body and in {SKIN_MM:g} mm of air around it count, not the couch. The voxels depend on "
        "the start only (its number is the seed), not on the method. Regular-step gradient descent, relaxation "
        f"{RELAXATION:g}, steps of {', '.join(steps)} mm, at most {ITERATIONS} iterations a level. One thread. All "
        "methods have the same settings; optimiser and samples were chosen by how well plain MVCT converges on these "
        "two scans, before any method was compared.",
        "",
        "**Error.** The true transform is the identity. Error: mean distance of the points of the body in the "
        f"registered MVCT ({POINTS_MM:g} mm grid in each slice) from where they belong; shift: that of their centre; "
        f"rotation: its angle. Failure: error above {FAILURE_MM:g} mm. Gain: error with MVCT less error with the "
        "method, start by start; positive is better. The 95 % interval of its mean is from "
        f"{RESAMPLES:,} bootstrap samples of the starts (seed {BOOTSTRAP_SEED}). It holds for these scans and places, "
        "not for other patients, and is not corrected for the number of comparisons.",
        "",
        "**Easier than a clinic.** MVCT and planning CT show the same anatomy, without breathing, bowel gas or another "
        "posture, and the kVCT's own noise is in both. With a planning CT of the same slices that common noise, and "
        "slices that fit without interpolation, mark the true place. Where the planning CT has only the slices "
        f"between those of the MVCT, no noise is common; but its slices are then {doubled} mm apart, wider than in "
        "practice, and interpolating between them adds error to every method. At full dose parts of the whole scan's "
        f"conversion are registered. At 1/4 of the dose (photons) the MVCT is simulated anew (seeds {NOISE_SEED} to "
        f"{NOISE_SEED + PLACES - 1}) and converted anew; no network was trained on that noise.",
        "",
        f"The networks:\n\n{described(study)}",
    ]
    return "\n".join(lines)


def verdict(rows: Sequence[Row], networks: Sequence[str]) -> str:
    """In words, from the table's rows: whether each network gains anything over plain MVCT.

    Settings whose planning CT shares no noise with the MVCT are told apart from those where both hold the kVCT's.
    """
    lines = ["What enhancing gains over plain MVCT, counted over settings and patients, by the 95 % interval:", ""]
    for name in networks:
        parts = [
            f"{_gain_in_words(own)} {where}"
            for where, common in (("where no noise is common", ""), ("where the kVCT's noise is in both", "yes"))
            if (own := [row for row in rows if row["method"] == name and row["common_noise"] == common])
        ]
        failing = ", ".join(f"{_failures(rows, method)} with {method}" for method in (name, BASE))
        lines.append(f"- {name}: {'; '.join(parts)}. Failures: {failing}.")
    return "\n".join(lines if networks else ["No network was compared."])


def _gain_in_words(rows: Sequence[Row]) -> str:
    better = sum(row["gain_low_mm"] > 0 for row in rows)
    worse = sum(row["gain_high_mm"] < 0 for row in rows)
    words = {
        (False, False): "no gain",
        (True, False): "a gain",
        (False, True): "a loss",
        (True, True): "gains and losses",
    }[better > 0, worse > 0]
    gains = [row["gain_mm"] for row in rows]
    means = f"means {min(gains):+.2f} to {max(gains):+.2f} mm"
    return f"**{words}** (gain in {better} of {len(rows)}, loss in {worse}; {means})"


def _failures(rows: Sequence[Row], method: str) -> str:
    own = [row for row in rows if row["method"] == method]
    return f"{sum(row['failures'] for row in own)} of {sum(row['starts'] for row in own)}"


def _draw(path: Path, errors: Mapping[tuple[Setting, str], Mapping[str, Mapping[str, Sequence[float]]]]) -> None:
    """Box plots of the errors: a row for each patient, a column for each setting."""
    patients = list(dict.fromkeys(patient for _, patient in errors))
    names = list(next(iter(errors.values())))
    size = ((0.3 * len(names) + 0.8) * len(SETTINGS) + 1, 3.2 * len(patients) + 1.5)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(patients), len(SETTINGS), sharex=True, sharey=True, squeeze=False)
    for row, patient in zip(axes, patients, strict=True):
        row[0].set_ylabel(patient)
        for axis, setting in zip(row, SETTINGS, strict=True):
            of_methods = errors[setting, patient]
            axis.boxplot([of_methods[name]["mm"] for name in names], widths=0.6, sym=".")
            axis.axhline(FAILURE_MM, color="tab:red", linewidth=1)
            axis.set_yscale("log")
            axis.set_xticks(range(1, len(names) + 1), names, rotation=90)
            axis.grid(axis="y", alpha=0.3)
    for axis, setting in zip(axes[0], SETTINGS, strict=True):
        axis.set_title(textwrap.fill(setting.text, 24), fontsize="small")
    figure.supylabel("mean error of the body's points / mm (red: failure)", fontsize="medium")
    figure.savefig(path, dpi=100)
