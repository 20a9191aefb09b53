"""DICOM CT series that are read: values and geometry, checked against SimpleITK and by hand."""

import os

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.io import read_volume, write_dicom_series
from MVCTEnhanceLib.io.dicom.series import DicomSeries
from MVCTEnhanceLib.volume.product import Product
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def expected(folder, slope=1.0, intercept=-1024.0):
    """HU sorted by position, by pydicom alone."""
    slices = sorted((pydicom.dcmread(path) for path in files(folder)), key=lambda ds: ds.ImagePositionPatient[2])
    return np.array([ds.pixel_array * slope + intercept for ds in slices])


def with_simpleitk(folder):
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def assert_same_geometry(volume, image):
    np.testing.assert_allclose(volume.spacing, image.GetSpacing(), rtol=1e-6)
    np.testing.assert_allclose(volume.origin, image.GetOrigin(), atol=1e-5)
    np.testing.assert_allclose(volume.direction.ravel(), image.GetDirection(), atol=1e-6)


def test_slices_are_sorted_by_position_not_by_name_or_number(make_series):
    folder = make_series()
    volume = read_volume(folder)
    np.testing.assert_array_equal(volume.array, expected(folder))
    assert volume.array.dtype == np.int16 and volume.array.shape == (5, 24, 20)
    assert volume.spacing == (0.7, 0.8, 3.0) and volume.origin == (-10.0, -20.0, -30.0)
    np.testing.assert_array_equal(volume.direction, np.eye(3))
    assert volume.warnings == ()
    assert_same_geometry(volume, with_simpleitk(folder))


@pytest.mark.parametrize("name", ["chest-lungdx-a0001", "abdomen-crlm-1004"])
def test_real_series_agree_with_simpleitk(real_data, name):
    folder = real_data / "dicom" / name
    volume, image = read_volume(folder), with_simpleitk(folder)
    reference = sitk.GetArrayFromImage(image)
    reference[reference < -1500] = -1024  # padding, which the header of the feet-first series declares
    np.testing.assert_array_equal(volume.array, reference)
    assert volume.array.dtype == np.int16 and volume.warnings == ()
    assert_same_geometry(volume, image)
    for k in (0, len(volume.array) - 1):
        place = volume.origin + volume.direction[:, 2] * volume.spacing[2] * k
        np.testing.assert_allclose(volume.source.header(k).ImagePositionPatient, place, atol=1e-4)


def test_the_source_names_one_file_for_each_slice_and_rereads_its_header(make_series):
    folder = make_series()
    source = read_volume(folder).source
    assert isinstance(source, DicomSeries) and source.series_uid == "1.2.3"
    assert [path.name for path in source.files] == [f"IM{n:03d}.dcm" for n in (5, 4, 3, 2, 1)]
    header = source.header(2)
    assert header.ImagePositionPatient[2] == -24 and header.PatientName == "Secret^Name"
    assert "PixelData" not in header


def rotated(degrees):
    """Row and column cosines of a slice turned about z and then about x."""
    a, b = np.radians(degrees), np.radians(degrees / 2)
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return about_x @ about_z


@pytest.mark.parametrize(
    "axes",
    [
        np.eye(3),
        np.diag([1.0, -1.0, -1.0]),
        np.diag([-1.0, -1.0, 1.0]),
        np.diag([-1.0, 1.0, -1.0]),
        np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
        rotated(25),
        rotated(-130),
    ],
    ids=["HFS", "mirrored", "prone", "feet-first", "coronal-like", "oblique", "turned"],
)
@pytest.mark.parametrize("way", [1, -1], ids=["up", "down"])
def test_every_orientation_places_each_voxel_as_the_headers_say(make_series, axes, way):
    row, column, normal = axes.T

    def place(ds, k):
        ds.ImageOrientationPatient = [f"{x:.10f}" for x in (*row, *column)]
        ds.ImagePositionPatient = [f"{x:.8f}" for x in (np.array([5.0, 6.0, 7.0]) + way * 2.5 * k * normal)]

    folder = make_series(change=place)
    volume = read_volume(folder)
    by_position = {
        tuple(np.round(pydicom.dcmread(p).ImagePositionPatient, 4)): pydicom.dcmread(p) for p in files(folder)
    }
    for k in range(5):
        corner = volume.origin + volume.direction[:, 2] * volume.spacing[2] * k
        ds = by_position[tuple(np.round(corner, 4))]
        np.testing.assert_array_equal(volume.array[k], ds.pixel_array.astype(int) - 1024)
    np.testing.assert_allclose(volume.direction[:, :2], axes[:, :2], atol=1e-8)
    assert np.linalg.det(volume.direction) == pytest.approx(1)
    assert_same_geometry(volume, with_simpleitk(folder))


