"""The demonstration on a small phantom."""

import json
from functools import partial

import pydicom
import pytest
import SimpleITK as sitk
from MVCTEnhanceLib.errors import DeviceError
from MVCTEnhanceLib.jobs import demo, phantom
from MVCTEnhanceLib.jobs.requests import DemoRequest
from MVCTEnhanceLib.physics.phantom import head_neck_phantom
from MVCTEnhanceLib.physics.settings import MVCTSettings


@pytest.fixture
def small_phantom(monkeypatch):
    """The demo with 2 of its 24 slices, of few pixels, which takes seconds."""
    small = partial(head_neck_phantom, slices=2, shape=(96, 96), spacing_mm=(2.0, 2.0, 6.0))
    settings = MVCTSettings(matrix=96, pixel_mm=2.0, views=60)
    monkeypatch.setattr(phantom, "head_neck_phantom", small)
    monkeypatch.setattr(phantom, "simulate_mvct", partial(phantom.simulate_mvct, settings=settings))


@pytest.mark.integration
def test_demo_leaves_series_files_and_report(main, small_phantom, tmp_path):
    folder = tmp_path / "new" / "demo"
    result = main("demo", "--output", folder, "--device", "cpu")
    assert result.code == 0, result.stderr
    assert {path.name for path in folder.iterdir()} == {
        "planning-ct.nrrd", "mvct-dicom", "enhanced-dicom", "enhanced.nrrd", "difference.nrrd", "correction.nrrd",
        "report",
    }  # fmt: skip
    for name in ("mvct-dicom", "enhanced-dicom"):
        assert len(list((folder / name).iterdir())) == 2
    mvct, enhanced = (
        sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder / name)))
        for name in ("mvct-dicom", "enhanced-dicom")
    )
    difference = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "difference.nrrd"))).astype(int)
    arrays = [sitk.GetArrayFromImage(image).astype(int) for image in (mvct, enhanced)]
    assert (difference == arrays[1] - arrays[0]).all()
    assert pydicom.dcmread(next((folder / "enhanced-dicom").iterdir())).ImageType[0] == "DERIVED"
    readouts = json.loads((folder / "report" / "readouts.json").read_text(encoding="utf-8"))
    assert readouts["enhanced"]["noise_hu"]["mean"] < readouts["mvct"]["noise_hu"]["mean"]
    assert "planning_ct" in readouts
    assert str(folder / "report" / "report.html") in result.stdout


def test_demo_as_json_is_one_object(main, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "run_demo", lambda request, **_: {"mvct": {}})
    result = main("demo", "--output", tmp_path / "demo", "--json")
    assert result.json() == {"mvct": {}, "report": str(tmp_path / "demo" / "report" / "report.html")}


def test_folder_with_something_in_it_is_refused_at_once(main, tmp_path, monkeypatch, assert_refused):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "letter.txt").write_text("kept")
    monkeypatch.setattr(phantom, "head_neck_phantom", lambda: pytest.fail("work was begun"))
    assert_refused(main("demo", "--output", tmp_path / "demo"), "is not empty")


def test_demo_that_fails_leaves_nothing(small_phantom, tmp_path):
    with pytest.raises(DeviceError):
        demo.run_demo(DemoRequest(tmp_path / "demo", device="cuda:99"))
    assert list(tmp_path.iterdir()) == []
