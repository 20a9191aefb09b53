"""Each row of docs/reliability.md is tried here, by the command line as a user has it."""

import ctypes
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from MVCTEnhanceLib.io import write_dicom_series, write_volume
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.grid import turned

CAP_DAC_OVERRIDE, PR_CAPBSET_DROP = 1, 24
only_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits and rights as Linux has them")


@pytest.fixture
def enhance(main, tmp_path):
    """Asks for everything that can be written, or all but the report: enhance(INPUT, *more, report)."""

    def enhance(scan, *more, report=True):
        outputs = ["--output", tmp_path / "out" / "e.nrrd", "--difference", tmp_path / "out" / "d.nrrd"]
        outputs += ["--report", tmp_path / "out" / "report"] * report
        return main("enhance", scan, *outputs, "--progress", "none", "--json", *more)

    return enhance


@pytest.fixture
def assert_enhanced(tmp_path):
    """Checks that everything is there, and returns the readouts."""

    def check(result, *, report=True) -> dict:
        assert result.code == 0, result.stderr
        before, after = (sitk.ReadImage(str(tmp_path / "out" / name)) for name in ("d.nrrd", "e.nrrd"))
        assert before.GetSize() == after.GetSize()
        if report:
            assert (tmp_path / "out" / "report" / "report.html").is_file()
            written = (tmp_path / "out" / "report" / "readouts.json").read_text(encoding="utf-8")
            assert json.loads(written) == result.json()
        return result.json()

    return check


def slices(folder):
    return sorted(folder.iterdir())


def write_values(path, array, **geometry):
    write_volume(Volume(array, **({"spacing": (0.763, 0.763, 6.0)} | geometry)), path)
    return path


def test_missing_path(enhance, tmp_path, assert_refused):
    assert_refused(enhance(tmp_path / "none"), "does not exist")


def test_empty_folder(enhance, tmp_path, assert_refused):
    (tmp_path / "empty").mkdir()
    assert_refused(enhance(tmp_path / "empty"), "holds no DICOM images")


@pytest.mark.parametrize("kept", [0, 300, 0.5])
def test_cut_dicom_file(enhance, dicom_scan, assert_refused, kept):
    path = slices(dicom_scan)[1]
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if kept < 1 else kept])
    assert_refused(enhance(dicom_scan), path.name, "damaged or cut")


def test_slice_that_is_missing(enhance, dicom_scan, assert_refused):
    slices(dicom_scan)[1].unlink()
    assert_refused(enhance(dicom_scan), "lacks 1 slice")


def test_mr_series(enhance, dicom_scan, assert_refused):
    for path in slices(dicom_scan):
        ds = pydicom.dcmread(path)
        ds.Modality = "MR"
        ds.save_as(path)
    assert_refused(enhance(dicom_scan), "modality MR")


def test_several_series(enhance, dicom_scan, mvct, assert_refused):
    write_dicom_series(mvct, dicom_scan / "other", description="other")
    assert_refused(enhance(dicom_scan), "2 CT series", "(CT, test scan, ", "4 slices)")
    assert_refused(enhance(dicom_scan, "--series-uid", "1.2.3"), "no series 1.2.3")


@pytest.mark.parametrize("name", ["letter.nrrd", "letter.nii.gz", "letter.mha", "letter.txt"])
def test_text_file(enhance, tmp_path, assert_refused, name):
    (tmp_path / name).write_text("Dear colleague, the scan follows.")
    assert_refused(enhance(tmp_path / name), name)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers(enhance, tmp_path, assert_refused, value):
    array = np.zeros((3, 20, 20), np.float32)
    array[1, 3, 4] = value
    sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / "nan.nrrd"))
    assert_refused(enhance(tmp_path / "nan.nrrd"), "1 voxels of 1200", "not finite")


@pytest.mark.integration
@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("file", 1),
        pytest.param("file", 2, marks=pytest.mark.thorough),
        pytest.param("dicom", 1, marks=pytest.mark.thorough),
        ("dicom", 2),
    ],
)
def test_one_or_two_slices(enhance, mvct, tmp_path, assert_enhanced, count, kind):
    few = Volume(mvct.array[:count], mvct.spacing)
    if kind == "file":
        write_volume(few, tmp_path / "few.nrrd")
    else:
        write_dicom_series(few, tmp_path / "few", description="few")
    readouts = assert_enhanced(enhance(tmp_path / ("few.nrrd" if kind == "file" else "few")))
    assert len(readouts["enhanced"]["nselfssim"]["per_slice"]) == count


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 40), (3, 40, 1)])
def test_single_pixel_or_line(enhance, tmp_path, assert_refused, shape):
    path = write_values(tmp_path / "tiny.nrrd", np.zeros(shape, np.int16))
    assert_refused(enhance(path), f"slices of {shape[1]} x {shape[2]} pixels")


