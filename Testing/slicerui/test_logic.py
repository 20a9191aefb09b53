"""Calls of MVCTEnhanceLogic by a script, as a user would type them."""

import csv

import numpy as np
import pytest
from slicerui.scans import Calls, add_mvct, add_result, contents, head, noisy_head


@pytest.fixture
def logic(app):
    app.load_module()
    import MVCTEnhance

    return MVCTEnhance.MVCTEnhanceLogic()


@pytest.mark.integration
def test_enhance_waits_and_gives_nodes_and_readouts(app, logic):
    mvct, planning_ct = add_mvct(app), app.add_volume(head(), "CT")
    output = app.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "mine")
    progress = []
    result = logic.enhance(
        mvct, planningCT=planning_ct, device="cpu", enhanced=output, makeCycleError=True,
        onProgress=lambda *step: progress.append(step),
    )  # fmt: skip
    assert result.enhanced is output and output.GetImageData().GetDimensions() == (96, 96, 4)
    assert result.cycleError is not None and result.readouts["planning_ct"]
    assert progress
    np.testing.assert_array_equal(app.slicer.util.arrayFromVolume(mvct), noisy_head())


@pytest.mark.integration
def test_start_enhance_returns_at_once_and_calls_back(app, logic):
    calls = Calls()
    job = logic.startEnhance(
        add_mvct(app), device="cpu", onProgress=lambda *step: calls.progress.append(step),
        onDone=calls.done.append, onError=calls.errors.append,
    )  # fmt: skip
    assert job.running
    app.wait(lambda: calls.ended)
    assert calls.errors == [] and calls.done[0].enhanced.GetName() == "MVCT enhanced"


def test_a_started_enhancement_can_be_cancelled(app, logic):
    mvct = add_mvct(app)
    before = contents(app)
    job = logic.startEnhance(mvct, device="cpu")
    job.cancel()
    assert not job.running and app.child_processes() == [] and contents(app) == before


@pytest.mark.integration
def test_what_is_wrong_is_raised_as_one_sentence(app, logic):
    from MVCTEnhanceLib.errors import MVCTEnhanceError

    mvct = add_mvct(app)
    outside = app.slicer.vtkMRMLScalarVolumeNode()
    outside.SetName("outside")
    for call, words in (
        (lambda: logic.enhance(None), "No volume was given"),
        (lambda: logic.enhance(outside), "not in the scene"),
        (lambda: logic.enhance(mvct, enhanced=mvct), "never overwritten"),
        (lambda: logic.enhance(mvct, model="nobody"), "nobody"),
        (lambda: logic.enhance(mvct, device="cuda:99"), "cuda:99"),
        (lambda: logic.exportReadouts(mvct, "x.csv"), "no metrics"),
    ):
        with pytest.raises(MVCTEnhanceError, match=words):
            call()


def test_a_misspelt_parameter_is_named_with_those_that_there_are(app, logic):
    with pytest.raises(TypeError, match=r"planningct.*planningCT"):
        logic.enhance(add_mvct(app), planningct=None)


def test_missing_packages_are_told_before_anything_is_started(app, logic, monkeypatch):
    from MVCTEnhanceLib.errors import MVCTEnhanceError
    from MVCTEnhanceLib.slicerui.install import dependencies

    monkeypatch.setattr(dependencies, "TORCH", "mvct_test_torch>=2.4")
    with pytest.raises(MVCTEnhanceError, match=r"mvct_test_torch>=2.4.*installDependencies"):
        logic.enhance(add_mvct(app))


@pytest.mark.integration
def test_all_items_of_a_sequence_are_enhanced_when_asked(app, logic):
    from slicerui.jobs.test_sequences import add_days

    proxy, browser, _ = add_days(app, [noisy_head(1), noisy_head(2)])
    result = logic.enhance(proxy, allItems=True, device="cpu")
    assert browser.GetSequenceNode(result.enhanced).GetNumberOfDataNodes() == 2


