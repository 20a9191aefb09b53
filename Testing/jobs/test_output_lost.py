"""The place of results fails: a disk that fills up or is read-only, a folder that is removed, a clock that jumps."""

import csv
import os
import shutil
import subprocess
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from MVCTEnhanceLib.batch import run as batch_run
from MVCTEnhanceLib.batch.cohort import enhance_folder
from MVCTEnhanceLib.cli.parser import parser
from MVCTEnhanceLib.errors import OutputError
from MVCTEnhanceLib.io import write_volume
from MVCTEnhanceLib.jobs.requests import BatchRequest
from MVCTEnhanceLib.runtime.child import Children
from MVCTEnhanceLib.volume import Volume

NOISE = np.random.default_rng(0).integers(-1000, 1000, (8, 64, 64)).astype(np.int16)
SCAN = Volume(NOISE, (0.763, 0.763, 3.0))


class CopyingChildren(Children):
    """Each writes its scan as the result, as a child would; `before` and `after` are called with the output."""

    before = after = staticmethod(lambda output: None)

    def run(self, arguments, *, on_event):
        options = parser().parse_args(arguments)
        self.before(options.output)
        write_volume(SCAN, options.output)
        self.after(options.output)
        noise = {"mean": 20.0, "sd": None, "unit": "HU", "per_slice": [20.0]}
        return {"mvct": {"noise_hu": noise}, "enhanced": {}, "comparison": {}, "warnings": []}


@pytest.fixture
def children(monkeypatch):
    monkeypatch.setattr(batch_run, "Children", CopyingChildren)
    return lambda name, action: monkeypatch.setattr(CopyingChildren, name, staticmethod(action))


@pytest.fixture
def cohort(tmp_path):
    for name in ("a", "b", "c"):
        write_volume(SCAN, tmp_path / "in" / f"{name}.nrrd")
    return tmp_path / "in"


@pytest.fixture
def mounted(tmp_path):
    """Function: a disk of these options at tmp_path / "disk", mounted or changed."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = []

    def mounted(options):
        if os.name == "nt" or os.geteuid() != 0:
            pytest.skip("needs the right to mount a disk")
        options = f"remount,{options}" if made else options
        mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
        if subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("needs the right to mount a disk")
        made.append(options)
        return disk

    yield mounted
    if made:
        subprocess.run(["umount", str(disk)], check=True)


def rows(output: Path) -> dict[str, dict[str, str]]:
    with (output / "summary.csv").open(encoding="utf-8", newline="") as file:
        return {row["case"]: row for row in csv.DictReader(file)}


def results(output: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in output.glob("*/enhanced.nrrd")}


def test_disk_that_fills_up_costs_the_cases_that_find_no_room(cohort, mounted, children, tmp_path):
    output = mounted("size=140k") / "out"  # two results of about 50 kB, each beside what is read again
    result = enhance_folder(BatchRequest(cohort, output))
    assert 0 < result.done < 3
    assert not list(output.rglob(".*"))
    failed = [row["reason"] for row in rows(output).values() if row["status"] == "failed"]
    assert len(failed) == result.failed and all("disk" in reason for reason in failed)
    kept = results(output)
    mounted("size=10m")
    again = enhance_folder(BatchRequest(cohort, output, resume=True))
    assert (again.done, again.kept) == (3, len(kept))
    enhance_folder(BatchRequest(cohort, tmp_path / "undisturbed"))
    assert results(output) == results(tmp_path / "undisturbed")


@pytest.mark.parametrize("command", ["enhance", "batch", "train"])
def test_read_only_disk_is_said_before_any_work(main, mounted, cohort, tmp_path, assert_refused, command):
    disk = mounted("size=1m")
    mounted("ro")
    (tmp_path / "t.toml").write_text('[data]\nmvct = "m"\nkvct = "k"\n')
    arguments = {
        "enhance": ["enhance", cohort / "a.nrrd", "--output", disk / "e.nrrd"],
        "batch": ["batch", cohort, disk / "out"],
        "train": ["train", tmp_path / "t.toml", "--output", disk / "run", "--device", "cpu"],
    }[command]
    assert_refused(main(*arguments, "--progress", "none"), str(disk))


@pytest.mark.parametrize("moment", ["before", "after"])
def test_batch_whose_folder_is_removed_ends_with_one_sentence(cohort, children, tmp_path, moment):
    output = tmp_path / "out"
    removed = []

    def remove(path):
        if not removed:
            removed.append(shutil.rmtree(output))

    children(moment, remove)
    with pytest.raises(OutputError, match="was removed while the batch worked in it: start the batch again"):
        enhance_folder(BatchRequest(cohort, output))
    assert not output.exists() or not list(output.iterdir())
    assert enhance_folder(BatchRequest(cohort, output)).done == 3


def test_batch_does_not_go_on_in_the_folder_of_another(cohort, children, tmp_path):
    output = tmp_path / "out"
    write_volume(SCAN, tmp_path / "other" / "z.nrrd")

    def replace(path):
        children("after", lambda path: None)
        shutil.rmtree(output)
        enhance_folder(BatchRequest(tmp_path / "other", output))

    children("after", replace)
    with pytest.raises(OutputError, match="was removed"):
        enhance_folder(BatchRequest(cohort, output))
    assert set(results(output)) == {"z"} and set(rows(output)) == {"z.nrrd"}


def test_enhanced_scan_whose_folder_is_removed_meanwhile_is_written_all_the_same(main, cohort, tmp_path, monkeypatch):
    from MVCTEnhanceLib.jobs import enhance

    (tmp_path / "out").mkdir()
    measure = enhance.measure

    def removing(*arguments, **named):
        shutil.rmtree(tmp_path / "out")
        return measure(*arguments, **named)

    monkeypatch.setattr(enhance, "measure", removing)
    result = main("enhance", cohort / "a.nrrd", "--output", tmp_path / "out" / "e.nrrd", "--progress", "none")
    assert result.code == 0, result.stderr
    assert (tmp_path / "out" / "e.nrrd").is_file()


def test_clock_that_jumps_back_changes_nothing(cohort, children, tmp_path, monkeypatch):
    """Neither durations nor what is kept depend on it; files seem to be of the future afterwards."""
    now = [time.time()]

    def jumping():
        now[0] -= timedelta(days=1).total_seconds()
        return now[0]

    monkeypatch.setattr(time, "time", jumping)
    events = []
    request = BatchRequest(cohort, tmp_path / "out")
    result = enhance_folder(request, on_event=lambda event, **fields: events.append(fields))
    assert 0 <= result.seconds < 60
    assert all(0 <= float(row["seconds"]) < 60 for row in rows(tmp_path / "out").values())
    assert all(0 <= fields["seconds"] < 60 for fields in events if "seconds" in fields)
    for path in (tmp_path / "out").rglob("*"):
        os.utime(path, (now[0], now[0]))  # older than their inputs
    assert enhance_folder(BatchRequest(cohort, tmp_path / "out", resume=True)).kept == 3
