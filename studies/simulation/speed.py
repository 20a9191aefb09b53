"""Processor time of a simulated slice with each setting of the scanner: docs/simulation.md.

OMP_NUM_THREADS=1 python studies/simulation/speed.py
"""

from __future__ import annotations

import resource
import time

import torch
from MVCTEnhanceLib.physics.mvct import simulate_mvct
from MVCTEnhanceLib.physics.phantom import density_inserts
from MVCTEnhanceLib.physics.settings import MVCTSettings

SLICES = 12
SETTINGS = {
    "kernel": {"kernel": 0.7},
    "denoising_mm": {"denoising_mm": 1.33},
    "slice_mm": {"slice_mm": 6.0},
    "scatter": {"scatter": 0.02},
    "gain_sd": {"gain_sd": 0.002},
    "couch": {"couch": True},
    "truncated": {"truncated": True},
    "hu_offset, hu_slope": {"hu_offset": 12.0, "hu_slope": 1.01},
    "metal": {"metal": "hip"},
    "motion_mm": {"motion_mm": 2.0},
}


def main() -> None:
    torch.set_num_threads(1)
    kvct, _ = density_inserts(diameter_mm=300, slices=SLICES, spacing_mm=(0.763, 0.763, 3.0))
    everything = {name: value for setting in SETTINGS.values() for name, value in setting.items()}
    for name, setting in {"standard": {}, **SETTINGS, "all": everything}.items():
        started = time.process_time()
        simulate_mvct(kvct, MVCTSettings(**setting))
        seconds = (time.process_time() - started) / SLICES
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"{name:20} {seconds:5.2f} s a slice   {peak:.2f} GB at most so far", flush=True)


if __name__ == "__main__":
    main()
