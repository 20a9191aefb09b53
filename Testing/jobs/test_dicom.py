"""A volume file becomes a series of the patient that its MVCT came from, slice by slice by place."""

import json
from dataclasses import astuple, replace
from itertools import product

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from MVCTEnhanceLib.io import read_volume, write_dicom_series, write_volume
from MVCTEnhanceLib.jobs.evaluate import measure
from MVCTEnhanceLib.jobs.series_texts import series_texts
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.grid import digest
from MVCTEnhanceLib.volume.itk import to_itk
from MVCTEnhanceLib.volume.product import Product


@pytest.fixture
def enhanced(mvct) -> Volume:
    """Other values on the MVCT's grid, all different from slice to slice."""
    return mvct.with_array((mvct.array // 2 + 100 * np.arange(4)[:, None, None]).astype(np.int16))


@pytest.fixture
def enhanced_file(tmp_path, enhanced):
    write_volume(enhanced, tmp_path / "enhanced.nrrd")
    return tmp_path / "enhanced.nrrd"


def slices(folder):
    """Headers and pixels by their position along z, by pydicom alone."""
    datasets = [pydicom.dcmread(path) for path in folder.iterdir()]
    return {float(ds.ImagePositionPatient[2]): ds for ds in datasets}


def hu(ds):
    return ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept)


@pytest.mark.parametrize("flips", list(product([False, True], repeat=3)))
def test_each_slice_has_the_header_of_the_source_at_its_place(main, dicom_scan, enhanced, tmp_path, flips):
    """In whatever order the file keeps slices, rows and columns."""
    sitk.WriteImage(sitk.Flip(to_itk(enhanced), flips), str(tmp_path / "turned.nrrd"))
    result = main("dicom", tmp_path / "turned.nrrd", "--output", tmp_path / "out", "--source", dicom_scan, "--json")
    assert (result.code, result.stderr) == (0, "")
    assert result.json() == {"slices": 4, "warnings": []}
    source, derived = slices(dicom_scan), slices(tmp_path / "out")
    assert set(derived) == set(source)
    for k, z in enumerate(sorted(derived)):
        before, after = source[z], derived[z]
        np.testing.assert_array_equal(hu(after), enhanced.array[k])
        assert after.SourceImageSequence[0].ReferencedSOPInstanceUID == before.SOPInstanceUID
        for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "FrameOfReferenceUID", "ImagePositionPatient"):
            assert after[keyword].value == before[keyword].value
        assert list(after.ImageType) == ["DERIVED", "SECONDARY", "AXIAL"]
        assert after.SeriesDescription == "MVCT enhanced, research only"
        assert "not for dose calculation or diagnosis" in after.ImageComments and "not assessed" in after.ImageComments
        assert "MVCTEnhance" in after.DerivationDescription
    assert {ds.SeriesInstanceUID for ds in derived.values()}.isdisjoint(
        {ds.SeriesInstanceUID for ds in source.values()}
    )


def test_source_files_in_any_order_are_matched_by_place(main, dicom_scan, enhanced_file, enhanced, tmp_path):
    for n, path in enumerate(sorted(dicom_scan.iterdir(), reverse=True)):
        path.rename(dicom_scan / f"A{n}.dcm")
    assert main("dicom", enhanced_file, "--output", tmp_path / "out", "--source", dicom_scan).code == 0
    np.testing.assert_array_equal(read_volume(tmp_path / "out").array, enhanced.array)


def test_difference_map_keeps_its_values_and_gets_its_own_name(main, dicom_scan, mvct, tmp_path):
    """-3000 HU of a change is no padding of a scanner."""
    difference = np.full(mvct.array.shape, -3000, np.int16)
    write_volume(mvct.with_array(difference), tmp_path / "difference.nrrd")
    texts = ["--description", "Difference in HU", "--derivation", "Enhanced - MVCT by model x"]
    arguments = ["--output", tmp_path / "out", "--source", dicom_scan, *texts]
    result = main("dicom", tmp_path / "difference.nrrd", *arguments)
    assert (result.code, result.stderr) == (0, "")
    for ds in slices(tmp_path / "out").values():
        assert (hu(ds) == -3000).all()
        assert (ds.SeriesDescription, ds.DerivationDescription) == tuple(texts[1::2])


