"""The models that can be chosen, read without the packages that run them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..model.card import DEFAULT_MODEL, Plan, find_model, installed_models, read_card


@dataclass(frozen=True, eq=False)
class ChosenModel:
    """A model's file with what it says of itself."""

    path: Path
    plan: Plan
    card: Mapping[str, Any]


def model_names() -> list[str]:
    """The installed models, the default one first."""
    return sorted(installed_models(), key=lambda name: (name != DEFAULT_MODEL, name))


def choose_model(name_or_path: str) -> ChosenModel:
    """An installed model by its name, or one's own by its path; "" for the default one.

    Raises:
        ModelError: there is none, or it cannot be read.
    """
    path = find_model(name_or_path or DEFAULT_MODEL)
    plan, card = read_card(path)
    return ChosenModel(path, plan, card)
