"""Configuration of a training run: a TOML file with the sections [data], [losses] and [schedule]."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..model.card import Plan
from ..model.translator import DEFAULT_PRESET, preset_named
from ..storage.toml import build, read_toml

TERMS = ("adversarial", "cycle", "autoencoder", "perceptual", "air", "identity", "texture", "paired")
# The range of each number that has one of its own; the others may be anything from 0.
RANGES = {
    "seed": (0, 2**32),
    "spacing_mm": (0.01, math.inf),
    "crop_px": (32, math.inf),
    "rotated": (0, 1),
    "air_threshold_hu": (-math.inf, math.inf),
    "steps": (1, math.inf),
    "batch": (1, math.inf),
    "beta_1": (0, 0.999),
    "final_rate": (0, 1),
    "average": (0, 1),
    "validate_every": (1, math.inf),
    "validation_slices": (1, math.inf),
}


@dataclass(frozen=True)
class DataConfig:
    """Where the slices are and how crops are cut.

    Args:
        mvct: folder of MVCT volumes.
        kvct: folder of kVCT volumes, of other slices than the MVCT.
        truth: folder of kVCT volumes of the MVCT's own slices, on their grid and under their names, for
            `losses.paired`; where empty, training is unpaired throughout.
        validation: folder of MVCT volumes of other patients, which validations look at; where empty, they look at
            slices of the training.
        description: of the data in words, for the model's card.
        credits: of the data, for the model's card.
        spacing_mm: pixel size that all slices are resampled to.
        crop_px: side of the square crops, an even number.
        rotation_deg: largest rotation of a crop.
        rotated: fraction of the crops that are rotated, which costs them some of their noise.
        turned: whether crops are flipped and turned by quarters at random, which costs them nothing.
        translation_px: largest shift of a crop from the place in the body that it was drawn for.
    """

    mvct: str
    kvct: str
    truth: str = ""
    validation: str = ""
    description: str = ""
    credits: tuple[str, ...] = ()
    spacing_mm: float = 0.763
    crop_px: int = 128
    rotation_deg: float = 20.0
    rotated: float = 1.0
    turned: bool = False
    translation_px: int = 20


@dataclass(frozen=True)
class LossConfig:
    """Weights of the loss terms; plain CycleGAN has perceptual, autoencoder and air at 0.

    Args:
        adversarial, cycle, autoencoder, perceptual, air, identity: the paper's terms, by default with its weights.
        texture: distance of the distributions of local detail of made and real crops; not part of the paper's method.
        paired: L1 to `data.truth`; not part of the paper's method.
        noise_spread: SD of the logarithm of the factor, crop by crop, on the noise in kVCT → MVCT → kVCT where the way
            to MVCT takes noise, so that the way back is learned for other doses too.
        blur_spread: the same for the width of the blur, for presets with a physical backward generator.
        calibrate_hu: measure, before the first step, how HU differ from those of the density line, for presets with a
            physical backward generator.
        cycle_blur_px: SD of the blur under which MVCT and MVCT→kVCT→MVCT are compared, 0 for none.
        air_threshold_hu: C of the air region loss.
        perceptual_crop_px: side of the part of each crop that φ is compared on, 0 for the whole crop.
        vgg: file of the VGG layers; where empty, torchvision's.
        target_jitter: SD of the discriminators' targets.
    """

    adversarial: float = 1.0
    cycle: float = 10.0
    autoencoder: float = 1.0
    perceptual: float = 1.0
    air: float = 1.0
    identity: float = 0.1
    texture: float = 0.0
    paired: float = 0.0
    noise_spread: float = 0.0
    blur_spread: float = 0.0
    calibrate_hu: bool = False
    cycle_blur_px: float = 0.0
    air_threshold_hu: float = -600.0
    perceptual_crop_px: int = 0
    vgg: str = ""
    target_jitter: float = 0.2


@dataclass(frozen=True)
class ScheduleConfig:
    """The course of a run.

    Args:
        steps: in all.
        paired_steps: the first of them, on the paired term alone.
        cycle_steps: the next of them, on kVCT → MVCT → kVCT and the texture of that MVCT alone.
        discriminator_steps: the next of them, on the discriminators alone, so that they can tell the domains apart
            before the generators follow them.
        batch: crops of each domain in a step.
        generator_rate, discriminator_rate: of Adam.
        beta_1: of Adam.
        final_rate: fraction of the rates that one cosine decay ends at, from the first step that trains the networks.
        average: decay of the running mean of the weights, which is what is validated and saved; 0 for none.
        buffer: made images kept for the discriminators.
        validate_every: steps between validations and checkpoints.
        validation_slices: MVCT and kVCT slices, each, that a validation looks at.
        mixed_precision: bfloat16 arithmetic where that is safe.
    """

    steps: int = 10_000
    paired_steps: int = 0
    cycle_steps: int = 0
    discriminator_steps: int = 0
    batch: int = 1
    generator_rate: float = 2e-4
    discriminator_rate: float = 1e-4
    beta_1: float = 0.1
    final_rate: float = 0.0
    average: float = 0.0
    buffer: int = 50
    validate_every: int = 500
    validation_slices: int = 8
    mixed_precision: bool = False


SECTIONS = {"data": DataConfig, "losses": LossConfig, "schedule": ScheduleConfig}


@dataclass(frozen=True)
class TrainingConfig:
    """All of it; see the parts."""

    data: DataConfig
    losses: LossConfig = field(default_factory=LossConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    name: str = "model"
    preset: str = DEFAULT_PRESET
    seed: int = 0

    def __post_init__(self):
        preset_named(self.preset)
        for section in (self, self.data, self.losses, self.schedule):
            _require_ranges(section)
        crop = self.data.crop_px
        for fits, what in (
            (crop % 2 == 0, "data.crop_px must be even"),
            (self.losses.perceptual_crop_px <= crop, "losses.perceptual_crop_px must not be above data.crop_px"),
            (6 * self.losses.cycle_blur_px < crop, "losses.cycle_blur_px must be below a sixth of data.crop_px"),
            (
                not self.schedule.cycle_steps or preset_named(self.preset).backward is not None,
                f"schedule.cycle_steps needs a preset with a physical backward generator, which {self.preset} has not",
            ),
            (any(getattr(self.losses, term) for term in TERMS), "losses must have a weight above 0"),
        ):
            if not fits:
                raise InputError(f"The training configuration does not fit together: {what}.")
        needs_truth = self.losses.paired > 0 or self.schedule.paired_steps > 0
        if needs_truth and not self.data.truth:
            raise InputError("The paired loss needs the kVCT of the MVCT slices: name their folder as data.truth.")

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON-serialisable sections."""
        return dataclasses.asdict(self)


