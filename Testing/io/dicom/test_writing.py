"""Written DICOM series: read back by pydicom, SimpleITK and the library; nothing half-written."""

import errno
import logging
import os
import stat
import struct
from dataclasses import replace
from itertools import chain

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from MVCTEnhanceLib import __version__
from MVCTEnhanceLib.errors import InputError, OutputError
from MVCTEnhanceLib.io import read_volume, write_dicom_series
from MVCTEnhanceLib.io.dicom import writer
from MVCTEnhanceLib.io.dicom.writer import placeholder_warnings
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.grid import digest
from MVCTEnhanceLib.volume.product import Product
from pydicom.dataset import Dataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

OBLIQUE = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])


def datasets(folder):
    return [pydicom.dcmread(path) for path in sorted(folder.iterdir())]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def with_simpleitk(folder):
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def enhanced(volume):
    """Other values on the same grid, as an enhancement gives them."""
    noise = np.random.default_rng(1).normal(0, 20, volume.array.shape)
    return volume.with_array((volume.array + noise).astype(np.float32))


def write(volume, folder, **options):
    write_dicom_series(volume, folder, **{"description": "MVCT enhanced", "derivation": "by a network", **options})
    return folder


def assert_reads_back(folder, volume):
    values = np.rint(volume.array).astype(np.int16)
    back, image = read_volume(folder), with_simpleitk(folder)
    np.testing.assert_array_equal(back.array, values)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), values)
    for k, ds in enumerate(datasets(folder)):
        np.testing.assert_array_equal(ds.pixel_array * ds.RescaleSlope + ds.RescaleIntercept, values[k])
    for spacing, origin, direction in (
        (back.spacing, back.origin, back.direction.ravel()),
        (image.GetSpacing(), image.GetOrigin(), image.GetDirection()),
    ):
        np.testing.assert_allclose(spacing, volume.spacing, rtol=1e-6)
        np.testing.assert_allclose(origin, volume.origin, atol=1e-5)
        np.testing.assert_allclose(direction, volume.direction.ravel(), atol=1e-6)
    assert back.warnings == ()