@pytest.mark.parametrize("shape", [(1, 2, 2), (2, 15, 17)])
def test_very_small_slices(enhance, tmp_path, assert_enhanced, shape):
    assert_enhanced(enhance(write_values(tmp_path / "small.nrrd", np.zeros(shape, np.int16))))


@pytest.mark.integration
@pytest.mark.parametrize(
    "hu", [-1000, pytest.param(0, marks=pytest.mark.thorough), 50, pytest.param(3071, marks=pytest.mark.thorough)]
)
def test_constant_volume(enhance, tmp_path, assert_enhanced, hu):
    result = enhance(write_values(tmp_path / "constant.nrrd", np.full((2, 64, 64), hu, np.int16)))
    assert assert_enhanced(result)["mvct"]["edge_width_mm"]["mean"] is None
    warnings = result.stderr.splitlines()
    assert all(warning.startswith("Warning: ") for warning in warnings)
    assert any("noise" in warning for warning in warnings)


def test_four_dimensions(enhance, tmp_path, assert_refused):
    sitk.WriteImage(sitk.JoinSeries([sitk.Image(10, 10, 3, sitk.sitkInt16)] * 2), str(tmp_path / "4d.nii"))
    assert_refused(enhance(tmp_path / "4d.nii"), "4 dimensions")


def test_colour(enhance, tmp_path, assert_refused):
    sitk.WriteImage(sitk.Image([10, 10, 3], sitk.sitkVectorUInt8, 3), str(tmp_path / "colour.nrrd"))
    assert_refused(enhance(tmp_path / "colour.nrrd"), "colour or vectors")


def test_values_with_1024_added(enhance, mvct, tmp_path, assert_enhanced):
    stored = (np.maximum(mvct.array, -1024) + 1024).astype(np.uint16)
    sitk.WriteImage(sitk.GetImageFromArray(stored), str(tmp_path / "stored.nrrd"))
    warnings = assert_enhanced(enhance(tmp_path / "stored.nrrd", report=False), report=False)["warnings"]
    assert any("appear shifted by +1024" in warning for warning in warnings)


def test_pixels_that_are_not_square(enhance, mvct, tmp_path, assert_enhanced):
    path = write_values(tmp_path / "oblong.nrrd", mvct.array, spacing=(0.763, 1.9, 3.0))
    warnings = assert_enhanced(enhance(path, report=False), report=False)["warnings"]
    assert sitk.ReadImage(str(tmp_path / "out" / "e.nrrd")).GetSpacing() == pytest.approx((0.763, 1.9, 3.0))
    assert any("1.9 x 0.763 mm are resampled" in warning for warning in warnings)


def test_pixels_in_metres(enhance, mvct, tmp_path, assert_refused):
    path = write_values(tmp_path / "metres.nrrd", mvct.array, spacing=(0.000763, 0.000763, 0.006))
    assert_refused(enhance(path), "no scanner makes")


@pytest.mark.integration
def test_left_handed_axes(enhance, mvct, tmp_path, assert_enhanced):
    write_volume(replace(mvct, direction=np.diag([1.0, -1.0, 1.0])), tmp_path / "left.nrrd")
    assert_enhanced(enhance(tmp_path / "left.nrrd", report=False), report=False)
    assert sitk.ReadImage(str(tmp_path / "out" / "e.nrrd")).GetDirection()[4] == -1


@pytest.mark.integration
def test_coronal_slices(enhance, mvct, tmp_path, assert_enhanced):
    coronal = turned(mvct, np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]))
    write_volume(coronal, tmp_path / "coronal.nrrd")
    warnings = assert_enhanced(enhance(tmp_path / "coronal.nrrd", report=False), report=False)["warnings"]
    assert not any("axial" in warning for warning in warnings)
    assert sitk.ReadImage(str(tmp_path / "out" / "e.nrrd")).GetSize() == coronal.array.shape[::-1]


