"""A batch as the library has it, with a stand-in for the child processes that writes small outputs at once."""

import csv
import json
import os
import queue
import re
import shutil
import signal
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from MVCTEnhanceLib.batch import run as batch_run
from MVCTEnhanceLib.batch.cluster import WorkerLost
from MVCTEnhanceLib.batch.cohort import enhance_folder
from MVCTEnhanceLib.batch.folder import batch_lock
from MVCTEnhanceLib.batch.summary import CaseRow
from MVCTEnhanceLib.cli.parser import parser
from MVCTEnhanceLib.errors import Cancelled, DeviceError, InputError, ModelError, OutputError
from MVCTEnhanceLib.io import is_dicom_output, write_dicom_series, write_volume
from MVCTEnhanceLib.jobs.requests import FORMATS, BatchRequest
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model
from MVCTEnhanceLib.runtime.cancel import Interrupted
from MVCTEnhanceLib.runtime.child import Children, JobFailed
from MVCTEnhanceLib.site.profile import Made, Scanner, SiteProfile, write_site
from MVCTEnhanceLib.volume import Volume

SCAN = Volume(np.zeros((2, 8, 8), np.int16), (1.0, 1.0, 3.0))
WHY = "The assessment of Enhanced, Noise is 'do not trust', so no DICOM series was written: add --force."
NAMES = ["a/scan.nrrd", "b/dicom", "c.nii.gz"]
only_posix = pytest.mark.skipif(os.name == "nt", reason="POSIX locks and processes")


class QuickChildren(Children):
    """Writes what a child would, at once; `calls` holds the arguments.

    `fail` and `withhold` hold words of sources that fail or are not to be trusted, `verdicts` verdicts by such words.
    """

    calls: list[list[str]] = []  # noqa: RUF012 (shared by all on purpose)
    fail: set[str] = set()  # noqa: RUF012
    withhold: set[str] = set()  # noqa: RUF012
    verdicts: dict[str, str] = {}  # noqa: RUF012

    def run(self, arguments, *, on_event):
        self.calls.append(list(arguments))
        on_event("device", device="cpu", name="CPU")
        on_event("progress", stage="enhance", done=1, total=2, eta_s=None)
        on_event("warning", message=f"{arguments[1]} is odd")
        options = parser().parse_args(arguments)
        if any(word in str(options.input) for word in self.fail):
            raise JobFailed(f"{options.input} is not to be written to {options.output}.")
        withheld = not options.force and any(word in str(options.input) for word in self.withhold)
        for path in (options.output, options.difference, options.correction):
            if withheld and path is not None and is_dicom_output(path):
                continue
            if path is not None and is_dicom_output(path):
                path.mkdir()
                (path / "CT0001.dcm").write_text("slice")
            elif path is not None:
                path.write_text("volume")
        if options.report:
            options.report.mkdir()
            (options.report / "report.html").write_text("report")
        noise = {"mean": 20.0, "sd": 0.0, "unit": "HU", "per_slice": [20.0, 20.0]}
        readouts = {"mvct": {"noise_hu": noise}, "enhanced": {}, "comparison": {}, "warnings": ["odd"]}
        for word, verdict in self.verdicts.items():
            if word in str(options.input):
                readouts["verdicts"] = {"mvct": {"noise_hu": {"verdict": verdict, "reason": "."}}}
        return readouts | ({"withheld": True, "failure": WHY} if withheld else {})


@pytest.fixture
def children(monkeypatch):
    monkeypatch.setattr(batch_run, "Children", QuickChildren)
    monkeypatch.setattr(QuickChildren, "calls", [])
    monkeypatch.setattr(QuickChildren, "fail", set())
    monkeypatch.setattr(QuickChildren, "withhold", set())
    monkeypatch.setattr(QuickChildren, "verdicts", {})
    return QuickChildren


@pytest.fixture
def cohort(tmp_path) -> Path:
    folder = tmp_path / "in"
    (folder / "a").mkdir(parents=True)
    write_volume(SCAN, folder / "a" / "scan.nrrd")
    write_dicom_series(SCAN, folder / "b" / "dicom", description="test")
    write_volume(SCAN, folder / "c.nii.gz")
    return folder


