"""The picture of the panel in README.md, drawn after a run on the phantom.

MVCTENHANCE_PICTURES=Resources/Screenshots python -m pytest Testing/slicerui/panel/test_pictures.py
"""

import os
from pathlib import Path

import pytest
from slicerui.layouts import SLICER_WIDTH, resize
from slicerui.panels import apply_and_wait


@pytest.mark.skipif(
    "MVCTENHANCE_PICTURES" not in os.environ, reason="MVCTENHANCE_PICTURES names no folder to draw into"
)
def test_panel_after_a_run(app):
    folder = Path(os.environ["MVCTENHANCE_PICTURES"])
    app.load_module()
    app.download_sample("MVCT Enhance", "MVCT phantom")
    app.wait(lambda: len(app.slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == 2, 300)
    app.choose(app.ui.mvctSelector, app.slicer.util.getNode("MVCTPhantom"))
    app.choose(app.ui.planningCTSelector, app.slicer.util.getNode("PlanningCTPhantom"))
    apply_and_wait(app)
    panel = app.module.widgetRepresentation()
    resize(app, SLICER_WIDTH)
    resize(app, SLICER_WIDTH, panel.y + panel.height)
    app.grab(panel, folder / "panel.png")
