"""What can be read and reached in the panel in Slicer's main window, at its usual size and at others."""

import pytest
from slicerui.layouts import SLICER_WIDTH, flaws, resize
from slicerui.panels import choose_result, open_with_scan
from slicerui.results import add_result
from slicerui.scans import add_mvct

SENTENCES = "The planning CT 'Head and neck, 2 mm' is not stacked along the slice normal. Load the series again. " * 3


def show_error(app) -> None:
    from MVCTEnhanceLib.slicerui.wording import BAD, set_label

    set_label(app.ui.statusLabel, SENTENCES, BAD)


def show_all(app, *, planning_ct: bool = True) -> None:
    """A result, warnings and all sections open."""
    choose_result(app, add_result(app, open_with_scan(app), planning_ct=planning_ct))
    app.wait(lambda: app.ui.inputWarningsLabel.isVisible())


@pytest.mark.parametrize(
    "width", [SLICER_WIDTH, *(pytest.param(wide, marks=pytest.mark.thorough) for wide in (520, 600))]
)
@pytest.mark.parametrize("planning_ct", [True, False])
def test_nothing_overlaps_or_is_cut(app, width, planning_ct):
    show_all(app, planning_ct=planning_ct)
    resize(app, width)
    assert flaws(app) == []
    show_error(app)
    resize(app, width)
    assert flaws(app) == []


def test_nothing_overlaps_or_is_cut_after_a_visit_to_another_module(app):
    show_all(app)
    resize(app, SLICER_WIDTH)
    app.exit()
    app.enter()
    show_error(app)
    resize(app, SLICER_WIDTH)
    assert flaws(app) == []


@pytest.mark.parametrize("planning_ct", [True, False])
def test_the_names_of_the_readouts_are_not_cut(app, planning_ct):
    show_all(app, planning_ct=planning_ct)
    resize(app, SLICER_WIDTH)
    table = app.ui.metricsTable
    words = [word for row in range(table.rowCount) for word in table.item(row, 0).text().split()]
    longest = max(table.fontMetrics().horizontalAdvance(word) for word in words)
    assert table.columnWidth(0) > longest + 2 * app.qt.QApplication.style().pixelMetric(
        app.qt.QStyle.PM_FocusFrameHMargin
    )


def test_apply_is_in_sight_below_the_input_warnings(app):
    open_panel(app)
    resize(app, SLICER_WIDTH)
    assert app.ui.inputWarningsLabel.text.count("⚠") >= 3
    assert app.ui.applyButton.visibleRegion().boundingRect() == app.ui.applyButton.rect


def open_panel(app):
    """The module as it is opened, with a scan that has input warnings."""
    app.load_module()
    app.exit()
    mvct = add_mvct(app)
    app.enter()
    app.wait(lambda: app.ui.inputWarningsLabel.isVisible())
    return mvct


def test_sections_open_when_they_are_needed_and_stay_as_the_user_leaves_them(app):
    mvct = open_panel(app)
    assert opened(app) == ["inputs", "run"]
    app.ui.outputsCollapsibleButton.collapsed = False
    result = add_result(app, mvct)
    choose_result(app, result)
    assert opened(app) == ["inputs", "outputs", "run", "metrics", "review", "export"]
    app.ui.exportCollapsibleButton.collapsed = True
    app.exit()
    app.enter()
    assert opened(app) == ["inputs", "outputs", "run", "metrics", "review"]
    app.choose(app.ui.enhancedSelector, None)
    assert opened(app) == ["inputs", "outputs", "run"]


def test_sections_that_need_a_result_close_with_its_scene(app):
    mvct = open_panel(app)
    app.ui.outputsCollapsibleButton.collapsed = False
    choose_result(app, add_result(app, mvct))
    app.close_scene()
    assert opened(app) == ["inputs", "outputs", "run"]


def opened(app) -> list[str]:
    names = ("inputs", "model", "outputs", "run", "metrics", "review", "export")
    return [name for name in names if not getattr(app.ui, f"{name}CollapsibleButton").collapsed]


def test_the_section_of_the_model_names_it_and_opens_when_it_cannot_be_used(app, tmp_path):
    from slicerui.panels import parameters

    open_panel(app)
    assert app.ui.modelCollapsibleButton.text == f"Model: {app.ui.modelComboBox.currentText}"
    parameters(app).model = str(tmp_path / "gone.safetensors")
    assert app.ui.modelCollapsibleButton.text == "Model: gone.safetensors"
    assert app.ui.modelSummaryLabel.isVisible()


LONG = "TomoTherapy MVCT head and neck boost, registered, fine 4 mm, fraction {} of 33, 2026-11-0{}"


def test_long_names_do_not_widen_the_panel_and_are_told_apart(app):
    scans = [add_mvct(app, LONG.format(number, number)) for number in (3, 4)]
    app.load_module()
    resize(app, SLICER_WIDTH)
    assert app.slicer.util.mainWindow().width == SLICER_WIDTH and flaws(app) == []
    pictures = []
    for scan in scans:
        app.choose(app.ui.mvctSelector, scan)
        assert scan.GetName() in app.ui.mvctSelector.toolTip
        app.grab(app.ui.mvctSelector, app.folder / "selector.png")
        pictures.append((app.folder / "selector.png").read_bytes())
    assert pictures[0] != pictures[1]
