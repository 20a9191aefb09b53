"""Ends runs at random moments, and looks at what is left and at what the next run makes of it.

    python studies/faults/kill.py --what enhance|worker|batch|train [--times 50] [--signal KILL|TERM|INT] [--seed 0]

The moments are spread evenly over the stages of an undisturbed run, in each of them evenly over its time. "worker" is
the child process of a batch, "batch" the batch itself. After each: the files under final names are those of the
undisturbed run, byte for byte; within seconds no process is left; and the same command again (with `--overwrite`, for a
batch `--resume`) ends well, with the files of the undisturbed run. Needs Linux, where processes are found by their
environment.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import zipfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from job import Job, contents, marked, model_contents

PATIENCE_S = 5.0
SOON_S = 2.0
CASES = 3  # of a batch whose child is killed, which does one after another
TIMES = ("done.json", "summary.csv", "log.csv", "batch.json")  # hold seconds, or grow as it goes


@dataclass
class Outcome:
    """What was seen in one stage: numbers of runs, and the longest seconds until the last process was gone."""

    ends: int = 0
    finished_before: int = 0
    partial_left: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)


class Study:
    """One kind of run in a folder.

    Args:
        what: "enhance", "worker", "batch" or "train".
        folder: with the inputs, see `inputs.make_inputs`.
        number: of the signal.
    """

    def __init__(self, what: str, folder: Path, number: int = signal.SIGKILL):
        self.what, self.folder, self.number = what, folder, number
        self.output = folder / "out"
        self.rows: dict[str, Outcome] = defaultdict(Outcome)
        job = Job(self._command(again=False))
        if job.wait() != 0:
            raise RuntimeError(f"the undisturbed run failed: {job.errors()}")
        self.segments = job.segments()
        self.reference = self._contents()
        shutil.rmtree(self.output)

    def end_one(self, stage: str, fraction: float) -> None:
        """End a run in a stage after this part of its time, and look at all that is to be looked at."""
        row = self.rows[stage.split("#")[0]]
        job = Job(self._command(again=False))
        job.wait_for(stage, fraction * self.segments[stage])
        sent = time.monotonic()
        if not self._send(job):
            row.finished_before += 1
        row.ends += 1
        code = job.wait()
        self._check(code in self._codes(), row, f"exit code {code}: {job.errors()}")
        while marked(job.token) and time.monotonic() - sent < PATIENCE_S:
            time.sleep(0.02)
        self._check(not marked(job.token), row, "a process is left")
        if self.what != "worker":
            row.seconds = max(row.seconds, time.monotonic() - sent)
        self._look_at_files(row)
        again = Job(self._command(again=True))
        self._check(again.wait() == 0, row, f"the next run failed: {again.errors()}")
        self._check(self._contents() == self.reference, row, "the next run made other files")
        shutil.rmtree(self.output)

    def _look_at_files(self, row: Outcome) -> None:
        paths = list(self.output.rglob("*")) if self.output.exists() else []
        partial = [path for path in paths if path.name.startswith(".")]
        row.partial_left += bool(partial)
        if self.number != signal.SIGKILL or self.what == "worker":
            self._check(not partial, row, f"left: {partial}")
        if self.what == "worker":
            done = len(list(self.output.rglob("done.json")))
            self._check(done >= CASES - 1, row, f"only {done} of {CASES} cases are done")
        now = self._contents()
        if self.what != "train":  # whose files grow
            self._check(now.items() <= self.reference.items(), row, "a file is not that of the undisturbed run")
        elif (self.output / "checkpoint.pt").exists():
            with zipfile.ZipFile(self.output / "checkpoint.pt") as file:
                self._check(file.testzip() is None, row, "the checkpoint is damaged")

    def _contents(self) -> dict[str, str]:
        files = contents(self.output) if self.output.exists() else {}
        files = {
            name: digest for name, digest in files.items() if Path(name).name not in TIMES and "/." not in f"/{name}"
        }
        if self.what != "train":
            return files
        return {name: model_contents(self.output / name) for name in files if name == "model.safetensors"}

    def _send(self, job: Job) -> bool:
        pids = [job.process.pid]
        if self.what == "worker":
            pids = [pid for pid in marked(job.token) if pid != job.process.pid]
        if not pids or job.process.poll() is not None:
            return False
        os.kill(pids[0], self.number)
        return True

    def _codes(self) -> tuple[int, ...]:
        if self.what == "worker":
            return (0, 1)  # the batch goes on, with a case that failed
        return (0, -self.number) if self.number == signal.SIGKILL else (0, 130, -self.number)

    def _command(self, *, again: bool) -> list[str]:
        folder, output = self.folder, self.output
        more = ["--difference", output / "d.nrrd", "--report", output / "report"]
        return {
            "enhance": [
                *("enhance", folder / "cohort" / "a.nrrd", "--output", output / "e.nrrd", *more),
                *["--overwrite"] * again,
            ],
            "worker": ["batch", folder / "cohort", output, *["--resume"] * again],
            "batch": ["batch", folder / "cohort", output, *["--resume"] * again],
            "train": ["train", folder / "train.toml", "--output", output],
        }[self.what]

    @staticmethod
    def _check(right: bool, row: Outcome, words: str) -> None:
        if not right:
            row.wrong.append(words)

    def table(self) -> str:
        """The rows as Markdown."""
        lines = [
            "| ended in | times | finished before | partial files left | gone after / s | faults |",
            "|---|--:|--:|--:|--:|--:|",
        ]
        for stage, row in self.rows.items():
            cells = (stage, row.ends, row.finished_before, row.partial_left, f"{row.seconds:.1f}", len(row.wrong))
            lines.append(f"| {' | '.join(map(str, cells))} |")
        return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--what", choices=("enhance", "worker", "batch", "train"), required=True)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--signal", choices=("KILL", "TERM", "INT"), default="KILL")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    from inputs import make_inputs

    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        make_inputs(Path(name), cases=CASES if options.what == "worker" else 1)
        study = Study(options.what, Path(name), getattr(signal, f"SIG{options.signal}"))
        # A child is there from the first case on.
        stages = [stage for stage in study.segments if options.what != "worker" or "#" in stage]
        for n in range(options.times):
            study.end_one(stages[n % len(stages)], chance.random())
            print(".", end="", file=sys.stderr, flush=True)
    print(f"\n{options.what}, SIG{options.signal}, {options.times} times\n\n{study.table()}")
    faults = [words for row in study.rows.values() for words in row.wrong]
    print("\n".join(faults))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
