"""Checks of a model's plan and card, which anybody may have written.

Only the standard library is needed, as for reading a card.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

PLAUSIBLE_PIXEL_MM = (0.01, 100.0)
MAX_HU = 1e5
_TRAINED_RANGES = ("field_of_view_mm", "hu", "noise_hu")


def read_json(text: str) -> dict[str, Any]:
    """A JSON object in which every number is finite.

    Raises:
        ValueError: it is none; NaN and numbers beyond all limits, which JSON does not have, Python reads and writes.
        TypeError, RecursionError: it is no text, or lists nested too deep.
    """
    content = json.loads(text)
    json.dumps(content, allow_nan=False)
    if not isinstance(content, dict):
        raise ValueError("no JSON object")
    return content


def require_plan(entries: Mapping[str, Any]) -> None:
    """Refuse a plan with values that no scan can be worked on with.

    Raises:
        ValueError, KeyError, TypeError: pixel size, HU, preset or version are not what they should be.
    """
    intensities = entries["intensities"]
    low, high = PLAUSIBLE_PIXEL_MM
    sound = (
        isinstance(entries["preset"], str)
        and _is_number(entries["spacing_mm"])
        and low <= entries["spacing_mm"] <= high
        and _is_number(intensities["centre_hu"])
        and abs(intensities["centre_hu"]) <= MAX_HU
        and _is_number(intensities["half_width_hu"])
        and 1 <= intensities["half_width_hu"] <= MAX_HU
    )
    if not sound:
        raise ValueError("the plan holds values that cannot be")


def require_card(card: Mapping[str, Any]) -> None:
    """Refuse a card whose ranges for scans and metrics are none; it need not have any.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: some are not [lowest, highest].
    """
    trained = card.get("trained_on") or {}
    ranges = [trained[name] for name in _TRAINED_RANGES if trained.get(name) is not None]
    if not all(_is_range(*pair) and None not in pair for pair in ranges):
        raise ValueError("trained_on holds a range that is none")
    require_expected(card.get("expected") or {})


def require_expected(expected: Mapping[str, Any]) -> None:
    """Refuse expected ranges that are none.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: some are not [lowest, highest].
    """
    groups = [group for group in expected.values() if isinstance(group, Mapping)]
    for entry in (entry for group in groups for entry in group.values()):
        if not all(_is_range(*entry[kind]) for kind in ("expected", "trusted")):
            raise ValueError("expected holds a range that is none")


def is_version(value: Any) -> bool:
    """Whether it is a whole number from 1."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_range(low: Any, high: Any) -> bool:
    """Two numbers in order, of which a side that is open is None."""
    numbers = [number for number in (low, high) if number is not None]
    return all(map(_is_number, numbers)) and sorted(numbers) == numbers


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
