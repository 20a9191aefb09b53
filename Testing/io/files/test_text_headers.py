"""NRRD and MetaImage files as other programs write them: read to the right HU and place, or refused with the reason."""

import bz2
import gzip
import zlib

import numpy as np
import pytest
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.io import read_volume

HU = np.random.default_rng(4).integers(-1024, 2000, (3, 4, 5)).astype(np.int16)
RAW = HU.tobytes()
LPS = "space: left-posterior-superior\nspace directions: (2,0,0) (0,3,0) (0,0,4)\nspace origin: (-10,-20,30)\n"
AXIAL = "TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = -10 -20 30\n"
NO_ORIENTATION = "does not say how the scan lies in the patient"


def nrrd(voxels=RAW, place=LPS, more="", *, kind="short", sizes="5 4 3", encoding="raw", endian="little"):
    header = f"NRRD0005\ntype: {kind}\ndimension: {len(sizes.split())}\nsizes: {sizes}\nencoding: {encoding}\n"
    return f"{header}endian: {endian}\n{place}{more}\n".encode() + voxels


def meta(voxels=RAW, more=AXIAL, *, kind="MET_SHORT", sizes="5 4 3", spacing="2 3 4", data="LOCAL"):
    header = f"ObjectType = Image\nNDims = {len(sizes.split())}\n{more}DimSize = {sizes}\nElementSpacing = {spacing}\n"
    return f"{header}ElementType = {kind}\nElementDataFile = {data}\n".encode() + voxels


@pytest.fixture
def read(tmp_path):
    """Function: name, content, and other files by their names -> the volume."""

    def read(name, content, **others):
        for other, data in others.items():
            (tmp_path / other.replace("_", ".")).write_bytes(data)
        (tmp_path / name).write_bytes(content)
        return read_volume(tmp_path / name)

    return read


def assert_is_scan(volume):
    np.testing.assert_array_equal(volume.array, HU)
    assert volume.warnings == ()
    assert (volume.spacing, volume.origin) == (pytest.approx((2, 3, 4)), pytest.approx((-10, -20, 30)))
    np.testing.assert_allclose(volume.direction, np.eye(3), atol=1e-9)


@pytest.mark.parametrize("name", ["v.nrrd", "V.NRRD", "v.mha", "V.MHA", "v.nii"])
@pytest.mark.parametrize("content", [nrrd(), meta()], ids=["NRRD", "MetaImage"])
def test_the_content_counts_and_not_the_name(read, name, content):
    assert_is_scan(read(name, content))


@pytest.mark.parametrize(
    "content",
    [
        nrrd(gzip.compress(RAW), encoding="gzip"),
        nrrd(gzip.compress(RAW) + b"more", encoding="gz"),
        nrrd(" ".join(map(str, HU.ravel())).encode(), encoding="ascii"),
        nrrd(RAW.hex().encode(), encoding="hex"),
        nrrd(HU.astype(">i2").tobytes(), endian="big"),
        nrrd(HU.astype("f8").tobytes(), kind="double"),
        nrrd().replace(b"\n", b"\r\n", 9),
        nrrd(place=LPS.replace("left-posterior-superior", "LPS")),
        nrrd(place=LPS.replace("left-posterior", "right-anterior").replace("(2,", "(-2,").replace("(0,3", "(0,-3")
             .replace("(-10,-20", "(10,20")),
        nrrd(place=LPS.replace("(0,0,4)", "(0,0,4) none"), sizes="5 4 3 1", more="kinds: domain domain domain list\n"),
        nrrd(place=LPS.replace("(2,0,0)", "none (2,0,0)"), sizes="1 5 4 3", more="kinds: list domain domain domain\n"),
        nrrd(more='space units: "mm" "mm" "mm"\n'),
        nrrd(place="space: LPS\nspace directions: (.2,0,0) (0,.3,0) (0,0,.4)\nspace origin: (-1,-2,3)\n",
             more='space units: "cm" "cm" "cm"\n'),
    ],
)  # fmt: skip
def test_nrrd_files_that_mean_the_same(read, content):
    assert_is_scan(read("v.nrrd", content))


@pytest.mark.parametrize(
    "content",
    [
        meta(HU.astype("f4").tobytes(), kind="MET_FLOAT"),
        meta(HU.astype("i4").tobytes(), kind="MET_LONG"),
        meta(HU.astype(">i2").tobytes(), f"BinaryDataByteOrderMSB = True\n{AXIAL}"),
        meta(zlib.compress(RAW), f"CompressedData = True\nCompressedDataSize = {len(zlib.compress(RAW))}\n{AXIAL}"),
        meta("".join(f"{value} " for value in HU.ravel()).encode(), f"BinaryData = False\n{AXIAL}"),
        meta(more=f"ElementNumberOfChannels = 1\n{AXIAL}"),
        meta().replace(b"ElementSpacing", b"ElementSize"),
        meta().replace(b"\n", b"\r\n", 7),
        meta(more=f"DistanceUnits = mm\n{AXIAL}"),
        meta(more="DistanceUnits = um\n" + AXIAL.replace("-10 -20 30", "-1e4 -2e4 3e4"), spacing="2000 3000 4000"),
        meta(sizes="5 4 3 1", spacing="2 3 4 1", more="TransformMatrix = 1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1\n"
             "Offset = -10 -20 30 0\n"),
    ],
)  # fmt: skip
def test_metaimage_files_that_mean_the_same(read, content):
    assert_is_scan(read("v.mha", content))


