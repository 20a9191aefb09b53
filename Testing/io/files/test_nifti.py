"""NIfTI files of every kind, made byte by byte: read to the HU and place that ITK has, or refused with the reason."""

import gzip
import struct

import numpy as np
import pytest
import SimpleITK as sitk
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.io import read_volume

HU = np.random.default_rng(4).integers(-1024, 2000, (3, 4, 5)).astype(np.int16)
PLACE = np.array([[2.0, 0, 0, 10], [0, 3.0, 0, 20], [0, 0, 4.0, 30]])  # voxel indices to RAS
ORIGIN, DIRECTION = (-10, -20, 30), np.diag([-1.0, -1.0, 1.0])  # the same in LPS
AGREES, DISAGREES = (1, 0, 0, 0, 10, 20, 30), (1, 0, 0, 0, 1, 2, 3)  # qform code, quaternion, offset
QUARTER = (1, 0.1, 0.2, 0.3, 1, 2, 3)


def nifti1(
    array=HU,
    *,
    sform=(1, PLACE),
    qform=(0, 0, 0, 0, 0, 0, 0),
    handed=1.0,
    voxel=(2.0, 3.0, 4.0),
    sizes=None,
    code=4,
    units=2,
    scale=(0.0, 0.0),
    begin=352,
    mark=b"n+1\0",
    order="<",
) -> bytes:
    header = bytearray(max(352, begin))
    dtype = array.dtype.newbyteorder(order)
    sizes = sizes or (array.ndim, *array.shape[::-1])
    struct.pack_into(order + "i", header, 0, 348)
    struct.pack_into(order + "8h", header, 40, *(*sizes, *[1] * 8)[:8])
    struct.pack_into(order + "2h", header, 70, code, 8 * dtype.itemsize)
    struct.pack_into(order + "8f", header, 76, handed, *voxel, 1, 1, 1, 1)
    struct.pack_into(order + "3f", header, 108, begin, *scale)
    header[123] = units
    struct.pack_into(order + "2h6f", header, 252, qform[0], sform[0] if sform else 0, *qform[1:])
    struct.pack_into(order + "12f", header, 280, *(sform[1] if sform else np.zeros((3, 4))).ravel())
    header[344:348] = mark
    return bytes(header) + array.astype(dtype).tobytes()


def nifti2(order="<") -> bytes:
    header = bytearray(544)
    struct.pack_into(order + "i", header, 0, 540)
    header[4:12] = b"n+2\0\r\n\x1a\n"
    struct.pack_into(order + "2h", header, 12, 4, 16)
    struct.pack_into(order + "8q", header, 16, 3, 5, 4, 3, 1, 1, 1, 1)
    struct.pack_into(order + "8d", header, 104, 1, 2, 3, 4, 1, 1, 1, 1)
    struct.pack_into(order + "q2d", header, 168, 544, 1, -24)
    struct.pack_into(order + "2i", header, 344, 0, 1)
    struct.pack_into(order + "12d", header, 400, *PLACE.ravel())
    struct.pack_into(order + "i", header, 500, 2)
    return bytes(header) + (HU + 24).astype(order + "i2").tobytes()


@pytest.fixture
def read(tmp_path):
    """Function: content and suffix -> the volume."""

    def read(content, suffix=".nii"):
        (tmp_path / f"v{suffix}").write_bytes(content)
        return read_volume(tmp_path / f"v{suffix}")

    return read


def assert_is_scan(volume, array=HU):
    np.testing.assert_array_equal(volume.array, array)
    assert volume.warnings == ()
    assert volume.spacing == pytest.approx((2, 3, 4))
    assert volume.origin == pytest.approx(ORIGIN)
    np.testing.assert_allclose(volume.direction, DIRECTION, atol=1e-6)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".NII", ".NII.GZ", ".nrrd", ".mha"])
@pytest.mark.parametrize("packed", [0, 1, 2], ids=["plain", "packed", "packed twice"])
def test_the_content_counts_and_not_the_name(read, suffix, packed):
    content = nifti1()
    for _ in range(packed):
        content = gzip.compress(content)
    assert_is_scan(read(content, suffix))


@pytest.mark.parametrize(
    "packed",
    [
        gzip.compress(nifti1()) + b"trailing",
        gzip.compress(nifti1()) + b"\0" * 99,
        gzip.compress(nifti1()[:400]) + gzip.compress(nifti1()[400:]),
    ],
    ids=["other bytes after it", "zeros after it", "two parts"],
)
def test_packed_files_as_other_programs_make_them(read, packed):
    assert_is_scan(read(packed, ".nii.gz"))


