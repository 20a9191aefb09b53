"""The table phantom: conventional denoisers and networks against a phantom without noise."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from conversion.conventional import NOTE_ON_BM3D
from conversion.conversion_metrics import HEADINGS, measured
from methods import described, methods
from MVCTEnhanceLib.physics.mvct import MVCTSettings, simulate_mvct
from MVCTEnhanceLib.physics.phantom import PSF_FWHM_MM, SLICE_MM, head_neck_phantom
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.quality.noise import NoiseParameters
from MVCTEnhanceLib.quality.tissues import tissue_mask
from MVCTEnhanceLib.volume import Volume
from study import Case, Study

SLICES, STEP_MM, SEED = 6, 24.0, 2024
SHOWN = (
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


def write_phantom(study: Study) -> None:
    """Make the table."""
    rows = []
    for method in methods(study):

        def compute(method=method):
            phantom = noise_free_phantom()
            converted = study.converted(method.kept, phantom.patient, phantom.mvct)
            values = measured(phantom.mvct, converted, phantom.truth)
            return values | {"mae_soft": mae_in_soft_tissue(converted, phantom.truth)}

        rows.append({"method": method.name} | study.once(f"phantom/{method.kept.name}", compute))
    headings = HEADINGS | {"mae_soft": "MAE in soft tissue / HU"}
    columns = {"method": "method"} | {name: headings[name] for name in SHOWN}
    notes = f"""
Error against a digital head-and-neck phantom without any noise (`MVCTEnhanceLib.physics.head_neck`), of which
{SLICES} slices {STEP_MM:g} mm apart were made MVCT with the scanner's noise (seed {SEED}). The
truth's own noise, which sets a floor to the errors on patients, is not in these. Its edges are a kVCT's: a point
spread of {PSF_FWHM_MM:g} mm (FWHM), slices of {SLICE_MM:g} mm. Edges, above all those of bone and air, are most of
the error in the body; beside it is the error in soft tissue and fat, 2 pixels or more from all else. The phantom's
tissues are even: a method that smooths loses less here than in a patient, and the texture that a network learned from
kVCT counts as error. Strengths are those of [tuning](tuning.md).

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
    spacing = (MVCTSettings().pixel_mm, MVCTSettings().pixel_mm, STEP_MM)
    truth = head_neck_phantom(slices=SLICES, spacing_mm=spacing)
    return Case("phantom", simulate_mvct(truth, MVCTSettings(seed=SEED)), truth)
