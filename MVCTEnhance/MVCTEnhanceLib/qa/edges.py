"""The edge of a circle in a scan: modulation transfer function and overshoot."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

BIN_MM = 0.2
REACH_MM = 8.0  # on either side of the edge
FLAT_MM = (5.0, 8.0)  # where both sides are flat again
BESIDE_MM = (0.5, 4.0)  # where an edge may overshoot


@dataclass(frozen=True)
class CircleEdge:
    """An edge between the inside and the outside of a circle.

    Args:
        mtf_50, mtf_10: frequencies in lp/mm at which the modulation falls to 50 and 10 %.
        overshoot_hu: by how much the outside rises above (or, where the inside is brighter, falls below) its own HU
            beside the edge; 0 where it does not.
    """

    mtf_50: float
    mtf_10: float
    overshoot_hu: float

    @property
    def resolution_mm(self) -> float:
        """The smallest object that is resolved: half the period at 10 % modulation."""
        return 1 / (2 * self.mtf_10)


def circle_edge(image: np.ndarray, distance_mm: np.ndarray, radius_mm: float) -> CircleEdge:
    """The edge of a circle, oversampled since it crosses the pixels everywhere (Richard et al., Med Phys 39, 2012).

    Args:
        image: HU, shape (j, i).
        distance_mm: of each pixel from the centre of the circle, shape (j, i).
        radius_mm: of the circle.
    """
    profile = _edge_profile(image, distance_mm, radius_mm)
    places = np.arange(len(profile)) * BIN_MM + BIN_MM / 2 - REACH_MM
    inside = profile[places <= -FLAT_MM[0]].mean()
    outside = profile[(places >= FLAT_MM[0]) & (places <= FLAT_MM[1])].mean()
    step = outside - inside
    beside = profile[(places >= BESIDE_MM[0]) & (places <= BESIDE_MM[1])]
    overshoot = max(0.0, float(np.max((beside - outside) * np.sign(step))))
    frequencies, modulation = _modulation(profile)
    return CircleEdge(*(_falls_to(level, modulation, frequencies) for level in (0.5, 0.1)), overshoot)


def _edge_profile(image: np.ndarray, distance_mm: np.ndarray, radius_mm: float) -> np.ndarray:
    """Mean HU in steps of `BIN_MM` across the edge of a circle, from `REACH_MM` inside to as much outside.

    Args: as of `circle_edge`.
    """
    across = distance_mm - radius_mm
    near = np.abs(across) <= REACH_MM
    edges = np.arange(-REACH_MM, REACH_MM + BIN_MM / 2, BIN_MM)
    which = np.digitize(across[near], edges) - 1
    count = np.bincount(which, minlength=len(edges))[: len(edges) - 1]
    total = np.bincount(which, weights=image[near], minlength=len(edges))[: len(edges) - 1]
    places = edges[:-1] + BIN_MM / 2
    filled = count > 0
    return np.interp(places, places[filled], total[filled] / count[filled])


def circle_edge_modulation(
    image: np.ndarray, distance_mm: np.ndarray, radius_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in lp/mm, and the modulation transfer function of which `circle_edge` gives two values."""
    return _modulation(_edge_profile(image, distance_mm, radius_mm))


def _modulation(profile: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in lp/mm, and the modulation transfer function there, of an edge profile in steps of `BIN_MM`."""
    spread = np.diff(profile)
    peak = int(np.argmax(np.abs(np.convolve(spread, np.ones(5), mode="same"))))
    window = np.clip(1 - np.abs(np.arange(len(spread)) - peak) * BIN_MM / REACH_MM, 0, None)
    spectrum = np.abs(np.fft.rfft(spread * np.sin(window * math.pi / 2) ** 2, 4096))
    frequencies = np.fft.rfftfreq(4096, BIN_MM)
    # The bins and the difference of neighbours are averages over BIN_MM, each of which costs a sinc.
    return frequencies, spectrum / spectrum[0] / np.sinc(frequencies * BIN_MM) ** 2


def _falls_to(level: float, modulation: np.ndarray, frequencies: np.ndarray) -> float:
    if modulation.min() >= level:  # sharper than the bins tell
        return float(frequencies[-1])
    n = int(np.argmax(modulation < level))
    high, low = modulation[n - 1], modulation[n]
    return float(frequencies[n - 1] + (high - level) / (high - low) * (frequencies[n] - frequencies[n - 1]))
