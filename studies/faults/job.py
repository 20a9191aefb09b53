"""A run of `mvct-enhance` that is followed from outside."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

MARK = "MVCTENHANCE_FAULTS_RUN"  # in the environment of a run and of all that it starts
TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d")  # as metrics tell it


class Job:
    """A run in a process of its own, whose events are read as they come.

    Args:
        arguments: of the command.
    """

    def __init__(self, arguments: Sequence[str | Path]):
        self.token = secrets.token_hex(8)
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (as long as the run)
        self.started = time.monotonic()
        self._stages: list[tuple[str, float]] = [("start", self.started)]
        self._told = threading.Condition()
        self._ended = False
        self.process = subprocess.Popen(
            [sys.executable, "-m", "MVCTEnhanceLib", *map(str, arguments), "--progress", "jsonl"],
            env=os.environ | {"OMP_NUM_THREADS": "1", MARK: self.token},
            stdout=subprocess.PIPE,
            stderr=self._errors,
            encoding="utf-8",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait(self) -> int:
        """The exit code."""
        self._reader.join()
        return self.process.wait()

    def errors(self) -> str:
        """Stderr so far."""
        self._errors.seek(0)
        return self._errors.read()

    def segments(self) -> dict[str, float]:
        """Seconds of each stage of a run that has ended; of the cases of a batch each has its own, name#case."""
        ends = [at for _, at in self._stages[1:]] + [time.monotonic()]
        return {name: end - at for (name, at), end in zip(self._stages, ends, strict=True)}

    def wait_for(self, stage: str, seconds: float) -> None:
        """Return so long after the beginning of a stage, or when the run has ended."""
        with self._told:
            self._told.wait_for(lambda: self._ended or stage in (name for name, _ in self._stages))
        until = dict(self._stages).get(stage, self.started) + seconds
        while time.monotonic() < until and self.process.poll() is None:
            time.sleep(max(0.0, min(0.01, until - time.monotonic())))

    def _read(self) -> None:
        for line in self.process.stdout:
            event, now = json.loads(line), time.monotonic()
            name = event.get("stage") if event["event"] in ("stage", "case") else None
            if event["event"] == "validation":
                name = f"after validation {event['step']}"
            if event["event"] == "case" and name:
                name = f"{name}#{event['case']}"
            with self._told:
                if name and name not in dict(self._stages):
                    self._stages.append((name, now))
                self._told.notify()
        with self._told:
            self._ended = True
            self._told.notify()


def marked(token: str) -> list[int]:
    """The living processes of a run; those that have ended but are not yet collected do not live."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if f"{MARK}={token}".encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return sorted(found)


def contents(folder: Path) -> dict[str, str]:
    """A digest of each file below a folder, whatever the time of the run that it tells."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(_timeless(path)).hexdigest() for path in files}


def _timeless(path: Path) -> bytes:
    content = path.read_bytes()
    return TIME.sub(b"", content) if path.suffix in (".json", ".html") else content


def model_contents(path: Path) -> str:
    """A digest of a model file that does not depend on the order of its header's entries, which is by chance."""
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:end]), sort_keys=True)
    return hashlib.sha256(header.encode() + data[end:]).hexdigest()