def test_each_slice_has_its_own_rescale(make_series):
    def change(ds, k):
        ds.RescaleSlope, ds.RescaleIntercept = k + 1, -1000 - k

    folder = make_series(change=change)
    stored = expected(folder, intercept=0)
    np.testing.assert_array_equal(read_volume(folder).array, [stored[k] * (k + 1) - 1000 - k for k in range(5)])


def test_a_fractional_slope_gives_float32(make_series):
    folder = make_series(change=lambda ds, k: setattr(ds, "RescaleSlope", "0.3" if k == 3 else "1"))
    volume = read_volume(folder)
    assert volume.array.dtype == np.float32
    stored = expected(folder, intercept=0)
    np.testing.assert_allclose(volume.array[3], stored[3] * 0.3 - 1024, atol=1e-3)
    np.testing.assert_array_equal(volume.array[4], stored[4] - 1024)


def test_values_beyond_int16_give_float32(make_series):
    folder = make_series(pixels=np.full((4, 4), 60000, np.uint16))
    volume = read_volume(folder)
    assert volume.array.dtype == np.float32 and (volume.array == 60000 - 1024).all()


@pytest.mark.parametrize(
    ("dtype", "bits", "values"),
    [
        (np.uint16, 16, [0, 1024, 40000 - 20000]),
        (np.uint16, 12, [0, 1024, 4095]),
        (np.int16, 16, [-1000, 0, 3000]),
        (np.int16, 12, [-1000, 0, 2047]),
        (np.uint8, 8, [0, 100, 255]),
        (np.int32, 32, [-1000, 0, 3000]),
    ],
)
def test_signed_and_unsigned_pixels_of_any_depth(make_series, dtype, bits, values):
    pixels = np.array(values * 4, dtype).reshape(3, 4)
    folder = make_series(pixels=pixels, BitsStored=bits, HighBit=bits - 1, RescaleIntercept=0)
    np.testing.assert_array_equal(read_volume(folder).array[0], pixels)


def test_bits_above_the_stored_ones_are_no_part_of_the_value(make_series):
    """Old scanners keep overlays there; 12-bit -1000 without its sign bits is 3096."""
    folder = make_series(
        pixels=np.full((3, 4), 0x5000 | (-1000 & 0xFFF), np.int16), BitsStored=12, HighBit=11, RescaleIntercept=0
    )
    assert (read_volume(folder).array == -1000).all()


@pytest.mark.parametrize("dtype", [np.int16, np.uint16])
def test_padding_becomes_air(make_series, dtype):
    pixels = np.full((6, 5), 1000, dtype)
    pad = -2000 if dtype == np.int16 else 65535
    pixels[0] = pad
    folder = make_series(pixels=pixels, PixelPaddingValue=pad)
    volume = read_volume(folder)
    assert volume.array.dtype == np.int16 and volume.warnings == ()
    assert (volume.array[:, 0] == -1024).all() and (volume.array[:, 1:] == -24).all()


