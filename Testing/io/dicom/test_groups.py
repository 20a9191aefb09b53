"""DICOM images are put together to scans by patient, study, frame of reference, date, acquisition and folder.

Each folder is read as a whole and searched for the cases of a batch, which must agree.
"""

import shutil

import numpy as np
import pydicom
import pytest
from MVCTEnhanceLib.batch.cases import find_cases
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.io import read_volume
from pydicom.uid import generate_uid

OTHER = {
    "PatientID": "other-secret",
    "PatientName": "Other^Secret",
    "StudyInstanceUID": "1.9",
    "FrameOfReferenceUID": "1.8",
}


@pytest.fixture
def add(tmp_path, make_slice):
    """Function: write slices that share the headers of all others but for `elements` and what `change` does to each."""

    def add(place="scan/A", *, slices=4, z=0, step=4, first=1, change=lambda ds, k: None, **elements):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        for k in range(slices):
            numbers = {"ImagePositionPatient": [-10, -20, z + step * k], "InstanceNumber": first + k}
            ds = make_slice(**(numbers | {"AcquisitionDate": "20240315", "AcquisitionNumber": 1} | elements))
            change(ds, k)
            pydicom.dcmwrite(path.with_name(f"{path.name}{k}.dcm"), ds, enforce_file_format=True)
        return tmp_path / place.split("/")[0]

    return add


def cases(folder):
    """Of a batch: for each the slices that were read, and the names of their files."""
    found = []
    for case in find_cases(folder):
        volume = read_volume(case.source, series_uid=case.series_uid)
        found.append((len(volume.array), {path.name[0] for path in volume.source.files}))
    return found


def refusal(folder, **options):
    with pytest.raises(InputError) as caught:
        read_volume(folder, **options)
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".") and "ecret" not in message
    return message


@pytest.mark.parametrize("z", [0, 2, 16], ids=["same positions", "between", "above"])
@pytest.mark.parametrize(
    ("reason", "elements"),
    [
        ("Patient ID", OTHER),
        ("Patient ID", {"PatientID": "other-secret"}),
        ("Patient ID", {"PatientID": "", "PatientName": "Other^Secret"}),
        ("Patient's Name", {"PatientName": "Other^Secret"}),
        ("Study Instance UID", {"StudyInstanceUID": "1.9"}),
        ("Frame of Reference UID", {"FrameOfReferenceUID": "1.9"}),
        ("Acquisition Date", {"AcquisitionDate": "20240316"}),
        ("Acquisition Date", {"AcquisitionDate": "20240318", "first": 9}),
    ],
)
def test_two_scans_under_one_uid_are_never_one_volume(add, reason, elements, z):
    folder = add("scan/A")
    add("scan/B", z=z, **elements)
    message = refusal(folder)
    assert f"2 scans under one Series Instance UID (1.2.3), which differ in {reason}" in message
    assert "A0.dcm (CT, test scan, 2024-03-15, series 7, 4 slices); B0.dcm (" in message
    refusal(folder, series_uid="1.2.3")
    assert cases(folder) == [(4, {"A"}), (4, {"B"})]
    chosen = read_volume(folder, series_uid="B1.dcm")
    assert chosen.origin[2] == z and {path.name[0] for path in chosen.source.files} == {"B"}
    np.testing.assert_array_equal(read_volume(folder / "B3.dcm").array, chosen.array)


@pytest.mark.parametrize("z", [0, 16], ids=["same positions", "above"])
def test_two_patients_in_folders_of_their_own_are_two_cases(add, z):
    folder = add("scan/a/A")
    add("scan/b/B", z=z, **OTHER)
    assert "a/A0.dcm" in refusal(folder) and "b/B0.dcm" in refusal(folder)
    assert cases(folder) == [(4, {"A"}), (4, {"B"})]


def test_two_patients_of_whom_both_are_spread_over_folders(add):
    for part, (z, first) in enumerate([(0, 1), (16, 5)]):
        folder = add(f"scan/{part}/A", z=z, first=first)
        add(f"scan/{part}/B", z=z, first=first, **OTHER)
    assert cases(folder) == [(8, {"A"}), (8, {"B"})]


def test_three_patients_two_of_whom_have_no_id(add):
    folder = add("scan/A")
    add("scan/B", z=16, PatientID="", PatientName="One")
    add("scan/C", z=32, PatientID="", PatientName="Two")
    assert "3 scans" in refusal(folder)
    assert len(cases(folder)) == 3


def test_the_same_patient_spelled_in_another_way_is_one(add):
    folder = add("scan/A")
    add("scan/B", z=16, first=5, PatientID="secret-id ", PatientName="SECRET^NAME^")
    assert read_volume(folder).warnings == ()
    assert cases(folder) == [(8, {"A", "B"})]


