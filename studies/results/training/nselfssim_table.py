"""The paper's table of NSelfSSIM, made here, with the paper's own values beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from MVCTEnhanceLib.model.card import installed_models
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.quality.nselfssim import NSelfSSIMParameters, nselfssim
from scipy import ndimage
from study import Case, Row, Study, mean_and_sd
from training.measures import (
    Measures,
    data_notes,
    measures,
    measures_of_kvct,
    model_method,
    references,
    summary,
    thinned,
)
from training.train_runs import ENDS, PROPOSED, all_trained, described, end_runs

PLANNING_CT = "planning CT (true kVCT)"
# Of S. Ozaki's talk, ISCO 2023, which does not tell the noise and window behind them.
PAPER = {"MVCT": (0.9024, 0.0106), PROPOSED: (0.7079, 0.0794), PLANNING_CT: (0.7263, 0.0825)}
BLUR_PX = 2.0
COLUMNS = {
    "scan": "scan",
    "seed": "seed",
    "nselfssim": "NSelfSSIM",
    "nselfssim_sd": "SD",
    "distance": "distance to the planning CT's",
    "skin_edge": "skin edge / mm",
    "noise": "noise / HU",
    "paper": "the paper's NSelfSSIM, its own patients",
    "paper_sd": "the paper's SD",
}


def run(study: Study) -> None:
    """Write the table "nselfssim"; plain CycleGAN and proposed are the ablation's, trained unless they are there."""
    runs = end_runs(study)
    models = all_trained(study, {name: one.config for name, one in runs.items()})
    study = thinned(study)
    cases = study.cases("test")
    kvct = measures_of_kvct(study, cases)
    rows = [_row({"scan": "MVCT"}, measures(study, cases, references()[0]), kvct)]
    for name, one in runs.items():
        head = {"scan": one.label, "seed": one.config.seed}
        rows.append(_row(head, measures(study, cases, model_method(name, models[name])), kvct))
    for name, path in installed_models().items():
        head = {"scan": f"{name} (shipped)"}
        rows.append(_row(head, measures(study, cases, model_method(f"shipped-{name}", path)), kvct))
    rows.append(_row({"scan": PLANNING_CT}, kvct, kvct))
    notes = "\n\n".join(
        (
            data_notes(cases),
            _how(
                ". ".join(
                    f"{label[0].upper()}{label[1:]}: {described(runs[f'{name}-1'].config)}"
                    for name, label in ENDS.items()
                )
            ),
            _cautions(study, cases),
        )
    )
    study.write_table("nselfssim", rows, COLUMNS, title="NSelfSSIM", notes=notes)


def _row(head: Row, values: Mapping[str, Measures], kvct: Mapping[str, Measures]) -> Row:
    own = summary(values, kvct)
    paper, paper_sd = PAPER.get(head["scan"], (None, None))
    return {
        **head,
        "nselfssim": own["nselfssim"],
        "nselfssim_sd": own["nselfssim_sd"],
        "distance": own["nselfssim_distance"],
        "skin_edge": own["skin_edge"],
        "noise": own["noise"],
        "paper": paper,
        "paper_sd": paper_sd,
    }


def _how(training: str) -> str:
    parameters = NSelfSSIMParameters()
    low, high = parameters.ssim.clip_hu
    return (
        f"NSelfSSIM = SSIM(x, x + noise): HU clipped to {low:g} to {high:g}, data range {high - low:g} HU, Gaussian "
        f"noise of {parameters.noise_hu:g} HU (seed {parameters.seed}), averaged in the body. The paper gives no such "
        "parameters and has other patients, real MVCT and another part of the body: its column is to be compared in "
        "the order of its rows, not in its values.\n\n"
        f"Trained on unpaired slices. {training}. What is called proposed here is the paper's losses with the physical "
        "backward generator. What the shipped models learned from is said in [the models](../../models.md)."
    )


def _cautions(study: Study, cases: Sequence[Case]) -> str:
    blurred = _mean_of(study, cases, "MVCT-blurred", lambda hu: ndimage.gaussian_filter(hu.astype(float), BLUR_PX))
    constant = _mean_of(study, cases, "constant", np.zeros_like)
    return (
        "**Lower is not better.** NSelfSSIM falls with blur and is lowest for a constant image: of the same slices, "
        f"the MVCT blurred by {BLUR_PX:g} px has {blurred:.4f}, and 0 HU everywhere has {constant:.4f}. What counts is "
        "the distance to the planning CT's, with the width of the skin's edge beside it."
    )


def _mean_of(study: Study, cases: Sequence[Case], name: str, change: Callable[[np.ndarray], np.ndarray]) -> float:
    """Mean NSelfSSIM of changed MVCT slices (j, i) in the body of the MVCT."""

    def values(case: Case) -> list[float]:
        pixel_size = (case.mvct.spacing[1], case.mvct.spacing[0])
        return [nselfssim(change(hu), body_mask(hu, pixel_size=pixel_size)) for hu in case.mvct.array]

    by_patient = [study.once(f"nselfssim/{name}/{case.patient}", lambda case=case: values(case)) for case in cases]
    return mean_and_sd(value for one in by_patient for value in one)[0]
