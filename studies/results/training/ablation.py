"""Ablation: what each loss of the method adds to plain CycleGAN, all runs with the same slices, crops and steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from study import Case, Row, Study
from training.measures import (
    QUANTITIES,
    TRUE_KVCT,
    data_notes,
    measures,
    measures_of_kvct,
    model_method,
    references,
    summary,
    thinned,
)
from training.train_runs import (
    PHYSICAL,
    PLAIN,
    PLAIN_CYCLEGAN,
    PROPOSED,
    Run,
    all_trained,
    configuration,
    described,
    devices,
    end_runs,
    training_log,
)

# Losses beside plain CycleGAN's, of the runs with the physical backward generator.
SINGLE_LOSSES = {
    "physical": ("physical backward", {}),
    "perceptual": ("physical backward + perceptual", {"perceptual": PHYSICAL["perceptual"]}),
    "autoencoder": ("physical backward + autoencoder", {"autoencoder": 1.0}),
    "air": ("physical backward + air region", {"air": 1.0}),
}
PAPER_LOSSES = "the paper's losses"
PAPER_PRESET = "ozaki2022"
HEAD = {"method": "method", "seed": "seed"}
TRAINING = {"score_kv": "score real", "score_made_kv": "made", "minutes": "training / min"}


def run(study: Study) -> None:
    """Train, measure, and write the tables "ablation" and "ablation_by_patient"."""
    runs = ablation_runs(study)
    models = all_trained(study, {name: one.config for name, one in runs.items()})
    study = thinned(study)
    cases = study.cases("test")
    kvct = measures_of_kvct(study, cases)
    heads: list[Row] = [{"method": method.name} for method in references()] + [{"method": TRUE_KVCT}]
    measured = [measures(study, cases, method) for method in references()] + [kvct]
    for name, one in runs.items():
        heads.append({"method": one.label, "seed": one.config.seed} | training_log(models[name]))
        measured.append(measures(study, cases, model_method(name, models[name])))
    rows = [head | summary(values, kvct) for head, values in zip(heads, measured, strict=True)]
    columns = HEAD | QUANTITIES | TRAINING
    study.write_table("ablation", rows, columns, title="Ablation", notes=_notes(runs, models, rows, cases))
    by_patient = [
        {key: head.get(key) for key in HEAD}
        | {"patient": patient}
        | summary({patient: values[patient]}, {patient: kvct[patient]})
        for head, values in zip(heads, measured, strict=True)
        for patient in values
    ]
    columns = HEAD | {"patient": "patient"} | QUANTITIES
    notes = "The figures of [ablation](ablation.md), which says what they are, each test patient by itself."
    study.write_table("ablation_by_patient", by_patient, columns, title="Ablation, by patient", notes=notes)


def ablation_runs(study: Study) -> dict[str, Run]:
    """The runs by the names of their folders."""
    singles = {}
    for run_name, (label, weights) in SINGLE_LOSSES.items():
        config = configuration(study, f"{run_name}-1", physical=True, weights=PLAIN | weights)
        singles[config.name] = Run(label, config)
    losses = configuration(study, "paper-losses-1", physical=False)
    paper = configuration(study, f"{PAPER_PRESET}-1", physical=False)
    paper = dataclasses.replace(paper, preset=PAPER_PRESET)
    of_paper = {losses.name: Run(PAPER_LOSSES, losses), paper.name: Run(f"{PAPER_LOSSES} and networks", paper)}
    return end_runs(study) | singles | of_paper


def _notes(runs: Mapping[str, Run], models: Mapping[str, Path], rows: Sequence[Row], cases: Sequence[Case]) -> str:
    plain, proposed = runs["plain-cyclegan-1"].config, runs["proposed-1"].config
    return f"""
{data_notes(cases)}

Training, from random weights and unpaired, on the slices of [the models](../../models.md).

- Plain CycleGAN: the adversarial, cycle and identity losses, both ways free networks: {described(plain)}.
- The paper's losses: perceptual, autoencoder and air region as well, else as plain CycleGAN. The same with the paper's
  networks ({PAPER_PRESET}): their window ends at -600 and 400 HU, so that nothing that they make counts as air, and
  lung and bone are off by construction.
- Physical backward: plain CycleGAN's losses, with the physical backward generator, its texture loss and the cycle first
  ([training](../../training.md)); each "+" adds one loss to it. Proposed: that generator and all losses:
  {described(proposed)}.

The weights are those of the last step, so that all are compared at the same steps. Runs of one seed see the same crops.
Trained on: {devices(models.values())}; runs side by side share it, which their minutes count.

Two seeds of the ends: {_seeds(rows, PLAIN_CYCLEGAN)}; {_seeds(rows, PROPOSED)}. A difference between two rows
that is no larger than between two seeds says nothing; of the other rows there is one seed each.

These runs are short. NSelfSSIM falls with blur, so that its distance to the kVCT's counts, with the edge beside it. DIG
is 0 for a method that changes nothing, and the true kVCT's is that of the right answer: a low DIG is no merit by
itself. Distance: of a patient's mean to its kVCT's, averaged over the patients. HU error: scan - truth. Scores: the
discriminator's for real and made kVCT in the last tenth of the run; equal scores mean that it teaches nothing.
"""


def _seeds(rows: Sequence[Row], method: str) -> str:
    own = [row for row in rows if row["method"] == method]
    dig, mae = (" and ".join(f"{row[quantity]:.4g}" for row in own) for quantity in ("dig", "mae"))
    return f"{method} DIG {dig} HU²/px², MAE {mae} HU"