@pytest.mark.parametrize("part", ["none", "half", "header", "text"])
def test_model_file_that_is_cut(enhance, scan, tmp_path, assert_refused, part):
    data = find_model(DEFAULT_MODEL).read_bytes()
    cut = {"none": b"", "half": data[: len(data) // 2], "header": data[:100], "text": b"these are no weights"}[part]
    (tmp_path / "cut.safetensors").write_bytes(cut)
    assert_refused(enhance(scan, "--model", tmp_path / "cut.safetensors"), "cut.safetensors", "damaged")


def test_model_that_is_not_there(enhance, scan, assert_refused):
    assert_refused(enhance(scan, "--model", "best"), "'best'", DEFAULT_MODEL)


@pytest.mark.parametrize("device", ["cuda:99", "cuda:-1", "cuda:x", "cpu:1", "gpu", "-1", ""])
def test_device_that_is_not_there(enhance, scan, assert_refused, device):
    assert_refused(enhance(scan, f"--device={device}"), f"no device '{device}'", "auto, cpu")


def test_name_that_is_too_long(main, scan, assert_refused):
    assert_refused(main("enhance", scan, "--output", scan.parent / ("x" * 300 + ".nrrd")), "too long")


def drop_rights():
    """An administrator may write anywhere, unless this right is given up before the program starts."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


@pytest.mark.integration
@only_linux
@pytest.mark.parametrize(
    "option", ["--output", *(pytest.param(name, marks=pytest.mark.thorough) for name in ("--difference", "--report"))]
)
def test_no_permission(run, scan, tmp_path, assert_refused, option):
    places = {"--output": tmp_path / "e.nrrd", "--difference": tmp_path / "d.nrrd", "--report": tmp_path / "report"}
    closed = tmp_path / "closed"
    closed.mkdir()
    places[option] = closed / "new" / places[option].name
    closed.chmod(0o555)
    arguments = [text for pair in places.items() for text in pair]
    result = run("enhance", scan, *arguments, "--progress", "none", preexec_fn=drop_rights)
    closed.chmod(0o755)
    assert_refused(result, "no folder that can be written to")


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 128 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)]
    if os.name == "nt" or os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("name", ["e.nrrd", "e.nii", "e.mha", "dicom"])
def test_disk_that_is_full(main, small_disk, tmp_path, assert_refused, name):
    noise = np.random.default_rng(0).integers(-1000, 1000, (8, 128, 128)).astype(np.int16)
    path = write_values(tmp_path / "noise.nrrd", noise)
    result = main("enhance", path, "--output", small_disk / name, "--force", "--progress", "none")
    assert_refused(result, "disk")


@pytest.mark.integration
@only_linux
@pytest.mark.parametrize(
    "names", [("e.nrrd", "d.nrrd"), pytest.param(("enhanced", "difference"), marks=pytest.mark.thorough)]
)
def test_files_that_may_not_grow(run, tmp_path, assert_refused, names):
    noise = np.random.default_rng(0).integers(-1000, 1000, (3, 128, 128)).astype(np.int16)
    path = write_values(tmp_path / "noise.nrrd", noise)
    outputs = ["--output", tmp_path / names[0], "--difference", tmp_path / names[1], "--force"]

    def limit():
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    result = run("enhance", path, *outputs, "--progress", "none", preexec_fn=limit)
    assert_refused(result)


@pytest.mark.integration
def test_report_on_a_full_disk(main, scan, small_disk, tmp_path):
    """What was written before is complete, and the exit code says that not all was done."""
    result = main("enhance", scan, "--output", tmp_path / "e.nrrd", "--report", small_disk / "report")
    assert result.code == 1
    assert "disk is full" in result.stderr.splitlines()[-1]
    assert sitk.ReadImage(str(tmp_path / "e.nrrd")).GetSize() == (96, 96, 4)
    assert not list(small_disk.rglob(".partial*")) and not list(small_disk.rglob("*.html"))


@pytest.mark.integration
def test_planning_ct_with_a_tilted_gantry_and_a_missing_slice(enhance, scan, dicom_scan, assert_enhanced):
    for k, path in enumerate(slices(dicom_scan)):
        ds = pydicom.dcmread(path)
        x, y, z = ds.ImagePositionPatient
        ds.ImagePositionPatient = [x, y + 2 * k, z]
        ds.save_as(path)
    slices(dicom_scan)[1].unlink()
    readouts = assert_enhanced(enhance(scan, "--kvct", dicom_scan))
    assert len(readouts["planning_ct"]["noise_hu"]["per_slice"]) == 3
    said = [text for text in readouts["warnings"] if text.startswith("The planning CT has")]
    assert len(said) == 2 and "tilt" in said[1]


@pytest.mark.integration
def test_two_patients_under_one_series_uid(enhance, dicom_scan, assert_refused, assert_enhanced):
    for path in slices(dicom_scan):
        ds = pydicom.dcmread(path)
        ds.PatientID, ds.PatientName = "SECRET-ID-2", "Secretname^Other"
        ds.ImagePositionPatient = [*ds.ImagePositionPatient[:2], ds.ImagePositionPatient[2] + 24]
        ds.save_as(path.with_name(f"other-{path.name}"))
    result = enhance(dicom_scan)
    assert_refused(result, "2 scans under one Series Instance UID", "differ in Patient ID", "other-CT0001.dcm")
    assert not any(secret in result.stderr for secret in ("SECRET-ID", "Secretname"))
    assert_enhanced(enhance(dicom_scan, "--series-uid", "other-CT0003.dcm", report=False), report=False)