@pytest.fixture
def batch(cohort, tmp_path, children):
    """Runs a batch: batch(**options) -> result."""
    return lambda **options: enhance_folder(BatchRequest(**{"input": cohort, "output": tmp_path / "out"} | options))


@pytest.fixture
def rows(tmp_path):
    def rows():
        with (tmp_path / "out" / "summary.csv").open(encoding="utf-8", newline="") as file:
            return {row["case"]: row for row in csv.DictReader(file)}

    return rows


@pytest.fixture
def outputs(tmp_path):
    """Function: paths below the output folder of files with their content and time."""

    def outputs():
        files = (path for path in (tmp_path / "out").rglob("*") if path.is_file())
        return {
            path.relative_to(tmp_path / "out").as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
            for path in files
            if path.name not in ("summary.csv", "batch.json")
        }

    return outputs


def test_outputs_mirror_the_input_in_its_formats(batch, rows, outputs):
    result = batch()
    assert (result.cases, result.done, result.kept, result.failed) == (3, 3, 0, 0)
    assert set(outputs()) == {
        *(f"a/scan/{name}" for name in ("enhanced.nrrd", "readouts.json", "done.json")),
        *(f"b/dicom/{name}" for name in ("enhanced/CT0001.dcm", "readouts.json", "done.json")),
        *(f"c/{name}" for name in ("enhanced.nii.gz", "readouts.json", "done.json")),
    }
    assert list(rows()) == NAMES
    assert [row["output"] for row in rows().values()] == ["a/scan", "b/dicom", "c"]
    assert {row["mvct.noise_hu"] for row in rows().values()} == {"20"}


def test_difference_and_report_where_they_are_asked_for(batch, outputs):
    batch(difference=True, correction=True, report=True)
    added = {"a/scan/correction.nrrd", "b/dicom/correction/CT0001.dcm", "c/correction.nii.gz"}
    added |= {"a/scan/difference.nrrd", "b/dicom/difference/CT0001.dcm", "c/difference.nii.gz", "c/report/report.html"}
    assert added <= set(outputs())


def test_example_in_the_documents(cohort, children, tmp_path, monkeypatch, capsys):
    cohort.rename(tmp_path / "daily")
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).resolve().parents[2] / "docs" / "batch.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(code, {})
    assert capsys.readouterr().out == f"3 0 {Path('enhanced') / 'summary.csv'}\n"


@pytest.mark.parametrize("format", FORMATS)
def test_one_format_for_all(batch, outputs, format):
    batch(format=format)
    expected = "enhanced/CT0001.dcm" if format == "dicom" else f"enhanced.{format}"
    assert {f"{place}/{expected}" for place in ("a/scan", "b/dicom", "c")} <= set(outputs())


@pytest.mark.parametrize(("suffix", "written"), [(".mhd", ".mha"), (".nhdr", ".nrrd"), (".NRRD", ".nrrd")])
def test_formats_that_are_not_written_become_their_nearest(tmp_path, children, suffix, written):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / f"scan{suffix}").write_text("any")
    enhance_folder(BatchRequest(tmp_path / "in", tmp_path / "out"))
    assert (tmp_path / "out" / "scan" / f"enhanced{written}").is_file()


def test_formats_of_library_and_command_line_are_the_same(capsys):
    with pytest.raises(SystemExit):
        parser().parse_args(["batch", "in", "out", "--format", "jpg"])
    shown = capsys.readouterr().err
    assert all(format in shown for format in FORMATS)
    for format in FORMATS:
        assert parser().parse_args(["batch", "in", "out", "--format", format]).format == format


def test_failed_case_stops_no_other_and_says_why(batch, children, rows, outputs):
    children.fail = {"dicom"}
    result = batch()
    assert (result.done, result.failed) == (2, 1)
    row = rows()["b/dicom"]
    first = next(Path(call[1]).name for call in children.calls if "dicom" in call[1])
    assert row["reason"] == f"b/dicom/{first} is not to be written to b/dicom/enhanced."
    assert (row["status"], row["output"]) == ("failed", "")
    assert not any(name.startswith("b/") for name in outputs())


