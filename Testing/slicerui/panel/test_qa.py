"""Quality assurance with a phantom, driven from the panel."""

from pathlib import Path

import numpy as np
import pytest
from slicerui.panels import StartedJob, choose_result, open_sections, open_with_scan, parameters, without_worker
from slicerui.results import add_result
from slicerui.scans import assert_nothing_is_left

VALUES = {
    "water_hu": {"label": "Water", "mvct": {"passed": True}, "enhanced": {"passed": True}},
    "noise_hu": {"label": "Noise", "mvct": {"passed": None}, "enhanced": {"passed": False}},
}


@pytest.fixture
def pylinac(monkeypatch, app):
    """A function that says whether pylinac is installed."""
    from MVCTEnhanceLib.qa import pylinac

    return lambda there: monkeypatch.setattr(pylinac, "is_installed", lambda: there)


@pytest.fixture
def worker(monkeypatch, app):
    """The jobs that were started, which end when the test says so."""

    class Job(StartedJob):
        def requests(self) -> list:
            """What the worker is asked for, one after the other."""
            (app.folder / "work").mkdir()
            steps = self.work.steps(app.folder / "work")
            step, asked = next(steps), []
            while type(step.request).__name__ != "QARequest":
                asked.append(step.request)
                step = steps.send({})
            return [*asked, step.request]

        def finish(self, *, passed=True, warnings=()):
            from MVCTEnhanceLib.slicerui.jobs.qa import QAOutcome

            values = VALUES if not passed else {"water_hu": VALUES["water_hu"]}
            self.done(QAOutcome(passed, Path("report.html"), values, warnings))

    return without_worker(monkeypatch, Job)


def open_with_folder(app, folder: Path, phantom: str = "water cylinder"):
    mvct = open_with_scan(app, "Phantom")
    folder.mkdir(exist_ok=True)
    app.choose(app.ui.qaPhantomComboBox, phantom)
    app.type_text(app.ui.qaPathLineEdit, str(folder))
    return mvct


def test_button_says_what_is_missing(app, tmp_path):
    app.load_module()
    assert not app.ui.qaButton.enabled
    assert app.ui.qaButton.toolTip == "Choose the phantom's scan as MVCT first."
    open_with_scan(app)
    assert app.ui.qaButton.toolTip == "Choose a folder first."
    app.type_text(app.ui.qaPathLineEdit, str(tmp_path))
    assert app.ui.qaButton.enabled
    parameters(app).site = str(tmp_path / "gone.toml")
    assert not app.ui.qaButton.enabled and "gone.toml" in app.ui.qaButton.toolTip


def test_phantom_and_folder_are_remembered_on_this_computer(app, tmp_path):
    open_with_folder(app, tmp_path, "Catphan 504")
    from slicerui.panels import reload

    reload(app)
    open_sections(app)
    assert app.ui.qaPhantomComboBox.currentText == "Catphan 504"
    assert app.ui.qaPathLineEdit.currentPath == str(tmp_path)


def test_worker_is_asked_for_the_chosen_phantom_model_and_site(app, worker, tmp_path):
    open_with_folder(app, tmp_path / "qa")
    parameters(app).model = "unpaired"
    app.click(app.ui.qaButton)
    (request,) = worker[0].requests()
    assert (request.phantom, request.output, request.model) == ("water", tmp_path / "qa", "unpaired")
    assert request.scan.is_file() and (request.site, request.enhanced) == (None, None)


@pytest.mark.parametrize(("phantom", "compared"), [("water", True), ("catphan504", False)])
def test_phantom_is_compared_with_that_of_the_acceptance(app, worker, tmp_path, phantom, compared):
    from MVCTEnhanceLib.site.profile import AcceptedQA, Made, Scanner, SiteProfile, write_site

    qa = AcceptedQA(phantom, "2026-01-31", True, {"water_hu": 3.0}, {})
    write_site(
        SiteProfile(Scanner("Bunker 2"), Made("2026-01-31T10:00:00+01:00", "", ""), qa=qa), tmp_path / "site.toml"
    )
    open_with_folder(app, tmp_path / "qa")
    parameters(app).site = str(tmp_path / "site.toml")
    app.click(app.ui.qaButton)
    (request,) = worker[0].requests()
    assert request.baseline == (tmp_path / "site.toml" if compared else None)
    assert request.site == str(tmp_path / "site.toml")


def test_change_since_the_acceptance_is_named(app):
    from MVCTEnhanceLib.slicerui.jobs.qa import QAOutcome
    from MVCTEnhanceLib.slicerui.panel.qa import in_words

    good = {"passed": True}
    values = {"water_hu": {"label": "Water", "mvct": good | {"change": {"passed": False}}, "enhanced": good}}
    text = in_words(QAOutcome(False, Path("report.html"), values))
    assert text == "Not passed. Out of tolerance: Water changed (MVCT)."


