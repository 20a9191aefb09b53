"""Assessment rules of every model: the enhanced scan against its MVCT, its neighbours and the planning CT."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from ..quality.catalogue import METRICS
from ..quality.record import Distance, MetricValues
from .ranges import Expectation, Finding

NOTHING = Finding(0, "")
NEAR = 0.01  # distance of NSelfSSIM to the planning CT's within which nothing is to be gained
# A slice stands out when it is this far from its neighbours, and at least the step that the catalogue has.
STANDS_OUT_SD = 6.0
NEIGHBOURS = 4  # on either side
MIN_SLICES = 7


def against_mvct(before: MetricValues, after: MetricValues, wanted: Expectation | None) -> Finding:
    """The enhanced scan's value as a part of the MVCT's, slice by slice: an edge that became wider is blur."""
    pairs = zip(before.per_slice, after.per_slice, strict=True)
    parts = [b / a for a, b in pairs if a > 0 and math.isfinite(b)]
    if not parts:
        return NOTHING
    part = median(parts)
    wide, too_wide = METRICS[after.name].max_widening or (math.inf, math.inf)
    if part > wide:
        more = f"{100 * (part - 1):.0f} % wider than in the MVCT"
        return Finding(2 if part > too_wide else 1, f"Edges are {more}: the enhanced scan is blurred.")
    return _part(part, "the MVCT's", wanted)


def against_planning_ct(after: MetricValues, reference: MetricValues, wanted: Expectation) -> Finding | None:
    """The enhanced scan's mean as a part of the planning CT's, the reference; None where that has none."""
    if not reference.mean > 0:
        return None
    return _part(after.mean / reference.mean, "the planning CT's", wanted)


def above_planning_ct(after: MetricValues, reference: MetricValues, most: float) -> Finding | None:
    """The enhanced scan's mean less the planning CT's, which anatomy makes; None where that has no value."""
    if not reference.has_value:
        return None
    more = after.mean - reference.mean
    text = f"It is {abs(more):.0f} HU {'above' if more > 0 else 'below'} the planning CT's"
    if more <= most:
        return Finding(0, f"{text}.")
    return Finding(1, f"{text}: the enhancement changed the HU beside air, which are not to be relied on.")


def _part(part: float, whose: str, wanted: Expectation | None) -> Finding:
    if wanted is None:
        return NOTHING
    level, text = wanted.level(part), f"It is {part:.2f} of {whose}"
    span = wanted.span(2)
    if not level:
        return Finding(0, f"{text}, as expected ({span}).")
    return Finding(level, f"{text}, {wanted.place(part)} {span}: {wanted.cause(part)}.")


def distance_to_planning_ct(distance: Distance, wanted: Expectation | None) -> Finding:
    """|NSelfSSIM - the planning CT's|, in itself and against the MVCT's distance."""
    before, after = distance.mvct, distance.enhanced
    if not math.isfinite(before + after):
        return Finding(1, "It could not be measured: a scan shows no body.")
    text = f"It is {after:.3f} from the planning CT's, the MVCT's {before:.3f}"
    level, why = (wanted.level(after), wanted.cause(after)) if wanted else (1, "the model's card has no range for it")
    if after >= before and after > NEAR:
        level, why = max(level, 1), "the enhancement brought it no nearer"
    return Finding(level, f"{text}: {why}." if level else f"{text}.")


def offset_from_planning_ct(offset: Distance, wanted: Expectation) -> Finding:
    """HU of a tissue less the planning CT's, with the MVCT's beside it, which has the same HU below those of bone."""
    text = f"It is {offset.enhanced:+.0f} HU from the planning CT's"
    text += f", the MVCT's {offset.mvct:+.0f} HU" if math.isfinite(offset.mvct) else ""
    level, span = wanted.level(offset.enhanced), wanted.span(0, "HU")
    if not level:
        return Finding(0, f"{text}, as expected ({span}).")
    return Finding(level, f"{text}, {wanted.place(offset.enhanced)} {span}: {wanted.cause(offset.enhanced)}.")


def outlier_slices(measured: MetricValues, slices: Sequence[str]) -> Finding:
    """Slices that differ from their neighbours much more than slices of this scan do: a failure of one slice.

    Args:
        slices: what each slice is called.
    """
    metric, values = METRICS[measured.name], measured.per_slice
    if metric.outlier_step is None and metric.outlier_share is None:
        return NOTHING
    steps = _steps(values)
    if len(steps) < MIN_SLICES:
        return NOTHING
    least = metric.outlier_step or metric.outlier_share * median(filter(math.isfinite, values))
    # 1.4826 makes the median of absolute values the SD of a normal distribution.
    limit = max(least, STANDS_OUT_SD * 1.4826 * median(abs(step) for step in steps.values()))
    out = [k for k, step in steps.items() if abs(step) > limit]
    if not out:
        return NOTHING
    worst = max(out, key=lambda k: abs(steps[k]))
    named = slices[worst]
    who = f"S{named[1:]}, stands" if len(out) == 1 else f"{len(out)} slices, most of all {named}, stand"
    return Finding(1, f"{who} out from the slices around: look for structure that was invented or lost.")


def _steps(values: Sequence[float]) -> dict[int, float]:
    """For each slice that has enough neighbours with a value, its distance from their median."""
    steps = {}
    for k, value in enumerate(values):
        around = [*values[max(0, k - NEIGHBOURS) : k], *values[k + 1 : k + 1 + NEIGHBOURS]]
        around = [neighbour for neighbour in around if math.isfinite(neighbour)]
        if math.isfinite(value) and len(around) >= NEIGHBOURS:
            steps[k] = value - median(around)
    return steps