def test_error_in_a_place_without_an_error_of_ours_is_a_failed_case(batch, children, rows, monkeypatch):
    def run(self, arguments, *, on_event):
        raise {"scan": MemoryError(), "dicom": OSError(28, "No space left on device")}.get(
            "scan" if "scan" in arguments[1] else "dicom" if "dicom" in arguments[1] else "", ValueError("secret")
        )

    monkeypatch.setattr(children, "run", run)
    assert batch().failed == 3
    reasons = [row["reason"] for row in rows().values()]
    assert reasons[0].startswith("Unexpected MemoryError")
    assert reasons[1].startswith("The operating system says 'No space left on device'")
    assert "secret" not in reasons[2]


def test_case_whose_worker_is_lost_is_done_again_at_most_twice(cohort, tmp_path, children, rows, monkeypatch):
    losses, warnings, quick = {"scan": 2, "dicom": 3}, [], children.run

    def run(self, arguments, *, on_event):
        for word in losses:
            if word in arguments[1] and losses[word]:
                losses[word] -= 1
                raise WorkerLost(word)
        return quick(self, arguments, on_event=on_event)

    def listen(event, **fields):
        if event == "warning":
            warnings.append(fields["message"])

    monkeypatch.setattr(children, "run", run)
    result = enhance_folder(BatchRequest(cohort, tmp_path / "out", workers=2), on_event=listen)
    assert (result.done, result.failed) == (2, 1)
    assert rows()["b/dicom"]["reason"].startswith("3 workers were lost while they did this case")
    assert sorted(warnings) == [
        f"The worker of case {number} was lost: the case is done again." for number in (1, 1, 2, 2)
    ]


def test_events_tell_cases_by_number_only(batch, cohort, tmp_path, children):
    events = []
    children.fail = {"dicom"}
    request = BatchRequest(cohort, tmp_path / "out")
    enhance_folder(request, on_event=lambda event, **fields: events.append({"event": event, **fields}))
    text = json.dumps(events)
    assert not any(word in text for word in ("scan.nrrd", "dicom", "nii", "odd", str(cohort)))
    progress = [(e["done"], e["total"]) for e in events if e["event"] == "progress" and e["stage"] == "batch"]
    assert progress == [(0, 3), (1, 3), (2, 3), (3, 3)]
    ends = [(e["case"], e["cases"], e["status"]) for e in events if e["event"] == "case" and "seconds" in e]
    assert ends == [(1, 3, "done"), (2, 3, "failed"), (3, 3, "done")]
    running = {"event": "case", "case": 1, "cases": 3, "status": "running", "stage": "enhance", "done": 1, "total": 2}
    assert running in events
    assert [event["name"] for event in events if event["event"] == "device"] == ["CPU"]


def test_summary_is_written_as_it_goes(cohort, tmp_path, children, rows):
    seen = []

    def look(event, **fields):
        if event == "progress" and fields["stage"] == "batch":
            seen.append([row["status"] for row in rows().values()])

    enhance_folder(BatchRequest(cohort, tmp_path / "out"), on_event=look)
    assert seen == [["waiting"] * 3, ["done", "waiting", "waiting"], ["done", "done", "waiting"], ["done"] * 3]


def test_full_output_folder_is_refused_without_resume(batch, outputs):
    batch()
    before = outputs()
    with pytest.raises(OutputError, match=r"not empty: .* --resume\.$"):
        batch()
    assert outputs() == before