def test_bytes_that_no_character_set_explains_tell_patients_apart(add):
    def identify(value):
        return lambda ds, k: ds.add_new("PatientID", "UN", value) or setattr(ds, "SpecificCharacterSet", "ISO_IR 192")

    folder = add("scan/A", change=identify(b"J\xfc-01"))
    add("scan/B", z=16, change=identify(b"J\xf6-01"))
    assert cases(folder) == [(4, {"A"}), (4, {"B"})]


def test_a_study_for_each_slice_as_simpleitk_writes_it_is_one_scan(add):
    def change(ds, k):
        ds.StudyInstanceUID = generate_uid()
        del ds.FrameOfReferenceUID

    folder = add("scan/A", change=change)
    volume = read_volume(folder)
    assert len(volume.array) == 4 and len(volume.warnings) == 1 and "differ in their Study" in volume.warnings[0]
    assert cases(folder) == [(4, {"A"})]


@pytest.mark.parametrize("times", [("235930", "000010.5"), ("101500", "101500"), (None, None)])
def test_a_scan_across_midnight_is_one(add, times):
    folder = add("scan/A", AcquisitionDate="20240229", AcquisitionTime=times[0] or "")
    add("scan/B", z=16, first=5, AcquisitionDate="20240301", AcquisitionTime=times[1] or "")
    (warning,) = read_volume(folder).warnings
    assert "differ in their acquisition date" in warning and "2024" not in warning
    assert cases(folder) == [(8, {"A", "B"})]


@pytest.mark.parametrize(
    "second",
    [
        {"AcquisitionDate": "20240316", "AcquisitionTime": "101000"},  # a day later
        {"AcquisitionDate": "20240317", "AcquisitionTime": "000010"},
        {"AcquisitionDate": "20240316", "AcquisitionTime": "000010", "z": 18},
    ],
)
def test_what_does_not_go_on_at_midnight_is_another_scan(add, second):
    folder = add("scan/A", AcquisitionTime="235930")
    add("scan/B", **({"z": 16, "first": 5} | second))
    assert len(cases(folder)) == 2


def test_a_stray_slice_without_study_frame_or_date_stays_in_its_scan(add):
    def change(ds, k):
        if k == 2:
            for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "AcquisitionDate"):
                setattr(ds, keyword, "")

    folder = add("scan/A", change=change)
    assert len(read_volume(folder).warnings) == 1
    assert cases(folder) == [(4, {"A"})]


def test_one_slice_of_another_study_is_not_taken_into_a_gap(add):
    folder = add("scan/A", slices=2)
    add("scan/B", slices=1, z=8, first=3, StudyInstanceUID="1.9")
    add("scan/C", slices=2, z=12, first=4)
    assert "differ in Study" in refusal(folder)


@pytest.mark.parametrize("shift", [(0, 0, 0.7), (0.7, 0, 0), (0, 0, 0)])
def test_a_couch_shift_between_folders_makes_two_scans(add, shift):
    def change(ds, k):
        ds.ImagePositionPatient = [-10 + shift[0], -20, 4 * k + shift[2]]

    folder = add("scan/a/A")
    add("scan/b/B", change=change)
    assert cases(folder) == [(4, {"A"}), (4, {"B"})]
    assert "differ in folder or position" in refusal(folder)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"z": 16, "first": 5}),
        ({"step": 8}, {"z": 4, "step": 8, "first": 5}),
        ({"slices": 1}, {"z": 4, "first": 2}),
    ],
    ids=["consecutive", "interleaved", "one slice"],
)
def test_one_stack_over_several_folders_is_one_scan(add, first, second):
    folder = add("scan/a/A", **first)
    add("scan/b/B", **second)
    assert read_volume(folder).warnings == ()
    ((slices, letters),) = cases(folder)
    assert letters == {"A", "B"} and slices == first.get("slices", 4) + 4


def test_slices_numbered_anew_in_each_folder_are_one_scan_with_a_warning(add):
    folder = add("scan/a/A")
    add("scan/b/B", z=16)
    (warning,) = read_volume(folder).warnings
    assert "same Instance Number" in warning


def test_a_slice_missing_between_folders_is_told(add):
    folder = add("scan/a/A")
    add("scan/b/B", z=20, first=6)
    assert "lacks 1 slice" in refusal(folder)
    assert len(find_cases(folder)) == 1


def test_phases_are_taken_apart_by_acquisition_number_only_where_positions_repeat(add):
    folder = add("phases/A")
    add("phases/B", AcquisitionNumber=2)
    assert "differ in Acquisition Number" in refusal(folder)
    assert cases(folder) == [(4, {"A"}), (4, {"B"})]
    one = add("one/A", change=lambda ds, k: setattr(ds, "AcquisitionNumber", k))
    add("one/B", z=16, first=5, AcquisitionNumber=9)
    assert read_volume(one).warnings == () and cases(one) == [(8, {"A", "B"})]


