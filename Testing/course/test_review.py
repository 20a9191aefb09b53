"""A course review as a user has it: days in order, gaps with their reasons, the page and days.json."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from MVCTEnhanceLib.io import read_volume, write_volume

from .conftest import SHIFT, InThisProcess, quick

DATES = ("20260105", "20260108", "20260116", "20260120")
SECRETS = ("Secret", "SECRET", "fx1", "2026", "CT0001")


class Page(HTMLParser):
    """Text of an HTML page, and its numbers of elements by name."""

    def __init__(self, html):
        super().__init__()
        self.text, self.count = "", {}
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.count[tag] = self.count.get(tag, 0) + 1

    def handle_data(self, data):
        self.text += data


def read(output: Path) -> tuple[Page, dict]:
    page, days = ((output / name).read_text(encoding="utf-8") for name in ("course.html", "days.json"))
    assert not re.search(r"(src|href)=.(?!data:)", page)
    return Page(page), json.loads(days)


@pytest.fixture(scope="module")
def scans(tmp_path_factory, body, add_series):
    """Four scans of a patient who loses weight, the third of which is damaged, and the planning CT among them."""
    folder = tmp_path_factory.mktemp("scans") / "in"
    for number, date in enumerate(DATES):
        add_series(folder / f"Secretfolder{number}", body(90 - 3 * number, 70 - 3 * number, seed=number), date)
    sorted((folder / "Secretfolder2").iterdir())[1].write_bytes(b"")
    add_series(folder / "ct", body(noise_hu=8.0, seed=9), "20251220")
    return folder


@pytest.fixture(scope="module")
def reviewed(scans, tmp_path_factory):
    """One review of them: the folder, which tests only read, and what was done for it."""
    from MVCTEnhanceLib.course.review import review_course
    from MVCTEnhanceLib.jobs.requests import CourseRequest

    output = tmp_path_factory.mktemp("course") / "out"
    with quick() as children:
        result = review_course(CourseRequest(scans, output, kvct=scans / "ct", device="cpu"))
        return output, result, dict(children.jobs)


def course(main, scans, output, *more):
    return main("course", scans, "--output", output, "--device", "cpu", "--progress", "none", *more)


def test_every_day_but_the_damaged_one_is_reviewed_and_the_planning_ct_is_none(reviewed):
    _, result, jobs = reviewed
    assert (result["scans"], result["done"], result["failed"], result["kept"]) == (4, 3, 1, 0)
    assert result["failure"] == "1 of 4 scans were not reviewed: the reasons are in course.html."
    assert jobs == {"enhance": 4, "register": 3}


def test_days_are_in_the_order_of_acquisition_and_a_failed_one_is_a_gap_with_its_reason(reviewed):
    _, days = read(reviewed[0])
    assert [day["label"] for day in days["days"]] == ["day 1", "day 4", "day 12", "day 16"]
    assert [day["status"] for day in days["days"]] == ["done", "done", "failed", "done"]
    gap = days["days"][2]
    assert gap["reason"].startswith("The scan is a damaged or cut DICOM file")
    assert set(gap) == {"label", "row", "status", "reason"} and gap["row"] == 3


def test_metrics_and_assessments_of_each_day_are_those_of_its_record(reviewed):
    _, days = read(reviewed[0])
    record = json.loads((reviewed[0] / "Secretfolder1" / "readouts.json").read_text(encoding="utf-8"))
    day = days["days"][1]
    assert day["metrics"]["enhanced.noise_hu"] == record["enhanced"]["noise_hu"]["mean"]
    assert day["metrics"]["comparison.hu_bias.soft_tissue"] == record["comparison"]["hu_bias"]["soft_tissue"]["mean"]
    assert day["assessments"]["mvct"]["noise_hu"] == record["verdicts"]["mvct"]["noise_hu"]["verdict"]
    assert set(record["warnings"]) == set(day["warnings"])


def test_weight_loss_is_measured_against_the_first_scan_and_the_planning_ct(reviewed):
    _, result, _ = reviewed
    page, days = read(reviewed[0])
    changes = [day["body_change"] for day in days["days"] if day["status"] == "done"]
    expected = [100 * (a * b / 6300 - 1) for a, b in ((90, 70), (87, 67), (81, 61))]
    for name in ("first", "planning_ct"):
        assert [change[name]["area_percent"] for change in changes] == pytest.approx(expected, abs=1.5)
    assert changes[2]["first"]["diameter_mm"] == pytest.approx(2 * (81 * 61) ** 0.5 - 2 * 6300**0.5, abs=1.5)
    assert [day.get("beyond_limit") for day in days["days"]] == [False, True, None, True]
    assert result["beyond_limit"] == ["day 4", "day 16"]
    assert "smaller on day 16; beyond 5 % on days 4, 16." in page.text
    assert days["body_change_limit"] == {"value": 5.0, "unit": "%"}


def test_bodies_are_compared_at_the_level_where_the_registration_puts_them(reviewed):
    _, days = read(reviewed[0])
    assert days["days"][0]["body"]["z_mm"] == [-6 + SHIFT[2], SHIFT[2], 6 + SHIFT[2]]
    assert days["days"][0]["body_change"]["first"]["levels"] == 3
    assert days["days"][0]["body_change"]["planning_ct"]["levels"] == 2


def test_couch_shifts_are_those_of_register_and_not_for_positioning(reviewed):
    page, days = read(reviewed[0])
    shift = days["days"][0]["registration"]["mvct"]["couch_shift"]
    assert [shift[f"{way}_mm"] for way in ("lateral", "longitudinal", "vertical")] == [1, 3, -2]
    assert "not for positioning" in page.text and "not for positioning" in days["couch_shifts"]


def test_page_names_nobody_and_no_date(reviewed):
    page, days = read(reviewed[0])
    html = re.sub(r"data:image/png;base64,[^\"]*", "", (reviewed[0] / "course.html").read_text(encoding="utf-8"))
    assert [word for word in SECRETS if word in html + json.dumps(days)] == []
    assert "4 scans, day 1 to day 16; 1 without a result" in page.text


def test_page_has_every_metric_a_thumbnail_of_each_scan_and_what_changed_most(reviewed):
    page, days = read(reviewed[0])
    measured = {name for day in days["days"] for name in day.get("metrics", ())}
    plots = {name.partition(".")[2] for name in measured}
    assert page.count["img"] == len(plots) + 4 + 4 + 2  # metrics, body, thumbnails with the planning CT, couch
    assert "no result" in page.text and "What changed most" in page.text
    assert re.search(r"Effective diameter of the body against the first scan: -\d+\.\d mm at z = ", page.text)


def test_resumed_review_does_nothing_again_and_gives_the_same(reviewed, scans, main, children, tmp_path):
    shutil.copytree(reviewed[0], tmp_path / "out")
    result = course(main, scans, tmp_path / "out", "--kvct", scans / "ct", "--resume")
    assert result.code == 1
    assert result.stdout.splitlines() == [
        "3 of 4 scans are reviewed (3 of them enhanced before), see course.html in the output folder",
        "Body: day 4, day 16 beyond 5 %",
    ]
    assert children.jobs == {"enhance": 1}  # the damaged one
    for name in ("course.html", "days.json"):
        assert (tmp_path / "out" / name).read_bytes() == (reviewed[0] / name).read_bytes()


def test_resumed_without_the_planning_ct_only_measures_again(reviewed, scans, main, children, tmp_path):
    shutil.copytree(reviewed[0], tmp_path / "out")
    shutil.copytree(scans, tmp_path / "in")
    shutil.rmtree(tmp_path / "in" / "ct")
    result = course(main, tmp_path / "in", tmp_path / "out", "--resume", "--body-change", "12mm", "--identify")
    page, days = read(tmp_path / "out")
    assert children.jobs == {"enhance": 1} and "Body: 2026-01-20 beyond 12 mm" in result.stdout
    assert list(days["days"][0]["body_change"]) == ["first"] and "registration" not in days["days"][0]
    assert days["days"][0]["body"]["z_mm"] == [-6, 0, 6]
    assert days["days"][0]["date"] == "2026-01-05" and "2026-01-05, Secretscan" in page.text
    assert "Couch shifts" not in page.text


def test_structures_of_the_planning_ct_are_brought_to_each_day_without_registering_again(
    reviewed, scans, main, children, tmp_path
):
    planned = read_volume(scans / "ct")
    drawn = np.zeros(planned.array.shape, np.uint8)
    drawn[:, 26:38, 26:38] = 1
    write_volume(planned.with_array(drawn.astype(np.int16)), tmp_path / "drawn.nrrd")
    shutil.copytree(reviewed[0], tmp_path / "out")
    course(main, scans, tmp_path / "out", "--kvct", scans / "ct", "--structures", tmp_path / "drawn.nrrd", "--resume")
    page, days = read(tmp_path / "out")
    assert "register" not in children.jobs
    found = [values for day in days["days"] for values in day.get("structures", {}).values()]
    assert len(found) == 3
    for values in found:
        assert values["mvct"]["mean"] == pytest.approx(20, abs=3) and values["planning_ct"]["mean"] == pytest.approx(
            20, abs=2
        )
        assert values["hu_change"] == pytest.approx(values["enhanced"]["mean"] - values["mvct"]["mean"])
    assert "Mean HU in each structure" in page.text


def test_structures_that_cannot_be_read_are_refused_before_anything_is_written(main, scans, tmp_path, assert_refused):
    result = course(main, scans, tmp_path / "out", "--kvct", scans / "ct", "--structures", tmp_path / "none.dcm")
    assert_refused(result, "none.dcm")


@pytest.mark.thorough
def test_day_that_cannot_be_registered_stays_with_the_reason(reviewed, scans, main, children, tmp_path, monkeypatch):
    from MVCTEnhanceLib.errors import InputError

    def find(self, scan, name, **named):
        raise InputError(f"The {name} was not registered.")

    monkeypatch.setattr("MVCTEnhanceLib.jobs.register.Finder.find", find)
    shutil.copytree(reviewed[0], tmp_path / "out")
    (tmp_path / "out" / "Secretfolder1" / "day.json").write_text("{", encoding="utf-8")
    course(main, scans, tmp_path / "out", "--kvct", scans / "ct", "--resume")
    page, days = read(tmp_path / "out")
    assert days["days"][1]["not_registered"] == "The MVCT was not registered."
    assert days["days"][1]["status"] == "done" and "registration" not in days["days"][1]
    assert "Day 4: The MVCT was not registered." in page.text


def test_files_without_a_patient_and_a_body_that_the_field_cuts_are_told_on_the_page(main, body, tmp_path, children):
    (tmp_path / "in").mkdir()
    write_volume(body(), tmp_path / "in" / "Secret 2026-03-02.nrrd")
    write_volume(body(a=140.0), tmp_path / "in" / "Secret 2026-03-09.nrrd")
    assert course(main, tmp_path / "in", tmp_path / "out").code == 0
    page, days = read(tmp_path / "out")
    assert "2 of 2 scans have no Patient ID, as volume files have none" in page.text
    assert [day["label"] for day in days["days"]] == ["day 1", "day 8"]
    assert days["days"][1]["body_change"]["first"] is None
    assert "Day 8: the field of view cuts the body in 3 of 3 slices: they are not compared." in page.text
    assert "Secret" not in page.text and "No scan differs by more than 5 % from the first scan." in page.text


@pytest.mark.parametrize("limit", ["0%", "5", "five", "-3mm", "3cm"])
def test_limit_that_is_none_is_refused(main, scans, tmp_path, assert_refused, limit):
    assert_refused(course(main, scans, tmp_path / "out", f"--body-change={limit}"), "body-change", "5% or 10mm")


def test_scans_of_two_patients_are_refused_before_anything_is_written(main, body, add_series, tmp_path, assert_refused):
    add_series(tmp_path / "in" / "a", body(), "20260105")
    add_series(tmp_path / "in" / "b", body(), "20260106", PatientID="SECRET-2")
    result = course(main, tmp_path / "in", tmp_path / "out")
    assert_refused(result, "scans of 2 Patient IDs")
    assert "SECRET" not in result.stderr


def test_planning_ct_of_another_patient_is_refused_before_anything_is_written(
    main, body, scans, add_series, tmp_path, assert_refused
):
    add_series(tmp_path / "ct", body(), "20251220", PatientID="SECRET-2")
    result = course(main, scans, tmp_path / "out", "--kvct", tmp_path / "ct")
    assert_refused(result, "another Patient ID")


def test_folder_with_other_things_is_kept(main, scans, tmp_path, assert_refused):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "course.html").write_text("mine", encoding="utf-8")
    for more in ((), ("--resume",)):
        assert_refused(course(main, scans, tmp_path / "out", *more), str(tmp_path / "out"))


def test_course_of_which_nothing_could_be_reviewed_has_no_page(main, tmp_path, children):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.nrrd").write_text("none", encoding="utf-8")
    result = course(main, tmp_path / "in", tmp_path / "out")
    assert (result.code, result.stderr.splitlines()[-1]) == (
        1,
        "mvct-enhance: None of the scans could be reviewed: the reasons are in summary.csv.",
    )
    assert not (tmp_path / "out" / "course.html").exists()


@pytest.mark.thorough
def test_course_in_real_processes_finds_where_each_scan_lies(run, patient, moved, add_series, tmp_path):
    from MVCTEnhanceLib.registration.motion import RigidMotion

    away = np.array([4.0, -3.0, 5.0])
    add_series(tmp_path / "in" / "a", patient(30.0, seed=1), "20260105")
    add_series(tmp_path / "in" / "b", moved(patient(30.0, seed=2), RigidMotion(np.eye(3), away)), "20260106")
    add_series(tmp_path / "ct", patient(8.0), "20251220")
    result = run("course", tmp_path / "in", "--kvct", tmp_path / "ct", "--output", tmp_path / "out")
    assert result.code == 0, result.stderr
    assert "Secret" not in result.stdout + result.stderr
    _, days = read(tmp_path / "out")
    found = [day["registration"]["mvct"]["translation_lps_mm"] for day in days["days"]]
    assert found[0] == pytest.approx([0, 0, 0], abs=0.3) and found[1] == pytest.approx(-away, abs=0.3)
    assert days["days"][1]["body_change"]["first"]["area_percent"] == pytest.approx(0, abs=1.0)
    assert not list((tmp_path / "out").rglob(".partial*")) and InThisProcess.jobs == {}
