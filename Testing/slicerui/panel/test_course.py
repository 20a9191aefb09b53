"""The course review, driven from the panel."""

from pathlib import Path

import numpy as np
import pytest
from slicerui.jobs.test_sequences import add_days
from slicerui.panels import StartedJob, open_sections, open_with_scan, parameters, without_worker
from slicerui.scans import add_segments, assert_nothing_is_left, noisy_head

IDLE = "Review course"


@pytest.fixture
def worker(monkeypatch, app):
    """The jobs that were started, which end when the test says so."""

    class Job(StartedJob):
        def request(self):
            """What the worker is asked for."""
            (app.folder / "work").mkdir()
            return next(self.work.steps(app.folder / "work")).request

        def finish(self, *, failed=0, beyond_limit=(), warnings=()):
            from MVCTEnhanceLib.slicerui.jobs.course import CourseOutcome

            self.done(CourseOutcome(Path("course.html"), {}, 3 - failed, failed, beyond_limit, warnings))

    return without_worker(monkeypatch, Job)


@pytest.fixture
def folders(app, tmp_path):
    """Opens the panel with a folder of scans and one for the page."""
    open_with_scan(app)
    (tmp_path / "daily").mkdir()
    app.type_text(app.ui.courseScansPathLineEdit, str(tmp_path / "daily"))
    app.type_text(app.ui.coursePathLineEdit, str(tmp_path / "review"))
    return tmp_path / "daily", tmp_path / "review"


def open_with_sequence(app, output: Path):
    """Opens the panel with the first of two daily scans of a sequence."""
    app.load_module()
    open_sections(app)
    proxy, _, _ = add_days(app, [noisy_head(1), noisy_head(2)])
    app.choose(app.ui.mvctSelector, proxy)
    app.type_text(app.ui.coursePathLineEdit, str(output))
    return proxy


def test_button_says_what_is_missing(app, tmp_path):
    open_with_scan(app)
    assert not app.ui.courseButton.enabled
    assert app.ui.courseButton.toolTip == "Choose the folder of the daily scans or, as MVCT, their sequence first."
    app.type_text(app.ui.courseScansPathLineEdit, str(tmp_path))
    assert app.ui.courseButton.toolTip == "Choose the output folder first."
    app.type_text(app.ui.coursePathLineEdit, str(tmp_path / "review"))
    assert app.ui.courseButton.enabled and app.ui.courseButton.text == IDLE
    parameters(app).site = str(tmp_path / "gone.toml")
    assert not app.ui.courseButton.enabled and "gone.toml" in app.ui.courseButton.toolTip


def test_folder_is_reviewed_with_what_is_chosen_in_the_panel(app, worker, folders):
    planning_ct = app.add_volume(noisy_head(3), "CT")
    app.choose(app.ui.planningCTSelector, planning_ct)
    parameters(app).model, parameters(app).strength = "unpaired", 50
    app.ui.courseIdentifyCheckBox.checked = True
    app.click(app.ui.courseButton)
    request = worker[0].request()
    assert (request.input, request.output) == folders
    assert (request.model, request.strength, request.identify, request.resume) == ("unpaired", 50, True, True)
    assert request.kvct.is_file() and (request.site, request.overwrite) == (None, False)


def test_sequence_of_the_mvct_is_reviewed_where_no_folder_is_chosen(app, worker, tmp_path):
    open_with_sequence(app, tmp_path / "review")
    assert app.ui.courseButton.text == "Review the 2 scans of the sequence"
    app.click(app.ui.courseButton)
    request = worker[0].request()
    assert [path.name for path in sorted(request.input.iterdir())] == ["001 2024-05-02.nrrd", "002 2024-05-03.nrrd"]
    assert request.kvct is None and request.patient_position is None


