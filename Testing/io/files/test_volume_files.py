"""NRRD, NIfTI and MetaImage files, checked against SimpleITK."""

import gzip
import os
import stat
import struct

import numpy as np
import pytest
import SimpleITK as sitk
from MVCTEnhanceLib.errors import InputError, OutputError
from MVCTEnhanceLib.io import is_dicom_output, read_volume, write_volume
from MVCTEnhanceLib.volume import Volume

SUFFIXES = (".nrrd", ".nii", ".nii.gz", ".mha")
OBLIQUE = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
LEFT_HANDED = OBLIQUE @ np.diag([1.0, 1.0, -1.0])


def scan(shape=(4, 6, 5), seed=0):
    return np.random.default_rng(seed).integers(-1024, 2000, shape).astype(np.int16)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def volume(array, direction=OBLIQUE):
    return Volume(array, spacing=(0.75, 1.25, 3.0), origin=(-12.5, 20.25, 30.0), direction=direction)


def save(array, path, **geometry):
    image = sitk.GetImageFromArray(array, isVector=geometry.get("is_vector", False))
    sitk.WriteImage(image, str(path))
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("direction", [np.eye(3), OBLIQUE, LEFT_HANDED], ids=["axial", "oblique", "left-handed"])
def test_a_written_volume_reads_back_with_its_values_and_place(tmp_path, suffix, direction):
    written = volume(scan(), direction)
    write_volume(written, tmp_path / f"v{suffix}")
    back = read_volume(tmp_path / f"v{suffix}")
    image = sitk.ReadImage(str(tmp_path / f"v{suffix}"))
    np.testing.assert_array_equal(back.array, written.array)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), written.array)
    assert back.array.dtype == np.int16 and back.source is None and back.warnings == ()
    for k, j, i in [(0, 0, 0), (3, 5, 4), (1, 2, 3)]:
        place = written.origin + written.direction @ (np.array(written.spacing) * [i, j, k])
        np.testing.assert_allclose(image.TransformIndexToPhysicalPoint((i, j, k)), place, atol=1e-4)
        np.testing.assert_allclose(
            back.origin + back.direction @ (np.array(back.spacing) * [i, j, k]), place, atol=1e-4
        )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_values_are_rounded_and_clipped_never_truncated_or_wrapped(tmp_path, suffix):
    values = np.array([0.6, -0.6, 1.4, -1.4, 40000.0, -1024.4, 32767.4, -99.5], np.float32).reshape(2, 2, 2)
    write_volume(Volume(values), tmp_path / f"v{suffix}")
    stored = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / f"v{suffix}")))
    assert stored.dtype == np.int16
    assert stored.ravel().tolist() == [1, -1, 1, -1, 32767, -1024, 32767, -100]


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_a_volume_is_compressed_unless_it_should_not_be(tmp_path, suffix, compress):
    path = tmp_path / f"v{suffix}"
    write_volume(Volume(np.zeros((16, 64, 64), np.int16)), path, compress=compress)
    assert (path.stat().st_size < 16 * 64 * 64) == compress
    assert not read_volume(path).array.any()


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (np.int8, np.int16),
        (np.uint8, np.int16),
        (np.uint16, np.int16),
        (np.int32, np.int16),
        (np.float32, np.int16),
        (np.float64, np.int16),
    ],
)
def test_whole_numbers_that_fit_become_int16(tmp_path, dtype, expected):
    array = np.arange(-60, 60).reshape(4, 6, 5).clip(0 if np.dtype(dtype).kind == "u" else None).astype(dtype)
    back = read_volume(save(array, tmp_path / "v.nrrd"))
    assert back.array.dtype == expected
    np.testing.assert_array_equal(back.array, array)


@pytest.mark.parametrize("array", [scan().astype(float) + 0.25, scan().astype(np.int32) + 60000])
def test_other_numbers_become_float32(tmp_path, array):
    back = read_volume(save(array, tmp_path / "v.nrrd"))
    assert back.array.dtype == np.float32
    np.testing.assert_array_equal(back.array, array.astype(np.float32))


