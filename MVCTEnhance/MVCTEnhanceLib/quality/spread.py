"""Ranges of measured values, wider than these since the data are few."""

from __future__ import annotations

import math

FOR_FEW_DATA = 0.1  # of the width of a range, on either side of it


def widened(low: float, high: float) -> list[float]:
    """A range wider by a part of its width on either side, but of positive values not below half of the lowest."""
    more = FOR_FEW_DATA * (high - low)
    return rounded(max(low - more, low / 2) if low > 0 else low - more, high + more)


def rounded(low: float, high: float) -> list[float]:
    """Outwards, to three digits of the width; a range without width stays as it is."""
    if low == high:
        return [low, high]
    digits = 2 - math.floor(math.log10(high - low))
    step = 10.0**-digits
    # The small part keeps a value that is a multiple of the step already.
    steps = math.floor(low / step + 1e-6), math.ceil(high / step - 1e-6)
    return [round(number * step, max(digits, 0)) for number in steps]