def test_series_without_a_source_is_anonymous_and_said_to_be(main, enhanced_file, enhanced, tmp_path):
    result = main("dicom", enhanced_file, "--output", tmp_path / "out", "--json")
    assert result.code == 0
    (warning,) = result.json()["warnings"]
    assert result.stderr == f"Warning: {warning}\n" and "anonymous" in warning
    for ds in slices(tmp_path / "out").values():
        assert ds.PatientName == "Anonymous" and ds.ImageType[0] == "DERIVED"
    np.testing.assert_array_equal(read_volume(tmp_path / "out").array, enhanced.array)


@pytest.fixture
def readouts(mvct, enhanced):
    """Readouts of the enhanced scan with verdicts of all kinds."""
    measured = measure(mvct, enhanced, on_event=lambda event, **fields: None)
    verdicts = ["as expected", "look closer", "do not trust", "not applicable", "look closer"]
    return measured.to_dict() | {
        "program": "MVCTEnhance 9.8",
        "model": {"name": "mine", "version": "3", "sha256": "a1" * 32},
        "input": {"sha256": digest(mvct)},
        "verdicts": {"enhanced": {f"v{n}": {"verdict": verdict, "reason": "."} for n, verdict in enumerate(verdicts)}},
    }


def test_assessment_and_model_travel_with_the_series(main, dicom_scan, enhanced_file, readouts, tmp_path):
    (tmp_path / "readouts.json").write_text(json.dumps(readouts))
    arguments = ["--output", tmp_path / "out", "--source", dicom_scan, "--readouts", tmp_path / "readouts.json"]
    assert main("dicom", enhanced_file, *arguments, "--force").code == 0
    for ds in slices(tmp_path / "out").values():
        for words in ("research only", "dose calculation", "MVCTEnhance 9.8", "model mine 3", "a1" * 32):
            assert words.lower() in ds.ImageComments.lower()
        assert "DO NOT TRUST this result: v2 of enhanced." in ds.ImageComments
        assert "Assessment of 4 image-quality metrics: 1 'do not trust', 2 'look closer'" in ds.ImageComments
        assert len(ds.ImageComments) < 10240 and ds.ImageComments.isascii()
    assert read_volume(tmp_path / "out").product == Product("enhanced", readouts["input"]["sha256"])


@pytest.mark.parametrize("kind", ["enhanced", "difference", "correction", "cycle error"])
def test_kind_of_the_file_or_of_the_option_gives_the_texts(main, dicom_scan, mvct, enhanced, tmp_path, kind):
    write_volume(replace(enhanced, product=Product(kind, digest(mvct))), tmp_path / "told.nrrd")
    write_volume(enhanced, tmp_path / "untold.nrrd")
    source = ["--source", dicom_scan, "--json"]
    for name, option in (("told", []), ("untold", ["--kind", kind.replace(" ", "-")])):
        result = main("dicom", tmp_path / f"{name}.nrrd", "--output", tmp_path / name, *source, *option)
        assert result.json()["warnings"] == []
    told, untold = (next(iter(slices(tmp_path / name).values())) for name in ("told", "untold"))
    for keyword in ("SeriesDescription", "DerivationDescription", "ImageComments", "SeriesNumber"):
        assert told[keyword].value == untold[keyword].value
    assert told.SeriesDescription.endswith(", research only") and len(told.SeriesDescription) <= 64
    assert read_volume(tmp_path / "untold").product.kind == kind


def test_kinds_have_other_texts_and_numbers():
    texts = [series_texts(Product(kind), None) for kind in ("enhanced", "difference", "correction", "cycle error")]
    for of_one_kind in zip(*map(astuple, texts), strict=True):
        assert len(set(of_one_kind)) >= 3  # of values that are no HU of tissue, two say so in the same words


def test_map_that_does_not_say_what_it_is_is_doubted(main, dicom_scan, mvct, tmp_path):
    write_volume(mvct.with_array(np.zeros_like(mvct.array)), tmp_path / "map.nrrd")
    result = main("dicom", tmp_path / "map.nrrd", "--output", tmp_path / "out", "--source", dicom_scan, "--json")
    (warning,) = result.json()["warnings"]
    assert "--kind" in warning


def test_readouts_of_another_scan_are_refused(main, dicom_scan, mvct, enhanced, readouts, tmp_path, assert_refused):
    write_volume(replace(enhanced, product=Product("enhanced", "ab" * 32)), tmp_path / "other.nrrd")
    shorter = Volume(enhanced.array[1:], enhanced.spacing, enhanced.origin, enhanced.direction)
    write_volume(shorter, tmp_path / "shorter.nrrd")
    (tmp_path / "readouts.json").write_text(json.dumps(readouts))
    (tmp_path / "none.json").write_text("{}")
    arguments = ["--output", tmp_path / "out", "--readouts"]
    assert_refused(main("dicom", tmp_path / "other.nrrd", *arguments, tmp_path / "readouts.json"), "another MVCT")
    assert_refused(main("dicom", tmp_path / "shorter.nrrd", *arguments, tmp_path / "readouts.json"), "of 4 slices")
    assert_refused(main("dicom", tmp_path / "other.nrrd", *arguments, tmp_path / "none.json"), "no metrics")


