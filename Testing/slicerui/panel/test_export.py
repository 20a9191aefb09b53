"""Exports from the panel, with the real worker."""

import pytest
from slicerui.panels import choose_result, open_with_scan, parameters
from slicerui.results import add_result, readouts, verdicts

BUTTONS = ("exportDicomFolderButton", "exportDicomDatabaseButton", "exportCsvButton", "exportReportButton")


@pytest.fixture
def result(app):
    result = add_result(app, open_with_scan(app, "Day 1"), verdicts=verdicts("look closer"))
    choose_result(app, result)
    return result


def says(app) -> str:
    return app.ui.exportStatusLabel.text


def wait_for_the_end(app) -> None:
    app.wait(lambda: app.ui.exportDicomDatabaseButton.enabled and not app.child_processes(), 200)


def test_without_a_result_nothing_can_be_exported_and_the_tool_tip_says_why(app):
    open_with_scan(app)
    for name in BUTTONS:
        button = getattr(app.ui, name)
        assert not button.enabled and "nothing to export" in button.toolTip


def test_a_folder_is_asked_for_by_the_tool_tip_and_used_when_it_is_named(app, result, tmp_path):
    assert app.ui.exportDicomDatabaseButton.enabled
    assert not app.ui.exportCsvButton.enabled and app.ui.exportCsvButton.toolTip == "Choose a folder first."
    app.type_text(app.ui.exportPathLineEdit, str(tmp_path))
    assert parameters(app).exportFolder == tmp_path
    assert app.ui.exportCsvButton.enabled and "CSV" in app.ui.exportCsvButton.toolTip
    app.type_text(app.ui.exportPathLineEdit, "")
    assert not app.ui.exportCsvButton.enabled
    assert app.ui.exportPathLineEdit.currentPath == ""


def test_the_readouts_are_written_as_csv_and_never_over_a_file(app, result, tmp_path):
    app.type_text(app.ui.exportPathLineEdit, str(tmp_path))
    app.click(app.ui.exportCsvButton)
    app.click(app.ui.exportCsvButton)
    first = tmp_path / "Day 1 enhanced.csv"
    assert "mvct.noise_hu" in first.read_text(encoding="utf-8").splitlines()[0]
    assert len(first.read_text(encoding="utf-8").splitlines()) == 1 + len(readouts()["mvct"]["noise_hu"]["per_slice"])
    assert (tmp_path / "Day 1 enhanced (2).csv").exists()
    assert str(tmp_path / "Day 1 enhanced (2).csv") in says(app)


def test_a_name_that_no_file_may_have_is_changed(app, result, tmp_path):
    result.enhanced.SetName('1/2: "enhanced"?')
    app.type_text(app.ui.exportPathLineEdit, str(tmp_path))
    app.click(app.ui.exportCsvButton)
    assert [path.name for path in tmp_path.glob("*.csv")] == ["1_2_ _enhanced__.csv"]


@pytest.mark.integration
def test_the_report_is_written_into_a_new_folder(app, result, tmp_path):
    app.type_text(app.ui.exportPathLineEdit, str(tmp_path))
    app.click(app.ui.exportReportButton)
    assert not any(getattr(app.ui, name).enabled for name in BUTTONS)
    wait_for_the_end(app)
    page = tmp_path / "Day 1 enhanced" / "report.html"
    assert "Noise" in page.read_text(encoding="utf-8") and str(page) in says(app)


@pytest.mark.integration
@pytest.mark.thorough
def test_a_report_is_to_name_a_scan_without_dicom_where_the_box_is_checked(app, result, tmp_path):
    app.type_text(app.ui.exportPathLineEdit, str(tmp_path))
    app.click(app.ui.identifyCheckBox)
    app.click(app.ui.exportReportButton)
    wait_for_the_end(app)
    assert "The MVCT is no DICOM series with a description or date" in says(app)


@pytest.mark.integration
@pytest.mark.thorough
def test_what_the_report_lacks_is_said_with_caution(app, result, tmp_path):
    from slicerui.jobs.test_export import forget_the_model

    forget_the_model(app, result.enhanced)
    app.type_text(app.ui.exportPathLineEdit, str(tmp_path))
    app.click(app.ui.exportReportButton)
    wait_for_the_end(app)
    assert "report.html. The card of the model is not among the installed ones" in says(app)
    assert "#ffedc0" in app.ui.exportStatusLabel.styleSheet


@pytest.mark.integration
def test_a_dicom_series_is_written_into_a_new_folder(app, result, tmp_path):
    from pydicom import dcmread

    app.type_text(app.ui.exportPathLineEdit, str(tmp_path))
    app.click(app.ui.exportDicomFolderButton)
    wait_for_the_end(app)
    files = list((tmp_path / "Day 1 enhanced").iterdir())
    assert len(files) == 4 and "4 DICOM files written" in says(app)
    assert "DERIVED" in dcmread(files[0]).ImageType
    assert "did not come from DICOM" in says(app)


@pytest.mark.integration
def test_a_scan_that_is_not_to_be_trusted_is_exported_after_one_question(app, tmp_path):
    result = add_result(app, open_with_scan(app, "Day 1"), verdicts=verdicts("do not trust"))
    choose_result(app, result)
    app.type_text(app.ui.exportPathLineEdit, str(tmp_path))
    app.popups.answer_next("cancel", "ok")
    app.click(app.ui.exportDicomFolderButton)
    assert app.ui.exportDicomFolderButton.enabled and not list(tmp_path.glob("Day 1*"))
    app.click(app.ui.exportDicomFolderButton)
    wait_for_the_end(app)
    assert len(list((tmp_path / "Day 1 enhanced").iterdir())) == 4
    assert len(app.popups.shown) == 2
    assert "The assessment of these metrics of the scan is 'do not trust':\n\nEnhanced, Noise" in app.popups.shown[0]


@pytest.mark.integration
@pytest.mark.thorough
def test_a_place_that_cannot_be_written_to_is_said(app, result, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    app.type_text(app.ui.exportPathLineEdit, str(tmp_path / "file"))
    app.click(app.ui.exportReportButton)
    wait_for_the_end(app)
    assert says(app).endswith(".") and "Written" not in says(app)
    app.click(app.ui.exportCsvButton)
    assert says(app).endswith(".") and "Written" not in says(app)


@pytest.mark.integration
def test_leaving_slicer_during_an_export_leaves_no_process(app, result, tmp_path):
    app.type_text(app.ui.exportPathLineEdit, str(tmp_path))
    app.click(app.ui.exportReportButton)
    app.wait(app.child_processes)
    app.close_application()
    assert app.child_processes() == []


@pytest.mark.integration
def test_a_derived_series_arrives_in_the_dicom_database(app, result, tmp_path):
    app.slicer.dicomDatabase.openDatabase(str(tmp_path / "database" / "ctkDICOM.sql"))
    app.click(app.ui.exportDicomDatabaseButton)
    wait_for_the_end(app)
    assert "4 DICOM files added to the DICOM database" in says(app)
    assert len(app.slicer.dicomDatabase.allFiles()) == 4


def test_a_database_that_is_not_open_is_said(app, result):
    app.click(app.ui.exportDicomDatabaseButton)
    assert "database is not open" in says(app)
    assert app.ui.exportDicomDatabaseButton.enabled
