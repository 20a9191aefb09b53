"""Ranges of measured values, wider than these since the data are few."""

from __future__ import annotations

import math
from collections.abc import Callable

FOR_FEW_DATA = 0.1  # of the width of a range, on either side of it


def widened(low: float, high: float) -> list[float]:
    """A range wider by a part of its width on either side, but of positive values not below half of the lowest."""
    more = FOR_FEW_DATA * (high - low)
    return rounded(max(low - more, low / 2) if low > 0 else low - more, high + more)


def rounded(low: float, high: float) -> list[float]:
    """Outwards, to three digits of the width; what is positive stays so, and a range without width stays as it is."""
    if low == high:
        return [low, high]
    digits = 2 - math.floor(math.log10(high - low))
    digits_of_low = max(digits, -math.floor(math.log10(low))) if low > 0 else digits
    return [_rounded(low, digits_of_low, math.floor), _rounded(high, digits, math.ceil)]


def _rounded(value: float, digits: int, to_whole: Callable[[float], int]) -> float:
    number = value * 10.0**digits
    whole = round(number) if abs(number - round(number)) < 1e-6 else to_whole(number)
    return round(whole / 10.0**digits, max(digits, 0))
