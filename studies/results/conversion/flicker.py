"""Flicker: how much neighbouring slices of a scan differ in flat soft tissue."""

from __future__ import annotations

import math
from statistics import fmean

import numpy as np
from conversion.flat_tissue import flattest_windows, local_variance
from MVCTEnhanceLib.volume import Volume


def flicker(scan: np.ndarray, truth: Volume) -> dict[str, float]:
    """How much neighbouring slices differ in soft tissue that is flat in both.

    Args:
        scan: HU, shape (k, j, i), on the grid of the truth.
        truth: the true kVCT, in which the flat tissue is found, so that it is the same for all methods.

    Returns:
        flicker: SD in HU of the difference between neighbouring slices within windows of 11 mm, root of the median
            over the flattest windows, divided by sqrt 2, so that noise that is independent from slice to slice has the
            value of the noise itself; the windows' means do not count, and anatomy that changes from slice to slice
            hardly.
        mean_step: mean size in HU of the step of (scan - truth) from slice to slice, averaged over the same tissue:
            what of a flicker the windows' means take with them. 0 for the truth.
        Both are means over all pairs that show such tissue; NaN where none does.
    """
    spreads, steps = [], []
    error = scan.astype(np.float32) - truth.array
    pixel_size = (truth.spacing[1], truth.spacing[0])
    for k in range(len(scan) - 1):
        flat = flattest_windows(truth.array[k : k + 2], pixel_size)
        if flat.any():
            difference = scan[k + 1].astype(float) - scan[k]
            variance = local_variance(difference, pixel_size)[flat]
            spreads.append(math.sqrt(np.median(variance) / 2))
            steps.append(abs(float((error[k + 1] - error[k])[flat].mean())))
    return {
        name: fmean(values) if values else math.nan for name, values in (("flicker", spreads), ("mean_step", steps))
    }