@pytest.mark.integration
@pytest.mark.parametrize("name", [pytest.param("chest-lungdx-a0001", marks=pytest.mark.thorough), "abdomen-crlm-1004"])
def test_a_derived_real_series_keeps_values_place_and_patient(real_data, tmp_path, name):
    source = read_volume(real_data / "dicom" / name)
    result = enhanced(source)
    folder = write(result, tmp_path / "out")
    assert_reads_back(folder, result)
    for k in (0, len(source.array) // 2, len(source.array) - 1):
        old, new = source.source.header(k), datasets(folder)[k]
        for keyword in (
            "PatientName",
            "PatientID",
            "PatientSex",
            "StudyInstanceUID",
            "StudyDate",
            "FrameOfReferenceUID",
            "ImagePositionPatient",
            "ImageOrientationPatient",
            "PatientPosition",
            "PixelSpacing",
            "SliceThickness",
            "AcquisitionDate",
            "Manufacturer",
            "KVP",
            "WindowCenter",
            "WindowWidth",
        ):
            assert new[keyword].value == old[keyword].value, keyword
        assert new.SourceImageSequence[0].ReferencedSOPInstanceUID == old.SOPInstanceUID


def test_a_derived_series_says_what_it_is(make_series, tmp_path):
    source = read_volume(make_series())
    slices = datasets(write(enhanced(source), tmp_path / "out"))
    old_uids = {source.source.header(k).SOPInstanceUID for k in range(5)}
    assert len({ds.SOPInstanceUID for ds in slices} | old_uids) == 10
    assert len({ds.SeriesInstanceUID for ds in slices} | {"1.2.3"}) == 2
    assert [ds.InstanceNumber for ds in slices] == [1, 2, 3, 4, 5]
    for k, ds in enumerate(slices):
        assert list(ds.ImageType) == ["DERIVED", "SECONDARY", "AXIAL"]
        assert ds.SeriesDescription == "MVCT enhanced" and ds.DerivationDescription == "by a network"
        assert ds.SeriesNumber == 1007 and ds.Modality == "CT" and ds.SOPClassUID == CTImageStorage
        assert ds.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
        assert (ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation) == (16, 16, 15, 1)
        assert (ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType) == (1, 0, "HU")
        assert len(ds.ContentDate) == 8 and ds.ContentTime
        assert ds.SourceImageSequence[0].ReferencedSOPClassUID == CTImageStorage
        assert ds.SourceImageSequence[0].ReferencedSOPInstanceUID == source.source.header(k).SOPInstanceUID
        maker = ds.ContributingEquipmentSequence[0]
        purpose = maker.PurposeOfReferenceCodeSequence[0]
        assert (purpose.CodeValue, purpose.CodingSchemeDesignator) == ("109102", "DCM")
        assert (maker.Manufacturer, maker.SoftwareVersions) == ("MVCTEnhance", __version__)


def without_times(folder):
    """All that files hold but for the dates and times of the run."""
    found = []
    for ds in datasets(folder):
        for event in ("Series", "Content", "InstanceCreation"):
            delattr(ds, f"{event}Date"), delattr(ds, f"{event}Time")
        del ds.ContributingEquipmentSequence[-1].ContributionDateTime
        found.append((ds.file_meta.to_json(), ds.to_json()))
    return found


@pytest.mark.parametrize("has_source", [True, False])
def test_the_same_write_gives_the_same_series_and_any_other_another(make_series, tmp_path, monkeypatch, has_source):
    source = read_volume(make_series())
    volume = replace(source if has_source else replace(source, source=None), product=Product("enhanced", "ab"))
    others = [
        {"volume": replace(volume, product=Product("difference", "ab"))},
        {"volume": replace(volume, product=Product("enhanced", "cd"))},
        {"volume": replace(volume, array=volume.array + np.int16(1))},
        {"comments": "by another model"},
        {"derivation": "by another network"},
        {"__version__": "another"},
    ]
    first, again = (write(volume, tmp_path / name) for name in ("first", "again"))
    assert without_times(first) == without_times(again)
    uids = {(ds.SeriesInstanceUID, ds.SOPInstanceUID) for ds in datasets(first)}
    for n, other in enumerate(others):
        monkeypatch.setattr(writer, "__version__", other.pop("__version__", __version__))
        changed = datasets(write(other.pop("volume", volume), tmp_path / str(n), **other))
        uids |= {(ds.SeriesInstanceUID, ds.SOPInstanceUID) for ds in changed}
    assert len({series for series, _ in uids}) == 7 and len({instance for _, instance in uids}) == 7 * 5


def test_slices_in_another_order_are_other_images(tmp_path):
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    volume = Volume(array)
    turned = Volume(array[::-1], origin=(0.0, 0.0, 1.0), direction=np.diag([1.0, 1.0, -1.0]))
    uids = {
        ds.SOPInstanceUID for n, scan in enumerate((volume, turned)) for ds in datasets(write(scan, tmp_path / str(n)))
    }
    assert len(uids) == 4


def test_an_original_series_is_another_each_time(tmp_path):
    volume = Volume(np.zeros((2, 3, 4), np.int16))
    first, second = (datasets(write(volume, tmp_path / name, derivation=None))[0] for name in "ab")
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"):
        assert first[keyword].value != second[keyword].value


def test_another_source_gives_another_series(make_series, tmp_path):
    folders = [
        make_series(name, change=lambda ds, k, n=n: setattr(ds, "SOPInstanceUID", f"1.2.{n}.{k}"))
        for n, name in enumerate("ab")
    ]
    series = [datasets(write(read_volume(folder), tmp_path / f"of-{folder.name}")) for folder in folders]
    assert len({ds.SeriesInstanceUID for ds in chain(*series)}) == 2
    assert len({ds.SOPInstanceUID for ds in chain(*series)}) == 10


def test_kinds_of_output_differ_in_their_numbers(make_series, tmp_path):
    source = read_volume(make_series())
    numbers = []
    for kind in ("enhanced", "difference", "correction", "cycle error"):
        for volume in (source, replace(source, source=None)):
            folder = write(replace(volume, product=Product(kind)), tmp_path / f"{kind}{len(numbers)}")
            numbers.append(int(datasets(folder)[0].SeriesNumber))
    assert numbers == [1007, 1001, 2007, 2001, 3007, 3001, 4007, 4001]


@pytest.mark.parametrize("number", [2**31 - 1, -(2**31), 0])
def test_the_series_number_stays_a_number_of_dicom(make_series, tmp_path, number):
    (ds,) = datasets(write(read_volume(make_series(slices=1, SeriesNumber=number)), tmp_path / "out"))
    assert -(2**31) <= int(ds.SeriesNumber) < 2**31


def test_the_file_says_which_output_it_is(make_series, tmp_path):
    product = Product("difference", "0a" * 32)
    folder = write(replace(read_volume(make_series()), product=product), tmp_path / "out")
    assert read_volume(folder).product == product


def test_slices_of_several_studies_and_frames_become_one_of_each_and_it_is_said(make_series, tmp_path):
    """As SimpleITK writes a series: a study a slice, and no frame of reference."""

    def change(ds, k):
        ds.StudyInstanceUID = f"1.2.3.{k + 1}"
        del ds.FrameOfReferenceUID
        ds.StudyTime = f"10000{k}"

    source = read_volume(make_series(change=change))
    study, frame, times = placeholder_warnings(source)
    assert "do not share one Study Instance UID" in study and "no valid Frame of Reference UID" in frame
    assert "differ in Study Time" in times
    first, second = (datasets(write(enhanced(source), tmp_path / name, comments=name)) for name in ("a", "b"))
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"):
        (uid,) = {ds[keyword].value for ds in (*first, *second)}
        assert uid.is_valid and not uid.startswith("1.2.3.")
    assert {ds.StudyTime for ds in first} == {"100000"}


def test_made_up_uids_are_those_of_one_source_only(make_series, tmp_path):
    def change(ds, k, patient):
        ds.PatientID, ds.SOPInstanceUID = patient, f"1.2.{k + 1}"
        del ds.StudyInstanceUID

    folders = [make_series(name, change=lambda ds, k, name=name: change(ds, k, name)) for name in "ab"]
    studies = {
        ds.StudyInstanceUID for f in folders for ds in datasets(write(read_volume(f), tmp_path / f"of-{f.name}"))
    }
    assert len(studies) == 2


def test_nothing_is_said_of_a_source_that_has_all(make_series):
    assert placeholder_warnings(read_volume(make_series())) == ()


def stored(path, keyword) -> bytes:
    ds = pydicom.dcmread(path)
    return ds.get_item(keyword).value


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_texts_are_kept_byte_by_byte_whatever_their_character_set(make_series, tmp_path, syntax):
    """Declared UTF-8, stored Latin-1: a letter that is replaced makes another patient."""
    texts = {"PatientName": b"M\xfcller^Case ", "PatientID": b"J\xfc-01 ", "StudyDescription": b"Sch\xe4del "}

    def change(ds, k):
        ds.SpecificCharacterSet = "ISO_IR 192"
        ds.file_meta.TransferSyntaxUID = syntax
        ds.StudyDescription = "Sch_del "
        ds.PatientName, ds.PatientID = "M_ller^Case", "J_-01"
        item = Dataset()
        item.PatientID, item.TypeOfPatientID = "J_-01", "TEXT"
        ds.OtherPatientIDsSequence = [item]

    folder = make_series(change=change)
    for path in folder.iterdir():
        content = path.read_bytes()
        for text in texts.values():
            content = content.replace(bytes(b if b < 128 else ord("_") for b in text.strip()), text.strip())
        path.write_bytes(content)
    for path in write(read_volume(folder), tmp_path / "out").iterdir():
        for keyword, text in texts.items():
            assert stored(path, keyword) == text
        assert pydicom.dcmread(path).OtherPatientIDsSequence[0].get_item("PatientID").value == texts["PatientID"]


def test_an_identifier_that_breaks_the_standard_is_kept(make_series, tmp_path):
    folder = make_series(change=lambda ds, k: ds.add_new("PatientID", "SH", "x" * 80))
    assert {ds.PatientID for ds in datasets(write(read_volume(folder), tmp_path / "out"))} == {"x" * 80}


def test_values_that_dicom_does_not_allow_are_left_out_and_named(make_series, tmp_path):
    def change(ds, k):
        ds.add_new(0x00100040, "CS", "Z")
        ds.add_new(0x00100030, "DA", "yesterday")
        item = Dataset()
        item.CodeValue = "1"
        ds.ProcedureCodeSequence = [item]

    source = read_volume(make_series(change=change))
    (warning,) = placeholder_warnings(source)
    assert "Patient's Birth Date, Patient's Sex, Procedure Code Sequence" in warning
    for ds in datasets(write(source, tmp_path / "out")):
        assert ds.PatientSex == ds.PatientBirthDate == "" and "ProcedureCodeSequence" not in ds


def test_a_derived_series_can_be_derived_again(make_series, tmp_path):
    first = write(enhanced(read_volume(make_series())), tmp_path / "first")
    second = datasets(write(enhanced(read_volume(first)), tmp_path / "second"))
    assert second[0].SourceImageSequence[0].ReferencedSOPInstanceUID == datasets(first)[0].SOPInstanceUID
    assert len(second[0].ContributingEquipmentSequence) == 2


def test_what_described_the_old_pixels_is_gone(make_series, tmp_path):
    def change(ds, k):
        ds.PixelPaddingValue = 0
        ds.SmallestImagePixelValue = ds.LargestImagePixelValue = 1
        ds.add_new(0x60000010, "US", 24)
        ds.add_new(0x60003000, "OW", b"\0\0")
        ds.add_new(0x50000005, "US", 1)
        item = Dataset()
        item.add_new(0x00090010, "LO", "MAKER")
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "1", "99X", "head"
        ds.ProcedureCodeSequence = [item]
        ds.private_block(0x0019, "MAKER", create=True).add_new(1, "LO", "Secret^Name")
        ds.IconImageSequence = [Dataset()]

    for ds in datasets(write(read_volume(make_series(change=change)), tmp_path / "out")):
        text = str(ds)
        for word in ("Padding", "Smallest", "Largest", "Icon", "MAKER"):
            assert word not in text
        assert not any(tag.group >> 8 in (0x50, 0x60) or tag.is_private for tag in ds.keys())  # noqa: SIM118
        assert ds.ProcedureCodeSequence[0].CodeValue == "1"


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless])
def test_any_source_transfer_syntax_gives_a_right_series(make_series, tmp_path, syntax):
    def change(ds, k):
        ds.add_new(0x00280030, "DS", ["0.8", "0.7"])
        if syntax == RLELossless:
            ds.compress(RLELossless, generate_instance_uid=False)
        elif syntax == ExplicitVRBigEndian:
            ds.PixelData = np.frombuffer(ds.PixelData, "<u2").byteswap().tobytes()
        ds.file_meta.TransferSyntaxUID = syntax

    folder = make_series(change=change)
    assert datasets(folder)[0].file_meta.TransferSyntaxUID == syntax
    result = enhanced(read_volume(folder))
    assert_reads_back(write(result, tmp_path / "out"), result)


