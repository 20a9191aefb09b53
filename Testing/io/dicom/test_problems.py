"""DICOM input that cannot be read: one sentence that says which file or series, what is wrong and what to do."""

import logging
import warnings

import numpy as np
import pydicom
import pytest
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.io import read_volume
from MVCTEnhanceLib.io.dicom.series import read_dicom_folder
from pydicom.uid import EnhancedCTImageStorage, RLELossless


@pytest.fixture
def refused(capfd, caplog):
    """Function (path, *words, **options): the path is refused in one sentence with these words, and silently else."""

    def check(path, *words, **options):
        capfd.readouterr()
        with warnings.catch_warnings(), caplog.at_level(logging.DEBUG), pytest.raises(InputError) as caught:
            warnings.simplefilter("error")
            read_volume(path, **options)
        message = str(caught.value)
        assert "\n" not in message and message.endswith(".") and "ecret" not in message
        assert ": " in message or "; " in message  # what to do
        for word in words:
            assert word in message
        assert capfd.readouterr() == ("", "") and not caplog.records

    return check


def positions(*z):
    """A change that puts the slices at these z in mm."""

    def change(ds, k):
        ds.ImagePositionPatient = [-10, -20, z[k]]

    return change


def test_missing_and_empty_folders(tmp_path, refused):
    refused(tmp_path / "none", "none does not exist")
    refused(tmp_path, tmp_path.name, "no DICOM images", "choose")
    (tmp_path / "notes.txt").write_text("hello")
    refused(tmp_path, "no DICOM images")
    with pytest.raises(InputError, match="none cannot be read as a folder"):
        read_dicom_folder(tmp_path / "none")


def test_several_ct_series_are_listed_with_their_counts(make_series, refused):
    folder = make_series("scan/a", series_uid="1.2.3").parent
    make_series("scan/b", series_uid="1.2.4", slices=3)
    make_series("scan/c", series_uid="1.2.5", Modality="MR")
    refused(
        folder,
        "2 CT series",
        "1.2.3 (CT, test scan, series 7, 5 slices); 1.2.4 (CT, test scan, series 7, 3 slices)",
        "by its UID",
    )


def test_an_unknown_uid_is_answered_with_the_known_ones(make_series, refused):
    refused(make_series(), "no series 9.9", "1.2.3 (CT, test scan, series 7, 5 slices)", series_uid="9.9")


@pytest.mark.parametrize("modality", ["MR", "PT", "RTSTRUCT", "RTDOSE"])
def test_another_modality(make_series, refused, modality):
    refused(make_series(Modality=modality), "1.2.3", f"modality {modality}", "choose a CT series")


def test_a_missing_modality(make_series, refused):
    refused(make_series(Modality=None), "1.2.3", "modality unknown")


def test_a_folder_of_other_series_names_them(make_series, refused):
    folder = make_series("scan/a", Modality="MR").parent
    make_series("scan/b", series_uid="1.2.4", Modality="PT", slices=2)
    refused(folder, "no CT volume", "1.2.3 (MR, test scan, series 7, 5 slices); 1.2.4 (PT,")


def test_a_localizer(make_series, refused):
    refused(make_series(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "1.2.3", "localizer", "choose the axial")


def test_an_enhanced_multi_frame_ct(make_series, refused):
    refused(make_series(slices=1, SOPClassUID=EnhancedCTImageStorage), "1.2.3", "Enhanced (multi-frame) CT", "convert")
    refused(make_series("two", slices=1, NumberOfFrames=12), "multi-frame")


def test_colour_images(make_series, refused):
    folder = make_series(
        pixels=np.zeros((6, 5, 3), np.uint8), SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0
    )
    refused(folder, "1.2.3", "colour")


def test_screen_pictures_without_positions(make_series, refused):
    refused(make_series(ImagePositionPatient=None, ImageOrientationPatient=None), "1.2.3", "no slice positions")


def test_a_missing_slice_names_the_file_before_the_gap(make_series, refused):
    folder = make_series(slices=8, change=lambda ds, k: k != 4)
    refused(folder, "1.2.3 lacks 1 slice:", "scan/IM005.dcm", "(position -21.0 mm)", "6.0 mm further", "export")


def test_several_missing_slices_are_counted(make_series, refused):
    refused(
        make_series(slices=12, change=lambda ds, k: k not in (4, 8, 9)), "lacks 3 slices", "IM005.dcm", "9.0 mm further"
    )


def test_two_steps_one_twice_as_long_count_as_a_gap(make_series, refused):
    refused(make_series(slices=3, change=positions(0, 2, 6)), "lacks 1 slice")


def test_uneven_spacing(make_series, refused):
    refused(make_series(change=positions(0, 3, 6, 10, 13)), "1.2.3", "3.00 to 4.00 mm", "IM003.dcm", "position 6.0 mm")


def test_a_step_that_drifts_is_uneven_though_each_gap_is_nearly_right(make_series, refused):
    refused(make_series(slices=40, change=positions(*np.cumsum(np.linspace(2.98, 3.02, 40)))), "unevenly spaced")


def test_different_images_at_one_position(make_series, refused):
    refused(make_series(change=positions(0, 3, 3, 6, 9)), "1.2.3", "IM003.dcm and scan/IM004.dcm", "(3.0 mm)", "take")


def test_two_versions_of_one_instance_are_not_taken_for_copies(make_series, refused):
    folder = make_series()
    ds = pydicom.dcmread(folder / "IM002.dcm")
    ds.PixelData = bytes(len(ds.PixelData))
    ds.save_as(folder / "changed.dcm")
    refused(folder, "IM002.dcm", "changed.dcm", "same position")


def test_a_4d_scan(make_series, refused):
    refused(make_series(slices=6, change=positions(0, 3, 6, 0, 3, 6)), "2 images at each of its 3 positions", "4-D")


def test_mixed_orientations(make_series, refused):
    def change(ds, k):
        if k == 3:
            ds.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]

    refused(make_series(change=change), "1.2.3", "IM002.dcm has another orientation", "keep one kind")