@pytest.mark.parametrize("capitals", [False, True])
def test_voxels_in_another_file(read, capitals):
    name = (lambda text: text.upper()) if capitals else str
    assert_is_scan(read(name("v.mhd"), meta(b"", data="v.raw"), v_raw=RAW))
    assert_is_scan(read(name("v.nhdr"), nrrd(b"", more="data file: v.raw\n"), v_raw=RAW))
    packed = nrrd(b"", more="data file: w.gz\n", encoding="gzip")
    assert_is_scan(read(name("w.nhdr"), packed, w_gz=gzip.compress(RAW)))


@pytest.mark.parametrize("name", ["v.nrrd", "v.mha", "v.nii"])
def test_a_raw_file_beside_a_scan_changes_nothing(read, name):
    assert_is_scan(read(name, nrrd() if "nrrd" in name else meta(), v_raw=bytes(120), v_zraw=b"x", v_img=bytes(120)))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("v.nrrd", nrrd(place="spacings: 2 3 4\n")),
        ("v.nrrd", nrrd(place=LPS.replace("space: left-posterior-superior", "space dimension: 3"))),
        ("v.nrrd", nrrd(place=LPS.replace("left-posterior-superior", "scanner-xyz"))),
        ("v.nrrd", nrrd(place=LPS.replace("left-posterior-superior", "3D-right-handed"))),
        ("v.mha", meta(more="Offset = 1 2 3\n")),
    ],
)
def test_no_orientation_at_all_is_said(read, name, content):
    volume = read(name, content)
    np.testing.assert_array_equal(volume.array, HU)
    assert len(volume.warnings) == 1 and NO_ORIENTATION in volume.warnings[0]
    assert volume.spacing == (2, 3, 4)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("v.nrrd", nrrd(more='space units: "furlong" "furlong" "furlong"\n'), "unit of length that is not known"),
        ("v.nrrd", nrrd(more="old min: -1024\nold max: 3071\n"), "maps to others"),
        ("v.mha", meta(more=f"ElementToIntensityFunctionOffset = -1024\n{AXIAL}"), "maps to others"),
    ],
)
def test_what_a_header_says_beyond_that_is_said(read, name, content, words):
    volume = read(name, content)
    assert len(volume.warnings) == 1 and words in volume.warnings[0]
    np.testing.assert_array_equal(volume.array, HU)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("v.nrrd", nrrd(bz2.compress(RAW), encoding="bzip2"), "bzip2"),
        ("v.nrrd", gzip.compress(nrrd()), "packed as a whole (gzip)"),
        ("v.mha", gzip.compress(meta()), "packed as a whole (gzip)"),
        ("v.nrrd", nrrd()[:-1], "is cut"),
        ("v.mha", meta()[:-1], "is cut"),
        ("v.nrrd", nrrd(gzip.compress(RAW)[:-30], encoding="gzip"), "is cut"),
        ("v.nrrd", nrrd(more="data file: w.raw\n"), "lacks its data file w.raw"),
        ("v.mhd", meta(b"", data="w.raw"), "lacks its data file w.raw"),
        ("v.mhd", meta(b"", data="%s%n.raw"), "impossible name of a data file"),
        ("v.nrrd", nrrd().replace(b"\n\n", b"\n"), "a damaged header"),
        ("v.mha", meta().replace(b"LOCAL\n", b""), "a damaged header"),
        ("v.mha", meta(zlib.compress(RAW), "CompressedData = True\nCompressedDataSize = -1\n"), "CompressedDataSize"),
        ("v.nrrd", nrrd(more="data file: %02d%s.raw 1 3 1\n"), "impossible name of a data file"),
        ("v.mha", meta(data="LOCAL" + 300 * "x"), "impossible name of a data file"),
        ("v.mha", meta(zlib.compress(RAW), f"CompressedData = True\n{AXIAL}"), "CompressedDataSize"),
        ("v.nrrd", nrrd(RAW * 2, sizes="5 4 3 2", place="spacings: 2 3 4 1\n"), "4 dimensions"),
        ("v.mha", meta(RAW * 3, f"ElementNumberOfChannels = 3\n{AXIAL}"), "several values"),
        ("v.nrrd", nrrd(kind="block"), "of a kind that is not read"),
        ("v.mha", b"\0" * 128 + b"DICM" + b"\0" * 500, "is a DICOM file"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(read, name, content, words, capfd):
    with pytest.raises(InputError) as caught:
        read(name, content)
    assert words in str(caught.value) and str(caught.value).endswith(".") and name in str(caught.value)
    assert capfd.readouterr() == ("", "")
