"""Registration to the planning CT by the command line: what it finds, writes and refuses."""

import json
import re
import shutil
import subprocess

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from MVCTEnhanceLib.assessment.verdicts import AS_EXPECTED, LOOK_CLOSER
from MVCTEnhanceLib.io import read_volume, write_dicom_series, write_volume
from MVCTEnhanceLib.jobs import register
from MVCTEnhanceLib.model.engine import Engine
from MVCTEnhanceLib.registration import rigid
from MVCTEnhanceLib.registration.motion import RigidMotion
from MVCTEnhanceLib.site.profile import FittedCalibration, Made, Scanner, SiteProfile, write_site

SHIFT = np.array([6.0, -4.0, 9.0])
JSON = ("--json", "--progress", "none")


@pytest.fixture(autouse=True)
def two_levels(monkeypatch):
    """Registrations that take a fifth of the time, and are less accurate."""
    monkeypatch.setattr(rigid, "LEVELS", rigid.LEVELS[:2])


@pytest.fixture(scope="module")
def scans(patient, moved):
    """A planning CT; an MVCT of the patient, who lies SHIFT away from it; and its 'enhanced' scan."""
    away = RigidMotion(np.eye(3), SHIFT)
    return {
        "ct": patient(8.0),
        "mvct": moved(patient(30.0, seed=1), away),
        "enhanced": moved(patient(10.0, seed=1), away),
    }


@pytest.fixture
def volumes(scans, tmp_path):
    """The options for these scans as files."""
    for name, scan in scans.items():
        write_volume(scan, tmp_path / f"{name}.nrrd")
    names = tmp_path / "mvct.nrrd", "--kvct", tmp_path / "ct.nrrd", "--enhanced", tmp_path / "enhanced.nrrd"
    return ["register", *names, *JSON]


@pytest.fixture
def series(scans, tmp_path, with_texts):
    """The options for MVCT and planning CT as DICOM series of one patient, in two studies."""
    for name in ("mvct", "ct"):
        write_dicom_series(scans[name], tmp_path / name, description=name)
        texts = {"PatientID": "A1", "PatientName": "Secretname", "PatientPosition": "HFS"}
        with_texts(tmp_path / name, texts)
    write_volume(scans["enhanced"], tmp_path / "enhanced.nrrd")
    names = tmp_path / "mvct", "--kvct", tmp_path / "ct", "--enhanced", tmp_path / "enhanced.nrrd"
    return ["register", *names, *JSON]


@pytest.fixture
def found(monkeypatch):
    """Function: each scan is found where this motion brings it, without a registration."""

    def found(motion):
        monkeypatch.setattr(register.Finder, "find", lambda *arguments, **named: motion)

    return found


def test_both_scans_are_registered_and_agree(main, volumes, scans):
    result = main(*volumes).json()
    for name in ("mvct", "enhanced"):
        assert result[name]["translation_lps_mm"] == pytest.approx(-SHIFT, abs=0.3)
        assert result[name]["rotation_deg"] == pytest.approx([0, 0, 0], abs=0.3)
        assert result[name]["couch_shift"] is None
    assert result["about_lps_mm"] == pytest.approx([0.5, 0.5, 0])
    assert result["assessment"]["verdict"] == AS_EXPECTED and result["use"] == "mvct"
    assert "not for positioning" in result["intended_use"]
    assert [text[:37] for text in result["warnings"]] == [
        "Not both scans have a Patient ID, as ",
        "The Patient Position of the MVCT is n",
    ]


def test_transform_resamples_the_mvct_onto_the_planning_ct(main, volumes, scans, tmp_path):
    assert main(*volumes, "--transform", tmp_path / "T.tfm").code == 0
    transform = sitk.ReadTransform(str(tmp_path / "T.tfm"))
    mvct, ct = (sitk.ReadImage(str(tmp_path / f"{name}.nrrd"), sitk.sitkFloat32) for name in ("mvct", "ct"))
    before, after = (
        sitk.GetArrayFromImage(sitk.Resample(mvct, ct, way, sitk.sitkLinear, -1000.0))
        for way in (sitk.Transform(), transform)
    )
    inside = (slice(2, -2), slice(10, -10), slice(10, -10))
    wrong = [np.abs(image - scans["ct"].array)[inside].mean() for image in (before, after)]
    assert wrong[1] < 30 < wrong[0]


def test_checkerboard_has_squares_of_the_enhanced_scan_and_of_the_planning_ct_in_its_place(
    main, volumes, scans, found, tmp_path
):
    found(RigidMotion(np.eye(3), -SHIFT))
    assert main(*volumes, "--checkerboard", tmp_path / "board.nrrd").code == 0
    board = read_volume(tmp_path / "board.nrrd")
    assert board.origin == pytest.approx(scans["mvct"].origin)
    of_enhanced, of_ct = (board.array == scans[name].array for name in ("enhanced", "ct"))
    assert of_enhanced[:, :13, :13].all() and of_ct[:, :13, 14:26].all() and of_ct[:, 14:26, :13].all()
    assert of_enhanced.mean() + of_ct.mean() > 0.99