def test_folder_of_other_things_is_refused_also_to_resume(batch, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds no batch"):
        batch(resume=True)
    assert os.listdir(tmp_path / "out") == ["notes.txt"]  # noqa: PTH208


@pytest.mark.parametrize("place", ["in", "in/out", ".", "in/../in/a", "file"])
def test_output_in_or_around_the_input_or_a_file_is_refused(batch, tmp_path, place, cohort):
    (tmp_path / "file").write_text("a file")
    before = sorted(cohort.rglob("*"))
    with pytest.raises(OutputError):
        batch(output=tmp_path / place)
    assert sorted(cohort.rglob("*")) == before


def test_resume_of_nothing_is_a_batch(batch):
    assert batch(resume=True).done == 3


def test_resume_keeps_what_is_finished(batch, children, rows, outputs):
    batch()
    before, table = outputs(), rows()
    children.calls.clear()
    result = batch(resume=True)
    assert (result.done, result.kept, children.calls) == (3, 3, [])
    assert outputs() == before
    assert rows() == table


def test_resume_tries_failed_cases_again(batch, children, outputs, rows):
    children.fail = {"scan"}
    batch()
    before = outputs()
    children.fail = set()
    children.calls.clear()
    assert batch(resume=True).done == 3
    assert [Path(call[1]).name for call in children.calls] == ["scan.nrrd"]
    assert before.items() <= outputs().items()
    assert {row["status"] for row in rows().values()} == {"done"}


@pytest.mark.parametrize("change", ["content", "slice taken out", "slice added"])
def test_resume_does_a_changed_input_anew(batch, children, cohort, outputs, change):
    batch()
    children.calls.clear()
    first, *_, last = sorted((cohort / "b" / "dicom").iterdir())
    if change == "content":
        write_volume(SCAN.with_array(SCAN.array + 1), cohort / "a" / "scan.nrrd")
    elif change == "slice taken out":
        last.unlink()
    else:
        shutil.copy(first, first.with_name("CT9999.dcm"))
    before = outputs()
    batch(resume=True)
    anew, kept = ("a/", "b/") if change == "content" else ("b/", "a/")
    assert len(children.calls) == 1
    after = outputs()
    assert all(after[name] == before[name] for name in before if name.startswith((kept, "c/")))
    assert after[f"{anew}{'scan' if anew == 'a/' else 'dicom'}/done.json"] != before
    assert set(after) == set(before)


@pytest.fixture
def other_model(tmp_path):
    """A model file that differs from the default one in a bit."""
    content = bytearray(find_model(DEFAULT_MODEL).read_bytes())
    content[-1] ^= 1
    (tmp_path / "other.safetensors").write_bytes(content)
    return tmp_path / "other.safetensors"


def test_resume_with_more_outputs_adds_them(batch, children, outputs):
    batch(difference=True)
    before = set(outputs())
    children.calls.clear()
    assert (batch(resume=True, report=True, correction=True).kept, len(children.calls)) == (0, 3)
    added = {"a/scan/report/report.html", "b/dicom/report/report.html", "c/report/report.html"}
    added |= {"a/scan/correction.nrrd", "b/dicom/correction/CT0001.dcm", "c/correction.nii.gz"}
    assert set(outputs()) == before | added


def test_resume_with_fewer_outputs_takes_none_away(batch, children, outputs):
    batch(difference=True, report=True)
    before = outputs()
    children.calls.clear()
    assert (batch(resume=True).kept, children.calls) == (3, [])
    assert outputs() == before


def test_changed_input_keeps_its_kinds_of_output(batch, cohort, outputs):
    batch(difference=True)
    names = set(outputs())
    write_volume(SCAN.with_array(SCAN.array + 1), cohort / "a" / "scan.nrrd")
    assert batch(resume=True).kept == 2
    assert set(outputs()) == names


def test_files_that_the_user_has_added_go_along_when_a_case_is_done_anew(batch, tmp_path):
    batch()
    (tmp_path / "out" / "c" / "mine").mkdir()
    (tmp_path / "out" / "c" / "mine" / "notes.txt").write_text("my notes")
    batch(resume=True, difference=True)
    assert (tmp_path / "out" / "c" / "mine" / "notes.txt").read_text() == "my notes"
    assert (tmp_path / "out" / "c" / "difference.nii.gz").is_file()


@pytest.mark.parametrize(
    "other", ["model", "site profile", "file of structures", "strength", "format", "version of the program"]
)
def test_results_of_another_kind_are_replaced_only_when_told_so(
    batch, children, outputs, other, other_model, monkeypatch, cohort, tmp_path
):
    write_site(SiteProfile(Scanner("mine"), Made("", "", "")), tmp_path / "site.toml")
    batch(difference=True)
    before = outputs()
    children.calls.clear()
    values = {"model": other_model, "site profile": tmp_path / "site.toml", "strength": 50, "format": "mha"}
    values["file of structures"] = cohort / "c.nii.gz"
    options = (
        {{"file of structures": "structures"}.get(other, other.split()[0]): values[other]} if other in values else {}
    )
    if not options:
        monkeypatch.setattr("MVCTEnhanceLib.batch.settings.PROGRAM", "MVCTEnhance 99")
        monkeypatch.setattr("MVCTEnhanceLib.batch.run.PROGRAM", "MVCTEnhance 99")
    write_volume(SCAN, cohort / "new.nrrd")
    with pytest.raises(OutputError, match=f"3 cases by another {other}: .* adding --overwrite"):
        batch(resume=True, **options)
    assert (outputs(), children.calls) == (before, [])
    result = batch(resume=True, overwrite=True, **options)
    assert (result.done, result.kept, len(children.calls)) == (4, 0, 4)
    suffix = ".mha" if other == "format" else ".nrrd"
    assert {f"a/scan/enhanced{suffix}", f"a/scan/difference{suffix}"} <= set(outputs())
    assert not any(name.startswith("a/scan/enhanced") and not name.endswith(suffix) for name in outputs())
    assert batch(resume=True, **options).kept == 4
    assert any("--structures" in argument for argument in children.calls[-1]) == ("structures" in options)


def test_overwrite_without_resume_does_all_anew(batch, children):
    batch()
    children.calls.clear()
    result = batch(overwrite=True)
    assert (result.done, result.kept, len(children.calls)) == (3, 0, 3)


def test_same_model_under_another_name_is_the_same(batch, children, tmp_path):
    batch()
    children.calls.clear()
    shutil.copy(find_model(DEFAULT_MODEL), tmp_path / "copy.safetensors")
    assert (batch(resume=True, model=tmp_path / "copy.safetensors").kept, children.calls) == (3, [])


def test_dicom_of_a_case_that_is_not_to_be_trusted_is_withheld_until_it_is_forced(
    batch, children, rows, outputs, tmp_path
):
    children.withhold = {"b/dicom"}
    result = batch(report=True)
    assert (result.done, result.withheld, result.failed) == (2, 1, 0)
    assert result.failure == "the DICOM series of 1 of 3 cases were withheld: the reasons are in summary.csv."
    row = rows()["b/dicom"]
    assert (row["status"], row["reason"], row["output"]) == ("withheld", WHY, "b/dicom")
    assert row["mvct.noise_hu"] == "20"
    kept = {f"b/dicom/{name}" for name in ("report/report.html", "readouts.json", "done.json")}
    assert {name for name in outputs() if name.startswith("b/")} == kept
    assert "failure" not in json.loads((tmp_path / "out" / "b" / "dicom" / "readouts.json").read_text())
    children.calls.clear()
    again = batch(resume=True)
    assert (again.withheld, again.kept, children.calls) == (1, 3, [])  # not for ever the same work
    forced = batch(resume=True, force=True)
    assert (forced.done, forced.withheld, forced.kept, len(children.calls)) == (3, 0, 2, 1)
    assert "b/dicom/enhanced/CT0001.dcm" in outputs()
    children.calls.clear()
    assert batch(resume=True, difference=True).done == 3  # which takes no series away again
    assert "b/dicom/enhanced/CT0001.dcm" in outputs() and len(children.calls) == 3


def test_cases_are_counted_by_their_gravest_assessment(batch, children):
    children.verdicts = {"scan": "look closer", "dicom": "do not trust", "c.nii": "as expected"}
    result = batch()
    assert (result.look_closer, result.do_not_trust) == (1, 1)
    assert (batch(resume=True).look_closer, batch(resume=True).do_not_trust) == (1, 1)


def test_format_of_the_input_by_its_name_changes_nothing(batch, children, tmp_path, cohort):
    shutil.rmtree(cohort / "b")
    (cohort / "c.nii.gz").unlink()
    batch()
    children.calls.clear()
    assert batch(resume=True, format="nrrd").kept == 1


@pytest.mark.parametrize("damage", ["taken away", "cut", "note cut"])
def test_resume_does_incomplete_outputs_anew(batch, children, tmp_path, damage, outputs):
    batch()
    before = outputs()
    children.calls.clear()
    if damage == "taken away":
        (tmp_path / "out" / "c" / "enhanced.nii.gz").unlink()
    else:
        name = "enhanced.nii.gz" if damage == "cut" else "done.json"
        (tmp_path / "out" / "c" / name).write_text("{")
    assert (batch(resume=True).kept, len(children.calls)) == (2, 1)
    assert set(outputs()) == set(before)


def test_what_the_user_has_added_to_a_case_stays(batch, children, tmp_path):
    batch()
    children.calls.clear()
    (tmp_path / "out" / "c" / "mine.txt").write_text("my notes")
    assert (batch(resume=True).kept, children.calls) == (3, [])
    assert (tmp_path / "out" / "c" / "mine.txt").read_text() == "my notes"


def test_folder_of_the_user_in_the_place_of_a_case_is_left_alone(batch, children, tmp_path, rows):
    children.fail = {"c.nii.gz"}
    batch()
    (tmp_path / "out" / "c").mkdir()
    (tmp_path / "out" / "c" / "mine.txt").write_text("my notes")
    children.fail = set()
    assert batch(resume=True).failed == 1
    assert "is no result of this batch" in rows()["c.nii.gz"]["reason"]
    assert (tmp_path / "out" / "c" / "mine.txt").read_text() == "my notes"


def test_failed_attempt_leaves_the_older_result(batch, children, outputs):
    batch()
    before = outputs()
    children.fail = {"scan"}
    assert batch(resume=True, difference=True).failed == 1
    kept = {name: value for name, value in outputs().items() if name.startswith("a/")}
    assert kept == {name: value for name, value in before.items() if name.startswith("a/")}


def test_resume_takes_scans_that_have_come_and_places_stay(batch, cohort, outputs, rows):
    batch()
    before = outputs()
    write_volume(SCAN, cohort / "a" / "scan.mha")
    write_dicom_series(SCAN, cohort / "b" / "dicom" / "more", description="test")
    result = batch(resume=True)
    assert (result.cases, result.kept, result.failed) == (5, 3, 0)
    assert before.items() <= outputs().items()
    assert [row["output"] for row in rows().values()] == ["a/scan-mha", "a/scan", "b/dicom", "b/dicom-2/more", "c"]


def test_workers_give_the_same_table(batch, rows, tmp_path):
    batch(workers=8)
    eight = {name: row | {"seconds": ""} for name, row in rows().items()}
    shutil.rmtree(tmp_path / "out")
    batch()
    assert list(eight) == NAMES
    assert eight == {name: row | {"seconds": ""} for name, row in rows().items()}


def test_workers_run_at_the_same_time(batch, children, monkeypatch):
    together = threading.Barrier(3, timeout=60)
    quick = children.run

    def run(self, arguments, *, on_event):
        together.wait()
        return quick(self, arguments, on_event=on_event)

    monkeypatch.setattr(children, "run", run)
    assert batch(workers=3).done == 3


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"workers": 0}, InputError),
        ({"format": "jpg"}, InputError),
        ({"model": "none"}, ModelError),
        ({"device": "cuda:77"}, DeviceError),
        ({"input": Path("none")}, InputError),
    ],
)
def test_what_is_wrong_for_all_cases_is_said_before_anything_is_made(batch, tmp_path, options, error):
    with pytest.raises(error):
        batch(**options)
    assert not (tmp_path / "out").exists()


