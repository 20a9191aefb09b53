"""A model that a training starts from, to adapt it to other scans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..errors import InputError
from ..model.card import model_sha256
from ..model.package import load_model
from ..model.translator import preset_named
from .config import TrainingConfig

TOLD = ("name", "version", "device", "training_data", "adapted_from")  # of its card


@dataclass(frozen=True)
class Start:
    """What is taken from a model.

    Args:
        weights: of its translator.
        adapted_from: what the new model's card tells of it: its file's SHA-256, and its card's name, version,
            device and training data.
        credits: of the data that it was trained on.
    """

    weights: dict[str, torch.Tensor]
    adapted_from: dict[str, Any]
    credits: tuple[str, ...]


def read_start(path: Path, config: TrainingConfig) -> Start:
    """A model's weights for a training of this configuration.

    Raises:
        ModelError: the file is no usable model.
        InputError: preset, spacing or intensities of the model and of the configuration differ.
    """
    model = load_model(path)
    for what, of_model, of_config in (
        ("the preset", model.plan.preset, config.preset),
        ("data.spacing_mm", model.plan.spacing_mm, config.data.spacing_mm),
    ):
        if of_model != of_config:
            raise InputError(
                f"The model '{path}' cannot be adapted with this configuration: {what} is {of_model} in the model and "
                f"{of_config} in the configuration; leave it out there, or train without a model to start from."
            )
    if model.plan.intensities != preset_named(config.preset).intensities:
        raise InputError(
            f"The model '{path}' maps HU otherwise than the preset '{config.preset}' does here: adapt it with the "
            "version of this program that made it, or choose another model."
        )
    return Start(model.translator.state_dict(), origin(path, model.card), tuple(model.card.get("credits", ())))


def origin(path: Path, card: Mapping[str, Any]) -> dict[str, Any]:
    """What a card says of the model that the training started from, by that one's file and card."""
    return {key: card[key] for key in TOLD if key in card} | {"sha256": model_sha256(path)}
