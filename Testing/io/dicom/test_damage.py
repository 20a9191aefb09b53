"""DICOM files that are damaged, odd or made to do harm: a right volume or one sentence, soon and in little memory."""

import os
import re
import socket
import struct
import time
import zlib
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.io import read_volume
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

LITTLE = 300_000_000  # bytes


@contextmanager
def soon_and_in_little_memory():
    """The memory is measured where the system can forget what was the most before (Linux)."""
    forget, start, before = Path("/proc/self/clear_refs"), time.process_time(), 0
    if forget.exists():
        forget.write_text("5")
        before = most_memory()
    yield
    assert time.process_time() - start < 10
    if forget.exists():
        assert most_memory() - before < LITTLE


def most_memory() -> int:
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) * 1024


def refused(path, *words):
    """The path is refused in one sentence with these words, at once and in little memory."""
    with soon_and_in_little_memory(), pytest.raises(InputError) as caught:
        read_volume(path)
    message = str(caught.value)
    assert message.isprintable() and message.endswith(".") and "ecret" not in message
    assert [word for word in words if word not in message] == []


def raw(ds, keyword, text, vr="LO"):
    """Give an element a value that pydicom itself would not write."""
    if keyword in ds:
        del ds[keyword]
    ds.add_new(pydicom.datadict.tag_for_keyword(keyword), vr, text)


NEEDED = {
    "SeriesInstanceUID": "Series Instance UID",
    "Modality": "modality unknown",
    "ImagePositionPatient": "no valid Image Position (Patient)",
    "ImageOrientationPatient": "no valid Image Orientation (Patient)",
    "PixelSpacing": "no valid Pixel Spacing",
    "Rows": "no valid Rows and Columns",
    "Columns": "no valid Rows and Columns",
    "SamplesPerPixel": "no valid Samples per Pixel",
    "PhotometricInterpretation": "no valid Photometric Interpretation",
    "BitsAllocated": "no valid Bits Allocated",
    "BitsStored": "no valid Bits Stored",
    "PixelRepresentation": "no valid Pixel Representation",
    "PixelData": "no valid Pixel Data",
}


@pytest.mark.parametrize("way", ["missing", "empty"])
@pytest.mark.parametrize("keyword", NEEDED)
def test_a_missing_element_that_is_needed_is_named(make_series, keyword, way):
    def change(ds, k):
        if k == 1:
            if way == "missing":
                delattr(ds, keyword)
            else:
                ds[keyword].value = None

    refused(make_series(change=change), NEEDED[keyword])


@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept"])
def test_a_missing_rescale_is_told(make_series, keyword):
    folder = make_series(change=lambda ds, k: delattr(ds, keyword) if k == 1 else None)
    assert any("no Rescale Slope or Intercept" in warning for warning in read_volume(folder).warnings)


@pytest.mark.parametrize(
    "keyword",
    ["SOPClassUID", "SOPInstanceUID", "ImageType", "SeriesDescription", "SliceThickness", "HighBit"],
)
def test_a_missing_element_that_is_not_needed_changes_nothing(make_series, keyword):
    whole = read_volume(make_series("whole"))
    series = read_volume(make_series(change=lambda ds, k: delattr(ds, keyword) if k == 1 else None))
    np.testing.assert_array_equal(series.array, whole.array)
    assert (series.spacing, series.origin, series.warnings) == (whole.spacing, whole.origin, ())


@pytest.mark.parametrize(
    ("keyword", "value", "words"),
    [
        ("PixelSpacing", ["0", "0"], "Pixel Spacing"),
        ("PixelSpacing", ["nan", "nan"], "Pixel Spacing"),
        ("PixelSpacing", ["-1", "1"], "Pixel Spacing"),
        ("PixelSpacing", ["1e-30", "1e-30"], "Pixel Spacing"),
        ("PixelSpacing", ["1e30", "1e30"], "Pixel Spacing"),
        ("PixelSpacing", "1", "Pixel Spacing"),
        ("ImagePositionPatient", ["1e308", "-1e308", "1e308"], "Image Position"),
        ("ImagePositionPatient", ["a", "b", "c"], "Image Position"),
        ("ImageOrientationPatient", ["1e308"] * 6, "Image Orientation"),
        ("RescaleSlope", "one", "Rescale Slope"),
        ("RescaleIntercept", ["1", "2"], "Intercept"),
        ("Rows", "many", "Rows"),
    ],
)
def test_values_that_cannot_be_are_named(make_series, keyword, value, words):
    refused(make_series(change=lambda ds, k: raw(ds, keyword, value)), words)