@pytest.mark.parametrize("way", [1, -1])
def test_a_derived_oblique_series_stays_in_its_place(make_series, tmp_path, way):
    def place(ds, k):
        ds.ImageOrientationPatient = [*OBLIQUE[:, 0], *(way * OBLIQUE[:, 1])]
        ds.PatientPosition = "FFS"

    source = read_volume(make_series(change=place))
    folder = write(enhanced(source), tmp_path / "out")
    assert_reads_back(folder, enhanced(source))
    assert datasets(folder)[0].PatientPosition == "FFS"


def test_odd_source_values_do_not_stop_the_export(make_series, tmp_path, caplog):
    """A number that is none, an overlong text and an invalid date, as scanners and archives write them."""

    def change(ds, k):
        ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        ds.add_new(0x00180060, "LO", "not a number")
        ds.add_new(0x00201041, "LO", "-12.345678901234567890")
        ds.add_new(0x00081030, "LT", "Secret^Name " * 20)
        ds.add_new(0x00080022, "LO", "yesterday")
        ds.add_new(0x00181151, "LO", "12.5")

    folder = make_series(change=change)
    with caplog.at_level(logging.DEBUG):
        result = enhanced(read_volume(folder))
        assert_reads_back(write(result, tmp_path / "out"), result)
    assert "ecret" not in caplog.text