def test_transform_has_the_motion_of_the_mvct_backwards_about_the_point_that_is_told(main, volumes, found, tmp_path):
    transform = sitk.Euler3DTransform()
    transform.SetCenter([10.0, 20.0, -30.0])
    transform.SetParameters([0.02, -0.03, 0.05, 4.0, -3.0, 2.0])
    motion = RigidMotion.of_itk(transform)
    found(motion)
    isocentre = ("--isocentre", "10", "20", "-30")
    result = main(*volumes, *isocentre, "--transform", tmp_path / "T.tfm", "--patient-position", "HFS").json()
    assert result["about_lps_mm"] == [10, 20, -30]
    assert result["mvct"]["translation_lps_mm"] == [4, -3, 2]
    assert result["mvct"]["rotation_deg"] == pytest.approx(np.degrees([0.02, -0.03, 0.05]), abs=1e-3)
    assert np.array(result["mvct"]["matrix_lps"]) == pytest.approx(motion.matrix)
    shift = result["mvct"]["couch_shift"]
    assert [shift[f"{way}_mm"] for way in ("lateral", "longitudinal", "vertical")] == [4, 2, 3]
    written = sitk.ReadTransform(str(tmp_path / "T.tfm"))
    point = (12.0, 34.0, -56.0)
    assert written.TransformPoint(transform.TransformPoint(point)) == pytest.approx(point)


def test_enhanced_scan_is_made_by_the_model_where_none_is_given(main, scan, monkeypatch):
    told = []

    def find(self, scan, name, **named):
        told.append((name, scan))
        return RigidMotion(np.eye(3), np.zeros(3))

    monkeypatch.setattr(register.Finder, "find", find)
    assert main("register", scan, "--kvct", scan, "--device", "cpu", *JSON).code == 0
    assert [registered for registered, _ in told] == ["MVCT", "enhanced scan"]
    assert not np.array_equal(told[0][1].array, told[1][1].array)


def test_site_profile_calibrates_what_the_model_gets_and_not_the_mvct(main, mvct, scan, monkeypatch, tmp_path):
    line = FittedCalibration(12.0, 0.985, 0.4728, 0.5, 0.001, 0.004, "phantom", 8)
    made = Made("2026-11-30T10:00:00+01:00", "me", "p")
    write_site(SiteProfile(Scanner("Bunker 2"), made, line), tmp_path / "s.toml")
    told = []
    monkeypatch.setattr(Engine, "enhance", lambda self, scan: told.append(scan) or scan)
    monkeypatch.setattr(
        register.Finder,
        "find",
        lambda self, scan, name, **named: told.append(scan) or RigidMotion(np.eye(3), np.zeros(3)),
    )
    result = main("register", scan, "--kvct", scan, "--site", tmp_path / "s.toml", "--device", "cpu", *JSON).json()
    assert np.array_equal(told[0].array, mvct.array)
    assert np.array_equal(told[1].array, line.line.calibrated(mvct).array)
    assert result["site"]["name"] == "Bunker 2" and "names no scanner" in " ".join(result["warnings"])


@pytest.mark.thorough
def test_enhanced_scan_that_is_not_found_is_to_be_looked_at(main, volumes, scans, tmp_path):
    noise = np.random.default_rng(2).normal(0, 50, scans["mvct"].array.shape).astype(np.int16)
    write_volume(scans["mvct"].with_array(noise), tmp_path / "enhanced.nrrd")
    result = main(*volumes).json()
    assert result["enhanced"] is None and result["difference"] is None
    assert result["assessment"]["verdict"] == LOOK_CLOSER
    assert result["assessment"]["reason"].startswith("The enhanced scan was not registered")
    assert result["mvct"]["translation_lps_mm"] == pytest.approx(-SHIFT, abs=0.3)


@pytest.mark.parametrize(
    ("apart", "verdict"), [((1.0, 1.0), AS_EXPECTED), ((1.1, 0.2), LOOK_CLOSER), ((0.2, 1.1), LOOK_CLOSER)]
)
def test_registrations_more_than_1_mm_or_1_degree_apart_are_to_be_looked_at(apart, verdict):
    assessment = register.assessed(apart)
    assert assessment["verdict"] == verdict
    assert f"{apart[0]:.1f} mm and {apart[1]:.1f}°" in assessment["reason"]
    assert ("use the one of the MVCT" in assessment["reason"]) == (verdict == LOOK_CLOSER)


def test_text_on_the_terminal_says_what_it_is_not_for(main, volumes, found):
    found(RigidMotion(np.eye(3), np.array([1.0, 2.0, 3.0])))
    arguments = [argument for argument in volumes if argument != "--json"]
    lines = main(*arguments, "--patient-position", "HFP").stdout.splitlines()
    assert lines[0] == "mvct      L +1.00  P +2.00  S +3.00 mm  rotation 0.00, 0.00, 0.00°"
    assert lines[1].strip().startswith("couch: lateral mm -1.00, longitudinal mm +3.00, vertical mm +2.00")
    assert lines[-1] == "Research only: not for positioning."


