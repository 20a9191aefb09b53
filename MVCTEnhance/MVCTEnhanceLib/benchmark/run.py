"""Benchmark of this computer: networks, engine and the whole job, side by side in one run.

All figures come from one run, so that their ratios hold even where the computer is busy or slow.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import __version__
from ..jobs.requests import BenchmarkRequest
from ..jobs.scans import require_absent, require_permission
from ..model.card import find_model
from ..model.device import choose_device, describe_device
from ..model.package import load_model
from ..physics.phantom import head_neck_phantom
from ..runtime.events import EventHandler, ignore_event
from ..runtime.machine import processor
from ..storage.atomic import atomic_file
from ..volume import Volume
from .job import seconds_to_start, timed_cases, timed_job
from .slices import time_batches, time_scaling, time_slices

SIDE_PX, PIXEL_MM, STEP_MM = 512, 0.763, 3.0
NOISE_HU = 24.0
ANATOMY_SLICES = 8  # computed; longer scans repeat them, each with its own noise
CASE_SLICES = 10


def benchmark(request: BenchmarkRequest, *, on_event: EventHandler = ignore_event) -> dict[str, Any]:
    """Time everything that was asked for; JSON-serialisable.

    Returns:
        machine; slices (a row for each way and number of threads), batches, scaling, jobs, cases, start_s.

    Raises:
        MVCTEnhanceError: the model or device is not there, or the output cannot be written.
    """
    if request.output:
        require_absent(request.output, overwrite=request.overwrite)
        require_permission(request.output)
    path = find_model(request.model)
    device = choose_device(request.device)
    on_event("device", device=str(device), name=describe_device(device))
    scan = noisy_phantom(max((*request.slices, *request.jobs, CASE_SLICES)))
    result: dict[str, Any] = {"machine": _machine(device), "model": load_model(path).card.get("name", path.stem)}
    rows: dict[str, list] = {"slices": [], "batches": [], "scaling": [], "jobs": []}
    threads_before = torch.get_num_threads()
    try:
        for threads in request.threads:
            torch.set_num_threads(threads)
            on_event("stage", stage=f"slices, {threads} threads")
            rows["slices"] += time_slices(path, device, scan, request.rounds, threads)
            rows["batches"] += time_batches(path, device, scan, request.batches, request.rounds, threads)
            rows["scaling"] += time_scaling(path, device, scan, request.slices, threads)
    finally:
        torch.set_num_threads(threads_before)
    with tempfile.TemporaryDirectory(prefix="mvct-benchmark-") as folder:
        for count in request.jobs:
            on_event("stage", stage=f"whole job, {count} slices")
            part = Volume(scan.array[:count], scan.spacing)
            rows["jobs"].append(timed_job(part, Path(folder) / str(count), path, request.device, max(request.threads)))
        on_event("stage", stage=f"{request.cases} cases of {CASE_SLICES} slices")
        part = Volume(scan.array[:CASE_SLICES], scan.spacing)
        cases = timed_cases(part, Path(folder) / "cases", path, request.device, max(request.threads), request.cases)
    result |= rows | {"cases": cases, "start_s": seconds_to_start()}
    if request.output:
        _write(result, request.output, overwrite=request.overwrite)
    return result


def noisy_phantom(slices: int) -> Volume:
    """A head-and-neck phantom with white noise, int16 HU (slices, 512, 512): as fast to enhance as any scan."""
    spacing = (PIXEL_MM, PIXEL_MM, STEP_MM)
    anatomy = head_neck_phantom(slices=min(slices, ANATOMY_SLICES), shape=(SIDE_PX, SIDE_PX), spacing_mm=spacing).array
    random = np.random.default_rng(1)
    scan = np.empty((slices, SIDE_PX, SIDE_PX), np.int16)
    for k in range(slices):
        noise = random.standard_normal((SIDE_PX, SIDE_PX), np.float32)
        scan[k] = (anatomy[k % len(anatomy)] + NOISE_HU * noise).round()
    return Volume(scan, spacing)


def _machine(device: torch.device) -> dict[str, Any]:
    return {
        "device": describe_device(device),
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(terse=True),
        "torch": torch.__version__,
        "program": f"MVCTEnhance {__version__}",
    }


def _write(result: dict[str, Any], path: Path, *, overwrite: bool) -> None:
    with atomic_file(path, overwrite=overwrite) as temporary:
        temporary.write_text(json.dumps(result, indent=2, allow_nan=False) + "\n", encoding="utf-8")
