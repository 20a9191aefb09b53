"""Time and most memory of a course review of many fractions, of an ellipse of water that grows thinner from day to day.

    python studies/faults/long_course.py WORK --fractions 35 --slices 60 --pixels 512

The first fraction is enhanced, and the others take copies of its result, so that what is added to a batch is measured
alone; the time of the batch is that of the first times their number. Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import time
from pathlib import Path

import numpy as np
from MVCTEnhanceLib.batch.cases import find_cases
from MVCTEnhanceLib.batch.folder import NOTE, assign_places
from MVCTEnhanceLib.course.review import review_course
from MVCTEnhanceLib.io import write_volume
from MVCTEnhanceLib.jobs.requests import CourseRequest
from MVCTEnhanceLib.volume import Volume

PIXEL_MM, STEP_MM = 0.763, 4.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    for name, default in (("fractions", 35), ("slices", 60), ("pixels", 512)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    scans, output = options.work / "in", options.work / "out"
    for number in range(options.fractions):
        path = scans / f"2026-{1 + number // 28:02}-{1 + number % 28:02}.nrrd"
        write_volume(fraction(number, options.slices, options.pixels), path, compress=False)
        if number == 0:
            _timed("course of one fraction", CourseRequest(scans, output, device="cpu"))
    (first, *others), places = find_cases(scans), assign_places(output, find_cases(scans))
    note = json.loads((places[first.key] / NOTE).read_text(encoding="utf-8"))
    for case in others:
        shutil.copytree(places[first.key], places[case.key], copy_function=os.link)
        (places[case.key] / "day.json").unlink()
        (places[case.key] / NOTE).unlink()
        note["made_of"]["input"] = case.fingerprint
        (places[case.key] / NOTE).write_text(json.dumps(note), encoding="utf-8")
    _timed(f"review of {options.fractions} enhanced fractions", CourseRequest(scans, output, device="cpu", resume=True))


def fraction(number: int, slices: int, pixels: int) -> Volume:
    """The scan of a day, HU (k, j, i)."""
    places = (np.arange(pixels) - (pixels - 1) / 2) / (pixels / 2)
    inside = (places / (0.8 - 0.002 * number)) ** 2 + (places[:, None] / (0.6 - 0.002 * number)) ** 2 < 1
    random, hu = np.random.default_rng(number), np.empty((slices, pixels, pixels), np.int16)
    for image in hu:
        image[:] = np.rint(np.where(inside, 20, -1000) + random.normal(0, 30, inside.shape))
    return Volume(hu, (PIXEL_MM, PIXEL_MM, STEP_MM))


def _timed(name: str, request: CourseRequest) -> None:
    start, before = time.monotonic(), time.process_time()
    done = review_course(request)["done"]
    of_self, of_child = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    seconds = time.monotonic() - start, time.process_time() - before, of_child.ru_utime + of_child.ru_stime
    most = [of.ru_maxrss / 2**20 for of in (of_self, of_child)]
    print(f"{name}: {done} done in {seconds[0]:.0f} s; processor {seconds[1]:.0f} s, of children {seconds[2]:.0f} s")
    print(f"most memory so far {most[0]:.2f} GiB, of a child {most[1]:.2f} GiB", flush=True)


if __name__ == "__main__":
    main()