def test_mixed_sizes_and_pixel_spacings(make_series, make_slice, refused):
    folder = make_series()
    make_slice(np.zeros((6, 5), np.uint16), ImagePositionPatient=[-10, -20, -33]).save_as(folder / "z.dcm")
    refused(folder, "scan/z.dcm has 6x5 pixels, not 24x20")
    make_slice(PixelSpacing=[0.9, 0.9], ImagePositionPatient=[-10, -20, -33]).save_as(folder / "z.dcm")
    refused(folder, "scan/z.dcm has a pixel spacing of (0.9, 0.9), not (0.8, 0.7) mm")


def test_a_tilted_gantry(make_series, refused):
    def change(ds, k):
        z = 3 * k
        ds.ImagePositionPatient = [-10, f"{-20 + z * np.tan(np.radians(12)):.6f}", z]

    refused(make_series(change=change), "1.2.3", "gantry tilt of 12.0 degrees", "resample")


def test_a_slice_shifted_sideways(make_series, refused):
    def change(ds, k):
        ds.ImagePositionPatient = [-10 + 4 * (k == 2), -20, 3 * k]

    refused(make_series(change=change), "IM003.dcm is shifted sideways by 4.0 mm")


@pytest.mark.parametrize("keyword", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows"])
def test_one_header_without_its_place(make_series, refused, keyword):
    refused(make_series(change=lambda ds, k: delattr(ds, keyword) if k == 1 else None), "IM004.dcm has no valid")


@pytest.mark.parametrize("value", [["1", "2"], ["1", "2", "x"], ["1", "2", "nan"]])
def test_one_position_that_is_no_position(make_series, refused, value):
    def change(ds, k):
        if k == 1:
            del ds.ImagePositionPatient
            ds.add_new(0x00200032, "LO", value)

    folder = make_series(change=change)
    refused(folder, "IM004.dcm has no valid Image Position")


@pytest.mark.parametrize("orientation", [[0, 0, 0, 0, 0, 0], [1, 0, 0, 1, 0, 0], [1, 0, 0, 0, 2, 0]])
def test_an_orientation_without_perpendicular_unit_vectors(make_series, refused, orientation):
    refused(make_series(ImageOrientationPatient=orientation), "perpendicular", "export")


@pytest.mark.parametrize("slope", ["0", "nan", "inf"])
def test_a_rescale_that_gives_no_hu(make_series, refused, slope):
    def change(ds, k):
        del ds.RescaleSlope
        ds.add_new(0x00281053, "LO", slope)

    refused(make_series(change=change), "IM005.dcm", "Rescale Slope")


@pytest.mark.parametrize("share", [0.1, 0.2, 0.3, 0.5, 0.7, 0.95])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_cut_file_is_named(make_series, refused, share, compressed):
    folder = make_series(
        change=lambda ds, k: ds.compress(RLELossless, generate_instance_uid=False) if compressed else None
    )
    path = folder / "IM002.dcm"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    refused(folder, "scan/IM002.dcm", "again")


@pytest.mark.parametrize("content", [b"", b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICM" + b"\xff" * 500])
def test_a_broken_slice_is_never_passed_over(make_series, refused, content):
    folder = make_series()
    (folder / "IM001.dcm").write_bytes(content)
    refused(folder, "scan/IM001.dcm is a damaged or cut DICOM file", "take it out")
    refused(folder / "IM001.dcm", "IM001.dcm is a damaged or cut DICOM file")


def test_random_damage_gives_one_sentence_or_an_image(make_series):
    """Whatever bytes of a header are broken, nothing but an InputError comes out."""
    folder = make_series(slices=2)
    path, rng = folder / "IM001.dcm", np.random.default_rng(0)
    whole = path.read_bytes()
    for _ in range(150):
        damaged = bytearray(whole)
        for place in rng.integers(132, 900, 4):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            assert read_volume(folder).array.ndim == 3
        except InputError as error:
            assert "\n" not in str(error)


def test_pixels_that_do_not_fit_the_header(make_series, refused):
    folder = make_series(change=lambda ds, k: setattr(ds, "BitsAllocated", 32))
    refused(folder, "IM005.dcm", "again")


def test_a_compression_that_nothing_decodes(make_series, refused):
    def change(ds, k):
        ds.file_meta.TransferSyntaxUID = pydicom.uid.JPEGLSLossless
        ds.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8 not a picture \xff\xd9"])
        ds["PixelData"].is_undefined_length = True

    refused(make_series(change=change), "IM005.dcm", "JPEG-LS", "uncompressed")


def test_files_and_folders_without_read_permission(make_series, refused, limited_user):
    folder = make_series("scan/a")
    (folder / "IM001.dcm").chmod(0)
    refused(folder, "IM001.dcm", "permission")
    folder.chmod(0)
    try:
        refused(folder.parent, "permission")
    finally:
        folder.chmod(0o700)


@pytest.mark.parametrize(
    "start", [b"\x08\x00" * 4, b"\x08\x00\x05\x00", b"\x02\x00\x10\x00\x00\x01", b"\x08\x00\x40\x00\x10\x00\x00\x00"]
)
def test_raw_voxels_beside_the_slices_are_no_damaged_slice(make_series, start):
    """They may begin as an old DICOM file without a preamble does."""
    folder = make_series()
    before = read_volume(folder)
    (folder / "voxels.raw").write_bytes(start + np.random.default_rng(0).bytes(5000))
    np.testing.assert_array_equal(read_volume(folder).array, before.array)


def with_syntax(uid):
    def change(ds, k):
        ds.file_meta.TransferSyntaxUID = uid
        if pydicom.uid.UID(uid).is_transfer_syntax and pydicom.uid.UID(uid).is_encapsulated:
            ds.PixelData = pydicom.encaps.encapsulate([b"\0" * 960])
            ds["PixelData"].is_undefined_length = True

    return change


@pytest.mark.parametrize(
    ("uid", "name"),
    [
        ("1.2.3.4.5", "transfer syntax 1.2.3.4.5,"),
        ("1.2.840.113619.5.2", "1.2.840.113619.5.2"),  # private, of GE
        ("1.2.840.10008.1.2.4.102", "MPEG-4 AVC/H.264 High Profile / Level 4.1 (1.2.840.10008.1.2.4.102)"),
    ],
)
def test_a_transfer_syntax_that_is_not_read_is_named(make_series, refused, uid, name):
    folder = make_series(change=with_syntax(uid))
    with pytest.raises(InputError) as caught:
        read_volume(folder)
    assert "damaged" not in str(caught.value)
    refused(folder, name, "export the series uncompressed")


def test_a_transfer_syntax_that_is_no_uid_is_not_repeated(make_series, refused):
    folder = make_series(slices=1)
    (file,) = folder.iterdir()
    uid = b"1.2.840.10008.1.2.1\0"
    assert uid in file.read_bytes()
    file.write_bytes(file.read_bytes().replace(uid, b"Secret \xff\x01\n of 20 b", 1))
    refused(folder, "is a damaged or cut DICOM file")


def test_a_private_transfer_syntax_whose_header_cannot_be_read_is_named(make_series, refused):
    """GE's own, in which no numbers come in the order that DICOM has for an unknown one."""
    folder = make_series(change=with_syntax(pydicom.uid.ExplicitVRBigEndian))
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.2\0", b"1.2.840.113619.5.2\0\0", 1))
    refused(folder, "transfer syntax 1.2.840.113619.5.2, which is not read here", "export the series uncompressed")


@pytest.mark.parametrize("unit", ["OD", "ED", "Z_EFF"])
def test_values_that_are_no_hu(make_series, refused, unit):
    refused(make_series(RescaleType=unit), f"Rescale Type {unit}", "no HU")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_cut_rtstruct_is_no_slice(make_series, make_slice, share):
    folder = make_series()
    ds = make_slice(SOPClassUID=pydicom.uid.RTStructureSetStorage, Modality="RTSTRUCT", PixelData=None, Rows=None)
    ds.ROIContourSequence = [pydicom.Dataset() for _ in range(40)]
    for item in ds.ROIContourSequence:
        item.ContributingEquipmentSequence = [pydicom.Dataset()]
        item.ROIDisplayColor = [1, 2, 3]
    path = folder / "RS.dcm"
    pydicom.dcmwrite(path, ds, enforce_file_format=True)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert len(read_volume(folder).array) == 5