def test_progress_and_outcome_are_shown(app, worker, tmp_path):
    open_with_folder(app, tmp_path)
    app.click(app.ui.qaButton)
    worker[0].progress("Enhancing", 2, 8, None)
    assert app.ui.qaStatusLabel.text == "Enhancing: slice 2 of 8"
    worker[0].finish(passed=False, warnings=("The pixels are resampled.",))
    assert app.ui.qaStatusLabel.text == (
        "Not passed. Out of tolerance: Noise (enhanced scan).\n⚠ The pixels are resampled."
    )
    assert app.ui.qaButton.text == "Measure phantom" and app.ui.qaButton.enabled
    app.click(app.ui.qaButton)
    worker[1].finish()
    assert app.ui.qaStatusLabel.text == "Passed: all values are within tolerance."


def test_measurement_is_cancelled_by_the_button(app, worker, tmp_path):
    open_with_folder(app, tmp_path)
    app.click(app.ui.qaButton)
    assert app.ui.qaButton.text == "Cancel measurement"
    app.click(app.ui.qaButton)
    assert worker[0].cancelled and app.ui.qaStatusLabel.text == "Cancelled. No incomplete files were left."
    assert app.ui.qaButton.text == "Measure phantom"


def test_measurement_goes_on_when_the_scene_is_closed(app, worker, tmp_path):
    open_with_folder(app, tmp_path)
    app.click(app.ui.qaButton)
    app.close_scene()
    assert not worker[0].cancelled and app.ui.qaButton.text == "Cancel measurement"
    worker[0].finish()
    assert app.ui.qaStatusLabel.text.startswith("Passed") and not app.ui.qaButton.enabled


def test_pylinac_is_installed_after_one_question_also_from_the_wheel_folder(app, worker, pylinac, tmp_path):
    pylinac(False)
    open_with_folder(app, tmp_path / "qa", "TomoTherapy cheese phantom")
    app.popups.answer_next("cancel")
    app.click(app.ui.qaButton)
    assert worker == [] and "pylinac is missing" in app.ui.qaStatusLabel.text
    from MVCTEnhanceLib.slicerui.install import pip_settings

    pip_settings.remember_wheels(str(tmp_path))
    app.popups.answer_next("ok")
    app.click(app.ui.qaButton)
    first, second = worker[0].requests()
    assert first.to_argv() == ("install-pylinac", f"--wheels={tmp_path}") and second.phantom == "tomo-cheese"
    assert len(app.popups.shown) == 2 and "pylinac" in app.popups.shown[0]


def test_pylinac_that_is_there_or_not_needed_is_not_asked_for(app, worker, pylinac, tmp_path):
    pylinac(False)
    open_with_folder(app, tmp_path)
    app.click(app.ui.qaButton)
    worker[0].failed("The scan shows no round phantom.")
    assert app.ui.qaStatusLabel.text == "The scan shows no round phantom."
    pylinac(True)
    app.choose(app.ui.qaPhantomComboBox, "Catphan 503")
    app.click(app.ui.qaButton)
    assert len(worker) == 2 and app.popups.shown == []


def test_last_report_of_the_folder_is_opened(app, tmp_path, shown_files):
    (tmp_path / "ü").mkdir()
    (tmp_path / "ü" / "report.html").write_text("")
    open_with_folder(app, tmp_path)
    assert not app.ui.qaReportButton.enabled
    assert app.ui.qaReportButton.toolTip == "The folder has no report yet."
    app.type_text(app.ui.qaPathLineEdit, str(tmp_path / "ü"))
    app.click(app.ui.qaReportButton)
    assert shown_files == [str(tmp_path / "ü" / "report.html")]


@pytest.mark.thorough
def test_phantom_is_measured_and_the_scene_stays_as_it_was(app, tmp_path):
    from MVCTEnhanceLib.physics.phantom import density_inserts
    from slicerui.scans import contents

    water, _ = density_inserts(inserts_hu=(), slices=4, shape=(128, 128), spacing_mm=(2.0, 2.0, 6.0))
    noisy = np.rint(water.array + np.random.default_rng(0).normal(0, 20, water.array.shape)).astype(np.int16)
    mvct = open_with_folder(app, tmp_path / "qa")
    phantom = app.add_volume(noisy, "Water", spacing=(2.0, 2.0, 6.0))
    choose_result(app, add_result(app, mvct))
    app.choose(app.ui.mvctSelector, phantom)
    before = contents(app)
    app.click(app.ui.qaButton)
    app.wait(lambda: app.ui.qaButton.text == "Measure phantom", 300)
    assert "assed" in app.ui.qaStatusLabel.text, app.ui.qaStatusLabel.text
    assert app.ui.qaReportButton.enabled and contents(app) == before
    assert_nothing_is_left(app)
