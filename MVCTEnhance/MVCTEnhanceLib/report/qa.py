"""The report of quality assurance with a phantom: an HTML page that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from .. import __version__
from ..qa.history import MIN_LINES, History, control_limits
from ..qa.result import QAResult
from ..qa.values import Value
from ..quality.catalogue import INTENDED_USE, SCANS
from ..volume import Volume
from .page import page
from .pictures import grey_png, trend_png

TRENDS = ("water_hu", "uniformity_hu", "noise_hu", "resolution_mm", "overshoot_hu")


def qa_page(result: QAResult, history: History, mvct: Volume, enhanced: Volume) -> str:
    """The page of a result.

    Args:
        result: of the last scan.
        history: with the line of this result.
        mvct, enhanced: the scans, axial, HU of shape (k, j, i).
    """
    k = result.cylinder.core[len(result.cylinder.core) // 2]
    inserts = [pair for pair in result.pairs if pair[0].is_insert]
    content = {
        "version": __version__,
        "intended_use": INTENDED_USE,
        "result": result,
        "scans": SCANS,
        "judged": sum(value.passed is not None for pair in result.pairs for value in pair),
        "compared": sum(value.passed is not None for values in result.changes.values() for value in values),
        "tables": (
            ("Image quality", [pair for pair in result.pairs if not pair[0].is_insert]),
            ("HU of the inserts", inserts),
        ),
        "changes": _by_name(result.changes),
        "slice": k,
        "slices": len(mvct.array),
        "pictures": [
            (SCANS[name], grey_png(scan.array[k], window=400, level=0))
            for name, scan in (("mvct", mvct), ("enhanced", enhanced))
        ],
        "history": history,
        "trends": [(value.label, _trend(value, other, history)) for value, other in _trended(result)],
        "min_lines": MIN_LINES,
        "made": {name.replace("sha256", "SHA-256"): text for name, text in result.made.items()},
    }
    return page("qa.html.j2", content | {"words": WORDS})


def _by_name(changes: Mapping[str, Sequence[Value]]) -> list[tuple[Value | None, ...]]:
    """The changes of a value in both scans side by side; None where one has none."""
    by_scan = {scan: {value.name: value for value in values} for scan, values in changes.items()}
    names = dict.fromkeys(name for values in by_scan.values() for name in values)
    return [tuple(values.get(name) for values in by_scan.values()) for name in names]


def shown(value: Value) -> str:
    """A value with its unit."""
    if math.isnan(value.value):
        return "-"
    unit = "" if value.unit == "1" else f" {value.unit}"
    return f"{value.value:.{value.digits}f}{unit}"


def change(before: Value, after: Value) -> str:
    """By how much a value is higher after enhancing."""
    difference = after.value - before.value
    return "-" if math.isnan(difference) else f"{difference:+.{before.digits}f}"


def tolerance(value: Value) -> str:
    """What a value should be; empty where it is not judged."""
    if value.tolerance is None:
        return ""
    if value.rule == "±":
        return f"{value.nominal:.{value.digits}f} ± {value.tolerance:g}"
    return f"{'≤' if value.rule == 'at most' else '≥'} {value.tolerance:g}"


def since(value: Value) -> str:
    """By how much a value is higher than its nominal."""
    difference = value.value - value.nominal
    return "-" if math.isnan(difference) else f"{difference:+.{value.digits}f}"


def accepted(value: Value) -> str:
    """The nominal with its unit."""
    return shown(replace(value, value=value.nominal))


def _trended(result: QAResult) -> list[tuple[Value, Value]]:
    """The values that are drawn: the main ones, and the insert that is farthest out of tolerance in the MVCT."""
    pairs = [pair for pair in result.pairs if pair[0].name in TRENDS]
    judged = [pair for pair in result.pairs if pair[0].is_insert and pair[0].tolerance]
    return pairs + sorted(judged, key=lambda pair: -abs(pair[0].value - pair[0].nominal) / pair[0].tolerance)[:1]


def _trend(before: Value, after: Value, history: History) -> bytes:
    lines = {SCANS[scan]: history.values(scan, before.name) for scan in ("mvct", "enhanced")}
    limits = {name: control_limits(values) for name, values in lines.items()}
    bounds = {SCANS[scan]: _bounds(value) for scan, value in (("mvct", before), ("enhanced", after))}
    return trend_png(history.dates, lines, unit=before.unit, control=limits, tolerances=bounds)


def _bounds(value: Value) -> tuple[float, ...]:
    if value.tolerance is None:
        return ()
    if value.rule == "±":
        return value.nominal - value.tolerance, value.nominal + value.tolerance
    return (value.tolerance,)


WORDS = {"shown": shown, "tolerance": tolerance, "change": change, "since": since, "accepted": accepted}
