"""The enhancement of a scan by the command line: files, DICOM series, readouts."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import torch
from MVCTEnhanceLib.errors import Cancelled, MVCTEnhanceError, OutputError
from MVCTEnhanceLib.io import read_volume, write_dicom_series, write_volume
from MVCTEnhanceLib.jobs import enhance as enhance_module
from MVCTEnhanceLib.jobs import outputs as enhance_outputs
from MVCTEnhanceLib.jobs.enhance import enhance
from MVCTEnhanceLib.jobs.requests import EnhanceRequest
from MVCTEnhanceLib.model.card import DEFAULT_MODEL, find_model
from MVCTEnhanceLib.model.engine import Engine
from MVCTEnhanceLib.model.package import load_model
from MVCTEnhanceLib.physics.density import density_hu_from_kv
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.grid import digest

SECRETS = ["SECRET-ID-1", "19501231", "20190203", "SECRET-ACC-1"]


def read(path: Path) -> sitk.Image:
    """A file or DICOM folder, by SimpleITK alone."""
    if path.is_dir():
        return sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(path)))
    return sitk.ReadImage(str(path))


def assert_same_grid(a: sitk.Image, b: sitk.Image):
    assert a.GetSize() == b.GetSize()
    assert a.GetSpacing() == pytest.approx(b.GetSpacing(), rel=1e-6)
    assert a.GetOrigin() == pytest.approx(b.GetOrigin(), abs=1e-4)
    assert a.GetDirection() == pytest.approx(b.GetDirection(), abs=1e-6)


def hu(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image).astype(int)


@pytest.fixture
def expected(mvct) -> np.ndarray:
    """The HU that the library's own engine gives."""
    model = load_model(find_model(DEFAULT_MODEL))
    return Engine(model, torch.device("cpu")).enhance(mvct).array


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz", ".nii", ".mha"])
def test_file_has_the_grid_of_the_scan_and_the_hu_of_the_engine(main, scan, tmp_path, expected, suffix):
    output, difference = tmp_path / "new" / f"enhanced{suffix}", tmp_path / f"difference{suffix}"
    correction = tmp_path / f"correction{suffix}"
    result = main("enhance", scan, "--output", output, "--difference", difference, "--correction", correction)
    assert result.code == 0, result.stderr
    before, after = read(scan), read(output)
    assert_same_grid(after, before)
    assert_same_grid(read(difference), before)
    assert after.GetPixelID() == sitk.sitkInt16
    assert np.abs(hu(after) - hu(before)).max() > 20
    np.testing.assert_array_equal(hu(after), expected)
    np.testing.assert_array_equal(hu(read(difference)), hu(after) - hu(before))
    as_mvct = density_hu_from_kv(hu(after).astype(float))
    np.testing.assert_allclose(hu(read(correction)), as_mvct - hu(before), atol=0.5)


def test_uncompressed_files_hold_the_same_and_are_larger(main, scan, tmp_path):
    for name, options in (("small", []), ("large", ["--uncompressed"])):
        outputs = ["--output", tmp_path / f"{name}.nrrd", "--difference", tmp_path / f"{name}.mha"]
        assert main("enhance", scan, *outputs, *options).code == 0
    for suffix in (".nrrd", ".mha"):
        small, large = (tmp_path / f"{name}{suffix}" for name in ("small", "large"))
        np.testing.assert_array_equal(hu(read(small)), hu(read(large)))
        assert small.stat().st_size < 0.9 * large.stat().st_size


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz", ""])
def test_every_output_says_what_it_is_and_of_which_scan(main, scan, tmp_path, mvct, suffix):
    outputs = {
        kind: tmp_path / f"{kind[:5]}{suffix}" for kind in ("enhanced", "difference", "correction", "cycle error")
    }
    options = ("--output", "--difference", "--correction", "--cycle-error")
    arguments = [part for pair in zip(options, outputs.values(), strict=True) for part in pair]
    assert main("enhance", scan, *arguments, "--force").code == 0
    for kind, path in outputs.items():
        product = read_volume(path).product
        assert product.kind == kind and product.is_made_of(digest(mvct))


