"""A batch of many small cases: memory, files and threads of its process and memory of its workers, and lost cases.

    python studies/faults/long_load.py [--cases 200] [--workers 2]

Needs Linux, which tells them. The scans are the same, so that what grows is the batch's own.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from inputs import make_inputs

WARM_UP = 0.1  # of the cases, after which nothing may grow
GROWTH = 0.1


def measure(pid: int) -> tuple[float, int, int]:
    """MB of memory, open files and threads of a process."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    memory = int(status["VmRSS"].split()[0]) / 1024
    return memory, len(os.listdir(f"/proc/{pid}/fd")), int(status["Threads"])  # noqa: PTH208


def memory_of_workers(pid: int) -> float:
    """MB of memory of the largest of the processes that it has started."""
    children = [child for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]
    return max((measure(int(child))[0] for child in children), default=0.0)


def run(folder: Path, workers: int) -> tuple[list[tuple[int, float, float, int, int]], float]:
    """What was measured after each case, and seconds in all."""
    start, rows = time.monotonic(), []
    command = [sys.executable, "-m", "MVCTEnhanceLib", "batch", str(folder / "cohort"), str(folder / "out")]
    process = subprocess.Popen(
        [*command, "--workers", str(workers), "--progress", "jsonl"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "progress" and event["stage"] == "batch" and 0 < event["done"] < event["total"]:
            memory, files, threads = measure(process.pid)
            rows.append((event["done"], memory, memory_of_workers(process.pid), files, threads))
    if process.wait() != 0:
        raise RuntimeError(f"the batch ended with {process.returncode}")
    return rows, time.monotonic() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_inputs(folder, cases=options.cases)
        rows, seconds = run(folder, options.workers)
        with (folder / "out" / "summary.csv").open(encoding="utf-8", newline="") as file:
            done = [row["case"] for row in csv.DictReader(file) if row["status"] == "done"]
        results = list((folder / "out").glob("*/enhanced.nrrd"))
    settled = rows[int(WARM_UP * options.cases) :]
    shown = [settled[n * (len(settled) - 1) // 4] for n in range(5)]
    print("| after case | memory / MB | largest worker / MB | open files | threads |\n|--:|--:|--:|--:|--:|")
    for case, memory, worker, files, threads in shown:
        print(f"| {case} | {memory:.1f} | {worker:.1f} | {files} | {threads} |")
    ranges = [(min(column), max(column)) for column in list(zip(*settled, strict=True))[1:]]
    growth = ranges[0][1] / ranges[0][0] - 1
    lost = options.cases - len(set(done) & {f"{path.parent.name}.nrrd" for path in results})
    print(f"\n{options.cases} cases, {options.workers} workers, {seconds:.0f} s, lost: {lost}")
    print(f"memory grows by {growth:.1%} at most after case {settled[0][0]}")
    print(f"the largest worker has {ranges[1][0]:.0f} to {ranges[1][1]:.0f} MB")
    print(f"open files {ranges[2][0]} to {ranges[2][1]}, threads {ranges[3][0]} to {ranges[3][1]}")
    return growth > GROWTH or lost > 0 or shown[0][4] != shown[-1][4]


if __name__ == "__main__":
    sys.exit(main())
