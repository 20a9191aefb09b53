"""Enhance a slice of 4096 x 4096 pixels in a process of its own, and tell what it took.

    python studies/faults/large_slices.py --pixels 4096

The slice is the digital phantom on pixels of 0.1 mm, with noise. Prints exit code, seconds and memory. Linux and macOS.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from MVCTEnhanceLib.io import read_volume, write_volume
from MVCTEnhanceLib.physics.phantom import head_neck_phantom
from MVCTEnhanceLib.volume import Volume

FIELD_MM = 409.6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pixels", type=int, default=4096)
    pixels = parser.parse_args().pixels
    mm = FIELD_MM / pixels
    phantom = head_neck_phantom(slices=1, shape=(pixels, pixels), spacing_mm=(mm, mm, 3.0))
    noise = np.random.default_rng(0).normal(0, 25, phantom.array.shape)
    scan = Volume((phantom.array + noise).round().astype(np.int16), phantom.spacing)
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder, "scan.nrrd"), Path(folder, "enhanced.nrrd")
        write_volume(scan, given)
        command = [sys.executable, "-m", "MVCTEnhanceLib", "enhance", given, "--output", made, "--progress", "none"]
        start = time.monotonic()
        code = subprocess.run([*map(str, command)], capture_output=True).returncode
        seconds = time.monotonic() - start
        same_grid = code == 0 and read_volume(made).array.shape == scan.array.shape
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(f"{pixels} x {pixels} pixels: exit code {code}, {seconds:.0f} s, {most / 2**30:.2f} GiB")
    return 0 if same_grid else 1


if __name__ == "__main__":
    sys.exit(main())
