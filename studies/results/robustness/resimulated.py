"""Scans that are simulated again from the real kVCT, what every method makes of them, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
from methods import conventional, described, methods, trained
from MVCTEnhanceLib.io import read_volume
from MVCTEnhanceLib.physics.mvct import MVCTSettings, simulate_mvct
from MVCTEnhanceLib.quality.metrics import evaluate
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.grid import axial
from robustness.field_of_view import some_slices, spread, whole_hu
from study import Case, Method, Row, Study, mean_and_sd

SCANNER = MVCTSettings()
SEED = 1000  # unlike those of the training and test scans, which count from 0
SLICES = 2
TRUTH = "true kVCT"
READOUTS = {
    "mae": "MAE / HU",
    "ssim": "SSIM",
    "distance": "NSelfSSIM, distance to kVCT",
    "noise": "noise / HU",
    "bias_soft_tissue": "HU error, soft tissue",
    "skin_edge": "skin edge / mm",
}
UNADAPTED = (
    "Nothing was adapted to the scan: the networks are those of the other tables, whose training scans were simulated "
    "at standard noise (those of simulated-anchor at half and double, too), and the conventional methods have the "
    "strengths that were tuned at standard noise on training patients, as a user would have them. Where such a "
    "strength is a multiple of the slice's own noise, it follows the noise by itself; the width of a Gaussian or a "
    "median does not."
)


def at_dose(study: Study, case: Case, seed: int, factor: float) -> list[Row]:
    """All methods on a few slices of a test patient, simulated again with another number of photons."""

    def simulated() -> tuple[Volume, Volume]:
        chosen = spread(len(case.mvct.array), SLICES)
        kvct = some_slices(real_kvct(study, case.patient), chosen * study.every)
        mvct = simulate_mvct(kvct, replace(SCANNER, photons=SCANNER.photons * factor, seed=seed))
        return mvct, mvct.with_array(case.truth.array[chosen])

    return measured(study, f"dose/{case.patient}/photons-{factor:g}", simulated)


def measured(study: Study, key: str, simulated: Callable[[], tuple[Volume, Volume]]) -> list[Row]:
    """A row for each method and one for the truth.

    Args:
        key: of what is kept.
        simulated: gives MVCT and truth; called only where a method has not been measured yet.
    """
    pair = cache(simulated)
    rows = []
    for method in methods(study):
        kept = study.once(
            f"robustness/{key}/{method.kept.name}",
            lambda method=method: _readouts(whole_hu(method, pair()[0]), *pair()),
        )
        rows.append({"method": method.name, **kept})
    truth = study.once(f"robustness/{key}/{TRUTH}", lambda: _readouts(pair()[1].array, *pair()))
    return [*rows, {"method": TRUTH, **truth}]


def real_kvct(study: Study, patient: str) -> Volume:
    """The scan that a patient's MVCT is simulated from."""
    file = study.data / "kvct" / f"{patient}.nrrd"
    return axial(read_volume(file if file.exists() else study.data / "dicom" / patient))


def networks(study: Study) -> str:
    """What the networks are, for the notes of a table."""
    return f"The networks:\n\n{described(study)}"


def means(by_patient: Sequence[Row], condition: str) -> list[Row]:
    """A row for each method and condition: the means over the patients."""
    groups: dict[tuple, list[Row]] = {}
    for row in together(by_patient, "method"):
        groups.setdefault((row["method"], row[condition]), []).append(row)
    return [
        {
            "method": method,
            condition: value,
            **{key: mean_and_sd(row[key] for row in group)[0] for key in READOUTS},
            "patients": len(group),
            "slices": sum(row["slices"] for row in group),
        }
        for (method, value), group in groups.items()
    ]


def together(rows: Sequence[Row], *keys: str) -> list[Row]:
    """Rows with the same values under the keys side by side, otherwise in their order."""
    order = {key: list(dict.fromkeys(row[key] for row in rows)) for key in keys}
    return sorted(rows, key=lambda row: [order[key].index(row[key]) for key in keys])


def mae_conclusion(study: Study, rows: Sequence[Row], condition: str) -> str:
    """A line for the best conventional method of each condition, then one for each network."""
    values = list(dict.fromkeys(row[condition] for row in rows))
    rivals = names(conventional(study))
    best = [_lowest_mae(row for row in rows if row[condition] == value and row["method"] in rivals) for value in values]
    shown = " / ".join(f"{row['mae']:.1f} ({row['method']})" for row in best)
    unit = "mm slices" if condition == "thickness_mm" else "noise"
    lines = [f"MAE in HU at {' / '.join(map(str, values))} {unit}:", "", f"- best conventional method of each: {shown}"]
    for name in names(trained(study)):
        own = [row["mae"] for row in rows if row["method"] == name]
        higher = [str(value) for value, mae, other in zip(values, own, best, strict=True) if not mae <= other["mae"]]
        verdict = f"**higher than it at {', '.join(higher)}**" if higher else "nowhere higher"
        lines.append(f"- {name}: {' / '.join(f'{mae:.1f}' for mae in own)}; {verdict}")
    return "\n".join(lines)


def _lowest_mae(rows: Iterable[Row]) -> Row:
    return min(rows, key=lambda row: row["mae"])


def names(conversions: Iterable[Method]) -> list[str]:
    return [method.name for method in conversions]


def _readouts(converted: np.ndarray, mvct: Volume, truth: Volume) -> dict[str, float]:
    found = evaluate(
        mvct.array, converted, spacing=mvct.spacing, kvct=truth.array, kvct_spacing=truth.spacing, truth=truth.array
    )
    image, paired = found.groups["enhanced"], found.groups["truth.enhanced"]
    return {
        "mae": paired["mae_hu"].mean,
        "ssim": paired["ssim"].mean,
        "distance": abs(image["nselfssim"].mean - found.groups["planning_ct"]["nselfssim"].mean),
        "noise": image["noise_hu"].mean,
        "bias_soft_tissue": paired["soft_tissue"].mean,
        "skin_edge": image["edge_width_mm"].mean,
        "slices": len(mvct.array),
    }
