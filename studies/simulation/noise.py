"""Noise of the simulated MVCT beside published figures and theory: docs/simulation.md.

    OMP_NUM_THREADS=1 python studies/simulation/noise.py [--output FOLDER]

Water cylinders without anything else, the standard scanner, no real data. The pixel noise in 20 cm is compared with
De Marco et al. (Phys Med 57, 2019), its growth with the diameter with that of the counts, and its power spectrum with
the one that filtered back-projection has (Riederer, Pelc and Chesler, Phys Med Biol 23, 1978): |f| times the squares of
the window and of the two interpolations (detector to ray, bins to pixels).
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from MVCTEnhanceLib.physics.mvct import WATER_PER_MM, simulate_mvct
from MVCTEnhanceLib.physics.phantom import density_inserts
from MVCTEnhanceLib.physics.settings import MVCTSettings

DIAMETERS_MM = (100, 150, 200, 250, 300, 350)
PAIRS = 3  # of scans whose difference is noise alone
SIDE_PX = 96  # of the square in the middle that the spectrum is of
KERNELS = (0.7, 1.0, 1.6)
SETTINGS = MVCTSettings(matrix=SIDE_PX + 32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="folder for noise.png")
    output = parser.parse_args().output
    torch.set_num_threads(1)
    print("diameter / mm   noise / HU   by counts / HU")
    growth = [(diameter, float(noise(SETTINGS, diameter).std())) for diameter in DIAMETERS_MM]
    reference = dict(growth)[200]
    for diameter, sd in growth:
        print(f"{diameter:13} {sd:12.1f} {by_counts(diameter, reference):16.1f}")
    spectra = {kernel: spectrum(noise(replace(SETTINGS, kernel=kernel), 200)) for kernel in KERNELS}
    print("kernel   noise / HU   peak / (lp/mm)   theory   largest deviation of the band means / %")
    for kernel, (frequency, power) in spectra.items():
        expected = theory(frequency, kernel, power)
        bands = np.array_split(np.flatnonzero((frequency > 0.02) & (expected > 0.05 * expected.max())), 8)
        deviation = max(abs(power[band].sum() / expected[band].sum() - 1) for band in bands)
        sd = noise(replace(SETTINGS, kernel=kernel), 200).std()
        peaks = (frequency[np.argmax(curve)] for curve in (smooth(power), expected))
        print(f"{kernel:6} {sd:12.1f} {next(peaks):16.2f} {next(peaks):8.2f} {100 * deviation:24.0f}")
    if output:
        draw(growth, reference, spectra, output / "noise.png")


def noise(settings: MVCTSettings, diameter_mm: float) -> np.ndarray:
    """Squares of noise alone from the middle of water, HU, shape (pairs, j, i); the SD is that of one scan."""
    water, _ = density_inserts(inserts_hu=(), diameter_mm=diameter_mm, slices=PAIRS)
    first, second = (simulate_mvct(water, replace(settings, seed=seed)).array.astype(float) for seed in (1, 2))
    edge = (settings.matrix - SIDE_PX) // 2
    return ((first - second) / math.sqrt(2))[:, edge:-edge, edge:-edge]


def by_counts(diameter_mm: float, reference: float) -> float:
    """Noise that photons alone give, exp(mu d / 2), from that at 20 cm."""
    return reference * math.exp(WATER_PER_MM * (diameter_mm - 200) / 2)


def spectrum(squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Radial mean of the noise power spectrum: line pairs per mm, and HU² mm²."""
    power = np.mean(np.abs(np.fft.fft2(squares)) ** 2, axis=0) * SETTINGS.pixel_mm**2 / SIDE_PX**2
    axis = np.fft.fftfreq(SIDE_PX, SETTINGS.pixel_mm)
    radius = np.hypot(axis[:, None], axis)
    steps = np.arange(0, 0.5 / SETTINGS.pixel_mm, 1 / SIDE_PX / SETTINGS.pixel_mm)
    number = np.digitize(radius.ravel(), steps)
    means = [power.ravel()[number == n].mean() for n in range(1, len(steps))]
    return (steps[1:] + steps[:-1]) / 2, np.array(means)


def theory(frequency: np.ndarray, kernel: float, power: np.ndarray) -> np.ndarray:
    """|f| W² L², with the Hamming window W and the linear interpolation L, with the measured power in all."""
    cycles = frequency * SETTINGS.pixel_mm
    window = np.where(cycles <= kernel / 2, 0.54 + 0.46 * np.cos(2 * np.pi * cycles / kernel), 0)
    shape = frequency * window**2 * np.sinc(cycles) ** 4
    return shape * (power * frequency).sum() / (shape * frequency).sum()


def smooth(values: np.ndarray) -> np.ndarray:
    return np.convolve(values, np.ones(5) / 5, "same")


def draw(growth: list[tuple[int, float]], reference: float, spectra: dict, path: Path) -> None:
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    diameters = np.linspace(100, 350, 50)
    left.plot(diameters, [by_counts(d, reference) for d in diameters], label="by counts")
    left.plot(*zip(*growth, strict=True), "o", label="simulated")
    left.plot([200, 200], [23, 24], lw=6, alpha=0.5, label="De Marco et al. 2019")
    left.set(xlabel="diameter of water / mm", ylabel="noise / HU")
    for kernel, (frequency, power) in spectra.items():
        (line,) = right.plot(frequency, power, ".", label=f"kernel {kernel:g}")
        right.plot(frequency, theory(frequency, kernel, power), color=line.get_color())
    right.set(xlabel="spatial frequency / (lp/mm)", ylabel="noise power / (HU² mm²)")
    for axes in (left, right):
        axes.legend(frameon=False, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    main()
