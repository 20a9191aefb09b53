"""Conventional denoisers and networks against the true kVCT: readouts, flicker, a noise-free phantom, speed, a picture.

Makes the tables tuning, denoisers, phantom and speed and the figure denoisers.
"""

from __future__ import annotations

import hashlib
import io
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from statistics import fmean, median

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from conventional import NOTE_ON_BM3D, one_slice, write_tuning
from methods import Versioned, conventional, described, methods, trained
from MVCTEnhanceLib.imageio import Volume, atomic_file
from MVCTEnhanceLib.physics.mvct import MVCTSettings, simulate_mvct
from MVCTEnhanceLib.physics.phantom import head_neck_phantom
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.quality.noise import NoiseParameters
from MVCTEnhanceLib.quality.readouts import evaluate
from MVCTEnhanceLib.quality.tissues import tissue_mask
from PIL import Image
from scipy import ndimage
from study import Case, Row, Study

TRUE_KVCT = "true kVCT"
QUANTITIES = {
    "mae": "MAE / HU",
    "ssim": "SSIM",
    "psnr": "PSNR / dB",
    "nselfssim": "NSelfSSIM",
    "distance": "its distance to kVCT",
    "skin_edge": "skin edge / mm",
    "bone_edge": "bone edge / mm",
    "noise": "noise / HU",
    "cnr": "CNR",
    "bias_soft_tissue": "bias soft / HU",
    "bias_fat": "fat",
    "bias_lung": "lung",
    "bias_bone": "bone",
    "air": "air agreement / %",
    "dig": "DIG / HU² px⁻²",
}
FLICKER = {"flicker": "flicker / HU", "flicker_ratio": "part of kVCT's", "mean_step": "step of the mean / HU"}
OF_PHANTOM = (
    "mae",
    "mae_soft",
    "ssim",
    "psnr",
    "noise",
    "bias_soft_tissue",
    "bias_fat",
    "bias_lung",
    "bias_bone",
    "skin_edge",
)

PHANTOM_SLICES, PHANTOM_STEP_MM, PHANTOM_SEED = 6, 24.0, 2024

SPEED_SLICES, SPEED_ROUNDS = 2, 3
SPEED_COLUMNS = {
    "method": "method",
    "seconds": "processor time a slice / s",
    "wall_seconds": "wall time a slice / s",
    "times_bm3d": "times as fast as BM3D",
}

LEVEL_HU, WINDOW_HU = 40, 400
ZOOM_MM = 80.0
TILE_INCHES, HEAD_INCHES, DPI = 1.25, 0.36, 100
# Noise does not compress: as many greys as the file has room for.
GREYS, MOST_BYTES = (64, 32, 16, 8), 390_000


def run(study: Study) -> None:
    """Make the tables and the picture."""
    write_tuning(study)
    cases = study.cases("test")
    _write_readouts(study, cases)
    _write_phantom(study)
    _write_speed(study, cases[0])
    _write_picture(study, cases)


def measured(mvct: Volume, converted: np.ndarray, truth: Volume) -> dict[str, float]:
    """The readouts of one converted scan, means over its slices, under the keys of `QUANTITIES`.

    Args:
        converted: HU, shape (k, j, i), on the grid of the MVCT and the truth.
        truth: the kVCT that the MVCT was simulated from; it is the planning CT, too.
    """
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


def flicker(scan: np.ndarray, truth: Volume) -> dict[str, float]:
    """How much neighbouring slices differ in soft tissue that is flat in both.

    Args:
        scan: HU, shape (k, j, i), on the grid of the truth.
        truth: the true kVCT, in which the flat tissue is found, so that it is the same for all methods.

    Returns:
        flicker: SD in HU of the difference between neighbouring slices within windows of 11 mm, root of the median
            over the flattest windows, divided by sqrt 2, so that noise that is independent from slice to slice has the
            value of the noise readout; the windows' means do not count, and anatomy that changes from slice to slice
            hardly.
        mean_step: mean size in HU of the step of (scan - truth) from slice to slice, averaged over the same tissue:
            what of a flicker the windows' means take with them. 0 for the truth.
        Both are means over all pairs that show such tissue; NaN where none does.
    """
    spreads, steps = [], []
    error = scan.astype(np.float32) - truth.array
    pixel_size = (truth.spacing[1], truth.spacing[0])
    for k in range(len(scan) - 1):
        flat = _flat_in_both(truth.array[k], truth.array[k + 1], pixel_size)
        if flat.any():
            difference = scan[k + 1].astype(float) - scan[k]
            variance = _local_variance(difference, _window(pixel_size))[flat]
            spreads.append(math.sqrt(np.median(variance) / 2))
            steps.append(abs(float((error[k + 1] - error[k])[flat].mean())))
    return {
        name: fmean(values) if values else math.nan for name, values in (("flicker", spreads), ("mean_step", steps))
    }