def test_structures_of_the_panel_are_measured_in_the_scans(app, worker, folders):
    from MVCTEnhanceLib.io import read_volume
    from MVCTEnhanceLib.structures.reader import read_structures

    planning_ct = app.add_volume(noisy_head(3), "CT")
    drawn = np.zeros(noisy_head(3).shape, np.uint8)
    drawn[1:3, 40:50, 30:60] = 1
    app.choose(app.ui.planningCTSelector, planning_ct)
    app.ui.advancedGroupBox.collapsed = False
    app.choose(app.ui.structuresSelector, add_segments(app, planning_ct, drawn))
    app.click(app.ui.courseButton)
    request = worker[0].request()
    ((found,), _warnings) = read_structures(request.structures, read_volume(request.kvct))
    inside = np.zeros_like(drawn)
    inside[found.box] = found.inside
    assert found.name == "segment 1" and np.array_equal(inside, drawn)
    worker[0].finish()
    app.choose(app.ui.planningCTSelector, None)
    app.click(app.ui.courseButton)
    assert "need the planning CT that they were drawn on" in worker[1].work.problem()


def test_page_of_the_folder_is_opened_and_folders_belong_to_the_scene(app, folders, shown_files):
    assert app.ui.coursePageButton.toolTip == "The output folder has no page yet."
    (folders[0] / "course.html").write_text("")
    app.type_text(app.ui.coursePathLineEdit, str(folders[0]))
    app.click(app.ui.coursePageButton)
    assert shown_files == [str(folders[0] / "course.html")]
    app.exit()
    app.enter()
    assert app.ui.courseScansPathLineEdit.currentPath == str(folders[0]) and app.ui.coursePageButton.enabled
    app.close_scene()
    assert (app.ui.courseScansPathLineEdit.currentPath, app.ui.coursePathLineEdit.currentPath) == ("", "")
    assert not app.ui.coursePageButton.enabled


def test_progress_and_outcome_are_shown_and_the_button_cancels(app, worker, folders):
    app.click(app.ui.courseButton)
    worker[0].progress("Enhancing the scans", 2, 35, 120)
    assert app.ui.courseStatusLabel.text == "Enhancing the scans: 2 of 35, about 2 min left"
    worker[0].finish(failed=1, beyond_limit=("day 12", "day 15"), warnings=("No scan has a Patient ID.",))
    assert app.ui.courseStatusLabel.text == (
        "2 of 3 scans are reviewed; the page has the reasons of the others. The body has changed beyond the limit: "
        "day 12, day 15.\n⚠ No scan has a Patient ID."
    )
    assert app.ui.courseButton.text == IDLE and app.ui.courseButton.enabled
    app.click(app.ui.courseButton)
    worker[1].finish()
    assert app.ui.courseStatusLabel.text == "3 scans are reviewed."
    app.click(app.ui.courseButton)
    worker[2].failed("The folder holds scans of 2 Patient IDs.")
    assert app.ui.courseStatusLabel.text == "The folder holds scans of 2 Patient IDs." and app.ui.courseButton.enabled
    app.click(app.ui.courseButton)
    assert app.ui.courseButton.text == "Cancel review"
    app.click(app.ui.courseButton)
    assert worker[-1].cancelled and app.ui.courseStatusLabel.text.startswith("Cancelled. Finished scans stay")
    app.click(app.ui.courseButton)
    app.close_scene()
    assert not worker[-1].cancelled and app.ui.courseButton.text == "Cancel review" and app.ui.courseButton.enabled
    worker[-1].finish()
    assert app.ui.courseStatusLabel.text == "3 scans are reviewed." and not app.ui.courseButton.enabled


@pytest.mark.thorough
def test_sequence_becomes_a_page_and_the_scene_stays_as_it_was(app, tmp_path, shown_files):
    from slicerui.scans import contents

    open_with_sequence(app, tmp_path / "review")
    before = contents(app)
    app.click(app.ui.courseButton)
    app.wait(lambda: not app.ui.courseButton.text.startswith("Cancel"), 300)
    assert app.ui.courseStatusLabel.text.startswith("2 scans are reviewed."), app.ui.courseStatusLabel.text
    assert "⚠ 2 of 2 scans have no Patient ID" in app.ui.courseStatusLabel.text
    assert contents(app) == before
    app.click(app.ui.coursePageButton)
    assert Path(shown_files[0]).read_text(encoding="utf-8").count("day 2") > 0
    assert_nothing_is_left(app)
