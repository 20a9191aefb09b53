"""A model's card as a page to read."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from slicer.i18n import tr as _

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
    parts += [f"<h4>{_title(key)}</h4>{_value(card[key])}" for key in (*named, *rest, *last)]
    return "".join(parts)


def _title(key: str) -> str:
    words = str(key).replace("_", " ")
    return escape(words[:1].upper() + words[1:])


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "<ul>" + "".join(f"<li>{_item(key, item)}</li>" for key, item in value.items()) + "</ul>"
    if isinstance(value, (list, tuple)) and not all(isinstance(item, (int, float, type(None))) for item in value):
        return "<ul>" + "".join(f"<li>{_value(item)}</li>" for item in value) + "</ul>"
    return escape(_plain(value))


def _item(key: str, value: Any) -> str:
    nested = isinstance(value, Mapping)
    return f"{escape(str(key).replace('_', ' '))}{':' if not nested else ''} {_value(value)}"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return _range(*value) if len(value) == 2 else ", ".join(map(_plain, value))
    return "-" if value is None else str(value)


def _range(low: float | None, high: float | None) -> str:
    """Two numbers of a card, which are always the ends of a range; None where a side is open."""
    if low == high:
        return _plain(low)
    if low is None:
        return _("up to {high}").format(high=_plain(high))
    if high is None:
        return _("from {low}").format(low=_plain(low))
    return _("{low} to {high}").format(low=_plain(low), high=_plain(high))
