"""Small scans for the studies of faults, made on the fly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from MVCTEnhanceLib.io import write_volume
from MVCTEnhanceLib.physics.phantom import head_neck_phantom
from MVCTEnhanceLib.volume import Volume

GRID = {"shape": (96, 96), "spacing_mm": (2.0, 2.0, 6.0)}
TRAINING = """
[data]
mvct = "mvct"
kvct = "kvct"
spacing_mm = 2.0
crop_px = 32
[losses]
perceptual = 0
[schedule]
steps = 12
batch = 1
validate_every = 3
validation_slices = 1
"""


def make_inputs(folder: Path, *, cases: int = 1) -> None:
    """A cohort of so many scans of three slices, and two domains of slices with a configuration for a training."""
    for n in range(cases):
        name = chr(ord("a") + n) if cases < 27 else f"case{n:03d}"
        write_volume(_noisy(3, -40.0, n), folder / "cohort" / f"{name}.nrrd")
    for domain, height in (("mvct", -40.0), ("kvct", -37.0)):
        write_volume(_noisy(16, height, 1), folder / domain / "scan.nrrd")
    (folder / "train.toml").write_text(TRAINING, encoding="utf-8")


def _noisy(slices: int, height: float, seed: int) -> Volume:
    phantom = head_neck_phantom(slices=slices, centre_z_mm=height, **GRID)
    noise = np.random.default_rng(seed).normal(0, 30, phantom.array.shape)
    return phantom.with_array(np.rint(phantom.array + noise).astype(np.int16))
