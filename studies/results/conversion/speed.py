"""The table speed: seconds per slice of every conversion, all in one process on one thread."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from statistics import median

import torch
from conversion.conventional import NOTE_ON_BM3D
from methods import Versioned, methods
from MVCTEnhanceLib.volume import Volume
from study import Case, Study

SLICES, ROUNDS = 2, 3
COLUMNS = {
    "method": "method",
    "seconds": "processor time a slice / s",
    "wall_seconds": "wall time a slice / s",
    "times_bm3d": "times as fast as BM3D",
}


def write_speed(study: Study, case: Case) -> None:
    """Make the table, on slices from the middle of a scan."""
    chosen = [method for method in methods(study) if method.name != "MVCT"]
    versions = hashlib.sha256("\n".join(method.kept.name for method in chosen).encode()).hexdigest()[:8]
    middle = len(case.mvct.array) // 2
    mvct = Volume(case.mvct.array[middle : middle + SLICES], case.mvct.spacing)
    seconds = study.once(f"speed/{versions}", lambda: seconds_a_slice(chosen, mvct))
    reference = seconds.get("BM3D", {}).get("seconds", math.nan)
    rows = [
        {"method": name} | of_one | {"times_bm3d": reference / of_one["seconds"]} for name, of_one in seconds.items()
    ]
    notes = f"""
Seconds for a slice of {" × ".join(map(str, mvct.array.shape[1:]))} pixels, from MVCT to kV HU, of {len(mvct.array)}
slices of {case.patient} (simulated MVCT), all methods in one process on one thread, the density curve and, where a
strength follows it, the measurement of the noise included. Median of {ROUNDS} rounds over all methods after one
that does not count. Processor time is what the one thread took; wall time is longer where the machine did other work.
BM3D's time depends on its profile, which is the one of [tuning](tuning.md). {NOTE_ON_BM3D}
"""
    study.write_table("speed", rows, COLUMNS, title="Speed", notes=notes)


def seconds_a_slice(chosen: Sequence[Versioned], mvct: Volume, rounds: int = ROUNDS) -> dict[str, dict[str, float]]:
    """Median processor and wall seconds per slice of each method, by its name, on one thread.

    The methods take turns, so that what else the machine does meets them all alike.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for method in chosen:
            method.convert(mvct)
        turns = [{method.name: _timed(method, mvct) for method in chosen} for _ in range(rounds)]
    finally:
        torch.set_num_threads(threads)
    return {
        method.name: {
            name: median(turn[method.name][clock] for turn in turns)
            for clock, name in enumerate(("seconds", "wall_seconds"))
        }
        for method in chosen
    }


def _timed(method: Versioned, mvct: Volume) -> tuple[float, float]:
    processor, wall = time.process_time(), time.perf_counter()
    method.convert(mvct)
    slices = len(mvct.array)
    return (time.process_time() - processor) / slices, (time.perf_counter() - wall) / slices
