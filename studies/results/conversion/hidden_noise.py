"""Test for an MVCT hidden in a network's output to serve the cycle: the way back with the output smoothed first."""

from __future__ import annotations

import numpy as np
import torch
from methods import model_files, trained
from MVCTEnhanceLib.model.engine import Engine
from MVCTEnhanceLib.model.package import load_model
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.quality.noise import noise_of_pair
from MVCTEnhanceLib.volume import Volume
from scipy import ndimage
from study import Case, Row, Study, mean_and_sd

SMOOTHING_PX = 1.0
SLICES = 5
COLUMNS = {
    "patient": "patient",
    "method": "method",
    "noise_mvct": "noise of the MVCT / HU",
    "noise_enhanced": "of the enhanced scan",
    "cycle_error": "cycle error / HU",
    "cycle_error_smoothed": "with the enhanced scan smoothed",
}


def run(study: Study) -> None:
    """Write the table "hidden_noise"."""
    rows = []
    for method in trained(study):
        engine = Engine(load_model(model_files(study)[method.name]), torch.device("cpu"))
        for case in study.cases("test"):

            def compute(case=case, method=method, engine=engine) -> Row:
                enhanced = study.converted(method.kept, case.patient, case.mvct)
                return _measured(case, enhanced, engine)

            rows.append(
                {"patient": case.patient, "method": method.name}
                | study.once(f"hidden_noise/{method.kept.name}/{case.patient}", compute)
            )
    notes = f"""
Cycle error: mean |MVCT → kVCT → MVCT - MVCT| in the body, over {SLICES} slices of each test patient (simulated MVCT),
the way back without noise; and the same with the kVCT smoothed by a Gaussian of {SMOOTHING_PX:g} px before the way
back. A network that hides the MVCT's noise in its output, too faint to be seen, to get it back from there has a cycle
error well below the mean |noise| (0.8 of its SD), which smoothing the output brings up to it. Where smoothing changes
little, nothing was hidden. A network that changes next to nothing has a low cycle error, too, which its noise tells.
Noise: SD in homogeneous soft tissue.
"""
    study.write_table("hidden_noise", rows, COLUMNS, title="Noise hidden in the output", notes=notes)


def _measured(case: Case, enhanced: np.ndarray, engine: Engine) -> Row:
    chosen = np.linspace(0, len(enhanced) - 1, min(SLICES, len(enhanced))).round().astype(int)
    mvct, enhanced = case.mvct.array[chosen].astype(np.float32), enhanced[chosen].astype(np.float32)
    pixel_size = (case.mvct.spacing[1], case.mvct.spacing[0])
    bodies = [body_mask(image, pixel_size=pixel_size) for image in mvct]
    smoothed = ndimage.gaussian_filter(enhanced, (0, SMOOTHING_PX, SMOOTHING_PX))
    errors = [
        mean_and_sd(
            np.abs(again - image)[body].mean()
            for again, image, body in zip(_back(engine, case, kvct), mvct, bodies, strict=True)
        )[0]
        for kvct in (enhanced, smoothed)
    ]
    both = [noise_of_pair(*pair, pixel_size=pixel_size) for pair in zip(mvct, enhanced, bodies, strict=True)]
    noise = [mean_and_sd(of_scan)[0] for of_scan in zip(*both, strict=True)]
    names = ("noise_mvct", "noise_enhanced", "cycle_error", "cycle_error_smoothed")
    return dict(zip(names, (*noise, *errors), strict=True))


def _back(engine: Engine, case: Case, kvct: np.ndarray) -> np.ndarray:
    return engine.back_to_mvct(Volume(kvct, case.mvct.spacing)).array.astype(np.float32)
