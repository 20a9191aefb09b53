"""A batch as a user has it: the command line, real child processes, the shipped model; killed, cancelled, crashing."""

import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
from MVCTEnhanceLib.io import read_volume, write_dicom_series, write_volume
from MVCTEnhanceLib.jobs.enhance import enhance
from MVCTEnhanceLib.jobs.requests import EnhanceRequest

pytestmark = pytest.mark.integration

only_posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
only_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are listed as Linux does")
SECRETS = {"PatientName": "Secretname^Given", "PatientID": "SECRET-ID-1"}
SECONDS_TO_END = 60
# Python imports this as it starts: a child that opens a scan of such a name ends in the way that the name says.
CRASHES = (
    "import os, sys\n"
    "def end(event, arguments):\n"
    "    if event != 'open': return\n"
    "    text = str(arguments[0])\n"
    "    if 'abortme' in text: os.abort()\n"
    "    if 'killme' in text: os.kill(os.getpid(), 9)\n"
    "    if 'exitme' in text: os._exit(7)\n"
    "if 'worker' in sys.orig_argv: sys.addaudithook(end)\n"
)


def read_rows(output: Path) -> dict[str, dict[str, str]]:
    with (output / "summary.csv").open(encoding="utf-8", newline="") as file:
        return {row["case"]: row for row in csv.DictReader(file)}


def events_of(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def children_of(pid: int) -> list[int]:
    """Those of all its threads, each of which has its own."""
    try:
        return [
            int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()
        ]
    except FileNotFoundError:
        return []


def assert_gone(pids: list[int], seconds: float):
    until = time.monotonic() + seconds
    while any(Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids):
        assert time.monotonic() < until, "a child process is left"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory, mvct_for_batch) -> Path:
    """A DICOM series of a patient who must not be told, a volume of other pixels, and a file that is none."""
    folder = tmp_path_factory.mktemp("cohort") / "in"
    write_dicom_series(mvct_for_batch, folder / "Secretfolder" / "fx1", description="test")
    for path in (folder / "Secretfolder" / "fx1").iterdir():
        ds = pydicom.dcmread(path)
        for keyword, value in SECRETS.items():
            setattr(ds, keyword, value)
        ds.save_as(path)
    write_volume(mvct_for_batch, folder / "Secretfolder" / "day.nii.gz")
    (folder / "bad.nrrd").write_text("NRRD0004\nno volume")
    return folder


@pytest.fixture(scope="module")
def mvct_for_batch():
    from MVCTEnhanceLib.physics.phantom import head_neck_phantom

    phantom = head_neck_phantom(slices=3, shape=(64, 64), spacing_mm=(3.0, 3.0, 6.0))
    noise = np.random.default_rng(5).normal(0, 30, phantom.array.shape)
    return phantom.with_array(np.rint(phantom.array + noise).astype(np.int16))