def test_a_long_file_is_unpacked_whole(read):
    array = np.random.default_rng(1).integers(-1000, 1000, (30, 200, 201)).astype(np.int16)
    np.testing.assert_array_equal(read(gzip.compress(nifti1(array), 1), ".nii.gz").array, array)
    blank = np.zeros((30, 512, 512), np.int16)
    assert read(gzip.compress(nifti1(blank)), ".nii.gz").array.shape == blank.shape


@pytest.mark.parametrize("order", ["<", ">"])
def test_nifti_2(read, order):
    assert_is_scan(read(nifti2(order)))
    assert_is_scan(read(gzip.compress(nifti2(order)), ".nii.gz"))


@pytest.mark.parametrize(
    "options",
    [
        {"order": ">"},
        {"sizes": (4, 5, 4, 3, 1)},
        {"sizes": (5, 5, 4, 3, 1, 1)},
        {"begin": 1000},
        {"scale": (np.nan, np.nan)},
        {"scale": (0.0, 5.0)},
        {"sform": (2, PLACE), "qform": AGREES},
        {"sform": (4, PLACE)},
        {"sform": None, "qform": AGREES},
        {"sform": (1, PLACE / 1000), "voxel": (0.002, 0.003, 0.004), "units": 1},
        {"sform": (1, PLACE * 1000), "voxel": (2000.0, 3000.0, 4000.0), "units": 3 | 8},
    ],
    ids=str,
)
def test_headers_that_mean_the_same(read, options):
    assert_is_scan(read(nifti1(**options)))


@pytest.mark.parametrize(
    ("code", "dtype"),
    [(2, "u1"), (256, "i1"), (4, "i2"), (512, "u2"), (8, "i4"), (768, "u4"), (1024, "i8"), (16, "f4"), (64, "f8")],
)
def test_every_type_of_voxel_scaled_as_itk_does(read, tmp_path, code, dtype):
    array = np.arange(60).reshape(3, 4, 5).astype(dtype)
    for scale in ((1.0, -1024.0), (0.5, 3.25), (-2.0, 0.0)):
        volume = read(nifti1(array, code=code, scale=scale))
        np.testing.assert_array_equal(volume.array, array * scale[0] + scale[1])
        np.testing.assert_allclose(volume.array, sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "v.nii"))))


@pytest.mark.parametrize(
    "options",
    [
        {"sform": None, "qform": QUARTER},
        {"sform": None, "qform": QUARTER, "handed": -1.0},
        {"sform": None, "qform": (2, 0.5, 0.5, 0.5, 1, 2, 3), "handed": 0.0},
        {"sform": (1, PLACE * [[-1], [1], [1]])},
        {"sform": (3, PLACE[[1, 2, 0]])},
    ],
    ids=["quaternion", "left-handed", "diagonal", "LAS", "permuted"],
)
def test_orientations_are_those_of_itk(read, tmp_path, options):
    volume = read(nifti1(**options))
    image = sitk.ReadImage(str(tmp_path / "v.nii"))
    assert volume.origin == pytest.approx(image.GetOrigin(), abs=1e-5)
    np.testing.assert_allclose(volume.direction.ravel(), image.GetDirection(), atol=1e-5)


@pytest.mark.parametrize(("codes", "taken"), [((1, 1), "sform"), ((1, 2), "qform"), ((2, 1), "sform")])
def test_two_places_that_disagree_are_said_and_that_of_itk_is_taken(read, tmp_path, codes, taken):
    volume = read(nifti1(qform=(codes[0], *DISAGREES[1:]), sform=(codes[1], PLACE)))
    assert len(volume.warnings) == 1 and f"differ by 33.7 mm (qform and sform): the {taken}" in volume.warnings[0]
    assert volume.origin == pytest.approx(sitk.ReadImage(str(tmp_path / "v.nii")).GetOrigin())


def test_two_voxel_sizes_that_disagree_are_said_and_that_of_the_place_is_taken(read):
    volume = read(nifti1(voxel=(2.0, 3.0, 4.5)))
    assert len(volume.warnings) == 1 and "2 x 3 x 4 mm were taken (sform), not 2 x 3 x 4.5 mm" in volume.warnings[0]
    assert volume.spacing == pytest.approx((2, 3, 4))


