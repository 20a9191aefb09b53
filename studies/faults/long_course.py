"""Time and most memory of a course review, of water ellipses that grow thinner from day to day.

    python studies/faults/long_course.py WORK --fractions 35 --slices 60 --pixels 512

The command runs in this process, so that its memory is known apart from that of its child.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np
from MVCTEnhanceLib.cli.program import main
from MVCTEnhanceLib.io import write_volume
from MVCTEnhanceLib.volume import Volume

PIXEL_MM, STEP_MM = 0.763, 4.0


def fraction(number: int, slices: int, pixels: int) -> Volume:
    """The scan of a day, HU (k, j, i)."""
    places = (np.arange(pixels) - (pixels - 1) / 2) / (pixels / 2)
    inside = (places / (0.8 - 0.002 * number)) ** 2 + (places[:, None] / (0.6 - 0.002 * number)) ** 2 < 1
    noise = np.random.default_rng(number).normal(0, 30, (slices, pixels, pixels)).astype(np.float32)
    return Volume(np.rint(np.where(inside, 20, -1000) + noise).astype(np.int16), (PIXEL_MM, PIXEL_MM, STEP_MM))


def run() -> None:
    """Make the scans, review them, print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    for name, default in (("fractions", 35), ("slices", 60), ("pixels", 512)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    for number in range(options.fractions):
        scan = fraction(number, options.slices, options.pixels)
        write_volume(
            scan, options.work / "in" / f"2026-{1 + number // 28:02}-{1 + number % 28:02}.nrrd", compress=False
        )
        del scan
    start, before = time.monotonic(), time.process_time()
    main(["course", str(options.work / "in"), "--output", str(options.work / "out"), "--device", "cpu"])
    of_self, of_child = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    here, there = time.process_time() - before, of_child.ru_utime + of_child.ru_stime
    print(f"{time.monotonic() - start:.0f} s; {here:.0f} s of the processor, and {there:.0f} s in the child")
    print(f"most memory {of_self.ru_maxrss / 1e6:.2f} GB, and {of_child.ru_maxrss / 1e6:.2f} GB in the child")


if __name__ == "__main__":
    run()