@pytest.mark.parametrize("charset", ["ISO_IR 100", "ISO_IR 192", ["", "ISO 2022 IR 87"], None])
def test_names_in_any_character_set_are_kept(make_series, tmp_path, charset):
    name = "Yamada^Tarou=山田^太郎" if charset and "ISO_IR 100" not in charset else "Mueller^Hans"

    def change(ds, k):
        if charset is not None:
            ds.SpecificCharacterSet = charset
        ds.PatientName = name

    folder = write(read_volume(make_series(change=change)), tmp_path / "out", description="Größe\\患者\n" + "x" * 80)
    ds = datasets(folder)[0]
    assert str(ds.PatientName) == name
    assert len(ds.SeriesDescription) == 64 and ds.SeriesDescription.startswith("Gr??e/?? xx")


@pytest.mark.parametrize("derivation", [None, "simulated"])
def test_a_volume_without_headers_becomes_a_valid_anonymous_ct(tmp_path, derivation):
    array = np.random.default_rng(0).normal(0, 300, (6, 9, 7)).astype(np.float32)
    volume = Volume(array, spacing=(0.763, 0.8, 2.0), origin=(-194.565, -12.3456789, 101.25), direction=OBLIQUE)
    folder = write(volume, tmp_path / "out", derivation=derivation)
    assert_reads_back(folder, volume)
    for k, ds in enumerate(datasets(folder)):
        assert (ds.PatientName, ds.PatientID, ds.PatientPosition, ds.Modality) == ("Anonymous", "", "", "CT")
        assert list(ds.ImageType)[::2] == ["DERIVED" if derivation else "ORIGINAL", "AXIAL"]
        assert ("DerivationDescription" in ds) == bool(derivation)
        assert ds.InstanceNumber == k + 1 and ds.SliceThickness == 2
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SOPInstanceUID"):
            assert ds[keyword].value.is_valid
        for keyword in ("StudyDate", "AccessionNumber", "ReferringPhysicianName", "KVP", "AcquisitionNumber"):
            assert keyword in ds  # required by the CT image definition, though they may be empty
    assert len({ds.SOPInstanceUID for ds in datasets(folder)}) == 6
    assert len({(ds.SeriesInstanceUID, ds.StudyInstanceUID, ds.FrameOfReferenceUID) for ds in datasets(folder)}) == 1
    (warning,) = placeholder_warnings(volume)
    assert "anonymous" in warning and "Patient Position is empty" in warning