def test_scans_that_are_none_are_said_before_they_are_enhanced(scan, tmp_path):
    """An output in the place of the MVCT, and of the planning CT."""
    enhance(EnhanceRequest(input=scan, output=tmp_path / "e.nii.gz", difference=tmp_path / "d.mha"))
    events = []
    enhance(
        EnhanceRequest(input=tmp_path / "d.mha", output=tmp_path / "again.nrrd", kvct=tmp_path / "e.nii.gz"),
        on_event=lambda event, **fields: events.append(fields.get("message") or fields.get("stage")),
    )
    before = " ".join(filter(None, events[: events.index("enhance")]))
    assert "MVCT is a difference map that this program made" in before
    assert "planning CT is an enhanced scan that this program made" in before


def test_dicom_of_a_kilovoltage_ct_is_said_before_it_is_enhanced(main, dicom_scan, tmp_path, with_texts):
    with_texts(dicom_scan, {"KVP": "120", "Manufacturer": "SIEMENS"})
    result = main("enhance", dicom_scan, "--output", tmp_path / "e.nrrd", "--json")
    assert any("120 kV (SIEMENS" in text for text in json.loads(result.stdout)["warnings"])


def test_dicom_series_is_the_same_scan(main, dicom_scan, tmp_path, expected):
    result = main(
        "enhance", dicom_scan, "--output", tmp_path / "out", "--difference", tmp_path / "difference", "--force"
    )
    assert result.code == 0, result.stderr
    before, after, difference = (read(folder) for folder in (dicom_scan, tmp_path / "out", tmp_path / "difference"))
    assert_same_grid(after, before)
    assert_same_grid(difference, before)
    np.testing.assert_array_equal(hu(after), expected)
    np.testing.assert_array_equal(hu(difference), hu(after) - hu(before))


def test_dicom_series_is_derived_from_its_source(main, dicom_scan, tmp_path):
    main("enhance", dicom_scan, "--output", tmp_path / "out", "--difference", tmp_path / "difference", "--force")
    source, enhanced, difference = (
        [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
        for folder in (dicom_scan, tmp_path / "out", tmp_path / "difference")
    )
    uids = [ds.SOPInstanceUID for ds in (*source, *enhanced, *difference)]
    assert len(set(uids)) == len(uids)
    assert len({ds.SeriesInstanceUID for ds in (*source, *enhanced, *difference)}) == 3
    for before, after in zip(source, enhanced, strict=True):
        assert list(after.ImageType) == ["DERIVED", "SECONDARY", "AXIAL"]
        assert after.SourceImageSequence[0].ReferencedSOPInstanceUID == before.SOPInstanceUID
        for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "FrameOfReferenceUID", "ImagePositionPatient"):
            assert after[keyword].value == before[keyword].value
    assert enhanced[0].SeriesDescription == "MVCT enhanced, research only"
    assert "difference" in difference[0].SeriesDescription
    for ds in (*enhanced, *difference):
        for words in ("not for dose calculation or diagnosis", "SHA-256", "Assessment of", DEFAULT_MODEL):
            assert words in ds.ImageComments
    assert load_model(find_model(DEFAULT_MODEL)).card.get("name", "unnamed") in enhanced[0].DerivationDescription


def test_dicom_in_and_file_out_and_the_other_way(main, dicom_scan, scan, tmp_path, expected):
    assert main("enhance", dicom_scan, "--output", tmp_path / "out.nrrd").code == 0
    assert main("enhance", scan, "--output", tmp_path / "out", "--force").code == 0
    for path in (tmp_path / "out.nrrd", tmp_path / "out"):
        assert_same_grid(read(path), read(scan))
        np.testing.assert_array_equal(hu(read(path)), expected)
    assert pydicom.dcmread(next((tmp_path / "out").iterdir())).PatientName == "Anonymous"


@pytest.mark.parametrize("handedness", [1, -1])
def test_oblique_and_left_handed_grids_are_kept(main, mvct, tmp_path, handedness):
    turn = sitk.Euler3DTransform((0, 0, 0), 0.2, -0.3, 0.4).GetMatrix()
    direction = np.array(turn).reshape(3, 3) @ np.diag([1, 1, handedness])
    write_volume(replace(mvct, direction=direction, origin=(3.0, -70.5, 12.25)), tmp_path / "in.nrrd")
    arguments = ["--output", tmp_path / "out.nrrd", "--difference", tmp_path / "difference.mha"]
    assert main("enhance", tmp_path / "in.nrrd", *arguments).code == 0
    assert_same_grid(read(tmp_path / "out.nrrd"), read(tmp_path / "in.nrrd"))
    assert_same_grid(read(tmp_path / "difference.mha"), read(tmp_path / "in.nrrd"))