def test_table_that_is_open_elsewhere_stops_no_case(cohort, tmp_path, children, outputs):
    warnings = []

    def block(event, **fields):
        if event == "stage" and fields["stage"] == "batch":
            (tmp_path / "out" / "summary.csv").unlink()
            (tmp_path / "out" / "summary.csv").mkdir()
        if event == "warning":
            warnings.append(fields["message"])

    with pytest.raises(OutputError, match=r"summary\.csv"):
        enhance_folder(BatchRequest(cohort, tmp_path / "out"), on_event=block)
    assert len([name for name in outputs() if name.endswith("done.json")]) == 3
    advice = "close the program that has it open, or free some space on the disk."
    assert warnings == [f"summary.csv cannot be written: {advice}"]


def test_cancel_gives_up_what_runs_and_keeps_what_is_finished(cohort, tmp_path, children, outputs, rows):
    asked = []

    def cancelled():
        asked.append(1)
        return any(row["status"] == "done" for row in rows().values())

    with pytest.raises(Cancelled):
        enhance_folder(BatchRequest(cohort, tmp_path / "out"), cancelled=cancelled)
    done = {name for name, row in rows().items() if row["status"] == "done"}
    assert "a/scan.nrrd" in done
    assert {name.split("/")[0] for name in outputs()} == {name.split("/")[0].split(".")[0] for name in done}
    assert enhance_folder(BatchRequest(cohort, tmp_path / "out", resume=True)).kept == len(done)


