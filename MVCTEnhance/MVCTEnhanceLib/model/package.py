"""A model as one safetensors file: the weights, the plan to run them by, and the card to read."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ..errors import ModelError
from ..imageio import atomic_file
from .intensities import Intensities, Kind
from .translator import Translator

FORMAT = "mvct-enhance"
PLAN_VERSION = 1
SHIPPED_MODELS = Path(__file__).resolve().parents[1] / "Models"


@dataclass(frozen=True)
class Plan:
    """What running the weights takes.

    Args:
        preset: name of the networks.
        spacing_mm: pixel size that they were trained at; other scans are resampled to it and back.
        intensities: the mapping from HU.
        version: of this plan's layout.
    """

    preset: str
    spacing_mm: float
    intensities: Intensities
    version: int = PLAN_VERSION

    def is_at_spacing(self, spacing: tuple[float, ...]) -> bool:
        """Whether in-plane pixel sizes in mm are the trained one, within 1 %, so that nothing is resampled."""
        return all(math.isclose(mm, self.spacing_mm, rel_tol=1e-2) for mm in spacing[:2])


@dataclass(frozen=True, eq=False)
class Model:
    """A translator with its plan and card.

    The card holds: name, intended_use, training_data, credits, losses, seed, version, measured, and what else its
    maker wants known.
    """

    translator: Translator
    plan: Plan
    card: dict[str, Any] = field(default_factory=dict)


def installed_models() -> dict[str, Path]:
    """The shipped models: name -> file."""
    return {path.stem: path for path in sorted(SHIPPED_MODELS.glob("*.safetensors"))}


def find_model(name_or_path: str | Path) -> Path:
    """The file of an installed model, or the path given where it is a file.

    Raises:
        ModelError: neither.
    """
    models = installed_models()
    if str(name_or_path) in models:
        return models[str(name_or_path)]
    path = Path(name_or_path)
    if path.is_file():
        return path
    raise ModelError(
        f"'{name_or_path}' is neither an installed model ({', '.join(models) or 'there is none'}) nor a model file."
    )


def save_model(model: Model, path: Path) -> None:
    """Write a model atomically."""
    plan, card = (json.dumps(part, sort_keys=True) for part in (dataclasses.asdict(model.plan), model.card))
    tensors = {name: tensor.contiguous().cpu() for name, tensor in model.translator.state_dict().items()}
    content = save(tensors, metadata={"format": FORMAT, "plan": plan, "card": card})
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


def read_card(path: Path) -> tuple[Plan, dict[str, Any]]:
    """The plan and card of a model, without its weights.

    Raises:
        ModelError: the file is not a model of this program, is damaged, or is of a newer version.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise _damaged(path) from error
    if metadata.get("format") != FORMAT:
        raise ModelError(
            f"'{path}' is not an MVCTEnhance model: choose a .safetensors file made by mvct-enhance train."
        )
    try:
        entries = json.loads(metadata["plan"])
        version = entries["version"]
        if version > PLAN_VERSION:
            raise ModelError(
                f"The model '{path}' has a plan of version {version}, this program reads up to {PLAN_VERSION}: "
                "update MVCTEnhance."
            )
        plan = Plan(**{**entries, "intensities": Intensities(**entries["intensities"])})
        card = json.loads(metadata["card"])
        if plan.intensities.kind not in get_args(Kind) or not plan.spacing_mm > 0 or not isinstance(card, dict):
            raise ValueError("plan and card do not hold what they should")
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"The plan or card of the model '{path}' cannot be read: get the file again.") from error
    return plan, card


def load_model(path: Path) -> Model:
    """Read a model; nothing in the file is ever run.

    Raises:
        ModelError: as :func:`read_card`, and where weights are missing, superfluous, of a wrong shape or not finite.
    """
    plan, card = read_card(path)
    translator = Translator(plan.preset)
    expected = {name: tuple(tensor.shape) for name, tensor in translator.state_dict().items()}
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError) as error:
        raise _damaged(path) from error
    if {name: tuple(tensor.shape) for name, tensor in state.items()} != expected:
        raise ModelError(f"The weights in '{path}' are not those of the preset '{plan.preset}': get the file again.")
    if not all(torch.isfinite(tensor).all() for tensor in state.values()):
        raise ModelError(f"The weights in '{path}' are not all finite numbers: get the file again.")
    translator.load_state_dict(state)
    return Model(translator.eval(), plan, card)


def _damaged(path: Path) -> ModelError:
    return ModelError(f"The model file '{path}' is damaged or is no safetensors file: get it again.")