def test_source_in_pieces_becomes_one_study_and_it_is_said(main, dicom_scan, enhanced_file, tmp_path):
    for n, path in enumerate(dicom_scan.iterdir()):
        ds = pydicom.dcmread(path)
        ds.StudyInstanceUID = f"1.2.{n + 1}"
        ds.save_as(path)
    arguments = ["--output", tmp_path / "out", "--source", dicom_scan]
    result = main("dicom", enhanced_file, *arguments)
    assert result.code == 0 and "Study Instance UID" in result.stderr
    assert len({ds.StudyInstanceUID for ds in slices(tmp_path / "out").values()}) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda scan: Volume(scan.array[1:], scan.spacing, scan.origin, scan.direction),
        lambda scan: Volume(scan.array[:, 1:], scan.spacing, scan.origin, scan.direction),
        lambda scan: Volume(scan.array, (1.0, 1.0, 6.0), scan.origin, scan.direction),
        lambda scan: Volume(scan.array, scan.spacing, tuple(np.add(scan.origin, (0, 0, 6.0))), scan.direction),
    ],
    ids=["fewer slices", "cropped", "another pixel size", "one slice further"],
)
def test_volume_that_is_not_of_the_source_is_refused(main, dicom_scan, enhanced, tmp_path, change, assert_refused):
    write_volume(change(enhanced), tmp_path / "other.nrrd")
    arguments = ["--output", tmp_path / "out", "--source", dicom_scan]
    assert_refused(main("dicom", tmp_path / "other.nrrd", *arguments), "other.nrrd", "slices of", "was made of")


def test_source_of_several_series_needs_its_uid(main, dicom_scan, mvct, enhanced_file, tmp_path, assert_refused):
    uid = pydicom.dcmread(next(dicom_scan.iterdir())).SeriesInstanceUID
    write_dicom_series(mvct, dicom_scan / "second", description="second")
    arguments = ["--output", tmp_path / "out", "--source", dicom_scan]
    assert_refused(main("dicom", enhanced_file, *arguments), "choose one by its UID")
    assert main("dicom", enhanced_file, *arguments, "--series-uid", uid).code == 0
    assert next(iter(slices(tmp_path / "out").values())).PatientName == "Secretname^Given"


def test_places_that_cannot_be_are_refused(main, dicom_scan, enhanced_file, tmp_path, assert_refused):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("kept")
    source = ["--source", dicom_scan]
    assert_refused(main("dicom", enhanced_file, "--output", tmp_path / "full", *source), "is not empty")
    assert_refused(main("dicom", enhanced_file, "--output", tmp_path / "out.nrrd", *source), "named like a volume file")
    assert_refused(
        main("dicom", enhanced_file, "--output", dicom_scan / "in", *source), "inside the folder of an input"
    )
    assert_refused(main("dicom", tmp_path / "none.nrrd", "--output", tmp_path / "out", *source), "does not exist")
    assert_refused(
        main("dicom", enhanced_file, "--output", tmp_path / "out", "--source", tmp_path / "none"), "is no folder"
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    assert_refused(
        main("dicom", enhanced_file, "--output", tmp_path / "out", "--source", empty), "holds no DICOM images"
    )


def test_pixels_of_the_source_are_not_needed(main, dicom_scan, enhanced_file, tmp_path):
    """A compression that cannot be read here is no obstacle: only the headers count."""
    for path in dicom_scan.iterdir():
        ds = pydicom.dcmread(path)
        del ds.PixelData
        ds.save_as(path)
    assert main("dicom", enhanced_file, "--output", tmp_path / "out", "--source", dicom_scan).code == 0


def test_patient_is_not_told(main, dicom_scan, enhanced_file, tmp_path):
    arguments = ["--output", tmp_path / "out", "--source", dicom_scan, "--progress", "jsonl"]
    result = main("dicom", enhanced_file, *arguments)
    uids = [ds.SeriesInstanceUID for folder in (dicom_scan, tmp_path / "out") for ds in slices(folder).values()]
    for secret in ("Secret", "SECRET", str(tmp_path), *uids):
        assert secret not in result.stdout + result.stderr
