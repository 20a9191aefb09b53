"""The study's training runs: one configuration for all, changed where they differ; two processes side by side."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from MVCTEnhanceLib.model.card import read_card
from MVCTEnhanceLib.runtime.parent import PARENT
from MVCTEnhanceLib.storage.atomic import atomic_file
from MVCTEnhanceLib.training.checkpoint import load_checkpoint
from MVCTEnhanceLib.training.config import (
    TERMS,
    DataConfig,
    LossConfig,
    ScheduleConfig,
    TrainingConfig,
    completed,
    read_config,
)
from study import Study

STEPS = 1000  # of all runs, whatever their phases
CYCLE_STEPS = 500
DISCRIMINATOR_STEPS = 150
AT_A_TIME = 2
THREADS = 1
SEEDS = (1, 2)
PLAIN = {"perceptual": 0.0, "autoencoder": 0.0, "air": 0.0}
PLAIN_CYCLEGAN = "plain CycleGAN"
PROPOSED = "proposed"
ENDS = {"plain-cyclegan": PLAIN_CYCLEGAN, "proposed": PROPOSED}
# As the shipped unpaired model.
PHYSICAL = {
    "adversarial": 0.05,
    "perceptual": 0.03,
    "cycle": 150.0,
    "texture": 0.01,
    "noise_spread": 0.3,
    "cycle_blur_px": 8.0,
}
PATHS = (*(("data", key) for key in ("mvct", "kvct", "truth", "validation")), ("losses", "vgg"))


@dataclass(frozen=True)
class Run:
    """A training run: what it is called in tables, and its configuration, which has the name of its folder."""

    label: str
    config: TrainingConfig


def end_runs(study: Study, *, scans: Path | None = None, size: str = "") -> dict[str, Run]:
    """Plain CycleGAN and the proposed method, each with every seed, by the names of their folders.

    Args:
        scans: as in :func:`configuration`.
        size: in the names, for other scans than those of all training patients.
    """
    runs = {}
    for method, label in ENDS.items():
        physical = label == PROPOSED
        for seed in SEEDS:
            name = f"{method}{size}-{seed}"
            weights = {} if physical else PLAIN
            config = configuration(study, name, seed=seed, scans=scans, weights=weights, physical=physical)
            runs[name] = Run(label, config)
    return runs


def configuration(
    study: Study,
    name: str,
    *,
    physical: bool,
    seed: int = 1,
    scans: Path | None = None,
    weights: Mapping[str, float] | None = None,
) -> TrainingConfig:
    """A run from random weights on unpaired slices, small enough for a CPU.

    Args:
        name: of the run and of its model.
        physical: with the physical backward generator and what comes with it; without, both ways are networks.
        seed: of the weights and crops; runs of one seed on the same scans see the same crops.
        scans: folder with mvct and kvct; that of all training patients where None.
        weights: of the losses that differ from the paper's.
    """
    scans = (scans or study.work / "data" / "train").absolute()
    return TrainingConfig(
        name=name,
        preset="density-physics" if physical else "density-residual",
        seed=seed,
        data=DataConfig(
            mvct=str(scans / "mvct"),
            kvct=str(scans / "kvct"),
            description="MVCT simulated from kVCT, and kVCT of other slices, see docs/models.md",
            crop_px=96,
            rotated=0.25,
        ),
        losses=LossConfig(
            perceptual_crop_px=64,
            vgg=str((study.work / "vgg19_conv1_2_imagenet.pth").absolute()),
            **(PHYSICAL if physical else {"cycle_blur_px": 2.0}) | dict(weights or {}),
        ),
        schedule=ScheduleConfig(
            steps=STEPS,
            cycle_steps=CYCLE_STEPS if physical else 0,
            discriminator_steps=DISCRIMINATOR_STEPS,
            batch=4,
            generator_rate=4e-4,
            discriminator_rate=1e-3,
            beta_1=0.5,
            final_rate=0.05,
            average=0.995,
            # Weights are chosen in the second half of a run: with its end alone there, all runs have the same steps.
            validate_every=STEPS // 2,
            mixed_precision=True,
        ),
    )


def trained(study: Study, name: str, config: TrainingConfig) -> Path:
    """The model of a run in WORK/train/`name`, which is trained unless that is done; see :func:`all_trained`."""
    return all_trained(study, {name: config})[name]


def all_trained(study: Study, configs: Mapping[str, TrainingConfig]) -> dict[str, Path]:
    """The models of several runs by their names, a few trained at a time; a run that was stopped goes on.

    The configurations are kept in RESULTS/configs, and in WORK/train beside the models and what the runs said.

    Raises:
        RuntimeError: a run failed; the others that had begun are finished, no more are begun.
    """
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        models = {name: pool.submit(_train, study, name, config) for name, config in configs.items()}
        try:
            return {name: model.result() for name, model in models.items()}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def toml_text(config: TrainingConfig, folder: Path) -> str:
    """A configuration as TOML for a file in `folder`, with paths relative to it."""
    entries = config.to_dict()
    for section, key in PATHS:
        if entries[section].get(key):
            entries[section][key] = Path(os.path.relpath(entries[section][key], folder.resolve())).as_posix()
    sections = {key: entries.pop(key) for key in ("data", "losses", "schedule")}
    lines = _toml_lines(entries)
    for section, values in sections.items():
        lines += ["", f"[{section}]", *_toml_lines(values)]
    return "\n".join(lines) + "\n"


def described(config: TrainingConfig) -> str:
    """The course of a run in words, for the notes of a table."""
    schedule, losses = config.schedule, config.losses
    first = f"{schedule.cycle_steps} of the cycle alone, then " if schedule.cycle_steps else ""
    return (
        f"preset {config.preset}, {schedule.steps} steps (the first {first}{schedule.discriminator_steps} of the "
        f"discriminators alone) of {schedule.batch} crops of {config.data.crop_px} px of each domain, Adam with β₁ "
        f"{schedule.beta_1:g} and rates {schedule.generator_rate:g} and {schedule.discriminator_rate:g}, one cosine "
        f"decay to {schedule.final_rate:g} of them, running mean of the weights with {schedule.average:g}, the MVCT's "
        f"cycle compared under a blur of {losses.cycle_blur_px:g} px, weights: "
        f"{', '.join(f'{term} {getattr(losses, term):g}' for term in TERMS if getattr(losses, term))}"
        f"{', bfloat16' if schedule.mixed_precision else ''}"
    )


def training_log(model: Path) -> dict[str, float]:
    """What the log beside a model says: minutes of training, and in the last tenth the discriminators' mean scores."""
    with (model.parent / "log.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    steps = [0, *(int(row["step"]) for row in rows)]
    seconds = sum(float(row["seconds"]) * (steps[n + 1] - steps[n]) for n, row in enumerate(rows))
    last = [row for row in rows if int(row["step"]) > 0.9 * steps[-1]]
    scores = ("score_mv", "score_made_mv", "score_kv", "score_made_kv")
    return {"minutes": seconds / 60} | {name: fmean(float(row[name]) for row in last) for name in scores}


def devices(models: Iterable[Path]) -> str:
    """Where models were trained, by their cards, for the notes of a table."""
    return "; ".join(dict.fromkeys(read_card(model)[1]["device"] for model in models))


def _train(study: Study, name: str, config: TrainingConfig) -> Path:
    folder = (study.work / "train" / name).absolute()
    file = folder / "config.toml"
    for path in (file, study.results / "configs" / f"{name}.toml"):
        with atomic_file(path) as temporary:
            temporary.write_text(toml_text(config, path.parent), encoding="utf-8")
    if not _is_finished(folder, read_config(file)):
        _run(name, file, folder)
    return folder / "model.safetensors"


def _is_finished(folder: Path, config: TrainingConfig) -> bool:
    checkpoint = folder / "checkpoint.pt"
    if not checkpoint.is_file():
        return False
    state = load_checkpoint(checkpoint)["trainer"]
    return completed(state["config"]) == config.to_dict() and state["step"] == config.schedule.steps


def _run(name: str, config: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "MVCTEnhanceLib", "train", config, "--output", folder, "--progress", "none"]
    # A run whose study was killed ends, too, instead of going on beside the one that the next call starts.
    environment = os.environ | {"OMP_NUM_THREADS": str(THREADS), PARENT: str(os.getpid())}
    output = folder / "output.log"
    with output.open("a", encoding="utf-8") as log:
        process = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
    if process.returncode:
        raise RuntimeError(f"The training run '{name}' failed: '{output}' says why.")


def _toml_lines(entries: Mapping[str, Any]) -> list[str]:
    return [f"{name} = {_toml_value(value)}" for name, value in entries.items()]


def _toml_value(value: Any) -> str:
    # Of the kinds of values here, JSON and TOML write all alike.
    return json.dumps(value, ensure_ascii=False)