def completed(stored: dict[str, Any]) -> dict[str, Any]:
    """What `TrainingConfig.to_dict` gave, maybe in an earlier version: settings that it lacked have their defaults."""
    defaults = TrainingConfig(DataConfig("", "")).to_dict()
    sections = {name: defaults[name] | stored[name] for name in SECTIONS}
    return defaults | stored | sections


def read_config(path: Path, *, plan: Plan | None = None) -> TrainingConfig:
    """The configuration in a TOML file; relative paths in it are relative to the file.

    Args:
        path: the file.
        plan: of the model that the training starts from, which says the preset and the spacing where the file does not.

    Raises:
        InputError: the file cannot be read, or holds an unknown or unsuitable entry.
    """
    entries = read_toml(path, "training configuration")
    if plan:
        entries.setdefault("preset", plan.preset)
        if isinstance(entries.get("data"), dict):
            entries["data"].setdefault("spacing_mm", plan.spacing_mm)
    for name, section in SECTIONS.items():
        entries[name] = build(section, entries.get(name, {}), f"[{name}] of '{path}'")
    config = build(TrainingConfig, entries, f"'{path}'")
    return _with_absolute_paths(config, Path(path).resolve().parent)


def _require_ranges(section: Any) -> None:
    for setting in dataclasses.fields(section):
        value = getattr(section, setting.name)
        if setting.type in ("int", "float"):
            low, high = RANGES.get(setting.name, (0, math.inf))
            if not (math.isfinite(value) and low <= value <= high):
                raise InputError(
                    f"The training configuration's {setting.name} is {value}: "
                    f"give a number from {low:g}{f' to {high:g}' if high < math.inf else ''}."
                )


def _with_absolute_paths(config: TrainingConfig, folder: Path) -> TrainingConfig:
    def absolute(path: str) -> str:
        return str(folder / path) if path else ""

    folders = {name: absolute(getattr(config.data, name)) for name in ("mvct", "kvct", "truth", "validation")}
    data = dataclasses.replace(config.data, **folders)
    losses = dataclasses.replace(config.losses, vgg=absolute(config.losses.vgg))
    return dataclasses.replace(config, data=data, losses=losses)
