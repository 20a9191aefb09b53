"""A metric against the range that the model's card expects of it: the whole scan, then slice by slice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..quality.catalogue import METRICS
from ..quality.record import MetricValues

MANY_SLICES = 0.25  # more of them than this, outside of what is expected, is more than one region of the body
MAX_SLICE_SHARE = 0.5  # more of them than this, outside of what is trusted, is the scan and not some slices
FIELD_TOLERANCE = 0.05
ON_THIS_SCANNER = " on this scanner"
FEW_SLICES = 3  # with a value in fewer, of a scan that has many more, the scan is not assessed


@dataclass(frozen=True)
class Finding:
    """What one look at a metric gave.

    Args:
        level: 0 as expected, 1 look closer, 2 do not trust.
        text: a sentence or more; none where there is nothing to tell.
    """

    level: int
    text: str


@dataclass(frozen=True)
class Range:
    """Lowest and highest value; None where that side is open."""

    low: float | None
    high: float | None

    def beyond(self, value: float) -> float:
        """How far a value lies outside: negative below, positive above, 0 inside."""
        if self.low is not None and value < self.low:
            return value - self.low
        if self.high is not None and value > self.high:
            return value - self.high
        return 0.0

    def in_words(self, digits: int, unit: str = "1") -> str:
        """Such as "5.0 to 21.0 HU" or "at least 99.00 %"."""
        if self.low is None or self.high is None:
            only = self.high if self.low is None else self.low
            side = "at most" if self.low is None else "at least"
            return "any value" if only is None else f"{side} {_number(only, digits, unit)}"
        return f"{_number(self.low, digits)} to {_number(self.high, digits, unit)}"


@dataclass(frozen=True)
class Expectation:
    """What a card says of one value.

    Args:
        expected: range that was seen in the scans that the card was measured on.
        trusted: wider range, beyond which the value speaks of a failure.
        causes: what it may mean that the value lies below or above.
        on_this_scanner: whether the ranges are those of the scanner that the scan is of, not the model's.
    """

    expected: Range
    trusted: Range
    causes: tuple[str, str]
    on_this_scanner: bool = False

    def span(self, digits: int, unit: str = "1") -> str:
        """The expected range, such as "5.0 to 21.0 HU on this scanner"."""
        return self.expected.in_words(digits, unit) + (ON_THIS_SCANNER if self.on_this_scanner else "")

    def level(self, value: float) -> int:
        """0, 1 or 2 as a finding's."""
        return 2 if self.trusted.beyond(value) else 1 if self.expected.beyond(value) else 0

    def cause(self, value: float) -> str:
        """What it may mean that this value lies outside."""
        return self.causes[self.expected.beyond(value) > 0]

    def place(self, value: float) -> str:
        """Where a value lies that is outside."""
        far = "far " if self.level(value) == 2 else ""
        return f"{far}{'above' if self.expected.beyond(value) > 0 else 'below'} the expected"


def expectation(card: Mapping[str, Any], group: str, name: str) -> Expectation | None:
    """The ranges in `card["expected"]`; None where there is none that can be understood."""
    try:
        entry = card["expected"][group][name]
        causes = METRICS[name].causes[group]
        here = bool(entry.get("on_this_scanner"))
        return Expectation(Range(*entry["expected"]), Range(*entry["trusted"]), causes, here)
    except (KeyError, TypeError):
        return None


def chosen_offset(name: str) -> Expectation:
    """The ranges of an offset from the planning CT that no card has: those of the catalogue."""
    metric = METRICS[name]
    return Expectation(*(Range(-most, most) for most in metric.max_offset), metric.causes["comparison"])


def is_field(sides_mm: Sequence[float], trained_mm: Sequence[float]) -> bool:
    """Whether a field of view (rows, columns) is of the size [smallest, largest] that a model was trained with."""
    low, high = trained_mm[0] * (1 - FIELD_TOLERANCE), trained_mm[1] * (1 + FIELD_TOLERANCE)
    return all(low <= side <= high for side in sides_mm)


def in_range(metric: MetricValues, wanted: Expectation, slices: Sequence[str]) -> Finding:
    """A metric that has a mean, against its ranges; `slices` are what its slices are called."""
    pairs = zip(slices, metric.per_slice, strict=True)
    measured = {called: value for called, value in pairs if math.isfinite(value)}
    whole, single = _mean(metric, wanted), _slices(measured, metric, wanted)
    text = f"{whole.text[:-1]}{'.' if whole.level else ';'} {single.text}" if single.text else whole.text
    if single.level > whole.level:
        worst = max(measured.values(), key=lambda value: abs(wanted.expected.beyond(value)))
        text = f"{text[:-1]}: {wanted.cause(worst)}."
    level, count = max(whole.level, single.level), len(metric.per_slice)
    if level == 2 and len(measured) < FEW_SLICES < count / 2:
        contain = "contains" if len(measured) == 1 else "contain"
        what = METRICS[metric.name].measured_in
        return Finding(1, f"{text} Only {len(measured)} of {count} slices {contain} enough {what}.")
    return Finding(level, text)


def _mean(metric: MetricValues, wanted: Expectation) -> Finding:
    mean, unit, digits = metric.mean, metric.unit, METRICS[metric.name].digits
    span, level = wanted.span(digits, unit), wanted.level(mean)
    text = f"Mean {_number(mean, digits, unit)} is"
    if not level:
        return Finding(0, f"{text} within the expected {span}.")
    return Finding(level, f"{text} {wanted.place(mean)} {span}: {wanted.cause(mean)}.")


def _slices(measured: Mapping[str, float], metric: MetricValues, wanted: Expectation) -> Finding:
    """How many of several slices lie outside, and which one the most."""
    levels = [wanted.level(value) for value in measured.values()]
    outside, failed = (sum(level >= least for level in levels) for least in (1, 2))
    if len(measured) == 1 or not outside:
        return Finding(0, "")
    worst = max(measured, key=lambda called: abs(wanted.expected.beyond(measured[called])))
    level = 1 if failed or outside > MANY_SLICES * len(measured) else 0
    level = 2 if failed > MAX_SLICE_SHARE * len(measured) else level
    number = _number(measured[worst], METRICS[metric.name].digits, metric.unit)
    are = "is" if outside == 1 else "are"
    return Finding(level, f"{outside} of {len(measured)} slices {are} outside, most of all {worst} ({number}).")


def _number(value: float, digits: int, unit: str = "1") -> str:
    return f"{value:.{digits}f}" + ("" if unit == "1" else f" {unit}")