@pytest.mark.parametrize("has_source", [True, False])
def test_slices_that_are_not_axial_are_not_called_so(make_series, tmp_path, has_source):
    source = read_volume(make_series(ImageOrientationPatient=[1, 0, 0, 0, 0, -1], slices=1))
    volume = source if has_source else replace(source, source=None)
    assert {ds.ImageType[2] for ds in datasets(write(volume, tmp_path / "out"))} == {"REFORMATTED"}
    assert "not axial" in placeholder_warnings(volume)[-1]


def test_outputs_of_one_volume_file_lie_in_one_study_and_frame(tmp_path):
    volume = Volume(np.zeros((2, 3, 4), np.int16))
    kinds = [None, Product("enhanced", digest(volume)), Product("difference", digest(volume)[:55])]
    series = [datasets(write(replace(volume, product=kind), tmp_path / str(n)))[0] for n, kind in enumerate(kinds)]
    assert len({(ds.StudyInstanceUID, ds.FrameOfReferenceUID) for ds in series}) == 1
    assert len({ds.SeriesInstanceUID for ds in series}) == 3


def test_a_left_handed_volume_keeps_each_voxel_in_its_place(tmp_path):
    """DICOM has no slice order of its own: read back, the slices run the other way with the same places."""
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    volume = Volume(array, spacing=(1, 1, 2), origin=(0, 0, 10), direction=np.diag([1.0, 1.0, -1.0]))
    back = read_volume(write(volume, tmp_path / "out"))
    np.testing.assert_array_equal(back.array, array[::-1])
    assert back.origin == (0, 0, 8)
    np.testing.assert_array_equal(back.direction, np.eye(3))