def _flat_in_both(first: np.ndarray, second: np.ndarray, pixel_size: tuple[float, float]) -> np.ndarray:
    """Centres of the windows of soft tissue that vary least in two slices (j, i), as the noise readout finds them."""
    parameters, window = NoiseParameters(), _window(pixel_size)
    low, high = parameters.range_hu
    inside, anatomy = np.ones(first.shape, bool), np.zeros(first.shape)
    for image in (first, second):
        smooth = ndimage.gaussian_filter(image.astype(float), [parameters.smoothing_mm / size for size in pixel_size])
        tissue = body_mask(image, pixel_size=pixel_size) & (low <= smooth) & (smooth <= high)
        inside &= ndimage.minimum_filter(tissue, size=window)
        anatomy = np.maximum(anatomy, _local_variance(smooth, window))
    if inside.sum() < parameters.minimum_windows * math.prod(window):
        return np.zeros_like(inside)
    return inside & (anatomy <= np.quantile(anatomy[inside], parameters.flattest))


def _window(pixel_size: tuple[float, float]) -> tuple[int, int]:
    rows, columns = (2 * round(NoiseParameters().window_mm / size / 2) + 1 for size in pixel_size)
    return rows, columns


def _local_variance(image: np.ndarray, window: tuple[int, int]) -> np.ndarray:
    mean = ndimage.uniform_filter(image, window)
    count = math.prod(window)
    return np.maximum(ndimage.uniform_filter(image * image, window) - mean**2, 0) * count / (count - 1)


# Readouts on the test patients


def _write_readouts(study: Study, cases: Sequence[Case]) -> None:
    rows = [row for case in cases for row in _rows_of(study, case)]
    columns = {"patient": "patient", "method": "method"} | QUANTITIES | FLICKER
    study.write_table("denoisers", rows, columns, title="Conversions of MVCT to kVCT", notes=_notes(study, cases, rows))


def _rows_of(study: Study, case: Case) -> list[Row]:
    """One row for each method and one for the true kVCT."""
    found = {}
    for method in methods(study):

        def compute(method=method):
            return _readouts(case, study.converted(method.kept, case.patient, case.mvct))

        found[method.name] = study.once(f"denoisers/{case.patient}/{method.kept.name}", compute)
    found[TRUE_KVCT] = study.once(f"denoisers/{case.patient}/{TRUE_KVCT}", lambda: _readouts(case, case.truth.array))
    of_kvct = found[TRUE_KVCT]["flicker"] or math.nan
    return [
        {"patient": case.patient, "method": name} | values | {"flicker_ratio": values["flicker"] / of_kvct}
        for name, values in found.items()
    ]


def _readouts(case: Case, converted: np.ndarray) -> dict[str, float]:
    return measured(case.mvct, converted, case.truth) | flicker(converted, case.truth)


def _notes(study: Study, cases: Sequence[Case], rows: Sequence[Row]) -> str:
    slices = ", ".join(f"{case.patient} ({len(case.mvct.array)} slices)" for case in cases)
    spacing = f" Only every {study.every}th slice was taken, so that neighbours are further apart." * (study.every > 1)
    return f"""
Test patients: {slices}; never trained on, and no strength was tuned on them; the design of the model `unpaired` was
developed with an eye on them ([notebook](../notebook.md)).{spacing} All MVCT is simulated from their kVCT, which is
the truth; it has noise of its own, which is part of every error ([phantom](phantom.md) is without). Means over the
slices of a patient.

Each denoiser works in the plane on the MVCT, at the strength that was best on training patients
([tuning](tuning.md)), and is followed by the density curve from MV to kV HU, which is that of the simulation: exact
here, as no clinic's is. Nothing is random. {NOTE_ON_BM3D}

NSelfSSIM is to come near to the true kVCT's, not low. Bias: scan - truth. Air agreement and DIG are against the MVCT;
DIG is 0 for a method that changes nothing, and the true kVCT's is that of the right answer. Flicker: SD of the
difference between neighbouring slices, divided by √2, in windows of 11 mm of soft tissue that are flat in both slices
of the true kVCT; the windows' means are taken off, so that changes of anatomy do not count. Beside it, the mean step
of (scan - truth) over that tissue from slice to slice, which is what the windows' means leave out. The slices of
head-ge are tilted and unevenly spaced: flicker is measured there, too, since it is of pixels within a slice and the
kVCT's is of the same pairs of slices.

The best conventional method (all rows before the networks), and whether each network's MAE is no higher and its SSIM
no lower:

{_verdicts(study, cases, rows)}

Networks:

{described(study)}
"""


