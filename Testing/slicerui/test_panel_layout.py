"""What can be read and reached in the panel in Slicer's main window, at its usual size and at others."""

import pytest
from slicerui.layouts import SLICER_WIDTH, flaws, resize
from slicerui.panels import choose_result, open_with_scan
from slicerui.results import add_result

SENTENCES = "The planning CT 'Head and neck, 2 mm' is not stacked along the slice normal. Load the series again. " * 3


def show_error(app) -> None:
    from MVCTEnhanceLib.slicerui.wording import BAD, say

    say(app.ui.statusLabel, SENTENCES, BAD)


def show_all(app, *, planning_ct: bool = True) -> None:
    """A result, warnings and all sections open."""
    choose_result(app, add_result(app, open_with_scan(app), planning_ct=planning_ct))
    app.wait(lambda: app.ui.doubtsLabel.isVisible())


@pytest.mark.parametrize("width", [SLICER_WIDTH, 520, 600])
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