def test_no_orientation_at_all_is_said(read, tmp_path):
    volume = read(nifti1(sform=None))
    assert len(volume.warnings) == 1 and "no qform and no sform" in volume.warnings[0]
    image = sitk.ReadImage(str(tmp_path / "v.nii"))
    assert (volume.spacing, volume.origin) == (image.GetSpacing(), image.GetOrigin())
    np.testing.assert_allclose(volume.direction.ravel(), image.GetDirection())


@pytest.mark.parametrize("shear", [2e-4, 1e-3, 8e-3])
def test_slightly_sheared_axes_become_the_nearest_perpendicular_ones(read, shear):
    place = PLACE.copy()
    place[1, 2] = shear * place[2, 2]
    volume = read(nifti1(sform=(1, place)))
    assert len(volume.warnings) == 1 and "not quite perpendicular" in volume.warnings[0]
    np.testing.assert_allclose(volume.direction.T @ volume.direction, np.eye(3), atol=1e-9)
    np.testing.assert_array_equal(volume.array, HU)
    for index in ((0, 0, 0), (4, 3, 2), (2, 1.5, 1)):
        ours = volume.origin + volume.direction @ (np.array(volume.spacing) * index)
        theirs = np.diag([-1, -1, 1]) @ (place @ [*index, 1])
        np.testing.assert_allclose(ours, theirs, atol=1e-9 if index == (2, 1.5, 1) else 4.1 * shear)


def test_rounding_alone_is_no_shear(read):
    place = PLACE.copy()
    place[1, 2] = 4e-6
    assert read(nifti1(sform=(1, place))).warnings == ()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (nifti1(sizes=(4, 5, 2, 3, 2)), "4 dimensions"),
        (nifti1(sizes=(5, 5, 4, 1, 1, 3)), "several values"),
        (nifti1(sizes=(9, 5, 4, 3)), "number of voxels that cannot be"),
        (nifti1(sizes=(3, 5, 0, 3)), "number of voxels that cannot be"),
        (nifti1(HU.astype(np.uint8), code=128), "several values"),
        (nifti1(HU.astype(np.complex64), code=32), "several values"),
        (nifti1(HU, code=1536), "NIfTI code 1536) that is not read"),
        (nifti1(HU, code=8), "size of a voxel that cannot be"),
        (nifti1(sform=None, qform=AGREES, voxel=(2.0, 3.0, 0.0)), "voxel size of 0 mm"),
        (nifti1(mark=b"\0\0\0\0"), "left and right"),
        (nifti1(mark=b"ni1\0"), "pair of files"),
        (nifti1()[:-1], "is cut, since it ends in slice 3 of 3"),
        (nifti1()[:360], "is cut, since it ends in slice 1 of 3"),
        (gzip.compress(nifti1())[:-9], "is cut or damaged in its packed part"),
        (gzip.compress(nifti1())[:-8] + b"\0" * 8, "is cut or damaged in its packed part"),
        (b"hello", "no NIfTI header"),
        (b"\0" * 128 + b"DICM" + b"\0" * 500, "is a DICOM file"),
        (b"PK\x03\x04" + b"\0" * 500, "packed as a whole (zip)"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(read, content, words):
    with pytest.raises(InputError) as caught:
        read(content)
    assert words in str(caught.value) and str(caught.value).endswith(".") and "v.nii" in str(caught.value)


@pytest.mark.parametrize("suffix", [".hdr", ".img"])
def test_a_pair_of_files_is_refused_with_the_way_out(read, suffix):
    with pytest.raises(InputError, match=r"pair of files .* convert them to one \.nii"):
        read(nifti1(), suffix)


def test_a_tilt_is_refused(read):
    place = PLACE.copy()
    place[1, 2] = 0.05 * place[2, 2]
    with pytest.raises(InputError, match="not perpendicular"):
        read(nifti1(sform=(1, place)))


def test_another_file_beside_it_changes_nothing(read, tmp_path):
    """ITK takes the voxels of v.nii when it is given v.nii.gz."""
    (tmp_path / "v.nii").write_bytes(nifti1(HU + np.int16(100)))
    (tmp_path / "v.raw").write_bytes(bytes(120))
    (tmp_path / "v.img").write_bytes(bytes(120))
    assert_is_scan(read(gzip.compress(nifti1()), ".nii.gz"))
