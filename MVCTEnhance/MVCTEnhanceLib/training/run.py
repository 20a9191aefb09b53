"""A training run in a folder: log, pictures, checkpoints, and the best model."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from .. import __version__
from ..errors import Cancelled, DeviceError, InputError, MVCTEnhanceError, OutputError
from ..model.card import Plan
from ..model.device import describe_device
from ..model.package import Model, save_model
from ..model.translator import Translator
from ..runtime.events import EventHandler
from ..storage.lock import locked
from .checkpoint import CHECKPOINT, load_checkpoint, remove_left_over, save_checkpoint
from .config import TrainingConfig, completed
from .inputs import Inputs, read_inputs
from .log import Log
from .pictures import save_features, save_samples
from .processes import SINGLE_PROCESS, DistributedContext
from .start import Start, read_start
from .trainer import Trainer
from .validation import RULE, Validation, enhance_slice, mean_nselfssim, validate

LOG_EVERY = 10
PICTURED_SLICES = 3
CARD_INTENDED_USE = (
    "Research: enhancement of TomoTherapy MVCT for viewing and registration. Not a medical device; not for dose "
    "calculation or diagnosis."
)


def train(
    config: TrainingConfig,
    folder: Path,
    *,
    device: torch.device,
    on_event: EventHandler,
    cancelled: Callable[[], bool] = lambda: False,
    start: Path | None = None,
    processes: DistributedContext = SINGLE_PROCESS,
) -> Path:
    """Train a model, or go on where an earlier call in the same folder stopped.

    Args:
        config: the run.
        folder: gets checkpoint.pt, log.csv, validation.csv, samples/*.png and model.safetensors, the best model so far.
        device: where to compute.
        on_event: called with an event's name and its fields.
        cancelled: asked after each step; the checkpoint of the last validation stays.
        start: the model whose weights the first step starts from; None for random ones.
        processes: that share each step, this one among them; only the first of them writes and reports.

    Returns:
        The path of the best model.

    Raises:
        OutputError: the folder cannot be written to, or another run trains in it.
        InputError: too few or unsuitable data, the folder's checkpoint is of another configuration or another model
            to start from, or that model does not fit.
        MVCTEnhanceError: the losses or weights are not finite any more.
        DeviceError: the device is out of memory.
        Cancelled: as asked.
    """
    started_from = read_start(start, config) if start else None
    if not processes.is_first:
        return _train(config, folder, device, _silent, cancelled, started_from, processes)
    with locked(folder / CHECKPOINT, patience_s=0):
        remove_left_over(folder)
        return _train(config, folder, device, on_event, cancelled, started_from, processes)


def _train(
    config: TrainingConfig,
    folder: Path,
    device: torch.device,
    on_event: EventHandler,
    cancelled: Callable[[], bool],
    started_from: Start | None,
    processes: DistributedContext,
) -> Path:
    on_event("stage", stage="reading slices")
    inputs = read_inputs(config.data, on_event=on_event)
    run = _Run(config, folder, Trainer(config, inputs.mvct, inputs.kvct, device, processes), inputs)
    before = run.begin(started_from)
    processes.require_same((run.trainer.step, inputs.mvct.digests(), inputs.kvct.digests()))
    counts = {"slices_mvct": len(inputs.mvct), "slices_kvct": len(inputs.kvct)}
    on_event("stage", stage="training", **counts, first_step=run.trainer.step)
    if before:
        on_event("validation", step=0, **before)
    steps = config.schedule.steps
    while run.trainer.step < steps:
        values = run.step()
        done = run.trainer.step
        on_event("progress", done=done, total=steps, phase=values["phase"])
        if run.validation_is_due() and processes.is_first:
            on_event("validation", step=done, **run.validate())
        if cancelled():
            raise Cancelled(f"The training was cancelled; the same command goes on from '{run.checkpoint_path}'.")
    if processes.is_first and not run.model_path.is_file():
        raise OutputError(f"'{run.model_path}' was removed while it was trained: delete the folder and train it anew.")
    return run.model_path


class _Run:
    """A trainer with its folder."""

    def __init__(self, config: TrainingConfig, folder: Path, trainer: Trainer, inputs: Inputs):
        self.config = config
        self.folder = folder
        self.trainer = trainer
        self.inputs = inputs
        self.mvct = _spread(inputs.validation.hu, config.schedule.validation_slices)
        self.kvct = _spread(inputs.kvct.hu, config.schedule.validation_slices)
        is_first = trainer.processes.is_first
        self.target = mean_nselfssim(self.kvct, spacing_mm=config.data.spacing_mm) if is_first else None
        self.start: Start | None = None
        self.best: Validation | None = None
        self.checkpoint_path = folder / CHECKPOINT
        self.model_path = folder / "model.safetensors"
        self.log = Log(folder / "log.csv")
        self.validation_log = Log(folder / "validation.csv")
        self.recent: list[dict[str, float]] = []

    def begin(self, start: Start | None) -> dict[str, Any] | None:
        """Go on from the folder's checkpoint; without one, start from a model, whose validation comes back."""
        if self.checkpoint_path.is_file():
            self._resume(start)
            return None
        self.start = start
        if start:
            self.trainer.start_from(start.weights)
        self.trainer.calibrate()
        if start is None:
            return None
        return self._log_validation(self._judge(), chosen=False) if self.trainer.processes.is_first else None

    def _resume(self, start: Start | None) -> None:
        state = load_checkpoint(self.checkpoint_path)
        if completed(state["trainer"]["config"]) != self.config.to_dict():
            raise InputError(
                f"'{self.checkpoint_path}' was made with another configuration: "
                "give back that configuration, or another output folder."
            )
        self.start = Start({}, **state["start"]) if state.get("start") else None
        if start and (self.start is None or self.start.adapted_from != start.adapted_from):
            raise InputError(
                f"'{self.checkpoint_path}' was not started from this model: give back the model that it was started "
                "from, if any, or another output folder."
            )
        self.trainer.restore(state["trainer"])
        self.best = Validation(**state["best"]) if state["best"] else None
        for log in (self.log, self.validation_log):
            log.cut_after(self.trainer.step)

    def step(self) -> dict[str, Any]:
        """One step, logged as the mean of every few."""
        trainer = self.trainer
        phase, started = trainer.phase(), time.perf_counter()
        try:
            values = trainer.run_step()
        except torch.OutOfMemoryError as error:
            raise DeviceError(
                f"Out of memory on the {describe_device(trainer.device)}: one training step does not fit; "
                "lower schedule.batch or data.crop_px."
            ) from error
        self._require_finite(all(math.isfinite(value) for value in values.values()))
        self.recent.append(values | {"seconds": time.perf_counter() - started})
        # A row never reaches over a checkpoint or a change of phase, so that a resumed run logs what one in a go does.
        if trainer.step % LOG_EVERY == 0 or trainer.phase() != phase or self.validation_is_due():
            means = {name: fmean(values[name] for values in self.recent) for name in self.recent[0]}
            if trainer.processes.is_first:
                self.log.add({"step": trainer.step, "phase": phase, **means})
            self.recent = []
        return {"phase": phase, **values}

    def validation_is_due(self) -> bool:
        """Whether a validation follows the step just done."""
        schedule, step = self.config.schedule, self.trainer.step
        return step % schedule.validate_every == 0 or step == schedule.steps

    def validate(self) -> dict[str, Any]:
        """Judge the averaged weights, keep them if they are the best, and write the checkpoint."""
        trainer = self.trainer
        weights = (*trainer.translator.parameters(), *trainer.discriminators.parameters())
        self._require_finite(all(weight.isfinite().all() for weight in weights))
        result = self._judge()
        takes_part = 2 * trainer.step > self.config.schedule.steps
        chosen = takes_part and (self.best is None or result.rank() < self.best.rank())
        row = self._log_validation(result, chosen=chosen)
        self._save_pictures()
        if chosen:
            self.best = result
            save_model(self._model(trainer.average, result), self.model_path)
        best = dataclasses.asdict(self.best) if self.best else None
        start = {"adapted_from": self.start.adapted_from, "credits": self.start.credits} if self.start else None
        save_checkpoint(self.checkpoint_path, {"trainer": trainer.state(), "best": best, "start": start})
        return row

    def _judge(self) -> Validation:
        trainer, spacing_mm = self.trainer, self.config.data.spacing_mm
        result = validate(trainer.average, trainer.intensities, self.mvct, target=self.target, spacing_mm=spacing_mm)
        self._require_finite(result.dig is not None and math.isfinite(result.dig))
        return result

    def _log_validation(self, result: Validation, *, chosen: bool) -> dict[str, Any]:
        row = dataclasses.asdict(result) | {"chosen": chosen}
        self.validation_log.add({"step": self.trainer.step, **row})
        return row

    def _require_finite(self, finite: bool) -> None:
        if not finite:
            raise MVCTEnhanceError(
                f"The training diverged at step {self.trainer.step}: the checkpoint and model of the last validation "
                f"are kept in '{self.folder}'; lower the learning rates and start in another folder."
            )

    def _save_pictures(self) -> None:
        trainer, samples = self.trainer, self.folder / "samples"
        shown = self.mvct[:PICTURED_SLICES]
        save_samples(samples / f"step-{trainer.step:06d}.png", trainer.average, trainer.intensities, shown)
        if trainer.features is not None:
            enhanced = enhance_slice(trainer.average, trainer.intensities, shown[0].to(trainer.device)).cpu()
            slices = {"mv": shown[0], "kv enhanced": enhanced, "kv": self.kvct[0]}
            path = samples / f"features-{trainer.step:06d}.png"
            save_features(path, trainer.features, trainer.intensities, slices)

    def _model(self, translator: Translator, result: Validation) -> Model:
        config, step, inputs = self.config, self.trainer.step, self.inputs
        counts = {"mvct_slices": len(inputs.mvct), "kvct_slices": len(inputs.kvct)}
        card = {
            "name": config.name,
            "intended_use": CARD_INTENDED_USE,
            "training_data": {"description": config.data.description}
            | counts
            | {"paired_truth_used": config.losses.paired > 0 or config.schedule.paired_steps > 0},
            "credits": list(config.data.credits),
            "losses": {name: v for name, v in dataclasses.asdict(config.losses).items() if name != "vgg"},
            "schedule": dataclasses.asdict(config.schedule),
            "seed": config.seed,
            "step": step,
            "device": describe_device(self.trainer.device),
            "version": __version__,
            "trained_on": inputs.trained_on,
            "measured": {
                "validation": dataclasses.asdict(result),
                "validated_on": "other patients" if config.data.validation else "slices of the training",
                "chosen_by": RULE,
            },
        }
        if self.start:
            card["adapted_from"] = self.start.adapted_from
            card["credits"] = list(dict.fromkeys((*config.data.credits, *self.start.credits)))
        return Model(translator, Plan(config.preset, config.data.spacing_mm, self.trainer.intensities), card)


def _silent(event: str, **fields: Any) -> None:
    pass


def _spread(slices: list[torch.Tensor], number: int) -> list[torch.Tensor]:
    """So many slices, evenly over all."""
    number = min(number, len(slices))
    return [slices[(2 * n + 1) * len(slices) // (2 * number)] for n in range(number)]