@pytest.mark.parametrize("keyword", ["PixelSpacing", "ImagePositionPatient", "RescaleSlope", "RescaleIntercept"])
def test_numbers_of_another_vr_are_numbers_all_the_same(make_series, keyword):
    def change(ds, k):
        value = ds[keyword].value
        numbers = [value] if keyword.startswith("Rescale") else value
        raw(ds, keyword, [str(number) for number in numbers], vr="SH")

    series, whole = read_volume(make_series(change=change)), read_volume(make_series("whole"))
    np.testing.assert_array_equal(series.array, whole.array)
    assert series.spacing == whole.spacing and series.warnings == ()


def test_a_slope_beyond_all_integers_wraps_no_value(make_series):
    pixels = np.full((6, 5), 3000, np.uint16)
    array = read_volume(make_series(pixels=pixels, RescaleSlope="1e17", RescaleIntercept="0")).array
    np.testing.assert_allclose(array, 3e20, rtol=1e-6)


@pytest.mark.parametrize(
    "sizes",
    [
        {"Rows": 65535, "Columns": 65535},
        {"Rows": 0, "Columns": 65535},
        {"Rows": 8191, "Columns": 8191},
        {"NumberOfFrames": 2**31 - 1},
        {"BitsAllocated": 65535},
        {"BitsAllocated": 1},
        {"BitsAllocated": 64, "BitsStored": 64},
        {"BitsStored": 0},
        {"SamplesPerPixel": 65535},
    ],
    ids=str,
)
@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "RLE"])
def test_absurd_sizes_are_refused_before_they_are_made(make_series, sizes, compressed):
    def change(ds, k):
        if compressed:
            ds.compress(RLELossless, generate_instance_uid=False)
        for keyword, value in sizes.items():
            setattr(ds, keyword, value)

    refused(make_series(change=change, slices=2))


def packed(compressor, tmp_path):
    """A CT slice of 24 x 20 pixels, compressed by GDCM, and the bytes of its picture."""
    path = tmp_path / "packed.dcm"
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.SetFileName(str(path))
    writer.UseCompressionOn()
    writer.SetCompressor(compressor)
    writer.Execute(sitk.GetImageFromArray(np.arange(480, dtype=np.int16).reshape(1, 24, 20)))
    return pydicom.dcmread(path)


@pytest.mark.parametrize("in_header", [False, True], ids=["picture", "picture and header"])
@pytest.mark.parametrize("compressor", ["JPEG", "JPEG2000"])
def test_a_compressed_picture_of_absurd_size_is_never_unpacked(make_series, tmp_path, compressor, in_header):
    picture = packed(compressor, tmp_path)
    small, large = (
        (struct.pack(">HH", 24, 20), b"\xff\xff\xff\xff")
        if compressor == "JPEG"
        else (struct.pack(">II", 20, 24), struct.pack(">II", 65535, 65535))
    )

    def change(ds, k):
        ds.file_meta.TransferSyntaxUID = picture.file_meta.TransferSyntaxUID
        ds.PixelData = picture.PixelData.replace(small, large)
        assert ds.PixelData != picture.PixelData
        ds["PixelData"].is_undefined_length = True
        if in_header:
            ds.Rows = ds.Columns = 65535

    refused(make_series(change=change, slices=1), "65535 x 65535 pixels" if in_header else "cannot be decoded")


@pytest.mark.parametrize("compressor", ["JPEG", "JPEG2000"])
def test_a_damaged_length_outside_of_the_picture_makes_no_decoder_take_memory(make_series, tmp_path, compressor):
    picture = packed(compressor, tmp_path)

    def change(ds, k):
        ds.file_meta.TransferSyntaxUID = picture.file_meta.TransferSyntaxUID
        ds.PixelData = picture.PixelData
        ds["PixelData"].is_undefined_length = True

    folder = make_series(change=change, slices=1)
    (path,) = folder.iterdir()
    data = path.read_bytes()
    item = data.rindex(b"\xfe\xff\x00\xe0")
    path.write_bytes(data[: item + 4] + struct.pack("<I", 0xFFFFFF00) + data[item + 8 :])
    with soon_and_in_little_memory(), suppress(InputError):
        assert read_volume(folder).array.shape == (1, 24, 20)