def test_a_signed_padding_value_written_as_unsigned_is_understood(make_series):
    def change(ds, k):
        ds.add_new("PixelPaddingValue", "US", 63536)  # -2000

    pixels = np.full((6, 5), 1000, np.int16)
    pixels[0] = -2000
    volume = read_volume(make_series(pixels=pixels, change=change))
    assert (volume.array[:, 0] == -1024).all() and volume.warnings == ()


def test_a_padding_range_becomes_air(make_series):
    pixels = np.full((6, 5), 1000, np.int16)
    pixels[0] = [-2000, -1900, -1800, -1700, -1600]
    volume = read_volume(make_series(pixels=pixels, PixelPaddingValue=-2000, PixelPaddingRangeLimit=-1700))
    assert volume.array[0, 0, :4].tolist() == [-1024] * 4
    assert volume.array[0, 1, 0] == -24


def test_undeclared_padding_becomes_air_with_a_warning(make_series):
    pixels = np.full((6, 5), 1000, np.int16)
    pixels[0] = -2000
    volume = read_volume(make_series(pixels=pixels))
    assert (volume.array[:, 0] == -1024).all()
    assert len(volume.warnings) == 1 and "25 voxels below -1500 HU" in volume.warnings[0]


def test_a_padding_value_that_tissue_has_is_not_cut_out_of_the_patient(make_series):
    pixels = np.zeros((6, 5), np.int16)
    volume = read_volume(make_series(pixels=pixels, PixelPaddingValue=0, RescaleIntercept=0))
    assert (volume.array == 0).all()
    assert len(volume.warnings) == 1 and "padding value of series 1.2.3" in volume.warnings[0]


def test_missing_rescale_is_said(make_series):
    folder = make_series(pixels=np.full((6, 5), 40, np.int16), RescaleSlope=None, RescaleIntercept=None)
    volume = read_volume(folder)
    assert (volume.array == 40).all()
    assert len(volume.warnings) == 1 and "no Rescale Slope" in volume.warnings[0]


def test_values_offset_by_1024_are_said_and_not_changed(make_series):
    pixels = np.zeros((6, 5), np.uint16)
    pixels[2:] = 1064
    volume = read_volume(make_series(pixels=pixels, RescaleIntercept=0))
    np.testing.assert_array_equal(volume.array[0], pixels)
    assert len(volume.warnings) == 1 and "1024" in volume.warnings[0]


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_uncompressed_transfer_syntaxes(make_series, syntax):
    def change(ds, k):
        ds.file_meta.TransferSyntaxUID = syntax
        if not syntax.is_little_endian:
            ds.PixelData = np.frombuffer(ds.PixelData, "<u2").byteswap().tobytes()

    folder = make_series("plain")
    other = make_series("other", change=change)
    assert pydicom.dcmread(files(other)[0]).file_meta.TransferSyntaxUID == syntax
    np.testing.assert_array_equal(read_volume(other).array, read_volume(folder).array)


def test_rle_compressed_pixels(make_series):
    folder = make_series(change=lambda ds, k: ds.compress(RLELossless, generate_instance_uid=False))
    assert pydicom.dcmread(files(folder)[0]).file_meta.TransferSyntaxUID == RLELossless
    np.testing.assert_array_equal(read_volume(folder).array, expected(folder))


@pytest.mark.parametrize("compressor", ["JPEG", "JPEG2000"])
def test_jpeg_lossless_and_jpeg_2000_pixels(make_series, tmp_path, compressor):
    """JPEG lossless needs the GDCM inside SimpleITK: pydicom's own plug-ins are not required."""
    rng = np.random.default_rng(3)
    truth = rng.integers(-700, 2000, (5, 24, 20)).astype(np.int16)

    def change(ds, k):
        image = sitk.GetImageFromArray(truth[k : k + 1])
        writer = sitk.ImageFileWriter()
        writer.SetImageIO("GDCMImageIO")
        writer.SetFileName(str(tmp_path / "one.dcm"))
        writer.UseCompressionOn()
        writer.SetCompressor(compressor)
        writer.Execute(image)
        packed = pydicom.dcmread(tmp_path / "one.dcm")
        ds.file_meta.TransferSyntaxUID = packed.file_meta.TransferSyntaxUID
        ds.PixelData = packed.PixelData
        ds["PixelData"].is_undefined_length = True
        ds.PixelRepresentation = 1
        ds.RescaleSlope, ds.RescaleIntercept = 2, -10

    folder = make_series(change=change)
    assert pydicom.dcmread(files(folder)[0]).file_meta.TransferSyntaxUID.is_compressed
    np.testing.assert_array_equal(read_volume(folder).array, truth.astype(int) * 2 - 10)


