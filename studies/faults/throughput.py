"""How fast scans go through a DICOM node, and cases through a batch on this computer and on Dask workers.

    python studies/faults/throughput.py [--scans 3] [--slices 60] [--cases 6] [--case-slices 10]

The scans are noisy heads of a phantom, 512 x 512. Node: all are sent one after another; then one by itself, and one
that SIGTERM ends. Batches: the same cases by one and by two workers, each with one thread, in turn; the time is that of
the whole command. Times depend on what else the computer does: its load is printed, and ratios are those of one run.
Needs pynetdicom and distributed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kill_node import start
from MVCTEnhanceLib.jobs.requests import EnhanceRequest
from MVCTEnhanceLib.runtime.child import Child
from parties import Archive, NodeProcess, slices_along, wait_until, write_scan

QUIET_S = 2.0
GRID = {"size": 512, "pixel_mm": 0.763}
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}


def time_start(scan: Path, folder: Path) -> list[float]:
    """Seconds until the process that stays begins with a scan, for three scans one after another."""
    seconds = []
    with Child() as child:
        for number in range(3):
            events, asked = [], time.monotonic()
            request = EnhanceRequest(scan, folder / f"{number}.nrrd", device="cpu")
            child.run(request.to_argv(), on_event=lambda *_, events=events, **__: events.append(time.monotonic()))
            seconds.append(events[0] - asked)
    return seconds


def time_node(scans: list[Path], folder: Path) -> dict[str, float]:
    """Scans an hour, seconds from the last slice of a single scan to its delivery, and from SIGTERM to the end."""
    archive = Archive().start()
    node = NodeProcess(folder, start, archive.port)
    node.configure(archive.port, more="send_untrusted = true", quiet_s=QUIET_S)
    node.start()
    *many, single, last = scans
    for scan in many:
        node.send(slices_along(scan))
    wait_until(lambda: node.events(status="enhancing"), "the first scan")
    begun = time.monotonic()
    wait_for_deliveries(node, len(many))
    hour = 3600 * len(many) / (time.monotonic() - begun)
    node.send(slices_along(single))
    sent = time.monotonic()
    wait_for_deliveries(node, len(many) + 1)
    delivered = time.monotonic()
    begun = len(node.events(status="enhancing"))
    node.send(slices_along(last))
    wait_until(lambda: len(node.events(status="enhancing")) > begun, "the last scan")
    time.sleep(10.0)  # while it enhances
    asked = time.monotonic()
    node.end(signal.SIGTERM)
    ended = time.monotonic()
    archive.stop()
    enhancing = [event["seconds"] for event in node.events(status="enhanced")]
    return {
        "scans an hour": hour,
        "last slice to delivery": delivered - sent,
        "SIGTERM while it enhances to its end": ended - asked,
        "enhancing the first": enhancing[0],
        "enhancing the last": enhancing[-1],
    }


def wait_for_deliveries(node: NodeProcess, count: int) -> None:
    """However long it takes."""
    while len(node.events(status="delivered")) < count:
        time.sleep(0.05)


@contextmanager
def dask(folder: Path, workers: int) -> Iterator[str]:
    """A scheduler's address, with so many workers of one thread."""
    with ExitStack() as stack:

        def run(kind: str, *options: str) -> Path:
            log = folder / f"{kind}{len(list(folder.iterdir()))}.log"
            command = [sys.executable, "-m", "dask", kind, *options, "--host", "127.0.0.1", "--no-dashboard"]
            with log.open("w") as file:
                process = subprocess.Popen(command, cwd=folder, env=ONE_THREAD, stdout=file, stderr=file)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return log

        file = folder / f"{workers}.json"
        run("scheduler", "--port", "0", "--scheduler-file", str(file))
        wait_until(file.exists, "the start of the scheduler")
        options = ("--scheduler-file", str(file), "--no-nanny", "--nthreads", "1", "--memory-limit", "0")
        logs = [run("worker", *options, "--local-directory", str(folder / f"{workers}-{n}")) for n in range(workers)]
        wait_until(lambda: all("Registered to" in log.read_text() for log in logs), "the start of the workers")
        yield json.loads(file.read_text())["address"]


def time_batch(cases: Path, out: Path, *options: str) -> float:
    """Cases an hour."""
    command = [sys.executable, "-m", "MVCTEnhanceLib", "batch", cases, out, "--force", "--device", "cpu", *options]
    begun = time.monotonic()
    subprocess.run([*map(str, command), "--progress", "none"], env=ONE_THREAD, check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - begun
    shutil.rmtree(out)
    return 3600 * len(list(cases.iterdir())) / seconds


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, default in (("scans", 3), ("slices", 60), ("cases", 6), ("case-slices", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()

    def show(name: str, value: str) -> None:
        print(f"{name:40} {value:>14}   load {os.getloadavg()[0]:.1f}", flush=True)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("node", "dask", "cases"):
            (folder / part).mkdir()
        for n in range(options.cases):
            write_scan(folder / "cases" / f"{n}", slices=options.case_slices, **GRID, seed=n)
        for number, seconds in enumerate(time_start(folder / "cases" / "0", folder), start=1):
            show(f"start of scan {number}", f"{seconds:.2f} s")
        scans = [
            write_scan(folder / f"scan{n}", slices=options.slices, **GRID, seed=n) for n in range(options.scans + 2)
        ]
        for what, value in time_node(scans, folder / "node").items():
            show(what, f"{value:.1f}" + ("" if "hour" in what else " s"))
        for workers in (1, 2):
            rate = time_batch(folder / "cases", folder / "out", "--workers", str(workers))
            show(f"cases an hour, {workers} local workers", f"{rate:.0f}")
            with dask(folder / "dask", workers) as address:
                rate = time_batch(folder / "cases", folder / "out", "--scheduler", address)
            show(f"cases an hour, {workers} Dask workers", f"{rate:.0f}")


if __name__ == "__main__":
    main()
