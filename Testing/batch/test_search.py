"""Scans that a batch finds below a folder, and their names."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from MVCTEnhanceLib.batch.cases import find_cases
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.io import read_volume, write_dicom_series, write_volume
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.product import Product

SCAN = Volume(np.zeros((3, 8, 8), np.int16), (1.0, 1.0, 3.0))


@pytest.fixture
def root(tmp_path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def find(root):
    """Function: the cases by name, and the warnings."""

    def find():
        warnings = []
        cases = find_cases(root, on_event=lambda event, **fields: warnings.append(fields.get("message")))
        return {case.name: case for case in cases}, [text for text in warnings if text]

    return find


def add_series(folder: Path, *, name: str = "CT", **changes) -> str:
    """A series of three slices in a folder that may hold others; its UID."""
    write_dicom_series(SCAN, folder / "new", description="test")
    for path in sorted((folder / "new").iterdir()):
        ds = pydicom.dcmread(path)
        for keyword, value in changes.items():
            setattr(ds, keyword, value)
        ds.save_as(folder / f"{name}-{path.name}")
        path.unlink()
    (folder / "new").rmdir()
    return ds.SeriesInstanceUID


def test_series_and_volumes_at_any_depth_are_cases(root, find):
    uid = add_series(root / "patient" / "fx1")
    for name in ("day.nrrd", "patient/day.nii.gz", "patient/notes/a.nii", "patient/notes/b.NRRD"):
        (root / name).parent.mkdir(exist_ok=True)
        write_volume(SCAN, root / name.lower())
    (root / "patient/notes/b.nrrd").rename(root / "patient/notes/b.NRRD")
    cases, warnings = find()
    assert {name: str(case.place) for name, case in cases.items()} == {
        "day.nrrd": "day",
        "patient/day.nii.gz": "patient/day",
        "patient/fx1": "patient/fx1",
        "patient/notes/a.nii": "patient/notes/a",
        "patient/notes/b.NRRD": "patient/notes/b",
    }
    assert list(cases) == sorted(cases)
    assert [case.is_dicom for case in cases.values()] == [False, False, True, False, False]
    assert cases["patient/fx1"].key == f"patient/fx1#{uid}"
    assert warnings == []


def test_what_is_found_can_be_read(root, find):
    add_series(root / "a")
    add_series(root / "two", name="x")
    add_series(root / "two", name="y")
    write_volume(SCAN, root / "two" / "c.nrrd")
    cases, _ = find()
    assert len(cases) == 4
    for case in cases.values():
        volume = read_volume(case.source, series_uid=case.series_uid)
        assert volume.array.shape == (3, 8, 8)
        if case.is_dicom:
            assert case.key.endswith(f"#{volume.source.series_uid}")


def test_several_series_in_one_folder_are_told_apart_by_their_uid(root, find):
    uids = sorted([add_series(root / "study", name="x"), add_series(root / "study", name="y")])
    cases, _ = find()
    assert list(cases) == [f"study#{uid}" for uid in uids]
    assert [str(case.place) for case in cases.values()] == ["study/ct-1", "study/ct-2"]


def test_series_above_another_case_leaves_the_folder_to_it(root, find):
    add_series(root / "study")
    add_series(root / "study" / "fx1")
    cases, _ = find()
    assert {name: str(case.place) for name, case in cases.items()} == {"study": "study/ct-1", "study/fx1": "study/fx1"}


def test_series_in_the_input_folder_itself_has_a_place(root, find):
    add_series(root)
    cases, _ = find()
    assert {name: str(case.place) for name, case in cases.items()} == {".": "ct-1"}


def test_volumes_of_one_name_have_places_apart(root, find):
    for name in ("scan.nrrd", "Scan.nii.gz", "scan.mha", "other.nrrd"):
        write_volume(SCAN, root / name)
    cases, _ = find()
    assert {name: str(case.place) for name, case in cases.items()} == {
        "Scan.nii.gz": "Scan-nii.gz",
        "other.nrrd": "other",
        "scan.mha": "scan-mha",
        "scan.nrrd": "scan-nrrd",
    }


def test_what_is_no_ct_scan_is_counted_and_passed_over(root, find):
    add_series(root / "a", name="ct")
    add_series(root / "a", name="mr", Modality="MR")
    add_series(root / "a", name="scout", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    write_volume(SCAN, root / "a" / "Segmentation.seg.nrrd")
    (root / "a" / "notes.txt").write_text("no scan")
    cases, warnings = find()
    assert list(cases) == ["a"]
    assert warnings == ["3 DICOM series or segmentations are no CT scans: passed over."]


def add_outputs(root: Path) -> int:
    """A DICOM series in two folders and files of every format that this program made; how many there are."""
    for kind, name in (
        ("enhanced", "e.nrrd"),
        ("difference", "d.nii"),
        ("cycle error", "c.nii.gz"),
        ("enhanced", "m.mha"),
    ):
        write_volume(replace(SCAN, product=Product(kind, "ab12")), root / name)
    write_dicom_series(replace(SCAN, product=Product("enhanced", "ab12")), root / "out", description="x")
    (root / "more").mkdir()
    last = max((root / "out").iterdir())
    last.rename(root / "more" / last.name)
    return 5


def test_own_outputs_are_counted_and_passed_over(root, find, monkeypatch):
    write_volume(SCAN, root / "mvct.nrrd")
    write_dicom_series(SCAN, root / "dicom", description="Simulated MVCT", derivation="MVCT simulated from a kVCT")
    count = add_outputs(root)
    monkeypatch.setattr("SimpleITK.ReadImage", None)  # headers are enough, of thousands of files
    cases, warnings = find()
    assert list(cases) == ["dicom", "mvct.nrrd"]
    assert warnings == [f"{count} outputs of this program (such as enhanced scans) are no MVCT: passed over."]
    own = []
    find_cases(root, own_outputs=own)
    assert sorted(product.kind for product in own) == ["cycle error", "difference", "enhanced", "enhanced", "enhanced"]


def test_folder_of_nothing_but_own_outputs_is_refused_as_such(root):
    count = add_outputs(root)
    with pytest.raises(InputError, match=f"holds no scan but {count} outputs of this program"):
        find_cases(root)


def test_hidden_files_and_links_to_folders_are_passed_over(root, find, tmp_path):
    write_volume(SCAN, root / "scan.nrrd")
    write_volume(SCAN, root / ".hidden.nrrd")
    (root / ".partial-1").mkdir()
    write_volume(SCAN, root / ".partial-1" / "scan.nrrd")
    if os.name != "nt":
        (root / "loop").symlink_to(root, target_is_directory=True)
    assert list(find()[0]) == ["scan.nrrd"]


def test_damaged_dicom_without_a_series_is_a_case_that_says_so(root, find):
    (root / "a").mkdir()
    (root / "a" / "CT1.dcm").write_bytes(b"")
    cases, _ = find()
    assert list(cases) == ["a/CT1.dcm"]
    with pytest.raises(InputError, match="damaged"):
        read_volume(cases["a/CT1.dcm"].source)


def test_series_beside_a_damaged_file_says_so(root, find):
    add_series(root / "a")
    (root / "a" / "CT9.dcm").write_bytes(b"")
    cases, _ = find()
    assert list(cases) == ["a"]
    with pytest.raises(InputError, match=r"CT9\.dcm is a damaged"):
        read_volume(cases["a"].source)


def test_multi_frame_ct_is_a_case_that_says_so(root, find):
    add_series(root / "a", NumberOfFrames=2)
    cases, _ = find()
    with pytest.raises(InputError, match="multi-frame"):
        read_volume(cases["a"].source)


def test_series_split_over_folders_is_one_case(root, find):
    uid = add_series(root / "study" / "part1")
    (root / "study" / "part2").mkdir()
    last = sorted((root / "study" / "part1").iterdir())[-1]
    last.rename(root / "study" / "part2" / last.name)
    cases, _ = find()
    (case,) = cases.values()
    assert (case.name, case.source, case.series_uid) == ("study", root / "study", uid)
    assert read_volume(case.source, series_uid=case.series_uid).array.shape == (3, 8, 8)


def test_copies_of_a_series_are_cases_of_their_own(root, find):
    add_series(root / "a")
    (root / "b").mkdir()
    for path in (root / "a").iterdir():
        (root / "b" / path.name).write_bytes(path.read_bytes())
    cases, _ = find()
    assert list(cases) == ["a", "b"]
    assert len({case.key for case in cases.values()}) == 2


def test_any_change_of_a_scan_changes_its_fingerprint_only(root, find):
    add_series(root / "a")
    write_volume(SCAN, root / "b.nrrd")
    before = {name: case.fingerprint for name, case in find()[0].items()}
    assert {name: case.fingerprint for name, case in find()[0].items()} == before
    add_series(root / "a", name="other")
    assert find()[0]["b.nrrd"].fingerprint == before["b.nrrd"]
    assert before["a"] in {case.fingerprint for case in find()[0].values()}

    write_volume(SCAN.with_array(SCAN.array + 1), root / "b.nrrd")
    assert find()[0]["b.nrrd"].fingerprint != before["b.nrrd"]
    next(path for path in (root / "a").iterdir() if path.name.startswith("CT-")).unlink()
    assert before["a"] not in {case.fingerprint for case in find()[0].values()}


def test_voxels_of_a_detached_header_count_too(root, find):
    header = "ObjectType = Image\nNDims = 3\nDimSize = 8 8 3\nElementType = MET_SHORT\nElementDataFile = scan.raw\n"
    (root / "scan.mhd").write_text(header)
    (root / "scan.raw").write_bytes(SCAN.array.tobytes())
    before = find()[0]["scan.mhd"]
    assert read_volume(before.source).array.shape == (3, 8, 8)
    (root / "scan.raw").write_bytes((SCAN.array + 1).tobytes())
    os.utime(root / "scan.raw", ns=(1, 1))
    assert find()[0]["scan.mhd"].fingerprint != before.fingerprint


def test_fingerprint_stays_when_the_cohort_is_moved(root, find):
    add_series(root / "a")
    before = find()[0]["a"]
    root.rename(root.with_name("moved"))
    (after,) = find_cases(root.with_name("moved"))
    assert replace(after, source=before.source) == before


@pytest.mark.parametrize("content", ["nothing", "text"])
def test_folder_without_scans_is_refused(root, content):
    if content == "text":
        (root / "a.txt").write_text("no scan")
    with pytest.raises(InputError, match="holds no CT series and no volume file"):
        find_cases(root)


def test_file_is_no_folder_of_scans(root):
    write_volume(SCAN, root / "a.nrrd")
    with pytest.raises(InputError, match="is no folder"):
        find_cases(root / "a.nrrd")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="file names of any bytes as Linux has them")
def test_file_name_that_is_no_text_is_found(root, find):
    write_volume(SCAN, root / "scan.nrrd")
    os.rename(root / "scan.nrrd", os.fsencode(root) + b"/sc\xffn.nrrd")  # noqa: PTH104 (bytes)
    (case,) = find()[0].values()
    assert case.source.is_file()