def test_files_without_the_dicom_preamble(make_series):
    folder = make_series()
    truth = expected(folder)
    for path in files(folder):
        ds = pydicom.dcmread(path)
        del ds.file_meta
        ds.save_as(path, implicit_vr=True, little_endian=True)
        path.write_bytes(path.read_bytes()[132:] if path.read_bytes()[128:132] == b"DICM" else path.read_bytes())
    np.testing.assert_array_equal(read_volume(folder).array, truth)


def test_subfolders_are_searched_and_other_files_passed_over(make_series):
    folder = make_series()
    truth = expected(folder)
    (folder / "deep" / "er").mkdir(parents=True)
    for n, path in enumerate(files(folder)[:3]):
        path.rename(folder / "deep" / "er" / f"no-suffix-{n}")
    (folder / "notes.txt").write_text("hello")
    (folder / "empty").write_bytes(b"")
    (folder / ".hidden.dcm").write_bytes(b"x")
    (folder / "broken-link").symlink_to(folder / "nowhere")
    (folder / "deep" / "loop").symlink_to(folder)
    (folder / "self").symlink_to(folder / "self")
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe")
    volume = read_volume(folder)
    np.testing.assert_array_equal(volume.array, truth)
    assert volume.warnings == ()


def test_a_dicomdir_is_passed_over(make_series, make_slice):
    folder = make_series()
    ds = make_slice(SOPClassUID=pydicom.uid.MediaStorageDirectoryStorage, SeriesInstanceUID=None)
    ds.save_as(folder / "DICOMDIR", enforce_file_format=True)
    assert read_volume(folder).array.shape[0] == 5


def test_one_file_stands_for_its_series_in_its_folder(make_series, tmp_path):
    folder = make_series(series_uid="1.2.3")
    make_series("scan/other", series_uid="1.2.4")
    chosen = read_volume(folder / "IM003.dcm")
    assert chosen.source.series_uid == "1.2.3" and chosen.array.shape[0] == 5


def test_a_series_is_chosen_by_its_uid(make_series):
    folder = make_series("scan/a", series_uid="1.2.3").parent
    make_series("scan/b", series_uid="1.2.4", slices=3)
    assert read_volume(folder, series_uid="1.2.3").array.shape[0] == 5
    assert read_volume(folder, series_uid="1.2.4").array.shape[0] == 3


