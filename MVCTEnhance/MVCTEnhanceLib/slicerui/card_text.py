"""A model's card as a page to read."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from slicer.i18n import tr as _

from ..app.card_words import key_in_words, value_in_words

# What a user wants to know first; the rest of a card follows in its own order.
_FIRST = ("intended_use", "training_data", "trained_on", "measured")
_LAST = ("expected", "losses", "schedule")
_SKIPPED = ("name",)


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