def test_a_file_that_unpacks_to_gigabytes_is_refused(make_series):
    folder = make_series(
        slices=1, change=lambda ds, k: setattr(ds.file_meta, "TransferSyntaxUID", DeflatedExplicitVRLittleEndian)
    )
    (path,) = folder.iterdir()
    meta = path.read_bytes()
    meta = meta[: 144 + struct.unpack_from("<I", meta, 140)[0]]  # the mark, the group's length, and so many bytes
    pack = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = bytes(1 << 22)
    path.write_bytes(meta + b"".join(pack.compress(block) for _ in range(72)) + pack.flush())
    assert path.stat().st_size < 2_000_000
    refused(folder, "IM001.dcm is a damaged or cut DICOM file")


@pytest.mark.parametrize("depth", [20, 300, 20_000])
@pytest.mark.parametrize("undefined", [False, True], ids=["lengths", "delimiters"])
def test_sequences_within_sequences_are_read_or_refused(make_series, depth, undefined):
    tag, item = b"\x09\x00\x01\x10SQ\0\0", b"\xfe\xff\x00\xe0"
    if undefined:
        ends = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0" * depth
        nested = (tag + b"\xff" * 4 + item + b"\xff" * 4) * depth + ends
    else:
        lengths = range(20 * depth, 0, -20)
        nested = b"".join(tag + struct.pack("<I", n - 12) + item + struct.pack("<I", n - 20) for n in lengths)
    folder = make_series(slices=2)
    truth = read_volume(folder).array
    for path in folder.iterdir():
        data = path.read_bytes()
        at = data.index(b"\x10\x00\x10\x00PN")
        path.write_bytes(data[:at] + nested + data[at:])
    if undefined and depth > 100:
        with pytest.raises(InputError, match=r"IM00\d\.dcm is a damaged or cut DICOM file"):
            read_volume(folder)
    else:
        np.testing.assert_array_equal(read_volume(folder).array, truth)


@pytest.mark.skipif(os.name != "posix", reason="special files of POSIX systems")
def test_special_files_and_loops_of_links_in_a_folder_are_passed_over(make_series):
    folder = make_series()
    truth = read_volume(folder).array
    for k, target in enumerate(["/dev/zero", "/dev/random", folder, folder.parent, "nowhere", f"link{5}.dcm"]):
        (folder / f"link{k}.dcm").symlink_to(target)
    os.mkfifo(folder / "pipe.dcm")
    here = Path.cwd()
    os.chdir(folder)  # names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("socket.dcm")
    finally:
        os.chdir(here)
    volume = read_volume(folder)
    np.testing.assert_array_equal(volume.array, truth)
    assert volume.warnings == ()


@pytest.mark.skipif(os.name != "posix", reason="special files of POSIX systems")
@pytest.mark.parametrize("name", ["pipe", "pipe.dcm", "pipe.nrrd", "pipe.nii.gz", "pipe.mha"])
def test_a_special_file_is_no_scan(tmp_path, name):
    os.mkfifo(tmp_path / name)
    refused(tmp_path / name, "not a regular file")


@pytest.mark.skipif(os.name != "posix", reason="names of any letters")
@pytest.mark.parametrize(
    "name",
    [
        "a b",
        'it\'s "it"',
        "$(touch trace)",
        "-o",
        "%s %d",
        "Größe 患者 Ω",
        "x" * 200 + "/" + "y" * 200 + "/" + "z" * 200,
    ],
    ids=["space", "quotes", "shell", "option", "format", "letters", "600 characters"],
)
def test_folders_of_any_name_are_read(make_series, tmp_path, name):
    folder = make_series(name)
    assert read_volume(folder).array.shape[0] == 5
    assert read_volume(folder / "IM001.dcm").array.shape[0] == 5
    assert not list(tmp_path.rglob("trace"))