@pytest.fixture(scope="module")
def finished(cohort):
    """One run over the cohort: the ended process, with the numbers of its children, and its output folder, which tests
    only read."""
    output = cohort.with_name("out")
    before = contents(cohort)
    command = [sys.executable, "-m", "MVCTEnhanceLib", "batch", str(cohort), str(output)]
    process = subprocess.Popen(
        [*command, "--difference", "--report", "--force", "--progress", "jsonl"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    lines, pids = [], set()
    for line in process.stdout:
        lines.append(line)
        pids |= set(children_of(process.pid))
    _, stderr = process.communicate()
    assert contents(cohort) == before
    return SimpleNamespace(returncode=process.returncode, stdout="".join(lines), stderr=stderr, pids=pids), output


@pytest.fixture
def volumes(tmp_path, mvct_for_batch):
    """Function: an input folder with volume files of these names."""

    def volumes(*names):
        (tmp_path / "in").mkdir()
        for name in names:
            write_volume(mvct_for_batch, tmp_path / "in" / name)
        return tmp_path / "in"

    return volumes


def test_each_case_has_its_outputs_and_its_row(finished):
    process, output = finished
    assert process.returncode == 1
    assert process.stderr == "mvct-enhance: 1 of 3 cases failed: the reasons are in summary.csv.\n"
    rows = read_rows(output)
    assert list(rows) == ["Secretfolder/day.nii.gz", "Secretfolder/fx1", "bad.nrrd"]
    assert [row["status"] for row in rows.values()] == ["done", "done", "failed"]
    assert rows["bad.nrrd"]["reason"].startswith("bad.nrrd is not a valid volume file")
    for name in ("Secretfolder/day", "Secretfolder/fx1"):
        assert (output / name / "report" / "report.html").is_file()
        readouts = json.loads((output / name / "readouts.json").read_text(encoding="utf-8"))
        row = next(row for row in rows.values() if row["output"] == name)
        assert float(row["enhanced.noise_hu"]) == pytest.approx(readouts["enhanced"]["noise_hu"]["mean"], rel=1e-5)
        assert (row["slices"], int(row["warnings"])) == ("3", len(readouts["warnings"]))
    assert not list(output.rglob(".*"))


def test_result_is_that_of_the_command_for_one_scan(finished, cohort, tmp_path):
    _, output = finished
    request = EnhanceRequest(cohort / "Secretfolder" / "fx1", tmp_path / "e.nrrd", device="cpu")
    alone = enhance(request).enhanced
    for path in (output / "Secretfolder" / "fx1" / "enhanced", output / "Secretfolder" / "day" / "enhanced.nii.gz"):
        together = read_volume(path)
        assert np.array_equal(together.array, np.rint(alone.array).astype(np.int16))
        assert together.spacing == pytest.approx(alone.spacing)
        assert np.allclose(together.origin, alone.origin)
    ds = pydicom.dcmread(next((output / "Secretfolder" / "fx1" / "enhanced").iterdir()))
    assert ds.PatientName == SECRETS["PatientName"]
    difference = read_volume(output / "Secretfolder" / "fx1" / "difference").array
    assert np.array_equal(difference, np.rint(alone.array).astype(int) - read_volume(request.input).array)


def test_patients_are_not_told(finished, cohort):
    process, _ = finished
    uid = pydicom.dcmread(next((cohort / "Secretfolder" / "fx1").iterdir())).SeriesInstanceUID
    for secret in ("Secret", "SECRET", uid, "fx1", "day", str(cohort)):
        assert secret not in process.stdout + process.stderr


def test_events_of_the_cohort(finished):
    events = events_of(finished[0].stdout)
    progress = [(e["done"], e["total"]) for e in events if e["event"] == "progress" and e["stage"] == "batch"]
    assert progress == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert {e["case"] for e in events if e["event"] == "case"} == {1, 2, 3}
    stages = [e["stage"] for e in events if e["event"] == "case" and e["case"] == 1 and "stage" in e]
    assert list(dict.fromkeys(stages))[-4:] == ["read", "enhance", "measure", "write"]
    assert [e["event"] for e in events[-2:]] == ["result", "error"]
    result = events[-2]
    assert (result["cases"], result["done"], result["kept"], result["failed"]) == (3, 2, 0, 1)


def test_resume_does_what_failed_and_then_nothing(finished, cohort, tmp_path, run, mvct_for_batch):
    shutil.copytree(finished[1], tmp_path / "out")
    shutil.copytree(cohort, tmp_path / "in")  # with the times of the files
    write_volume(mvct_for_batch, tmp_path / "in" / "bad.nrrd")
    before = contents(tmp_path / "out" / "Secretfolder")
    again = ("batch", tmp_path / "in", tmp_path / "out", "--resume", "--difference", "--report", "--json")
    result = run(*again, "--progress", "none")
    assert (result.code, result.stderr) == (0, "")
    shown = json.loads(result.stdout)
    assert (shown["done"], shown["kept"], shown["failed"]) == (3, 2, 0)
    assert contents(tmp_path / "out" / "Secretfolder") == before
    assert (tmp_path / "out" / "bad" / "difference.nrrd").is_file()
    result = run(*again)
    assert result.code == 0
    assert json.loads(result.stdout)["kept"] == 3
    assert "batch cases 3, kept 3" in result.stderr


@pytest.mark.thorough
def test_bar_shows_the_cohort(volumes, tmp_path, run):
    folder = volumes("Secretname.nrrd")
    (folder / "Secretbad.nrrd").write_text("none")
    result = run("batch", folder, tmp_path / "out")
    assert result.code == 1
    assert "batch: " in result.stderr and "2/2" in result.stderr and "case 2: enhance" in result.stderr
    assert "case 1 of 2 failed" in result.stderr
    assert "Secret" not in result.stdout + result.stderr
    done, assessment = result.stdout.splitlines()
    assert done == "1 of 2 cases are done, see summary.csv in the output folder"
    assert (
        assessment.startswith("Assessment: 'do not trust' in ")
        and "of 2 cases, at most 'look closer' in " in assessment
    )


@pytest.mark.thorough
@only_posix
def test_crash_and_lack_of_memory_stop_no_other_case(volumes, tmp_path, run):
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "sitecustomize.py").write_text(CRASHES)
    folder = volumes("abortme.nrrd", "exitme.nrrd", "good.nrrd", "killme.nrrd", "last.nrrd")
    path = os.pathsep.join([str(tmp_path / "python"), *filter(None, [os.environ.get("PYTHONPATH")])])
    result = run("batch", folder, tmp_path / "out", env={"PYTHONPATH": path})
    assert (result.code, result.stderr.splitlines()[-1]) == (
        1,
        "mvct-enhance: 3 of 5 cases failed: the reasons are in summary.csv.",
    )
    rows = read_rows(tmp_path / "out")
    assert {name: row["status"] for name, row in rows.items()} == {
        "abortme.nrrd": "failed",
        "exitme.nrrd": "failed",
        "good.nrrd": "done",
        "killme.nrrd": "failed",
        "last.nrrd": "done",
    }
    assert "SIGABRT" in rows["abortme.nrrd"]["reason"]
    assert "exit code 7" in rows["exitme.nrrd"]["reason"]
    assert "memory ran out" in rows["killme.nrrd"]["reason"]


def follow(process, wanted) -> tuple[list[dict], list[int]]:
    """Reads events until one that `wanted` accepts; all of them, and the children that there were."""
    events, pids = [], set()
    for line in process.stdout:
        events.append(json.loads(line))
        pids |= set(children_of(process.pid))
        if wanted(events[-1]):
            return events, sorted(pids)
    raise AssertionError("the batch ended before")


def stage(name, case=1):
    return lambda event: (event.get("case"), event.get("stage")) == (case, name)


def both(name):
    """Both cases have come to a stage."""
    waiting = {1, 2}

    def reached(event):
        waiting.difference_update({event["case"]} if event.get("stage") == name and "case" in event else ())
        return not waiting

    return reached


@only_linux
def test_one_process_does_all_cases_of_a_worker(finished):
    assert len(finished[0].pids) == 1


@pytest.mark.thorough
@only_linux
def test_killed_it_loses_no_finished_case(volumes, tmp_path, start, run):
    folder, output = volumes("a.nrrd", "b.nrrd", "c.nrrd"), tmp_path / "out"
    moments = [
        stage("start"),
        stage("write"),
        lambda event: event.get("status") == "done",
        stage("enhance", 2),
    ]
    kept: dict[str, str] = {}
    for moment in moments:
        process = start("batch", folder, output, "--resume", "--progress", "jsonl")
        try:
            _, pids = follow(process, moment)
        except AssertionError:  # a case was finished in the moment of the kill before
            process.communicate()
            continue
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert_gone(pids, SECONDS_TO_END)
        finished = [path.parent for path in output.glob("?/done.json")]
        assert all((path / "enhanced.nrrd").is_file() and (path / "readouts.json").is_file() for path in finished)
        now = contents(output) if output.exists() else {}
        assert kept.items() <= now.items()
        kept = {name: digest for name, digest in now.items() if (output / name).parent in finished}
    assert any(name.startswith("a/") for name in kept)
    result = run("batch", folder, output, "--resume")
    assert result.code == 0, result.stderr
    assert kept.items() <= contents(output).items()
    assert {row["status"] for row in read_rows(output).values()} == {"done"}
    assert not list(output.rglob(".*"))


@only_linux
@pytest.mark.parametrize(
    ("moment", "children", "signals", "send"),
    [
        pytest.param(
            lambda event: event["event"] == "stage" and event["stage"] == "batch",
            0,
            [signal.SIGTERM],
            os.kill,
            marks=pytest.mark.thorough,
        ),
        (both("read"), 2, [signal.SIGINT], os.killpg),  # as Ctrl+C in a terminal
        pytest.param(stage("write"), 1, [signal.SIGTERM, signal.SIGINT], os.kill, marks=pytest.mark.thorough),
    ],
)
def test_cancel_leaves_no_child_and_nothing_half_done(volumes, tmp_path, start, moment, children, signals, send):
    folder, output = volumes("a.nrrd", "b.nrrd"), tmp_path / "out"
    process = start("batch", folder, output, "--workers", "2", "--progress", "jsonl", start_new_session=True)
    _, pids = follow(process, moment)
    assert len(pids) >= children
    for number in signals:
        send(process.pid, number)
    _, err = process.communicate(timeout=SECONDS_TO_END)
    assert (process.returncode, err) == (130, "mvct-enhance: Cancelled. No incomplete files were left.\n")
    assert_gone(pids, 0)
    for name, row in read_rows(output).items():
        assert row["status"] == ("done" if (output / Path(name).stem / "done.json").is_file() else "waiting")
    assert not list(output.rglob(".*"))


@only_linux
def test_reader_that_goes_away_ends_the_batch(volumes, tmp_path, start):
    process = start("batch", volumes("a.nrrd"), tmp_path / "out", "--progress", "jsonl")
    _, pids = follow(process, stage("read"))
    process.stdout.close()
    process.wait(timeout=SECONDS_TO_END)
    assert process.returncode == 1
    assert_gone(pids, SECONDS_TO_END)
    assert not list((tmp_path / "out").rglob(".*"))


def test_full_output_folder_is_refused_with_one_sentence(main, volumes, tmp_path, assert_refused):
    folder = volumes("a.nrrd")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x").write_text("x")
    assert_refused(main("batch", folder, tmp_path / "out", "--progress", "none"), "not empty", "--resume")


@pytest.mark.parametrize("arguments", [["in"], ["in", "out", "--workers", "0"], ["in", "out", "--format", "jpg"]])
def test_wrong_usage_is_2(main, arguments):
    assert main("batch", *arguments).code == 2


def test_help_says_what_a_worker_costs(main):
    shown = " ".join(main("batch", "--help").stdout.split())
    assert "each takes 0.6 GB of memory" in shown
    assert all(option in shown for option in ("INPUT_DIR", "OUTPUT_DIR", "--workers", "--resume", "--device"))