@pytest.mark.integration
@pytest.mark.thorough
def test_a_folder_is_enhanced_case_by_case_with_a_table_of_all(app, logic, tmp_path):
    from MVCTEnhanceLib.io import write_volume
    from MVCTEnhanceLib.volume import Volume

    source = tmp_path / "Köhort 1"
    write_volume(Volume(noisy_head(), spacing=(2.0, 2.0, 6.0)), source / "good.nrrd")
    (source / "broken.nrrd").write_text("no scan")
    progress = []
    result = logic.enhanceFolder(
        source, tmp_path / "out", workers=1, device="cpu", onProgress=lambda *step: progress.append(step)
    )
    assert (result.done, result.failed) == (1, 1)
    status = {row["case"]: row["status"] for row in result.rows}
    assert sorted(status.values()) == ["done", "failed"]
    assert all(row["reason"] for row in result.rows if row["status"] == "failed")
    with result.summary.open(encoding="utf-8", newline="") as file:
        assert [dict(row) for row in csv.DictReader(file)] == [dict(row) for row in result.rows]
    assert progress
    again = logic.enhanceFolder(source, tmp_path / "out", resume=True, device="cpu")
    assert (again.done, again.failed) == (1, 1)


@pytest.mark.thorough
def test_exports_are_a_call_each(app, logic, tmp_path):
    mvct = add_mvct(app)
    result = logic.enhance(mvct, device="cpu")
    assert logic.exportReadouts(result.enhanced, tmp_path / "readouts.csv").stat().st_size
    assert logic.exportReport(result.enhanced, tmp_path / "report").name == "report.html"
    assert logic.exportDicom(result.enhanced, tmp_path / "dicom", description="test", force=True).slices == 4


@pytest.mark.integration
def test_the_report_s_path_is_given_and_its_warnings_are_logged(app, logic, tmp_path, caplog):
    from slicerui.jobs.test_export import forget_the_model
    from slicerui.results import add_result as add_real_result

    enhanced = add_real_result(app, add_mvct(app)).enhanced
    forget_the_model(app, enhanced)
    assert logic.exportReport(enhanced, tmp_path / "report") == tmp_path / "report" / "report.html"
    assert "name the model's file" in caplog.text and str(tmp_path) not in caplog.text


@pytest.mark.integration
def test_dicom_goes_to_the_database_where_no_folder_is_given(app, logic, tmp_path):
    app.slicer.dicomDatabase.openDatabase(str(tmp_path / "database" / "ctkDICOM.sql"))
    done = logic.exportDicom(add_result(app, add_mvct(app)).enhanced)
    assert len(app.slicer.dicomDatabase.filesForSeries(done.series_uid)) == 4


def test_packages_come_from_the_folder_that_was_chosen_on_this_computer_unless_another_is_named(
    app, logic, monkeypatch, tmp_path
):
    from MVCTEnhanceLib.slicerui.install import dependencies, pip_settings

    asked = []
    monkeypatch.setattr(dependencies, "ensure", lambda *, wheel_folder, **options: asked.append(wheel_folder))
    logic.installDependencies()
    pip_settings.remember_wheels(str(tmp_path))
    logic.installDependencies()
    logic.installDependencies(tmp_path / "other")
    assert asked == [None, tmp_path, tmp_path / "other"]


def test_dependencies_can_be_asked_for_and_nothing_happens_where_all_is_there(app, logic):
    logic.installDependencies()
    assert app.popups.shown == []


@pytest.mark.thorough
def test_phantom_of_the_scene_is_measured_and_its_folder_grows(app, logic, tmp_path):
    from MVCTEnhanceLib.errors import MVCTEnhanceError
    from MVCTEnhanceLib.physics.phantom import density_inserts

    water, _ = density_inserts(inserts_hu=(), slices=4, shape=(128, 128), spacing_mm=(2.0, 2.0, 6.0))
    noisy = np.rint(water.array + np.random.default_rng(0).normal(0, 20, water.array.shape)).astype(np.int16)
    mvct, enhanced = (
        app.add_volume(array, name, spacing=(2.0, 2.0, 6.0))
        for array, name in ((noisy, "MVCT"), (water.array, "enhanced"))
    )
    found = logic.qa(mvct, "water", tmp_path / "qa", enhancedNode=enhanced, date="2026-01-31")
    assert found.values["noise_hu"]["mvct"]["value"] == pytest.approx(20, rel=0.1)
    assert found.values["noise_hu"]["enhanced"]["value"] < 1
    assert found.report == tmp_path / "qa" / "report.html" and found.report.is_file()
    assert "2026-01-31,water" in (tmp_path / "qa" / "qa.csv").read_text(encoding="utf-8")
    with pytest.raises(MVCTEnhanceError, match=r"but a TomoTherapy cheese phantom has|install-pylinac"):
        logic.qa(mvct, "tomo-cheese", tmp_path / "other", enhancedNode=enhanced)
    assert not (tmp_path / "other").exists()