def test_a_2d_image_is_one_slice_and_says_so(tmp_path):
    back = read_volume(save(scan((6, 5)), tmp_path / "v.nrrd"))
    np.testing.assert_array_equal(back.array, scan((6, 5))[None])
    assert len(back.warnings) == 1 and "v.nrrd" in back.warnings[0] and "thickness" in back.warnings[0]


def test_padding_far_below_air_becomes_air_and_says_so(tmp_path):
    array = scan()
    array[:, 0, 0] = -3024
    back = read_volume(save(array, tmp_path / "v.nrrd"))
    assert (back.array[:, 0, 0] == -1024).all()
    np.testing.assert_array_equal(back.array[:, 1:], array[:, 1:])
    assert len(back.warnings) == 1 and "4 voxels" in back.warnings[0]


def test_noise_below_minus_1024_is_kept(tmp_path):
    array = np.full((4, 6, 5), -1200, np.int16)
    assert (read_volume(save(array, tmp_path / "v.nrrd")).array == -1200).all()


def test_values_offset_by_1024_are_said_and_not_changed(tmp_path):
    array = np.zeros((4, 6, 5), np.int16)
    array[:, 2:, 2:] = 1064
    back = read_volume(save(array, tmp_path / "v.nrrd"))
    np.testing.assert_array_equal(back.array, array)
    assert len(back.warnings) == 1 and "1024" in back.warnings[0] and "v.nrrd" in back.warnings[0]


def test_values_that_results_cannot_hold_are_said_and_not_changed(tmp_path):
    array = np.zeros((4, 6, 5), np.int32)
    array[0, 0, 0] = 40000
    array[0, 0, 1] = -1000
    back = read_volume(save(array, tmp_path / "v.nrrd"))
    np.testing.assert_array_equal(back.array, array)
    assert len(back.warnings) == 1 and "32767" in back.warnings[0]


@pytest.mark.parametrize("value", [0, 1064 - 1024, -1000])
def test_a_constant_volume_needs_no_warning(tmp_path, value):
    assert read_volume(save(np.full((4, 6, 5), value, np.int16), tmp_path / "v.nrrd")).warnings == ()


def refused(path, capfd, *words):
    """The one sentence with which a path is refused: it names the file, and nothing else reaches the user."""
    capfd.readouterr()
    with pytest.raises(InputError) as caught:
        read_volume(path)
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".") and path.name in message and ": " in message
    for word in words:
        assert word in message
    assert capfd.readouterr() == ("", "")
    return message


