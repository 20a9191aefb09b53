"""Ranges of measured values, wider than these since the data are few."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import stdtrit

FOR_FEW_DATA = 0.1  # of the width of a range, on either side of it
PREDICTED = 0.98  # what central 95 % that are wider by `FOR_FEW_DATA` hold of values with a normal distribution


def widened(low: float, high: float) -> list[float]:
    """A range wider by a part of its width on either side, but of positive values not below half of the lowest."""
    more = FOR_FEW_DATA * (high - low)
    return rounded(max(low - more, low / 2) if low > 0 else low - more, high + more)


def prediction_interval(groups: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Between which one value of another group lies with the probability `PREDICTED`.

    Of a one-way random model with normal distributions, where values of one group are more alike than those of two:
    mean of the groups' means ± t SD (Mee, Technometrics 26, 1984), degrees of freedom after Satterthwaite, and the
    harmonic mean of the sizes for groups that differ in size.

    Args:
        groups: two or more, each with one value or more.
    """
    values = [np.asarray(group, dtype=float) for group in groups]
    means, count = np.array([group.mean() for group in values]), len(values)
    single = float(np.mean([1 / len(group) for group in values]))  # of one value in the mean of a group
    left = sum(map(len, values)) - count
    within = sum(float(((group - group.mean()) ** 2).sum()) for group in values) / max(left, 1) * (1 - single)
    between = float(means.var(ddof=1)) * (1 + 1 / count)
    variance = between + within
    if not variance:
        return means[0], means[0]
    freedom = variance**2 / (between**2 / (count - 1) + within**2 / max(left, 1))
    reach = float(stdtrit(freedom, (1 + PREDICTED) / 2)) * math.sqrt(variance)
    return float(means.mean()) - reach, float(means.mean()) + reach


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
