"""Volume files of any type of values: none is wrapped, lost or guessed without a word."""

import json
import os
import sys

import numpy as np
import pytest
import SimpleITK as sitk

SPACING = (2.0, 2.0, 6.0)


@pytest.fixture
def enhance(main, tmp_path):
    """Function (array) -> the enhanced scan, the difference and the warnings."""

    def enhance(array, name="scan.nrrd"):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(SPACING)
        sitk.WriteImage(image, str(tmp_path / name))
        outputs = ["--output", tmp_path / "e.nrrd", "--difference", tmp_path / "d.nrrd"]
        result = main("enhance", tmp_path / name, *outputs, "--json", "--overwrite")
        assert result.code == 0, result.stderr
        scans = (sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / part))) for part in ("e.nrrd", "d.nrrd"))
        return *scans, " ".join(json.loads(result.stdout)["warnings"])

    return enhance


@pytest.fixture
def hu(mvct):
    """Two slices of a head, HU of 96 x 96 pixels as int32."""
    return mvct.array[:2].astype(np.int32)


@pytest.mark.integration
@pytest.mark.parametrize(
    "dtype",
    [
        np.uint16,
        np.float64,
        *(
            pytest.param(dtype, marks=pytest.mark.thorough)
            for dtype in (np.int8, np.uint8, np.int32, np.uint32, np.int64, np.float32)
        ),
    ],
)
def test_every_type_of_values_gives_the_same_as_int16(enhance, hu, dtype):
    low = max(np.iinfo(dtype).min if np.dtype(dtype).kind in "iu" else -1024, -1024)
    high = min(np.iinfo(dtype).max if np.dtype(dtype).kind in "iu" else 3000, 3000)
    values = hu.clip(low, high)
    expected, _, _ = enhance(values.astype(np.int16))
    enhanced, _, _ = enhance(values.astype(dtype))
    np.testing.assert_array_equal(enhanced, expected)


def test_values_between_whole_numbers_are_kept(enhance, hu):
    quarter, _, _ = enhance(hu.astype(np.float32) + 0.25)
    whole, _, _ = enhance(hu.astype(np.int16))
    assert 0 < np.abs(quarter.astype(float) - whole).mean() < 1


def test_metal_is_kept_and_never_wrapped(enhance, hu):
    levels = (3071, 3072, 8000, 20000, 32767)
    for n, level in enumerate(levels):
        hu[0, 40:46, 20 + 8 * n : 26 + 8 * n] = level
    enhanced, difference, warnings = enhance(hu.astype(np.int16))
    for n, level in enumerate(levels):
        metal = enhanced[0, 42:44, 22 + 8 * n : 24 + 8 * n]
        assert metal.min() >= min(level, 32767 - 300)
        np.testing.assert_array_equal(difference[0, 42:44, 22 + 8 * n : 24 + 8 * n], metal - level)
    assert "were trained on" in warnings or "was trained on" in warnings


@pytest.mark.parametrize(("dtype", "value"), [(np.uint16, 65535), (np.int32, 100_000), (np.float64, 1e9)])
def test_values_beyond_int16_are_clipped_and_said(enhance, hu, dtype, value):
    values = hu.clip(0, 3000).astype(dtype)
    values[0, 40:60, 40:60] = value
    enhanced, _, warnings = enhance(values)
    assert (enhanced[0, 45:55, 45:55] == 32767).all()
    assert "above 32767 HU: results are clipped" in warnings


@pytest.mark.parametrize(("offset", "words"), [(1024, "appear shifted by +1024"), (-1024, "appear shifted by -1024")])
@pytest.mark.parametrize("dtype", [np.int16, np.float64])
def test_hu_that_are_off_by_1024_are_said_and_not_guessed(enhance, hu, dtype, offset, words):
    enhanced, difference, warnings = enhance((hu + offset).astype(dtype))
    assert words in warnings and "the values were not changed" in warnings
    inside = np.abs(enhanced.astype(int)) < 32000
    np.testing.assert_array_equal((enhanced.astype(int) - difference)[inside], (hu + offset)[inside])


def test_a_right_scan_is_not_said_to_be_off(enhance, hu):
    padded = hu.copy()
    padded[:, :12] = -2000  # outside the scanner's field
    assert "appear shifted" not in enhance(padded.astype(np.int16))[2]
    assert "appear shifted" not in enhance(hu.astype(np.int16))[2]


@pytest.mark.skipif(os.name != "posix", reason="special files of POSIX systems")
@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.nhdr", "data file: pipe\n"),
        ("a.nrrd", "datafile: pipe\n"),
        ("a.nhdr", "data file: LIST\npipe"),
        ("a.mhd", "ElementDataFile = pipe\n"),
        ("a.mhd", "ElementDataFile = LIST\npipe\n"),
    ],
)
def test_a_header_that_names_a_pipe_is_refused(main, tmp_path, assert_refused, name, data):
    os.mkfifo(tmp_path / "pipe")
    nrrd = "NRRD0004\ntype: short\ndimension: 3\nsizes: 9 9 1\nencoding: raw\nendian: little\n"
    meta = "NDims = 3\nDimSize = 9 9 1\nElementType = MET_SHORT\n"
    (tmp_path / name).write_text((meta if name.endswith(".mhd") else nrrd) + data)
    result = main("enhance", tmp_path / name, "--output", tmp_path / "e.nrrd", "--progress", "none")
    assert_refused(result, name, "not a regular file")


@pytest.mark.skipif(os.name != "posix", reason="names of any letters")
@pytest.mark.parametrize(
    "name", ["a b.nrrd", 'it\'s "it".nrrd', "$(touch trace).nrrd", "Größe 患者.nrrd", "x" * 250 + ".nrrd", "%d.nrrd"]
)
def test_files_of_any_name_are_enhanced(enhance, hu, tmp_path, name):
    enhance(hu.astype(np.int16), name)
    assert not list(tmp_path.rglob("trace"))


@pytest.mark.integration
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names of any bytes")
def test_a_name_that_is_no_text_is_refused_where_itk_would_end_the_process(run, main, scan, tmp_path, assert_refused):
    folder = tmp_path / os.fsdecode(b"\xff\xfe")
    folder.mkdir()
    refused = main("enhance", scan, "--output", folder / "e.nrrd", "--progress", "none")
    assert_refused(refused, "no valid text", r"\udcff")
    result = run("enhance", scan.rename(folder / "scan.nrrd"), "--output", tmp_path / "e.nrrd", "--progress", "none")
    assert_refused(result, "no valid text", r"\udcff")


def test_a_dicom_folder_whose_name_is_no_text_is_read(main, dicom_scan, tmp_path):
    if not sys.platform.startswith("linux"):
        pytest.skip("names of any bytes")
    folder = dicom_scan.rename(tmp_path / os.fsdecode(b"\xff\xfe"))
    assert main("enhance", folder, "--output", tmp_path / "e.nrrd", "--progress", "none").code == 0


@pytest.mark.skipif(os.name != "posix", reason="names of any letters")
def test_an_error_is_one_line_whatever_the_name(main, tmp_path, assert_refused):
    result = main("enhance", tmp_path / "two\nlines \x1b[31m", "--output", tmp_path / "e.nrrd", "--progress", "none")
    assert_refused(result, r"two\nlines \x1b[31m does not exist")
    result = main("enhance", tmp_path / ("x" * 300), "--output", tmp_path / "e.nrrd", "--progress", "none")
    assert_refused(result, "too long")