def test_the_only_ct_is_found_among_other_series(make_series):
    folder = make_series("scan/ct").parent
    make_series("scan/mr", series_uid="1.2.5", Modality="MR")
    make_series("scan/pt", series_uid="1.2.6", Modality="PT")
    make_series("scan/scout", series_uid="1.2.7", slices=1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    make_series(
        "scan/plan",
        series_uid="1.2.8",
        slices=1,
        Modality="RTSTRUCT",
        ImagePositionPatient=None,
        ImageOrientationPatient=None,
        PixelSpacing=None,
    )
    make_series(
        "scan/dose-report", series_uid="1.2.9", slices=1, ImagePositionPatient=None, ImageOrientationPatient=None
    )
    volume = read_volume(folder)
    assert volume.source.series_uid == "1.2.3" and volume.warnings == ()


def test_a_second_copy_of_a_file_is_left_out_with_a_warning(make_series):
    folder = make_series()
    (folder / "copy.dcm").write_bytes((folder / "IM002.dcm").read_bytes())
    volume = read_volume(folder)
    assert volume.array.shape[0] == 5
    assert len(volume.warnings) == 1 and "1 files twice" in volume.warnings[0]


def test_localizers_inside_the_series_are_left_out_with_a_warning(make_series):
    def change(ds, k):
        if k == 2:
            ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
            ds.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
        elif k > 2:
            ds.ImagePositionPatient = [-10, -20, -30 + 3 * (k - 1)]

    volume = read_volume(make_series(change=change))
    assert volume.array.shape[0] == 4
    assert len(volume.warnings) == 1 and "1 localizer" in volume.warnings[0]


def test_a_small_unevenness_is_taken_as_even_with_a_warning(make_series):
    def change(ds, k):
        ds.ImagePositionPatient = [-10, -20, [0, 3.0, 6.02, 9.0, 12.0][k]]

    volume = read_volume(make_series(change=change))
    assert volume.spacing[2] == 3.0
    assert len(volume.warnings) == 1 and "0.020 mm" in volume.warnings[0]


def test_rounded_positions_need_no_warning(make_series):
    def change(ds, k):
        ds.ImagePositionPatient = [-10, -20, f"{k / 3:.4f}"]

    assert read_volume(make_series(change=change)).warnings == ()


def test_a_single_slice_takes_its_thickness(make_series):
    volume = read_volume(make_series(slices=1))
    assert volume.array.shape[0] == 1 and volume.spacing[2] == 3.0 and volume.warnings == ()


def test_a_single_slice_without_thickness_says_so(make_series):
    volume = read_volume(make_series(slices=1, SliceThickness=None))
    assert volume.spacing[2] == 1.0
    assert len(volume.warnings) == 1 and "IM001.dcm" in volume.warnings[0]


def test_two_slices_make_a_volume(make_series):
    assert read_volume(make_series(slices=2)).spacing == (0.7, 0.8, 3.0)


def test_scrambled_header_values_elsewhere_do_no_harm(make_series):
    """Values that the reader does not need may be wrong in any way."""

    def change(ds, k):
        ds.add_new(0x00180060, "LO", "not a number")  # KVP

    assert read_volume(make_series(change=change)).array.shape[0] == 5


def test_what_the_headers_say_of_the_scan_is_known(make_series):
    scan = read_volume(make_series(KVP="3500", Manufacturer="Some Maker", SeriesDescription="day 3"))
    assert scan.source.description == "day 3"
    assert (scan.acquisition.kvp, scan.acquisition.scanner) == (3500.0, "Some Maker")


@pytest.mark.parametrize(
    ("texts", "product"),
    [
        ({}, None),
        ({"ContributionDescription": Product("correction", "ab" * 32).marker}, Product("correction", "ab" * 32)),
        ({"ContributionDescription": Product("enhanced").marker}, Product("enhanced")),
        ({"DerivationDescription": "Difference enhanced - MVCT, by MVCTEnhance 0.1.0, model x"}, Product("difference")),
        ({"DerivationDescription": "MVCT simulated from a kVCT by MVCTEnhance"}, None),
        ({"ContributionDescription": Product("enhanced").marker, "Manufacturer": "Other"}, None),
    ],
)
def test_an_output_of_this_program_is_known_by_its_equipment(make_series, texts, product):
    def change(ds, k):
        item = pydicom.Dataset()
        item.Manufacturer = texts.get("Manufacturer", "MVCTEnhance")
        item.ContributionDescription = texts.get("ContributionDescription", "")
        ds.ContributingEquipmentSequence = [item]
        ds.DerivationDescription = texts.get("DerivationDescription", "")

    assert read_volume(make_series(change=change)).product == product


def test_the_enhanced_scan_as_written_is_known_again(make_series, tmp_path):
    derived = read_volume(make_series())
    write_dicom_series(derived, tmp_path / "out", description="x", derivation="Made from an MVCT by MVCTEnhance 0.1.0")
    assert read_volume(tmp_path / "out").product == Product("enhanced")
    assert derived.product is None


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(("dtype", "value"), [(np.uint16, 3000), (np.int16, -1000)])
def test_values_that_lie_at_the_top_of_their_words_are_read(make_series, dtype, value, compressed):
    """High Bit 15 of 12 bits stored: the values are 16 times as large, with something else in the lowest bits."""
    pixels = np.full((6, 5), (value << 4) + 7, dtype)

    def change(ds, k):
        if compressed:
            ds.compress(RLELossless, generate_instance_uid=False)
        ds.BitsStored, ds.HighBit = 12, 15

    volume = read_volume(make_series(pixels=pixels, RescaleIntercept=0, change=change))
    assert (volume.array == value).all() and volume.warnings == ()


@pytest.mark.parametrize("high_bit", [7, 40])
def test_a_high_bit_that_cannot_be_is_told_and_ignored(make_series, high_bit):
    (warning,) = read_volume(make_series(HighBit=high_bit)).warnings
    assert "High Bit" in warning


def test_a_rescale_type_that_may_be_no_hu_is_told(make_series):
    assert read_volume(make_series("hu", RescaleType="HU")).warnings == ()
    (warning,) = read_volume(make_series("us", RescaleType="US")).warnings
    assert "Rescale Type US" in warning and "HU" in warning


def tilted(degrees, steps):
    def change(ds, k):
        z = float(np.cumsum([0, *steps])[k])
        ds.ImagePositionPatient = [-10, f"{-20 + z * np.tan(np.radians(degrees)):.6f}", z]

    return change


@pytest.mark.parametrize(
    ("degrees", "steps", "words"),
    [
        (12, [3, 3, 3, 3], ["tilt of 12.0 degrees"]),
        (0, [3, 3, 5, 3], ["3.00 to 5.00 mm"]),
        (0, [3, 6, 3, 9], ["3.00 to 9.00 mm"]),
        (20, [3, 3, 3, 6], ["3.00 to 6.00 mm", "tilt of 20.0 degrees"]),
        (0, [3, 3, 3, 3], []),
    ],
)
def test_a_scan_of_which_only_the_slices_count_may_be_tilted_and_uneven(make_series, degrees, steps, words):
    folder = make_series(change=tilted(degrees, steps))
    volume = read_volume(folder, slices_only=True)
    np.testing.assert_array_equal(volume.array, expected(folder))
    assert volume.spacing == (0.7, 0.8, 3.0)
    assert len(volume.warnings) == len(words)
    assert all(word in warning for word, warning in zip(words, volume.warnings, strict=True))


@pytest.mark.parametrize("step", [0.625, 1.25, 3.27, 5 / 3])
def test_positions_rounded_to_a_tenth_are_taken_as_even_with_a_warning(make_series, step):
    def change(ds, k):
        ds.ImagePositionPatient = [-10, -20, f"{-101.37 + step * k:.1f}"]

    volume = read_volume(make_series("whole", slices=40, change=change))
    assert volume.spacing[2] == pytest.approx(step, abs=0.1 / 39)
    assert len(volume.warnings) == 1 and "taken as even" in volume.warnings[0]
    with pytest.raises(InputError, match=r"lacks|unevenly"):
        read_volume(make_series("gap", slices=40, change=lambda ds, k: change(ds, k) or k != 17))


def test_a_turned_scan_with_rounded_positions_is_taken_as_straight_with_a_warning(make_series):
    axes = rotated(50)

    def change(ds, k):
        ds.ImageOrientationPatient = [f"{x:.10f}" for x in axes.T[:2].ravel()]
        ds.ImagePositionPatient = [f"{x:.1f}" for x in 1.27 * k * axes.T[2]]

    warnings = read_volume(make_series(slices=30, change=change)).warnings
    assert all("taken as" in warning for warning in warnings) and warnings