def _verdicts(study: Study, cases: Sequence[Case], rows: Sequence[Row]) -> str:
    """By patient, the lowest MAE and highest SSIM of the conventional methods, and how the networks stand to them."""
    names = [method.name for method in conventional(study)]
    lines = []
    for case in cases:
        own = {row["method"]: row for row in rows if row["patient"] == case.patient}
        by_mae, by_ssim = best_conventional([own[name] for name in names])
        stands = [
            f"{method.name} {_yes(own[method.name]['mae'] <= by_mae['mae'])} and "
            f"{_yes(own[method.name]['ssim'] >= by_ssim['ssim'])}"
            for method in trained(study)
        ]
        lines.append(
            f"- {case.patient}: MAE {by_mae['mae']:.4g} HU ({by_mae['method']}), SSIM {by_ssim['ssim']:.4g} "
            f"({by_ssim['method']}); {'; '.join(stands) or 'no network'}"
        )
    return "\n".join(lines)


def best_conventional(rows: Sequence[Row]) -> tuple[Row, Row]:
    """Of one patient's rows, the one with the lowest MAE and the one with the highest SSIM."""
    return min(rows, key=lambda row: row["mae"]), max(rows, key=lambda row: row["ssim"])


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"


# A phantom without noise


def _write_phantom(study: Study) -> None:
    rows = []
    for method in methods(study):

        def compute(method=method):
            phantom = noise_free_phantom()
            converted = study.converted(method.kept, phantom.patient, phantom.mvct)
            values = measured(phantom.mvct, converted, phantom.truth)
            return values | {"mae_soft": mae_in_soft_tissue(converted, phantom.truth)}

        rows.append({"method": method.name} | study.once(f"phantom/{method.kept.name}", compute))
    headings = QUANTITIES | {"mae_soft": "MAE in soft tissue / HU"}
    columns = {"method": "method"} | {name: headings[name] for name in OF_PHANTOM}
    notes = f"""
Error against a digital head-and-neck phantom without any noise (`MVCTEnhanceLib.physics.head_neck`), of which
{PHANTOM_SLICES} slices {PHANTOM_STEP_MM:g} mm apart were made MVCT with the scanner's noise (seed {PHANTOM_SEED}). The
truth's own noise, which sets a floor to the errors on patients, is not in these. The phantom's bone and air have sharp
edges, which no MVCT resolves and which are most of the error in the body; beside it is the error in soft tissue and
fat, 2 pixels or more from all else. The phantom's tissues are even: a method that smooths loses less here than in a
patient, and the texture that a network learned from kVCT counts as error. Strengths are those of [tuning](tuning.md).

{NOTE_ON_BM3D}

Networks:

{described(study)}
"""
    study.write_table("phantom", rows, columns, title="Error against a noise-free phantom", notes=notes)


def mae_in_soft_tissue(scan: np.ndarray, truth: Volume) -> float:
    """Mean absolute error in HU in soft tissue and fat of the truth, 2 pixels or more from all else; NaN without any.

    Args:
        scan: HU, shape (k, j, i), on the grid of the truth.
    """
    pixel_size, errors = (truth.spacing[1], truth.spacing[0]), []
    for image, aim in zip(scan.astype(float), truth.array, strict=True):
        body = body_mask(aim, pixel_size=pixel_size)
        mask = tissue_mask(aim, NoiseParameters().range_hu, body, pixel_size=pixel_size)
        errors.append(np.abs(image - aim)[mask])
    errors = np.concatenate(errors)
    return float(errors.mean()) if errors.size else math.nan


@cache
def noise_free_phantom() -> Case:
    """The head-and-neck phantom without noise, and MVCT with noise simulated from it."""
    spacing = (MVCTSettings().pixel_mm, MVCTSettings().pixel_mm, PHANTOM_STEP_MM)
    truth = head_neck_phantom(slices=PHANTOM_SLICES, spacing_mm=spacing)
    return Case("phantom", simulate_mvct(truth, MVCTSettings(seed=PHANTOM_SEED)), truth)


# Speed


