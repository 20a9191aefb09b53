"""A model as one safetensors file: the weights, the plan to run them by, and the card to read."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ..errors import ModelError
from ..storage.atomic import atomic_file
from .card import FORMAT, Plan, damaged, read_card
from .translator import Translator

_FLOAT32 = "F32"  # in the format's words; all networks are of this type


@dataclass(frozen=True, eq=False)
class Model:
    """A translator with its plan and card.

    The card holds: name, intended_use, training_data, credits, losses, seed, version, measured; where they were
    measured, trained_on (see `assessment.input_warnings`) and expected (see `assessment.verdicts`); and what else its
    maker wants known.
    """

    translator: Translator
    plan: Plan
    card: dict[str, Any] = field(default_factory=dict)


def save_model(model: Model, path: Path) -> None:
    """Write a model atomically."""
    plan, card = (json.dumps(part, sort_keys=True) for part in (dataclasses.asdict(model.plan), model.card))
    tensors = {name: tensor.contiguous().cpu() for name, tensor in model.translator.state_dict().items()}
    content = save(tensors, metadata={"format": FORMAT, "plan": plan, "card": card})
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


def load_model(path: Path) -> Model:
    """Read a model; nothing in the file is ever run.

    Raises:
        ModelError: as :func:`read_card`, and where weights are missing, superfluous, of a wrong shape or type, or not
            finite.
    """
    plan, card = read_card(path)
    translator = Translator(plan.preset)
    expected = {name: (tuple(tensor.shape), _FLOAT32) for name, tensor in translator.state_dict().items()}
    try:
        with safe_open(path, framework="pt") as file:
            # Before any is read: they may be of any size.
            found = {name: _kind_in_file(file.get_slice(name)) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            if found != expected:
                raise ModelError(
                    f"The weights in '{path}' are not those of the preset '{plan.preset}': get the file again."
                )
            state = {name: file.get_tensor(name) for name in expected}
    except (SafetensorError, OSError) as error:
        raise damaged(path) from error
    if not all(torch.isfinite(tensor).all() for tensor in state.values()):
        raise ModelError(f"The weights in '{path}' are not all finite numbers: get the file again.")
    translator.load_state_dict(state)
    return Model(translator.eval(), plan, card)


def _kind_in_file(tensor: Any) -> tuple[tuple[int, ...], str]:
    """Shape and type of what :func:`safetensors.safe_open` has not read yet."""
    return tuple(tensor.get_shape()), tensor.get_dtype()
