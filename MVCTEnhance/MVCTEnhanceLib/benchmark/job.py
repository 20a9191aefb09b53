"""Seconds and memory of `mvct-enhance enhance` on a DICOM series, by stage, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

from ..errors import MVCTEnhanceError
from ..io import write_dicom_series, write_volume
from ..jobs.requests import EnhanceRequest
from ..runtime.child import PROGRAM, Child
from ..runtime.events import read_event
from ..runtime.parent import PARENT
from ..volume import Volume

COMMAND = [sys.executable, str(PROGRAM)]
STARTS = 5
WATCH_S = 0.05
NETWORK = "enhance"  # the stage; all others are what is done around it


def timed_job(scan: Volume, folder: Path, model: Path, device: str, threads: int) -> dict[str, Any]:
    """Enhance a scan from DICOM to DICOM with a report.

    Args:
        folder: a new folder, which gets series and report.

    Returns:
        slices; seconds and seconds by stage, from the start of the process to its end; the share
        of reading, metrics and writing;
        peak_bytes of memory of the process and above_volume_bytes, the part of it above the scan itself (None where
        the system does not tell).
    """
    write_dicom_series(scan, folder / "mvct", description="Phantom with noise")
    request = EnhanceRequest(
        folder / "mvct", folder / "enhanced", report=folder / "report", model=model, device=device, force=True
    )
    start = time.perf_counter()
    process = subprocess.Popen(
        [*COMMAND, *request.to_argv(), "--progress", "jsonl"],
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=os.environ | {"OMP_NUM_THREADS": str(threads), PARENT: str(os.getpid())},
    )
    stages, last = {"start": 0.0}, "start"
    began, memory = start, _Memory(process)
    memory.start()
    for line in process.stdout:
        event = read_event(line)
        if event is None:
            continue
        if event["event"] == "error":
            raise MVCTEnhanceError(f"The job of the benchmark failed: {event['message']}")
        if event["event"] == "stage":
            now = time.perf_counter()
            stages[last] = now - began
            last, began = event["stage"], now
    process.wait()
    memory.join()
    stages[last] = time.perf_counter() - began
    seconds = time.perf_counter() - start
    return {
        "slices": len(scan.array),
        "threads": threads,
        "seconds": seconds,
        "stages": stages,
        "share_besides_network": 1 - (stages[NETWORK] + stages["start"]) / seconds,
        "peak_bytes": memory.peak,
        "above_volume_bytes": None if memory.peak is None else memory.peak - scan.array.nbytes,
    }


def timed_cases(scan: Volume, folder: Path, model: Path, device: str, threads: int, cases: int) -> dict[str, Any]:
    """Enhance one scan after another as a batch does, in one child process and, in turns, each in one of its own.

    Args:
        folder: a new folder, which gets the scan and the results.

    Returns:
        cases; slices; seconds in one process for all, and in a process for each, with their starts and ends; ratio.
    """
    write_volume(scan, folder / "mvct.nrrd")
    threads_of_child = {"OMP_NUM_THREADS": str(threads)}
    seconds = {"one_process": 0.0, "process_each": 0.0}

    def enhance(child: Child, way: str, number: int) -> None:
        output = folder / f"{way}-{number}.nrrd"
        child.run(EnhanceRequest(folder / "mvct.nrrd", output, model=model, device=device).to_argv())

    with Child(threads=threads_of_child) as shared:
        for number in range(cases):
            start = time.perf_counter()
            with Child(threads=threads_of_child) as child:
                enhance(child, "process_each", number)
            between = time.perf_counter()
            enhance(shared, "one_process", number)
            seconds["process_each"] += between - start
            seconds["one_process"] += time.perf_counter() - between
    ratio = seconds["one_process"] / seconds["process_each"]
    return {"cases": cases, "slices": len(scan.array), **seconds, "ratio": ratio}


def seconds_to_start() -> float:
    """Median seconds of `mvct-enhance --version`: what the command line takes before torch is needed."""
    return median(_seconds_of_version() for _ in range(STARTS))


def _seconds_of_version() -> float:
    start = time.perf_counter()
    subprocess.run([*COMMAND, "--version"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


class _Memory(threading.Thread):
    """Watches the memory of a process until it ends; `peak` is the most that it had, in bytes, None if nobody tells.

    What the system tells of a process that has ended includes the memory of the one that started it.
    """

    def __init__(self, process: subprocess.Popen):
        super().__init__(daemon=True)
        self.peak: int | None = None
        self._process = process

    def run(self) -> None:
        while self._process.poll() is None:
            self.peak = self._peak_so_far() or self.peak
            time.sleep(WATCH_S)

    def _peak_so_far(self) -> int | None:
        try:
            lines = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8").splitlines()
        except OSError:
            return None
        return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM")), None)
