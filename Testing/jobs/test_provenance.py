"""Readouts, report and table name program, model, input and time."""

import hashlib
import json
import re
from datetime import datetime

import pytest
from MVCTEnhanceLib import __version__
from MVCTEnhanceLib.assessment.provenance import provenance_rows
from MVCTEnhanceLib.io import read_volume, write_dicom_series
from MVCTEnhanceLib.jobs.enhance import enhance
from MVCTEnhanceLib.jobs.requests import EnhanceRequest
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model
from MVCTEnhanceLib.quality.record import EnhancementRecord, Provenance
from MVCTEnhanceLib.volume.grid import digest

TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d")


@pytest.fixture(scope="module")
def runs(tmp_path_factory, mvct):
    """Two folders with what the same run has written: a file and a DICOM series as input and output, and a report."""
    folder = tmp_path_factory.mktemp("runs")
    write_dicom_series(mvct, folder / "mvct", description="test")
    for name in ("first", "second"):
        output = folder / name
        request = EnhanceRequest(folder / "mvct", output / "e.nrrd", device="cpu", report=output / "report")
        enhance(request)
    return folder


def files(folder):
    return {
        path.relative_to(folder).as_posix(): TIME.sub(b"", path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.integration
def test_two_runs_differ_in_their_times_only(runs):
    first = files(runs / "first")
    assert first == files(runs / "second")
    assert set(first) == {"e.nrrd", *(f"report/{name}" for name in ("report.html", "readouts.json", "readouts.csv"))}


@pytest.mark.integration
def test_readouts_and_report_tell_program_model_input_and_time(runs):
    readouts = json.loads((runs / "first" / "report" / "readouts.json").read_text(encoding="utf-8"))
    assert readouts["program"] == readouts["model"]["program"] == f"MVCTEnhance {__version__}"
    assert readouts["model"]["sha256"] == hashlib.sha256(find_model(DEFAULT_MODEL).read_bytes()).hexdigest()
    assert readouts["input"] == {"sha256": digest(read_volume(runs / "mvct"))}
    assert datetime.fromisoformat(readouts["time"]).tzinfo is not None
    page = (runs / "first" / "report" / "report.html").read_text(encoding="utf-8")
    block = page[page.index("<h2>Provenance</h2>") :].partition("</section>")[0]
    for text in (readouts["program"], readouts["model"]["sha256"], readouts["input"]["sha256"], readouts["time"]):
        assert text in block


NAMED = {"SeriesDescription": "MVCT fx 3 <neck>", "AcquisitionDate": "20190205", "SeriesDate": "20190204"}


@pytest.fixture
def page(tmp_path):
    """Function (folder): the report below a folder."""
    return lambda folder: (tmp_path / folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.integration
def test_report_names_the_scan_only_when_asked(main, dicom_scan, with_texts, tmp_path, page):
    with_texts(dicom_scan, NAMED)
    outputs = ["--output", tmp_path / "e.nrrd", "--report", tmp_path / "named", "--identify"]
    assert main("enhance", dicom_scan, *outputs).code == 0
    assert "MVCT fx 3 &lt;neck&gt;, 2019-02-05" in page("named")
    readouts = tmp_path / "named" / "readouts.json"
    assert json.loads(readouts.read_text(encoding="utf-8"))["scan"]["date"] == "2019-02-05"
    again = ["report", "--mvct", dicom_scan, "--enhanced", tmp_path / "e.nrrd", "--readouts", readouts]
    assert main(*again, "--output", tmp_path / "anonymous").code == 0
    for path in (tmp_path / "anonymous").iterdir():
        assert not any(text in path.read_text(encoding="utf-8") for text in ("fx 3", "2019"))
    readouts = tmp_path / "anonymous" / "readouts.json"
    assert main(*again[:-1], readouts, "--output", tmp_path / "again", "--identify").code == 0
    assert page("again") == page("named")


@pytest.mark.integration
def test_scan_without_description_and_date_is_told(main, scan, tmp_path):
    result = main("enhance", scan, "--output", tmp_path / "e.nrrd", "--report", tmp_path / "r", "--identify")
    assert result.code == 0 and "is no DICOM series with a description or date" in result.stderr


def test_readouts_of_an_earlier_version_tell_what_they_know():
    made = Provenance(model={"name": "mine", "program": "MVCTEnhance 0.9"})
    assert provenance_rows(EnhancementRecord({}, provenance=made)) == {
        "program": "MVCTEnhance 0.9", "model": "mine", "site": "", "strength": "", "model_sha256": "",
        "site_sha256": "", "input_sha256": "", "time": "",
    }  # fmt: skip
