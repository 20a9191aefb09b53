"""Metrics of a converted scan, and their headings in the tables."""

from __future__ import annotations

import numpy as np
from MVCTEnhanceLib.quality.metrics import evaluate
from MVCTEnhanceLib.volume import Volume

TRUE_KVCT = "true kVCT"
HEADINGS = {
    "mae": "MAE / HU",
    "ssim": "SSIM",
    "psnr": "PSNR / dB",
    "nselfssim": "NSelfSSIM",
    "distance": "its distance to kVCT",
    "skin_edge": "skin edge / mm",
    "bone_edge": "bone edge / mm",
    "noise": "noise / HU",
    "cnr": "CNR",
    "bias_soft_tissue": "HU error, soft tissue",
    "bias_fat": "fat",
    "bias_lung": "lung",
    "bias_bone": "bone",
    "air": "air agreement / %",
    "dig": "DIG / HU² px⁻²",
}


def measured(mvct: Volume, converted: np.ndarray, truth: Volume) -> dict[str, float]:
    """The metrics of one converted scan, means over its slices, under the keys of `HEADINGS`.

    Args:
        converted: HU, shape (k, j, i), on the grid of the MVCT and the truth.
        truth: the kVCT that the MVCT was simulated from; it is the planning CT, too.
    """
    readouts = evaluate(
        mvct.array, converted, spacing=mvct.spacing, kvct=truth.array, kvct_spacing=truth.spacing, truth=truth.array
    )
    image, paired, comparison = (readouts.groups[name] for name in ("enhanced", "truth.enhanced", "comparison"))
    return {
        "mae": paired["mae_hu"].mean,
        "ssim": paired["ssim"].mean,
        "psnr": paired["psnr_db"].mean,
        "nselfssim": image["nselfssim"].mean,
        "distance": abs(image["nselfssim"].mean - readouts.groups["planning_ct"]["nselfssim"].mean),
        "skin_edge": image["edge_width_mm"].mean,
        "bone_edge": image["bone_edge_width_mm"].mean,
        "noise": image["noise_hu"].mean,
        "cnr": image["cnr_muscle_fat"].mean,
        **{f"bias_{tissue}": paired[tissue].mean for tissue in ("soft_tissue", "fat", "lung", "bone")},
        "air": comparison["air_agreement"].mean,
        "dig": comparison["dig"].mean,
    }
