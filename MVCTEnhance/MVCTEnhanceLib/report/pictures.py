"""Pictures of the report, as PNG."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from matplotlib import colormaps, image
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from ..physics.calibration import Calibration
from ..quality.catalogue import Metric

DIFFERENCE_COLOURS = ("#12419b", "#ffffff", "#a8141e")
_DIFFERENCE_MAP = LinearSegmentedColormap.from_list("blue-white-red", DIFFERENCE_COLOURS)
_QUICKLY = {"compress_level": 3}  # of PNG; the default takes twice as long and makes pictures no smaller
# Mid-grey text on no background, and these lines, can be read on a light and on a dark page.
_INK = "#7d848c"
_TICKS = 6
_DATES = 3
_SIDES = MappingProxyType({"scanner": "measured", "twin": "twin"})
_LINES = ("#e08a1e", "#3b82f6", "#16a37b", "#c2559d")


def grey_png(section: np.ndarray, *, window: float, level: float) -> bytes:
    """A section in HU, shape (row, column), as grey levels of a CT window; one picture pixel per voxel."""
    return _section_png(section, (level - window / 2, level + window / 2), colormaps["gray"])


def difference_png(difference: np.ndarray, *, limit: float) -> bytes:
    """A signed difference in HU, shape (row, column): blue at -limit, white at 0, red at +limit."""
    return _section_png(difference, (-limit, limit), _DIFFERENCE_MAP)


def _section_png(section: np.ndarray, limits: tuple[float, float], colours) -> bytes:
    low, high = limits
    scaled = np.clip((section.astype(np.float32) - low) / (high - low), 0, 1)
    file = io.BytesIO()
    image.imsave(file, (255 * colours(scaled)[..., :3]).round().astype(np.uint8), format="png", pil_kwargs=_QUICKLY)
    return file.getvalue()


def plot_png(
    lines: Mapping[str, Sequence[float]],
    *,
    metric: Metric,
    band: tuple[str, float, float] | None = None,
    z_mm: Sequence[float] = (),
) -> bytes:
    """Values against the number of the slice, from 1.

    Args:
        lines: for each name one value a slice, NaN where there is none.
        metric: whose unit, bounds and limit are drawn.
        band: name, mean and SD of a reference, drawn as a line in a band.
        z_mm: patient z of the slices, told below their numbers; empty where it is not known.
    """
    figure, axes = _figure()
    for (name, values), colour in zip(lines.items(), _LINES, strict=False):
        axes.plot(
            np.arange(1, len(values) + 1), values, color=colour, label=name, linewidth=1.6, marker="o", markersize=2.5
        )
    if band:
        name, mean, sd = band
        axes.axhline(mean, color=_LINES[2], linewidth=1.4, label=f"{name}, mean ± SD")
        axes.axhspan(mean - sd, mean + sd, color=_LINES[2], alpha=0.15, linewidth=0)
    if metric.limit is not None:
        axes.axhline(metric.limit, color=_INK, linewidth=1, linestyle="--", label=f"{metric.limit:g}")
    axes.set_ylim(*_within(metric.bounds, axes.get_ylim()))
    count = max(map(len, lines.values()))
    axes.set_xlim(-0.03 * count + 0.5, 1.03 * count + 0.5)
    numbers = np.unique(np.linspace(1, count, min(count, _TICKS)).round().astype(int))
    axes.set_xticks(numbers, [f"{number}\n{z_mm[number - 1]:.1f}" if len(z_mm) else f"{number}" for number in numbers])
    _tidy(axes, metric.unit, "slice, and its z in mm" if len(z_mm) else "slice")
    return _png(figure)


def _figure() -> tuple[Figure, Any]:
    figure = Figure(figsize=(4.4, 2.6), dpi=190)  # a layout that matplotlib finds would draw everything twice
    figure.subplots_adjust(left=0.165, right=0.985, bottom=0.2, top=0.89)
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    return figure, axes


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", pil_kwargs=_QUICKLY)
    return file.getvalue()


def trend_png(
    dates: Sequence[str],
    lines: Mapping[str, Sequence[float]],
    *,
    unit: str,
    control: Mapping[str, tuple[float, float, float] | None],
    tolerances: Mapping[str, Sequence[float]],
) -> bytes:
    """Values of successive scans.

    Args:
        dates: of the scans.
        lines: for each name one value a scan, NaN where there is none.
        unit: of the values.
        control: mean, lower and upper control limit of each line, dotted; None where there are none yet.
        tolerances: limits of each line, dashed.
    """
    figure, axes = _figure()
    for (name, values), colour in zip(lines.items(), _LINES, strict=False):
        axes.plot(range(len(values)), values, color=colour, label=name, linewidth=1.6, marker="o", markersize=3.5)
        for limit in tolerances[name]:
            axes.axhline(limit, color=colour, linewidth=1, linestyle="--")
        for limit in control[name] or ():
            axes.axhline(limit, color=colour, linewidth=1, linestyle=":")
    numbers = np.unique(np.linspace(0, len(dates) - 1, min(len(dates), _DATES)).round().astype(int))
    labels = axes.set_xticks(numbers, [dates[number] for number in numbers])
    if len(labels) > 1:  # within the picture
        labels[0].label1.set_horizontalalignment("left")
        labels[-1].label1.set_horizontalalignment("right")
    axes.set_xlim(-0.5, len(dates) - 0.5)
    _tidy(axes, unit, "date of the scan")
    return _png(figure)


def days_png(
    days: Sequence[tuple[float, str]],
    lines: Mapping[str, Sequence[float]],
    *,
    unit: str,
    along: str,
    bands: Mapping[str, tuple[float | None, float | None]] = MappingProxyType({}),
    limits: Sequence[float] = (),
) -> bytes:
    """Values of the scans of a course against the day.

    Args:
        days: place on the axis of each scan, and what it is called there.
        lines: for each name one value a scan, NaN for a gap.
        unit: of the values.
        along: name of the axis.
        bands: lowest and highest expected value of a line, shaded; None for an open side.
        limits: dashed lines.
    """
    figure, axes = _figure()
    places = [place for place, _ in days]
    for (name, values), colour in zip(lines.items(), _LINES, strict=False):
        axes.plot(places, values, color=colour, label=name, linewidth=1.6, marker="o", markersize=3)
    shown = axes.get_ylim()
    for name, colour in zip(lines, _LINES, strict=False):
        low, high = bands.get(name, (None, None))
        if (low, high) != (None, None):
            shown = min(shown[0], shown[0] if low is None else low), max(shown[1], shown[1] if high is None else high)
            axes.axhspan(
                -1e9 if low is None else low, 1e9 if high is None else high, color=colour, alpha=0.13, linewidth=0
            )
    axes.set_ylim(*shown)
    for limit in limits:
        axes.axhline(limit, color=_INK, linewidth=1, linestyle="--")
    ticks = {name: place for place, name in reversed(days)}  # the first of those of one name
    names = list(ticks)[::-1]
    many = _TICKS if max(map(len, names)) < len("2026-01-31") else 2
    shown_names = [names[number] for number in np.unique(np.linspace(0, len(names) - 1, many).round().astype(int))]
    axes.set_xticks([ticks[name] for name in shown_names], shown_names)
    reach = max(places) - min(places) or 1.0
    axes.set_xlim(min(places) - 0.04 * reach, max(places) + 0.04 * reach)
    _tidy(axes, unit, along)
    return _png(figure)


def profiles_png(
    profiles: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    others: Sequence[tuple[Sequence[float], Sequence[float]]],
    *,
    unit: str,
) -> bytes:
    """Values by level.

    Args:
        profiles: z in mm and the values there, NaN for none, of what is named.
        others: the same of what is drawn thin behind them.
        unit: of the values.
    """
    figure, axes = _figure()
    for number, (z_mm, values) in enumerate(others):
        label = "other scans" if number == 0 else None
        axes.plot(z_mm, values, color=_INK, linewidth=0.6, alpha=0.5, label=label)
    for (name, (z_mm, values)), colour in zip(profiles.items(), _LINES, strict=False):
        axes.plot(z_mm, values, color=colour, label=name, linewidth=1.6)
    _tidy(axes, unit, "z in mm")
    return _png(figure)


def fit_png(points: Sequence[tuple[float, float]], line: Calibration) -> bytes:
    """A scanner's line, as the difference from an exact one, through what it was fitted to.

    Args:
        points: exact HU and HU that the scanner shows.
        line: fitted to them.
    """
    figure, axes = _figure()
    exact, shown = np.array(points).T
    along = np.linspace(exact.min() - 50, exact.max() + 50, 200)
    axes.axhline(0, color=_INK, linewidth=1, linestyle="--")
    axes.plot(along, line.shown_hu(along) - along, color=_LINES[1], linewidth=1.6)
    axes.plot(exact, shown - exact, color=_LINES[0], linestyle="", marker="o", markersize=3.5)
    _tidy(axes, "shown - exact HU", "HU of an exact scanner")
    return _png(figure)


def spread_png(
    per_scan: Mapping[int, Sequence[float]],
    *,
    metric: Metric,
    own: tuple[float | None, float | None],
    here: tuple[float | None, float | None],
) -> bytes:
    """Values of all slices of several scans.

    Args:
        per_scan: values by the number of the scan.
        metric: whose unit and bounds are drawn.
        own: the model's expected range, dashed; None for a side that is open.
        here: that of the scanner, solid.
    """
    figure, axes = _figure()
    for number, values in per_scan.items():
        axes.plot([number] * len(values), values, color=_LINES[1], linestyle="", marker="o", markersize=3, alpha=0.5)
    for name, sides, colour, style in (("model", own, _INK, "--"), ("scanner", here, _LINES[2], "-")):
        known = [side for side in sides if side is not None]
        for label, side in zip((f"range of the {name}", None), known, strict=False):
            axes.axhline(side, linewidth=1.2, label=label, color=colour, linestyle=style)
    axes.set_ylim(*_within(metric.bounds, axes.get_ylim()))
    axes.set_xticks(list(per_scan))
    _tidy(axes, metric.unit, "patient")
    return _png(figure)


def curves_png(curves: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Curves of a scanner and of its twin, side by side.

    Args:
        curves: as `make_twin` tells them; those whose differences are relative are drawn on a logarithmic axis.
    """
    figure = Figure(figsize=(4.4 * len(curves), 2.9), dpi=130, layout="constrained")
    axes = figure.subplots(1, len(curves), squeeze=False)[0]
    for axis, curve in zip(axes, curves.values(), strict=True):
        for (label, name), colour, style in zip(_SIDES.items(), _LINES, ("-", "--"), strict=False):
            axis.plot(curve["x"], curve[name], style, color=colour, label=label, linewidth=1.6)
        axis.set_yscale("log" if curve["relative"] else "linear")
        axis.set_xlabel(curve["along"])
        axis.set_ylabel(curve["label"])
        axis.grid(color=_INK, alpha=0.25, linewidth=0.6)
    axes[0].legend(frameon=False, fontsize=8)
    return _png(figure)


def _within(bounds: tuple[float | None, float | None], shown: tuple[float, float]) -> tuple[float, float]:
    """The range of an axis, which ends where no value can be."""
    (low, high), (bottom, top) = bounds, shown
    return bottom if low is None else max(low, bottom), top if high is None else min(high, top)


def _tidy(axes, unit: str, along: str) -> None:
    axes.set_xlabel(along, color=_INK)
    axes.set_ylabel("" if unit == "1" else unit, color=_INK)
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.tick_params(colors=_INK, labelsize=8)
    axes.grid(color=_INK, alpha=0.25, linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_INK)
    if len(axes.get_lines()) > 1 and axes.get_legend_handles_labels()[0]:
        axes.figure.legend(loc="upper left", ncols=5, columnspacing=1.2, frameon=False, fontsize=8, labelcolor=_INK)