def test_couch_shift_is_that_of_the_series_patient_position(main, series, found):
    found(RigidMotion(np.eye(3), np.array([1.0, 2.0, 3.0])))
    result = main(*series).json()
    assert result["patient_position"] == "HFS" and result["warnings"] == []
    assert list(result["mvct"]["couch_shift"].values()) == [1, 3, -2, 0, 0, 0]


def test_patient_positions_that_differ_give_no_couch_shift(main, series, found, with_texts, tmp_path):
    found(RigidMotion(np.eye(3), np.zeros(3)))
    with_texts(tmp_path / "ct", {"PatientPosition": "FFS"})
    result = main(*series).json()
    assert result["mvct"]["couch_shift"] is None
    assert result["warnings"] == [
        "The Patient Position is HFS in the MVCT and FFS in the planning CT, so that there is no couch shift."
    ]


def test_patient_position_that_is_not_the_series_own_is_refused(main, series, assert_refused):
    assert_refused(main(*series, "--patient-position", "FFS"), "Patient Position is HFS, not FFS")


def test_scans_of_two_patients_are_refused(main, series, with_texts, tmp_path, assert_refused):
    with_texts(tmp_path / "ct", {"PatientID": "B2"})
    result = main(*series)
    assert_refused(result, "different Patient IDs")
    assert "B2" not in result.stderr


@pytest.mark.parametrize(
    ("option", "name"),
    [("transform", "T.txt"), ("transform", "ct.nrrd"), ("dicom", "T.nrrd"), ("checkerboard", "T")],
)
def test_output_of_another_kind_is_refused(main, volumes, tmp_path, assert_refused, option, name):
    assert_refused(main(*volumes, f"--{option}", tmp_path / name), name)


def test_spatial_registration_needs_two_series(main, volumes, tmp_path, assert_refused):
    assert_refused(main(*volumes, "--dicom", tmp_path / "reg"), "two DICOM series")


def test_spatial_registration_has_the_mvct_s_matrix_in_the_planning_ct_s_frame(main, series, found, tmp_path):
    motion = RigidMotion(np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1.0]]), np.array([1.0, 2.0, 3.0]))
    found(motion)
    result = main(*series, "--dicom", tmp_path / "reg")
    assert result.code == 0, result.stderr
    (path,) = (tmp_path / "reg").iterdir()
    ds = pydicom.dcmread(path)
    mvct, ct = (read_volume(tmp_path / name).source for name in ("mvct", "ct"))
    assert ds.SOPClassUID.name == "Spatial Registration Storage"
    assert (ds.PatientID, ds.PatientName, ds.Modality) == ("A1", "Secretname", "REG")
    assert ds.StudyInstanceUID == mvct.header(0).StudyInstanceUID
    assert ds.FrameOfReferenceUID == ct.header(0).FrameOfReferenceUID
    for item, source in zip(ds.RegistrationSequence, (ct, mvct), strict=True):
        assert item.FrameOfReferenceUID == source.header(0).FrameOfReferenceUID
        named = [image.ReferencedSOPInstanceUID for image in item.ReferencedImageSequence]
        assert named == [source.header(k).SOPInstanceUID for k in range(12)]
    fixed, moving = (
        np.array(item.MatrixRegistrationSequence[0].MatrixSequence[0].FrameOfReferenceTransformationMatrix, float)
        for item in ds.RegistrationSequence
    )
    assert (fixed == np.eye(4).ravel()).all()
    assert moving == pytest.approx(motion.matrix.ravel())
    assert "not for positioning" in ds.ContentDescription


@pytest.mark.integration
def test_spatial_registration_is_accepted_by_other_programs(main, series, found, with_texts, tmp_path):
    found(RigidMotion(np.eye(3), np.array([1.0, 2.0, 3.0])))
    assert main(*series, "--dicom", tmp_path / "two-studies").code == 0
    with_texts(tmp_path / "ct", {"StudyInstanceUID": read_volume(tmp_path / "mvct").source.header(0).StudyInstanceUID})
    assert main(*series, "--dicom", tmp_path / "one-study").code == 0
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy is not installed (Debian: dicom3tools)")
    for name in ("two-studies", "one-study"):
        result = subprocess.run(["dciodvfy", tmp_path / name / "REG0001.dcm"], capture_output=True, text=True)
        errors = re.findall("^Error.*", result.stderr, re.MULTILINE)
        # asked for wherever no body part is named, though only paired ones have a side
        assert [line for line in errors if "Element=<Laterality>" not in line] == []
        assert "SpatialRegistration" in result.stderr


def test_progress_counts_the_runs_of_both_scans(main, volumes):
    arguments = [argument for argument in volumes if argument not in JSON]
    events = [json.loads(line) for line in main(*arguments, "--progress", "jsonl").stdout.splitlines()]
    counted = [event["done"] for event in events if event["event"] == "progress"]
    assert counted == list(range(1, 2 * register.RUNS + 1))
    assert events[-1]["event"] == "result"
