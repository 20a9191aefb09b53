"""Robustness of the methods against another field of view, dose and slice thickness.

Makes the tables field_of_view, dose, dose_patients, slice_thickness, slice_thickness_noise and the figure robustness.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
from robustness import dose, field_of_view, slice_thickness

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from MVCTEnhanceLib.storage.atomic import atomic_file
from robustness.resimulated import TRUTH
from robustness.slice_thickness import ALIKE, IN_PROPORTION
from study import Row, Study


def run(study: Study) -> None:
    """Make the tables and the figure."""
    field_of_view.run(study)
    _figure(study, dose.run(study), slice_thickness.run(study))


def _figure(study: Study, doses: Sequence[Row], thicknesses: Sequence[Row]) -> None:
    """MAE by noise and by thickness."""
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.2), sharey=True, layout="constrained")
    _draw(axes[0], doses, "mvct_noise", "MVCT noise (test patients)")
    for axis, counts in zip(axes[1:], (ALIKE, IN_PROPORTION), strict=True):
        own = [row for row in thicknesses if row["counts"] == counts]
        _draw(axis, own, "thickness_mm", f"slices / mm, counts {counts} (a training patient)")
    axes[0].set_ylabel("MAE against true kVCT / HU")
    axes[0].set_ylim(bottom=0)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", fontsize="small")
    with atomic_file(study.results / "robustness.png") as temporary:
        figure.savefig(temporary, dpi=110)
    plt.close(figure)


def _draw(axis: plt.Axes, rows: Sequence[Row], condition: str, label: str) -> None:
    names = dict.fromkeys(row["method"] for row in rows if row["method"] != TRUTH)
    for number, name in enumerate(names):
        own = [row for row in rows if row["method"] == name]
        places, values = [str(row[condition]) for row in own], [row["mae"] for row in own]
        axis.plot(places, values, marker="o", color=plt.get_cmap("tab20")(number % 20), label=name)
    axis.set_xlabel(label)
