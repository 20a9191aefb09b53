"""An enhanced volume as a derived series, in a folder and in the DICOM database."""

import numpy as np
import pydicom
import pytest
from slicerui.scans import Calls, add_mvct, add_result, add_transform, contents, noisy_head, temporary_files

pytestmark = pytest.mark.integration

PATIENT = {"PatientName": "Doe^Jane", "PatientID": "ID-7", "StudyInstanceUID": "1.2.826.0.1.3680043.8.498.77"}


@pytest.fixture
def database(app, tmp_path):
    app.slicer.dicomDatabase.openDatabase(str(tmp_path / "database" / "ctkDICOM.sql"))
    return app.slicer.dicomDatabase


@pytest.fixture
def mvct(app, database, tmp_path):
    """A node as the DICOM module loads it: its files are in the database, in the order of the slices."""
    from MVCTEnhanceLib.io import write_dicom_series
    from MVCTEnhanceLib.volume import Volume

    place = {"spacing": (2.0, 2.0, 6.0), "origin": (-96.0, -96.0, 30.0)}
    write_dicom_series(Volume(noisy_head(), **place), tmp_path / "scanner", description="daily MVCT")
    uids = []
    for path in sorted((tmp_path / "scanner").iterdir()):
        header = pydicom.dcmread(path)
        for name, value in PATIENT.items():
            setattr(header, name, value)
        header.save_as(path)
        database.insert(str(path))
        uids.append(str(header.SOPInstanceUID))
    ijk_to_ras = np.array([[-2.0, 0, 0, 96], [0, -2, 0, 96], [0, 0, 6, 30], [0, 0, 0, 1]])
    node = app.add_volume(noisy_head(), "MVCT", ijk_to_ras=ijk_to_ras)
    node.SetAttribute("DICOM.instanceUIDs", " ".join(uids))
    return node


def export(node, folder=None, **others):
    from MVCTEnhanceLib.slicerui.jobs.dicom_export import DicomExport, DicomOptions
    from MVCTEnhanceLib.slicerui.worker.work import do_now

    return do_now(DicomExport(DicomOptions(node.GetID(), folder, **others)))


def headers(paths) -> list:
    return sorted((pydicom.dcmread(path) for path in paths), key=lambda header: float(header.ImagePositionPatient[2]))


@pytest.mark.parametrize("identify", [False, pytest.param(True, marks=pytest.mark.thorough)])
def test_report_names_the_scan_of_the_database_only_when_asked(app, mvct, tmp_path, identify):
    from MVCTEnhanceLib.slicerui.jobs.export import ReportExport, ReportExportOptions
    from MVCTEnhanceLib.slicerui.worker.work import do_now
    from slicerui.results import add_result as add_result_with_readouts

    enhanced = add_result_with_readouts(app, mvct).enhanced.GetID()
    path = do_now(ReportExport(ReportExportOptions(enhanced, tmp_path / "report", identify=identify))).path
    assert ("daily MVCT" in path.read_text(encoding="utf-8")) == identify