def test_json_is_one_object_with_all_readouts_and_what_they_depend_on(main, scan, tmp_path):
    result = main("enhance", scan, "--output", tmp_path / "e.nrrd", "--json")
    readouts = result.json()
    assert result.code == 0
    measured = {"mvct", "enhanced", "comparison", "slices", "parameters", "verdicts"}
    assert measured | {"model", "device", "warnings", "program", "input", "time"} == set(readouts)
    for group in ("mvct", "enhanced"):
        for readout in readouts[group].values():
            assert len(readout["per_slice"]) == 4
            assert {"mean", "sd", "slices", "unit", "per_slice"} == set(readout)
    measured = set(readouts["mvct"]) | set(readouts["comparison"])
    assert {name for name in measured if name not in readouts["parameters"]} <= {"dig_scaled"}
    assert readouts["model"]["name"] and readouts["model"]["preset"] == "density-residual"
    assert readouts["device"].startswith(("CPU", "GPU"))
    assert any("2 x 2 mm" in warning for warning in readouts["warnings"])


def test_readouts_without_a_value_are_null(main, tmp_path):
    air = Volume(np.full((2, 48, 48), -1000, np.int16), (0.763, 0.763, 6))
    write_volume(air, tmp_path / "air.nrrd")
    result = main("enhance", tmp_path / "air.nrrd", "--output", tmp_path / "e.nrrd", "--json", "--progress", "none")
    assert "NaN" not in result.stdout and "Infinity" not in result.stdout
    assert result.json()["mvct"]["noise_hu"] == {
        "mean": None, "sd": None, "slices": 0, "unit": "HU", "per_slice": [None, None],
    }  # fmt: skip


@pytest.mark.integration
def test_report_holds_the_readouts_that_are_printed(main, scan, tmp_path):
    arguments = ["--output", tmp_path / "e.nrrd", "--report", tmp_path / "new" / "report", "--json"]
    result = main("enhance", scan, *arguments, "--progress", "none")
    folder = tmp_path / "new" / "report"
    assert {path.name for path in folder.iterdir()} == {"report.html", "readouts.json", "readouts.csv"}
    assert json.loads((folder / "readouts.json").read_text(encoding="utf-8")) == result.json()
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert all(warning in page for warning in result.json()["warnings"])


def test_report_of_a_scan_of_air_is_written(main, tmp_path):
    air = Volume(np.full((2, 64, 64), -1000, np.int16), (0.763, 0.763, 6))
    write_volume(air, tmp_path / "air.nrrd")
    arguments = ["--output", tmp_path / "e.nrrd", "--report", tmp_path / "report", "--kvct", tmp_path / "air.nrrd"]
    result = main("enhance", tmp_path / "air.nrrd", *arguments, "--progress", "none")
    assert result.code == 0, result.stderr
    assert (tmp_path / "report" / "report.html").stat().st_size > 10_000


def test_readouts_are_shown_to_a_person(main, scan, tmp_path):
    result = main("enhance", scan, "--output", tmp_path / "e.nrrd")
    assert "enhanced     noise_hu" in result.stdout and " ± " in result.stdout
    assert "device: " in result.stderr and "4/4" in result.stderr


def test_jsonl_tells_the_course_of_the_work(main, scan, tmp_path):
    result = main("enhance", scan, "--output", tmp_path / "e.nrrd", "--progress", "jsonl", "--json")
    assert (result.code, result.stderr) == (0, "")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    stages = [event["stage"] for event in events if event["event"] == "stage"]
    assert stages == ["read", "enhance", "measure", "write"]
    assert events[0]["event"] == "device" and {"device", "name"} < set(events[0])
    assert [event["message"] for event in events if event["event"] == "warning"] == events[-1]["warnings"]
    for stage in ("enhance", "measure"):
        steps = [event for event in events if event["event"] == "progress" and event["stage"] == stage]
        done = [step["done"] for step in steps]
        assert done == sorted(set(done)) and done[-1] == 4 and {step["total"] for step in steps} == {4}
    assert events[-1]["event"] == "result" and "parameters" in events[-1]


