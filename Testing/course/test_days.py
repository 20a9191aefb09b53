"""The order of a course's scans, what they are called, and that they are of one patient."""

from dataclasses import replace
from pathlib import Path

import pytest
from MVCTEnhanceLib.batch.cases import find_cases
from MVCTEnhanceLib.course.days import course_warnings, days_of, without_names
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.io import write_volume


@pytest.fixture
def root(tmp_path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def labels(root):
    return {day.case.name: day.label for day in days_of(find_cases(root))}


def test_days_count_from_the_first_date_in_the_order_of_acquisition(root, body, add_series):
    for name, date, time in (("c", "20260105", "09"), ("a", "20260116", "15"), ("b", "20260116", "08")):
        add_series(root / name, body(), date, AcquisitionTime=f"{time}0000")
    assert list(labels(root).items()) == [("c", "day 1"), ("b", "day 12"), ("a", "day 12, scan 2")]
    days = days_of(find_cases(root))
    assert [(day.row, day.at, day.date) for day in days] == [
        (3, 1.0, "2026-01-05"),
        (2, 12.0, "2026-01-16"),
        (1, 12.5, "2026-01-16"),
    ]
    assert days[0].name == "2026-01-05, Secretscan"


def test_volume_files_have_the_date_of_their_name_and_those_without_come_last(root, body):
    for name in (
        "b.nrrd",
        "scan 2026-02-03.nrrd",
        "2026-02-01 a.nii.gz",
        "a.nrrd",
        "2026-99-01.nrrd",
        "12026-02-011.nrrd",
    ):
        write_volume(body(), root / name)
    assert list(labels(root).items()) == [
        ("2026-02-01 a.nii.gz", "day 1"),
        ("scan 2026-02-03.nrrd", "day 3"),
        ("12026-02-011.nrrd", "scan 3"),
        ("2026-99-01.nrrd", "scan 4"),
        ("a.nrrd", "scan 5"),
        ("b.nrrd", "scan 6"),
    ]
    assert course_warnings(find_cases(root), "")[0].startswith("6 of 6 scans have no Patient ID, as volume files")
    assert course_warnings(find_cases(root), "")[1].startswith("4 of 6 scans have no date of acquisition")


def test_scans_of_two_patients_are_refused_without_naming_them(root, body, add_series):
    add_series(root / "a", body(), "20260105")
    add_series(root / "b", body(), "20260106", PatientID="SECRET-2")
    write_volume(body(), root / "c.nrrd")
    with pytest.raises(InputError, match="scans of 2 Patient IDs") as refused:
        course_warnings(find_cases(root), "")
    assert "SECRET" not in str(refused.value)


def test_planning_ct_of_another_patient_is_refused(root, body, add_series):
    add_series(root / "a", body(), "20260105")
    assert course_warnings(find_cases(root), "SECRET-1") == ()
    with pytest.raises(InputError, match="planning CT has another Patient ID"):
        course_warnings(find_cases(root), "SECRET-2")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("scan/CT0001.dcm is damaged and may be a slice.", "The scan is damaged and may be a slice."),
        ("'scan' holds no scan in a scan.", "The scan holds no scan in a scan."),
        ("Series 1.2.3 in scan has no slices.", "The scan in the scan has no slices."),
        ("The scan was too short.", "The scan was too short."),
    ],
)  # fmt: skip
def test_reasons_are_told_without_names_of_files_and_folders(root, body, add_series, text, told):
    add_series(root / "scan", body(), "20260105")
    (case,) = find_cases(root)
    case = replace(case, header=replace(case.header, series_uid="1.2.3"))
    assert without_names(text, case) == told
