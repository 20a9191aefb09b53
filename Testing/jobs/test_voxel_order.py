"""The same scan in other orders of its voxels, made by SimpleITK, gives the same HU, readouts and verdicts."""

import csv
import math
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from MVCTEnhanceLib.io import write_dicom_series, write_volume
from MVCTEnhanceLib.jobs.enhance import enhance
from MVCTEnhanceLib.jobs.evaluate import evaluate_files
from MVCTEnhanceLib.jobs.report import write_report_again
from MVCTEnhanceLib.jobs.requests import EnhanceRequest, EvaluateRequest, ReportRequest
from MVCTEnhanceLib.volume.grid import turned

pytestmark = pytest.mark.integration

# Where i, j and k run to, in the letters of DICOM; in the last two its own slices are sagittal and coronal.
ORDERS = ("RAI", "PSL", *(pytest.param(order, marks=pytest.mark.thorough) for order in ("LAS", "RPS", "LIP")))
PER_SLICE = ("mvct", "enhanced", "comparison", "planning_ct")


def store(path: Path, order: str) -> Path:
    """A copy of a file with its voxels in another order."""
    copy = path.with_name(f"{path.stem}-{order}.nrrd")
    sitk.WriteImage(sitk.DICOMOrient(sitk.ReadImage(str(path)), order), str(copy))
    return copy


def in_lps(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.DICOMOrient(sitk.ReadImage(str(path)), "LPS"))


def run(scan: Path, kvct: Path, region: Path, folder: Path):
    request = EnhanceRequest(
        scan,
        folder / "enhanced.nrrd",
        device="cpu",
        difference=folder / "difference.nrrd",
        correction=folder / "correction.nrrd",
        cycle_error=folder / "cycle.nrrd",
        report=folder,
        kvct=kvct,
        region=region,
    )
    return enhance(request)


@pytest.fixture(scope="module")
def files(tmp_path_factory, mvct) -> dict[str, Path]:
    """An MVCT, its planning CT and a region that is no mirror image of itself, in LPS."""
    folder = tmp_path_factory.mktemp("order")
    inside = np.zeros(mvct.array.shape, np.int16)
    inside[:3, 20:80, 30:75] = 1
    smoother = (mvct.array * 0.9).astype(np.int16)[:, 2:]
    volumes = {"mvct": mvct, "region": mvct.with_array(inside)}
    paths = {name: folder / f"{name}.nrrd" for name in (*volumes, "kvct")}
    for name, volume in volumes.items():
        write_volume(volume, paths[name])
    kvct = sitk.GetImageFromArray(smoother)
    kvct.SetSpacing(mvct.spacing)
    sitk.WriteImage(kvct, str(paths["kvct"]))
    return paths


@pytest.fixture(scope="module")
def plain(files, tmp_path_factory):
    """What comes of the scans in LPS, and the folder with its files."""
    folder = tmp_path_factory.mktemp("plain")
    return run(files["mvct"], files["kvct"], files["region"], folder), folder


@pytest.fixture(scope="module", params=ORDERS)
def copy(request, files, tmp_path_factory):
    """Order, result and folder of the MVCT in that order; planning CT and region come in others."""
    order, folder = request.param, tmp_path_factory.mktemp(request.param)
    others = {"kvct": store(files["kvct"], "RAI"), "region": store(files["region"], "PIR")}
    return order, run(store(files["mvct"], order), others["kvct"], others["region"], folder), folder


def lists(readouts):
    """Every list by slice, by group and name."""
    for group in PER_SLICE:
        for name, item in readouts[group].items():
            for inner, leaf in ({"": item} if "per_slice" in item else item).items():
                if isinstance(leaf, dict) and "per_slice" in leaf:
                    yield (group, name, inner), leaf


def test_results_are_the_same_on_the_scans_own_grid(copy, plain, files):
    order, _, folder = copy
    stored = sitk.ReadImage(str(store(files["mvct"], order)))
    for name in ("enhanced", "difference", "correction", "cycle"):
        made = sitk.ReadImage(str(folder / f"{name}.nrrd"))
        assert (made.GetSize(), made.GetDirection()) == (stored.GetSize(), stored.GetDirection())
        np.testing.assert_allclose(made.GetOrigin(), stored.GetOrigin(), atol=1e-6)
        np.testing.assert_array_equal(in_lps(folder / f"{name}.nrrd"), in_lps(plain[1] / f"{name}.nrrd"))
    assert np.abs(in_lps(folder / "difference.nrrd")).max() > 10