def test_values_are_rounded_and_clipped_never_truncated_or_wrapped(tmp_path):
    values = np.array([0.6, -0.6, 1.4, -1.4, 40000.0, -40000.0, 32767.4, -99.5], np.float32).reshape(1, 2, 4)
    ds = datasets(write(Volume(values), tmp_path / "out"))[0]
    assert ds.pixel_array.ravel().tolist() == [1, -1, 1, -1, 32767, -32768, 32767, -100]


def test_odd_sizes_are_padded_to_even_length(tmp_path):
    volume = Volume(np.arange(15, dtype=np.int16).reshape(1, 3, 5))
    np.testing.assert_array_equal(read_volume(write(volume, tmp_path / "out")).array, volume.array)


def test_a_volume_that_does_not_fit_its_source_is_refused(make_series, tmp_path):
    source = read_volume(make_series())
    cropped = Volume(source.array[:, 2:], source.spacing, source.origin, source.direction, source.source)
    fewer = Volume(source.array[1:], source.spacing, source.origin, source.direction, source.source)
    moved = Volume(source.array, source.spacing, (0.0, 0.0, 0.0), source.direction, source.source)
    for volume, words in ((cropped, "another size"), (fewer, "4 slices"), (moved, "another size or place")):
        with pytest.raises(OutputError, match=f"{words}.*nrrd"):
            write(volume, tmp_path / "out")
    assert names(tmp_path) == ["scan"]


def test_a_source_that_has_gone_is_named_and_nothing_is_left(make_series, tmp_path):
    folder = make_series()
    source = read_volume(folder)
    (folder / "IM003.dcm").unlink()
    with pytest.raises(InputError, match=r"scan/IM003\.dcm.*leave the source"):
        write(source, tmp_path / "out")
    assert names(tmp_path) == ["scan"]


@pytest.mark.parametrize("error", [OSError("With tag (0028,1053) got exception"), AttributeError("no tag")])
def test_a_source_header_beyond_repair_is_one_sentence_and_nothing_is_left(make_series, tmp_path, monkeypatch, error):
    source = read_volume(make_series())

    def refuse(*arguments, **options):
        raise error

    monkeypatch.setattr("MVCTEnhanceLib.io.dicom.writer.dcmwrite", refuse)
    with pytest.raises(OutputError, match=r"out cannot be written as DICOM.*nrrd"):
        write(source, tmp_path / "out")
    assert names(tmp_path) == ["scan"]


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "SOPClassUID"])
def test_a_source_without_identity_is_not_referred_to(make_series, tmp_path, keyword):
    folder = make_series(change=lambda ds, k: delattr(ds, keyword) if k == 3 else None)
    series = datasets(write(read_volume(folder), tmp_path / "out"))
    assert [len(ds.get("SourceImageSequence", [])) for ds in series] == [1, 1, 1, 0, 1]