@pytest.mark.parametrize(
    ("modality", "sop_class"),
    [("RTSTRUCT", "481.3"), ("RTDOSE", "481.2"), ("REG", "66.1"), ("SR", "88.33"), ("PR", "11.1"), ("CT", "7")],
)
def test_other_objects_under_the_uid_of_a_ct_are_left_out_with_a_warning(add, modality, sop_class):
    folder = add("scan/A")
    add(
        "scan/X",
        slices=1,
        Modality=modality,
        SOPClassUID=f"1.2.840.10008.5.1.4.1.1.{sop_class}",
        ImagePositionPatient=None,
        ImageOrientationPatient=None,
        Rows=None,
    )
    volume = read_volume(folder)
    assert len(volume.array) == 4 and f"1 of modality {modality}" in volume.warnings[0]
    assert cases(folder) == [(4, {"A"})]
    assert len(read_volume(folder, series_uid="1.2.3").array) == 4


def test_an_mr_image_that_claims_to_be_a_ct_slice_is_no_reason_to_go_on(add):
    folder = add("scan/A")
    add("scan/B", slices=1, z=16, Modality="MR")
    assert "modality MR" in refusal(folder)


def own_uids(*keywords):
    def change(ds, k):
        for keyword in keywords:
            setattr(ds, keyword, generate_uid())

    return change


def test_a_series_uid_for_each_slice_is_one_scan_where_all_else_agrees(add):
    folder = add("scan/A", slices=12, change=own_uids("SeriesInstanceUID"))
    volume = read_volume(folder)
    assert len(volume.array) == 12
    assert len(volume.warnings) == 1 and "Series Instance UID of its own: all 12" in volume.warnings[0]
    assert cases(folder) == [(12, {"A"})]


@pytest.mark.parametrize("spoil", ["studies and frames", "a gap"])
def test_a_series_uid_for_each_slice_is_one_short_refusal_where_something_differs(add, spoil):
    uids = ["SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID"][: 3 if spoil.startswith("studies") else 1]
    folder = add("scan/A", slices=12, change=own_uids(*uids))
    if spoil == "a gap":
        (folder / "A5.dcm").unlink()
    message = refusal(folder)
    assert "each have a Series Instance UID of their own" in message and len(message) < 300
    assert len(find_cases(folder)) == 1


def test_two_scans_with_a_series_uid_for_each_slice_are_two(add):
    folder = add("scan/A", change=own_uids("SeriesInstanceUID"))
    add("scan/B", change=own_uids("SeriesInstanceUID"), **OTHER)
    assert sorted(cases(folder), key=str) == [(4, {"A"}), (4, {"B"})]


def test_single_slices_at_one_place_stay_series_of_their_own(add):
    folder = add("scan/A", step=0, change=own_uids("SeriesInstanceUID"))
    assert cases(folder) == [(1, {"A"})] * 4


def test_no_series_uid_at_all_is_one_scan_where_nothing_else_lies_in_the_folder(add):
    folder = add("scan/A", SeriesInstanceUID=None)
    volume = read_volume(folder)
    assert len(volume.array) == 4 and "no Series Instance UID" in volume.warnings[0]
    assert cases(folder) == [(4, {"A"})]


def test_no_series_uid_beside_another_scan_is_told(add):
    folder = add("scan/A", SeriesInstanceUID=None)
    add("scan/B", z=16)
    message = refusal(folder)
    assert "A0.dcm has no Series Instance UID (and 3 more)" in message and "damaged" not in message
    refusal(folder / "B0.dcm")


def test_copies_of_a_scan_are_cases_of_their_own_but_one_scan_where_their_folder_is_read(add):
    folder = add("scan/a/A")
    shutil.copytree(folder / "a", folder / "b")
    assert len(cases(folder)) == 2
    volume = read_volume(folder)
    assert len(volume.array) == 4 and "4 files twice" in volume.warnings[0]
    shutil.copy(folder / "a" / "A0.dcm", folder / "a" / "Z.dcm")
    assert len(read_volume(folder / "a" / "Z.dcm").array) == 4


def test_a_long_list_of_series_is_cut(add):
    for n in range(14):
        folder = add(f"scan/{n}/A", slices=2, series_uid=f"1.2.{n + 10}", Manufacturer="Some Maker")
    message = refusal(folder)
    assert message.count("Some Maker") == 10 and message.endswith("; and 4 more.")
    assert "1.2.10 (CT, test scan, 2024-03-15, series 7, Some Maker, 2 slices); 1.2.11 (" in message