def test_readouts_are_the_same_in_the_order_of_the_scan(copy, plain):
    order, result, _ = copy
    from_the_feet = slice(None, None, -1 if "I" in order else 1)
    assert result.readouts["slices"]["z_mm"][from_the_feet] == pytest.approx(plain[0].readouts["slices"]["z_mm"])
    expected = dict(lists(plain[0].readouts))
    for key, readout in lists(result.readouts):
        backwards = slice(None, None, -1) if key[0] == "planning_ct" else from_the_feet  # RAI
        assert readout["per_slice"][backwards] == expected[key]["per_slice"], key
        assert readout["mean"] == pytest.approx(expected[key]["mean"], nan_ok=True), key
    assert result.readouts["parameters"] == plain[0].readouts["parameters"]


def test_verdicts_and_warnings_are_the_same(copy, plain):
    _, result, _ = copy

    def verdicts(readouts):
        return {
            (group, name): entry["verdict"]
            for group, found in readouts["verdicts"].items()
            for name, entry in found.items()
        }

    assert verdicts(result.readouts) == verdicts(plain[0].readouts)
    assert result.warnings == plain[0].warnings


def test_slices_are_told_with_their_place(copy, files):
    order, result, folder = copy
    with (folder / "readouts.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    z_mm = sorted(sitk.ReadImage(str(files["mvct"])).TransformIndexToPhysicalPoint((0, 0, k))[2] for k in range(4))
    assert [float(row["z_mm"]) for row in rows] == (z_mm[::-1] if "I" in order else z_mm)
    assert [row["slice"] for row in rows] == ["1", "2", "3", "4"]
    assert list(rows[0])[:2] == ["slice", "z_mm"]
    page = (folder / "report.html").read_text(encoding="utf-8")
    shown = [row for row in rows if row["mvct.nselfssim"]]
    assert len(shown) == 3  # where the region is
    for row in shown:
        assert page.count(f"MVCT: Axial, slice {row['slice']} of 4, z = {float(row['z_mm']):.1f} mm") == 1
    reasons = " ".join(
        entry["reason"] for entries in result.readouts["verdicts"].values() for entry in entries.values()
    )
    assert ", z = " in reasons


def test_pictures_of_the_report_are_the_same(copy, plain):
    pages = [(folder / "report.html").read_text(encoding="utf-8") for folder in (copy[2], plain[1])]
    pictures = [[part for part in page.split('"') if part.startswith("data:image")][:12] for page in pages]
    assert (pictures[0] == pictures[1]) is True  # pytest would explain the difference for minutes


def test_results_of_another_order_than_the_scans_are_measured_and_reported(files, plain, tmp_path):
    made = tmp_path / "enhanced.nrrd"
    made.write_bytes((plain[1] / "enhanced.nrrd").read_bytes())
    others = {name: store(files[name], order) for name, order in (("mvct", "PSL"), ("kvct", "LAI"), ("region", "ASR"))}
    options = {"kvct": others["kvct"], "truth": made, "region": others["region"]}
    readouts = evaluate_files(EvaluateRequest(others["mvct"], store(made, "RIA"), **options))
    assert readouts["truth"]["enhanced"]["mae_hu"]["mean"] == 0
    assert not any("resampled linearly" in text or "another scan" in text for text in readouts["warnings"])
    expected = dict(lists(plain[0].readouts))
    for key, readout in lists(readouts):
        if math.isfinite(expected[key]["mean"] or 0):
            assert readout["mean"] == pytest.approx(expected[key]["mean"]), key
    request = ReportRequest(others["mvct"], store(made, "RIA"), plain[1] / "readouts.json", tmp_path / "report")
    write_report_again(request)
    pages = [(folder / "report.html").read_text(encoding="utf-8") for folder in (tmp_path / "report", plain[1])]
    assert (pages[0] == pages[1]) is True


def test_feet_first_series_keeps_each_slice_on_its_own_header(files, plain, tmp_path, mvct):
    feet_first = tmp_path / "ffs"
    write_dicom_series(turned(mvct, np.diag([-1.0, 1, -1])), feet_first, description="test scan")
    for path in feet_first.iterdir():
        ds = pydicom.dcmread(path)
        ds.PatientPosition, ds.SliceLocation = "FFS", -ds.ImagePositionPatient[2]
        ds.save_as(path)
    enhance(EnhanceRequest(feet_first, tmp_path / "enhanced", device="cpu", force=True))
    sources = {ds.SOPInstanceUID: ds for ds in map(pydicom.dcmread, feet_first.iterdir())}
    expected = dict(zip(plain[0].readouts["slices"]["z_mm"], in_lps(plain[1] / "enhanced.nrrd"), strict=True))
    made = list(map(pydicom.dcmread, (tmp_path / "enhanced").iterdir()))
    assert {float(ds.ImagePositionPatient[2]) for ds in made} == set(expected)
    for ds in made:
        source = sources[ds.SourceImageSequence[0].ReferencedSOPInstanceUID]
        for element in ("ImagePositionPatient", "ImageOrientationPatient", "SliceLocation", "PatientPosition"):
            assert ds[element].value == source[element].value
        np.testing.assert_array_equal(ds.pixel_array[:, ::-1], expected[float(ds.ImagePositionPatient[2])])