def inserted(path, elements: bytes):
    """Put the bytes of elements into an explicit little-endian file."""
    data = path.read_bytes()
    at = data.index(b"\x08\x00\x60\x00CS")  # the modality
    path.write_bytes(data[:at] + elements + data[at:])


def test_wrong_kinds_of_value_in_the_source_are_replaced_or_left_out(make_series, tmp_path):
    def change(ds, k):
        del ds.SeriesNumber, ds.RescaleSlope, ds.SOPClassUID
        ds.add_new(0x00281053, "US", 1)
        ds.add_new(0x00200011, "LO", "three")
        ds.add_new(0x0018A001, "LO", "a maker")
        ds.add_new(0x00080016, "US", 3)
        ds.file_meta.MediaStorageSOPClassUID = CTImageStorage

    folder = make_series()
    for path in folder.iterdir():
        ds = pydicom.dcmread(path)
        change(ds, 0)
        ds.save_as(path)
        inserted(path, b"\x02\x00\x10\x00UI\x02\x001\0")
    source = read_volume(folder)
    result = write(source, tmp_path / "out")
    np.testing.assert_array_equal(read_volume(result).array, source.array)
    assert datasets(result)[0]["RescaleSlope"].VR == "DS"


def test_sequences_nested_beyond_reason_are_left_out(make_series, tmp_path):
    folder = make_series(slices=1)
    (path,) = folder.iterdir()
    lengths = range(20 * 3000, 0, -20)  # a procedure code of one item with a procedure code, and so on
    tag, item = b"\x08\x00\x32\x10SQ\0\0", b"\xfe\xff\x00\xe0"
    inserted(path, b"".join(tag + struct.pack("<I", n - 12) + item + struct.pack("<I", n - 20) for n in lengths))
    source = read_volume(folder)
    result = write(source, tmp_path / "out")
    np.testing.assert_array_equal(read_volume(result).array, source.array)
    assert len(next(result.iterdir()).read_bytes()) < 10_000


def test_a_full_folder_is_refused_untouched(make_series, tmp_path):
    folder = make_series()
    before = names(folder)
    with pytest.raises(OutputError, match="scan is not empty"):
        write(read_volume(folder), folder)
    assert names(folder) == before


def test_nan_is_not_written(tmp_path):
    with pytest.raises(OutputError, match="not finite"):
        write(Volume(np.full((2, 3, 4), np.nan, np.float32)), tmp_path / "out")
    assert names(tmp_path) == []


def test_a_disk_that_fills_up_leaves_no_part_of_the_series(tmp_path, monkeypatch):
    def write_two(path, ds, **options):
        if path.name == "CT0003.dcm":
            try:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError as error:  # as pydicom does
                raise type(error)(f"With tag (7FE0,0010) got exception: {error}\nTraceback") from error
        path.write_bytes(b"x")

    monkeypatch.setattr(writer, "dcmwrite", write_two)
    with pytest.raises(OutputError, match=r"out cannot be written: the disk is full[^\n]*$"):
        write(Volume(np.zeros((5, 3, 4), np.int16)), tmp_path / "out")
    assert names(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX systems")
def test_written_series_follow_the_umask(tmp_path):
    before = os.umask(0o007)
    try:
        folder = write(Volume(np.zeros((1, 3, 4), np.int16)), tmp_path / "out")
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o770
    assert stat.S_IMODE((folder / "CT0001.dcm").stat().st_mode) == 0o660
