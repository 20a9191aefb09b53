"""Measures of planted lesions after a conversion, and of lesions that it invented."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, compress

import numpy as np
import torch
from lesions.blobs import Blob, find_blobs, response
from lesions.planting import CONTRASTS_HU, DIAMETERS_MM, Lesion, contrast_hu, depth_mm, flat_soft_tissue
from MVCTEnhanceLib.physics.density import kv_hu_from_density
from MVCTEnhanceLib.volume import Volume
from study import Row, mean_and_sd

KEPT = (0.8, 1.2)
LOST_BELOW = 0.5
VISIBLE_SD = 5.0  # contrast by which a lesion stands out from the noise, in its SD (Rose, J. Opt. Soc. Am. 38, 1948)
# What must not be lost: at least the size and the contrast of a disc of 10 mm and 40 HU.
REPRESENTATIVE_MM = 10.0
REPRESENTATIVE_HU = 40
INVENTED_HU = min(abs(contrast) for contrast in CONTRASTS_HU) / 2
BLOB_HU = 20.0


@dataclass(frozen=True, eq=False)
class Planted:
    """One patient's run of slices with and without lesions; all on the MVCT's grid.

    Args:
        lesions: their k counts from the start of the run.
        mvct: simulated, without lesions.
        with_lesions: the MVCT with the lesions, the same noise.
        truth: the true kVCT without lesions.
        added: what the lesions add to the truth, HU (k, j, i).
    """

    patient: str
    lesions: list[Lesion]
    mvct: Volume
    with_lesions: Volume
    truth: Volume
    added: np.ndarray


def measure(planted: Planted, with_lesions: np.ndarray, without: np.ndarray) -> Row:
    """What is kept of one patient: "lesions", see :func:`measure_lesions`, and "blobs", see :func:`invented_blobs`."""
    return {
        "lesions": measure_lesions(planted, with_lesions, without),
        "blobs": invented_blobs(planted, without),
    }


def measure_lesions(planted: Planted, with_lesions: np.ndarray, without: np.ndarray) -> list[Row]:
    """What a conversion makes of each lesion, by name: its properties and "recovered", "chance_hu", "invented_hu".

    Args:
        with_lesions: converted HU, shape (k, j, i).
        without: the same from the MVCT without lesions.
    """
    rows = []
    for lesion in planted.lesions:

        def contrast(volume: np.ndarray, lesion: Lesion = lesion) -> float:
            return contrast_hu(volume[lesion.k].astype(np.float32), lesion, planted.mvct)

        chance = contrast(without)
        rows.append(
            {
                **asdict(lesion),
                "recovered": round((contrast(with_lesions) - chance) / contrast(planted.added), 4),
                "chance_hu": chance,
                "invented_hu": chance - contrast(planted.truth.array),
            }
        )
    return rows


def invented_blobs(planted: Planted, without: np.ndarray) -> list[list[int]]:
    """Blobs of (converted - true kVCT) in each slice without lesions: all, those of ≥ 10 mm, those not in the MVCT.

    A blob is in the MVCT where MVCT + density curve answers with at least half of its contrast.
    """
    pixel_mm = planted.mvct.spacing[1::-1]
    counts = []
    for mvct, converted, truth in zip(planted.mvct.array, without, planted.truth.array, strict=True):
        depth = depth_mm(flat_soft_tissue(truth, pixel_mm), pixel_mm)
        error = converted.astype(np.float32) - truth
        found = find_blobs(error, depth, diameters_mm=DIAMETERS_MM, threshold_hu=BLOB_HU, pixel_mm=pixel_mm)
        curve = kv_hu_from_density(torch.from_numpy(mvct.astype(np.float32))).numpy() - truth
        before = {diameter: response(curve, diameter, pixel_mm) for diameter in DIAMETERS_MM}
        large = sum(blob.diameter_mm >= REPRESENTATIVE_MM for blob in found)
        counts.append([len(found), large, sum(not _was_there(blob, before) for blob in found)])
    return counts


def visible_in_mvct(of_mvct: Mapping[str, Row]) -> dict[str, list[bool]]:
    """By patient, which lesions stand out in the MVCT from what noise and anatomy pass off as one of their size.

    Args:
        of_mvct: by patient, what `measure` gives of the MVCT.
    """
    least = {kind: VISIBLE_SD * _chance_hu(lesions) for kind, lesions in _by_kind(_lesions(of_mvct)).items()}
    return {
        patient: [one["recovered"] * abs(one["contrast_hu"]) >= least[_kind(one)] for one in record["lesions"]]
        for patient, record in of_mvct.items()
    }


def summary(of_patient: Mapping[str, Row], visible: Mapping[str, Sequence[bool]]) -> Row:
    """One row of the table of methods, from what was measured in one patient or in several.

    Args:
        of_patient: by patient, what `measure` gives of the method.
        visible: `visible_in_mvct`.
    """
    lesions = _lesions(of_patient)
    seen = list(compress(lesions, chain.from_iterable(visible[patient] for patient in of_patient)))
    large = [lesion for lesion in lesions if _is_large(lesion)]
    named = [
        lesion
        for lesion in large
        if lesion["diameter_mm"] == REPRESENTATIVE_MM and abs(lesion["contrast_hu"]) == REPRESENTATIVE_HU
    ]
    recovered, recovered_sd = _recovered(lesions)
    large_recovered, large_sd = _recovered(large)
    chance = _chance_hu([lesion for lesion in lesions if lesion["diameter_mm"] == REPRESENTATIVE_MM])
    blobs = np.array([counts for record in of_patient.values() for counts in record["blobs"]]).reshape(-1, 3)
    return {
        "lesions": len(lesions),
        "recovered": recovered,
        "recovered_sd": recovered_sd,
        "lost": _lost(lesions),
        "visible_lesions": len(seen),
        "visible_lost": _lost(seen),
        "large_lesions": len(large),
        "large_recovered": large_recovered,
        "large_sd": large_sd,
        "large_least": min((lesion["recovered"] for lesion in large), default=math.nan),
        "large_most": max((lesion["recovered"] for lesion in large), default=math.nan),
        "large_kept_percent": _percent([KEPT[0] <= lesion["recovered"] <= KEPT[1] for lesion in large]),
        "large_lost": _lost(large),
        "chance_hu": chance,
        "detectability": REPRESENTATIVE_HU * _recovered(named)[0] / chance if chance else math.nan,
        "invented_percent": _invented_percent(lesions),
        "large_invented_percent": _invented_percent(
            [lesion for lesion in lesions if lesion["diameter_mm"] >= REPRESENTATIVE_MM]
        ),
        "blobs_per_slice": float(blobs[:, 0].mean()),
        "large_blobs_per_slice": float(blobs[:, 1].mean()),
        "new_blobs_per_slice": float(blobs[:, 2].mean()),
    }


def by_size(measured: Mapping[str, Mapping[str, Row]]) -> list[Row]:
    """Rows by method, shape and diameter, from what was measured by method and patient."""
    rows = []
    for name, of_patient in measured.items():
        for (shape, diameter), group in sorted(_by_kind(_lesions(of_patient)).items()):
            row = {"method": name, "shape": shape, "diameter_mm": diameter, "lesions": len(group)}
            for contrast in CONTRASTS_HU:
                of_contrast = [lesion for lesion in group if lesion["contrast_hu"] == contrast]
                row[f"lesions_{contrast:+d}"] = len(of_contrast)
                row[f"recovered_{contrast:+d}"], row[f"sd_{contrast:+d}"] = _recovered(of_contrast)
            row["recovered"], row["sd"] = _recovered(group)
            rows.append({**row, "lost": _lost(group), "chance_hu": _chance_hu(group)})
    return rows


def _was_there(blob: Blob, before: Mapping[float, np.ndarray]) -> bool:
    return before[blob.diameter_mm][blob.j, blob.i] * math.copysign(1, blob.contrast_hu) >= abs(blob.contrast_hu) / 2


def _lesions(of_patient: Mapping[str, Row]) -> list[Row]:
    return [lesion for record in of_patient.values() for lesion in record["lesions"]]


def _by_kind(lesions: Sequence[Row]) -> dict[tuple[str, float], list[Row]]:
    kinds: dict[tuple[str, float], list[Row]] = {}
    for lesion in lesions:
        kinds.setdefault(_kind(lesion), []).append(lesion)
    return kinds


def _kind(lesion: Row) -> tuple[str, float]:
    """Shape and diameter in mm."""
    return lesion["shape"], lesion["diameter_mm"]


def _is_large(lesion: Row) -> bool:
    return lesion["diameter_mm"] >= REPRESENTATIVE_MM and abs(lesion["contrast_hu"]) >= REPRESENTATIVE_HU


def _recovered(lesions: Sequence[Row]) -> tuple[float, float]:
    return mean_and_sd(lesion["recovered"] for lesion in lesions)


def _lost(lesions: Sequence[Row]) -> int:
    return sum(lesion["recovered"] < LOST_BELOW for lesion in lesions)


def _chance_hu(lesions: Sequence[Row]) -> float:
    return mean_and_sd(lesion["chance_hu"] for lesion in lesions)[1]


def _invented_percent(lesions: Sequence[Row]) -> float:
    return _percent([abs(lesion["invented_hu"]) > INVENTED_HU for lesion in lesions])


def _percent(hits: Sequence[bool]) -> float:
    return 100 * float(np.mean(hits)) if len(hits) else math.nan