def test_planning_ct_gives_the_aim(main, scan, mvct, tmp_path):
    write_volume(mvct.with_array(mvct.array // 2), tmp_path / "kvct.nrrd")
    arguments = ["--output", tmp_path / "e.nrrd", "--kvct", tmp_path / "kvct.nrrd", "--json", "--progress", "none"]
    readouts = main("enhance", scan, *arguments).json()
    assert len(readouts["planning_ct"]["noise_hu"]["per_slice"]) == 4
    assert set(readouts["comparison"]["nselfssim_distance"]) == {"mvct", "enhanced", "unit"}


def test_a_series_is_chosen_by_its_uid(main, dicom_scan, mvct, tmp_path):
    write_dicom_series(mvct.with_array(mvct.array + np.int16(500)), dicom_scan / "other", description="other")
    uid = pydicom.dcmread(next(path for path in dicom_scan.iterdir() if path.is_file())).SeriesInstanceUID
    arguments = ["--output", tmp_path / "e.nrrd", "--difference", tmp_path / "d.nrrd"]
    assert main("enhance", dicom_scan, *arguments).code == 1
    assert main("enhance", dicom_scan, *arguments, "--series-uid", uid).code == 0
    before = hu(read(tmp_path / "e.nrrd")) - hu(read(tmp_path / "d.nrrd"))
    np.testing.assert_array_equal(before, mvct.array)


@pytest.fixture
def odd_dicom_scan(dicom_scan) -> Path:
    """Slices with all that makes the reader warn and work on."""
    for path in dicom_scan.iterdir():
        ds = pydicom.dcmread(path)
        ds.ImagePositionPatient[2] += 0.03 * (ds.InstanceNumber == 2)
        ds.RescaleIntercept = None
        array = ds.pixel_array.copy()
        array[0, 0] = -2000
        ds.PixelData = array.tobytes()
        ds.save_as(path)
    return dicom_scan


@pytest.mark.integration
@pytest.mark.parametrize("style", ["jsonl", "bar", pytest.param("none", marks=pytest.mark.thorough)])
def test_patient_is_not_told(main, odd_dicom_scan, tmp_path, style):
    """Nor the folder, whose name may be the patient's, nor the series' identifier."""
    uid = pydicom.dcmread(next(odd_dicom_scan.iterdir())).SeriesInstanceUID
    arguments = ["--output", tmp_path / "e.nrrd", "--report", tmp_path / "report", "--kvct", odd_dicom_scan]
    result = main("enhance", odd_dicom_scan, *arguments, "--progress", style)
    assert result.code == 0, result.stderr
    report = {path.name: path.read_text("utf-8") for path in (tmp_path / "report").iterdir()}
    warnings = json.loads(report["readouts.json"])["warnings"]
    assert len(warnings) >= 7
    assert all(warning in result.stdout + result.stderr for warning in warnings)
    secrets = [*SECRETS, "Secretname", "Secretfolder", uid, str(tmp_path), tmp_path.name]
    for text in (result.stdout, result.stderr, *report.values()):
        assert [secret for secret in secrets if secret in text] == []


@pytest.fixture
def folders(tmp_path, dicom_scan, mvct):
    """Scans and places that outputs could harm."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("kept")
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder.nrrd").mkdir()
    write_volume(mvct, tmp_path / "kvct.nrrd")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("mvct.nrrd --output mvct.nrrd", "is an input itself"),
        ("mvct.nrrd --output sub/../mvct.nrrd", "is an input itself"),
        ("mvct.nrrd --output a.nrrd --difference mvct.nrrd", "is an input itself"),
        ("mvct.nrrd --output kvct.nrrd --kvct kvct.nrrd", "is an input itself"),
        ("Secretfolder --output Secretfolder", "is an input itself"),
        ("Secretfolder --output Secretfolder/enhanced", "inside the folder of an input"),
        ("mvct.nrrd --output full", "is not empty"),
        ("mvct.nrrd --output file", "is a file"),
        ("mvct.nrrd --output folder.nrrd", "is a folder"),
        ("mvct.nrrd --output scan.jpg", "ends in '.jpg'"),
        ("mvct.nrrd --output scan.mhd", "end the output in"),
        ("mvct.nrrd --output file/out.nrrd", "no folder that can be written to"),
        ("mvct.nrrd --output a.nrrd --report file", "no folder that can be written to"),
        ("mvct.nrrd --output a.nrrd --difference a.nrrd", "place of another output"),
        ("mvct.nrrd --output a.nrrd --difference d.nrrd --correction d.nrrd", "place of another output"),
        ("mvct.nrrd --output a --difference a/b", "place of another output"),
        ("mvct.nrrd --output a --report a", "place of another output"),
        ("mvct.nrrd --output a --report a/report", "place of another output"),
        ("mvct.nrrd --output a.nrrd --difference a.nrrd/d.nrrd", "place of another output"),
    ],
)
def test_outputs_that_would_do_harm_are_refused_before_any_work(
    main, scan, folders, monkeypatch, assert_refused, arguments, words
):
    monkeypatch.chdir(folders)
    monkeypatch.setattr(enhance_module, "load_model", lambda path: pytest.fail("work was begun"))
    assert_refused(main("enhance", *arguments.split()), words)


@pytest.mark.integration
def test_report_may_lie_around_the_other_outputs(main, scan, tmp_path):
    arguments = ["--output", tmp_path / "all" / "e.nrrd", "--difference", tmp_path / "all" / "difference", "--force"]
    assert main("enhance", scan, *arguments, "--report", tmp_path / "all").code == 0
    assert {path.name for path in (tmp_path / "all").iterdir()} == {
        "e.nrrd", "difference", "report.html", "readouts.json", "readouts.csv",
    }  # fmt: skip


def test_existing_file_is_replaced_only_by_a_complete_one(main, scan, tmp_path, monkeypatch):
    write_volume(Volume(np.zeros((1, 2, 2), np.int16)), tmp_path / "e.nrrd")
    old = (tmp_path / "e.nrrd").read_bytes()
    replacing = ("enhance", scan, "--output", tmp_path / "e.nrrd", "--overwrite")
    assert main(*replacing, "--device", "cuda:99").code == 1
    assert (tmp_path / "e.nrrd").read_bytes() == old
    assert main(*replacing).code == 0
    assert read(tmp_path / "e.nrrd").GetSize() == (96, 96, 4)


def test_difference_that_fails_is_an_error_and_the_scan_before_it_is_complete(
    main, scan, tmp_path, monkeypatch, expected
):
    write_scan = enhance_outputs.write_scan

    def write(volume, path, **texts):
        if path.name == "d.nrrd":
            raise OutputError(f"{path} cannot be written: the disk is full.")
        write_scan(volume, path, **texts)

    monkeypatch.setattr(enhance_outputs, "write_scan", write)
    arguments = ["--output", tmp_path / "e.nrrd", "--difference", tmp_path / "d.nrrd", "--report", tmp_path / "r"]
    result = main("enhance", scan, *arguments, "--json", "--progress", "none")
    assert (result.code, result.stdout) == (1, "")
    assert "d.nrrd cannot be written" in result.stderr
    np.testing.assert_array_equal(hu(read(tmp_path / "e.nrrd")), expected)
    assert {path.name for path in tmp_path.iterdir()} == {"mvct.nrrd", "e.nrrd"}


def test_folders_are_made_only_for_a_result(scan, tmp_path):
    request = EnhanceRequest(scan, tmp_path / "new" / "out", report=tmp_path / "report", device="cpu", force=True)
    with pytest.raises(Cancelled):
        enhance(request, cancelled=lambda: True)
    assert [path.name for path in tmp_path.iterdir()] == ["mvct.nrrd"]


def test_warnings_of_the_engine_are_in_the_readouts(scan, tmp_path, monkeypatch):
    class Warning(Engine):
        def enhance(self, mvct):
            self.on_event("warning", message="The GPU's memory is short.")
            return super().enhance(mvct)

    monkeypatch.setattr(enhance_module, "Engine", Warning)
    result = enhance(EnhanceRequest(scan, tmp_path / "e.nrrd", device="cpu"))
    assert "The GPU's memory is short." in result.warnings
    assert result.readouts["warnings"] == list(result.warnings)


def test_result_is_what_was_written(scan, tmp_path):
    result = enhance(EnhanceRequest(scan, tmp_path / "e.nrrd", device="cpu"))
    np.testing.assert_array_equal(read_volume(tmp_path / "e.nrrd").array, result.enhanced.array)


@pytest.mark.parametrize("mm", [0.000763, 76.3])
def test_pixels_of_a_wrong_unit_are_refused(mvct, tmp_path, mm):
    write_volume(Volume(mvct.array, (mm, mm, 6)), tmp_path / "metres.nrrd")
    with pytest.raises(MVCTEnhanceError, match=r"pixels of .* mm, which no scanner makes"):
        enhance(EnhanceRequest(tmp_path / "metres.nrrd", tmp_path / "e.nrrd", device="cpu"))
    assert not (tmp_path / "e.nrrd").exists()