@pytest.mark.parametrize("suffix", [".nrrd", ".nii", ".nii.gz", ".mha", ".mhd", ".nhdr"])
def test_a_text_file_with_the_name_of_a_volume_is_refused(tmp_path, capfd, suffix):
    path = tmp_path / f"v{suffix}"
    path.write_text("hello\nworld")
    refused(path, capfd, "not a valid volume")
    path.write_bytes(b"")
    refused(path, capfd, "not a valid volume")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_cut_file_is_refused(tmp_path, capfd, suffix, share):
    path = tmp_path / f"v{suffix}"
    write_volume(Volume(scan((8, 32, 32))), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    refused(path, capfd, "is cut")


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_of_nifti_are_read_and_checked(tmp_path, capfd, order):
    array, path = scan((2, 3, 4)), tmp_path / "v.nii"
    header = bytearray(352)
    struct.pack_into(order + "i", header, 0, 348)
    struct.pack_into(order + "8h", header, 40, 3, 4, 3, 2, 1, 1, 1, 1)
    struct.pack_into(order + "2h", header, 70, 4, 16)
    struct.pack_into(order + "8f", header, 76, *[1] * 8)
    struct.pack_into(order + "f4x", header, 108, 352)
    struct.pack_into("4s", header, 344, b"n+1\0")
    path.write_bytes(bytes(header) + array.astype(order + "i2").tobytes())
    np.testing.assert_array_equal(read_volume(path).array, array)
    path.write_bytes(path.read_bytes()[:-1])
    refused(path, capfd, "is cut")


@pytest.mark.parametrize(
    ("name", "line", "instead"),
    [
        ("v.mha", "NDims = 3", "NDims = 1e18"),
        ("v.mha", "NDims = 3", "NDims = 12"),
        ("v.mha", "NDims = 3", "NDims ="),
        ("v.mha", "TransformMatrix = ", "TransformMatrix = 1e308 "),
        ("v.mha", "DimSize = 5 6 4", "DimSize = 5 0 4"),
        ("v.mha", "DimSize = 5 6 4", "DimSize = 50000 60000 4"),
        ("v.mha", "CompressedDataSize = ", "CompressedDataSize = 999999999999999"),
        ("v.nrrd", "(-12.5,", "(1e308,"),
        ("v.nrrd", "(-12.5,", "(nan,"),
        ("v.nrrd", "sizes: 5 6 4", "sizes: 5000000 600 4"),
    ],
)
def test_a_header_that_itk_would_not_survive_is_refused(tmp_path, capfd, name, line, instead):
    """It crashed, waited for ever, asked for all memory, or gave a volume without a place."""
    write_volume(volume(scan()), tmp_path / name)
    data = (tmp_path / name).read_bytes()
    assert data.count(line.encode()) == 1
    (tmp_path / name).write_bytes(data.replace(line.encode(), instead.encode()))
    refused(tmp_path / name, capfd, "again")


@pytest.mark.parametrize(
    ("at", "form", "value"),
    [(72, "<h", 0), (108, "<f", np.inf), (80, "<f", np.inf), (268, "<f", np.nan), (292, "<f", np.inf)],
    ids=["bits of a voxel", "begin of the voxels", "voxel size", "place", "matrix"],
)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_nifti_header_that_cannot_be_is_refused(tmp_path, capfd, suffix, at, form, value):
    write_volume(volume(scan().astype(np.float32)), tmp_path / "v.nii")
    data = bytearray((tmp_path / "v.nii").read_bytes())
    struct.pack_into(form, data, at, value)
    packed = gzip.compress(bytes(data)) if suffix == ".nii.gz" else bytes(data)
    (tmp_path / f"v{suffix}").write_bytes(packed)
    refused(tmp_path / f"v{suffix}", capfd, "again")


def test_a_volume_that_the_memory_does_not_hold_is_not_read(tmp_path, capfd, monkeypatch):
    write_volume(volume(np.zeros((9, 99, 99), np.int16)), tmp_path / "v.nrrd")
    pages = {"SC_PHYS_PAGES": 40, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", pages.get, raising=False)
    refused(tmp_path / "v.nrrd", capfd, "memory of this computer")


def test_voxels_in_another_file_may_be_more_than_the_header_could_hold(tmp_path):
    array = np.zeros((40, 99, 99), np.int16)
    save(array, tmp_path / "v.mhd")
    assert array.size > 1100 * (tmp_path / "v.mhd").stat().st_size
    assert read_volume(tmp_path / "v.mhd").array.shape == array.shape


def test_a_missing_data_file_is_refused(tmp_path, capfd):
    save(scan(), tmp_path / "v.mhd")
    (tmp_path / "v.raw").unlink()
    refused(tmp_path / "v.mhd", capfd, "data file")


def test_4d_colour_and_complex_files_are_refused(tmp_path, capfd):
    refused(save(np.zeros((2, 3, 4, 5), np.int16), tmp_path / "four.nrrd"), capfd, "4 dimensions")
    refused(save(np.zeros((3, 4, 5, 3), np.uint8), tmp_path / "colour.nrrd", is_vector=True), capfd, "colour")
    refused(save(np.zeros((2, 3, 4), np.complex64), tmp_path / "complex.mha"), capfd, "several values")


def test_sheared_axes_are_refused(tmp_path, capfd):
    image = sitk.GetImageFromArray(scan())
    image.SetDirection([1, 0, 0, 0, 1, 0.2, 0, 0, 0.98])
    sitk.WriteImage(image, str(tmp_path / "v.nrrd"))
    refused(tmp_path / "v.nrrd", capfd, "perpendicular")


def test_values_that_are_no_numbers_are_counted_and_refused(tmp_path, capfd):
    array = scan().astype(np.float32)
    array[1, 2, 3], array[0, 0, 0] = np.nan, np.inf
    refused(save(array, tmp_path / "v.nrrd"), capfd, "2 voxels of 120", "NaN")
    refused(save(np.full((3, 4, 5), np.nan), tmp_path / "all.nii.gz"), capfd, "60 voxels of 60")
    refused(save(np.where(array > 0, array, -np.inf), tmp_path / "some.nii"), capfd, "voxels of 120")
    refused(save(np.full((3, 4, 5), 1e300), tmp_path / "huge.nrrd"), capfd, "60 voxels of 60")


def test_missing_special_and_foreign_paths_are_refused(tmp_path, capfd):
    refused(tmp_path / "none.nrrd", capfd, "does not exist")
    (tmp_path / "report.txt").write_text("x")
    refused(tmp_path / "report.txt", capfd, "no scan that can be read")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.nrrd")
        refused(tmp_path / "pipe.nrrd", capfd, "not a regular file")


def test_a_file_without_read_permission_is_refused(tmp_path, capfd, limited_user):
    path = save(scan(), tmp_path / "v.nrrd")
    path.chmod(0)
    refused(path, capfd, "permission")


def test_names_with_spaces_and_other_scripts_work(tmp_path):
    path = tmp_path / "Größe 患者 1.nii.gz"
    write_volume(Volume(scan()), path)
    np.testing.assert_array_equal(read_volume(str(path)).array, scan())


@pytest.mark.parametrize("name", ["v.png", "v", "v.nrrd.txt", "v.gz"])
def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path, name):
    with pytest.raises(OutputError, match=r"\.nrrd, \.nii, \.nii\.gz, \.mha"):
        write_volume(Volume(scan()), tmp_path / name)
    assert names(tmp_path) == []


def test_a_volume_with_nan_is_not_written(tmp_path):
    with pytest.raises(OutputError, match="1 voxels are not finite"):
        write_volume(Volume(np.array([[[0.0, np.nan]]], np.float32)), tmp_path / "v.nrrd")
    assert names(tmp_path) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_leaves_the_old_file_and_one_sentence(tmp_path, capfd, suffix):
    resource = pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    path = tmp_path / f"v{suffix}"
    path.write_text("old")
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # as a disk with 20 kB left
    try:
        with pytest.raises(OutputError) as caught:
            write_volume(Volume(scan((8, 64, 64))), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.name in str(caught.value) and "disk" in str(caught.value) and "\n" not in str(caught.value)
    assert names(tmp_path) == [path.name] and path.read_text() == "old"
    assert capfd.readouterr().err == ""


def test_a_folder_without_write_permission_gives_one_sentence(tmp_path, limited_user):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="no permission"):
            write_volume(Volume(scan()), tmp_path / "v.nrrd")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX systems")
def test_written_files_follow_the_umask(tmp_path):
    before = os.umask(0o007)
    try:
        write_volume(Volume(scan()), tmp_path / "v.nrrd")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "v.nrrd").stat().st_mode) == 0o660


@pytest.mark.parametrize(
    ("name", "is_folder"), [("out", True), ("a.b/out", True), ("v.nrrd", False), ("V.NII.GZ", False), ("v.mha", False)]
)
def test_a_path_without_a_volume_suffix_means_a_dicom_folder(name, is_folder):
    assert is_dicom_output(name) is is_folder
