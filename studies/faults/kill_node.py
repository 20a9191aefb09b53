"""Kills a DICOM node at random moments, and looks whether every acknowledged scan is delivered once.

    python studies/faults/kill_node.py [--times 50] [--seed 0]

Each time a scanner sends one more scan, and sends again whatever was not acknowledged; the node is killed by SIGKILL at
a random moment while it receives, enhances or delivers, in turn, and started again. In the end it is left alone, and
the archive must have, of each scan, one derived series with one image for each slice. Needs pynetdicom.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

import pydicom
from parties import PATIENCE_S, Archive, NodeProcess, wait_until, write_scan

SLICES = 3
PHASES = {"receiving": "arriving", "enhancing": "enhancing", "delivering": "enhanced"}  # and the event that begins it
PHASE_S = {"receiving": 1.5, "enhancing": 4.0, "delivering": 1.0}  # about as long as it lasts
QUIET_S = 3.0
PAUSE_S = 0.2  # between slices, and that the archive takes for one


class Scanner:
    """Sends each slice until it is acknowledged, in a thread.

    Attributes:
        waiting: files that were not acknowledged yet.
    """

    def __init__(self, node: NodeProcess):
        self.node, self.waiting = node, []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(PAUSE_S)
            association = self.node.associate() if self.waiting else None
            while association and association.is_established and self.waiting:
                try:
                    status = association.send_c_store(pydicom.dcmread(self.waiting[0])).get("Status")
                except RuntimeError:  # the association has just ended
                    break
                if status != 0x0000:
                    break
                self.waiting.pop(0)
                time.sleep(PAUSE_S)
            if association and association.is_established:
                association.release()


def start(*arguments, **options) -> subprocess.Popen:
    """The command line as a process."""
    command = [sys.executable, "-m", "MVCTEnhanceLib", *map(str, arguments)]
    return subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, **options)


def faults(archive: Archive, scans: list[Path]) -> list[str]:
    """What is wrong with what the archive has."""
    found: dict[str, list[pydicom.Dataset]] = defaultdict(list)
    for copies in archive.received.values():
        found[copies[0].SourceImageSequence[0].ReferencedSOPInstanceUID].append(copies[0])
    wrong = []
    for number, scan in enumerate(scans, start=1):
        images = [found.pop(pydicom.dcmread(path).SOPInstanceUID, []) for path in sorted(scan.iterdir())]
        series = {ds.SeriesInstanceUID for one in images for ds in one}
        if [len(one) for one in images] != [1] * SLICES or len(series) != 1:
            wrong.append(f"scan {number}: {[len(one) for one in images]} images in {len(series)} series")
    return wrong + [f"{len(found)} images of no scan"] * bool(found)


def study(folder: Path, times: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Kills by phase, and what was wrong in the end."""
    chance, kills, scans = random.Random(seed), Counter(), []
    archive = Archive(pause_s=PAUSE_S).start()
    node = NodeProcess(folder, start, archive.port)
    node.configure(archive.port, more="send_untrusted = true", quiet_s=QUIET_S)
    node.start()
    scanner = Scanner(node)
    phases = list(PHASES)
    for number in range(times):
        scans.append(write_scan(folder / f"scan{number}", slices=SLICES, seed=number))
        phase = phases[number % len(phases)]
        seen = len(node.events(status=PHASES[phase]))
        scanner.waiting += sorted(scans[-1].iterdir())
        wait_until(lambda phase=phase, seen=seen: len(node.events(status=PHASES[phase])) > seen, phase)
        time.sleep(chance.random() * PHASE_S[phase])
        node.end()
        kills[phase] += 1
        node.start()
        print(".", end="", file=sys.stderr, flush=True)
    wait_until(lambda: not scanner.waiting, "the last acknowledgement")
    until = time.monotonic() + PATIENCE_S + 10 * times
    while any(state["status"] != "delivered" for state in node.states) and time.monotonic() < until:
        time.sleep(1)
    wrong = [
        f"series {state['series']} is {state['status']}" for state in node.states if state["status"] != "delivered"
    ]
    wrong += faults(archive, scans)
    node.end()
    archive.stop()
    return kills, wrong


def main() -> int:
    """Run the study and print its outcome."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        kills, wrong = study(Path(name), options.times, options.seed)
    print(f"\n{sum(kills.values())} kills ({', '.join(f'{n} while {phase}' for phase, n in kills.items())})")
    print("\n".join(wrong) or "every acknowledged scan was delivered once")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