def test_cancelled_between_a_case_and_its_row_the_table_still_has_it(cohort, tmp_path, children, rows, monkeypatch):
    class Losing(queue.SimpleQueue):
        def get(self, **named):
            message = super().get(**named)
            if isinstance(message[1], CaseRow):
                raise Interrupted
            return message

    monkeypatch.setattr(batch_run, "queue", SimpleNamespace(SimpleQueue=Losing, Empty=queue.Empty))
    with pytest.raises(Interrupted):
        enhance_folder(BatchRequest(cohort, tmp_path / "out"))
    kept = [row for row in rows().values() if row["status"] == "done"]
    assert len(kept) == len(list((tmp_path / "out").rglob("done.json"))) > 0
    assert all(row["output"] and row["seconds"] for row in kept)


@only_posix
def test_two_batches_do_not_work_in_one_folder(batch, children, tmp_path):
    with batch_lock(tmp_path / "out"), pytest.raises(OutputError, match="Another run writes to"):
        batch(resume=True)
    assert children.calls == []
    assert batch(resume=True).done == 3


@pytest.mark.thorough
@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork as POSIX has it")
@pytest.mark.parametrize("earlier", [False, pytest.param(True, marks=pytest.mark.thorough)])
def test_killed_at_any_step_no_finished_case_is_lost(batch, children, tmp_path, outputs, earlier, rows):
    """SIGKILL before each operation on a file that a batch makes, at the first run or while it replaces old results."""
    if earlier:
        batch()
        shutil.copytree(tmp_path / "out", tmp_path / "earlier")
    step, ended = 0, False
    while not ended:
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        if earlier:
            shutil.copytree(tmp_path / "earlier", tmp_path / "out")
        ended = not _killed_before_step(step, tmp_path / "out", lambda: batch(resume=True, difference=True))
        notes = [path for path in (tmp_path / "out").rglob("done.json") if ".partial" not in str(path)]
        made = [path for path in notes if list(path.parent.glob("difference*"))]
        before = outputs()
        assert batch(resume=True, difference=True).kept == len(made)
        assert not list((tmp_path / "out").rglob(".partial*"))
        assert all(
            outputs()[name] == before[name]
            for path in made
            for name in before
            if name.startswith(path.parent.relative_to(tmp_path / "out").as_posix() + "/")
        )
        assert {row["status"] for row in rows().values()} == {"done"}
        step += 1
    assert step > 20


def _killed_before_step(step, folder, work) -> bool:
    """Whether a process was killed that does the work; False where it has fewer operations on files of the folder."""
    pid = os.fork()
    if pid == 0:
        counter = iter(range(1_000_000))

        def watch(event, arguments):
            removes = event in ("os.remove", "os.rmdir")  # by shutil with names relative to a folder
            changes = event in ("os.rename", "os.mkdir") or (event == "open" and arguments[2] & os.O_CREAT)
            if (removes or (changes and str(folder) in str(arguments[0]))) and next(counter) == step:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        try:
            work()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])