def _write_speed(study: Study, case: Case) -> None:
    chosen = [method for method in methods(study) if method.name != "MVCT"]
    versions = hashlib.sha256("\n".join(method.kept.name for method in chosen).encode()).hexdigest()[:8]
    middle = len(case.mvct.array) // 2
    mvct = Volume(case.mvct.array[middle : middle + SPEED_SLICES], case.mvct.spacing)
    seconds = study.once(f"speed/{versions}", lambda: seconds_a_slice(chosen, mvct))
    reference = seconds.get("BM3D", {}).get("seconds", math.nan)
    rows = [
        {"method": name} | of_one | {"times_bm3d": reference / of_one["seconds"]} for name, of_one in seconds.items()
    ]
    notes = f"""
Seconds for a slice of {" × ".join(map(str, mvct.array.shape[1:]))} pixels, from MVCT to kV HU, of {len(mvct.array)}
slices of {case.patient} (simulated MVCT), all methods in one process on one thread, the density curve and, where a
strength follows it, the measurement of the noise included. Median of {SPEED_ROUNDS} rounds over all methods after one
that does not count. Processor time is what the one thread took; wall time is longer where the machine did other work.
BM3D's time depends on its profile, which is the one of [tuning](tuning.md). {NOTE_ON_BM3D}
"""
    study.write_table("speed", rows, SPEED_COLUMNS, title="Speed", notes=notes)


def seconds_a_slice(
    chosen: Sequence[Versioned], mvct: Volume, rounds: int = SPEED_ROUNDS
) -> dict[str, dict[str, float]]:
    """Median processor and wall seconds a slice of each method, by its name, on one thread.

    The methods take turns, so that what else the machine does meets them all alike.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for method in chosen:
            method.convert(mvct)
        turns = [{method.name: _timed(method, mvct) for method in chosen} for _ in range(rounds)]
    finally:
        torch.set_num_threads(threads)
    return {
        method.name: {
            name: median(turn[method.name][clock] for turn in turns)
            for clock, name in enumerate(("seconds", "wall_seconds"))
        }
        for method in chosen
    }


def _timed(method: Versioned, mvct: Volume) -> tuple[float, float]:
    processor, wall = time.process_time(), time.perf_counter()
    method.convert(mvct)
    slices = len(mvct.array)
    return (time.process_time() - processor) / slices, (time.perf_counter() - wall) / slices


# Picture


def _write_picture(study: Study, cases: Sequence[Case]) -> None:
    rows = [row for case in cases for row in _tiles(study, case)]
    columns = list(rows[0])
    figure, axes = plt.subplots(
        len(rows),
        len(columns),
        figsize=(TILE_INCHES * len(columns), TILE_INCHES * len(rows) + HEAD_INCHES),
        squeeze=False,
    )
    low, high = LEVEL_HU - WINDOW_HU / 2, LEVEL_HU + WINDOW_HU / 2
    for row, line in zip(rows, axes, strict=True):
        for name, cell in zip(columns, line, strict=True):
            cell.imshow(row[name], cmap="gray", vmin=low, vmax=high)
            cell.set_axis_off()
    for name, cell in zip(columns, axes[0], strict=True):
        cell.set_title(name.replace(" + ", "\n+ "), fontsize=7)
    figure.subplots_adjust(0, 0, 1, 1 - HEAD_INCHES / figure.get_figheight(), wspace=0.02, hspace=0.02)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI)
    plt.close(figure)
    with atomic_file(study.results / "denoisers.png") as temporary:
        temporary.write_bytes(_small_png(Image.open(drawn).convert("L")))


def _small_png(picture: Image.Image) -> bytes:
    for greys in GREYS:
        file = io.BytesIO()
        picture.quantize(greys).save(file, format="png", optimize=True)
        if file.tell() <= MOST_BYTES:
            break
    return file.getvalue()


def _tiles(study: Study, case: Case) -> Iterator[Mapping[str, np.ndarray]]:
    """The middle slice of a patient by method: all of the body, then a detail of its middle."""
    middle = one_slice(case, len(case.mvct.array) // 2)
    images = {
        method.name: study.converted(method.kept, case.patient, case.mvct)[len(case.mvct.array) // 2]
        for method in methods(study)
    }
    images[TRUE_KVCT] = middle.truth.array[0]
    body = body_mask(middle.truth.array[0], pixel_size=(case.truth.spacing[1], case.truth.spacing[0]))
    rows, columns = (np.flatnonzero(body.any(axis=axis)) for axis in (1, 0))
    centre, side = ((rows[0] + rows[-1]) // 2, (columns[0] + columns[-1]) // 2), max(np.ptp(rows), np.ptp(columns)) + 8
    for pixels in (side, round(ZOOM_MM / case.truth.spacing[0])):
        yield {name: _square(image, centre, pixels) for name, image in images.items()}


def _square(image: np.ndarray, centre: tuple[int, int], side: int) -> np.ndarray:
    """A square of that many pixels about a pixel, air where it leaves the image."""
    padded = np.pad(image, side, constant_values=-1000)
    row, column = (int(value) + side - side // 2 for value in centre)
    return padded[row : row + side, column : column + side]
