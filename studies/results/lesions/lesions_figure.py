"""The picture of the planted lesions: contrast recovered against diameter, and one slice by method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from study import Row

PANELS = 6
FIRST_SHOWN = ("true kVCT", "MVCT", "MVCT + density curve", "BM3D")
WINDOW_HU = 200.0
TARGET = (0.8, 1.2)


def draw(path: Path, sizes: Sequence[Row], pictures: Mapping[str, np.ndarray]) -> None:
    """Write the figure.

    Args:
        path: of the PNG.
        sizes: rows with method, shape, diameter_mm, recovered (mean over all contrasts) and sd.
        pictures: one slice's HU (j, i) by method, the true kVCT among them.
    """
    figure = Figure(figsize=(12, 7), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.6, 1))
    for axes, shape in zip(upper.subplots(1, 2, sharey=True), ("disc", "sphere"), strict=True):
        _curves(axes, [row for row in sizes if row["shape"] == shape and row["method"] != "true kVCT"], shape)
    handles, labels = upper.axes[0].get_legend_handles_labels()
    upper.legend(handles, labels, loc="outside right upper", fontsize=8)
    truth = pictures["true kVCT"]
    # The soft tissue in the middle of the window.
    level = float(np.median(truth[(truth > 0) & (truth < 100)]))
    for axes, name in zip(lower.subplots(1, PANELS), _shown(list(pictures)), strict=False):
        axes.imshow(pictures[name], cmap="gray", vmin=level - WINDOW_HU / 2, vmax=level + WINDOW_HU / 2)
        axes.set_title(name, fontsize=8)
    for axes in lower.axes:
        axes.axis("off")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def _curves(axes, rows: Sequence[Row], shape: str) -> None:
    axes.axhspan(*TARGET, color="0.92")
    for number, method in enumerate(dict.fromkeys(row["method"] for row in rows)):
        of_method = [row for row in rows if row["method"] == method]
        axes.plot(
            [row["diameter_mm"] for row in of_method],
            [row["recovered"] for row in of_method],
            marker="os^vD"[number // 10],
            color=f"C{number % 10}",
            label=method,
            markersize=4,
        )
    axes.set(xlabel=f"{shape}: diameter / mm", ylabel="contrast recovered, mean of all contrasts")
    axes.grid(alpha=0.3)


def _shown(names: Sequence[str]) -> list[str]:
    """The reference, the usual ones, and the last of the others, which are the networks."""
    first = [name for name in FIRST_SHOWN if name in names]
    others = [name for name in names if name not in first]
    return first + others[max(0, len(others) - (PANELS - len(first))) :]
