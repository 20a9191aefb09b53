"""The models that can be chosen, read without the packages that run them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from ...model.card import DEFAULT_MODEL, Plan, find_model, installed_models, read_card
from ...model.card_words import key_in_words, value_in_words

# What a user wants to know first; the rest of a card follows in its own order.
_FIRST = ("intended_use", "training_data", "trained_on", "measured")
_LAST = ("expected", "losses", "schedule")
_SKIPPED = ("name",)


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


def card_html(plan: Any, card: Mapping[str, Any]) -> str:
    """The card as HTML without links or pictures.

    Args:
        plan: of the model, for its preset and pixel size.
        card: nested names, lists and values.
    """
    named = [key for key in _FIRST if key in card]
    rest = [key for key in card if key not in (*_FIRST, *_LAST, *_SKIPPED)]
    last = [key for key in _LAST if key in card]
    network = _("{preset} networks, {spacing:.3g} mm pixels").format(preset=plan.preset, spacing=plan.spacing_mm)
    parts = [f"<h3>{escape(str(card.get('name', _('unnamed model'))))}</h3><p>{escape(network)}</p>"]
    parts += [f"<h4>{escape(key_in_words(key))}</h4>{_value(card[key])}" for key in (*named, *rest, *last)]
    return "".join(parts)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "<ul>" + "".join(f"<li>{_item(key, item)}</li>" for key, item in value.items()) + "</ul>"
    if isinstance(value, (list, tuple)) and not all(isinstance(item, (int, float, type(None))) for item in value):
        return "<ul>" + "".join(f"<li>{_value(item)}</li>" for item in value) + "</ul>"
    return escape(value_in_words(value, _))


def _item(key: str, value: Any) -> str:
    nested = isinstance(value, Mapping)
    return f"{escape(key_in_words(key))}{':' if not nested else ''} {_value(value)}"