def test_what_is_not_to_be_trusted_is_exported_only_when_forced(app, mvct, tmp_path):
    from MVCTEnhanceLib.errors import MVCTEnhanceError
    from slicerui.results import add_result as add_result_with_readouts
    from slicerui.results import verdicts

    result = add_result_with_readouts(app, mvct, verdicts=verdicts("do not trust"))
    with pytest.raises(MVCTEnhanceError, match=r"Enhanced, Noise is 'do not trust'.*force=True"):
        export(result.enhanced, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert export(result.enhanced, tmp_path / "out", force=True).slices == 4


def test_a_series_derived_from_the_mvct_keeps_patient_study_and_place(app, mvct, database, tmp_path):
    result = add_result(app, mvct)
    done = export(result.enhanced, tmp_path / "out", description="enhanced for review")
    written = headers((tmp_path / "out").iterdir())
    sources = headers(map(database.fileForInstance, mvct.GetAttribute("DICOM.instanceUIDs").split()))
    assert done.derived and done.slices == len(written) == 4
    for k, (new, old) in enumerate(zip(written, sources, strict=True)):
        for name in ("PatientName", "PatientID", "StudyInstanceUID", "FrameOfReferenceUID", "ImagePositionPatient"):
            assert new[name].value == old[name].value, name
        assert list(new.ImageType) == ["DERIVED", "SECONDARY", "AXIAL"]
        assert new.SeriesInstanceUID == done.series_uid != old.SeriesInstanceUID
        assert new.SourceImageSequence[0].ReferencedSOPInstanceUID == old.SOPInstanceUID
        assert new.SeriesDescription == "enhanced for review"
        np.testing.assert_array_equal(new.pixel_array, noisy_head()[k] + 10)
    assert temporary_files(app) == []


def test_the_assessment_of_the_result_travels_with_it(app, mvct, tmp_path):
    measured = {"nselfssim": {"mean": 0.1, "sd": 0.0, "unit": "1", "per_slice": [0.1] * 4}}
    readouts = {"mvct": measured, "enhanced": measured, "comparison": {}, "parameters": {}}
    readouts["verdicts"] = {"enhanced": {"nselfssim": {"verdict": "look closer", "reason": "."}}}
    readouts["model"] = {"name": "mine", "version": "3", "sha256": "a1" * 32}
    export(add_result(app, mvct, readouts).enhanced, tmp_path / "out")
    for header in headers((tmp_path / "out").iterdir()):
        assert header.SeriesDescription == "MVCT enhanced, research only"
        for words in ("not for dose calculation", "model mine 3", "a1" * 32, "0 'do not trust', 1 'look closer'"):
            assert words in header.ImageComments


def test_it_arrives_in_the_database_and_the_temporary_files_go(app, mvct, database):
    result = add_result(app, mvct)
    done = export(result.enhanced)
    files = database.filesForSeries(done.series_uid)
    assert len(files) == 4 and done.folder is None
    assert temporary_files(app) == []
    np.testing.assert_array_equal(headers(files)[3].pixel_array, noisy_head()[3] + 10)


def test_a_parent_transform_does_not_move_the_series(app, mvct, database, tmp_path):
    result = add_result(app, mvct)
    shift = np.eye(4)
    shift[:3, 3] = 10, 20, 30
    transform = add_transform(app, shift)
    for node in (mvct, result.enhanced):
        node.SetAndObserveTransformNodeID(transform.GetID())
    export(result.enhanced, tmp_path / "out")
    places = [[float(mm) for mm in header.ImagePositionPatient] for header in headers((tmp_path / "out").iterdir())]
    assert places == [[-96, -96, z] for z in (30, 36, 42, 48)]


def test_a_scan_that_did_not_come_from_dicom_becomes_an_anonymous_series_with_a_warning(app, tmp_path):
    result = add_result(app, add_mvct(app))
    done = export(result.enhanced, tmp_path / "out")
    assert not done.derived and "anonymous" in done.warnings[0]
    assert {str(header.PatientName) for header in headers((tmp_path / "out").iterdir())} == {"Anonymous"}


def test_files_that_are_gone_are_an_error_and_not_an_anonymous_series(app, mvct, database, tmp_path):
    from pathlib import Path

    from MVCTEnhanceLib.errors import InputError

    result = add_result(app, mvct)
    Path(database.fileForInstance(mvct.GetAttribute("DICOM.instanceUIDs").split()[1])).unlink()
    with pytest.raises(InputError, match="import them again"):
        export(result.enhanced, tmp_path / "out")
    assert not (tmp_path / "out").exists() and temporary_files(app) == []


def test_a_closed_database_is_told_before_anything_is_written(app, mvct, database):
    from MVCTEnhanceLib.errors import MVCTEnhanceError

    result = add_result(app, mvct)
    database.closeDatabase()
    with pytest.raises(MVCTEnhanceError, match="database is not open"):
        export(result.enhanced)


def test_a_folder_that_is_in_use_is_refused_in_the_worker_s_words(app, mvct, tmp_path):
    from MVCTEnhanceLib.errors import MVCTEnhanceError

    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "other.dcm").touch()
    with pytest.raises(MVCTEnhanceError, match="not empty"):
        export(add_result(app, mvct).enhanced, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["other.dcm"]


def test_an_import_that_lost_slices_is_told(app, mvct, database, monkeypatch):
    import sys

    from MVCTEnhanceLib.errors import OutputError

    monkeypatch.setattr(sys.modules["DICOMLib.DICOMUtils"], "importDicom", lambda *arguments: True)
    with pytest.raises(OutputError, match="did not take all slices"):
        export(add_result(app, mvct).enhanced)


@pytest.mark.thorough
def test_the_export_runs_beside_the_application_too(app, mvct, tmp_path):
    from MVCTEnhanceLib.slicerui.jobs.dicom_export import DicomExport, DicomOptions
    from MVCTEnhanceLib.slicerui.worker.work import Job

    result = add_result(app, mvct)
    before, calls = contents(app), Calls()
    Job(DicomExport(DicomOptions(result.enhanced.GetID(), tmp_path / "out")), **calls.arguments()).start()
    app.wait(lambda: calls.ended)
    assert calls.errors == [] and calls.done[0].slices == 4
    assert contents(app) == before


def test_an_export_goes_on_when_the_scene_is_closed(app, mvct, tmp_path):
    from MVCTEnhanceLib.slicerui.jobs.dicom_export import DicomExport, DicomOptions
    from MVCTEnhanceLib.slicerui.worker.work import Job

    calls = Calls()
    job = Job(DicomExport(DicomOptions(add_result(app, mvct).enhanced.GetID(), tmp_path / "out")), **calls.arguments())
    job.start()
    app.close_scene()
    app.wait(lambda: calls.ended)
    assert calls.errors == [] and len(list((tmp_path / "out").iterdir())) == 4


def test_a_cancelled_export_leaves_no_part_of_a_series(app, mvct, tmp_path):
    from MVCTEnhanceLib.slicerui.jobs.dicom_export import DicomExport, DicomOptions
    from MVCTEnhanceLib.slicerui.worker.work import Job

    calls = Calls()
    job = Job(DicomExport(DicomOptions(add_result(app, mvct).enhanced.GetID(), tmp_path / "out")), **calls.arguments())
    job.start()
    app.wait(lambda: calls.progress or calls.ended)
    job.cancel()
    assert app.child_processes() == [] and temporary_files(app) == []
    left = [path for path in tmp_path.iterdir() if path.name.startswith((".partial", "out"))]
    assert left == [] or len(list((tmp_path / "out").iterdir())) == 4  # unless it was just done


def test_files_are_copied_where_no_link_can_be_made(app, tmp_path, monkeypatch):
    from MVCTEnhanceLib.slicerui.scene import dicom_source

    monkeypatch.setattr(dicom_source.os, "link", _no_links)
    for number in range(3):
        (tmp_path / f"{number}").write_text(str(number))
    folder = dicom_source.stage_files([tmp_path / str(number) for number in range(3)], tmp_path / "staged")
    assert [path.read_text() for path in sorted(folder.iterdir())] == ["0", "1", "2"]


def _no_links(*_):
    raise OSError("no links")


def test_the_modality_of_a_scan_is_read_from_its_files(app, mvct):
    from MVCTEnhanceLib.slicerui.scene.volumes import modality_of

    assert modality_of(mvct) == "CT"
